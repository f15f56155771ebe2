/**
 * exchanges(): the async generator of `{ instance, request, reply }`.
 *
 * @module
 */

import type { PipeAccess } from "../options/access.ts";
import type { Exchange, ServerExchange } from "./exchange.ts";
import { type ExchangeHandler, exchangeSessions } from "./exchange_session.ts";
import { type OpenLoop, openLoop } from "../loop/isolate.ts";
import { serverSettings } from "../options/options.ts";
import { remove } from "../pipe/remove.ts";
import type { PipeClient } from "../server/client.ts";
import type { DisconnectReason } from "../server/end_reasons.ts";
import { Server, type ServerOptions } from "../server/server.ts";
import type { WaitLoop } from "../loop/wait_loop.ts";

/** Options of {@linkcode exchanges} and {@linkcode serve}. All are read once, at the call. */
export interface ExchangesOptions {
  /**
   * The name of the pipe. A name without a leading slash or backslash (`\` is allowed inside, `/`
   * is not) becomes `\\.\pipe\name`, and so do its other spellings: `\\.\pipe\name`,
   * `\\?\pipe\name`, `//./pipe/name`, `//?/pipe/name` and `npipe:////./pipe/name`, the prefix in
   * any case, and with slashes inside the name too where the prefix has them. At most 256 characters
   * in all. Names are not case-sensitive, and keep their case. No part of a name can end with a dot
   * or a space: Windows leaves these out, and `..` would lead out of the pipes. While `app` is a
   * pipe, `app\control` cannot become one; the other way round both can.
   *
   * The name must be free: the first instance is created with `FILE_FLAG_FIRST_PIPE_INSTANCE`, so
   * that nobody else's pipe is joined.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/ipc/pipe-names}
   */
  path: string;
  /**
   * How many instances always listen, 1 to 65,000. As clients come, more are created; as they
   * leave, the number falls back. Clients that come in a greater burst get `ERROR_PIPE_BUSY` and
   * have to try again, as {@linkcode connect} and `WaitNamedPipe` do.
   *
   * @default {4}
   */
  instances?: number | undefined;
  /**
   * How many instances, and so clients, there are at most: an integer from `instances`, so that
   * for fewer than 4 `instances` has to be set too. Further clients get `ERROR_PIPE_BUSY` until one
   * leaves. Windows is always given `PIPE_UNLIMITED_INSTANCES` as `nMaxInstances`, and the server
   * counts.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/ipc/named-pipe-instances}
   * @default {Infinity}
   */
  maxInstances?: number | undefined;
  /**
   * Bytes that Windows holds for each client of what it wrote and the server has not read, 0 to
   * 4,294,967,295: `nInBufferSize` of `CreateNamedPipeW`. A longer request arrives all the same, in
   * one piece, but its client can withdraw it while it is being read: with as much as `maxRequest`,
   * no request can be joined to what its client writes instead.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-createnamedpipew}
   * @default {65536}
   */
  readBufferSize?: number | undefined;
  /**
   * Bytes that Windows holds for each client of what the server wrote and it has not read, 0 to
   * 4,294,967,295: `nOutBufferSize` of `CreateNamedPipeW`. A longer reply stays pending until it is
   * read.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-createnamedpipew}
   * @default {65536}
   */
  writeBufferSize?: number | undefined;
  /**
   * Milliseconds that a client's `WaitNamedPipe` with `NMPWAIT_USE_DEFAULT_WAIT` waits, 1 to
   * 4,294,967,294: `nDefaultTimeOut` of `CreateNamedPipeW`.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-waitnamedpipew}
   * @default {5000}
   */
  waitTimeout?: number | undefined;
  /**
   * The longest request that is taken, in bytes, 0 to 2,147,483,647. A client that sends a longer
   * one is disconnected, and nothing of it reaches the program.
   *
   * @default {16777216}
   */
  maxRequest?: number | undefined;
  /**
   * How many bytes of requests the server holds for all clients together, from 1: from when they
   * are read until their exchanges are settled. A request that does not fit waits in its pipe until
   * others are answered; nobody is disconnected, and a client that leaves meanwhile is noticed when
   * it is answered. A request that is longer than half of this is taken when half is left, so one
   * may go beyond the bound. Besides this, each client costs the memory of one read: 4,096 bytes, or
   * as much as its last messages were long, but no more than `readBufferSize`. Replies are bounded
   * by `maxQueued`.
   *
   * A request that fits does not wait for one that does not, and none waits for ever because others
   * fit: once requests of as many bytes as the one that has waited longest needs have passed it,
   * those that pass it hold no more than a quarter of this together. It is then taken at the
   * latest when what was held before has come down to a quarter.
   *
   * @default {268435456}
   */
  maxBuffered?: number | undefined;
  /**
   * How many bytes of messages may wait for one client to read, from 1, apart from what Windows
   * buffers (`writeBufferSize`). A client that is given a message while more than that waits is
   * disconnected, and what waits is dropped. One message alone may be longer, so a client that does
   * not read costs at most this and one message, and all clients together `maxInstances` times as
   * much. Neither counts in `maxBuffered`: a client that does not read keeps nobody else waiting.
   *
   * {@linkcode Exchange.send} resolves when its message has been taken: await it to send more than
   * this to one client. An async generator does so by itself.
   *
   * @default {16777216}
   */
  maxQueued?: number | undefined;
  /**
   * How many connections one process may have, from 1. Further ones are ended at once. Counted by
   * `GetNamedPipeClientProcessId`, which a malicious client can fool: a guard against mistakes, not
   * against attacks.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-getnamedpipeclientprocessid}
   * @default {Infinity}
   */
  maxPerProcess?: number | undefined;
  /**
   * Milliseconds, from 1, that a client may send no request before its connection is ended. The
   * time stands still while a request of it is being answered, or the server itself does not read.
   *
   * @default {Infinity}
   */
  idleTimeout?: number | undefined;
  /**
   * Milliseconds, from 1, that one message may wait for the client to read before the connection is
   * ended and the message is dropped. With `Infinity`, a connection that is to end anyway waits for
   * 10,000 ms.
   *
   * A client that never reads, but whose replies fit into `writeBufferSize`, goes unnoticed here:
   * only `idleTimeout` ends its connection. A message that cannot be written for so long because
   * the system is short of memory ends the connection with the reason `"error"`.
   *
   * @default {30000}
   */
  replyTimeout?: number | undefined;
  /**
   * Milliseconds, from 1, from the moment when the program gets an exchange until it must have
   * settled it. Otherwise the exchange's signal aborts and the connection is ended. A responder
   * that goes on all the same keeps its place in {@linkcode ServeOptions.concurrency}. The same
   * time is given to `authorize`.
   *
   * @default {Infinity}
   */
  responderTimeout?: number | undefined;
  /**
   * Who may open the pipe. See {@linkcode PipeAccess}; `lpSecurityAttributes` of
   * `CreateNamedPipeW`. What is in force can be read in {@linkcode PipeServer.security}.
   *
   * @default {"current-user"}
   */
  access?: PipeAccess | undefined;
  /**
   * Whether clients of other machines are taken, within what `access` allows; otherwise all
   * instances are created with `PIPE_REJECT_REMOTE_CLIENTS`. Refused together with
   * `access: "local-users"`.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/ipc/named-pipe-type-read-and-wait-modes}
   * @default {false}
   */
  remote?: boolean | undefined;
  /**
   * Is called once per client, before its first request is delivered: when that has been read, or
   * the first 4,096 bytes of a longer one. The rest is not read, and no memory is allocated for it,
   * before the client is admitted. Decide by {@linkcode PipeClient.user}, for example. `false`, a
   * throw and a rejection end the connection, and the request with it. What is thrown is reported on
   * the console: the first time at once, then when the same has come ten times as often, and when
   * the server has ended, how often that was. The same holds for `onDisconnect`.
   *
   * Nothing is read meanwhile, so a client that leaves is noticed when the decision has been made.
   * {@linkcode ExchangesOptions.responderTimeout} holds for the decision too.
   *
   * @param client The connection to decide about.
   * @returns Whether the client is let in.
   */
  authorize?: ((client: PipeClient) => boolean | Promise<boolean>) | undefined;
  /**
   * Stops the server at once when it aborts: exchange signals abort, what Windows has taken stays
   * readable for the clients, everything is closed. What is being written may take as long as when
   * a loop over {@linkcode exchanges} is left. Aborted beforehand: the server never listens.
   */
  signal?: AbortSignal | undefined;
  /**
   * Is called once, when clients can connect. What it throws is reported on the console.
   *
   * @param address The full name of the pipe.
   */
  onListen?: ((address: { path: string }) => void) | undefined;
  /**
   * Is called once at the end of every connection, after its last request was handed out. What it
   * throws is reported on the console.
   *
   * @param client The connection that has ended.
   * @param reason Why it ended.
   * @param error The error, where there was one.
   */
  onDisconnect?:
    | ((client: PipeClient, reason: DisconnectReason, error?: unknown) => void)
    | undefined;
}

