/**
 * Drives one pipe instance: turns completions into events, and the state machine's commands into
 * calls.
 *
 * User code (responders, hooks, abort listeners) runs only when the instance's state is settled,
 * after all commands of an event, so that whatever it calls finds a state that is true.
 *
 * @module
 */

import type { Budget } from "./budget.ts";
import { Deadline } from "./deadlines.ts";
import { systemError } from "./errors.ts";
import { type Answerer, rejected, ServerClient, ServerExchange } from "./exchange.ts";
import { type Command, type Event, FINAL, INITIAL, type State, transition } from "./instance.ts";
import { type Handle, isEnd, isShortage, Lane, Status } from "./kernel.ts";
import { type Fault, MessageReader } from "./message_reader.ts";
import { LAST_WRITE_TIMEOUT, type ServerSettings } from "./options.ts";
import { type Completer, Operation, type WaitLoop } from "./wait_loop.ts";

/**
 * Why a connection ended.
 *
 * - `"client"`: the client left.
 * - `"responder"`: the program ended it, with {@linkcode PipeClient.close} or by an error that was
 *   thrown while answering.
 * - `"server"`: the server was stopped at once: its `signal` was aborted, or the loop over its
 *   exchanges was left.
 * - `"shutdown"`: the server was shut down.
 * - `"maxRequest"`: a request was longer than {@linkcode ExchangesOptions.maxRequest}.
 * - `"maxPerProcess"`: its process had as many connections as
 *   {@linkcode ExchangesOptions.maxPerProcess} allows.
 * - `"idleTimeout"`: no request came within {@linkcode ExchangesOptions.idleTimeout}.
 * - `"replyTimeout"`: a message stayed unread for {@linkcode ExchangesOptions.replyTimeout}.
 * - `"maxQueued"`: it was given a message while more than {@linkcode ExchangesOptions.maxQueued}
 *   bytes waited for it to read.
 * - `"responderTimeout"`: an exchange was not settled within
 *   {@linkcode ExchangesOptions.responderTimeout}.
 * - `"unauthorized"`: {@linkcode ExchangesOptions.authorize} did not let it in.
 * - `"error"`: a call to Windows failed, or what the client sent cannot be used.
 *
 * For `"error"`, `"unauthorized"` and all limits, the hook gets an error that says more.
 */
export type DisconnectReason =
  | "client"
  | "responder"
  | "server"
  | "shutdown"
  | "maxRequest"
  | "maxPerProcess"
  | "idleTimeout"
  | "replyTimeout"
  | "maxQueued"
  | "responderTimeout"
  | "unauthorized"
  | "error";

/** The server that an instance belongs to. */
export interface Host {
  readonly path: string;
  readonly settings: ServerSettings;
  /** The bytes of requests that all clients together may hold. */
  readonly budget: Budget;
  /** No further request is wanted. */
  readonly draining: boolean;
  /** Whether requests wait only because the turn was too short for them. */
  readonly resuming: boolean;
  /** A number for a new connection. */
  nextClientId(): number;
  /** Whether a process may have one more connection, which then counts. */
  admit(processId: number): boolean;
  /** A connection that counted is over. */
  discount(processId: number): void;
  /** Whether the program decides about each client. */
  readonly authorizes: boolean;
  /** Asks the program whether to let a client in. */
  authorize(client: ServerClient, answered: (yes: boolean, error?: unknown) => void): void;
  /** The name of an account. */
  accountName(sid: string): Promise<string>;
  /** The instance listens no longer: a client has come, or it was cancelled, or failed. */
  listened(instance: PipeInstance, status: number): void;
  /** A request to answer. */
  deliver(exchange: ServerExchange): void;
  /** A request that nobody has taken so far, and nobody shall any more. */
  withdraw(exchange: ServerExchange): void;
  /** An exchange was settled by its user. */
  settled(): void;
  /** A message was given up although its client was there. */
  dropped(): void;
  /** A connection is over. */
  disconnected(client: ServerClient, reason: DisconnectReason, error: Error | undefined): void;
  /** The instance has no client: listen again, or close? */
  recycled(instance: PipeInstance): void;
  /** The instance gives its handle up: now is the time for another to take its place. */
  retiring(instance: PipeInstance): void;
  /** The instance is gone. */
  retired(instance: PipeInstance): void;
}

