/**
 * A bound on the bytes of requests that a server holds for all its clients together.
 *
 * @module
 */

/** Who waits for bytes to become free. */
interface Waiter {
  readonly bytes: number;
  readonly go: () => void;
}

/**
 * Bytes of requests that a server holds. Whoever fits goes on, even past others who need more than
 * is left: what is held may be held for as long as a responder likes, and nobody who needs little
 * shall wait for that. Whoever needs more than half of all fits when half is left.
 *
 * Nobody is passed for ever. The first of those who wait is *due* once as many bytes as it needs
 * have passed it. From then on those who pass it hold no more than a quarter of all together, so
 * that it goes on at the latest when those who were there before have no more than a quarter left:
 * with the half that it needs at most, that is all there is.
 */
export class Budget {
  readonly #limit: number;
  #held = 0;
  readonly #waiters = new Set<Waiter>();
  #first: Waiter | undefined = undefined;
  /** Bytes that have passed the first of those who wait. */
  #passed = 0;
  #due = false;
  /** Counts how often somebody became due: tells what is held since then from what was before. */
  #era = 0;
  /** Bytes that are held since the last time somebody became due. */
  #heldSince = 0;

  constructor(limit: number) {
    this.#limit = limit;
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
    if (this.#fits(bytes) && (this.#first === undefined || this.#passes(bytes))) {
      go();
      return undefined;
    }
    const waiter = { bytes, go };
    this.#waiters.add(waiter);
    this.#first ??= waiter;
    return () => {
      if (this.#remove(waiter)) this.#resume();
    };
  }

  /** Nobody who waits will ever go on. */
  close(): void {
    this.#waiters.clear();
    this.#first = undefined;
  }

  /**
   * Bytes are held from now on.
   *
   * @returns What {@linkcode free} is to be told.
   */
  hold(bytes: number): number {
    const era = this.#era;
    this.#held += bytes;
    this.#heldSince += bytes;
    if (this.#first !== undefined) this.#pass(this.#first, bytes);
    return era;
  }

  /** Bytes are not held any more. */
  free(bytes: number, era: number): void {
    this.#held -= bytes;
    if (era === this.#era) this.#heldSince -= bytes;
    if (bytes > 0) this.#resume();
  }

  #fits(bytes: number): boolean {
    return this.#held === 0 || this.#held + this.#need(bytes) <= this.#limit;
  }

  #need(bytes: number): number {
    return Math.min(bytes, this.#limit / 2);
  }

  /** Whether the first of those who wait lets others pass with so many bytes, if they fit. */
  #passes(bytes: number): boolean {
    return !this.#due || this.#heldSince + bytes <= this.#limit / 4;
  }

  #pass(first: Waiter, bytes: number): void {
    this.#passed += bytes;
    if (this.#due || this.#passed < this.#need(first.bytes)) return;
    this.#due = true;
    this.#era++;
    this.#heldSince = 0;
  }

  #resume(): void {
    for (const waiter of this.#waiters) {
      const { bytes, go } = waiter;
      const first = waiter === this.#first;
      // Thousands may wait, and most of the time nobody of them can go on.
      if (!first && !(this.#fits(0) && this.#passes(0))) return;
      if (!this.#fits(bytes) || !first && !this.#passes(bytes)) continue;
      this.#remove(waiter);
      go();
    }
  }

  #remove(waiter: Waiter): boolean {
    if (!this.#waiters.delete(waiter)) return false;
    if (waiter !== this.#first) return true;
    [this.#first] = this.#waiters;
    this.#passed = 0;
    this.#due = false;
    return true;
  }
}
