/**
 * serve(): answers exchanges with a responder function, in the shape of `Deno.serve`.
 *
 * @module
 */

import { type OpenLoop, openLoop } from "../loop/isolate.ts";
import type { PipeSecurity } from "../options/access.ts";
import { optionalFunction, requiredFunction } from "../options/checks.ts";
import { concurrencyLimit, exchangeSettings, shutdownTimeout } from "../options/server_settings.ts";
import type { PipeClient } from "../server/client.ts";
import type { ExchangesOptions } from "../server/options.ts";
import { onAbort } from "../server/on_abort.ts";
import { Server } from "../server/server.ts";
import { type ServerStats, unusedStats } from "../server/stats.ts";
import { NO_REPORT, type ShutdownReport } from "../server/tally.ts";
import type { Exchange } from "./exchange.ts";
import { exchangeSessions } from "./exchange_session.ts";
import { type Reply, type Responder, Responders } from "./responders.ts";
import { exchangeTelemetry } from "./telemetry.ts";

/** Options of {@linkcode serve}. */
export interface ServeOptions extends ExchangesOptions {
  /**
   * How many responders run at once, from 1. Further requests wait, in the order in which they
   * arrived. A responder that continues after its exchange's signal aborted keeps its place until it
   * returns: end long work when the signal aborts.
   *
   * @default {Infinity}
   */
  concurrency?: number | undefined;
  /**
   * Called with what a responder threw; may answer instead. Its result is used as a
   * {@linkcode Reply} of the responder would be: for nothing, no message is sent. Without this hook,
   * or if it throws too, the responder's error and then the hook's are logged with `console.error`,
   * and the connection is closed.
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
   * listen. Undefined if it never listened, because its signal was already aborted.
   */
  readonly security: PipeSecurity | undefined;
  /**
   * Resolves when the server has ended and everything is closed. Rejects if it cannot keep listening.
   * Never becomes an unhandled rejection.
   */
  readonly finished: Promise<void>;
  /**
   * The clients that are connected now, in the order in which they connected; with `authorize`, those
   * that are admitted.
   */
  clients(): PipeClient[];
  /** What the server has counted, and its state now. Can be called at any time, also after its end. */
  stats(): ServerStats;
  /**
   * Shuts the server down: it accepts no new clients, waits until open exchanges are settled and
   * their messages are written, then closes everything. Data that clients have not read yet stays
   * readable for them. The server no longer reads ahead, so a client that disconnects meanwhile is
   * noticed when it is answered.
   *
   * A client that connected before the shutdown is served its first request, so that no client is
   * refused when another server takes over the name. The server waits for that request until the
   * timeout, or `idleTimeout` if it is shorter: a client that connects and says nothing delays the
   * end by as much, and with a timeout of `Infinity` prevents it. A client that was already sent an
   * answer is not waited for; a request of it that has arrived is still served. The limits of the
   * server, and `authorize`, hold as before.
   *
   * A responder may call and await this. The promise that it gets does not wait for its own
   * exchange, nor for others whose responders wait in the same way, nor for requests that wait for
   * these (`concurrency`, `maxBuffered`) and are answered afterwards; its report does not count them.
   * The exchange is then answered as usual, with what the responder returns. A responder that is an
   * `async` function or a generator may call this at any time. One that returns some replies without a
   * promise has to call it before it awaits anything: after that, the call counts as one from outside,
   * and waits for the exchange until the timeout. Do not await it in `authorize`.
   * {@linkcode PipeServer.finished} always waits for all exchanges.
   *
   * @param options `timeout`: milliseconds after which the remaining clients are disconnected, an
   *   integer from 0, or `Infinity`; 10,000 by default. With 0, first requests are hardly waited for.
   * @returns The shutdown report. A second call gets the same report, and its timeout has no effect.
   *   Rejects as {@linkcode PipeServer.finished} does. Never becomes an unhandled rejection.
   * @throws {TypeError} If the timeout is not a number.
   * @throws {RangeError} If the timeout is negative or not an integer.
   *
   * @example A request that stops the server
   * ```ts
   * import { serve } from "@overlapped/named-pipe";
   *
   * const server = serve({ path: "stoppable" }, async (_request, exchange) => {
   *   if (exchange.text() !== "stop") return "unknown";
   *   await server.shutdown();
   *   return "stopped";
   * });
   * await server.finished;
   * ```
   */
  shutdown(options?: { timeout?: number | undefined }): Promise<ShutdownReport>;
  /**
   * Keeps the program running until the server has ended, as it does at first. Reverses
   * {@linkcode PipeServer.unref}. Calling it twice is like calling it once.
   */
  ref(): void;
  /**
   * Lets the program end although the server is listening. It goes on serving as long as something
   * else keeps the program running, such as a timer or another server. When nothing does, the
   * program ends: clients that are connected are disconnected, and a responder that is at work does
   * not delay that, unless what it waits for does. {@linkcode PipeServer.shutdown}, and the abort of
   * `signal`, keep the program running until the server has ended, so both can be awaited.
   *
   * A promise that the program awaits does not keep it running. A top-level `await` that can no
   * longer settle is an error to Deno, so `server.unref(); await server.finished;` does not end the
   * program quietly.
   *
   * Serving costs the same as before, by means of an internal function of Deno. In a version of Deno
   * that lacks it, a server that keeps nothing running looks for clients every 15 ms instead of
   * waiting for them: that takes 2 to 4 % of a processor, and a reply comes 8 ms later on average.
   *
   * @example A server for the time that a program runs
   * ```ts
   * import { serve } from "@overlapped/named-pipe";
   *
   * let done = 0;
   * serve({ path: "progress" }, () => `${done} of 60`).unref();
   *
   * while (done < 60) {
   *   await new Promise((resolve) => setTimeout(resolve, 1_000));
   *   done++;
   * }
   * // The program ends here.
   * ```
   */
  unref(): void;
}

