/**
 * One client whose requests are answered: turns completions and calls into events of the session,
 * and its commands into calls.
 *
 * @module
 */

import { Deadline } from "../loop/deadlines.ts";
import type { ServerConnection } from "../server/connection.ts";
import type { Draining } from "../server/draining.ts";
import {
  type DisconnectReason,
  readError,
  refused,
  timedOut,
  unread,
} from "../server/end_reasons.ts";
import type { Session, Sessions } from "../server/session.ts";
import type { Step } from "../server/state_machine.ts";
import { ServerExchange } from "./exchange.ts";
import {
  awaitsRequest,
  begin,
  type Command,
  type Event,
  FINAL,
  type State,
  transition,
  type Who,
} from "./exchange_states.ts";

/** Receives requests to answer. */
export interface ExchangeHandler {
  /** How many exchanges somebody works on, or will; a shutdown waits for them. */
  readonly atWork: number;
  /** Whether exchanges wait only because the turn was too short for them. */
  readonly resuming: boolean;
  /** A request: to be taken, answered and finished. */
  deliver(exchange: ServerExchange): void;
  /** A request that is not to be taken any more. */
  withdraw(exchange: ServerExchange): void;
}

/** The sessions of a server whose requests somebody answers. */
export function exchangeSessions(handler: ExchangeHandler): Sessions {
  return {
    get atWork() {
      return handler.atWork;
    },
    create: (connection) => new ExchangeSession(connection, handler),
  };
}

/** What ends a session, as its instance is told. */
type SessionEnd = "clientDisconnected" | "sessionFinished" | "sessionEvicted";

/** See the module. */
export class ExchangeSession implements Session {
  readonly #connection: ServerConnection;
  readonly #handler: ExchangeHandler;
  #state: State = FINAL;
  #exchange: ServerExchange | undefined = undefined;
  /** The outcome of a read that is kept, and comes again. */
  #kept: Event | undefined = undefined;
  #lastOutcome: Event = "message";
  /** While it waits for bytes of the budget before it reads: how to give that up. */
  #postponed: (() => void) | undefined = undefined;
  /** Bytes of the budget that the request takes, and what the budget is to be told about them. */
  #requestBytes = 0;
  #requestEra = 0;
  #idling = false;
  readonly #idle = new Deadline(() => this.#idledOut());
  readonly #answer = new Deadline(() => this.#stop("responderTimeout"));

  constructor(connection: ServerConnection, handler: ExchangeHandler) {
    this.#connection = connection;
    this.#handler = handler;
  }

  /** See {@linkcode Session}. */
  get busy(): boolean {
    return this.#exchange !== undefined || this.#state.name === "authorizing";
  }

  /** See {@linkcode Session}. */
  get work(): ServerExchange | undefined {
    return this.#exchange;
  }

  /** See {@linkcode Session}. */
  begin(disconnected: boolean): void {
    this.#take(begin(this.#who, disconnected));
  }

  /** See {@linkcode Session}. */
  readCompleted(): void {
    const event = this.#kept ?? this.#readOutcome();
    if (event === undefined) return;
    this.#kept = undefined;
    this.#raise(event);
  }

  /** See {@linkcode Session}. */
  written(): void {
    this.#raise("written");
  }

  /** See {@linkcode Session}. */
  unwritten(): void {
    this.#raise("unwritten");
  }

  /** See {@linkcode Session}. */
  drain(): void {
    this.#raise("drain");
  }

  /** See {@linkcode Session}. */
  finish(): void {
    this.#raise("finish");
  }

  /** See {@linkcode Session}. */
  evict(): void {
    this.#raise("evict");
  }

  /** See {@linkcode Session}. */
  end(): void {
    this.#state = FINAL;
    this.#abort();
    this.#withdraw();
    this.#forget();
    this.#stopWaiting();
    this.#connection.loop.deadlines.lift(this.#idle);
  }

  /** Tells when the server begins to end. */
  get draining(): Draining {
    return this.#connection.context.drain;
  }

