/**
 * Reads chunks of bytes from one end of a pipe.
 *
 * @module
 */

import { Status } from "../kernel/status.ts";
import { FIRST_READ, type Outcome, Reader } from "./reader.ts";

/** The longest read, in bytes. */
const LONGEST_READ = 65_536;

/**
 * Reads what is there, up to the length of one read, which grows while reads are filled and shrinks
 * when they are not: a connection holds that memory while its other end is silent.
 *
 * On a message pipe, a chunk never contains parts of two messages.
 */
export class ChunkReader extends Reader {
  #size = FIRST_READ;
  /** Bytes of the chunk, which stays in the slot's memory until it is taken. */
  #length = 0;

  override get length(): number {
    return this.#length;
  }

  /** Chunks are never read in part. */
  override get begun(): boolean {
    return false;
  }

  override readFirst(): void {
    this.loop.read(this.operation, this.#size);
  }

  /** There is no rest: see {@linkcode ChunkReader.begun}. */
  override readRest(): void {}

  override takeMessage(into?: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const length = this.#length;
    this.#length = 0;
    const { slot } = this.operation;
    const fits = into !== undefined && length > 0 && length <= into.length;
    if (!fits) return this.kernel.takeNew(slot, length);
    const chunk = into.subarray(0, length);
    this.kernel.take(slot, chunk);
    return chunk;
  }

  protected override received(status: number): Outcome {
    // With MORE_DATA, the rest of the message is the next chunk.
    if (status !== Status.SUCCESS && status !== Status.MORE_DATA) return this.failed(status);
    const { transferred } = this;
    this.count(transferred);
    this.#length = transferred;
    if (transferred === this.#size) this.#size = Math.min(2 * transferred, LONGEST_READ);
    else if (transferred < this.#size >> 2) this.#size = Math.max(this.#size >> 1, FIRST_READ);
    return "message";
  }
}
