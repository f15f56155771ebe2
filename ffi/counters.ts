/**
 * Counts what the kernel on Windows does, for measurements.
 *
 * @module
 */

/** What a `WindowsKernel` has done so far. */
export interface Counters {
  /** Listens, reads and writes submitted. */
  submissions: number;
  /** Waits dispatched to another thread. */
  waits: number;
  /** Copies into and out of native memory. */
  copies: number;
  /** Bytes that these copies moved. */
  bytesCopied: number;
  /** All other calls of Windows functions, except GetLastError and those for memory and security. */
  otherCalls: number;
}

/** Counters at zero. */
export function newCounters(): Counters {
  return { submissions: 0, waits: 0, copies: 0, bytesCopied: 0, otherCalls: 0 };
}
