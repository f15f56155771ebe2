/**
 * exchanges(): the async generator of `{ instance, request, reply }`.
 *
 * @module
 */

import type { Exchange, ServerExchange } from "./exchange.ts";
import type { ExchangeHandler } from "./current_exchange.ts";
import { exchangeSessions } from "./exchange_session.ts";
import { type OpenLoop, openLoop } from "../loop/isolate.ts";
import type { PipeSecurity } from "../options/access.ts";
import { exchangeSettings, shutdownTimeout } from "../options/server_settings.ts";
import { remove } from "../pipe/remove.ts";
import type { PipeClient } from "../server/client.ts";
import type { ExchangesOptions, ServerOptions } from "../server/options.ts";
import { onAbort } from "../server/on_abort.ts";
import { Server } from "../server/server.ts";
import { type ServerStats, unusedStats } from "../server/stats.ts";
import { NO_REPORT, type ShutdownReport } from "../server/tally.ts";
import type { WaitLoop } from "../loop/wait_loop.ts";

/** What {@linkcode exchanges} returns: an async generator of exchanges, and the server behind it. */
export interface PipeExchanges extends AsyncGenerator<Exchange, void, void> {
  /** The full name of the pipe, `\\.\pipe\…`; known before the server listens. */
  readonly path: string;
  /**
   * Who may open the pipe: what is in force, read back from Windows when the server began to
   * listen. Undefined before the first `next()`, and if the server never listened.
   */
  readonly security: PipeSecurity | undefined;
  /**
   * The clients that are connected now, in the order in which they connected; with `authorize`, those
   * that are admitted.
   */
  clients(): PipeClient[];
  /** What the server has counted, and its state now. Can be called at any time, also after its end. */
  stats(): ServerStats;
  /**
   * Shuts the server down: it accepts no new clients, the loop still gets the requests that were
   * received by then, and ends when all exchanges are settled and their messages are written. Data
   * that clients have not read yet stays readable for them. Leaving the loop ends the server sooner.
   *
   * Do not await this inside the loop: the loop has to go on for the shutdown to end. Before the first
   * `next()` it ends the generator, and the server never listens.
   *
   * @param options `timeout`: milliseconds after which the remaining clients are disconnected, an
   *   integer from 0, or `Infinity`; 10,000 by default.
   * @returns The shutdown report. A second call gets the same report, and its timeout has no effect.
   *   Rejects if the server cannot keep listening. Never becomes an unhandled rejection.
   * @throws {TypeError} If the timeout is not a number.
   * @throws {RangeError} If the timeout is negative or not an integer.
   *
   * @example A loop that ends gracefully
   * ```ts
   * import { exchanges } from "@overlapped/named-pipe";
   *
   * const requests = exchanges({ path: "echo" });
   * Deno.addSignalListener("SIGINT", () => requests.shutdown());
   * for await (const { request, reply } of requests) reply(request);
   * ```
   */
  shutdown(options?: { timeout?: number | undefined }): Promise<ShutdownReport>;
  /** Keeps the program running while the server listens, which is the default. */
  ref(): void;
  /** Lets the program end although the server is listening: see {@linkcode PipeServer.unref}. */
  unref(): void;
}

/**
 * Listens on a named pipe and yields the requests of its clients, as exchanges to be answered.
 *
 * Each client has at most one open exchange; different clients are served concurrently.
 * The pipe is a message pipe: a request is one message of a client, of any length up to
 * {@linkcode ExchangesOptions.maxMessage}, and empty messages are requests too; with
 * {@linkcode ExchangesOptions.framing}, it is what the framing says. Clients of other
 * machines are refused, unless {@linkcode ExchangesOptions.remote} is set.
 *
 * A client that exceeds a limit is disconnected, which makes room for the next: `onDisconnect` gets
 * the reason and an error with the details. `maxInstances` and `maxBuffered` disconnect no client:
 * they make further clients, or further requests, wait.
 *
 * The instances are created by the first `next()`. Leaving the loop ends the server: exchanges that
 * are not settled are dropped, and a message that is being written may take `writeTimeout` more, or
 * 10,000 ms if that is `Infinity`. When `signal` aborts, the generator ends at once and without an
 * error; `await generator.return()` waits until everything is closed.
 *
 * All pipes of a JavaScript thread share one wait, on one thread of Deno's pool for blocking calls.
 * If your own blocking calls fill the pool, they delay that wait.
 *
 * When a `Worker` is ended with `terminate()`, nothing can be closed: its instances remain until the
 * process ends, and clients that connect to them are never answered. Shut the server down first.
 *
 * @param options The name of the pipe, and settings that have defaults.
 * @returns An async generator, which begins to listen when it is first iterated, and can be shut
 *   down gracefully.
 * @throws {TypeError} If the name cannot be used or an option has a wrong type; from `next()`, if
 *   `access.sddl` is not a valid security descriptor.
 * @throws {RangeError} If a number is out of range.
 * @throws {Deno.errors.NotSupported} From `next()`, if this is not Windows.
 * @throws {Deno.errors.NotCapable} From `next()`, without `--allow-ffi`, or
 *   `--allow-ffi=C:\Windows\System32\kernel32.dll,C:\Windows\System32\advapi32.dll`, of which the
 *   second is not needed with `access: "system-default"` and no `authorize`.
 * @throws {Deno.errors.AddrInUse} From `next()`, if a pipe of this name exists, unless `join` is set
 *   and it can be joined: it is of the same type and direction, and takes another instance. The
 *   message names its process, if Windows reports it.
 * @throws {Deno.errors.PermissionDenied} From `next()`, if the name is not allowed, or
 *   `access.sddl` keeps this user from creating more than one instance.
 * @throws {WindowsError} From `next()`, if something else prevents listening, now or later.
 *
 * @example An echo server
 * ```ts
 * import { exchanges } from "@overlapped/named-pipe";
 *
 * for await (const { instance, request, reply } of exchanges({ path: "echo" })) {
 *   console.log(`[${instance.id}] ${request.length} bytes`);
 *   reply(request);
 * }
 * ```
 */
