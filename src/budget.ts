/**
 * A bound on the bytes that a server holds for all its clients together.
 *
 * @module
 */

import { Backoff } from "./backoff.ts";
import { Deadline, type Deadlines } from "./deadlines.ts";
import { remove } from "./remove.ts";

/** Who waits for bytes to become free. */
interface Waiter {
  readonly bytes: number;
  readonly go: () => void;
}

/** The longest time that those who wait let the first of them be the first, in milliseconds. */
const LONGEST_PATIENCE = 10_000;

/**
 * Bytes of requests and replies that a server holds. Who needs more than is left waits, in order,
 * so that nobody is overtaken for ever. But what is held may be held for as long as a responder
 * likes, so from time to time, and more and more seldom, whoever fits goes on, whoever waits before
 * him. Who needs more than half of all goes on when half is left: small pieces must not keep it out
 * for ever.
 */
export class Budget {
  readonly #limit: number;
  #held = 0;
  readonly #waiters: Waiter[] = [];
  readonly #deadlines: Deadlines;
  readonly #patience = new Deadline(() => this.#overtake());
  readonly #backoff = new Backoff(LONGEST_PATIENCE);

  constructor(limit: number, deadlines: Deadlines) {
    this.#limit = limit;
    this.#deadlines = deadlines;
  }

  /** Bytes that are held now. */
  get held(): number {
    return this.#held;
  }

  /**
   * Goes on as soon as so many bytes are left, at once if they are.
   *
   * @returns How to give up waiting; undefined if there was nothing to wait for.
   */
  wait(bytes: number, go: () => void): (() => void) | undefined {
    if (this.#waiters.length === 0 && this.#fits(bytes)) {
      go();
      return undefined;
    }
    const waiter = { bytes, go };
    if (this.#waiters.push(waiter) === 1) this.#bePatient();
    return () => {
      if (this.#remove(waiter)) this.#resume();
    };
  }

  /** Nobody who waits will ever go on. */
  close(): void {
    this.#waiters.length = 0;
    this.#deadlines.lift(this.#patience);
  }

  /** Bytes are held from now on. */
  hold(bytes: number): void {
    this.#held += bytes;
  }

  /** Bytes are not held any more. */
  free(bytes: number): void {
    this.#held -= bytes;
    if (bytes > 0) this.#resume();
  }

  #fits(bytes: number): boolean {
    return this.#held === 0 || this.#held + Math.min(bytes, this.#limit / 2) <= this.#limit;
  }

  #resume(): void {
    for (let next = this.#waiters[0]; next && this.#fits(next.bytes); next = this.#waiters[0]) {
      this.#remove(next);
      next.go();
    }
  }

  #overtake(): void {
    for (const waiter of [...this.#waiters]) {
      if (this.#fits(waiter.bytes) && this.#remove(waiter)) waiter.go();
    }
    if (this.#waiters.length > 0) this.#bePatient();
  }

  #bePatient(): void {
    this.#deadlines.set(this.#patience, this.#backoff.next());
  }

  #remove(waiter: Waiter): boolean {
    const first = this.#waiters[0] === waiter;
    if (!remove(this.#waiters, waiter)) return false;
    if (first) this.#backoff.reset();
    if (this.#waiters.length === 0) this.#deadlines.lift(this.#patience);
    return true;
  }
}
