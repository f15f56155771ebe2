/**
 * What a shutdown reports, counted where it happens.
 *
 * @module
 */

/** The shutdown report. */
export interface ShutdownReport {
  /** Exchanges that were answered after the shutdown began. */
  readonly exchanges: number;
  /** Clients that were disconnected because the time ran out. */
  readonly evicted: number;
  /** Requests and replies that were dropped although their client was still connected. */
  readonly dropped: number;
}

/** See the module. */
export class Tally {
  #exchanges = 0;
  #dropped = 0;
  readonly #evicted = new Set<unknown>();

  /** The shutdown begins: nothing that was before counts. */
  begin(): void {
    this.#exchanges = 0;
    this.#dropped = 0;
  }

  /** An exchange was settled by its user. */
  settled(): void {
    this.#exchanges++;
  }

  /** A message was given up although its client was there. */
  dropped(): void {
    this.#dropped++;
  }

  /** A client was disconnected; once for each. */
  evicted(client: unknown): void {
    this.#evicted.add(client);
  }

  /** The report so far. */
  report(): ShutdownReport {
    return { exchanges: this.#exchanges, evicted: this.#evicted.size, dropped: this.#dropped };
  }
}
