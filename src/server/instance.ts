/**
 * One instance of a pipe: turns completions into events of its lifecycle, and the lifecycle's
 * commands into calls. While a client is connected, its session decides.
 *
 * @module
 */

import { isShortage, Status } from "../kernel/status.ts";
import { PipeEnd, type PipeEndOwner } from "../pipe/pipe_end.ts";
import type { WaitLoop } from "../loop/wait_loop.ts";
import { Admission, isServedAtOnce } from "./admission.ts";
import { Callbacks } from "./callbacks.ts";
import { ServerConnection } from "./connection.ts";
import type { ServerContext } from "./context.ts";
import type { CloseReason } from "../pipe/close_reason.ts";
import { crash } from "./end_reasons.ts";
import { type Command, type Event, FINAL, INITIAL, type State, transition } from "./lifecycle.ts";
import type { InstancePool } from "./pool.ts";
import type { Session } from "./session.ts";
import { handled } from "./state_machine.ts";

/** How a client connected. */
interface Arrival {
  /** Whether it connected before the instance listened, or may have. */
  readonly early: boolean;
  /** Whether it has already disconnected. */
  readonly disconnected: boolean;
}

const IN_TIME: Arrival = { early: false, disconnected: false };
const EARLY: Arrival = { early: true, disconnected: false };

/** See the module. */
export class PipeInstance implements PipeEndOwner {
  /** The part that users see. */
  readonly shown: { readonly id: number };
  /** User callbacks that wait for a settled state. */
  readonly callbacks: Callbacks = new Callbacks();
  readonly end: PipeEnd;
  readonly #pool: InstancePool;
  readonly #context: ServerContext;
  readonly #loop: WaitLoop;
  #state: State = INITIAL;
  #connection: ServerConnection | undefined = undefined;
  #session: Session | undefined = undefined;

  constructor(
    pool: InstancePool,
    context: ServerContext,
    loop: WaitLoop,
    id: number,
    handle: bigint,
  ) {
    this.shown = Object.freeze({ id });
    this.end = new PipeEnd(loop, handle, this);
    this.#pool = pool;
    this.#context = context;
    this.#loop = loop;
  }

  /** Its session, while it has a client. */
  get session(): Session | undefined {
    return this.#session;
  }

  /** Its connection, while it has a client. */
  get connection(): ServerConnection | undefined {
    return this.#connection;
  }

  /** Whether a client can still connect to it, as far as is known. */
  get listening(): boolean {
    return this.#session === undefined && this.#loop.isPending(this.end.inbound);
  }

  /** Whether a request is being authorized or answered, or a message is being written. */
  get busy(): boolean {
    return this.#session?.busy === true || this.#connection?.queue.empty === false;
  }

  /** Listens for a client. */
  listen(): void {
    this.raise("listen");
  }

  /**
   * Takes no further client, and no further request but the first of a client that is there. Ends
   * when that, and an open exchange, is settled.
   */
  drain(): void {
    this.raise("drain");
  }

  /** Ends once the queued messages are written. */
  finish(reason: CloseReason, error?: Error): void {
    this.#connection?.setEndReason(reason, error);
    this.raise("finish");
  }

  /** Ends once the write in flight has completed; drops the other messages. */
  stop(reason: CloseReason, error?: Error): void {
    this.#connection?.setEndReason(reason, error);
    this.raise("stop");
  }

  /** Disconnects the client and ends now. */
  evict(reason: CloseReason, error?: Error): void {
    this.#connection?.setEndReason(reason, error);
    this.raise("evict");
  }

