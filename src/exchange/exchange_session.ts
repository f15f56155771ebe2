/**
 * Answers the requests of one client: turns completions and calls into events of the session, and
 * the session's commands into calls.
 *
 * @module
 */

import { Deadline } from "../loop/deadlines.ts";
import type { WaitLoop } from "../loop/wait_loop.ts";
import type { Callbacks } from "../server/callbacks.ts";
import type { ClientSender, ServerClient } from "../server/client.ts";
import type { ServerConnection } from "../server/connection.ts";
import type { ServerContext } from "../server/context.ts";
import type { Draining } from "../server/draining.ts";
import type { CloseReason } from "../pipe/close_reason.ts";
import { timedOut } from "../server/end_reasons.ts";
import type { Message } from "../pipe/message.ts";
import type { BudgetedReader } from "../server/budgeted_reader.ts";
import { rejected } from "../server/promises.ts";
import { Push, queueable, Reply } from "../server/reply.ts";
import type { WriteQueue } from "../pipe/write_queue.ts";
import type { Session, Sessions } from "../server/session.ts";
import { handled, type Step } from "../server/state_machine.ts";
import { ServerExchange } from "./exchange.ts";
import { begin, transition } from "./exchange_machine.ts";
import {
  awaitsRequest,
  type Command,
  type Event,
  FINAL,
  isConnected,
  isFirst,
  type State,
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
    answers: true,
    backlog: 0,
    action: "Cannot answer",
    closed: undefined,
    create: (connection) => new ExchangeSession(connection, handler),
  };
}

/** The events with which a session ends, raised in its instance. */
type SessionEnd = "clientDisconnected" | "sessionFinished" | "sessionEvicted";

/** See the module. */
export class ExchangeSession implements Session, ClientSender {
  readonly #connection: ServerConnection;
  readonly #context: ServerContext;
  readonly #loop: WaitLoop;
  readonly #callbacks: Callbacks;
  readonly #queue: WriteQueue;
  readonly #requests: BudgetedReader;
  /** What delivers the exchanges to the program. */
  readonly handler: ExchangeHandler;
  #state: State = FINAL;
  #exchange: ServerExchange | undefined = undefined;
  #idling = false;
  /** When the request of the exchange has arrived, if that is measured. */
  #arrivedAt = 0;
  readonly #idle = new Deadline(() => this.#idledOut());
  readonly #answer = new Deadline(() => this.#stop("responderTimeout"));

  constructor(connection: ServerConnection, handler: ExchangeHandler) {
    this.#connection = connection;
    this.#context = connection.context;
    this.#loop = connection.loop;
    this.#callbacks = connection.instance.callbacks;
    this.#queue = connection.queue;
    this.#requests = connection.incoming;
    this.handler = handler;
    connection.client.sender = this;
  }

  /** See {@linkcode Session}. */
  get client(): ServerClient | undefined {
    return isConnected(this.#state) ? this.#connection.client : undefined;
  }

  /** See {@linkcode Session}. */
  get busy(): boolean {
    return this.#exchange !== undefined;
  }

  /** See {@linkcode Session}. */
  get work(): ServerExchange | undefined {
    return this.#exchange;
  }

  /** See {@linkcode Session}. */
  get stage(): "open" | "waiting" | undefined {
    const exchange = this.#exchange;
    if (exchange?.taken !== true) return exchange && "waiting";
    return exchange.open ? "open" : undefined;
  }

  /** See {@linkcode Session}. */
  get queued(): number {
    return this.#queue.queued(Infinity);
  }

  /** See {@linkcode Session}. */
  get blocked(): boolean {
    const waits = this.#exchange?.taken === false && this.handler.blocked > 0;
    return waits || this.#requests.waiting;
  }

  /** See {@linkcode Session}. */
  get lastOnly(): boolean {
    return this.#context.draining && !isFirst(this.#state);
  }

  /** See {@linkcode Session}. */
  begin(disconnected: boolean): void {
    this.#take(begin(disconnected));
    this.#callbacks.add(() => this.#arrived());
  }

  /** See {@linkcode Session}. */
  readCompleted(): void {
    const outcome = this.#requests.outcome();
    if (outcome !== undefined) this.#raise(outcome);
  }

  /** See {@linkcode Session}. */
  readResumed(): void {
    this.#watchTime();
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

  /** A message as it is sent. */
  frame(message: Message): Uint8Array<ArrayBuffer> {
    return this.#connection.frame(message);
  }

  /** A message of an exchange, the last one if `last`. To be called while it is open. */
  answer(
    exchange: ServerExchange,
    message: Uint8Array<ArrayBuffer>,
    last: boolean,
    own: boolean,
  ): Promise<void> {
    const reply = new Reply(queueable(this.#queue, message, own), last);
    if (this.#connection.enqueue(reply)) {
      if (!last) this.#raise("sent");
      else if (this.#settles(exchange)) this.#raise("replied");
    }
    return reply.promise();
  }

  /** Pushes a message to the client: see {@linkcode PipeClient.send}. */
  send(message: Message): Promise<void> {
    const bytes = this.frame(message);
    if (!isConnected(this.#state)) return rejected(this.#connection.abortError());
    const own = typeof message === "string" || this.#context.framing !== undefined;
    const push = new Push(queueable(this.#queue, bytes, own), () => this.#watchTime(true));
    if (this.#connection.enqueue(push)) this.#queue.write();
    return push.promise();
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
    const { counters, tally } = this.#context;
    tally.settled();
    counters.latency?.record(this.#loop.kernel.now() - this.#arrivedAt);
    return true;
  }

  #raise(event: Event): void {
    const { draining } = this.#context;
    this.#loop.observer?.transition(this.#state, event, draining);
    this.#take(handled(transition(this.#state, event, draining), this.#state, event));
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
    // A last write may stay pending for long, and others may wait for this room.
    this.#requests.release();
    this.#loop.deadlines.lift(this.#answer);
    this.#connection.instance.raise(event);
  }

  /** The client is there, unless a limit has ended its connection at once. */
  #arrived(): void {
    if (this.#state === FINAL) return;
    this.#context.counters.accepted++;
    this.#context.hooks.connected(this.#connection.client);
  }

  #deliver(): void {
    const { client, instance } = this.#connection;
    const exchange = new ServerExchange(this, instance.shown, client, this.#requests.take());
    this.#exchange = exchange;
    this.#context.counters.messagesIn++;
    this.#arrivedAt = this.#requests.arrivedAt;
    this.#callbacks.add(() => {
      if (this.#exchange !== exchange) return;
      this.#context.counters.requests++;
      this.handler.deliver(exchange);
      if (!exchange.taken) this.#context.onBlocked();
      if (this.#exchange === exchange) this.#loop.atNextTurn(() => this.#turnBegan(exchange));
    });
  }

  /** The responder is still at work when the next turn begins: reads ahead. */
  #turnBegan(exchange: ServerExchange): void {
    if (this.#exchange !== exchange) return;
    if (exchange.taken || !this.handler.resuming) return this.#raise("turnBegan");
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
    this.handler.withdraw(exchange);
    this.#connection.dropRequest();
  }

  /** Forgets the exchange, and releases its bytes too. */
  #forget(): void {
    this.#exchange = undefined;
    this.#loop.deadlines.lift(this.#answer);
    this.#requests.release();
  }

  /**
   * The idle time of a client pauses while the server is not reading.
   *
   * @param anew Whether it begins again: a client that receives pushed messages is not idle.
   */
  #watchTime(anew: boolean = false): void {
    const idling = awaitsRequest(this.#state) && !this.#requests.waiting;
    if (idling === this.#idling && !anew) return;
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