export function exchanges(options: ExchangesOptions): PipeExchanges {
  return exchangesOn(openLoop, options);
}

/** {@linkcode exchanges} on a given loop. */
export function exchangesOn(open: OpenLoop, options: ExchangesOptions): PipeExchanges {
  return new Exchanges(open, exchangeSettings(options));
}

type Result = IteratorResult<Exchange, void>;

/**
 * Not an `async function*`: that would run the server inside `next()`, hang on `return()` while it
 * waits, and deadlock a consumer that awaits a reply.
 */
class Exchanges implements PipeExchanges, ExchangeHandler {
  /** See {@linkcode ExchangeHandler}. What a loop does with an exchange is not known. */
  readonly showsClients = true;
  readonly #open: OpenLoop;
  readonly #settings: ServerOptions;
  #loop: WaitLoop | undefined = undefined;
  #server: Server | undefined = undefined;
  #over = false;
  #failure: { error: unknown } | undefined = undefined;
  /** At most one exchange per instance. */
  #queue: ServerExchange[] = [];
  #waiters: PromiseWithResolvers<Result>[] = [];
  #resuming = false;
  #keepsAlive = true;

  constructor(open: OpenLoop, settings: ServerOptions) {
    this.#open = open;
    this.#settings = settings;
  }

  get path(): string {
    return this.#settings.path;
  }

  get security(): PipeSecurity | undefined {
    return this.#server?.security;
  }

  clients(): PipeClient[] {
    return this.#server?.clients() ?? [];
  }

  stats(): ServerStats {
    return this.#server?.stats() ?? unusedStats(this.#settings.measure);
  }

  ref(): void {
    this.#keepsAlive = true;
    this.#server?.ref();
  }

  unref(): void {
    this.#keepsAlive = false;
    this.#server?.unref();
  }

  shutdown(options?: { timeout?: number | undefined }): Promise<ShutdownReport> {
    const timeout = shutdownTimeout(options?.timeout, "timeout");
    if (this.#server !== undefined) return this.#server.shutdown(timeout);
    this.#end();
    return Promise.resolve(NO_REPORT);
  }

  next(): Promise<Result> {
    if (this.#server === undefined && !this.#over) {
      const error = this.#start();
      if (error !== undefined) return Promise.reject(error.reason);
    }
    if (this.#failure !== undefined) {
      const { error } = this.#failure;
      this.#failure = undefined;
      return Promise.reject(error);
    }
    if (this.#over) return Promise.resolve({ done: true, value: undefined });
    const waiter = Promise.withResolvers<Result>();
    this.#waiters.push(waiter);
    // However many exchanges are queued, the thread returns to the event loop in between.
    if (this.#queue.length > 0 && this.#loop?.turnSpent) this.#resumeNextTurn();
    else this.#resume();
    return waiter.promise;
  }

  async return(): Promise<Result> {
    this.#stop();
    // An error of the server does not matter to a program that has stopped it.
    await this.#server?.finished.catch(() => {});
    return { done: true, value: undefined };
  }

  async throw(error: unknown): Promise<Result> {
    await this.return();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** See {@linkcode ExchangeHandler}. */
  get atWork(): number {
    return 0;
  }

  /** See {@linkcode ExchangeHandler}. */
  get blocked(): number {
    return 0;
  }

  /** See {@linkcode ExchangeHandler}. */
  get resuming(): boolean {
    return this.#resuming;
  }

  /** See {@linkcode ExchangeHandler}. */
  deliver(exchange: ServerExchange): void {
    this.#queue.push(exchange);
    this.#resume();
  }

  /** See {@linkcode ExchangeHandler}. */
  withdraw(exchange: ServerExchange): void {
    remove(this.#queue, exchange);
  }

  #start(): { reason: unknown } | undefined {
    const { signal } = this.#settings;
    try {
      if (signal?.aborted) {
        this.#over = true;
        return undefined;
      }
      this.#loop = this.#open(this.#settings.path, this.#settings.identifies);
      // Set before the server listens: its hooks may use the generator.
      this.#server = new Server(this.#loop, this.#settings, exchangeSessions(this));
      this.#server.open();
      if (!this.#keepsAlive) this.#server.unref();
      onAbort(this.#server, signal, () => this.#stop());
    } catch (reason) {
      this.#server = undefined;
      this.#over = true;
      return { reason };
    }
    this.#server.finished.then(() => this.#end(), (error) => this.#fail(error));
    return undefined;
  }

  #resume(): void {
    while (this.#waiters.length > 0 && this.#queue.length > 0) {
      const exchange = this.#queue.shift();
      if (exchange === undefined) return;
      this.#waiters.shift()?.resolve({ done: false, value: exchange });
      exchange.take();
      exchange.markDone();
    }
  }

  #resumeNextTurn(): void {
    if (this.#resuming) return;
    this.#resuming = true;
    this.#loop?.atNextTurn(() => {
      this.#resuming = false;
      this.#resume();
    });
  }

  #fail(error: unknown): void {
    const [first] = this.#waiters.splice(0, 1);
    if (first !== undefined) first.reject(error);
    else if (!this.#over) this.#failure = { error };
    this.#end();
  }

  #stop(): void {
    this.#end();
    this.#server?.stop();
  }

  #end(): void {
    this.#over = true;
    this.#queue = [];
    for (const waiter of this.#waiters) waiter.resolve({ done: true, value: undefined });
    this.#waiters = [];
  }
}
