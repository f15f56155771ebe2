/**
 * Settled promises that never become unhandled rejections.
 *
 * @module
 */

/** A resolved promise. */
export const DONE: Promise<void> = Promise.resolve();

/** A rejected promise that never becomes an unhandled rejection. */
export function rejected(reason: Error): Promise<never> {
  const promise = Promise.reject(reason);
  promise.catch(() => {});
  return promise;
}
