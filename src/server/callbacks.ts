/**
 * When user code may run: when the state around it is settled, so that whatever it calls finds a
 * state that is true.
 *
 * @module
 */

/** Calls of user code that wait until an instance and its session have carried out all commands. */
export class Callbacks {
  #depth = 0;
  #waiting: (() => void)[] = [];

  /** Commands are being carried out. Every `enter` has its {@linkcode leave}. */
  enter(): void {
    this.#depth++;
  }

  /** They are carried out; with the outermost, what waits runs. */
  leave(): void {
    if (--this.#depth > 0) return;
    while (this.#waiting.length > 0) {
      const callbacks = this.#waiting;
      this.#waiting = [];
      for (const callback of callbacks) callback();
    }
  }

  /** Whoever was carrying out commands has given up. */
  reset(): void {
    this.#depth = 0;
  }

  /** Runs when the state is settled. To be called between `enter` and `leave`. */
  add(callback: () => void): void {
    this.#waiting.push(callback);
  }
}
