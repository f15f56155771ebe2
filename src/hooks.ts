/**
 * Calls what a user handed over, so that whatever it does harms nobody.
 *
 * @module
 */

import { show } from "./options.ts";

/** Says on the console what nobody else can be told, if that can be written and shown. */
export function report(error: unknown): void {
  try {
    console.error(error);
  } catch {
    // Nobody is left to be told, and whoever reports has to go on.
  }
}

/** Calls a hook. What it throws, now or later, is reported. */
export function callHook<A extends unknown[]>(
  hook: ((...args: A) => unknown) | undefined,
  ...args: A
): void {
  if (hook === undefined) return;
  try {
    const result = hook(...args);
    if (isThenable(result)) settled(result).then(undefined, report);
  } catch (error) {
    report(error);
  }
}

/**
 * Asks a hook for a yes or a no, and tells the answer at once if the hook gives it at once. What it
 * throws is reported and counts as a no, and so does whatever is neither.
 */
export function askHook<A extends unknown[]>(
  name: string,
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
    report(error);
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