/**
 * Listens on a named pipe and yields what clients ask, as exchanges to be answered.
 *
 * Each client has at most one open exchange; those of different clients are yielded side by side.
 * The pipe is a message pipe: a request is one message of a client, of any length up to
 * {@linkcode ExchangesOptions.maxRequest}, and empty messages are requests too. Clients of other
 * machines are refused, unless {@linkcode ExchangesOptions.remote} is set.
 *
 * Limits end the connection of the one client that exceeds them, and make room for the next:
 * `onDisconnect` is told which one, with an error that says more. `maxInstances` and `maxBuffered`
 * end no connection: they keep further clients, or further requests, out for a while.
 *
 * The instances come into being at the first `next()`. Leaving the loop ends the server: exchanges
 * that are not settled are dropped, and what is being written may take `replyTimeout` more, or
 * 10,000 ms if that is without end. The generator ends without an error when `signal` aborts, at
 * once: `await generator.return()` waits until everything is closed.
 *
 * All pipes of a thread of JavaScript share one wait on one thread of Deno's pool for blocking
 * calls. Blocking calls of your own that fill the pool delay that wait.
 *
 * When a `Worker` is ended with `terminate()`, nothing can be closed: its instances stay until the
 * process ends, and clients that they take are never answered. Shut the server down first.
 *
 * @param options The name, and what may be changed.
 * @returns An async generator that nothing but iterating starts.
 * @throws {TypeError} If the name cannot be used or an option has a wrong type; from `next()`, if
 *   `access.sddl` is no security descriptor.
 * @throws {RangeError} If a number is out of its range.
 * @throws {Deno.errors.NotSupported} From `next()`, if this is not Windows.
 * @throws {Deno.errors.NotCapable} From `next()`, without `--allow-ffi`, or
 *   `--allow-ffi=C:\Windows\System32\kernel32.dll,C:\Windows\System32\advapi32.dll`, of which the
 *   second is not needed with `access: "system-default"` and no `authorize`.
 * @throws {Deno.errors.AddrInUse} From `next()`, if there is a pipe of this name; the message tells
 *   whose, where Windows does.
 * @throws {Deno.errors.PermissionDenied} From `next()`, if the name is not allowed, or
 *   `access.sddl` keeps this user from creating more than one instance.
 * @throws {WindowsError} From `next()`, if something else prevents listening, or if it cannot go
 *   on.
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
export function exchanges(options: ExchangesOptions): AsyncGenerator<Exchange, void, void> {
  return exchangesOn(openLoop, options);
}

/** {@linkcode exchanges} on any loop. */
export function exchangesOn(
  open: OpenLoop,
  options: ExchangesOptions,
): AsyncGenerator<Exchange, void, void> {
  return new Exchanges(open, serverSettings(options));
}

