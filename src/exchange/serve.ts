/**
 * serve(): a responder function over exchanges, shaped like `Deno.serve`.
 *
 * @module
 */

import type { PipeSecurity } from "../options/access.ts";
import { currentWork, runFor } from "../loop/caller.ts";
import type { Exchange, ServerExchange } from "./exchange.ts";
import { type ExchangeHandler, exchangeSessions } from "./exchange_session.ts";
import { type ExchangesOptions, onAbort } from "./exchanges.ts";
import { isThenable, report } from "../server/user_code.ts";
import { type OpenLoop, openLoop } from "../loop/isolate.ts";
import { isBytes, type Message } from "../pipe/message.ts";
import {
  concurrencyLimit,
  optionalFunction,
  requireFunction,
  serverSettings,
  shutdownTimeout,
} from "../options/options.ts";
import { remove } from "../pipe/remove.ts";
import { Server } from "../server/server.ts";
import type { ShutdownReport } from "../server/tally.ts";
import type { WaitLoop } from "../loop/wait_loop.ts";

/** What a responder answers: one message, or nothing, and then no message is sent (one-way). */
export type Reply = Message | undefined | void;

/**
 * Answers one request: with a message, with a promise of one, with nothing, or, as an async
 * generator, with several messages.
 *
 * An async generator is asked for its next message when Windows has taken the one before, and is
 * returned early when the client leaves. Clients that use `TransactNamedPipe` or `CallNamedPipe`
 * take exactly one message per request. A responder may also use the exchange itself, and then
 * answers with nothing.
 *
 * @param request The message of the client, memory of your own; the same as `exchange.request`.
 * @param exchange The request with all that belongs to it.
 */
export type Responder = (
  request: Uint8Array<ArrayBuffer>,
  exchange: Exchange,
) => Reply | Promise<Reply> | AsyncIterable<Message>;

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
   * exchanges whose responders wait like that, with what came of the others. It is known who calls
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
  const onError = optionalFunction("onError", options.onError);
  const limit = concurrencyLimit(options.concurrency);
  requireFunction("responder", responder);
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
    return this.#server.shutdown(shutdownTimeout(options?.timeout), this.#responders.caller);
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
    shutdownTimeout(options?.timeout);
    return Promise.resolve({ exchanges: 0, evicted: 0, dropped: 0 });
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** What a responder does for an exchange. */
class Work {
  constructor(readonly responders: Responders, readonly exchange: ServerExchange) {}
}

/** Runs the responder, for as many exchanges at once as is allowed. */
class Responders implements ExchangeHandler {
  readonly #loop: WaitLoop;
  readonly #responder: Responder;
  readonly #onError: ServeOptions["onError"];
  readonly #limit: number;
  /** See {@linkcode ExchangeHandler}. What waits here waits for a responder, not for a turn. */
  readonly resuming = false;
  #working = 0;
  /** The exchange whose responder was called, and has not returned yet. */
  #current: ServerExchange | undefined = undefined;
  /** Whether a responder has ever given anything but a reply. */
  #asynchronous = false;
  /** Whether responders are followed across their awaits. */
  #follows = true;
  /** At most one exchange per instance. */
  readonly #waiting: ServerExchange[] = [];

  constructor(
    loop: WaitLoop,
    responder: Responder,
    onError: ServeOptions["onError"],
    limit: number,
  ) {
    this.#loop = loop;
    this.#responder = responder;
    this.#onError = onError;
    this.#limit = limit;
  }

  /** Called when a responder is done and none waits. */
  onDone: () => void = () => {};

  /** See {@linkcode ExchangeHandler}. */
  get atWork(): number {
    return this.#working + this.#waiting.length;
  }

  /** See {@linkcode ExchangeHandler}. */
  deliver(exchange: ServerExchange): void {
    const free = this.#working < this.#limit && this.#waiting.length === 0;
    if (free) this.#start(exchange);
    else this.#waiting.push(exchange);
  }

  /** See {@linkcode ExchangeHandler}. */
  withdraw(exchange: ServerExchange): void {
    remove(this.#waiting, exchange);
  }

  #start(exchange: ServerExchange): void {
    this.#working++;
    exchange.take();
    this.#goOn(this.#respond(exchange), exchange);
  }

  /** Whose work the running code is; undefined: nobody's, or that of one who is done. */
  get caller(): ServerExchange | undefined {
    const work = currentWork();
    const followed = work instanceof Work && work.responders === this ? work.exchange : undefined;
    const exchange = this.#current ?? followed;
    return exchange?.finished === false ? exchange : undefined;
  }

  /** Calls the responder, which may ask for a shutdown at once or after an await. */
  #respond(exchange: ServerExchange): Promise<void> | undefined {
    const before = this.#current;
    this.#current = exchange;
    try {
      // To follow a call across its awaits is not free, and nothing awaits what comes at once.
      return this.#follows
        ? runFor(new Work(this, exchange), () => this.#call(exchange))
        : this.#call(exchange);
    } finally {
      this.#current = before;
    }
  }

