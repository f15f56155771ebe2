/**
 * The connections that wait to be accepted, and the calls that wait for one.
 *
 * @module
 */

import { remove } from "../pipe/remove.ts";
import type { Connection } from "../pipe/connection.ts";
import type { CloseReason } from "../pipe/close_reason.ts";
import type { ClientInfo } from "../server/client.ts";

/** A server's connection. */
export type ServerConn = Connection<ClientInfo>;

/** See the module. Both are served in the order in which they came. */
export class AcceptQueue {
  readonly #connections = new Map<ServerConn, (reason: CloseReason) => void>();
  #waiters: PromiseWithResolvers<ServerConn | undefined>[] = [];
  #closed = false;

  /** Called when fewer connections wait. */
  onRoom: () => void = () => {};

  /** How many connections wait. */
  get length(): number {
    return this.#connections.size;
  }

  /**
   * Adds a connection.
   *
   * @param evict Ends it, if no more are accepted.
   */
  add(connection: ServerConn, evict: (reason: CloseReason) => void): void {
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) waiter.resolve(connection);
    else this.#connections.set(connection, evict);
  }

  /** The connection has ended: it does not wait any more, if it did. */
  remove(connection: ServerConn): void {
    if (this.#connections.delete(connection)) this.onRoom();
  }

  /**
   * The next connection; undefined when no more come.
   *
   * @throws {unknown} The reason of the signal, when it aborts before there is one.
   */
  async next(signal?: AbortSignal): Promise<ServerConn | undefined> {
    signal?.throwIfAborted();
    const [connection] = this.#connections.keys();
    if (connection !== undefined) {
      this.remove(connection);
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

  /** No more connections are accepted: evicts those that wait. */
  close(reason: CloseReason): void {
    this.#closed = true;
    for (const waiter of this.#waiters.splice(0)) waiter.resolve(undefined);
    const waiting = [...this.#connections.values()];
    this.#connections.clear();
    for (const evict of waiting) evict(reason);
  }
}
