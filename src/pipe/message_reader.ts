/**
 * Reads whole messages, of any length, from one end of a pipe.
 *
 * @module
 */

import { isEnd, isShortage, Status } from "../kernel/status.ts";
import { allocate } from "../loop/memory.ts";
import type { Operation } from "../loop/operation.ts";
import type { WaitLoop } from "../loop/wait_loop.ts";
import { NO_BYTES } from "./message.ts";
import { type Fault, FIRST_READ, type Outcome, Reader } from "./reader.ts";

/** The most bytes of a message's first read, where the pipe's quota is unknown. */
const LONGEST_FIRST_READ = 65_536;

/**
 * Reads one message at a time: a first read, and if the message is longer, exactly one more for the
 * rest. The first read is as long as recent messages were, within a limit, since a connection holds
 * that memory while its client is silent.
 *
 * Between the two reads the writer may withdraw the rest and write another message, which the second
 * read would take for the end of the first. Therefore the length of the rest is asked at once, and a
 * second read of any other length is a fault.
 *
 * The writer may also have swapped the two before the length was asked. It can only withdraw a
 * message that is longer than the pipe's quota: a shorter one is written at once and stays. So where
 * the quota is known, and the last message was longer, the next one is awaited by a read of 0 bytes,
 * which consumes nothing, then measured, and then read in one piece. This costs one more call for
 * each such message; messages that fit, and the first of a connection, are read as usual.
 */
export class MessageReader extends Reader {
  readonly #longest: number;
  readonly #quota: number | undefined;
  readonly #longestFirst: number;
  #first = FIRST_READ;
  /** Whether the first read only waits for the next message, and reads 0 bytes of it. */
  #awaits = false;
  #message: Uint8Array<ArrayBuffer> = NO_BYTES;
  /** Bytes of the first piece, which stays in the slot's memory until the rest is read. */
  #piece = 0;
  #rest = 0;
  #readsRest = false;

  /**
   * @param longest Bytes of the longest message that is accepted.
   * @param quota Bytes that the other end can write before any are read, if known. This end may
   *   hold as many while the other is silent.
   */
  constructor(loop: WaitLoop, operation: Operation, longest: number, quota?: number) {
    super(loop, operation);
    this.#longest = longest;
    this.#quota = quota;
    this.#longestFirst = Math.max(quota ?? LONGEST_FIRST_READ, FIRST_READ);
  }

  /** Bytes of the message, after "partial" or "message". */
  override get length(): number {
    return this.#rest > 0 ? this.#piece + this.#rest : this.#message.length;
  }

  /** Whether a message was read in part, and its rest is still to be read. */
  override get begun(): boolean {
    return this.#rest > 0;
  }

  /** Submits the first read of the next message. */
  override readFirst(): void {
    this.#readsRest = false;
    this.#rest = 0;
    this.loop.read(this.operation, this.#awaits ? 0 : this.#first);
  }

  /** Submits the one read for the rest, after "partial". */
  override readRest(): void {
    const message = allocate(this.#piece + this.#rest);
    if (message === undefined) {
      return this.loop.complete(this.operation, Status.OUT_OF_MEMORY);
    }
    this.#message = message;
    this.kernel.take(this.operation.slot, this.#message.subarray(0, this.#piece));
    this.#readsRest = true;
    this.loop.readNow(this.operation, this.#rest);
  }

  protected override received(status: number): Outcome {
    if (status === Status.SUCCESS) return this.#readsRest ? this.#joinRest() : this.#takeWhole();
    if (status === Status.MORE_DATA) return this.#readsRest ? this.#mismatch() : this.#measure();
    if (status === Status.CANCELLED) return "cancelled";
    if (isEnd(status)) return "ended";
    return this.#unusable({ call: "ReadFile", status });
  }

  /** The whole message, after "message". */
  override takeMessage(): Uint8Array<ArrayBuffer> {
    const message = this.#message;
    this.#message = NO_BYTES;
    this.#rest = 0;
    this.#awaits = message.length > (this.#quota ?? Infinity);
    // Half at most at once, so that a short message among long ones does not cost them two reads.
    const length = Math.max(message.length, this.#first >> 1, FIRST_READ);
    this.#first = Math.min(length, this.#longestFirst);
    return message;
  }

  #takeWhole(): Outcome {
    const { transferred } = this;
    if (transferred > this.#longest) return this.#tooLong(transferred);
    this.#message = this.kernel.takeNew(this.operation.slot, transferred);
    this.count(transferred);
    return "message";
  }

  #joinRest(): Outcome {
    const rest = this.transferred;
    if (rest !== this.#rest) {
      if (this.#piece > 0) return this.#mismatch();
      // Nothing was read of the message that was measured, and this one is whole.
      this.#message = new Uint8Array(rest);
      this.#rest = rest;
    }
    this.kernel.take(this.operation.slot, this.#message.subarray(this.#piece));
    this.count(this.#message.length);
    return "message";
  }

  /** The message is longer: asks for its length before any memory is allocated. */
  #measure(): Outcome {
    this.#piece = this.transferred;
    const { status, left } = this.kernel.peek(this.operation.handle);
    if (isEnd(status)) return "ended";
    if (isShortage(status)) return this.#later();
    if (status !== Status.SUCCESS) return this.#unusable({ call: "PeekNamedPipe", status });
    if (left === 0) return this.#awaits ? this.#awaitNext() : this.#mismatch();
    if (this.#piece + left > this.#longest) return this.#tooLong(this.#piece + left);
    this.#rest = left;
    return "partial";
  }

  /** The message was withdrawn, or is empty by now: another read of 0 bytes receives that one. */
  #awaitNext(): Outcome {
    if (this.operation.cancelled) return "cancelled";
    this.readFirst();
    return "later";
  }

  #later(): Outcome {
    this.repeat();
    return "later";
  }

  #tooLong(length: number): Outcome {
    const reason = `a message of ${length} bytes is longer than the limit of ${this.#longest}`;
    return this.#unusable({ call: "ReadFile", status: Status.MORE_DATA, reason, tooLong: true });
  }

  #unusable(fault: Fault): Outcome {
    this.#message = NO_BYTES;
    return this.broken(fault);
  }

  #mismatch(): Outcome {
    const reason = "a message was withdrawn while it was read";
    return this.#unusable({ call: "ReadFile", status: this.operation.status, reason });
  }
}
