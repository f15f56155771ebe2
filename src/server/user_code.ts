/**
 * Calls what a user handed over, so that whatever it does harms nobody.
 *
 * @module
 */

import { show } from "../options/checks.ts";

/** Says on the console what nobody else can be told, if that can be written and shown. */
export function report(...what: unknown[]): void {
  try {
    console.error(...what);
  } catch {
    // Nobody is left to be told, and whoever reports has to go on.
  }
}

/** Kinds of errors that are told apart at most: a message may be another for each client. */
const MOST_KINDS = 16;

/**
 * Reports what hooks throw, which they may do at every connection: the first error of a kind at
 * once, then the latest whenever there are ten times as many, and at the end how many there were.
 * A kind is a hook with the name and the message of the error.
 */
export class HookReports {
  readonly #kinds = new Map<string, { count: number; told: number; last: unknown }>();

  add(hook: string, error: unknown): void {
    const kind = this.#kind(hook, error);
    const { count, told } = this.#kinds.get(kind) ?? { count: 0, told: 0 };
    if (count === 0) report(error);
    const errors = { count: count + 1, told: count === 0 ? 1 : told, last: error };
    this.#kinds.set(kind, errors);
    if (errors.count === errors.told * 10) this.#tell(kind, errors);
  }

  /** Tells of the rest. */
  close(): void {
    for (const [kind, errors] of this.#kinds) {
      if (errors.count > errors.told) this.#tell(kind, errors);
    }
    this.#kinds.clear();
  }

  #tell(kind: string, errors: { count: number; told: number; last: unknown }): void {
    errors.told = errors.count;
    report(`${kind} has been thrown ${errors.count} times by now, at last:`, errors.last);
  }

  #kind(hook: string, error: unknown): string {
    const kind = `"${hook}": ${titleOf(error)}`;
    return this.#kinds.has(kind) || this.#kinds.size < MOST_KINDS ? kind : `"${hook}": an error`;
  }
}

/** What an error is called, whatever it does when it is looked at. */
function titleOf(error: unknown): string {
  try {
    return error instanceof Error ? `${error.name}: ${error.message}`.slice(0, 256) : "an error";
  } catch {
    return "an error";
  }
}

/** Calls a hook. What it throws, now or later, is handed to `fail`. */
export function callHook<A extends unknown[]>(
  fail: (error: unknown) => void,
  hook: ((...args: A) => unknown) | undefined,
  ...args: A
): void {
  if (hook === undefined) return;
  try {
    const result = hook(...args);
    if (isThenable(result)) settled(result).then(undefined, fail);
  } catch (error) {
    fail(error);
  }
}

/**
 * Asks a hook for a yes or a no, and tells the answer at once if the hook gives it at once. What it
 * throws is handed to `told` and counts as a no, and so does whatever is neither.
 */
export function askHook<A extends unknown[]>(
  name: string,
  told: (error: unknown) => void,
  hook: (...args: A) => unknown,
  answered: (yes: boolean, error?: unknown) => void,
  ...args: A
): void {
  const settle = (answer: unknown) => {
    if (typeof answer === "boolean") return answered(answer);
    fail(
      new TypeError(`Cannot use the result of "${name}": must be a boolean, was ${show(answer)}`),
    );
  };
  const fail = (error: unknown) => {
    told(error);
    answered(false, error);
  };
  let result: unknown;
  let later: boolean;
  try {
    result = hook(...args);
    later = isThenable(result);
  } catch (error) {
    return fail(error);
  }
  if (later) settled(result).then(settle, fail);
  else settle(result);
}

/** What is no promise of JavaScript's own may answer twice, or throw instead. */
function settled(result: unknown): Promise<unknown> {
  return new Promise((resolve) => resolve(result));
}

/** Whether a value is to be awaited. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value &&
    typeof value.then === "function";
}
