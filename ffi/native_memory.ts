/**
 * Native memory, for what Windows reads and writes while JavaScript goes on: OVERLAPPEDs and
 * messages. Memory from VirtualAlloc, unlike that of a typed array, survives garbage collection,
 * `transfer()` and the end of a Worker, so an operation that outlives the code that submitted it
 * writes into memory that is still there.
 *
 * @module
 */

import type { Kernel32 } from "./kernel32.ts";
import { isFullyGranted } from "./library.ts";

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

/** See {@linkcode viewOf}. */
export type ViewOf = typeof viewOf;

/**
 * JavaScript's view of native memory. Copying through it needs no call, and is many times faster where
 * RtlMoveMemory is slow. It must not be used any more once the memory is freed.
 *
 * @returns Undefined if the FFI permission is one for single files: with that Deno shows no native
 *   memory, and would ask the user for more.
 */
export function viewOf(address: bigint, size: number): Uint8Array<ArrayBuffer> | undefined {
  const pointer = isFullyGranted() ? Deno.UnsafePointer.create(address) : null;
  if (pointer === null) return undefined;
  return new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(pointer, size));
}
