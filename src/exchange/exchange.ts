/**
 * One request of a client, with the way to answer it.
 *
 * @module
 */

import { DONE, rejected } from "../server/promises.ts";
import { decodeMessage, encodeMessage, type Message } from "../pipe/message.ts";
import { LazySignal } from "../server/lazy_signal.ts";
import type { PipeClient, ServerClient } from "../server/client.ts";
import type { ExchangeSession } from "./exchange_session.ts";

/**
 * One request of a client and the means to answer it.
 *
 * All members work when taken off the object, as in `const { request, reply } = exchange`.
 *
 * An exchange is open until it is settled: by {@linkcode Exchange.reply}, or because its connection
 * or the server ends. A client has at most one open exchange: its next request is delivered after
 * that. Misuse throws at the call (a second `reply`, a `send` after it, a message of a wrong type).
 * The promises reject only because the connection or the server has ended, which never becomes an
 * unhandled rejection.
 */
export interface Exchange {
  /** The instance of the pipe that the client is connected to, numbered from 0: for logs only. */
  readonly instance: { readonly id: number };
  /** The connection that the request arrived on. */
  readonly client: PipeClient;
  /** The request: the message as it was sent, in memory of its own. May be empty. */
  readonly request: Uint8Array<ArrayBuffer>;
  /**
   * Aborts when the connection ends or the server stops while the exchange is open.
   *
   * While a responder runs, one more message of the client is read ahead. Until it arrives, a
   * disconnect is noticed at once; after that, only when this exchange is answered. A request is
   * delivered even if its client has disconnected already: the signal is aborted then, or aborts as
   * soon as the disconnect is noticed.
   */
  readonly signal: AbortSignal;
  /**
   * Aborts when the server begins to shut down, or stops at once, while the exchange is open or its
   * responder runs; already aborted if a shutdown has begun before. A generator that sends for ever
   * can use it to end in time. The reason is a `Deno.errors.Interrupted`.
   */
  readonly draining: AbortSignal;
  /** The request, decoded as UTF-8. */
  text(): string;
  /**
   * The request, parsed as JSON.
   *
   * @throws {SyntaxError} If it is not JSON.
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
   * @returns Resolves when Windows has accepted the message, which does not mean that it was read.
   *   Rejects with `Deno.errors.BrokenPipe` if the client has disconnected, with the error of the
   *   limit if one ended the connection, and with `Deno.errors.Interrupted` if the server did.
   * @throws {TypeError} If the message has a wrong type, or the exchange is answered.
   * @throws {RangeError} If the message is longer than 2,147,483,647 bytes.
   */
  send(message: Message): Promise<void>;
  /**
   * Settles the exchange, with one last message or with none.
   *
   * Do not await it in a `for await` loop: a client that never reads would block the others.
   *
   * @param message A string is sent as UTF-8. May be empty. The bytes are copied at the call.
   *   `undefined`: no message is sent.
   * @returns As for {@linkcode Exchange.send}.
   * @throws {TypeError} If the message has a wrong type, or the exchange is answered.
   * @throws {RangeError} If the message is longer than 2,147,483,647 bytes.
   */
  reply(message?: Message): Promise<void>;
}

/** An exchange, as the server keeps it. */
export class ServerExchange implements Exchange {
  readonly instance: { readonly id: number };
  readonly client: ServerClient;
  readonly request: Uint8Array<ArrayBuffer>;
  readonly #session: ExchangeSession;
  #signal: LazySignal | undefined = undefined;
  #draining: LazySignal | undefined = undefined;
  #answered = false;
  #lost: Error | undefined = undefined;
  #taken = false;
  #finished = false;

  constructor(
    session: ExchangeSession,
    instance: { readonly id: number },
    client: ServerClient,
    request: Uint8Array<ArrayBuffer>,
  ) {
    this.#session = session;
    this.instance = instance;
    this.client = client;
    this.request = request;
  }

  /** Whether it waits for an answer that can still reach the client. */
  get open(): boolean {
    return !this.#answered && this.#lost === undefined;
  }

  /** Whether `reply` was called. */
  get answered(): boolean {
    return this.#answered;
  }

  /** Why no answer can reach the client, if that is so. */
  get lost(): Error | undefined {
    return this.#lost;
  }

  /** Whether the user has it, so that nobody else needs to keep it. */
  get taken(): boolean {
    return this.#taken;
  }

  /** Whether the user is through with it, lost or not. */
  get finished(): boolean {
    return this.#finished;
  }

  get signal(): AbortSignal {
    if (this.#signal === undefined) {
      this.#signal = new LazySignal();
      if (this.#lost !== undefined) this.#signal.abort(this.#lost);
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
      return this.#lost === undefined ? DONE : rejected(this.#lost);
    };
  }

  /** Sends a message, the last one if `last`. */
  answer(message: Message, last: boolean): Promise<void> {
    const bytes = encodeMessage(message);
    this.#refuseTwice();
    if (last) this.#setAnswered();
    if (this.#lost !== undefined) return rejected(this.#lost);
    return this.#session.answer(this, bytes, last, typeof message === "string");
  }

  /** Settles the exchange without a last message. */
  settle(): void {
    this.#refuseTwice();
    this.#setAnswered();
    if (this.#lost === undefined) this.#session.settle(this);
  }

  /** No answer can reach the client any more. Says so to nobody yet: see `abort`. */
  lose(reason: Error): void {
    if (this.open) this.#lost = reason;
    this.#forgetDraining();
  }

  /** Runs the user's abort listeners, if the exchange was lost. */
  abort(): void {
    if (this.#lost !== undefined) this.#signal?.abort(this.#lost);
  }

  /** The user has it. */
  take(): void {
    this.#taken = true;
    this.#session.progressed(this);
  }

  /** The user is through with it. */
  finish(): void {
    this.#finished = true;
    this.#forgetDraining();
    this.#session.progressed(this);
  }

  #setAnswered(): void {
    this.#answered = true;
    this.#forgetDraining();
  }

  /** Nobody is left who could end in time. */
  #forgetDraining(): void {
    if (this.#draining === undefined || this.open || !this.#finished) return;
    this.#session.draining.forget(this.#draining);
  }

  #refuseTwice(): void {
    if (!this.#answered) return;
    throw new TypeError("Cannot answer the exchange: it is answered already");
  }

  /** @internal */
  [Symbol.for("Deno.customInspect")](): string {
    const state = this.#lost !== undefined ? "lost" : this.#answered ? "settled" : "open";
    return `Exchange { client: ${this.client.id}, request: ${this.request.length} bytes, ${state} }`;
  }
}
