/**
 * Answers the requests of one client: turns completions and calls into events of the session, and
 * the session's commands into calls.
 *
 * @module
 */

import { Deadline } from "../loop/deadlines.ts";
import type { WaitLoop } from "../loop/wait_loop.ts";
import type { Callbacks } from "../server/callbacks.ts";
import type { ServerConnection } from "../server/connection.ts";
import type { ServerContext } from "../server/context.ts";
import type { Draining } from "../server/draining.ts";
import type { CloseReason } from "../pipe/close_reason.ts";
import { refused, timedOut, unread } from "../server/end_reasons.ts";
import { BudgetedReader } from "../server/budgeted_reader.ts";
import { queueReply } from "../server/reply.ts";
import type { WriteQueue } from "../pipe/write_queue.ts";
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
} from "./exchange_states.ts";

/** Receives requests to answer. */
export interface ExchangeHandler {
  /** How many exchanges are being answered or wait for that; a shutdown waits for them. */
  readonly atWork: number;
  /** How many of them cannot begin before others are done. */
  readonly blocked: number;
  /** Whether exchanges wait only for the next turn. */
  readonly resuming: boolean;
  /** A request to take, to answer and to mark as done. */
  deliver(exchange: ServerExchange): void;
  /** A request that must not be taken any more. */
  withdraw(exchange: ServerExchange): void;
}

/** The sessions of a server that answers requests. */
export function exchangeSessions(handler: ExchangeHandler): Sessions {
  return {
    get atWork() {
      return handler.atWork;
    },
    get blocked() {
      return handler.blocked;
    },
    backlog: 0,
    create: (connection) => new ExchangeSession(connection, handler),
  };
}

/** The events with which a session ends, raised in its instance. */
type SessionEnd = "clientDisconnected" | "sessionFinished" | "sessionEvicted";

/** See the module. */
export class ExchangeSession implements Session {
  readonly #connection: ServerConnection;
  readonly #context: ServerContext;
  readonly #loop: WaitLoop;
  readonly #callbacks: Callbacks;
  readonly #queue: WriteQueue;
  readonly #requests: BudgetedReader;
  readonly #handler: ExchangeHandler;
  #state: State = FINAL;
  #exchange: ServerExchange | undefined = undefined;
  #idling = false;
  readonly #idle = new Deadline(() => this.#idledOut());
  readonly #answer = new Deadline(() => this.#stop("responderTimeout"));

