/**
 * What tells open exchanges, and later connections, that their server begins to end.
 *
 * @module
 */

import type { LazySignal } from "./lazy_signal.ts";

/** See the module. Each has a signal of its own, so that listeners go with it. */
export class Draining {
  readonly #signals = new Set<LazySignal>();
  #reason: Error | undefined = undefined;

  /** Aborts a signal when that begins, or now. */
  follow(signal: LazySignal): void {
    if (this.#reason === undefined) this.#signals.add(signal);
    else signal.abort(this.#reason);
  }

  /** Nobody looks at the signal any more. */
  forget(signal: LazySignal): void {
    this.#signals.delete(signal);
  }

  /** Runs the user's abort listeners. */
  begin(reason: Error): void {
    this.#reason ??= reason;
    const signals = [...this.#signals];
    this.#signals.clear();
    for (const signal of signals) signal.abort(reason);
  }
}