/** A message on its way out. */
class Outgoing {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly last: boolean;
  /** Its length, even when its user has detached the memory since. */
  readonly size: number;
  #over = false;
  #error: Error | undefined = undefined;
  #settle: ((error: Error | undefined) => void) | undefined = undefined;

  constructor(bytes: Uint8Array<ArrayBuffer>, last: boolean) {
    this.bytes = bytes;
    this.last = last;
    this.size = bytes.length;
  }

  /** Windows has taken it, or with an error: never will. */
  end(error?: Error): void {
    this.#over = true;
    this.#error = error;
    this.#settle?.(error);
  }

  /** Settles when it is over; to be asked once, and may be dropped. */
  promise(): Promise<void> {
    if (this.#over) return this.#error === undefined ? DONE : rejected(this.#error);
    const promise = new Promise<void>((resolve, reject) => {
      this.#settle = (error) => error === undefined ? resolve() : reject(error);
    });
    promise.catch(() => {});
    return promise;
  }
}

const DONE: Promise<void> = Promise.resolve();

/** One instance of a pipe: its handle, its operations, and the client that it has. */
export class PipeInstance implements Completer, Answerer {
  /** What users see of it. */
  readonly shown: { readonly id: number };
  readonly #host: Host;
  readonly #loop: WaitLoop;
  readonly #handle: Handle;
  readonly #slot: number;
  readonly #in: Operation;
  readonly #out: Operation;
  readonly #reader: MessageReader;
  #state: State = INITIAL;
  #listening = false;
  /** The read's outcome was kept back, and comes again. */
  #held: Event | undefined = undefined;
  #client: ServerClient | undefined = undefined;
  #exchange: ServerExchange | undefined = undefined;
  #outgoing: Outgoing[] = [];
  /** Bytes of messages that Windows has not taken. */
  #queued = 0;
  #reason: DisconnectReason | undefined = undefined;
  #error: Error | undefined = undefined;
  /** While it waits for bytes of the budget before it reads: how to give that up. */
  #postponed: (() => void) | undefined = undefined;
  /** Bytes of the budget that the request takes, and what the budget is to be told about them. */
  #requestBytes = 0;
  #requestEra = 0;
  #process: number | undefined = undefined;
  /** The first request of the client has been read, or its first piece. */
  #introduced = false;
  #idling = false;
  readonly #idle = new Deadline(() => this.#idledOut());
  readonly #answer = new Deadline(() => this.#timeOut("responderTimeout"));
  readonly #unread = new Deadline(() => this.#unreadOut());
  #depth = 0;
  #notices: (() => void)[] = [];

  constructor(host: Host, loop: WaitLoop, id: number, handle: Handle) {
    this.shown = Object.freeze({ id });
    this.#host = host;
    this.#loop = loop;
    this.#handle = handle;
    this.#slot = loop.takeSlot();
    this.#in = new Operation(this, handle, Lane.IN, this.#slot);
    this.#out = new Operation(this, handle, Lane.OUT, this.#slot);
    const { maxRequest, readBufferSize } = host.settings;
    this.#reader = new MessageReader(loop, this.#in, maxRequest, readBufferSize);
  }

  /** Its state: for tests and diagnosis. */
  get state(): State {
    return this.#state;
  }

  /** Whether it has a client that is not known to have left. */
  get connected(): boolean {
    return this.#client !== undefined && this.#reason !== "client";
  }

  /** Whether a request of it is being looked at or answered, or something is being written. */
  get busy(): boolean {
    return this.#exchange !== undefined || this.#outgoing.length > 0 ||
      this.#state.name === "authorizing";
  }

  /** Waits for a client. */
  listen(): void {
    this.#raise("listen");
  }

