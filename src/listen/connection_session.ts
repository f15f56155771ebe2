/**
 * Gives one client of a listener to the program as a connection, which decides what its reads mean;
 * the session ends it.
 *
 * @module
 */

import { Status } from "../kernel/status.ts";
import type { WaitLoop } from "../loop/wait_loop.ts";
import type { ListenSettings } from "../options/listen_settings.ts";
import type { CloseReason } from "../pipe/close_reason.ts";
import { Connection } from "../pipe/connection.ts";
import { ConnectionErrors } from "../pipe/connection_errors.ts";
import { Duplex } from "../pipe/duplex.ts";
import { verifiedFraming } from "../pipe/framing/framings.ts";
import type { ConnectionSettings, Link } from "../pipe/link.ts";
import type { PipeEnd } from "../pipe/pipe_end.ts";
import type { WriteQueue } from "../pipe/write_queue.ts";
import type { BudgetedReader } from "../server/budgeted_reader.ts";
import type { ServerClient } from "../server/client.ts";
import type { ServerConnection } from "../server/connection.ts";
import type { ServerContext } from "../server/context.ts";
import { unread } from "../server/end_reasons.ts";
import { IdleLimit } from "../server/idle_limit.ts";
import { LazySignal } from "../server/lazy_signal.ts";
import type { Session, Sessions } from "../server/session.ts";
import type { AcceptQueue, ServerConn } from "./accept_queue.ts";

/** The sessions of a server whose clients are given to the program as connections. */
export function connectionSessions(settings: ListenSettings, queue: AcceptQueue): Sessions {
  const { framing } = settings;
  const verified = { ...settings, framing: framing && verifiedFraming(framing) };
  return {
    answers: false,
    showsClients: true,
    action: "Cannot send to",
    atWork: 0,
    blocked: 0,
    get backlog() {
      // Whoever came now would never be accepted.
      return queue.closed === undefined ? queue.length : Infinity;
    },
    get closed() {
      return queue.closed;
    },
    create: (connection) => new ConnectionSession(connection, verified, queue),
  };
}

/** The events with which a session ends, raised in its instance. */
type SessionEnd = "clientDisconnected" | "sessionFinished" | "sessionClosed" | "sessionEvicted";

/** See the module. */
export class ConnectionSession implements Session, Link {
  readonly loop: WaitLoop;
  readonly pipeEnd: PipeEnd;
  readonly queue: WriteQueue;
  readonly errors: ConnectionErrors;
  readonly readsAhead = true;
  /** See {@linkcode Session}. */
  readonly busy = true;
  /** See {@linkcode Session}. No work of the program is waited for: its connections are. */
  readonly work = undefined;
  /** See {@linkcode Session}. */
  readonly lastOnly = false;
  readonly #connection: ServerConnection;
  readonly #context: ServerContext;
  readonly #settings: ConnectionSettings & { readonly idleTimeout: number };
  readonly #reader: BudgetedReader;
  readonly #accepts: AcceptQueue;
  readonly #duplex: Duplex;
  readonly #draining = new LazySignal();
  readonly #released = Promise.withResolvers<void>();
  readonly #idle: IdleLimit;
  /** The connection of the program. */
  readonly #shown: ServerConn;
  #over = false;
  /** Whether a write has found that the client has disconnected. */
  #endSeen = false;

  constructor(
    connection: ServerConnection,
    settings: ConnectionSettings & { readonly idleTimeout: number },
    accepts: AcceptQueue,
  ) {
    const { context, loop, instance, queue } = connection;
    this.loop = loop;
    this.pipeEnd = instance.end;
    this.queue = queue;
    this.errors = new ConnectionErrors(context.path, true);
    this.#connection = connection;
    this.#context = context;
    this.#settings = settings;
    this.#accepts = accepts;
    this.#reader = connection.reader;
    this.#idle = new IdleLimit(connection);
    this.#duplex = new Duplex(this, settings);
    this.#shown = new Connection(this.#duplex, settings, connection.client);
    if (settings.idleTimeout !== Infinity) queue.onAccepted = () => this.#idle.restart();
    this.#duplex.onReceived = () => this.#received();
  }

  /** See {@linkcode Session}. */
  get client(): ServerClient | undefined {
    return this.#over || this.#endSeen ? undefined : this.#connection.client;
  }

  /** See {@linkcode Session}. */
  get stage(): "waiting" | undefined {
    return this.#accepts.has(this.#shown) ? "waiting" : undefined;
  }

  /** See {@linkcode Session}. */
  get queued(): number {
    return this.#duplex.queued;
  }

  /** See {@linkcode Session}. */
  get blocked(): boolean {
    return this.#reader.waiting;
  }

