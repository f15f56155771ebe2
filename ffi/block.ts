/**
 * Native memory for one message.
 *
 * @module
 */

import type { MemoryCalls } from "./native_memory.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A region that is divided into blocks of one page. */
export interface Chunk {
  readonly address: bigint;
  readonly free: Block[];
}

/** See the module. It must not be used any more once it is freed. */
export class Block {
  /** Where it begins. */
  readonly address: bigint;
  /** Its size in bytes. */
  readonly size: number;
  /** The chunk that it is a part of; undefined if it is a region of its own. */
  readonly chunk: Chunk | undefined;
  readonly #memory: MemoryCalls;
  readonly #view: Bytes | undefined;

  /** @param view JavaScript's view of it, if there is one. */
  constructor(
    memory: MemoryCalls,
    address: bigint,
    size: number,
    chunk: Chunk | undefined,
    view: Bytes | undefined,
  ) {
    this.#memory = memory;
    this.address = address;
    this.size = size;
    this.chunk = chunk;
    this.#view = view;
  }

  /** Copies a message into it, which fits. */
  set(message: Bytes): void {
    if (this.#view !== undefined) this.#view.set(message);
    else this.#memory.copyIn(this.address, message, BigInt(message.length));
  }

  /** Copies its first bytes, until `target` is full. */
  copyTo(target: Bytes): void {
    if (this.#view !== undefined) target.set(this.#view.subarray(0, target.length));
    else this.#memory.copyOut(target, this.address, BigInt(target.length));
  }

  /** Its first bytes, as an array of their own. */
  copy(size: number): Bytes {
    if (this.#view !== undefined) return this.#view.slice(0, size);
    const bytes = new Uint8Array(size);
    this.copyTo(bytes);
    return bytes;
  }
}