  /** A message of an exchange, the last one if `last`. To be called while it is open. */
  answer(
    exchange: ServerExchange,
    message: Uint8Array<ArrayBuffer>,
    last: boolean,
    own: boolean,
  ): Promise<void> {
    const { replies, context, instance } = this.#connection;
    const { maxQueued } = context.settings;
    const waiting = replies.queued(maxQueued);
    const reply = replies.add(message, last, own);
    if (waiting > maxQueued) {
      instance.evict("maxQueued", unread(context, waiting));
    } else if (!last) this.#raise("sent");
    else if (this.#settles(exchange)) this.#raise("replied");
    return reply.promise();
  }

  /** An open exchange is settled without a last message. */
  settle(exchange: ServerExchange): void {
    if (this.#settles(exchange)) this.#raise("settled");
  }

  /** The program has taken the exchange, or is done with it. */
  progressed(exchange: ServerExchange): void {
    if (exchange !== this.#exchange) return;
    if (!exchange.finished) {
      const { responderTimeout } = this.#connection.context.settings;
      this.#connection.loop.deadlines.set(this.#answer, responderTimeout);
    }
    this.#goOnIfAborted(exchange);
  }

  /** An aborted exchange makes way for the next, or the next client, when its user lets go of it. */
  #goOnIfAborted(exchange: ServerExchange): void {
    if (exchange.lost === undefined) return;
    if (exchange.finished) this.#raise("finished");
    else if (exchange.taken) this.#raise("taken");
  }

  #settles(exchange: ServerExchange): boolean {
    if (exchange !== this.#exchange) return false;
    this.#forget();
    this.#connection.context.tally.settled();
    return true;
  }

  get #who(): Who {
    const { settings, hooks } = this.#connection.context;
    if (hooks.authorizes) return "unadmitted";
    return settings.identifies ? "unknown" : "known";
  }

  #raise(event: Event): void {
    const { loop, context } = this.#connection;
    loop.observer?.transition(this.#state, event, context.draining);
    const step = transition(this.#state, event, context.draining);
    // A mistake of ours, which costs one connection: see the wait loop.
    if (step === undefined) throw new Error(`Cannot handle "${event}" while "${this.#state.name}"`);
    this.#take(step);
  }

  #take(step: Step<State, Command>): void {
    const { callbacks } = this.#connection.instance;
    this.#state = step.state;
    callbacks.enter();
    for (const command of step.commands) this.#execute(command);
    this.#watchTime();
    callbacks.leave();
  }

  #execute(command: Command): void {
    const { reader, replies } = this.#connection;
    switch (command) {
      case "read":
        return this.#read(0, () => reader.readFirst());
      case "readRest":
        return this.#read(reader.length, () => this.#readRest());
      case "write":
        return replies.write();
      case "cancelRead":
        return this.#cancelRead();
      case "identify":
        return this.#identify();
      case "authorize":
        return this.#authorize();
      case "deliver":
        return this.#deliver();
      case "keep":
        // The outcome is kept where `readCompleted` looks for it.
        this.#kept = this.#lastOutcome;
        return;
      case "redeliver":
        return reader.redeliver();
      case "abort":
        return this.#abort();
      case "withdraw":
        return this.#withdraw();
      case "forget":
        return this.#forget();
      case "dropRequest":
        return this.#connection.dropRequest();
      case "clientDisconnected":
        return this.#leave("client", command);
      case "sessionFinished":
        return this.#leave(this.#connection.context.draining ? "shutdown" : "error", command);
      case "sessionEvicted":
        return this.#leave("error", command);
    }
  }

