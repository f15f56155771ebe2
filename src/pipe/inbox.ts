/**
 * What has arrived on a connection and was not received by the program.
 *
 * @module
 */

import type { FrameDecoder } from "./framing.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** See the module. At most one message or chunk is held that was not decoded. */
export class Inbox {
  readonly #take: () => Bytes;
  readonly #decoder: FrameDecoder | undefined;
  readonly #emptyEnds: boolean;
  /** Whether a message or chunk was read, which is still in the reader. */
  #holds = false;
  /** Messages that were decoded, from this position on. */
  #decoded: readonly Bytes[] = [];
  #position = 0;
  #over = false;
  #decodes = false;

  /**
   * @param take Takes what was read out of the reader.
   * @param decoder Decodes messages from chunks; undefined: what was read is a message.
   * @param emptyEnds Whether an empty message says that no more messages follow.
   */
  constructor(take: () => Bytes, decoder: FrameDecoder | undefined, emptyEnds: boolean) {
    this.#take = take;
    this.#decoder = decoder;
    this.#emptyEnds = emptyEnds;
  }

  /** Whether nothing more can be read before the program has received something. */
  get full(): boolean {
    return this.#holds || this.#position < this.#decoded.length;
  }

  /** Whether the other end sends nothing more. */
  get over(): boolean {
    return this.#over;
  }

  /** A message or chunk was read. */
  arrived(): void {
    this.#holds = true;
    // Nobody receives what comes after the end.
    if (this.#over) this.#drop();
  }

  /**
   * The next message.
   *
   * @param raw Whether it is a message or chunk as it was read, without decoding.
   * @returns null if no more messages follow; undefined if none has arrived.
   * @throws {unknown} What the decoder throws.
   */
  next(raw: boolean): Bytes | null | undefined {
    while (true) {
      const decoded = this.#decoded[this.#position];
      if (decoded !== undefined) {
        this.#position++;
        return decoded;
      }
      if (!this.#holds) return this.#over ? null : undefined;
      this.#holds = false;
      const item = this.#take();
      if (item.length === 0 && this.#emptyEnds) this.end();
      else if (raw || this.#decoder === undefined) return item;
      else this.#decode(this.#decoder, item);
    }
  }

  /**
   * The other end sends nothing more. What was decoded is still received.
   *
   * @throws {unknown} What the decoder throws, when a message is unfinished.
   */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    // One that was never used, for messages, has nothing unfinished.
    if (this.#decoder !== undefined && this.#decodes) this.#keep(this.#decoder.end());
  }

  /** Drops everything: nobody receives it any more. */
  close(): void {
    this.#over = true;
    this.#keep([]);
    this.#drop();
  }

  #decode(decoder: FrameDecoder, item: Bytes): void {
    this.#decodes = true;
    this.#keep(decoder.push(item));
  }

  #keep(decoded: readonly Bytes[]): void {
    this.#decoded = decoded;
    this.#position = 0;
  }

  #drop(): void {
    if (this.#holds) this.#take();
    this.#holds = false;
  }
}
