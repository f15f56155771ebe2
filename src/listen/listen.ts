/**
 * listen(): gives clients to the program as connections, in the shape of `Deno.listen`.
 *
 * @module
 */

import { type OpenLoop, openLoop } from "../loop/isolate.ts";
import type { PipeSecurity } from "../options/access.ts";
import { abortSignal } from "../options/checks.ts";
import { listenSettings } from "../options/listen_settings.ts";
import { shutdownTimeout } from "../options/server_settings.ts";
import type { PipeConn } from "../pipe/pipe_conn.ts";
import type { ClientInfo } from "../server/client.ts";
import { onAbort } from "../server/on_abort.ts";
import { Server } from "../server/server.ts";
import { type ServerStats, unusedStats } from "../server/stats.ts";
import { NO_REPORT, type ShutdownReport } from "../server/tally.ts";
import { AcceptQueue, type ServerConn } from "./accept_queue.ts";
import { connectionSessions } from "./connection_session.ts";
import type { ListenerOptions, ListenOptions } from "./options.ts";

/**
 * A server that gives each client to the program as a connection. `using` closes it, `await using`
 * shuts it down.
 *
 * Iterating it gives the connections, until it is closed or shut down; leaving the loop closes it.
 */
export interface PipeListener
  extends AsyncIterable<PipeConn<ClientInfo>>, Disposable, AsyncDisposable {
  /** The full name of the pipe, `\\.\pipe\…`. */
  readonly path: string;
  /**
   * Who may open the pipe: what is in force, read back from Windows when the listener was created.
   * Undefined if it never listened, because its signal was already aborted.
   */
  readonly security: PipeSecurity | undefined;
  /**
   * Resolves when everything has ended, connections too. Rejects if the listener cannot keep
   * listening. Never becomes an unhandled rejection.
   */
  readonly finished: Promise<void>;
  /**
   * Waits for the next connection.
   *
   * **Cancellation:** aborting `signal` ends only this call.
   *
   * @throws {Deno.errors.Interrupted} If the listener is closed, before or during the call.
   * @throws {TypeError} If `signal` is not an AbortSignal.
   * @throws {unknown} `signal.reason`, when `signal` aborts before a client connects; what
   *   {@linkcode PipeListener.finished} rejects with.
   */
  accept(options?: { signal?: AbortSignal | undefined }): Promise<PipeConn<ClientInfo>>;
  /** The clients whose connections are open, accepted or not; with `authorize`, admitted ones. */
  clients(): ClientInfo[];
  /** What the server has counted, and its state now. Can be called at any time, also after its end. */
  stats(): ServerStats;
  /**
   * Shuts the listener down: it accepts no new clients, disconnects clients that nobody has accepted,
   * and aborts {@linkcode PipeConn.draining} of the others, which may finish until the timeout.
   *
   * @param options `timeout`: milliseconds after which the remaining clients are disconnected, an
   *   integer from 0, or `Infinity`; 10,000 by default.
   * @returns The shutdown report, when everything is closed. A second call gets the same report, and
   *   its timeout has no effect. Rejects as {@linkcode PipeListener.finished} does, which never becomes
   *   an unhandled rejection.
   * @throws {TypeError} If the timeout is not a number.
   * @throws {RangeError} If the timeout is negative or not an integer.
   */
  shutdown(options?: { timeout?: number | undefined }): Promise<ShutdownReport>;
  /** Stops listening. Clients that nobody has accepted are disconnected; accepted connections go on. */
  close(): void;
  /** Lets the listener keep the program running, which is the default. */
  ref(): void;
  /**
   * Lets the program end although the listener listens: it goes on as long as something else keeps the
   * program running.
   */
  unref(): void;
}