  /** Takes no further requests, and ends when the open exchange is settled. */
  drain(): void {
    this.#raise("drain");
  }

  /** Ends the connection when what is being written is written, and the instance with it. */
  finish(reason: DisconnectReason, keepUnsent: boolean, error?: Error): void {
    if (!this.#ending) this.#blame(reason, error);
    if (!keepUnsent) this.#dropUnsent();
    if (this.#ending) return;
    this.#dropHeld();
    this.#raise("finish");
  }

  /** Ends the connection now, and the instance with it. */
  evict(reason: DisconnectReason, error?: Error): void {
    if (this.#state.name === "closed") return;
    this.#blame(reason, error);
    this.#dropUnsent();
    this.#dropHeld();
    this.#raise("evict");
  }

  /** A request that was read ahead, or whose client is not admitted yet, is not served any more. */
  #dropHeld(): void {
    const held = this.#held !== undefined && !this.#in.expected;
    if (held || this.#state.name === "authorizing") this.#dropRequest();
    if (held) this.#held = undefined;
  }

  #dropRequest(): void {
    if (!this.#clientLeft) this.#host.dropped();
  }

  get #ending(): boolean {
    return this.#state.name === "closing" || this.#state.name === "closed";
  }

  /** The first reason for which a connection ends is the one that counts. */
  #blame(reason: DisconnectReason, error: Error | undefined): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#error = error;
  }

  /** Nothing completes any more: closes the handle, and keeps the memory, which Windows may use. */
  abandon(error?: Error): void {
    if (this.#state === FINAL) return;
    const { kernel } = this.#loop;
    kernel.cancel(this.#handle, Lane.IN, this.#slot);
    kernel.cancel(this.#handle, Lane.OUT, this.#slot);
    kernel.close(this.#handle);
    this.#state = FINAL;
    this.#blame(error === undefined ? "server" : "error", error);
    for (const outgoing of this.#outgoing) this.#drop(outgoing);
    this.#endConnection("error");
    this.#giveNotice();
  }

  /** See {@linkcode Completer}. */
  completed(operation: Operation): void {
    if (operation === this.#out) return this.#wrote(operation.status);
    if (this.#listening) return this.#listened(operation.status);
    if (this.#state.name === "closing") return this.#readInVain(operation.status);
    const event = this.#held ?? this.#readOutcome();
    if (event === undefined) return;
    this.#held = undefined;
    const read = event === "message" || event === "partial";
    const first = read && this.#state.name === "reading" && !this.#introduced;
    if (first) this.#introduce(event);
    else this.#raise(event);
  }

  /** Nothing more is asked about it, which a shortage could put off. */
  #readInVain(status: number): void {
    const cancelled = status === Status.CANCELLED;
    const wasRead = status === Status.SUCCESS || status === Status.MORE_DATA;
    if (wasRead || cancelled && this.#reader.begun) this.#dropRequest();
    this.#held = undefined;
    this.#raise(wasRead ? "message" : cancelled ? "cancelled" : "ended");
  }

  /**
   * What the first request, or its first piece, tells besides itself: who sent it. Windows keeps the
   * identity of the last message that was read, so it is asked before anything else is read.
   */
  #introduce(event: "message" | "partial"): void {
    if (this.#host.settings.identifies) {
      const identified = this.#loop.kernel.identify(this.#handle);
      if (isShortage(identified.status)) {
        this.#held = event;
        return this.#loop.repeat(this.#in);
      }
      this.#client?.identify(identified);
    }
    this.#introduced = true;
    if (!this.#host.authorizes) this.#raise(event);
    else this.#raise(event === "message" ? "introduction" : "partialIntroduction");
  }

  /** See {@linkcode Answerer}. */
  answer(
    exchange: ServerExchange,
    message: Uint8Array<ArrayBuffer>,
    last: boolean,
    own: boolean,
  ): Promise<void> {
    // Until it is submitted, a message must not be what the user may write to.
    const bytes = this.#outgoing.length === 0 || own ? message : message.slice();
    const outgoing = new Outgoing(bytes, last);
    const queued = this.#queued;
    this.#outgoing.push(outgoing);
    this.#queued += outgoing.size;
    if (queued > this.#host.settings.maxQueued) this.evict("maxQueued", unread(this.#host, queued));
    else if (last) this.#settled(exchange, "replied");
    else this.#raise("sent");
    return outgoing.promise();
  }

  /** See {@linkcode Answerer}. */
  settle(exchange: ServerExchange): void {
    this.#settled(exchange, "settled");
  }

  /** See {@linkcode Answerer}. */
  progressed(exchange: ServerExchange): void {
    if (exchange !== this.#exchange) return;
    if (!exchange.finished) {
      this.#loop.deadlines.set(this.#answer, this.#host.settings.responderTimeout);
    }
    this.#releaseLost();
  }

  #settled(exchange: ServerExchange, event: "replied" | "settled"): void {
    if (exchange !== this.#exchange) return;
    this.#letGo();
    this.#host.settled();
    this.#raise(event);
  }

  #raise(event: Event): void {
    this.#loop.observer?.transition(this.#state, event, this.#host.draining);
    const step = transition(this.#state, event, this.#host.draining) ?? this.#impossible(event);
    this.#state = step.state;
    this.#depth++;
    for (const command of step.commands) this.#execute(command);
    this.#depth--;
    this.#watchTime();
    this.#releaseLost();
    if (this.#depth === 0) this.#giveNotice();
  }

  /** A mistake of ours costs one connection, not the server. */
  #impossible(event: Event): { state: State; commands: readonly Command[] } {
    this.#blame("error", new Error(`Cannot handle "${event}" while "${this.#state.name}"`));
    const step = transition(this.#state, "evict", true);
    return step ?? { state: this.#state, commands: [] };
  }

  /** Runs user code, now that the state is settled. */
  #giveNotice(): void {
    while (this.#notices.length > 0) {
      const notices = this.#notices;
      this.#notices = [];
      for (const notice of notices) notice();
    }
  }

  #execute(command: Command): void {
    switch (command) {
      case "listen":
        this.#listening = true;
        return this.#loop.listen(this.#in);
      case "read":
        return this.#read(0, () => this.#reader.readFirst());
      case "readRest":
        return this.#read(this.#reader.length, () => this.#readRest());
      case "write":
        return this.#write();
      case "cancelIn":
        return this.#cancelIn();
      case "cancelOut":
        return this.#loop.cancel(this.#out);
      case "welcome":
        return this.#welcome();
      case "authorize":
        return this.#authorize();
      case "hand":
        return this.#hand();
      case "hold":
        // The outcome is kept where `completed` looks for it.
        this.#held = this.#lastOutcome;
        return;
      case "unhold":
        return this.#loop.finish(this.#in, this.#in.status);
      case "lose":
        return this.#lose();
      case "disconnect":
        this.#loop.kernel.disconnect(this.#handle);
        return;
      case "recycle":
        return this.#recycle();
      case "retire":
        return this.#retire();
    }
  }

  /** Reads when the budget has so many bytes left. */
  #read(bytes: number, submit: () => void): void {
    this.#postponed = this.#host.budget.wait(bytes, () => {
      const waited = this.#postponed !== undefined;
      this.#postponed = undefined;
      submit();
      if (waited) this.#watchTime();
    });
  }

  #readRest(): void {
    this.#holdRequest(this.#reader.length);
    this.#reader.readRest();
    // See "drain" and "partial": nothing of the last request is waited for.
    if (this.#host.draining && !this.#in.deferred) this.#loop.cancel(this.#in);
  }

  #cancelIn(): void {
    // Of a request that has begun the rest is there, and only we are late.
    const late = this.#postponed !== undefined || this.#in.deferred;
    if (late && this.#state.name === "reading" && this.#state.rest) return;
    if (this.#postponed === undefined) return this.#loop.cancel(this.#in);
    this.#postponed();
    this.#postponed = undefined;
    this.#loop.finish(this.#in, Status.CANCELLED);
  }

  #holdRequest(bytes: number): void {
    this.#requestBytes = bytes;
    this.#requestEra = this.#host.budget.hold(bytes);
  }

  #lastOutcome: Event = "message";

  #readOutcome(): Event | undefined {
    const outcome = this.#reader.outcome();
    if (outcome === "later") return undefined;
    if (outcome === "broken") this.#faulty(this.#reader.fault);
    this.#lastOutcome = outcome;
    return outcome;
  }

  #faulty(fault: Fault | undefined): void {
    if (fault === undefined) return;
    this.#blame(fault.tooLong ? "maxRequest" : "error", readError(this.#host.path, fault));
  }

  #listened(status: number): void {
    this.#listening = false;
    this.#host.listened(this, status);
    if (status === Status.SUCCESS || status === Status.ALREADY_CONNECTED) {
      this.#raise("connected");
    } else if (status === Status.NO_DATA) {
      this.#raise("connectedGone");
    } else {
      this.#raise("listenFailed");
    }
  }

  #welcome(): void {
    this.#reader.begin();
    const { path, settings } = this.#host;
    const processId = this.#loop.kernel.clientProcess(this.#handle);
    if (settings.maxPerProcess !== Infinity && processId !== undefined) this.#count(processId);
    this.#client = new ServerClient(this.#host.nextClientId(), {
      path,
      processId,
      sessionId: this.#loop.kernel.clientSession(this.#handle),
      identifies: settings.identifies,
      accountName: (sid) => this.#host.accountName(sid),
      close: (client) => {
        if (client === this.#client) this.finish("responder", true);
      },
    });
  }

  #count(process: number): void {
    if (this.#host.admit(process)) this.#process = process;
    else this.#notices.push(() => this.evict("maxPerProcess", tooMany(this.#host, process)));
  }

  #authorize(): void {
    const client = this.#client;
    if (client === undefined) return;
    this.#loop.deadlines.set(this.#answer, this.#host.settings.responderTimeout);
    this.#notices.push(() => {
      this.#host.authorize(client, (yes, error) => {
        // It may come late: then the client is gone, and the instance with it.
        if (client === this.#client) this.#decided(yes, error);
      });
    });
  }

