/**
 * Reads whole messages, of any length, off one end of a pipe.
 *
 * @module
 */

import { type Kernel, Lane } from "../kernel/kernel.ts";
import { isEnd, isShortage, Status } from "../kernel/status.ts";
import { allocate } from "../loop/memory.ts";
import type { Operation } from "../loop/operation.ts";
import type { WaitLoop } from "../loop/wait_loop.ts";

/** Bytes of the first read of a connection, and of each when its messages are short. */
const FIRST_READ = 4096;

/** Bytes of a first read at most, where the pipe's quota is not known. */
const LONGEST_FIRST_READ = 65_536;

/**
 * What became of a read. With "broken", `fault` says why what came cannot be used; with "later",
 * the system is short of something, and the same completion comes again.
 */
export type Outcome = "message" | "partial" | "ended" | "cancelled" | "broken" | "later";

/** Why a message cannot be used. */
export interface Fault {
  readonly call: string;
  readonly status: number;
  /** Set when the fault is not that of a call. */
  readonly reason?: string;
  /** The message is longer than the limit. */
  readonly tooLong?: boolean;
}

/**
 * One message at a time: a first read, and if the message is longer, exactly one more for the rest.
 * The first read is as long as the last messages were, within a limit: it is what a connection
 * holds while its client is silent.
 *
 * Between the two the writer may withdraw the rest and write another message, which the second read
 * would take for the end of the first. Therefore the length of the rest is asked at once, and a
 * second read that brings anything else is a fault.
 *
 * That leaves a writer that has swapped them before the length was asked. It can only withdraw what
 * is longer than the pipe's quota: anything else is written at once and stays. So where the quota is
 * known, and the last message was longer, the next is awaited by a read of 0 bytes, which takes
 * nothing of it, then measured, and then read at one go. This costs a call more for each message,
 * and is not done for those that fit, nor for the first one of a connection.
 */
export class MessageReader {
  readonly #loop: WaitLoop;
  readonly #kernel: Kernel;
  readonly #operation: Operation;
  readonly #longest: number;
  readonly #quota: number | undefined;
  readonly #longestFirst: number;
  #first = FIRST_READ;
  /** Whether the next message is only awaited by the first read, which has no room for any of it. */
  #awaits = false;
  #message: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  /** Bytes of the first piece, which stays in the slot's memory until the rest is read. */
  #piece = 0;
  #rest = 0;
  #readsRest = false;
  #fault: Fault | undefined = undefined;
  #discards = false;

  /**
   * @param longest Bytes of the longest message that is taken.
   * @param quota Bytes that the other end can write without anybody reading, if that is known. As
   *   much may this end hold while the other is silent.
   */
  constructor(loop: WaitLoop, operation: Operation, longest: number, quota?: number) {
    this.#loop = loop;
    this.#kernel = loop.kernel;
    this.#operation = operation;
    this.#longest = longest;
    this.#quota = quota;
    this.#longestFirst = Math.max(quota ?? LONGEST_FIRST_READ, FIRST_READ);
  }

  /** Why the last read was "broken". */
  get fault(): Fault | undefined {
    return this.#fault;
  }

  /** How long the message is, after "partial" or "message". */
  get length(): number {
    return this.#rest > 0 ? this.#piece + this.#rest : this.#message.length;
  }

  /** Whether a part of a message has been read, and the rest is to be. */
  get begun(): boolean {
    return this.#rest > 0;
  }

  /** Submits the first read of the next message. */
  readFirst(): void {
    this.#readsRest = false;
    this.#rest = 0;
    this.#loop.read(this.#operation, this.#awaits ? 0 : this.#first);
  }

