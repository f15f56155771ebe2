/**
 * Promises that may be dropped.
 *
 * @module
 */

/** One that is resolved. */
export const DONE: Promise<void> = Promise.resolve();

/** A rejected one that never becomes an unhandled rejection. */
export function rejected(reason: Error): Promise<never> {
  const promise = Promise.reject(reason);
  promise.catch(() => {});
  return promise;
}