  #decided(admitted: boolean, cause: unknown): void {
    this.#loop.deadlines.lift(this.#answer);
    if (!admitted) this.#blame("unauthorized", refused(this.#host, cause));
    this.#raise(admitted ? "admitted" : "refused");
  }

  #hand(): void {
    const client = this.#client;
    if (client === undefined) return;
    const request = this.#reader.takeMessage();
    // The bytes of a long one are held since its rest was read.
    if (this.#requestBytes === 0) this.#holdRequest(request.length);
    const exchange = new ServerExchange(this, this.shown, client, request);
    this.#exchange = exchange;
    if (this.#clientGone) exchange.lose(this.#goneError());
    this.#notices.push(() => {
      if (this.#exchange !== exchange) return;
      this.#host.deliver(exchange);
      if (this.#exchange === exchange) this.#loop.atNextTurn(() => this.#turned(exchange));
    });
  }

  /** The responder is still at work when the next turn begins: read ahead. */
  #turned(exchange: ServerExchange): void {
    if (this.#exchange !== exchange) return;
    if (exchange.taken || !this.#host.resuming) return this.#raise("turned");
    // Nobody is at work on it, and somebody will be in this turn or the next.
    this.#loop.atNextTurn(() => this.#turned(exchange));
  }

  get #clientGone(): boolean {
    const state = this.#state;
    return state.name === "answering" && state.out === "gone";
  }

  /** Nobody else ended the connection, so it was the client. */
  get #clientLeft(): boolean {
    return this.#reason === undefined || this.#reason === "client";
  }

  #goneError(): Error {
    return this.#clientLeft
      ? systemError("Cannot answer a client of", "WriteFile", this.#host.path, Status.NO_DATA)
      : this.#error ?? new Deno.errors.Interrupted(
        `Cannot answer a client of "${this.#host.path}": the server ended the connection`,
      );
  }

  #lose(): void {
    this.#reason ??= "client";
    const error = this.#goneError();
    const exchange = this.#exchange;
    const client = this.#client;
    exchange?.lose(error);
    // Nothing of it is waited for any more, but what is being written ends as it was to.
    if (this.#ending) this.#loop.deadlines.lift(this.#answer);
    if (exchange?.taken === false && this.#state.name !== "ended") this.#withdraw(exchange);
    this.#notices.push(() => {
      client?.lose(error);
      exchange?.abort();
    });
  }

  /** The instance is needed for another client, and so nobody shall keep this request. */
  #withdraw(exchange: ServerExchange): void {
    this.#letGo();
    this.#host.withdraw(exchange);
    this.#dropRequest();
  }

  /** A lost exchange makes way for the next, or the next client, when the user lets go of it. */
  #releaseLost(): void {
    const exchange = this.#exchange;
    if (exchange?.lost === undefined) return;
    const { name } = this.#state;
    if (name === "ended" ? exchange.taken : name === "answering" && exchange.finished) {
      this.#letGo();
      this.#raise("settled");
    }
  }

  /** The exchange is nothing of ours any more. */
  #letGo(): void {
    this.#exchange = undefined;
    this.#loop.deadlines.lift(this.#answer);
    this.#host.budget.free(this.#requestBytes, this.#requestEra);
    this.#requestBytes = 0;
  }

  #write(): void {
    const head = this.#outgoing[0];
    if (head === undefined) return;
    const status = this.#loop.write(this.#out, head.bytes);
    if (status === Status.PENDING) {
      this.#loop.deadlines.set(this.#unread, this.#writeTimeout);
      return;
    }
    // Only the end of an exchange goes on in the same turn: a responder that sends without end
    // must not keep the thread.
    if (head.last) this.#wrote(status);
    else this.#loop.finish(this.#out, status);
  }

  #wrote(status: number): void {
    this.#loop.deadlines.lift(this.#unread);
    const head = this.#outgoing.shift();
    if (status === Status.SUCCESS) {
      this.#queued -= head?.size ?? 0;
      head?.end();
      if (this.#outgoing.length > 0) this.#write();
      else this.#raise("written");
      return;
    }
    const unexpected = !isEnd(status) && this.#state.name !== "closing";
    if (unexpected) this.#blame("error", this.#writeError(status));
    this.#drop(head);
    this.#dropUnsent();
    this.#raise("unwritten");
    if (unexpected) this.evict("error");
  }

  #writeError(status: number): Error {
    return systemError("Cannot write to a client of", "WriteFile", this.#host.path, status);
  }

  /** Gives up messages that are not submitted. */
  #dropUnsent(): void {
    const kept = this.#out.expected ? 1 : 0;
    for (const outgoing of this.#outgoing.splice(kept)) this.#drop(outgoing);
  }

  #drop(outgoing: Outgoing | undefined): void {
    if (outgoing === undefined) return;
    if (!this.#clientLeft) this.#host.dropped();
    this.#queued -= outgoing.size;
    outgoing.end(this.#goneError());
  }

  /** Limits stand still while we do not read, or nothing is left to be read by the client. */
  #watchTime(): void {
    const state = this.#state;
    const { deadlines } = this.#loop;
    const idling = state.name === "reading" && this.#postponed === undefined;
    if (idling !== this.#idling) {
      this.#idling = idling;
      if (idling) deadlines.set(this.#idle, this.#host.settings.idleTimeout);
      else deadlines.lift(this.#idle);
    }
    if (state.name === "closing" && state.writes && !deadlines.has(this.#unread)) {
      deadlines.set(this.#unread, this.#writeTimeout);
    }
  }

  /** A connection that is to end waits for its last messages, but never for ever. */
  get #writeTimeout(): number {
    const { replyTimeout } = this.#host.settings;
    return replyTimeout === Infinity && this.#state.name === "closing"
      ? LAST_WRITE_TIMEOUT
      : replyTimeout;
  }

  /** A client is not to blame when it was the program that had no time to look. */
  #idledOut(): void {
    if (this.#loop.pends(this.#in)) this.#timeOut("idleTimeout");
    else this.#loop.deadlines.set(this.#idle, this.#host.settings.idleTimeout);
  }

  #unreadOut(): void {
    // A shortage that does not pass is not the client's fault, but must not keep memory for ever.
    if (this.#out.deferred) this.evict("error", this.#writeError(this.#out.status));
    else if (this.#loop.pends(this.#out)) this.#stillUnread();
    else this.#loop.deadlines.set(this.#unread, this.#writeTimeout);
  }

  /** The client's time begins when Windows has taken the message; what ends is given no more. */
  #stillUnread(): void {
    const since = this.#ending ? -Infinity : this.#out.deferredUntil;
    const left = since + this.#writeTimeout - this.#loop.kernel.now();
    if (left > 0) this.#loop.deadlines.set(this.#unread, left);
    else this.#timeOut("replyTimeout");
  }

  #timeOut(limit: TimeLimit): void {
    const error = timedOut(this.#host, limit);
    if (limit === "replyTimeout") this.evict(limit, error);
    else this.finish(limit, false, error);
  }

  #recycle(): void {
    this.#endConnection("client");
    const status = this.#loop.kernel.disconnect(this.#handle);
    // Else what is left of this client would be taken for that of the next.
    if (status === Status.SUCCESS) this.#host.recycled(this);
    else this.finish("error", false);
  }

  #retire(): void {
    this.#endConnection(this.#host.draining ? "shutdown" : "error");
    this.#host.retiring(this);
    this.#loop.kernel.close(this.#handle);
    this.#loop.freeSlot(this.#slot);
    this.#notices.push(() => this.#host.retired(this));
  }

  #endConnection(reason: DisconnectReason): void {
    const client = this.#client;
    if (client === undefined) return;
    this.#reason ??= reason;
    this.#lose();
    const ended = this.#reason;
    const error = this.#error;
    this.#notices.push(() => this.#host.disconnected(client, ended, error));
    if (this.#process !== undefined) this.#host.discount(this.#process);
    this.#process = undefined;
    this.#client = undefined;
    this.#introduced = false;
    this.#letGo();
    this.#loop.deadlines.lift(this.#unread);
    this.#loop.deadlines.lift(this.#idle);
    this.#held = undefined;
    this.#reason = undefined;
    this.#error = undefined;
    this.#outgoing = [];
  }
}

