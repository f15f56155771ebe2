/**
 * Pauses between attempts: short at first, so that what passes at once costs little, and twice as
 * long each time, so that what does not pass costs little either.
 *
 * @module
 */

/** The first pause, in milliseconds. */
const FIRST = 1;

/** The pauses of one kind of attempt. */
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

  /** An attempt has succeeded: pauses begin again with the first. */
  reset(): void {
    this.#pause = FIRST;
  }
}