  constructor(connection: ServerConnection, handler: ExchangeHandler) {
    this.#connection = connection;
    this.#context = connection.context;
    this.#loop = connection.loop;
    this.#callbacks = connection.instance.callbacks;
    this.#queue = connection.queue;
    this.#requests = new BudgetedReader(
      connection,
      () => this.#watchTime(),
      () => this.#context.draining,
    );
    this.#handler = handler;
  }

  /** See {@linkcode Session}. */
  get busy(): boolean {
    return this.#exchange !== undefined || this.#state.name === "authorizing";
  }

  /** See {@linkcode Session}. */
  get admitted(): boolean {
    const { name } = this.#state;
    const asks = this.#state.name === "reading" && this.#state.who === "unadmitted" ||
      this.#state.name === "identifying" && this.#state.asks;
    return !asks && name !== "authorizing" && name !== "over";
  }

  /** See {@linkcode Session}. */
  get work(): ServerExchange | undefined {
    return this.#exchange;
  }

  /** See {@linkcode Session}. */
  get blocked(): boolean {
    const waits = this.#exchange?.taken === false && this.#handler.blocked > 0;
    return waits || this.#requests.waiting;
  }

  /** See {@linkcode Session}. */
  begin(disconnected: boolean): void {
    const { settings, hooks } = this.#context;
    const who = hooks.authorizes ? "unadmitted" : settings.identifies ? "unknown" : "known";
    this.#take(begin(who, disconnected));
  }

  /** See {@linkcode Session}. */
  readCompleted(): void {
    const outcome = this.#requests.outcome();
    if (outcome !== undefined) this.#raise(outcome);
  }

  /** See {@linkcode Session}. */
  accepted(): void {}

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
    // The session may not be over: after a bug, or when nothing completes any more.
    this.#state = FINAL;
    this.#abort();
    this.#withdraw();
    this.#forget();
    this.#requests.close();
    this.#watchTime();
  }

  /** Notifies of the beginning of a shutdown. */
  get draining(): Draining {
    return this.#context.drain;
  }

  /** A message of an exchange, the last one if `last`. To be called while it is open. */
  answer(
    exchange: ServerExchange,
    message: Uint8Array<ArrayBuffer>,
    last: boolean,
    own: boolean,
  ): Promise<void> {
    const { maxQueued } = this.#context.settings;
    const waiting = this.#queue.queued(maxQueued);
    const reply = queueReply(this.#queue, message, last, own);
    if (waiting > maxQueued) {
      this.#connection.instance.evict("maxQueued", unread(this.#context, waiting));
    } else if (!last) this.#raise("sent");
    else if (this.#settles(exchange)) this.#raise("replied");
    return reply.promise();
  }

  /** An open exchange is settled without a last message. */
  settle(exchange: ServerExchange): void {
    if (this.#settles(exchange)) this.#raise("settled");
  }

  /** The program took the exchange, or is done with it. */
  progressed(exchange: ServerExchange): void {
    if (exchange !== this.#exchange) return;
    if (!exchange.done) {
      this.#loop.deadlines.set(this.#answer, this.#context.settings.responderTimeout);
    }
    this.#advance(exchange);
  }

  /** An aborted exchange makes way for the next one, or the next client, once it is taken or done. */
  #advance(exchange: ServerExchange): void {
    if (exchange.aborted === undefined) return;
    if (exchange.done) this.#raise("done");
    else if (exchange.taken) this.#raise("taken");
  }

  #settles(exchange: ServerExchange): boolean {
    if (exchange !== this.#exchange) return false;
    this.#forget();
    this.#context.tally.settled();
    return true;
  }

  #raise(event: Event): void {
    const { draining } = this.#context;
    this.#loop.observer?.transition(this.#state, event, draining);
    const step = transition(this.#state, event, draining);
    // A bug of ours, which costs one connection: see the wait loop.
    if (step === undefined) throw new Error(`Cannot handle "${event}" while "${this.#state.name}"`);
    this.#take(step);
  }

  #take(step: Step<State, Command>): void {
    this.#state = step.state;
    this.#callbacks.enter();
    for (const command of step.commands) this.#execute(command);
    this.#watchTime();
    this.#callbacks.leave();
  }

  #execute(command: Command): void {
    switch (command) {
      case "read":
        return this.#requests.read();
      case "readRest":
        return this.#requests.readRest();
      case "write":
        return this.#queue.write();
      case "cancelRead":
        return this.#requests.cancel();
      case "identify":
        return this.#identify();
      case "authorize":
        return this.#authorize();
      case "deliver":
        return this.#deliver();
      case "keep":
        return this.#requests.keep();
      case "redeliver":
        return this.#requests.redeliver();
      case "abort":
        return this.#abort();
      case "withdraw":
        return this.#withdraw();
      case "forget":
        return this.#forget();
      case "dropRequest":
        return this.#connection.dropRequest();
      case "clientDisconnected":
        return this.#finish("peer", command);
      case "sessionFinished":
        return this.#finish(this.#context.draining ? "shutdown" : "error", command);
      case "sessionEvicted":
        return this.#finish("error", command);
    }
  }

  /**
   * The session is over.
   *
   * @param reason Why the connection ends, if no reason is set yet.
   */
  #finish(reason: CloseReason, event: SessionEnd): void {
    this.#connection.setEndReason(reason);
    this.#requests.close();
    this.#loop.deadlines.lift(this.#answer);
    this.#connection.instance.raise(event);
  }

  /** Identifies the client from its first message, before anything else is read. */
  #identify(): void {
    if (this.#connection.identify()) this.#raise("identified");
    else this.#requests.repeat();
  }

  #authorize(): void {
    const { client } = this.#connection;
    this.#loop.deadlines.set(this.#answer, this.#context.settings.responderTimeout);
    this.#callbacks.add(() => {
      this.#context.hooks.authorize(client, (yes, error) => this.#decided(yes, error));
    });
  }

  #decided(admitted: boolean, cause: unknown): void {
    // The decision may come late, when the session is already over.
    if (this.#state.name !== "authorizing") return;
    this.#loop.deadlines.lift(this.#answer);
    if (!admitted) {
      const { tooEarly } = this.#connection.client;
      this.#connection.setEndReason("unauthorized", refused(this.#context, cause, tooEarly));
    }
    this.#raise(admitted ? "admitted" : "refused");
  }

  #deliver(): void {
    const { client, instance } = this.#connection;
    const exchange = new ServerExchange(this, instance.shown, client, this.#requests.take());
    this.#exchange = exchange;
    this.#callbacks.add(() => {
      if (this.#exchange !== exchange) return;
      this.#handler.deliver(exchange);
      if (!exchange.taken) this.#context.onBlocked();
      if (this.#exchange === exchange) this.#loop.atNextTurn(() => this.#turnBegan(exchange));
    });
  }

  /** The responder is still at work when the next turn begins: reads ahead. */
  #turnBegan(exchange: ServerExchange): void {
    if (this.#exchange !== exchange) return;
    if (exchange.taken || !this.#handler.resuming) return this.#raise("turnBegan");
    // The program has not taken it yet, and will in this turn or the next.
    this.#loop.atNextTurn(() => this.#turnBegan(exchange));
  }

  #abort(): void {
    const { client } = this.#connection;
    this.#connection.setEndReason("peer");
    const error = this.#connection.abortError();
    const exchange = this.#exchange;
    exchange?.abort(error);
    this.#callbacks.add(() => {
      client.abort(error);
      exchange?.signalAbort();
    });
    if (exchange !== undefined) this.#advance(exchange);
  }

  /** Withdraws a request that is not taken yet: the instance is needed for another client. */
  #withdraw(): void {
    const exchange = this.#exchange;
    if (exchange === undefined || exchange.taken) return;
    this.#forget();
    this.#handler.withdraw(exchange);
    this.#connection.dropRequest();
  }

  /** Forgets the exchange, and releases its bytes too. */
  #forget(): void {
    this.#exchange = undefined;
    this.#loop.deadlines.lift(this.#answer);
    this.#requests.release();
  }

  /** The idle time of a client pauses while the server is not reading. */
  #watchTime(): void {
    const idling = awaitsRequest(this.#state) && !this.#requests.waiting;
    if (idling === this.#idling) return;
    this.#idling = idling;
    if (idling) this.#loop.deadlines.set(this.#idle, this.#context.settings.idleTimeout);
    else this.#loop.deadlines.lift(this.#idle);
  }

  /** A completed read that the program had no time to see is not the client's fault. */
  #idledOut(): void {
    if (this.#requests.pending) this.#stop("idleTimeout");
    else this.#loop.deadlines.set(this.#idle, this.#context.settings.idleTimeout);
  }

  #stop(limit: "idleTimeout" | "responderTimeout"): void {
    this.#connection.instance.stop(limit, timedOut(this.#context, limit));
  }
}
