/**
 * What arrives on a connection as bytes, whole chunks or parts of them.
 *
 * @module
 */

import { NO_BYTES, plainView } from "./message.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** See the module. One call at a time. */
export class Chunks {
  readonly #receive: (into?: Bytes) => Promise<Bytes | null>;
  /** What remains of the last chunk. */
  #rest: Bytes = NO_BYTES;

  /**
   * @param receive Receives the next chunk, into this memory if there is some and the chunk fits;
   *   null at the end.
   */
  constructor(receive: (into?: Bytes) => Promise<Bytes | null>) {
    this.#receive = receive;
  }

  /** The next chunk, or what remains of the last one; null at the end. */
  async next(): Promise<Bytes | null> {
    const rest = this.#rest;
    if (rest.length === 0) return await this.#receive();
    this.#rest = NO_BYTES;
    return rest;
  }

  /** Reads bytes into memory of the program: how many, or null at the end. */
  async readInto(p: Uint8Array): Promise<number | null> {
    if (p.length === 0) return 0;
    if (this.#rest.length === 0) {
      const into = plainView(p);
      const chunk = await this.#receive(into);
      if (chunk === null) return null;
      if (chunk.length > 0 && chunk.buffer === into?.buffer) return chunk.length;
      this.#rest = chunk;
    }
    // The memory may have become shorter, or detached, in the meantime.
    const part = this.#rest.subarray(0, p.length);
    p.set(part);
    this.#rest = this.#rest.subarray(part.length);
    return part.length;
  }

  /** Drops what remains. */
  drop(): void {
    this.#rest = NO_BYTES;
  }
}
