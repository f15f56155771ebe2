/**
 * Memory into which Windows returns what is asked about users and access rights.
 *
 * @module
 */

import type { Block } from "./block.ts";
import type { Kernel32 } from "./kernel32.ts";
import { KernelError } from "./kernel_error.ts";
import type { Slab } from "./slab.ts";

/** Bytes to start with for a security descriptor; if one is longer, Windows tells its length. */
const BLOCK_SIZE = 4096;

/** Out-parameters, and a block of native memory. What a call returns stays until the next one. */
export class Scratch {
  readonly #calls: Kernel32["symbols"];
  readonly #slab: Slab;
  readonly #value: BigUint64Array<ArrayBuffer> = new BigUint64Array(1);
  /** For a structure. */
  readonly block: Block;
  /** For a handle or an address. */
  readonly pointer: Uint8Array<ArrayBuffer> = new Uint8Array(this.#value.buffer);
  /** For a length. */
  readonly dword: Uint8Array<ArrayBuffer> = new Uint8Array(4);
  readonly #dwordView = new DataView(this.dword.buffer);

  /**
   * Allocates the block.
   *
   * @throws {KernelError} If there is no memory.
   */
  constructor(calls: Kernel32["symbols"], slab: Slab) {
    this.#calls = calls;
    this.#slab = slab;
    const block = slab.allocate(BLOCK_SIZE);
    if (block === undefined) throw new KernelError("VirtualAlloc", calls.GetLastError());
    this.block = block;
  }

  /** The handle or address that was returned. */
  get pointerValue(): bigint {
    return this.#value[0] ?? 0n;
  }

  /** The length that was returned. */
  get dwordValue(): number {
    return this.#dwordView.getUint32(0, true);
  }

  /** Copies native memory, of this block or any other. */
  copy(address: bigint, size: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(size);
    if (size > 0) this.#calls.copyOut(bytes, address, BigInt(size));
    return bytes;
  }

  /** A larger block, for a structure that does not fit; undefined if there is no memory. */
  allocate(size: number): Block | undefined {
    return this.#slab.allocate(size);
  }

  /** Frees a block that {@linkcode Scratch.allocate} returned; the block of its own stays. */
  free(block: Block): void {
    if (block !== this.block) this.#slab.free(block);
  }

  /** Frees its own block. */
  dispose(): void {
    this.#slab.free(this.block);
  }
}