  /** Submits the one read for the rest, after "partial". */
  readRest(): void {
    const message = allocate(this.#piece + this.#rest);
    if (message === undefined) {
      return this.#loop.complete(this.#operation, Status.OUT_OF_MEMORY);
    }
    this.#message = message;
    this.#kernel.take(this.#operation.slot, this.#message.subarray(0, this.#piece));
    this.#readsRest = true;
    this.#loop.readNow(this.#operation, this.#rest);
  }

  /** Whether Windows has the read, and has not ended it by now, seen or not. */
  get pending(): boolean {
    return this.#loop.isPending(this.#operation);
  }

  /** Whether a shortage keeps the read, or its result, from going on. */
  get deferred(): boolean {
    return this.#operation.deferred;
  }

  /** Cancels the read, whose completion still follows. */
  cancel(): void {
    this.#loop.cancel(this.#operation);
  }

  /** A read that was not submitted ends as if it were cancelled. */
  finishCancelled(): void {
    this.#loop.complete(this.#operation, Status.CANCELLED);
  }

  /** Lets the read complete once more, in the next turn. */
  redeliver(): void {
    this.#loop.complete(this.#operation, this.#operation.status);
  }

  /** Lets the read complete once more, when a shortage may have passed. */
  repeat(): void {
    this.#loop.repeat(this.#operation);
  }

  /**
   * Nobody wants what is read any more: from now on a read is only classified. Fetching it could
   * fail and delay the end.
   */
  discard(): void {
    this.#discards = true;
  }

  /** What the read that is over brought. To be called once, in the task that learns of it. */
  outcome(): Outcome {
    const { status } = this.#operation;
    if (this.#discards) return this.#classify(status);
    if (status === Status.SUCCESS) return this.#readsRest ? this.#joinRest() : this.#takeWhole();
    if (status === Status.MORE_DATA) return this.#readsRest ? this.#mismatch() : this.#measure();
    if (status === Status.CANCELLED) return "cancelled";
    if (isEnd(status)) return "ended";
    return this.#broken({ call: "ReadFile", status });
  }

  /** The whole message, after "message". */
  takeMessage(): Uint8Array<ArrayBuffer> {
    const message = this.#message;
    this.#message = EMPTY;
    this.#rest = 0;
    this.#awaits = message.length > (this.#quota ?? Infinity);
    // Half at most at once, so that a short message among long ones does not cost them two reads.
    const length = Math.max(message.length, this.#first >> 1, FIRST_READ);
    this.#first = Math.min(length, this.#longestFirst);
    return message;
  }

  /** Something was read, if only a part; or nothing was. */
  #classify(status: number): Outcome {
    const cancelled = status === Status.CANCELLED;
    const read = status === Status.SUCCESS || status === Status.MORE_DATA;
    if (read || cancelled && this.begun) return "message";
    return cancelled ? "cancelled" : "ended";
  }

  get #transferred(): number {
    return this.#kernel.transferred(Lane.IN, this.#operation.slot);
  }

  #takeWhole(): Outcome {
    this.#message = new Uint8Array(this.#transferred);
    if (this.#message.length > this.#longest) return this.#tooLong(this.#message.length);
    if (this.#message.length > 0) this.#kernel.take(this.#operation.slot, this.#message);
    return "message";
  }

  #joinRest(): Outcome {
    const rest = this.#transferred;
    if (rest !== this.#rest) {
      if (this.#piece > 0) return this.#mismatch();
      // Nothing of the one that was measured was taken, and this one is whole.
      this.#message = new Uint8Array(rest);
      this.#rest = rest;
    }
    this.#kernel.take(this.#operation.slot, this.#message.subarray(this.#piece));
    return "message";
  }

  /** The message goes on: how far, before anything is allocated for it. */
  #measure(): Outcome {
    this.#piece = this.#transferred;
    const { status, left } = this.#kernel.peek(this.#operation.handle);
    if (isEnd(status)) return "ended";
    if (isShortage(status)) return this.#later();
    if (status !== Status.SUCCESS) return this.#broken({ call: "PeekNamedPipe", status });
    if (left === 0) return this.#awaits ? this.#awaitNext() : this.#mismatch();
    if (this.#piece + left > this.#longest) return this.#tooLong(this.#piece + left);
    this.#rest = left;
    return "partial";
  }

  /** What was awaited is withdrawn, or it is an empty one by now, which another such read takes. */
  #awaitNext(): Outcome {
    if (this.#operation.cancelled) return "cancelled";
    this.readFirst();
    return "later";
  }

  #later(): Outcome {
    this.repeat();
    return "later";
  }

  #tooLong(length: number): Outcome {
    const reason = `a message of ${length} bytes is longer than the limit of ${this.#longest}`;
    return this.#broken({ call: "ReadFile", status: Status.MORE_DATA, reason, tooLong: true });
  }

  #mismatch(): Outcome {
    const reason = "a message was withdrawn while it was read";
    return this.#broken({ call: "ReadFile", status: this.#operation.status, reason });
  }

  #broken(fault: Fault): Outcome {
    this.#message = EMPTY;
    this.#fault = fault;
    return "broken";
  }
}

const EMPTY = new Uint8Array(0);
