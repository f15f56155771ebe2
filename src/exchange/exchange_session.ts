/**
 * Answers the requests of one client: turns completions and calls into events of the session, and
 * the session's commands into calls.
 *
 * @module
 */

import type { WaitLoop } from "../loop/wait_loop.ts";
import type { Callbacks } from "../server/callbacks.ts";
import type { ClientSender, ServerClient } from "../server/client.ts";
import type { ClientFacts } from "../server/client_facts.ts";
import type { ServerConnection } from "../server/connection.ts";
import type { ServerContext } from "../server/context.ts";
import type { Draining } from "../server/draining.ts";
import type { CloseReason } from "../pipe/close_reason.ts";
import { IdleLimit } from "../server/idle_limit.ts";
import type { Message } from "../pipe/message.ts";
import type { BudgetedReader } from "../server/budgeted_reader.ts";
import { rejected } from "../server/promises.ts";
import { MessageToClient, Push, queueable } from "../server/message_to_client.ts";
import type { WriteQueue } from "../pipe/write_queue.ts";
import type { Session, Sessions } from "../server/session.ts";
import { handled, type Step } from "../server/state_machine.ts";
import { CurrentExchange, type ExchangeHandler } from "./current_exchange.ts";
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
    showsClients: handler.showsClients,
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
  readonly #current: CurrentExchange;
  readonly #idle: IdleLimit;
  #idling = false;

  constructor(connection: ServerConnection, handler: ExchangeHandler) {
    this.#connection = connection;
    this.#context = connection.context;
    this.#loop = connection.loop;
    this.#callbacks = connection.instance.callbacks;
    this.#queue = connection.queue;
    this.#requests = connection.reader;
    this.#current = new CurrentExchange(connection, handler, (event) => this.#raise(event));
    this.#idle = new IdleLimit(connection);
    this.handler = handler;
    connection.client.sender = this;
  }

  /** See {@linkcode Session}. */
  get client(): ServerClient | undefined {
    return isConnected(this.#state) ? this.#connection.client : undefined;
  }

  /** See {@linkcode Session}. */
  get busy(): boolean {
    return this.work !== undefined;
  }

  /** See {@linkcode Session}. */
  get work(): ServerExchange | undefined {
    return this.#current.exchange;
  }

  /** See {@linkcode Session}. */
  get stage(): "open" | "waiting" | undefined {
    return this.#current.stage;
  }

  /** See {@linkcode Session}. */
  get queued(): number {
    return this.#queue.queued(Infinity);
  }

  /** See {@linkcode Session}. */
  get blocked(): boolean {
    return this.#current.blocked || this.#requests.waiting;
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
    this.#current.withdraw();
    this.#current.forget();
    this.#requests.close();
    this.#watchTime();
  }

  /** What Windows tells about the client. */
  get facts(): ClientFacts {
    return this.#connection.facts;
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
    const reply = new MessageToClient(queueable(this.#queue, message, own), last);
    if (this.#connection.enqueue(reply)) {
      if (!last) this.#raise("sent");
      else if (this.#current.settle(exchange)) this.#raise("replied");
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
    if (this.#current.settle(exchange)) this.#raise("settled");
  }

  /** The program took the exchange, or is done with it. */
  progressed(exchange: ServerExchange): void {
    this.#current.progressed(exchange);
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
        return this.#current.withdraw();
      case "forget":
        return this.#current.forget();
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
    this.#current.release();
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
    this.#current.deliver(
      new ServerExchange(this, instance.shown, client, this.#requests.take()),
    );
  }

  #abort(): void {
    this.#connection.setEndReason("peer");
    this.#current.abort(this.#connection.endError);
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
    if (idling) this.#idle.restart();
    else this.#idle.lift();
  }
}
