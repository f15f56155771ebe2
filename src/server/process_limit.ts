/**
 * Limits the number of connections per process.
 *
 * @module
 */

/** See the module. */
export class ProcessLimit {
  readonly #limit: number;
  readonly #connections = new Map<number, number>();

  /** @param limit How many connections one process may have. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether a process may have one more connection; counts it if so. */
  admit(process: number): boolean {
    const connections = this.#connections.get(process) ?? 0;
    if (connections >= this.#limit) return false;
    this.#connections.set(process, connections + 1);
    return true;
  }

  /** A counted connection has ended. */
  release(process: number): void {
    const connections = this.#connections.get(process) ?? 0;
    if (connections > 1) this.#connections.set(process, connections - 1);
    else this.#connections.delete(process);
  }
}
