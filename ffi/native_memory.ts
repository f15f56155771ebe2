/**
 * Native memory, for what Windows reads and writes while JavaScript goes on: OVERLAPPEDs and
 * messages. Memory from VirtualAlloc, unlike that of a typed array, survives garbage collection,
 * `transfer()` and the end of a Worker, so an operation that outlives the code that submitted it
 * writes into memory that is still there.
 *
 * @module
 */

import type { Kernel32 } from "./kernel32.ts";

/** The functions that allocate, access and free native memory. */
export type MemoryCalls = Pick<
  Kernel32["symbols"],
  "VirtualAlloc" | "VirtualFree" | "GetLastError" | "copyIn" | "copyOut"
>;

/** The unit in which memory is committed, and the smallest block, in bytes. */
export const PAGE_SIZE = 4096;

/** Bytes of native memory held. */
export interface MemoryUsage {
  /** Address space reserved in the process. */
  reserved: number;
  /** Memory committed by the system. */
  committed: number;
  /** Blocks and OVERLAPPEDs in use. */
  inUse: number;
}
