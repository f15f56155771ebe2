/**
 * Memory for a frame that arrives in pieces.
 *
 * @module
 */

import { NO_BYTES } from "../message.ts";

const FIRST_CAPACITY = 64;

/**
 * Collects the pieces of a frame. Its memory grows with what has arrived, not with what was
 * announced, and doubles each time, so that the cost is linear however small the pieces are.
 */
export class FrameBuffer {
  #bytes: Uint8Array<ArrayBuffer> = NO_BYTES;
  #length = 0;

  /** Bytes that are held. */
  get length(): number {
    return this.#length;
  }

  /** The last byte that is held, if any. */
  get last(): number | undefined {
    return this.#bytes[this.#length - 1];
  }

  /** Adds a copy of a piece. The memory never exceeds `limit`, which must hold all pieces. */
  append(piece: Uint8Array, limit: number): void {
    const length = this.#length + piece.length;
    if (length > this.#bytes.length) this.#grow(length, limit);
    this.#bytes.set(piece, this.#length);
    this.#length = length;
  }

  /** Removes everything, and returns the first `length` bytes in memory of their own. */
  take(length: number): Uint8Array<ArrayBuffer> {
    const bytes = this.#bytes;
    this.#bytes = NO_BYTES;
    this.#length = 0;
    return length === bytes.length && length > 0 ? bytes : bytes.slice(0, length);
  }

  #grow(length: number, limit: number): void {
    const doubled = Math.max(2 * this.#bytes.length, FIRST_CAPACITY);
    const bytes = new Uint8Array(Math.max(length, Math.min(limit, doubled)));
    bytes.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = bytes;
  }
}

/** A part of a chunk in memory of its own: slice() of a subclass may return a view. */
export function copyOf(chunk: Uint8Array, from: number, to: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(chunk.subarray(from, to));
}
