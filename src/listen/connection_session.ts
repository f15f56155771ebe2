/**
 * Gives one client of a listener to the program as a connection: turns completions and calls into
 * events of the session, and the session's commands into calls.
 *
 * @module
 */

import { Status } from "../kernel/status.ts";
import { Deadline } from "../loop/deadlines.ts";
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
import { BudgetedReader, type ReadOutcome } from "../server/budgeted_reader.ts";
import type { ServerClient } from "../server/client.ts";
import type { ServerConnection } from "../server/connection.ts";
import type { ServerContext } from "../server/context.ts";
import { refused, unread } from "../server/end_reasons.ts";
import { LazySignal } from "../server/lazy_signal.ts";
import type { Session, Sessions } from "../server/session.ts";
import type { Step } from "../server/state_machine.ts";
import type { AcceptQueue, ServerConn } from "./accept_queue.ts";
import {
  begin,
  type Command,
  type Event,
  FINAL,
  type State,
  transition,
} from "./session_states.ts";

/** The sessions of a server whose clients are given to the program as connections. */
export function connectionSessions(settings: ListenSettings, queue: AcceptQueue): Sessions {
  const { framing } = settings;
  const verified = { ...settings, framing: framing && verifiedFraming(framing) };
  return {
    action: "Cannot send to",
    atWork: 0,
    blocked: 0,
    get backlog() {
      // Whoever came now would never be accepted.
      return queue.closed === undefined ? queue.length : Infinity;
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
  /** See {@linkcode Session}. No work of the program is waited for: its connections are. */
  readonly work = undefined;
  readonly #connection: ServerConnection;
  readonly #context: ServerContext;
  readonly #settings: ConnectionSettings & { readonly idleTimeout: number };
  readonly #reader: BudgetedReader;
  readonly #accepts: AcceptQueue;
  readonly #duplex: Duplex;
  readonly #draining = new LazySignal();
  readonly #released = Promise.withResolvers<void>();
  readonly #idle = new Deadline(() => this.#idledOut());
  #state: State = FINAL;
  /** The connection, once the program may have it. */
  #shown: ServerConn | undefined = undefined;
  #outcome: ReadOutcome = "message";
  /** When what was read last has arrived, if that is measured. */
  #arrivedAt = 0;
  #disconnected = false;
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
    this.#reader = new BudgetedReader(
      connection,
      connection.reader,
      () => this.#restartIdle(),
      () => false,
    );
    this.#duplex = new Duplex(this, settings);
    if (settings.idleTimeout !== Infinity) queue.onAccepted = () => this.#restartIdle();
    this.#duplex.onReceived = () => this.#received();
  }

  /** See {@linkcode Session}. */
  get busy(): boolean {
    return this.#shown !== undefined;
  }

  /** See {@linkcode Session}. */
  get client(): ServerClient | undefined {
    const connected = this.#shown !== undefined && this.#state !== FINAL && !this.#endSeen;
    return connected ? this.#connection.client : undefined;
  }

  /** See {@linkcode Session}. */
  get stage(): "waiting" | undefined {
    return this.#shown !== undefined && this.#accepts.has(this.#shown) ? "waiting" : undefined;
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
    if (this.#state !== FINAL) this.#context.drain.follow(this.#draining);
    return this.#draining.get();
  }

  /** See {@linkcode Link}. */
  get released(): Promise<void> {
    return this.#released.promise;
  }

  /** See {@linkcode Session}. A client may come while the listener is being closed. */
  begin(disconnected: boolean): void {
    const { settings, hooks } = this.#context;
    this.#disconnected = disconnected;
    this.#restartIdle();
    const { excess, instance } = this.#connection;
    const { closed } = this.#accepts;
    if (closed !== undefined) instance.callbacks.add(() => instance.evict(closed));
    if (excess || closed !== undefined) return this.#take(begin("excess"));
    const known = settings.identifies ? "unknown" : "known";
    this.#take(begin(hooks.authorizes ? "unadmitted" : known));
  }

  /** See {@linkcode Session}. */
  readCompleted(): void {
    const outcome = this.#reader.outcome();
    if (outcome === undefined) return;
    this.#outcome = outcome;
    if (this.#context.counters.latency !== undefined) this.#arrivedAt = this.loop.kernel.now();
    this.#raise(outcome);
  }

  /** See {@linkcode Session}. */
  written(): void {
    this.#duplex.written();
  }

  /** See {@linkcode Session}. After another failure the connection is ended anyway. */
  unwritten(): void {
    if (this.#connection.clientDisconnected) this.#duplex.unwritten();
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
    this.#end();
    this.#duplex.released();
    this.#released.resolve();
  }

  /** See {@linkcode Link}. */
  read(): void {
    this.#restartIdle();
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
    return this.#connection.reader.length;
  }

  /** See {@linkcode Link}. */
  take(): Uint8Array<ArrayBuffer> {
    const message = this.#reader.take();
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
    instance.callbacks.add(() => client.abort(error));
    instance.callbacks.leave();
  }

  /** See {@linkcode Link}. */
  close(reason: CloseReason, error?: Error): void {
    this.#connection.setEndReason(reason, error);
    if (reason === "peer") this.#raise("peerClosed");
    else this.#raise(reason === "self" ? "closed" : "failed");
  }

  #received(): void {
    const { counters } = this.#context;
    counters.messagesIn++;
    counters.latency?.record(this.loop.kernel.now() - this.#arrivedAt);
  }

  #raise(event: Event): void {
    this.loop.observer?.transition(this.#state, event, this.#context.draining);
    const step = transition(this.#state, event);
    // A bug of ours, which costs one connection: see the wait loop.
    if (step === undefined) throw new Error(`Cannot handle "${event}" while "${this.#state.name}"`);
    this.#take(step);
  }

  #take(step: Step<State, Command>): void {
    this.#state = step.state;
    const { callbacks } = this.#connection.instance;
    callbacks.enter();
    for (const command of step.commands) this.#execute(command);
    callbacks.leave();
  }

  #execute(command: Command): void {
    switch (command) {
      case "read":
        return this.#duplex.begin();
      case "identify":
        return this.#identify();
      case "authorize":
        return this.#authorize();
      case "show":
        return this.#show();
      case "pass":
        return this.#duplex.readCompleted(this.#outcome);
      case "dropRequest":
        return this.#connection.dropRequest();
      case "clientDisconnected":
        return this.#finish("peer", command);
      case "sessionFinished":
        return this.#finish(
          this.#accepts.closed ?? (this.#context.draining ? "shutdown" : "error"),
          command,
        );
      case "sessionClosed":
        return this.#finish("self", command);
      case "sessionEvicted":
        return this.#finish("error", command);
    }
  }

  /** Identifies the client from its first data, before anything else is read. */
  #identify(): void {
    if (this.#connection.identify()) this.#raise("identified");
    else this.#reader.repeat();
  }

  #authorize(): void {
    this.#connection.instance.callbacks.add(() => {
      this.#context.hooks.authorize(
        this.#connection.client,
        (admitted, cause) => this.#decided(admitted, cause),
      );
    });
  }

  #decided(admitted: boolean, cause: unknown): void {
    // The decision may come late, when the session is already over.
    if (this.#state.name !== "authorizing") return;
    if (!admitted) {
      const { tooEarly } = this.#connection.client;
      this.#connection.setEndReason("unauthorized", refused(this.#context, cause, tooEarly));
    }
    this.#raise(admitted ? "admitted" : "refused");
  }

  #show(): void {
    const shown = new Connection(this.#duplex, this.#settings, this.#connection.client);
    this.#shown = shown;
    this.#context.counters.accepted++;
    this.#accepts.add(shown, (reason) => this.#connection.instance.evict(reason));
    if (this.#settings.direction !== "write") this.#duplex.begin();
    else if (this.#disconnected) this.close("peer");
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
    this.loop.deadlines.lift(this.#idle);
    this.#reader.close();
    this.#context.drain.forget(this.#draining);
    if (this.#shown !== undefined) this.#accepts.remove(this.#shown);
    for (let unread = this.#duplex.unread; unread > 0; unread--) this.#connection.dropRequest();
    this.#duplex.ended(reason, error);
    this.#reader.release();
    const aborted = this.#connection.abortError();
    this.#connection.instance.callbacks.add(() => this.#connection.client.abort(aborted));
  }

  /** The client has connected or taken something, or we have begun to read. */
  #restartIdle(): void {
    this.loop.deadlines.set(this.#idle, this.#settings.idleTimeout);
  }

  /** The time pauses while the server is not reading. */
  #idledOut(): void {
    const { idleTimeout, direction } = this.#settings;
    const idle = direction === "write" || this.#reader.pending ||
      this.#state.name === "authorizing";
    if (!idle) return this.#restartIdle();
    this.#connection.instance.stop("idleTimeout", this.errors.idle(idleTimeout));
  }
}
