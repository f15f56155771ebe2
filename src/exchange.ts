/**
 * What a user of the server holds: a client, and one request of it with the way to answer.
 *
 * @module
 */

import { type IntegrityLevel, integrityLevel } from "./access.ts";
import { systemError } from "./errors.ts";
import { type Identified, Status } from "./kernel.ts";
import { decodeMessage, encodeMessage, type Message } from "./message.ts";

/** The user that a client runs as, by the token with which it sent its first request. */
export interface ClientUser {
  /** The security identifier, `S-1-…`: what to decide by. Names can change hands, these cannot. */
  readonly sid: string;
  /**
   * How much Windows trusts the client's process: `"low"` and below are sandboxes, such as that of
   * a browser; `"medium"` is the usual one, `"high"` that of an elevated process.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/secauthz/mandatory-integrity-control}
   */
  readonly integrity: IntegrityLevel;
  /** Whether the client's process has the rights of an administrator. */
  readonly elevated: boolean;
}

/**
 * One connection of a client, from its coming to its leaving. The same object for all of its
 * exchanges, and never that of another connection: the key for what you keep per client.
 *
 * @example State per client
 * ```ts
 * import { type PipeClient, serve } from "@overlapped/named-pipe";
 *
 * const counts = new WeakMap<PipeClient, number>();
 * serve({ path: "counter" }, (_request, { client }) => {
 *   const count = (counts.get(client) ?? 0) + 1;
 *   counts.set(client, count);
 *   return `This is your request number ${count}`;
 * });
 * ```
 */
export interface PipeClient {
  /** The connection's number, counted from 1 per server. */
  readonly id: number;
  /**
   * The process at the other end, by `GetNamedPipeClientProcessId`; undefined if Windows does not
   * tell. For logs and statistics: a client can fool it, and Windows gives the number to another
   * process once this one has ended. It says nothing about who the client is:
   * {@linkcode PipeClient.user} does.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-getnamedpipeclientprocessid}
   */
  readonly processId: number | undefined;
  /**
   * The session of that process, by `GetNamedPipeClientSessionId`; undefined if not told.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-getnamedpipeclientsessionid}
   */
  readonly sessionId: number | undefined;
  /**
   * Aborts when the connection has ended, or nothing can be sent to the client any more. The
   * reason is a `Deno.errors.BrokenPipe` if the client left, the error that `onDisconnect` gets if
   * there is one, else a `Deno.errors.Interrupted`.
   */
  readonly signal: AbortSignal;
  /**
   * Ends the connection, for good. Messages that are already sent stay readable for the client; one
   * that it does not take within {@linkcode ExchangesOptions.replyTimeout} is dropped. An open
   * exchange is settled as lost. Harmless when the connection has ended already.
   */
  close(): void;
  /**
   * The user that the client runs as. Windows was asked once, when the first request had been read,
   * so that the answer is the same ever after, also when the connection has ended.
   *
   * The server takes the client's identity for the moment in which it asks, and nothing else runs
   * meanwhile. If it could not get back to its own, the process ends at once (exit code
   * 0x40000015), rather than go on as somebody else.
   *
   * @throws {Deno.errors.NotFound} If the client has left without a request.
   * @throws {Deno.errors.NotSupported} If the server was started with `access: "system-default"`
   *   and without `authorize`, and so without what is needed to ask.
   * @throws {WindowsError} If Windows does not tell, for example of a client that connected with
   *   `SECURITY_ANONYMOUS`; `Deno.errors.PermissionDenied` or `Deno.errors.BrokenPipe` where these
   *   fit.
   * @see {@link https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-impersonatenamedpipeclient}
   */
  user(): ClientUser;
  /**
   * The name of the client's account, `DOMAIN\name`. For people to read: decide by the SID.
   *
   * Windows may ask other machines for it, on a thread of Deno's pool, one name at a time and once
   * per SID and server.
   *
   * @returns Rejects with what {@linkcode PipeClient.user} throws, with `Deno.errors.NotFound` if
   *   there is no name, with `Deno.errors.TimedOut` after 5,000 ms, and with
   *   `Deno.errors.Interrupted` when the server has ended.
   * @see {@link https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-lookupaccountsidw}
   */
  accountName(): Promise<string>;
}

