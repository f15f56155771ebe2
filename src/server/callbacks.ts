/**
 * Defers user code until the state around it is settled, so that everything it calls finds a
 * consistent state.
 *
 * @module
 */

/** Callbacks that run once an instance and its session have carried out all commands. */
export class Callbacks {
  #depth = 0;
  #waiting: (() => void)[] = [];

  /** Begins carrying out commands. Every `enter` has its {@linkcode leave}. */
  enter(): void {
    this.#depth++;
  }

  /** The commands are carried out; the outermost call runs the waiting callbacks. */
  leave(): void {
    if (--this.#depth > 0) return;
    while (this.#waiting.length > 0) {
      const callbacks = this.#waiting;
      this.#waiting = [];
      this.#call(callbacks);
    }
  }

  /** Carrying out commands was interrupted by an exception. */
  reset(): void {
    this.#depth = 0;
  }

  /** Runs a callback when the state is settled. To be called between `enter` and `leave`. */
  add(callback: () => void): void {
    this.#waiting.push(callback);
  }

  /** If one throws, the others still wait. */
  #call(callbacks: (() => void)[]): void {
    let called = 0;
    try {
      for (const callback of callbacks) {
        called++;
        callback();
      }
    } finally {
      if (called < callbacks.length) this.#waiting.unshift(...callbacks.slice(called));
    }
  }
}
