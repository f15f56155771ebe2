/**
 * How many turns without a completion come before the loop waits: more while they pay off.
 *
 * @module
 */

/** A pause up to this long, in milliseconds, is better spent in turns than in a wait. */
const SHORT_PAUSE = 0.5;

/** The most turns without a completion before the loop waits. */
const MAX_IDLE_TURNS = 256;

/**
 * Turns pay off when something completes meanwhile. A wait would have been better spent in turns
 * if it was short, or if more than one operation was over when it returned: then several clients
 * are active, and only the way back from the other thread was long. One long pause among many
 * short ones, as on a busy machine, changes little; several make the loop wait at once.
 */
export class SpinLimit {
  #limit = 1;
  #idleTurns = 0;

  /** Whether it is time to wait. */
  get reached(): boolean {
    return this.#idleTurns >= this.#limit;
  }

  /** A turn handed out nothing. */
  idle(): void {
    this.#idleTurns++;
  }

  /**
   * A turn handed out something.
   *
   * @param completions How many operations were over.
   * @param pause Milliseconds since the completion before, if a wait has just returned.
   */
  busy(completions: number, pause: number | undefined): void {
    if (pause !== undefined) this.#learn(pause < SHORT_PAUSE || completions > 1);
    else if (this.#idleTurns > 0) this.#learn(true);
    this.#idleTurns = 0;
  }

  /** A wait has returned: counts from the beginning. */
  restart(): void {
    this.#idleTurns = 0;
  }

  #learn(paid: boolean): void {
    this.#limit = paid ? Math.min(Math.max(this.#limit * 2, 1), MAX_IDLE_TURNS) : this.#limit >> 2;
  }
}