/**
 * Listens on a named pipe and answers each request with a responder function.
 *
 * The server is listening when this returns. Everything that is said of {@linkcode exchanges} holds
 * here too.
 *
 * With [`OTEL_DENO=true`](https://docs.deno.com/runtime/fundamentals/open_telemetry/), or an SDK of
 * OpenTelemetry that was set up before, each exchange is reported as a span, in which the responder
 * runs, and its duration as `rpc.server.call.duration`.
 *
 * @param options The name of the pipe, and settings that have defaults.
 * @param responder Answers each request. Requests of one client are answered one after another,
 *   those of different clients concurrently.
 * @returns The server. It keeps the program running until it is shut down, unless
 *   {@linkcode PipeServer.unref} is called.
 * @throws {TypeError} If the name cannot be used, an option has a wrong type, or `access.sddl` is
 *   not a valid security descriptor.
 * @throws {RangeError} If a number is out of range.
 * @throws {Deno.errors.NotSupported} If this is not Windows.
 * @throws {Deno.errors.NotCapable} Without `--allow-ffi`, or
 *   `--allow-ffi=C:\Windows\System32\kernel32.dll,C:\Windows\System32\advapi32.dll`, of which the
 *   second is not needed with `access: "system-default"` and no `authorize`.
 * @throws {Deno.errors.AddrInUse} If a pipe of this name exists, unless `join` is set and it can be
 *   joined: it is of the same type and direction, and takes another instance. The message names
 *   its process, if Windows reports it.
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

/** {@linkcode serve} on a given loop. */
export function serveOn(open: OpenLoop, options: ServeOptions, responder: Responder): PipeServer {
  const settings = exchangeSettings(options);
  const onError = optionalFunction(options.onError, "onError");
  const limit = concurrencyLimit(options.concurrency, "concurrency");
  requiredFunction(responder, "responder");
  const { signal } = settings;
  if (signal?.aborted) return new NeverServed(settings);
  const loop = open(settings.path, settings.identifies);
  const telemetry = exchangeTelemetry(settings.path, () => loop.kernel.now());
  const responders = new Responders(loop, responder, onError, limit, telemetry);
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

  clients(): PipeClient[] {
    return this.#server.clients();
  }

  stats(): ServerStats {
    return this.#server.stats();
  }

  shutdown(options?: { timeout?: number | undefined }): Promise<ShutdownReport> {
    return this.#server.shutdown(
      shutdownTimeout(options?.timeout, "timeout"),
      this.#responders.caller,
    );
  }

  ref(): void {
    this.#server.ref();
  }

  unref(): void {
    this.#server.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }
}

/** The server whose signal was already aborted. */
class NeverServed implements PipeServer {
  readonly path: string;
  readonly security = undefined;
  readonly finished: Promise<void> = Promise.resolve();
  readonly #stats: ServerStats;

  constructor({ path, measure }: { readonly path: string; readonly measure: boolean }) {
    this.path = path;
    this.#stats = unusedStats(measure);
  }

  stats(): ServerStats {
    return this.#stats;
  }

  clients(): PipeClient[] {
    return [];
  }

  shutdown(options?: { timeout?: number | undefined }): Promise<ShutdownReport> {
    shutdownTimeout(options?.timeout, "timeout");
    return Promise.resolve(NO_REPORT);
  }

  ref(): void {}

  unref(): void {}

  async [Symbol.asyncDispose](): Promise<void> {}
}
