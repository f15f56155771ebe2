/**
 * Outgoing messages of one end of a pipe, in order, with one write in flight at most.
 *
 * On a message pipe each message is one write. On a byte pipe the writes have another length than
 * what was given to be written: long ones are cut, since one write of many MiB takes three times as
 * long as many short ones, and short ones that wait are gathered.
 *
 * @module
 */

import { remove } from "./remove.ts";
import type { WaitLoop } from "../loop/wait_loop.ts";
import type { PipeEnd } from "./pipe_end.ts";

/** The longest write to a byte pipe, in bytes. */
export const LONGEST_PART = 65_536;

/** An outgoing message. */
export abstract class Outgoing {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Its length in bytes, even if the program has detached the memory meanwhile. */
  readonly length: number;
  /** Its length until Windows has accepted it, then 0. */
  waiting: number;
  /** Whether what comes next may continue in the same turn. */
  readonly last: boolean;

  constructor(bytes: Uint8Array<ArrayBuffer>, last: boolean) {
    this.bytes = bytes;
    this.length = bytes.length;
    this.waiting = bytes.length;
    this.last = last;
  }

  /** Windows has accepted it or, with an error, never will. */
  abstract end(error?: Error): void;
}

/** See the module. It ends no message: its owner takes each one out when its write is over. */
export class Outbox<T extends Outgoing> {
  readonly #loop: WaitLoop;
  readonly #end: PipeEnd;
  readonly #gathers: boolean;
  readonly #messages: T[] = [];
  /** Bytes of the head that earlier writes have taken. */
  #sent = 0;
  /** Bytes of the last write that belong to messages that were not taken out; -1: none. */
  #left = -1;

  /** @param gathers Whether the pipe is a byte pipe. */
  constructor(loop: WaitLoop, end: PipeEnd, gathers: boolean) {
    this.#loop = loop;
    this.#end = end;
    this.#gathers = gathers;
  }

  /** The message that is being written, or is the next to be written. */
  get head(): T | undefined {
    return this.#messages[0];
  }

  /** Whether a write was submitted, and its result is still to come. */
  get writing(): boolean {
    return this.#end.outbound.expected;
  }

  /** Bytes of the head that earlier writes have taken. */
  get sent(): number {
    return this.#sent;
  }

  /** Whether an earlier write has taken a part of a message. */
  cut(message: T): boolean {
    return message === this.head && this.#sent > 0;
  }

  /** Adds a message, without submitting anything. */
  push(message: T): void {
    this.#messages.push(message);
  }

  /**
   * Submits the next write. With PENDING, the end's owner gets the result in a later turn. Any other
   * status is the result, and nothing follows.
   */
  submit(head: T): number {
    const bytes = this.#gathers ? this.#part(head) : head.bytes;
    this.#left = this.#gathers ? bytes.length : head.length;
    return this.#loop.write(this.#end.outbound, bytes);
  }

  /** After a write that succeeded: removes the next message that is written, if there is one. */
  takeWritten(): T | undefined {
    const head = this.head;
    if (head === undefined || this.#left < 0) return undefined;
    const rest = head.length - this.#sent;
    if (rest > this.#left) {
      this.#sent += this.#left;
      this.#left = -1;
      return undefined;
    }
    this.#sent = 0;
    this.#left = this.#gathers ? this.#left - rest : -1;
    return this.#messages.shift();
  }

  /** Removes a message of which nothing was submitted. False if something was, or it is not here. */
  remove(message: T): boolean {
    const submitted = this.#messages.indexOf(message) < this.#inFlight();
    return !submitted && !this.cut(message) && remove(this.#messages, message);
  }

  /** Removes all messages, except those of which a write in flight has a part. */
  takeUnsent(): T[] {
    return this.#messages.splice(this.#inFlight());
  }

  /** Removes all messages, also those whose write will never complete. */
  takeAll(): T[] {
    this.#sent = 0;
    this.#left = -1;
    return this.#messages.splice(0);
  }

  /** How many messages the write in flight has a part of. */
  #inFlight(): number {
    if (!this.writing) return 0;
    if (!this.#gathers) return 1;
    let count = 0;
    for (let bytes = -this.#sent; bytes < this.#left; count++) {
      bytes += this.#messages[count]?.length ?? Infinity;
    }
    return Math.max(count, 1);
  }

  /** The bytes of the next write to a byte pipe. */
  #part(head: T): Uint8Array<ArrayBuffer> {
    const rest = head.bytes.subarray(this.#sent, this.#sent + LONGEST_PART);
    if (this.#messages.length === 1 || rest.length === LONGEST_PART) return rest;
    const part = new Uint8Array(LONGEST_PART);
    part.set(rest);
    let length = rest.length;
    for (let i = 1; i < this.#messages.length && length < LONGEST_PART; i++) {
      const bytes = this.#messages[i]?.bytes.subarray(0, LONGEST_PART - length);
      if (bytes === undefined) break;
      part.set(bytes, length);
      length += bytes.length;
    }
    return part.subarray(0, length);
  }
}