/**
 * One request of a client and the means to answer it.
 *
 * All members work when taken off the object, as in `const { request, reply } = exchange`.
 *
 * An exchange is open until it is settled: by {@linkcode Exchange.reply}, by the loss of the client,
 * or by the end of the server. A client has at most one open exchange: its next request is yielded
 * after that. Misuse throws at the call (a second `reply`, a `send` after it, a message of a wrong
 * type); the promises reject only because the client or the server is gone, and dropping them is
 * safe.
 */
export interface Exchange {
  /** The reusable pipe instance that the client came by, numbered from 0: for logs only. */
  readonly instance: { readonly id: number };
  /** The connection that the request came by. */
  readonly client: PipeClient;
  /** The request: the message as it was sent, and memory of your own. May be empty. */
  readonly request: Uint8Array<ArrayBuffer>;
  /**
   * Aborts when the client is gone or the server stops while the exchange is open.
   *
   * While a responder is at work, one more message of the client is read ahead. Until it comes, a
   * client that leaves is noticed at once; after it, only when this exchange is answered. The
   * request of a client that has left already is yielded all the same: its signal is aborted if that
   * is known by then, and aborts as soon as it is.
   */
  readonly signal: AbortSignal;
  /**
   * Aborts when the server begins to shut down, or stops at once, while the exchange is open or its
   * responder is at work; aborted beforehand if that has begun. So a generator that pushes for ever
   * can end in time: without a look at it, nothing changes. The reason is a
   * `Deno.errors.Interrupted`.
   */
  readonly draining: AbortSignal;
  /** The request, decoded as UTF-8. */
  text(): string;
  /**
   * The request, parsed as JSON.
   *
   * @throws {SyntaxError} If it is no JSON.
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
   * @returns Resolves when Windows has taken the message, which does not mean that it was read.
   *   Rejects with `Deno.errors.BrokenPipe` when the client is gone, with the error of the limit
   *   when one ended the connection, with `Deno.errors.Interrupted` when the server did.
   * @throws {TypeError} If the message has a wrong type, or the exchange is answered.
   * @throws {RangeError} If the message is longer than 2,147,483,647 bytes.
   */
  send(message: Message): Promise<void>;
  /**
   * Settles the exchange, with one last message or with none.
   *
   * In a `for await` loop do not await it: a client that never reads would hold up the loop.
   *
   * @param message A string is sent as UTF-8. May be empty. The bytes are copied at the call.
   *   `undefined`: no message is sent.
   * @returns As for {@linkcode Exchange.send}.
   * @throws {TypeError} If the message has a wrong type, or the exchange is answered.
   * @throws {RangeError} If the message is longer than 2,147,483,647 bytes.
   */
  reply(message?: Message): Promise<void>;
}

/** An abort signal that is made when somebody asks for it. */
class LazySignal {
  #controller: AbortController | undefined = undefined;
  #reason: Error | undefined = undefined;

  get(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  abort(reason: Error): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}

/** Tells open exchanges when the server begins to end. */
export class Draining {
  readonly #signals = new Set<LazySignal>();
  #reason: Error | undefined = undefined;

