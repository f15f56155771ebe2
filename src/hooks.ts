/**
 * Calls what a user handed over, so that whatever it does harms nobody.
 *
 * @module
 */

/** Says on the console what nobody else can be told. */
export function report(error: unknown): void {
  console.error(error);
}

/** Calls a hook. What it throws, now or later, is reported. */
export function callHook<A extends unknown[]>(
  hook: ((...args: A) => unknown) | undefined,
  ...args: A
): void {
  if (hook === undefined) return;
  try {
    const result = hook(...args);
    if (isThenable(result)) result.then(undefined, report);
  } catch (error) {
    report(error);
  }
}

/** Whether a value is to be awaited. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value &&
    typeof value.then === "function";
}
