/**
 * Reads what comes on a connection, at most one message or chunk before the program receives it.
 *
 * @module
 */

import { Inbox } from "./inbox.ts";
import type { ConnectionSettings, Link } from "./link.ts";
import type { Outcome } from "./reader.ts";

/** See the module. */
export class Incoming {
  /** What was read, and not received. */
  readonly inbox: Inbox;
  readonly #link: Link;
  readonly #reads: boolean;
  #reading = false;
  /** Whether it reads although no call waits. */
  #watches: boolean;
  #peerClosed = false;

  constructor(link: Link, { direction, framing, halfClose, maxMessage }: ConnectionSettings) {
    this.#link = link;
    this.#reads = direction !== "write";
    this.#watches = link.readsAhead;
    this.inbox = new Inbox(
      (into) => link.take(into),
      framing && (() => framing.decoder(maxMessage)),
      halfClose === "empty-message",
    );
  }

  /** Whether the other end has closed, although not everything was received. */
  get peerClosed(): boolean {
    return this.#peerClosed;
  }

  /** From now on it reads although no call waits: somebody waits for the end. */
  watch(): void {
    this.#watches = true;
  }

  /**
   * Reads on if anybody wants what comes next, and nothing waits to be received.
   *
   * @param awaited Whether a call waits for a message.
   * @returns Whether there is a read.
   */
  readOn(awaited: boolean): boolean {
    if (this.#reading || this.#peerClosed || this.inbox.full) return this.#reading;
    if (!this.#reads || !this.#watches && !awaited) return false;
    this.#reading = true;
    this.#link.read();
    return true;
  }

  /** Cancels the read, if no call waits for what it brings and nobody for the end. */
  cancelUnneeded(awaited: boolean): void {
    if (this.#reading && !this.#watches && !awaited) this.#link.cancelRead();
  }

  /**
   * The read has completed.
   *
   * @returns Whether what follows can still be read, or nothing does. Otherwise the read has failed.
   */
  completed(outcome: Exclude<Outcome, "later" | "partial">): boolean {
    this.#reading = false;
    switch (outcome) {
      case "message":
        this.inbox.arrived(this.#link.length);
        return true;
      case "ended":
        this.end();
        return true;
      case "cancelled":
        // If not by us, the connection cannot be used any more.
        return this.#link.pipeEnd.inbound.cancelled;
      case "broken":
        return false;
    }
  }

  /** The other end has closed. */
  end(): void {
    this.#peerClosed = true;
    this.inbox.end();
  }
}
