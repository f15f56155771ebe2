/**
 * The timeout of a stream: how long nothing may happen on it.
 *
 * @module
 */

import timers from "node:timers";

/** As `node:net` has it. */
const LONGEST = 2 ** 31 - 1;

/** Tells after each time that nothing has happened for so long, once until something happens. */
export class IdleTimer {
  readonly #onIdle: () => void;
  #milliseconds = 0;
  /** Goes on when there is no timeout: the next one is often as long, as those of HTTP are. */
  #timer: ReturnType<typeof timers.setTimeout> | undefined = undefined;
  /** The milliseconds of the timer. */
  #length = 0;

  constructor(onIdle: () => void) {
    this.#onIdle = onIdle;
  }

  /** The milliseconds; 0 if there is no timeout. */
  get milliseconds(): number {
    return this.#milliseconds;
  }

  /**
   * Begins anew.
   *
   * @param milliseconds 0 for none.
   * @throws {TypeError} If it is no number.
   * @throws {RangeError} If it is negative, or not finite.
   */
  set(milliseconds: number): void {
    if (typeof milliseconds !== "number") {
      throw new TypeError(`Cannot set the timeout: must be a number, got ${typeof milliseconds}`);
    }
    if (!(milliseconds >= 0 && milliseconds < Infinity)) {
      throw new RangeError(`Cannot set the timeout: must be 0 or more, got ${milliseconds}`);
    }
    this.#milliseconds = Math.min(milliseconds, LONGEST);
    if (this.#milliseconds !== this.#length && this.#milliseconds > 0) this.#clear();
    this.refresh();
  }

  /** Something has happened. */
  refresh(): void {
    if (this.#milliseconds === 0) return;
    if (this.#timer !== undefined) this.#timer.refresh();
    else this.#start();
  }

  /** Nothing is told any more, and the timer is gone. */
  stop(): void {
    this.#clear();
    this.#milliseconds = 0;
  }

  #clear(): void {
    timers.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #start(): void {
    this.#length = this.#milliseconds;
    this.#timer = timers.setTimeout(() => {
      if (this.#milliseconds > 0) this.#onIdle();
    }, this.#length);
    // It does not keep the program running, as with `node:net`.
    this.#timer.unref();
  }
}
