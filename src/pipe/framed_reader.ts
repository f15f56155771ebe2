/**
 * Reads messages that are framed, over chunks of one end of a pipe.
 *
 * @module
 */

import { isEnd, Status } from "../kernel/status.ts";
import type { Operation } from "../loop/operation.ts";
import type { WaitLoop } from "../loop/wait_loop.ts";
import type { BuiltInDecoder, BuiltInFraming } from "../options/framing.ts";
import type { ChunkReader } from "./chunk_reader.ts";
import { FrameTooLong } from "./framing/faults.ts";
import { NO_BYTES } from "./message.ts";
import { type Outcome, Reader } from "./reader.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/**
 * Reads one message at a time. A chunk may hold several, of which each completes a read of its own,
 * and a message may need several chunks.
 *
 * The first data of a connection is "partial" if it completes no message, so that its sender is known
 * before anything else is read. A bad frame is "partial" too, and ends the connection at the read for
 * its rest: by then the messages before it are answered. That read is "cancelled", not "broken", since
 * the other end may still have to read these answers.
 */
export class FramedReader extends Reader {
  readonly #chunks: ChunkReader;
  readonly #newDecoder: () => BuiltInDecoder;
  #decoder: BuiltInDecoder | undefined = undefined;
  /** Messages that were decoded, from this position on. */
  #decoded: readonly Bytes[] = [];
  #position = 0;
  #message: Bytes = NO_BYTES;
  /** Whether anything was read. */
  #begun = false;
  #failure: { readonly error: unknown } | undefined = undefined;
  /** Whether the next message was said to be read in part. */
  #partial = false;
  /** Whether the other end has closed. */
  #over = false;

  /** @param longest Bytes of the longest message that is accepted. */
  constructor(
    loop: WaitLoop,
    operation: Operation,
    chunks: ChunkReader,
    framing: BuiltInFraming,
    longest: number,
  ) {
    super(loop, operation);
    this.#chunks = chunks;
    this.#newDecoder = () => framing.decoder(longest);
  }

  /** Bytes of the message, after "message". Those of an unfinished frame are not known. */
  override get length(): number {
    return this.#message.length;
  }

  /** The rest of a frame need not have been sent yet: it can always be cancelled. */
  override get begun(): boolean {
    return false;
  }

  override get bytesReceived(): number {
    return this.#chunks.bytesReceived;
  }

  override get waiting(): number {
    return this.#decoded.length - this.#position;
  }

  override readFirst(): void {
    const known = this.waiting > 0 || this.#failure !== undefined || this.#over;
    if (known) this.loop.complete(this.operation, Status.SUCCESS);
    else this.#chunks.readFirst();
  }

  override readRest(): void {
    this.readFirst();
  }

  override takeMessage(): Bytes {
    const message = this.#message;
    this.#message = NO_BYTES;
    return message;
  }

  override discard(): void {
    super.discard();
    this.#decoded = [];
    this.#position = 0;
  }

  protected override received(status: number): Outcome {
    if (status === Status.CANCELLED) return "cancelled";
    return this.#next() ?? this.#receiveChunk();
  }

  /** Chunks are not decoded any more, and messages that were are not delivered. */
  protected override classify(status: number): Outcome {
    return isEnd(status) ? "ended" : "cancelled";
  }

  /** What is known without reading. */
  #next(): Outcome | undefined {
    const message = this.#decoded[this.#position];
    if (message !== undefined) {
      this.#message = message;
      this.#partial = false;
      this.#position++;
      // A decoder that has found a bad frame after these messages says so when it is asked again.
      if (this.waiting === 0 && !this.#over) this.#decode((decoder) => decoder.push(NO_BYTES));
      return "message";
    }
    if (this.#failure !== undefined) return this.#fail(this.#failure.error);
    return this.#over ? "ended" : undefined;
  }

  #receiveChunk(): Outcome {
    const outcome = this.#chunks.outcome();
    if (outcome === "message") {
      const chunk = this.#chunks.takeMessage();
      this.#decode((decoder) => decoder.push(chunk));
    } else if (outcome === "ended") {
      this.#over = true;
      this.#decode((decoder) => decoder.end());
    } else {
      if (this.#chunks.fault !== undefined) this.broken(this.#chunks.fault);
      return outcome;
    }
    const first = !this.#begun;
    this.#begun = true;
    return this.#next() ?? (first ? this.#announce() : this.#readOn());
  }

  #announce(): Outcome {
    this.#partial = true;
    return "partial";
  }

  /** The frame is not complete. After a cancel, only what is already in the pipe is read. */
  #readOn(): Outcome {
    const { cancelled } = this.operation;
    this.#chunks.readFirst();
    if (cancelled) this.cancel();
    return "later";
  }

  #fail(error: unknown): Outcome {
    // A frame that the end has cut off.
    if (this.#over) {
      this.#setFault(error);
      return "ended";
    }
    if (!this.#partial) return this.#announce();
    this.#setFault(error);
    return "cancelled";
  }

  #setFault(cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : "its framing failed";
    const tooLong = cause instanceof FrameTooLong;
    this.broken({ call: "ReadFile", status: Status.SUCCESS, reason, tooLong, cause });
  }

  #decode(decode: (decoder: BuiltInDecoder) => readonly Bytes[]): void {
    this.#decoded = [];
    this.#position = 0;
    try {
      this.#decoder ??= this.#newDecoder();
      this.#decoded = decode(this.#decoder);
    } catch (error) {
      this.#failure = { error };
    }
  }
}
