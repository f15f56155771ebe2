/**
 * Limits the bytes of requests that a server holds for all its clients together.
 *
 * @module
 */

/** A read that waits for bytes to become free. */
interface Waiter {
  readonly bytes: number;
  readonly proceed: () => void;
}

/**
 * Counts the bytes of requests that a server holds. A waiter that fits proceeds, even past waiters
 * that need more than is left: bytes may be held for as long as a responder likes, and a small
 * request must not wait for that. A waiter that needs more than half of the limit fits when half is
 * left.
 *
 * No waiter is passed forever. The first one becomes *due* once as many bytes as it needs have
 * passed it. From then on, those that pass it hold no more than a quarter of the limit together. So
 * it proceeds at the latest when no more than a quarter is held from before: with the half that it
 * needs at most, that makes up the limit.
 */
export class Budget {
  readonly #limit: number;
  #held = 0;
  readonly #waiters = new Set<Waiter>();
  #first: Waiter | undefined = undefined;
  /** Bytes that have passed the first waiter. */
  #passed = 0;
  #due = false;
  /** How often a waiter became due: separates bytes held since then from those held before. */
  #era = 0;
  /** Bytes held since a waiter last became due. */
  #heldSince = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes held now. */
  get held(): number {
    return this.#held;
  }

  /**
   * Calls `proceed` as soon as this many bytes are left, at once if they are.
   *
   * @returns Stops waiting; undefined if `proceed` was called at once.
   */
  wait(bytes: number, proceed: () => void): (() => void) | undefined {
    if (this.#fits(bytes) && (this.#first === undefined || this.#passes(bytes))) {
      proceed();
      return undefined;
    }
    const waiter = { bytes, proceed };
    this.#waiters.add(waiter);
    this.#first ??= waiter;
    return () => {
      if (this.#remove(waiter)) this.#resume();
    };
  }

  /** Drops all waiters: none of them proceeds any more. */
  close(): void {
    this.#waiters.clear();
    this.#first = undefined;
  }

  /**
   * Counts bytes as held.
   *
   * @returns The era, to be passed to {@linkcode free}.
   */
  hold(bytes: number): number {
    const era = this.#era;
    this.#held += bytes;
    this.#heldSince += bytes;
    if (this.#first !== undefined) this.#pass(this.#first, bytes);
    return era;
  }

  /** Counts bytes as free again. */
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

  /** Whether this many bytes may pass the first waiter, if they fit. */
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
      const { bytes, proceed } = waiter;
      const first = waiter === this.#first;
      // Thousands may wait, and most of the time none of them can proceed.
      if (!first && !(this.#fits(0) && this.#passes(0))) return;
      if (!this.#fits(bytes) || !first && !this.#passes(bytes)) continue;
      this.#remove(waiter);
      proceed();
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
