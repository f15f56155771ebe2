/**
 * Reports a shutdown to its callers: at its end; but to a caller whose own work the shutdown waits
 * for, as soon as only such callers are left.
 *
 * @module
 */

import type { ShutdownReport, Tally } from "./tally.ts";

/** Work that a shutdown waits for, and that may wait for the shutdown in turn. */
export interface Work {
  /** Whether the work is done. */
  readonly done: boolean;
}

/** See the module. None of its promises ever becomes an unhandled rejection. */
export class ShutdownReports {
  readonly #tally: Tally;
  readonly #ended: Promise<ShutdownReport>;
  readonly #callers = new Set<Work>();
  #othersEnded: PromiseWithResolvers<ShutdownReport> | undefined = undefined;

  /** @param finished Settles when the server has ended. */
  constructor(tally: Tally, finished: Promise<void>) {
    this.#tally = tally;
    this.#ended = finished.then(() => tally.report());
    this.#ended.catch(() => {});
  }

  /** The report, for a caller whose own work the shutdown waits for, or for any other. */
  for(caller: Work | undefined): Promise<ShutdownReport> {
    if (caller === undefined) return this.#ended;
    this.#callers.add(caller);
    if (this.#othersEnded === undefined) {
      this.#othersEnded = Promise.withResolvers<ShutdownReport>();
      this.#othersEnded.promise.catch(() => {});
      this.#ended.then(this.#othersEnded.resolve, this.#othersEnded.reject);
    }
    return this.#othersEnded.promise;
  }

  /**
   * Resolves the reports of the callers if only their work is left.
   *
   * @param left The work of each remaining instance.
   * @param atWork How much work there is in all.
   */
  resolveCallers(left: readonly (Work | undefined)[], atWork: number): void {
    const callers = this.#callers;
    if (left.some((work) => work === undefined || !callers.has(work))) return;
    const working = [...callers].filter(({ done }) => !done).length;
    if (working === atWork) this.#othersEnded?.resolve(this.#tally.report());
  }
}
