/**
 * An abort signal that is created on first use, and so is its reason: most connections and exchanges
 * end without the program ever reading theirs, and an error costs more than all else at their end.
 *
 * @module
 */

/** See the module. */
export class LazySignal {
  #controller: AbortController | undefined = undefined;
  #reason: (() => Error) | undefined = undefined;

  /** The signal. */
  get(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason());
    }
    return this.#controller.signal;
  }

  /** Aborts the signal, once. Runs the user's abort listeners. */
  abort(reason: () => Error): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#controller?.abort(reason());
  }
}
