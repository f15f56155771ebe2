/**
 * One request of a client, and the means to answer it.
 *
 * @module
 */

import { DONE, rejected } from "../server/promises.ts";
import { decodeMessage, type Message } from "../pipe/message.ts";
import { LazySignal } from "../server/lazy_signal.ts";
import type { PipeClient, ServerClient } from "../server/client.ts";
import type { ExchangeHandler } from "./current_exchange.ts";
import type { ExchangeSession } from "./exchange_session.ts";

/**
 * One request of a client and the means to answer it.
 *
 * All members work when destructured, as in `const { request, reply } = exchange`.
 *
 * An exchange is open until it is settled: by {@linkcode Exchange.reply}, because the client
 * disconnected, or because the server ended. A client has at most one open exchange: its next request
 * is delivered after that. Misuse throws at the call (a second `reply`, a `send` after it, a message
 * of a wrong type). The promises reject only because the client disconnected or the server ended, and
 * never become unhandled rejections.
 */
export interface Exchange {
  /** The reusable pipe instance that the client is connected to, numbered from 0: for logs only. */
  readonly instance: { readonly id: number };
  /**
   * The connection that the request was read from. A responder that wants to know who the client is
   * takes this before it is done: see {@linkcode ClientInfo}.
   */
  readonly client: PipeClient;
  /** The request: the message as it was sent, in memory that is yours. May be empty. */
  readonly request: Uint8Array<ArrayBuffer>;
  /**
   * Aborts when the client disconnects or the server stops while the exchange is open.
   *
   * While a responder is at work, one more message of the client is read ahead. Until that message
   * arrives, a disconnect of the client is noticed at once; after it, only when this exchange is
   * answered. The request of a client that has already disconnected is delivered all the same: its
   * signal is aborted if the disconnect is known by then, and aborts as soon as it is.
   */
  readonly signal: AbortSignal;
  /**
   * Aborts when the server begins to shut down, or stops at once, while the exchange is open or its
   * responder is at work; already aborted if that has begun. It lets a generator that sends messages
   * endlessly finish in time; a responder that does not use it is not affected. The reason is a
   * `Deno.errors.Interrupted`.
   */
  readonly draining: AbortSignal;
  /** The request, decoded as UTF-8. */
  text(): string;
  /**
   * The request, parsed as JSON.
   *
   * @throws {SyntaxError} If it is not valid JSON.
   */
  json(): unknown;
  /**
   * Sends one message and leaves the exchange open.
   *
   * Clients that use [`TransactNamedPipe`](https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-transactnamedpipe)
   * or [`CallNamedPipe`](https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-callnamedpipea)
   * take exactly one message per request: do not use `send` for them, only `reply`.
   *
   * @param message A string is sent as UTF-8. May be empty. The bytes are copied at the call.
   * @returns Resolves when Windows has accepted the message, which does not mean that the client has
   *   read it. Rejects with `Deno.errors.BrokenPipe` if the client disconnected, with the limit's
   *   error if a limit ended the connection, with `Deno.errors.Interrupted` if the server ended it.
   * @throws {TypeError} If the message has a wrong type or cannot be framed, or the exchange is
   *   already answered.
   * @throws {RangeError} If the message is longer than 2,147,483,647 bytes, or too long for its frame.
   */
  send(message: Message): Promise<void>;
  /**
   * Settles the exchange, with one last message or with none.
   *
   * Do not await it in a `for await` loop: a client that never reads would block the loop.
   *
   * @param message A string is sent as UTF-8. May be empty. The bytes are copied at the call.
   *   `undefined`: no message is sent.
   * @returns As for {@linkcode Exchange.send}.
   * @throws {TypeError} If the message has a wrong type or cannot be framed, or the exchange is
   *   already answered.
   * @throws {RangeError} If the message is longer than 2,147,483,647 bytes, or too long for its frame.
   */
  reply(message?: Message): Promise<void>;
}

/** The server's own {@linkcode Exchange}. */
export class ServerExchange implements Exchange {
  readonly instance: { readonly id: number };
  readonly request: Uint8Array<ArrayBuffer>;
  readonly #client: ServerClient;
  readonly #session: ExchangeSession;
  #signal: LazySignal | undefined = undefined;
  #draining: LazySignal | undefined = undefined;
  #answered = false;
  #aborted: Error | undefined = undefined;
  #taken = false;
  #done = false;