  /** See {@linkcode Link}. */
  get draining(): AbortSignal {
    if (!this.#over) this.#context.drain.follow(this.#draining);
    return this.#draining.get();
  }

  /** See {@linkcode Link}. */
  get released(): Promise<void> {
    return this.#released.promise;
  }

  /** See {@linkcode Session}. */
  begin(disconnected: boolean): void {
    this.#idle.restart();
    this.#context.counters.accepted++;
    this.#accepts.add(this.#shown, (reason) => this.#connection.instance.evict(reason));
    if (this.#settings.direction !== "write") this.#duplex.begin();
    else if (disconnected) this.close("peer");
  }

  /** See {@linkcode Session}. */
  readCompleted(): void {
    const outcome = this.#reader.outcome();
    if (outcome === undefined) return;
    const { callbacks } = this.#connection.instance;
    callbacks.enter();
    if (!this.#over) this.#duplex.readCompleted(outcome);
    else if (outcome === "message" || outcome === "partial") this.#connection.dropRequest();
    callbacks.leave();
  }

  /** See {@linkcode Session}. */
  readResumed(): void {
    this.#idle.restart();
  }

  /** See {@linkcode Session}. */
  written(): void {
    this.#duplex.written();
  }

  /** See {@linkcode Session}. After another failure the connection is ended anyway. */
  unwritten(): void {
    if (this.#connection.clientDisconnected) this.#duplex.unwritten();
  }

  /** See {@linkcode Session}. The connection goes on. */
  drain(): void {}

  /** See {@linkcode Session}. */
  finish(): void {
    this.#finish(
      this.#accepts.closed ?? (this.#context.draining ? "shutdown" : "error"),
      "sessionFinished",
    );
  }

  /** See {@linkcode Session}. */
  evict(): void {
    this.#finish("error", "sessionEvicted");
  }

  /** See {@linkcode Session}. */
  end(): void {
    // The session may not be over: after a bug, or when nothing completes any more.
    this.#end();
    this.#duplex.released();
    this.#released.resolve();
  }

  /** See {@linkcode Link}. */
  read(): void {
    this.#idle.restart();
    this.#reader.read();
  }

  /** See {@linkcode Link}. */
  readRest(): void {
    this.#reader.readRest();
  }

  /** See {@linkcode Link}. It is never needed: the next message is read ahead. */
  cancelRead(): void {}

  /** See {@linkcode Link}. */
  get length(): number {
    return this.#reader.length;
  }

  /** See {@linkcode Link}. */
  take(into?: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const message = this.#reader.take(into);
    this.#reader.release();
    return message;
  }

  /** See {@linkcode Link}. The reader has set the reason. */
  readError(): { readonly reason: CloseReason; readonly error: Error } {
    const error = this.errors.read({ call: "ReadFile", status: Status.CANCELLED });
    return { reason: "error", error };
  }

  /** See {@linkcode Link}. */
  overflowed(queued: number): void {
    this.#connection.instance.evict("maxQueued", unread(this.#context, queued));
  }

  /** See {@linkcode Link}. */
  endSeen(): void {
    this.#endSeen = true;
    const { client, instance } = this.#connection;
    const error = this.errors.ended();
    instance.callbacks.enter();
    instance.callbacks.add(() => client.abort(() => error));
    instance.callbacks.leave();
  }

  /** See {@linkcode Link}. */
  close(reason: CloseReason, error?: Error): void {
    this.#connection.setEndReason(reason, error);
    if (reason === "peer") this.#finish(reason, "clientDisconnected");
    else if (reason === "self") this.#finish(reason, "sessionClosed");
    else this.evict();
  }

  #received(): void {
    const { counters } = this.#context;
    counters.messagesIn++;
    counters.latency?.record(this.loop.kernel.now() - this.#reader.arrivedAt);
  }

  /**
   * The session is over.
   *
   * @param reason Why the connection ends, if no reason is set yet.
   */
  #finish(reason: CloseReason, event: SessionEnd): void {
    this.#connection.setEndReason(reason);
    this.#end();
    this.#connection.instance.raise(event);
  }

  #end(): void {
    const { reason, error } = this.#connection.endReason;
    this.#over = true;
    this.#idle.lift();
    this.#reader.close();
    this.#context.drain.forget(this.#draining);
    this.#accepts.remove(this.#shown);
    for (let unread = this.#duplex.unread; unread > 0; unread--) this.#connection.dropRequest();
    this.#duplex.ended(reason, error);
    this.#reader.release();
    const { client, endError, instance } = this.#connection;
    instance.callbacks.add(() => client.abort(endError));
  }
}