/** Calls back when a signal aborts, for as long as the server lives. */
export function onAbort(
  server: Server,
  signal: AbortSignal | undefined,
  stop: () => void,
): void {
  if (signal === undefined) return;
  // onListen may have aborted it.
  if (signal.aborted) return stop();
  const forget = () => signal.removeEventListener("abort", stop);
  signal.addEventListener("abort", stop, { once: true });
  server.finished.then(forget, forget);
}

type Result = IteratorResult<Exchange, void>;

/**
 * Not an `async function*`: that would run the server inside `next()`, hang on `return()` while it
 * waits, and deadlock a consumer that awaits a reply.
 */
class Exchanges implements AsyncGenerator<Exchange, void, void>, ExchangeHandler {
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

  constructor(open: OpenLoop, settings: ServerOptions) {
    this.#open = open;
    this.#settings = settings;
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
    if (this.#loop?.turnSpent) this.#resumeNextTurn();
    else this.#resume();
    return waiter.promise;
  }

  async return(): Promise<Result> {
    this.#stop();
    // Whether the server could go on does not matter to one who does not want it any more.
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
    if (signal?.aborted) {
      this.#over = true;
      return undefined;
    }
    try {
      this.#loop = this.#open(this.#settings.path, this.#settings.identifies);
      // Known before it listens: its hooks may use the generator.
      this.#server = new Server(this.#loop, this.#settings, exchangeSessions(this));
      this.#server.open();
    } catch (reason) {
      this.#server = undefined;
      this.#over = true;
      return { reason };
    }
    onAbort(this.#server, signal, () => this.#stop());
    this.#server.finished.then(() => this.#end(), (error) => this.#fail(error));
    return undefined;
  }

  #resume(): void {
    while (this.#waiters.length > 0 && this.#queue.length > 0) {
      const exchange = this.#queue.shift();
      if (exchange === undefined) return;
      this.#waiters.shift()?.resolve({ done: false, value: exchange });
      exchange.take();
      exchange.finish();
    }
  }

  #resumeNextTurn(): void {
    if (this.#resuming || this.#queue.length === 0) return;
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
