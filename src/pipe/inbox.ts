/**
 * What has arrived on a connection and was not received by the program.
 *
 * @module
 */

import type { BuiltInDecoder } from "../options/framing.ts";
import { NO_BYTES } from "./message.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** See the module. At most one message or chunk is held that was not decoded. */
export class Inbox {
  readonly #take: (into?: Bytes) => Bytes;
  readonly #newDecoder: (() => BuiltInDecoder) | undefined;
  readonly #emptyEnds: boolean;
  /** Created with the first message: a connection may never be used for messages. */
  #decoder: BuiltInDecoder | undefined = undefined;
  /** Whether a message or chunk was read, which is still in the reader. */
  #holds = false;
  /** Messages that were decoded, from this position on. */
  #decoded: readonly Bytes[] = [];
  #position = 0;
  #failure: { readonly error: unknown } | undefined = undefined;
  #over = false;

  /**
   * @param take Takes what was read out of the reader, into memory that is long enough if there is one.
   * @param newDecoder Decodes messages from chunks; undefined: what was read is a message.
   * @param emptyEnds Whether an empty message says that no more messages follow.
   */
  constructor(
    take: (into?: Bytes) => Bytes,
    newDecoder: (() => BuiltInDecoder) | undefined,
    emptyEnds: boolean,
  ) {
    this.#take = take;
    this.#newDecoder = newDecoder;
    this.#emptyEnds = emptyEnds;
  }

  /** Whether nothing more can be read before the program has received something. */
  get full(): boolean {
    return this.length > 0;
  }

  /** Whether the other end sends nothing more. */
  get over(): boolean {
    return this.#over;
  }

  /** Why what follows the messages that were received cannot be decoded. */
  get failure(): { readonly error: unknown } | undefined {
    return this.full ? undefined : this.#failure;
  }

  /** How many messages or chunks wait to be received. */
  get length(): number {
    return (this.#holds ? 1 : 0) + this.#decoded.length - this.#position;
  }

  /** A message or chunk of this length was read. */
  arrived(length: number): void {
    this.#holds = true;
    const ends = this.#emptyEnds && length === 0;
    // Nobody receives what comes after the end.
    if (ends || this.#over) this.#drop();
    if (ends) this.end();
  }

  /**
   * The next message.
   *
   * @param raw Defined if it is a message or chunk as it was read, without decoding: memory that it
   *   may be copied into.
   * @returns null if no more messages follow; undefined if none has arrived.
   */
  next(raw: Bytes | undefined): Bytes | null | undefined {
    while (true) {
      const decoded = this.#nextDecoded();
      if (decoded !== undefined) return decoded;
      if (!this.#holds) return this.#over && this.#failure === undefined ? null : undefined;
      this.#holds = false;
      const item = this.#take(raw);
      if (raw !== undefined || this.#newDecoder === undefined) return item;
      this.#decode((decoder) => decoder.push(item));
    }
  }

  /** The other end sends nothing more. What was decoded is still received. */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    // Without a decoder, the connection was never used for messages.
    if (this.#decoder !== undefined) this.#decode((decoder) => decoder.end());
  }

  /** Drops everything: nobody receives it any more. */
  close(): void {
    this.#over = true;
    this.#decoded = [];
    this.#position = 0;
    this.#failure = undefined;
    this.#drop();
  }

  #nextDecoded(): Bytes | undefined {
    const decoded = this.#decoded[this.#position];
    if (decoded === undefined) return undefined;
    this.#position++;
    // A decoder that has found a bad frame after these messages says so when it is asked again.
    const last = this.#position === this.#decoded.length;
    if (last && !this.#over) this.#decode((decoder) => decoder.push(NO_BYTES));
    return decoded;
  }

  #decode(decode: (decoder: BuiltInDecoder) => readonly Bytes[]): void {
    this.#decoded = [];
    this.#position = 0;
    try {
      this.#decoder ??= this.#newDecoder?.();
      if (this.#decoder !== undefined) this.#decoded = decode(this.#decoder);
    } catch (error) {
      this.#failure = { error };
    }
  }

  #drop(): void {
    if (this.#holds) this.#take();
    this.#holds = false;
  }
}
