/**
 * A bound on the bytes that a server holds for all its clients together.
 *
 * @module
 */

/** Who waits for bytes to become free. */
interface Waiter {
  readonly bytes: number;
  readonly go: () => void;
}

/**
 * Bytes of requests and replies that a server holds. Who needs more than is left waits, in order:
 * but who needs none yet, and may go on as soon as the limit is kept, does not wait for who needs
 * many, since those may be held for as long as a responder likes. Who needs more than half of all
 * goes on when half is left: what others hold in small pieces must not keep it out for ever.
 */
export class Budget {
  readonly #limit: number;
  #held = 0;
  /** Those who need no bytes yet. */
  readonly #beginners: Waiter[] = [];
  /** Those who know how many bytes they need. */
  readonly #others: Waiter[] = [];

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
    const waiters = bytes === 0 ? this.#beginners : this.#others;
    if (waiters.length === 0 && this.#fits(bytes)) {
      go();
      return undefined;
    }
    const waiter = { bytes, go };
    waiters.push(waiter);
    return () => {
      const place = waiters.indexOf(waiter);
      if (place === -1) return;
      waiters.splice(place, 1);
      this.#resume();
    };
  }

  /** Nobody who waits will ever go on. */
  close(): void {
    this.#beginners.length = 0;
    this.#others.length = 0;
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
    for (let next = this.#next(); next !== undefined; next = this.#next()) next.go();
  }

  #next(): Waiter | undefined {
    const [other] = this.#others;
    if (other !== undefined && this.#fits(other.bytes)) return this.#others.shift();
    return this.#fits(0) ? this.#beginners.shift() : undefined;
  }
}
