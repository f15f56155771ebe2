/**
 * Pauses between attempts: short at first, so that a brief obstacle costs little time, and twice as
 * long each time, so that a lasting one costs little work.
 *
 * @module
 */

/** The first pause, in milliseconds. */
const FIRST = 1;

/** The pauses between the attempts at one thing. */
export class Backoff {
  readonly #longest: number;
  #pause = FIRST;

  /** @param longest The longest pause, in milliseconds. */
  constructor(longest: number) {
    this.#longest = longest;
  }

  /** The milliseconds to wait before the next attempt. */
  next(): number {
    const pause = this.#pause;
    this.#pause = Math.min(pause * 2, this.#longest);
    return pause;
  }

  /** An attempt has succeeded: the next pause is the shortest again. */
  reset(): void {
    this.#pause = FIRST;
  }
}
