/**
 * Notifies open exchanges, and later connections, that their server has begun to shut down.
 *
 * @module
 */

import type { LazySignal } from "./lazy_signal.ts";

/** See the module. Each exchange has its own signal, so listeners are collected with it. */
export class Draining {
  readonly #signals = new Set<LazySignal>();
  #reason: (() => Error) | undefined = undefined;

  /** Aborts the signal when the shutdown begins, or now if it has begun. */
  follow(signal: LazySignal): void {
    if (this.#reason === undefined) this.#signals.add(signal);
    else signal.abort(this.#reason);
  }

  /** Stops following: the signal is not needed any more. */
  forget(signal: LazySignal): void {
    this.#signals.delete(signal);
  }

  /** The shutdown begins. Runs the user's abort listeners. */
  begin(reason: Error): void {
    const aborted = this.#reason ??= () => reason;
    const signals = [...this.#signals];
    this.#signals.clear();
    for (const signal of signals) signal.abort(aborted);
  }
}
