/**
 * The error of a Windows call without which nothing can start.
 *
 * @module
 */

/** Windows refused something that the kernel cannot start without. */
export class KernelError extends Error {
  /** The Windows function that failed. */
  readonly call: string;
  /** Its last error. */
  readonly code: number;

  /** Names the function that failed, and its last error. */
  constructor(call: string, code: number) {
    super(`${call} failed with error ${code}`);
    this.name = "KernelError";
    this.call = call;
    this.code = code;
  }
}
