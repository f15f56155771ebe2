/**
 * Reports a shutdown to its callers: at its end; but to a caller whose own work the shutdown waits
 * for, as soon as only such callers, and what waits for them, are left.
 *
 * @module
 */

import type { Session } from "./session.ts";
import type { ShutdownReport, Tally } from "./tally.ts";

/** Work that a shutdown waits for, and that may wait for the shutdown in turn. */
export interface Work {
  /** Whether the work is done. */
  readonly done: boolean;
}

/** A remaining session. */
type Remaining = Pick<Session, "work" | "blocked">;

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
   * Resolves the reports of the callers if only their work, and what waits for it, is left.
   *
   * @param left The session of each remaining instance; undefined: it has none.
   * @param atWork How much work has begun.
   */
  resolveCallers(left: readonly (Remaining | undefined)[], atWork: number): void {
    const callers = this.#callers;
    const ended = left.every((session) =>
      session?.blocked || session?.work !== undefined && callers.has(session.work)
    );
    if (!ended || [...callers].filter(({ done }) => !done).length !== atWork) return;
    this.#othersEnded?.resolve(this.#tally.report());
    // What was blocked continues, and its responders may call in their turn.
    this.#othersEnded = undefined;
    callers.clear();
  }
}
