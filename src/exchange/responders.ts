/**
 * Runs the responder, for up to `concurrency` exchanges at once.
 *
 * @module
 */

import { currentWork, runFor } from "../loop/caller.ts";
import type { WaitLoop } from "../loop/wait_loop.ts";
import { isBytes, type Message } from "../pipe/message.ts";
import { remove } from "../pipe/remove.ts";
import { isThenable, report } from "../server/user_code.ts";
import { type Exchange, ServerExchange } from "./exchange.ts";
import type { ExchangeHandler } from "./current_exchange.ts";
import { isAsyncIterable, sendAll } from "./generator.ts";
import type { ExchangeTelemetry } from "./telemetry.ts";

/** The result of a responder: one message, or nothing, for which no message is sent (one-way). */
export type Reply = Message | undefined | void;

/**
 * Answers one request: with a message, with a promise of one, with nothing, or, as an async
 * generator, with several messages.
 *
 * An async generator is asked for its next message when Windows has accepted the one before, and
 * ended early, with `return()`, when the client disconnects. Clients that use `TransactNamedPipe` or
 * `CallNamedPipe` take exactly one message per request. A responder may also answer through the
 * exchange itself, and then returns nothing.
 *
 * @param request The message of the client, in memory that is yours; the same as `exchange.request`.
 * @param exchange The request, its client, and the means to answer it.
 */
export type Responder = (
  request: Uint8Array<ArrayBuffer>,
  exchange: Exchange,
) => Reply | Promise<Reply> | AsyncIterable<Message>;

/** Receives what a responder threw, and may answer instead. */
export type OnError = (error: unknown, exchange: Exchange) => Reply | Promise<Reply>;

/** See the module. */
export class Responders implements ExchangeHandler {
  readonly #loop: WaitLoop;
  readonly #responder: Responder;
  readonly #onError: OnError | undefined;
  readonly #limit: number;
  readonly #telemetry: ExchangeTelemetry | undefined;
  /** See {@linkcode ExchangeHandler}. */
  readonly showsClients = false;
  /** See {@linkcode ExchangeHandler}. Exchanges wait here for a responder, not for a turn. */
  readonly resuming = false;
  #working = 0;
  /** The exchange whose responder is running synchronously. */
  #current: ServerExchange | undefined = undefined;
  /**
   * Whether a responder has ever returned a promise or a generator; or what it does is reported, so
   * that whatever it starts belongs to its span.
   */
  #asynchronous: boolean;
  /** Whether responders are tracked across their awaits. */
  #tracks = true;
  /** At most one exchange per instance. */
  readonly #waiting: ServerExchange[] = [];

  constructor(
    loop: WaitLoop,
    responder: Responder,
    onError: OnError | undefined,
    limit: number,
    telemetry?: ExchangeTelemetry,
  ) {
    this.#loop = loop;
    this.#responder = responder;
    this.#onError = onError;
    this.#limit = limit;
    this.#telemetry = telemetry;
    this.#asynchronous = telemetry !== undefined;
    if (telemetry !== undefined) {
      this.#answer = (exchange) => telemetry.answer(exchange, this.#call);
    }
  }

  /** Called when a responder is done and none waits. */
  onDone: () => void = () => {};

  /** See {@linkcode ExchangeHandler}. */
  get atWork(): number {
    return this.#working + this.#waiting.length;
  }

  /** See {@linkcode ExchangeHandler}. */
  get blocked(): number {
    return this.#working < this.#limit ? 0 : this.#waiting.length;
  }

  /** See {@linkcode ExchangeHandler}. */
  deliver(exchange: ServerExchange): void {
    const free = this.#working < this.#limit && this.#waiting.length === 0;
    if (free) return this.#start(exchange);
    this.#telemetry?.waits(exchange);
    this.#waiting.push(exchange);
  }

  /** See {@linkcode ExchangeHandler}. */
  withdraw(exchange: ServerExchange): void {
    remove(this.#waiting, exchange);
  }

  #start(exchange: ServerExchange): void {
    this.#working++;
    exchange.take();
    this.#endWhenDone(this.#respond(exchange), exchange);
  }

  /** The exchange that the running code works on; undefined: none, or one that is done. */
  get caller(): ServerExchange | undefined {
    const work = currentWork();
    const tracked = work instanceof ServerExchange && work.handler === this ? work : undefined;
    const exchange = this.#current ?? tracked;
    return exchange?.done === false ? exchange : undefined;
  }

  /** Calls the responder, which may call `shutdown` at once or after an await. */
  #respond(exchange: ServerExchange): Promise<void> | undefined {
    const before = this.#current;
    this.#current = exchange;
    try {
      // Tracking a call across its awaits is not free, and a responder may never await anything.
      return this.#tracks ? runFor(exchange, this.#answer) : this.#answer(exchange);
    } finally {
      this.#current = before;
    }
  }

  /** Returns what must be awaited, if anything. Even inspecting a reply may throw. */
  readonly #call = (exchange: ServerExchange): Promise<void> | undefined => {
    try {
      // Not called as a member, so that this object is not its `this`.
      const responder = this.#responder;
      const reply = responder(exchange.request, exchange);
      this.#asynchronous ||= !isReply(reply);
      this.#tracks = this.#asynchronous;
      if (!isReply(reply)) return this.#answerLater(exchange, reply);
      answer(exchange, reply);
      return undefined;
    } catch (error) {
      return this.#failed(exchange, error);
    }
  };

  #answer = this.#call;

  /** Frees the responder's place when it is done; at once if there is nothing to await. */
  #endWhenDone(done: Promise<void> | undefined, exchange: ServerExchange): void {
    if (done === undefined) return this.#end(exchange);
    done.then(() => this.#end(exchange), (error) => {
      report(error);
      this.#end(exchange);
    });
  }

  #end(exchange: ServerExchange): void {
    this.#working--;
    exchange.markDone();
    // In a turn of its own: many waiting requests must not block the thread.
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
      const failed = (error: unknown) => this.#failed(exchange, error);
      const reply = await (isAsyncIterable(result) ? sendAll(exchange, result, failed) : result);
      if (!isReply(reply)) throw wrongReply(reply);
      answer(exchange, reply);
    } catch (error) {
      await this.#failed(exchange, error);
    }
  }

  async #failed(exchange: ServerExchange, error: unknown): Promise<void> {
    this.#telemetry?.threw(exchange, error);
    try {
      const onError = this.#onError;
      if (onError === undefined) throw error;
      const result = onError(error, exchange);
      const reply = isThenable(result) ? await result : result;
      if (!isReply(reply)) throw wrongReply(reply);
      if (reply !== undefined && !exchange.answered) exchange.answer(reply, true);
      else if (!exchange.answered) exchange.settle();
    } catch (last) {
      if (!Object.is(last, error)) report(error);
      report(last);
      exchange.client.close();
    }
  }
}

/** Answers with the reply; without one, settles the exchange unless the responder has answered. */
function answer(exchange: ServerExchange, reply: Reply): void {
  if (reply !== undefined) exchange.answer(reply, true);
  else if (!exchange.answered) exchange.settle();
}

function isReply(value: unknown): value is Reply {
  return value === undefined || typeof value === "string" || isBytes(value);
}

function wrongReply(reply: unknown): TypeError {
  const type = reply === null ? "null" : typeof reply;
  return new TypeError(
    `Cannot answer with a value of type ${type}: must be a string, a Uint8Array or nothing`,
  );
}
