/**
 * The exchange of a client: there is at most one, from the delivery of its request until it is
 * settled or, if it is aborted, until the program has taken it or is done with it.
 *
 * @module
 */

import { Deadline } from "../loop/deadlines.ts";
import type { ServerConnection } from "../server/connection.ts";
import { timedOut } from "../server/end_reasons.ts";
import type { ServerExchange } from "./exchange.ts";

/** Receives requests to answer. */
export interface ExchangeHandler {
  /** How many exchanges are being answered or wait for that; a shutdown waits for them. */
  readonly atWork: number;
  /** How many of them cannot begin before others are done. */
  readonly blocked: number;
  /** Whether the program may keep exchanges that it is done with, as far as is known. */
  readonly showsClients: boolean;
  /** Whether exchanges wait only for the next turn. */
  readonly resuming: boolean;
  /** A request to take, to answer and to mark as done. */
  deliver(exchange: ServerExchange): void;
  /** A request that must not be taken any more. */
  withdraw(exchange: ServerExchange): void;
}

/** What the exchange raises in its session. */
type ExchangeEvent = "turnBegan" | "taken" | "done";

/** See the module. */
export class CurrentExchange {
  readonly #connection: ServerConnection;
  readonly #handler: ExchangeHandler;
  readonly #raise: (event: ExchangeEvent) => void;
  readonly #time = new Deadline(() => this.#expired());
  #exchange: ServerExchange | undefined = undefined;
  /** When its request has arrived, if that is measured. */
  #arrivedAt = 0;

  constructor(
    connection: ServerConnection,
    handler: ExchangeHandler,
    raise: (event: ExchangeEvent) => void,
  ) {
    this.#connection = connection;
    this.#handler = handler;
    this.#raise = raise;
  }

  /** The exchange, while there is one. */
  get exchange(): ServerExchange | undefined {
    return this.#exchange;
  }

  /** Whether it is open, or still to be taken. */
  get stage(): "open" | "waiting" | undefined {
    const exchange = this.#exchange;
    if (exchange?.taken !== true) return exchange && "waiting";
    return exchange.open ? "open" : undefined;
  }

  /** Whether it waits until others are answered. */
  get blocked(): boolean {
    return this.#exchange?.taken === false && this.#handler.blocked > 0;
  }

  /** Delivers a new exchange to the program. */
  deliver(exchange: ServerExchange): void {
    const { context, reader, instance, loop } = this.#connection;
    this.#exchange = exchange;
    this.#arrivedAt = reader.arrivedAt;
    context.counters.messagesIn++;
    instance.callbacks.add(() => {
      if (this.#exchange !== exchange) return;
      context.counters.requests++;
      this.#handler.deliver(exchange);
      if (!exchange.taken) context.onBlocked();
      if (this.#exchange === exchange) loop.atNextTurn(() => this.#turnBegan(exchange));
    });
  }

  /** The program took an exchange, or is done with it. */
  progressed(exchange: ServerExchange): void {
    if (exchange !== this.#exchange) return;
    const { loop, context } = this.#connection;
    if (!exchange.done) loop.deadlines.set(this.#time, context.settings.responderTimeout);
    this.#advance(exchange);
  }

  /** An exchange is settled. False: it is not the current one any more. */
  settle(exchange: ServerExchange): boolean {
    if (exchange !== this.#exchange) return false;
    const { loop, context } = this.#connection;
    this.forget();
    context.tally.settled();
    context.counters.latency?.record(loop.kernel.now() - this.#arrivedAt);
    return true;
  }

  /** No answer can reach the client any more: aborts the exchange, and then the client's signal. */
  abort(reason: () => Error): void {
    const { client, instance } = this.#connection;
    const exchange = this.#exchange;
    exchange?.abort(reason());
    instance.callbacks.add(() => {
      client.abort(reason);
      exchange?.signalAbort();
    });
    if (exchange !== undefined) this.#advance(exchange);
  }

  /** Withdraws a request that is not taken yet: the instance is needed for another client. */
  withdraw(): void {
    const exchange = this.#exchange;
    if (exchange === undefined || exchange.taken) return;
    this.forget();
    this.#handler.withdraw(exchange);
    this.#connection.dropRequest();
  }

  /** Forgets the exchange, and releases its bytes too. */
  forget(): void {
    this.#exchange = undefined;
    this.release();
  }

  /** Its time is not limited any more, and the bytes of its request are released. */
  release(): void {
    const { reader, loop } = this.#connection;
    loop.deadlines.lift(this.#time);
    reader.release();
  }

  /** The responder is still at work when the next turn begins: the session reads ahead. */
  #turnBegan(exchange: ServerExchange): void {
    if (this.#exchange !== exchange) return;
    if (exchange.taken || !this.#handler.resuming) return this.#raise("turnBegan");
    // The program has not taken it yet, and will in this turn or the next.
    this.#connection.loop.atNextTurn(() => this.#turnBegan(exchange));
  }

  /** An aborted exchange makes way for the next one, or the next client, once it is taken or done. */
  #advance(exchange: ServerExchange): void {
    if (exchange.aborted === undefined) return;
    if (exchange.done) this.#raise("done");
    else if (exchange.taken) this.#raise("taken");
  }

  #expired(): void {
    const { context, instance } = this.#connection;
    instance.stop("responderTimeout", timedOut(context, "responderTimeout"));
  }
}