  constructor(
    session: ExchangeSession,
    instance: { readonly id: number },
    client: ServerClient,
    request: Uint8Array<ArrayBuffer>,
  ) {
    this.#session = session;
    this.instance = instance;
    this.#client = client;
    this.request = request;
  }

  get client(): ServerClient {
    this.#session.facts.show();
    return this.#client;
  }

  /** What delivers the exchange to the program. */
  get handler(): ExchangeHandler {
    return this.#session.handler;
  }

  /** Whether the exchange is neither answered nor aborted. */
  get open(): boolean {
    return !this.#answered && this.#aborted === undefined;
  }

  /** Whether `reply` was called. */
  get answered(): boolean {
    return this.#answered;
  }

  /** Why no answer can reach the client; undefined if the exchange is not aborted. */
  get aborted(): Error | undefined {
    return this.#aborted;
  }

  /** Whether the user has taken the exchange. */
  get taken(): boolean {
    return this.#taken;
  }

  /** Whether the user is done with the exchange, aborted or not. */
  get done(): boolean {
    return this.#done;
  }

  get signal(): AbortSignal {
    if (this.#signal === undefined) {
      this.#signal = new LazySignal();
      this.signalAbort();
    }
    return this.#signal.get();
  }

  get draining(): AbortSignal {
    if (this.#draining === undefined) {
      this.#draining = new LazySignal();
      this.#session.draining.follow(this.#draining);
      this.#forgetDraining();
    }
    return this.#draining.get();
  }

  get text(): () => string {
    return () => decodeMessage(this.request);
  }

  get json(): () => unknown {
    return () => JSON.parse(decodeMessage(this.request));
  }

  get send(): (message: Message) => Promise<void> {
    return (message) => this.answer(message, false);
  }

  get reply(): (message?: Message) => Promise<void> {
    return (message) => {
      if (message !== undefined) return this.answer(message, true);
      this.settle();
      return this.#aborted === undefined ? DONE : rejected(this.#aborted);
    };
  }

  /** Sends a message, the last one if `last`. */
  answer(message: Message, last: boolean): Promise<void> {
    const bytes = this.#session.frame(message);
    this.#refuseTwice();
    if (last) this.#setAnswered();
    if (this.#aborted !== undefined) return rejected(this.#aborted);
    return this.#session.answer(this, bytes, last, typeof message === "string");
  }

  /** Settles the exchange without a last message. */
  settle(): void {
    this.#refuseTwice();
    this.#setAnswered();
    if (this.#aborted === undefined) this.#session.settle(this);
  }

  /** No answer can reach the client any more. Runs no user code: see `signalAbort`. */
  abort(reason: Error): void {
    if (this.open) this.#aborted = reason;
    this.#forgetDraining();
  }

  /** Runs the user's abort listeners, if the exchange is aborted. */
  signalAbort(): void {
    const reason = this.#aborted;
    if (reason !== undefined) this.#signal?.abort(() => reason);
  }

  /** The user takes the exchange. */
  take(): void {
    this.#taken = true;
    this.#session.facts.exchangeBegan();
    this.#session.progressed(this);
  }

  /** The user is done with the exchange. */
  markDone(): void {
    this.#done = true;
    this.#session.facts.exchangeEnded();
    this.#forgetDraining();
    this.#session.progressed(this);
  }

  #setAnswered(): void {
    this.#answered = true;
    this.#forgetDraining();
  }

  /** Stops following the shutdown once nothing is left that it could end in time. */
  #forgetDraining(): void {
    if (this.#draining === undefined || this.open || !this.#done) return;
    this.#session.draining.forget(this.#draining);
  }

  #refuseTwice(): void {
    if (!this.#answered) return;
    throw new TypeError("Cannot answer the exchange: it is already answered");
  }

  /** @internal */
  [Symbol.for("Deno.customInspect")](): string {
    const state = this.#aborted !== undefined ? "aborted" : this.#answered ? "settled" : "open";
    return `Exchange { client: ${this.#client.id}, request: ${this.request.length} bytes, ${state} }`;
  }
}