  /** Reads when the budget has so many bytes left. */
  #read(bytes: number, submit: () => void): void {
    this.#postponed = this.#connection.context.budget.wait(bytes, () => {
      const waited = this.#postponed !== undefined;
      this.#postponed = undefined;
      submit();
      if (waited) this.#watchTime();
    });
  }

  #readRest(): void {
    const { reader, context } = this.#connection;
    this.#holdRequest(reader.length);
    reader.readRest();
    // Of the last request nothing is waited for: what is there of it is read.
    if (context.draining && !reader.deferred) reader.cancel();
  }

  #cancelRead(): void {
    const { reader } = this.#connection;
    // Of a request that has begun the rest is there, and only we are late.
    const late = this.#postponed !== undefined || reader.deferred;
    if (late && reader.begun) return;
    if (this.#postponed === undefined) return reader.cancel();
    this.#stopWaiting();
    reader.completeCancelled();
  }

  /**
   * Nothing more is read, and what is in flight completes for nobody.
   *
   * @param reason Why the connection ends, if nobody has said so.
   */
  #leave(reason: DisconnectReason, event: SessionEnd): void {
    const { reader, instance } = this.#connection;
    this.#connection.setEndReason(reason);
    // What waits for the budget is no operation that would complete.
    if (this.#postponed !== undefined && reader.begun) this.#connection.dropRequest();
    this.#stopWaiting();
    this.#connection.loop.deadlines.lift(this.#answer);
    reader.discard();
    instance.raise(event);
  }

  #stopWaiting(): void {
    this.#postponed?.();
    this.#postponed = undefined;
  }

  #holdRequest(bytes: number): void {
    this.#requestBytes = bytes;
    this.#requestEra = this.#connection.context.budget.hold(bytes);
  }

  #readOutcome(): Event | undefined {
    const { reader, context } = this.#connection;
    const outcome = reader.outcome();
    if (outcome === "later") return undefined;
    if (outcome === "broken" && reader.fault !== undefined) {
      const error = readError(context, reader.fault);
      this.#connection.setEndReason(reader.fault.tooLong ? "maxRequest" : "error", error);
    }
    this.#lastOutcome = outcome;
    return outcome;
  }

  /** What the first message tells besides itself: who sent it. */
  #identify(): void {
    if (this.#connection.identify()) return this.#raise("identified");
    this.#kept = this.#lastOutcome;
    this.#connection.reader.repeat();
  }

  #authorize(): void {
    const { client, context, loop, instance } = this.#connection;
    loop.deadlines.set(this.#answer, context.settings.responderTimeout);
    instance.callbacks.add(() => {
      context.hooks.authorize(client, (yes, error) => this.#decided(yes, error));
    });
  }

  #decided(admitted: boolean, cause: unknown): void {
    // The decision may come late: then the client is gone, or the server.
    if (this.#state.name !== "authorizing") return;
    this.#connection.loop.deadlines.lift(this.#answer);
    if (!admitted) {
      const { client, context } = this.#connection;
      this.#connection.setEndReason("unauthorized", refused(context, cause, client.tooEarly));
    }
    this.#raise(admitted ? "admitted" : "refused");
  }

  #deliver(): void {
    const { reader, client, instance, loop } = this.#connection;
    const request = reader.takeMessage();
    // The bytes of a long one are held since its rest was read.
    if (this.#requestBytes === 0) this.#holdRequest(request.length);
    const exchange = new ServerExchange(this, instance.shown, client, request);
    this.#exchange = exchange;
    instance.callbacks.add(() => {
      if (this.#exchange !== exchange) return;
      this.#handler.deliver(exchange);
      if (this.#exchange === exchange) loop.atNextTurn(() => this.#turnBegan(exchange));
    });
  }

  /** The responder is still at work when the next turn begins: read ahead. */
  #turnBegan(exchange: ServerExchange): void {
    if (this.#exchange !== exchange) return;
    if (exchange.taken || !this.#handler.resuming) return this.#raise("turnBegan");
    // Nobody is at work on it, and somebody will be in this turn or the next.
    this.#connection.loop.atNextTurn(() => this.#turnBegan(exchange));
  }

  #abort(): void {
    this.#connection.setEndReason("client");
    const error = this.#connection.goneError();
    const exchange = this.#exchange;
    exchange?.lose(error);
    this.#connection.instance.callbacks.add(() => {
      this.#connection.client.lose(error);
      exchange?.abort();
    });
    if (exchange !== undefined) this.#goOnIfAborted(exchange);
  }

  /** The instance is needed for another client, and so nobody shall keep this request. */
  #withdraw(): void {
    const exchange = this.#exchange;
    if (exchange === undefined || exchange.taken) return;
    this.#forget();
    this.#handler.withdraw(exchange);
    this.#connection.dropRequest();
  }

  /** The exchange is nothing of ours any more: its bytes are released too. */
  #forget(): void {
    this.#exchange = undefined;
    this.#connection.loop.deadlines.lift(this.#answer);
    this.#connection.context.budget.free(this.#requestBytes, this.#requestEra);
    this.#requestBytes = 0;
  }

  /** The time of a client that owes a request pauses while the server is not reading. */
  #watchTime(): void {
    const idling = awaitsRequest(this.#state) && this.#postponed === undefined;
    if (idling === this.#idling) return;
    this.#idling = idling;
    const { loop, context } = this.#connection;
    if (idling) loop.deadlines.set(this.#idle, context.settings.idleTimeout);
    else loop.deadlines.lift(this.#idle);
  }

  /** A client is not to blame when it was the program that had no time to look. */
  #idledOut(): void {
    const { reader, loop, context } = this.#connection;
    if (reader.pending) this.#stop("idleTimeout");
    else loop.deadlines.set(this.#idle, context.settings.idleTimeout);
  }

  #stop(limit: "idleTimeout" | "responderTimeout"): void {
    const { instance, context } = this.#connection;
    instance.stop(limit, timedOut(context, limit));
  }
}
