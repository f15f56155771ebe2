/**
 * From a last error to a status of the seam.
 *
 * @module
 */

import { Status } from "../src/kernel/status.ts";

/**
 * The status of a call that failed. The last error has to be taken in the same expression as the
 * call, as an argument of this: where a function begins, V8 may collect garbage or install code,
 * and what it calls for that may leave an error of its own.
 */
export function failure(lastError: number): number {
  return lastError === 0 ? Status.UNKNOWN : lastError;
}
