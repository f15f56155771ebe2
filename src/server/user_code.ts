/**
 * Runs user callbacks; an exception in one never disturbs the server.
 *
 * @module
 */

import { show } from "../options/checks.ts";

/** Logs an error that has no caller to receive it. Never throws. */
export function report(...what: unknown[]): void {
  try {
    console.error(...what);
  } catch {
    // The error cannot be shown, and the server must continue.
  }
}

/** How many kinds of errors are distinguished: a message may differ for each client. */
const MAX_KINDS = 16;

/**
 * Reports what hooks throw, which may happen for every connection: the first error of a kind at
 * once, then the latest whenever there are ten times as many, and the total at the end. A kind is a
 * hook with the name and the message of the error.
 */
export class HookReports {
  readonly #kinds = new Map<string, { count: number; reported: number; last: unknown }>();

  add(hook: string, error: unknown): void {
    const kind = this.#kind(hook, error);
    const { count, reported } = this.#kinds.get(kind) ?? { count: 0, reported: 0 };
    if (count === 0) report(error);
    const errors = { count: count + 1, reported: count === 0 ? 1 : reported, last: error };
    this.#kinds.set(kind, errors);
    if (errors.count === errors.reported * 10) this.#reportCount(kind, errors);
  }

  /** Reports the errors that were only counted. */
  close(): void {
    for (const [kind, errors] of this.#kinds) {
      if (errors.count > errors.reported) this.#reportCount(kind, errors);
    }
    this.#kinds.clear();
  }

  #reportCount(kind: string, errors: { count: number; reported: number; last: unknown }): void {
    errors.reported = errors.count;
    report(`${kind} has been thrown ${errors.count} times so far, most recently:`, errors.last);
  }

  #kind(hook: string, error: unknown): string {
    const kind = `"${hook}": ${titleOf(error)}`;
    return this.#kinds.has(kind) || this.#kinds.size < MAX_KINDS ? kind : `"${hook}": an error`;
  }
}

/** The name and message of an error, even if reading them throws. */
function titleOf(error: unknown): string {
  try {
    return error instanceof Error ? `${error.name}: ${error.message}`.slice(0, 256) : "an error";
  } catch {
    return "an error";
  }
}

/** Calls a hook. Passes what it throws, now or later, to `fail`. */
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
 * Calls a hook that decides. `answered` gets the decision, at once if the hook returns it at once.
 * What the hook throws is passed to `failed` and counts as a no, and so does a result that is no
 * boolean.
 */
export function askHook<A extends unknown[]>(
  name: string,
  failed: (error: unknown) => void,
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
    failed(error);
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

/** A foreign promise may settle twice, or throw when its `then` is called. */
function settled(result: unknown): Promise<unknown> {
  return new Promise((resolve) => resolve(result));
}

/** Whether a value must be awaited. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value &&
    typeof value.then === "function";
}
