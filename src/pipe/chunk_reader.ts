/**
 * Reads chunks of bytes from one end of a pipe.
 *
 * @module
 */

import { Status } from "../kernel/status.ts";
import { type Outcome, Reader } from "./reader.ts";

/** Bytes of a connection's first read, and of each read while its chunks are short. */
const FIRST_READ = 4096;

/** The longest read, in bytes. */
const LONGEST_READ = 65_536;

const EMPTY = new Uint8Array(0);

/**
 * Reads what is there, up to the length of one read, which grows while reads are filled and shrinks
 * when they are not: a connection holds that memory while its other end is silent.
 *
 * On a message pipe, a chunk never contains parts of two messages.
 */
export class ChunkReader extends Reader {
  #size = FIRST_READ;
  #chunk: Uint8Array<ArrayBuffer> = EMPTY;

  override get length(): number {
    return this.#chunk.length;
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

  override takeMessage(): Uint8Array<ArrayBuffer> {
    const chunk = this.#chunk;
    this.#chunk = EMPTY;
    return chunk;
  }

  protected override received(status: number): Outcome {
    // With MORE_DATA, the rest of the message is the next chunk.
    if (status !== Status.SUCCESS && status !== Status.MORE_DATA) return this.failed(status);
    const { transferred } = this;
    this.count(transferred);
    this.#chunk = new Uint8Array(transferred);
    if (transferred > 0) this.kernel.take(this.operation.slot, this.#chunk);
    if (transferred === this.#size) this.#size = Math.min(2 * transferred, LONGEST_READ);
    else if (transferred < this.#size >> 2) this.#size = Math.max(this.#size >> 1, FIRST_READ);
    return "message";
  }
}