  /** Nothing completes any more: closes the handle, but keeps memory that Windows may still use. */
  abandon(error?: Error): void {
    if (this.#state === FINAL) return;
    this.#state = FINAL;
    this.#connection?.facts.end();
    this.end.abandon();
    this.callbacks.enter();
    this.#connection?.setEndReason(error === undefined ? "stopped" : "error", error);
    this.#endConnection("error");
    this.callbacks.leave();
  }

  /** See {@linkcode PipeEndOwner}. */
  inboundCompleted(): void {
    if (this.#session === undefined) this.#listened(this.end.inbound.status);
    else this.#session.readCompleted();
  }

  /** See {@linkcode PipeEndOwner}. Ends the connection, whatever was interrupted. */
  crashed(error: unknown): void {
    this.callbacks.reset();
    this.#connection?.setEndReason("error", crash(this.#context, error));
    this.callbacks.enter();
    this.#session?.end();
    this.raise("crashed");
    this.callbacks.leave();
  }

  /** See {@linkcode PipeEndOwner}. */
  outboundCompleted(status: number): void {
    this.#connection?.queue.completed(status);
  }

  /**
   * Handles an event that a completion, the session or the server raises.
   *
   * @param arrival How the client connected, for "connected".
   */
  raise(event: Event, arrival: Arrival = IN_TIME): void {
    this.#loop.observer?.transition(this.#state, event, this.#context.draining);
    const { state, commands } = handled(transition(this.#state, event), this.#state, event);
    this.#state = state;
    this.callbacks.enter();
    for (const command of commands) this.#execute(command, arrival);
    this.callbacks.leave();
  }

  #execute(command: Command, arrival: Arrival): void {
    switch (command) {
      case "listen":
        return this.end.listen();
      case "findClient":
        return this.#findClient();
      case "cancelIn":
        return this.end.cancel(this.end.inbound);
      case "cancelOut":
        return this.end.cancel(this.end.outbound);
      case "beginSession":
        return this.#beginSession(arrival);
      case "drainSession":
        return this.#session?.drain();
      case "finishSession":
        return this.#session?.finish();
      case "evictSession":
        return this.#session?.evict();
      case "dropUnsent":
        return this.#connection?.dropUnsent();
      case "limitWrite":
        return this.#connection?.queue.limitLast();
      case "disconnect":
        this.#connection?.facts.end();
        this.#loop.kernel.disconnect(this.end.handle);
        return;
      case "awaitQuiet":
        return this.end.whenQuiet(() => this.raise("quiet"));
      case "recycle":
        return this.#recycle();
      case "close":
        return this.#close();
    }
  }

  #listened(status: number): void {
    this.#pool.listened(status);
    switch (status) {
      case Status.SUCCESS:
        return this.raise("connected");
      case Status.ALREADY_CONNECTED:
        return this.raise("connected", EARLY);
      case Status.NO_DATA:
        return this.raise("connected", { early: true, disconnected: true });
      default:
        return this.raise("listenFailed");
    }
  }

  /** Without a listen, too, a client can connect until the handle is closed. */
  #findClient(): void {
    const { status } = this.#loop.kernel.peek(this.end.handle);
    if (isShortage(status)) return this.#loop.repeat(this.end.inbound);
    if (status !== Status.SUCCESS) return this.raise("clientMissing");
    // The failure of the listen may hide that the client was there before it.
    this.raise("clientFound", EARLY);
  }

  #beginSession({ early, disconnected }: Arrival): void {
    const connection = new ServerConnection(this.#context, this.#loop, this, early);
    this.#connection = connection;
    const serve = () => this.#begin(this.#context.sessions.create(connection), disconnected);
    if (isServedAtOnce(connection)) return serve();
    const admission = new Admission(connection, () => {
      serve();
      // It was read before the session began.
      this.inboundCompleted();
    });
    this.#begin(admission, disconnected);
  }

  #begin(session: Session, disconnected: boolean): void {
    this.#session = session;
    session.begin(disconnected);
  }

  #recycle(): void {
    this.#endConnection("peer");
    // Otherwise data that this client left would pass for the next client's.
    const usable = this.#loop.kernel.disconnect(this.end.handle) === Status.SUCCESS &&
      this.#pool.takesBack();
    this.raise(usable ? "listen" : "finish");
  }

  #close(): void {
    this.#endConnection(this.#context.draining ? "shutdown" : "error");
    // Another instance takes its place before the handle closes: the name must not vanish.
    this.#pool.closing();
    this.end.release();
    this.callbacks.add(() => this.#pool.closed(this));
  }

  /** @param reason Why it ended, if no reason is set yet. */
  #endConnection(reason: CloseReason): void {
    this.#connection?.setEndReason(reason);
    this.#session?.end();
    this.#connection?.end();
    this.#session = undefined;
    this.#connection = undefined;
  }
}
