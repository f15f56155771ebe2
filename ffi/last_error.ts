/**
 * Turns a last error into a status.
 *
 * @module
 */

import { Status } from "../src/kernel/status.ts";

/**
 * The status of a call that failed. Read the last error in the same expression as the call, as the
 * argument of this function: on entering a function, V8 may collect garbage or install code, and the
 * system calls that it makes for this may overwrite the last error.
 */
export function failure(lastError: number): number {
  return lastError === 0 ? Status.UNKNOWN : lastError;
}
