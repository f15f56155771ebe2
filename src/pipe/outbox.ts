/**
 * Outgoing messages of one end of a pipe, in order, with one write in flight at most.
 *
 * @module
 */

import { remove } from "./remove.ts";
import type { WaitLoop } from "../loop/wait_loop.ts";
import type { PipeEnd } from "./pipe_end.ts";

/** An outgoing message. Its owner may keep more with it. */
export interface Outgoing {
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** See the module. It settles nothing: its owner takes each message out when its write is over. */
export class Outbox<T extends Outgoing> {
  readonly #loop: WaitLoop;
  readonly #end: PipeEnd;
  readonly #messages: T[] = [];

  constructor(loop: WaitLoop, end: PipeEnd) {
    this.#loop = loop;
    this.#end = end;
  }

  /** The message that is being written, or is the next to be written. */
  get head(): T | undefined {
    return this.#messages[0];
  }

  /** Whether the head was submitted, and its result is still to come. */
  get writing(): boolean {
    return this.#end.outbound.expected;
  }

  /** Adds a message, without submitting anything. */
  push(message: T): void {
    this.#messages.push(message);
  }

  /**
   * Submits the head. With PENDING, the end's owner gets the result in a later turn. Any other
   * status is the result, and nothing follows.
   */
  submit(head: T): number {
    return this.#loop.write(this.#end.outbound, head.bytes);
  }

  /** Removes the head, whose write is over. */
  take(): T | undefined {
    return this.#messages.shift();
  }

  /** Removes a message that was not submitted. False if it was, or is not here. */
  remove(message: T): boolean {
    const submitted = this.writing && message === this.#messages[0];
    return !submitted && remove(this.#messages, message);
  }

  /** Removes all messages that were not submitted. */
  takeUnsent(): T[] {
    return this.#messages.splice(this.writing ? 1 : 0);
  }

  /** Removes all messages, also one whose write will never complete. */
  takeAll(): T[] {
    return this.#messages.splice(0);
  }
}
