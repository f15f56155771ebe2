/**
 * serve(): a responder function over exchanges, shaped like `Deno.serve`.
 *
 * @module
 */

import { type OpenLoop, openLoop } from "../loop/isolate.ts";
import type { PipeSecurity } from "../options/access.ts";
import { optionalFunction, requiredFunction } from "../options/checks.ts";
import { concurrencyLimit, serverSettings, shutdownTimeout } from "../options/server_settings.ts";
import type { ExchangesOptions } from "../server/options.ts";
import { Server } from "../server/server.ts";
import type { ShutdownReport } from "../server/tally.ts";
import type { Exchange } from "./exchange.ts";
import { exchangeSessions } from "./exchange_session.ts";
import { onAbort } from "./exchanges.ts";
import { type Reply, type Responder, Responders } from "./responders.ts";

/** Options of {@linkcode serve}. */
export interface ServeOptions extends ExchangesOptions {
  /**
   * How many responders work at once, from 1. Further requests wait, in the order in which they
   * came. A responder that goes on after its exchange's signal aborted keeps its place until it
   * returns: let long work end with the signal.
   *
   * @default {Infinity}
   */
  concurrency?: number | undefined;
  /**
   * Gets what a responder threw, and may answer instead: what it gives is what the responder might
   * have given, nothing (no message is sent) included. Without it, and when it throws itself, the
   * error goes to `console.error`, before that of the hook, and the connection ends.
   *
   * @param error What was thrown.
   * @param exchange The request that was being answered.
   */
  onError?: ((error: unknown, exchange: Exchange) => Reply | Promise<Reply>) | undefined;
}

/** A server that {@linkcode serve} started. `await using` shuts it down. */
export interface PipeServer extends AsyncDisposable {
  /** The full name of the pipe, `\\.\pipe\…`. */
  readonly path: string;
  /**
   * Who may open the pipe: what is in force, read back from Windows when the server began to
   * listen. Undefined if it never listened, because its signal was aborted beforehand.
   */
  readonly security: PipeSecurity | undefined;
  /**
   * Resolves when the server has ended and everything is closed. Rejects when it can listen no
   * longer; that needs no handler.
   */
  readonly finished: Promise<void>;
  /**
   * Ends the server: no new clients, open exchanges finish, what is being written ends, then
   * everything is closed. What clients have not read yet stays readable for them. Nothing is read
   * ahead any more, so a client that leaves now is noticed when it is answered.
   *
   * A responder may call and await this. What it gets then does not wait for its own exchange,
   * which ends as ever, by what the responder returns: it settles when nothing is left but
   * exchanges whose responders wait like that, and requests that wait for these (`concurrency`,
   * `maxBuffered`) and are answered afterwards; with what came of the others. It is known who calls
   * as long as the responder has not returned, and afterwards, in what it awaits or has started, if
   * it has always given promises or generators. Elsewhere, as in `authorize`, do not await it.
   * {@linkcode PipeServer.finished} always waits for everybody.
   *
   * @param options `timeout`: milliseconds after which the rest is thrown out, an integer from 0,
   *   or `Infinity`; 10,000 by default.
   * @returns What it came to. A second call gets the same, and its timeout has no effect. Rejects
   *   as {@linkcode PipeServer.finished} does; that needs no handler.
   * @throws {TypeError} If the timeout is no number.
   * @throws {RangeError} If the timeout is negative or no integer.
   */
  shutdown(options?: { timeout?: number | undefined }): Promise<ShutdownReport>;
}

/**
 * Listens on a named pipe and answers each request with a responder function.
 *
 * The server listens when this returns. All that holds for {@linkcode exchanges} holds here too.
 *
 * @param options The name, and what may be changed.
 * @param responder Answers each request. Requests of one client are answered one after another,
 *   those of different clients side by side.
 * @returns The server. It keeps the program running until it is shut down.
 * @throws {TypeError} If the name cannot be used, an option has a wrong type, or `access.sddl` is
 *   no security descriptor.
 * @throws {RangeError} If a number is out of its range.
 * @throws {Deno.errors.NotSupported} If this is not Windows.
 * @throws {Deno.errors.NotCapable} Without `--allow-ffi`, or
 *   `--allow-ffi=C:\Windows\System32\kernel32.dll,C:\Windows\System32\advapi32.dll`, of which the
 *   second is not needed with `access: "system-default"` and no `authorize`.
 * @throws {Deno.errors.AddrInUse} If there is a pipe of this name; the message tells whose, where
 *   Windows does.
 * @throws {Deno.errors.PermissionDenied} If the name is not allowed, or `access.sddl` keeps this
 *   user from creating more than one instance.
 * @throws {WindowsError} If something else prevents listening.
 *
 * @example One reply for each request
 * ```ts
 * import { serve } from "@overlapped/named-pipe";
 *
 * await using server = serve({ path: "shout" }, (_request, exchange) => {
 *   return exchange.text().toUpperCase();
 * });
 * await server.finished;
 * ```
 *
 * @example Several messages for each request
 * ```ts
 * import { serve } from "@overlapped/named-pipe";
 *
 * serve({ path: "count" }, async function* (_request, exchange) {
 *   for (let i = 1; i <= Number(exchange.text()); i++) yield `${i}`;
 * });
 * ```
 */
export function serve(options: ServeOptions, responder: Responder): PipeServer {
  return serveOn(openLoop, options, responder);
}

/** {@linkcode serve} on any loop. */
export function serveOn(open: OpenLoop, options: ServeOptions, responder: Responder): PipeServer {
  const settings = serverSettings(options);
  const onError = optionalFunction(options.onError, "onError");
  const limit = concurrencyLimit(options.concurrency, "concurrency");
  requiredFunction(responder, "responder");
  const { signal } = settings;
  if (signal?.aborted) return new NeverServed(settings.path);
  const loop = open(settings.path, settings.identifies);
  const responders = new Responders(loop, responder, onError, limit);
  const server = new Server(loop, settings, exchangeSessions(responders));
  responders.onDone = () => server.endIfDone();
  server.open();
  onAbort(server, signal, () => server.stop());
  return new Serving(server, responders);
}

class Serving implements PipeServer {
  readonly path: string;
  readonly security: PipeSecurity;
  readonly finished: Promise<void>;
  readonly #server: Server;
  readonly #responders: Responders;

  constructor(server: Server, responders: Responders) {
    this.#responders = responders;
    this.path = server.path;
    this.security = server.security;
    this.finished = server.finished;
    this.#server = server;
  }

  shutdown(options?: { timeout?: number | undefined }): Promise<ShutdownReport> {
    return this.#server.shutdown(
      shutdownTimeout(options?.timeout, "timeout"),
      this.#responders.caller,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }
}

/** The server of a signal that was aborted beforehand. */
class NeverServed implements PipeServer {
  readonly path: string;
  readonly security = undefined;
  readonly finished: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.path = path;
  }

  shutdown(options?: { timeout?: number | undefined }): Promise<ShutdownReport> {
    shutdownTimeout(options?.timeout, "timeout");
    return Promise.resolve({ exchanges: 0, evicted: 0, dropped: 0 });
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
