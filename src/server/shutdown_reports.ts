/**
 * Who is told of a shutdown, and when: everybody at its end; but whoever asks while its own work is
 * waited for, when nobody else is left who could go on without it.
 *
 * @module
 */

import type { Session } from "./session.ts";
import type { ShutdownReport, Tally } from "./tally.ts";

/** Work that a shutdown waits for, and that may wait for the shutdown in turn. */
export interface Work {
  /** Whether it is done. */
  readonly finished: boolean;
}

/** A session that is left. */
type Left = Pick<Session, "work" | "blocked">;

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

  /** The report, for everybody or for one whose own work is waited for. */
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
   * Tells the callers if all that is left is their work, and what waits for that.
   *
   * @param left The session of each instance that is left; undefined: it has none.
   * @param atWork How much work has begun.
   */
  look(left: readonly (Left | undefined)[], atWork: number): void {
    const callers = this.#callers;
    const ended = left.every((session) =>
      session?.blocked || session?.work !== undefined && callers.has(session.work)
    );
    if (!ended || [...callers].filter(({ finished }) => !finished).length !== atWork) return;
    this.#othersEnded?.resolve(this.#tally.report());
    // What was blocked goes on, and may ask in its turn.
    this.#othersEnded = undefined;
    callers.clear();
  }
}