/**
 * Listens on a named pipe and gives each client to the program as a connection, on which either end
 * may send at any time.
 *
 * It is listening when this returns. To answer requests one by one, {@linkcode serve} and
 * {@linkcode exchanges} are simpler.
 *
 * **Backpressure:** each connection reads at most one message or chunk before the program asks for
 * it. While `instances` clients wait to be accepted, no further instances are created, and further
 * clients wait in their `connect`.
 *
 * @param options The name of the pipe, and settings that have defaults.
 * @returns The listener. It keeps the program running until it is closed or shut down.
 * @throws {TypeError} If the name cannot be used, an option has a wrong type, or options contradict
 *   each other.
 * @throws {RangeError} If a number is out of range.
 * @throws {Deno.errors.NotSupported} If this is not Windows.
 * @throws {Deno.errors.NotCapable} Without `--allow-ffi`, or
 *   `--allow-ffi=C:\Windows\System32\kernel32.dll,C:\Windows\System32\advapi32.dll`, of which the
 *   second is not needed with `access: "system-default"` and no `authorize`.
 * @throws {Deno.errors.AddrInUse} If a pipe of this name exists and `join` is not set, or it cannot be
 *   joined.
 * @throws {Deno.errors.PermissionDenied} If the name is not allowed, or `access.sddl` keeps this user
 *   from creating more than one instance.
 * @throws {WindowsError} If something else prevents listening.
 *
 * @example A chat: each message goes to everyone
 * ```ts
 * import { listen, type PipeConn } from "@overlapped/named-pipe";
 *
 * const members = new Set<PipeConn>();
 *
 * async function join(conn: PipeConn) {
 *   members.add(conn);
 *   conn.closed.then(() => members.delete(conn));
 *   for await (const message of conn) {
 *     for (const member of members) member.send(message).catch(() => {});
 *   }
 * }
 *
 * for await (const conn of listen({ path: "chat" })) join(conn).catch(console.error);
 * ```
 */
export function listen(options: ListenOptions): PipeListener {
  return listenOn(openLoop, options);
}

/** {@linkcode listen} on a given loop. */
export function listenOn(open: OpenLoop, options: ListenOptions): PipeListener {
  return new Listener(open, listenSettings(options));
}

class Listener implements PipeListener {
  readonly path: string;
  readonly security: PipeSecurity | undefined;
  readonly finished: Promise<void>;
  readonly #connections: AcceptQueue = new AcceptQueue();
  readonly #server: Server | undefined;
  readonly #measures: boolean;

  constructor(open: OpenLoop, settings: ListenerOptions) {
    const { path, signal, identifies, measure } = settings;
    this.path = path;
    this.#measures = measure;
    if (signal?.aborted) {
      this.#connections.close("stopped");
      this.finished = Promise.resolve();
      return;
    }
    const sessions = connectionSessions(settings, this.#connections);
    const server = new Server(open(path, identifies), settings, sessions);
    this.#server = server;
    this.#connections.onRoom = () => server.replenish();
    this.finished = server.finished;
    // It may also end by itself.
    const ended = () => this.#connections.close("stopped");
    server.finished.then(ended, ended);
    server.open();
    this.security = server.security;
    onAbort(server, signal, () => {
      this.#connections.close("stopped");
      server.stop();
    });
  }

  async accept(
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<PipeConn<ClientInfo>> {
    const connection = await this.#connections.next(abortSignal(options.signal));
    if (connection !== undefined) return connection;
    this.#throwFailure();
    throw new Deno.errors.Interrupted(`Cannot accept clients of "${this.path}": it is closed`);
  }

  clients(): ClientInfo[] {
    return this.#server?.clients() ?? [];
  }

  stats(): ServerStats {
    return this.#server?.stats() ?? unusedStats(this.#measures);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ServerConn, void, void> {
    try {
      for (let next; (next = await this.#connections.next()) !== undefined;) yield next;
      this.#throwFailure();
    } finally {
      this.close();
    }
  }

  shutdown(options?: { timeout?: number | undefined }): Promise<ShutdownReport> {
    try {
      return this.#shutDown(shutdownTimeout(options?.timeout, "timeout"));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  close(): void {
    this.#connections.close("self");
    this.#server?.close();
  }

  ref(): void {
    this.#server?.ref();
  }

  unref(): void {
    this.#server?.unref();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  #shutDown(timeout: number): Promise<ShutdownReport> {
    if (this.#server === undefined) {
      return Promise.resolve(NO_REPORT);
    }
    const report = this.#server.shutdown(timeout);
    this.#connections.close("shutdown");
    return report;
  }

  /** @throws {Error} If the server cannot keep listening. */
  #throwFailure(): void {
    if (this.#server?.error !== undefined) throw this.#server.error;
  }
}
