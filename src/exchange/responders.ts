/**
 * Runs the responder, for as many exchanges at once as is allowed.
 *
 * @module
 */

import { currentWork, runFor } from "../loop/caller.ts";
import type { WaitLoop } from "../loop/wait_loop.ts";
import { isBytes, type Message } from "../pipe/message.ts";
import { remove } from "../pipe/remove.ts";
import { isThenable, report } from "../server/user_code.ts";
import type { Exchange, ServerExchange } from "./exchange.ts";
import type { ExchangeHandler } from "./exchange_session.ts";
import { isAsyncIterable, sendAll } from "./generator.ts";

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

/** Gets what a responder threw, and may answer instead. */
export type OnError = (error: unknown, exchange: Exchange) => Reply | Promise<Reply>;

/** What a responder does for an exchange. */
class Work {
  constructor(readonly responders: Responders, readonly exchange: ServerExchange) {}
}

/** See the module. */
export class Responders implements ExchangeHandler {
  readonly #loop: WaitLoop;
  readonly #responder: Responder;
  readonly #onError: OnError | undefined;
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
    onError: OnError | undefined,
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
  get blocked(): number {
    return this.#working < this.#limit ? 0 : this.#waiting.length;
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
      if (!Object.is(last, error)) report(error);
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

function isReply(value: unknown): value is Reply {
  return value === undefined || typeof value === "string" || isBytes(value);
}

function wrongReply(reply: unknown): TypeError {
  const type = reply === null ? "null" : typeof reply;
  return new TypeError(
    `Cannot answer with a value of type ${type}: must be a string, a Uint8Array or nothing`,
  );
}