type TimeLimit = "idleTimeout" | "replyTimeout" | "responderTimeout";

function timedOut({ path, settings }: Host, limit: TimeLimit): Error {
  const what = {
    idleTimeout: "it sent no request",
    replyTimeout: "it did not read its reply",
    responderTimeout: "its request was not answered",
  };
  const time = settings[limit] === Infinity ? LAST_WRITE_TIMEOUT : settings[limit];
  return new Deno.errors.TimedOut(
    `Cannot go on with a client of "${path}": ${what[limit]} within ${time} ms (${limit})`,
  );
}

function unread({ path }: Host, queued: number): Error {
  return new Deno.errors.Busy(
    `Closed the connection of a client of "${path}": ${queued} bytes wait for it to read ` +
      "(maxQueued)",
  );
}

function refused({ path }: Host, cause: unknown): Error {
  return new Deno.errors.PermissionDenied(
    `Cannot admit a client of "${path}": it was not authorized`,
    { cause },
  );
}

function tooMany({ path, settings }: Host, process: number): Error {
  return new Deno.errors.Busy(
    `Cannot admit a client of "${path}": process ${process} has ${settings.maxPerProcess} ` +
      "connections already (maxPerProcess)",
  );
}

function readError(path: string, { call, status, reason, tooLong }: Fault): Error {
  if (reason !== undefined) {
    const limit = tooLong ? " (maxRequest)" : "";
    return new Deno.errors.InvalidData(`Cannot read from a client of "${path}": ${reason}${limit}`);
  }
  return systemError("Cannot read from a client of", call, path, status);
}
