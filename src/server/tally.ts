/**
 * Counts what a shutdown reports.
 *
 * @module
 */

/** The shutdown report. */
export interface ShutdownReport {
  /** Exchanges that were settled by the program after the shutdown began. */
  readonly exchanges: number;
  /** Clients that were disconnected at the timeout. */
  readonly evicted: number;
  /** Messages, in either direction, that were dropped although their client was connected. */
  readonly dropped: number;
}

/** The report of a server that never listened. */
export const NO_REPORT: ShutdownReport = Object.freeze({ exchanges: 0, evicted: 0, dropped: 0 });

/** See the module. */
export class Tally {
  #exchanges = 0;
  #dropped = 0;
  readonly #evicted = new Set<unknown>();

  /** The shutdown begins: nothing before it counts. */
  begin(): void {
    this.#exchanges = 0;
    this.#dropped = 0;
  }

  /** The program settled an exchange. */
  settled(): void {
    this.#exchanges++;
  }

  /** A message was dropped although its client was connected. */
  dropped(): void {
    this.#dropped++;
  }

  /** A client was disconnected at the timeout. Counts each client once. */
  evicted(client: unknown): void {
    this.#evicted.add(client);
  }

  /** The report so far. */
  report(): ShutdownReport {
    return { exchanges: this.#exchanges, evicted: this.#evicted.size, dropped: this.#dropped };
  }
}