  /** What is to be awaited, if anything. A reply may be an object whose every look throws. */
  #call(exchange: ServerExchange): Promise<void> | undefined {
    try {
      // Called by itself, so that it does not get this object as its `this`.
      const responder = this.#responder;
      const reply = responder(exchange.request, exchange);
      this.#asynchronous ||= !isReply(reply);
      this.#follows = this.#asynchronous;
      if (!isReply(reply)) return this.#answerLater(exchange, reply);
      answer(exchange, reply);
      return undefined;
    } catch (error) {
      return this.#failed(exchange, error);
    }
  }

  /** Frees the responder's place when it is done; at once when nothing is to be awaited. */
  #goOn(done: Promise<void> | undefined, exchange: ServerExchange): void {
    if (done === undefined) return this.#end(exchange);
    done.then(() => this.#end(exchange), (error) => {
      report(error);
      this.#end(exchange);
    });
  }

  #end(exchange: ServerExchange): void {
    this.#working--;
    exchange.finish();
    // In a turn of its own: many waiting requests must not keep the thread.
    if (this.#waiting.length > 0) this.#loop.atNextTurn(() => this.#startNext());
    else this.onDone();
  }

  #startNext(): void {
    const next = this.#working < this.#limit ? this.#waiting.shift() : undefined;
    if (next !== undefined) this.#start(next);
    else this.onDone();
  }

  async #answerLater(
    exchange: ServerExchange,
    result: Promise<Reply> | AsyncIterable<Message>,
  ): Promise<void> {
    try {
      const tell = (error: unknown) => this.#failed(exchange, error);
      const reply = await (isAsyncIterable(result) ? sendAll(exchange, result, tell) : result);
      if (!isReply(reply)) throw wrongReply(reply);
      answer(exchange, reply);
    } catch (error) {
      await this.#failed(exchange, error);
    }
  }

  async #failed(exchange: ServerExchange, error: unknown): Promise<void> {
    try {
      const onError = this.#onError;
      if (onError === undefined) throw error;
      const result = onError(error, exchange);
      const reply = isThenable(result) ? await result : result;
      if (!isReply(reply)) throw wrongReply(reply);
      if (reply !== undefined && !exchange.answered) exchange.answer(reply, true);
      else if (!exchange.answered) exchange.settle();
    } catch (last) {
      if (last !== error) report(error);
      report(last);
      exchange.client.close();
    }
  }
}

/** Gives the reply, if the responder has not answered by itself. */
function answer(exchange: ServerExchange, reply: Reply): void {
  if (reply !== undefined) exchange.answer(reply, true);
  else if (!exchange.answered) exchange.settle();
}

/** Sends what an async generator gives, one message after the other, while the client is there. */
async function sendAll(
  exchange: ServerExchange,
  messages: AsyncIterable<Message>,
  tell: (error: unknown) => Promise<void>,
): Promise<void> {
  const iterator = messages[Symbol.asyncIterator]();
  let returned: Promise<void> | undefined;
  let goOn = () => {};
  const giveUp = () => {
    goOn();
    return returned ??= endEarly(iterator);
  };
  exchange.signal.addEventListener("abort", giveUp, { once: true });
  let exhausted = false;
  try {
    do {
      // It is, too, when this throws.
      exhausted = true;
      const { done, value } = await iterator.next();
      exhausted = Boolean(done);
      if (exhausted) break;
      await new Promise<void>((resolve, reject) => {
        // What is being written may be so for long, and is no work of the generator's.
        goOn = resolve;
        sendWhileThere(exchange, value).then(resolve, reject);
      });
      // The request of a client that had left beforehand is served up to its first message.
    } while (exchange.lost === undefined);
    await (exhausted ? returned : giveUp());
  } catch (error) {
    // Whoever is told of it may be what the generator waits for at its end.
    const end = exhausted ? returned : giveUp();
    await tell(error);
    await end;
  } finally {
    exchange.signal.removeEventListener("abort", giveUp);
  }
}

/** Ends a generator before it is exhausted, and waits until it has cleaned up. */
async function endEarly(iterator: AsyncIterator<Message>): Promise<void> {
  try {
    await iterator.return?.();
  } catch (error) {
    report(error);
  }
}

/** A client that leaves is no error of the responder. */
async function sendWhileThere(exchange: ServerExchange, message: Message): Promise<void> {
  const sent = exchange.answer(message, false);
  try {
    await sent;
  } catch (error) {
    if (exchange.lost === undefined) throw error;
  }
}

function isReply(value: unknown): value is Reply {
  return value === undefined || typeof value === "string" || isBytes(value);
}

function isAsyncIterable(value: unknown): value is AsyncIterable<Message> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}

function wrongReply(reply: unknown): TypeError {
  const type = reply === null ? "null" : typeof reply;
  return new TypeError(
    `Cannot answer with a value of type ${type}: must be a string, a Uint8Array or nothing`,
  );
}
