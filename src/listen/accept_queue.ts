/**
 * The connections that wait to be accepted, and the calls that wait for one.
 *
 * @module
 */

import { remove } from "../pipe/remove.ts";
import type { Connection } from "../pipe/connection.ts";
import type { ClientInfo } from "../server/client.ts";

/** A server's connection. */
export type ServerConn = Connection<ClientInfo>;

/** See the module. Both are served in the order in which they came. */
export class AcceptQueue {
  #connections: ServerConn[] = [];
  #waiters: PromiseWithResolvers<ServerConn | undefined>[] = [];
  #closed = false;

  /** Called when fewer connections wait. */
  onRoom: () => void = () => {};

  /** How many connections wait. */
  get length(): number {
    return this.#connections.length;
  }

  /** Adds a connection. */
  add(connection: ServerConn): void {
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) waiter.resolve(connection);
    else if (this.#closed) connection.close();
    else this.#connections.push(connection);
  }

  /** Whether a connection was accepted, or has waited in vain: it does not wait any more. */
  remove(connection: ServerConn): boolean {
    const removed = remove(this.#connections, connection);
    if (removed) this.onRoom();
    return removed;
  }

  /** Whether a connection waits to be accepted. */
  has(connection: ServerConn): boolean {
    return this.#connections.includes(connection);
  }

  /**
   * The next connection; undefined when no more come.
   *
   * @throws {unknown} The reason of the signal, when it aborts before there is one.
   */
  async next(signal?: AbortSignal): Promise<ServerConn | undefined> {
    signal?.throwIfAborted();
    const connection = this.#connections.shift();
    if (connection !== undefined) {
      this.onRoom();
      return connection;
    }
    if (this.#closed) return undefined;
    const waiter = Promise.withResolvers<ServerConn | undefined>();
    this.#waiters.push(waiter);
    const abort = () => {
      if (remove(this.#waiters, waiter)) waiter.reject(signal?.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
    try {
      return await waiter.promise;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  /** No more connections come. Returns those that nobody has accepted. */
  close(): ServerConn[] {
    this.#closed = true;
    for (const waiter of this.#waiters.splice(0)) waiter.resolve(undefined);
    return this.#connections.splice(0);
  }
}
