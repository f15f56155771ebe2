/**
 * An abort signal that is made when somebody asks for it: most connections and exchanges end
 * without anybody having looked at theirs.
 *
 * @module
 */

/** See the module. */
export class LazySignal {
  #controller: AbortController | undefined = undefined;
  #reason: Error | undefined = undefined;

  /** The signal. */
  get(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Aborts it, once. Runs the listeners of users. */
  abort(reason: Error): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}
