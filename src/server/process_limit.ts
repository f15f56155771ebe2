/**
 * How many connections each process has.
 *
 * @module
 */

/** See the module. */
export class ProcessLimit {
  readonly #most: number;
  readonly #connections = new Map<number, number>();

  /** @param most Connections that one process may have. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Whether a process may have one more connection, which then counts. */
  admit(process: number): boolean {
    const connections = this.#connections.get(process) ?? 0;
    if (connections >= this.#most) return false;
    this.#connections.set(process, connections + 1);
    return true;
  }

  /** A connection that counted is over. */
  release(process: number): void {
    const connections = this.#connections.get(process) ?? 0;
    if (connections > 1) this.#connections.set(process, connections - 1);
    else this.#connections.delete(process);
  }
}
