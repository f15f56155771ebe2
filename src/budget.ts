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
 * Bytes of requests and replies that a server holds. Who needs more than is left waits, in order;
 * whoever needs more than there is at all goes alone.
 */
export class Budget {
  readonly #limit: number;
  #held = 0;
  readonly #waiters: Waiter[] = [];

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
    if (this.#waiters.length === 0 && this.#fits(bytes)) {
      go();
      return undefined;
    }
    const waiter = { bytes, go };
    this.#waiters.push(waiter);
    return () => {
      const place = this.#waiters.indexOf(waiter);
      if (place === -1) return;
      this.#waiters.splice(place, 1);
      this.#resume();
    };
  }

  /** Nobody who waits will ever go on. */
  close(): void {
    this.#waiters.length = 0;
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
    return this.#held === 0 || this.#held + bytes <= this.#limit;
  }

  #resume(): void {
    for (let next = this.#waiters[0]; next && this.#fits(next.bytes); next = this.#waiters[0]) {
      this.#waiters.shift();
      next.go();
    }
  }
}