  /** Aborts a signal when that begins, or now. */
  follow(signal: LazySignal): void {
    if (this.#reason === undefined) this.#signals.add(signal);
    else signal.abort(this.#reason);
  }

  forget(signal: LazySignal): void {
    this.#signals.delete(signal);
  }

  /** Runs the user's abort listeners. */
  begin(reason: Error): void {
    this.#reason ??= reason;
    const signals = [...this.#signals];
    this.#signals.clear();
    for (const signal of signals) signal.abort(reason);
  }
}

/** What a connection is told by its server. */
export interface ClientOrigin {
  /** The pipe, for errors. */
  readonly path: string;
  readonly processId: number | undefined;
  readonly sessionId: number | undefined;
  /** Whether the server finds out who its clients are. */
  readonly identifies: boolean;
  /** The name of an account. */
  accountName(sid: string): Promise<string>;
  /** Ends the connection. */
  close(client: ServerClient): void;
}

/** A connection, as the server keeps it. */
export class ServerClient implements PipeClient {
  readonly id: number;
  readonly processId: number | undefined;
  readonly sessionId: number | undefined;
  readonly #origin: ClientOrigin;
  readonly #signal = new LazySignal();
  #closer: (() => void) | undefined = undefined;
  #identified: Identified | undefined = undefined;
  #user: ClientUser | undefined = undefined;

  constructor(id: number, origin: ClientOrigin) {
    this.id = id;
    this.processId = origin.processId;
    this.sessionId = origin.sessionId;
    this.#origin = origin;
  }

  get signal(): AbortSignal {
    return this.#signal.get();
  }

  get close(): () => void {
    return this.#closer ??= () => this.#origin.close(this);
  }

  get user(): () => ClientUser {
    return () => this.#user ??= this.#readUser();
  }

  get accountName(): () => Promise<string> {
    return async () => await this.#origin.accountName(this.user().sid);
  }

  /** What was found out about it, once and for all. */
  identify(identified: Identified): void {
    this.#identified = identified;
  }

  #readUser(): ClientUser {
    const { path, identifies } = this.#origin;
    if (!identifies) {
      throw new Deno.errors.NotSupported(
        `Cannot identify a client of "${path}": with access "system-default" this needs "authorize"`,
      );
    }
    if (this.#identified === undefined) {
      throw new Deno.errors.NotFound(`Cannot identify a client of "${path}": it sent no request`);
    }
    const { status, call, identity } = this.#identified;
    if (status !== Status.SUCCESS || identity === undefined) {
      throw systemError("Cannot identify a client of", call, path, status);
    }
    const { sid, integrity, elevated } = identity;
    return Object.freeze({ sid, integrity: integrityLevel(integrity), elevated });
  }

  /** The client cannot be answered any more. Runs the user's abort listeners. */
  lose(reason: Error): void {
    this.#signal.abort(reason);
  }

  /** @internal */
  [Symbol.for("Deno.customInspect")](): string {
    return `PipeClient { id: ${this.id} }`;
  }
}

/** Where the messages of an exchange go. */
export interface Answerer {
  readonly draining: Draining;
  /** Sends a message of an open exchange: the last one, if `last`. */
  answer(
    exchange: ServerExchange,
    message: Uint8Array<ArrayBuffer>,
    last: boolean,
    own: boolean,
  ): Promise<void>;
  /** An open exchange is settled without a last message. */
  settle(exchange: ServerExchange): void;
  /** Somebody has taken the exchange, or is through with it: see the members of these names. */
  progressed(exchange: ServerExchange): void;
}

const DONE: Promise<void> = Promise.resolve();

/** An exchange, as the server keeps it. */
export class ServerExchange implements Exchange {
  readonly instance: { readonly id: number };
  readonly client: ServerClient;
  readonly request: Uint8Array<ArrayBuffer>;
  readonly #answerer: Answerer;
  #signal: LazySignal | undefined = undefined;
  #draining: LazySignal | undefined = undefined;
  #answered = false;
  #lost: Error | undefined = undefined;
  #taken = false;
  #finished = false;

  constructor(
    answerer: Answerer,
    instance: { readonly id: number },
    client: ServerClient,
    request: Uint8Array<ArrayBuffer>,
  ) {
    this.#answerer = answerer;
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
      this.#answerer.draining.follow(this.#draining);
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
    return this.#answerer.answer(this, bytes, last, typeof message === "string");
  }

  /** Settles the exchange without a last message. */
  settle(): void {
    this.#refuseTwice();
    this.#setAnswered();
    if (this.#lost === undefined) this.#answerer.settle(this);
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
    this.#answerer.progressed(this);
  }

  /** The user is through with it. */
  finish(): void {
    this.#finished = true;
    this.#forgetDraining();
    this.#answerer.progressed(this);
  }

  #setAnswered(): void {
    this.#answered = true;
    this.#forgetDraining();
  }

  /** Nobody is left who could end in time. */
  #forgetDraining(): void {
    if (this.#draining === undefined || this.open || !this.#finished) return;
    this.#answerer.draining.forget(this.#draining);
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

/** A rejected promise that may be dropped. */
export function rejected(reason: Error): Promise<never> {
  const promise = Promise.reject(reason);
  promise.catch(() => {});
  return promise;
}
