/**
 * A limit of time that is set and lifted again with each request.
 *
 * @module
 */

import timers from "node:timers";

/** The longest time of a timer, in milliseconds. */
const LONGEST = 2 ** 31 - 1;

/**
 * Calls back when a time is over, unless it is lifted before. A timer that has become superfluous
 * goes on, since a new one for each request would cost more than all else that is done for it here.
 */
export class TimeLimit {
  readonly #onOver: () => void;
  /** When the time is over, and when the timer looks. */
  #over = Infinity;
  #looks = Infinity;
  #timer: ReturnType<typeof timers.setTimeout> | undefined;

  constructor(onOver: () => void) {
    this.#onOver = onOver;
  }

  /**
   * Begins anew.
   *
   * @param milliseconds `Infinity` for no limit.
   */
  set(milliseconds: number): void {
    this.#over = performance.now() + milliseconds;
    if (this.#over < this.#looks) this.#start();
  }

  /** There is no limit any more. */
  lift(): void {
    this.#over = Infinity;
  }

  /** There will be none either, and the timer is gone. */
  stop(): void {
    this.lift();
    this.#looks = Infinity;
    timers.clearTimeout(this.#timer);
  }

  #start(): void {
    timers.clearTimeout(this.#timer);
    this.#looks = this.#over;
    const milliseconds = Math.min(this.#over - performance.now(), LONGEST);
    this.#timer = timers.setTimeout(() => this.#look(), milliseconds);
    // It does not keep the program running.
    this.#timer.unref();
  }

  #look(): void {
    this.#looks = Infinity;
    if (this.#over === Infinity) return;
    if (this.#over > performance.now()) return this.#start();
    this.#over = Infinity;
    this.#onOver();
  }
}
