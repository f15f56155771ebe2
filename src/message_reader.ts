/**
 * Reads whole messages, of any length, off one end of a pipe.
 *
 * @module
 */

import { isEnd, isShortage, type Kernel, Lane, Status } from "./kernel.ts";
import { allocate } from "./message.ts";
import type { Operation, WaitLoop } from "./wait_loop.ts";

/** Bytes of the first read of a connection, and of each when its messages are short. */
const FIRST_READ = 4096;

/** Bytes of a first read at most, where nothing else is said. */
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
 */
export class MessageReader {
  readonly #loop: WaitLoop;
  readonly #kernel: Kernel;
  readonly #operation: Operation;
  readonly #longest: number;
  readonly #longestFirst: number;
  #first = FIRST_READ;
  #message: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  /** Bytes of the first piece, which stays in the slot's memory until the rest is read. */
  #piece = 0;
  #rest = 0;
  #readsRest = false;
  #fault: Fault | undefined = undefined;

  /** @param longestFirst Bytes that a connection may hold while its client is silent. */
  constructor(
    loop: WaitLoop,
    operation: Operation,
    longest: number,
    longestFirst: number = LONGEST_FIRST_READ,
  ) {
    this.#loop = loop;
    this.#kernel = loop.kernel;
    this.#operation = operation;
    this.#longest = longest;
    this.#longestFirst = Math.max(longestFirst, FIRST_READ);
  }

  /** A new connection begins: nothing is known of its messages. */
  begin(): void {
    this.#first = FIRST_READ;
    this.#rest = 0;
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
    this.#loop.read(this.#operation, this.#first);
  }

  /** Submits the one read for the rest, after "partial". */
  readRest(): void {
    const message = allocate(this.#piece + this.#rest);
    if (message === undefined) {
      return this.#loop.finish(this.#operation, Status.OUT_OF_MEMORY);
    }
    this.#message = message;
    this.#kernel.take(this.#operation.slot, this.#message.subarray(0, this.#piece));
    this.#readsRest = true;
    this.#loop.readNow(this.#operation, this.#rest);
  }

  /** What the read that is over brought. To be called once, in the task that learns of it. */
  outcome(): Outcome {
    const { status } = this.#operation;
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
    // Half at most at once, so that a short message among long ones does not cost them two reads.
    const length = Math.max(message.length, this.#first >> 1, FIRST_READ);
    this.#first = Math.min(length, this.#longestFirst);
    return message;
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
    if (this.#transferred !== this.#rest) return this.#mismatch();
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
    if (left === 0) return this.#mismatch();
    if (this.#piece + left > this.#longest) return this.#tooLong(this.#piece + left);
    this.#rest = left;
    return "partial";
  }

  #later(): Outcome {
    this.#loop.repeat(this.#operation);
    return "later";
  }

  #tooLong(length: number): Outcome {
    const reason = `a message of ${length} bytes is longer than the limit of ${this.#longest}`;
    return this.#broken({ call: "ReadFile", status: Status.MORE_DATA, reason, tooLong: true });
  }

  #mismatch(): Outcome {
    const reason = "a message was withdrawn after its first piece was read";
    return this.#broken({ call: "ReadFile", status: this.#operation.status, reason });
  }

  #broken(fault: Fault): Outcome {
    this.#message = EMPTY;
    this.#fault = fault;
    return "broken";
  }
}

const EMPTY = new Uint8Array(0);
