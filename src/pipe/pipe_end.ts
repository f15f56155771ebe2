/**
 * One end of a pipe, a server's or a client's: its handle, its slot and its two operations.
 *
 * @module
 */

import { type Handle, Lane } from "../kernel/kernel.ts";
import { type CompletionHandler, Operation } from "../loop/operation.ts";
import type { WaitLoop } from "../loop/wait_loop.ts";

/** Is told when the operations of an end of a pipe complete. */
export interface PipeEndOwner {
  /** The listen or read completed; {@linkcode PipeEnd.inbound} has its status. */
  inboundCompleted(): void;
  /** The write completed. */
  outboundCompleted(status: number): void;
  /** One of these threw, because of a bug in this module: end the connection. */
  crashed(error: unknown): void;
}

/** See the module. At most one listen or read, and one write, is in flight. */
export class PipeEnd implements CompletionHandler {
  /** Listens and reads. */
  readonly inbound: Operation;
  /** Writes. */
  readonly outbound: Operation;
  readonly handle: Handle;
  readonly #loop: WaitLoop;
  readonly #owner: PipeEndOwner;
  readonly #slot: number;
  #onQuiet: (() => void) | undefined = undefined;
  #open = true;

  constructor(loop: WaitLoop, handle: Handle, owner: PipeEndOwner) {
    this.#loop = loop;
    this.handle = handle;
    this.#owner = owner;
    this.#slot = loop.takeSlot();
    this.inbound = new Operation(this, handle, Lane.IN, this.#slot);
    this.outbound = new Operation(this, handle, Lane.OUT, this.#slot);
  }

  /** Waits for a client, at a server's end. */
  listen(): void {
    this.#loop.listen(this.inbound);
  }

  /** Cancels an operation, whose completion still follows. No effect if it is over. */
  cancel(operation: Operation): void {
    this.#loop.cancel(operation);
  }

  /** Calls back once, when no completion is expected: at once if none is. */
  whenQuiet(callback: () => void): void {
    this.#onQuiet = callback;
    this.#checkQuiet();
  }

  /** How often a shortage has deferred an operation. */
  get shortages(): number {
    return this.inbound.shortages + this.outbound.shortages;
  }

  /** Closes the handle and frees the slot. Nothing is in flight. */
  release(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#loop.kernel.close(this.handle);
    this.#loop.freeSlot(this.#slot);
  }

  /**
   * Cancels what is in flight, waits for each completion, and then closes the handle and frees the
   * slot. What was written stays readable for the other end.
   *
   * @param closed Called once, when that is done: at once if nothing is in flight.
   */
  close(closed: () => void): void {
    if (!this.#open || this.#onQuiet !== undefined) return;
    this.cancel(this.inbound);
    this.cancel(this.outbound);
    this.whenQuiet(() => {
      this.release();
      closed();
    });
  }

  /**
   * Closes the handle now and keeps the memory, to which Windows may still write. For when the
   * program is being unloaded, or nothing completes any more.
   */
  abandon(): void {
    if (!this.#open) return;
    this.#open = false;
    const { kernel } = this.#loop;
    kernel.cancel(this.handle, Lane.IN, this.#slot);
    kernel.cancel(this.handle, Lane.OUT, this.#slot);
    kernel.close(this.handle);
  }

  /** See {@linkcode CompletionHandler}. */
  completed(operation: Operation): void {
    if (operation === this.outbound) this.#owner.outboundCompleted(operation.status);
    else this.#owner.inboundCompleted();
    if (this.#onQuiet !== undefined) this.#checkQuiet();
  }

  /** See {@linkcode CompletionHandler}. */
  crashed(error: unknown): void {
    this.#owner.crashed(error);
    if (this.#onQuiet !== undefined) this.#checkQuiet();
  }

  #checkQuiet(): void {
    if (!this.#open || this.inbound.expected || this.outbound.expected) return;
    const callback = this.#onQuiet;
    this.#onQuiet = undefined;
    callback?.();
  }
}
