/**
 * Decides whether a client is served, before it has a session: reads its first data, which
 * identifies it, and asks the program.
 *
 * @module
 */

import { Deadline } from "../loop/deadlines.ts";
import type { CloseReason } from "../pipe/close_reason.ts";
import type { Message } from "../pipe/message.ts";
import {
  ARRIVING,
  AUTHORIZING,
  type Command,
  DECIDED,
  type Event,
  type State,
  transition,
} from "./admission_states.ts";
import type { ClientSender } from "./client.ts";
import type { ServerConnection } from "./connection.ts";
import type { ServerContext } from "./context.ts";
import { refused, timedOut, unadmitted } from "./end_reasons.ts";
import { rejected } from "./promises.ts";
import { IdleLimit } from "./idle_limit.ts";
import type { Session } from "./session.ts";
import { handled } from "./state_machine.ts";

/** Whether a client is served without a decision. */
export function isServedAtOnce({ context, excess }: ServerConnection): boolean {
  return !context.hooks.authorizes && !excess && context.sessions.closed === undefined;
}

/** See the module. It stands for the client's session until that begins, or the connection ends. */
export class Admission implements Session, ClientSender {
  readonly client = undefined;
  readonly work = undefined;
  readonly stage = undefined;
  readonly queued = 0;
  readonly lastOnly = false;
  readonly #connection: ServerConnection;
  readonly #context: ServerContext;
  readonly #admitted: () => void;
  readonly #idle: IdleLimit;
  readonly #decision = new Deadline(() => this.#stop());
  #state: State = ARRIVING;

  /** @param admitted Begins the session, for which the first data is the outcome of a read. */
  constructor(connection: ServerConnection, admitted: () => void) {
    this.#connection = connection;
    this.#context = connection.context;
    this.#admitted = admitted;
    this.#idle = new IdleLimit(connection);
    if (this.#context.sessions.answers) connection.client.sender = this;
  }

  /** See {@linkcode Session}. */
  get busy(): boolean {
    return this.#state === AUTHORIZING;
  }

  /** See {@linkcode Session}. */
  get blocked(): boolean {
    return this.#connection.reader.waiting;
  }

  /** See {@linkcode Session}. A client may come while the listener is being closed. */
  begin(): void {
    const { excess, instance, reader } = this.#connection;
    const { closed } = this.#context.sessions;
    if (closed !== undefined) instance.callbacks.add(() => instance.evict(closed));
    if (excess || closed !== undefined) return;
    this.readResumed();
    reader.read();
  }

  /** See {@linkcode Session}. */
  readCompleted(): void {
    const outcome = this.#connection.reader.outcome();
    if (outcome !== undefined) this.#raise(outcome);
  }

  /** See {@linkcode Session}. */
  readResumed(): void {
    this.#idle.restart();
  }

  /** See {@linkcode Session}. Nothing is written to a client that is not admitted. */
  written(): void {}

  /** See {@linkcode Session}. */
  unwritten(): void {}

  /** See {@linkcode Session}. Requests of clients that are there are answered, once they are admitted. */
  drain(): void {
    if (!this.#context.sessions.answers) this.finish();
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
    const { client, endError, instance, reader } = this.#connection;
    // The decision may be missing: after a bug, or when nothing completes any more.
    this.#state = DECIDED;
    this.#liftLimits();
    reader.close();
    instance.callbacks.add(() => client.abort(endError));
  }

  /** See {@linkcode ClientSender}. */
  send(message: Message): Promise<void> {
    this.#connection.frame(message);
    if (this.#state === DECIDED) return rejected(this.#connection.abortError());
    throw unadmitted(this.#context);
  }

  get #loop() {
    return this.#connection.loop;
  }

  #raise(event: Event): void {
    this.#loop.observer?.transition(this.#state, event, this.#context.draining);
    const { state, commands } = handled(transition(this.#state, event), this.#state, event);
    const { callbacks } = this.#connection.instance;
    this.#state = state;
    callbacks.enter();
    for (const command of commands) this.#execute(command);
    callbacks.leave();
  }

  #execute(command: Command): void {
    switch (command) {
      case "authorize":
        return this.#authorize();
      case "admit":
        return this.#admit();
      case "dropRequest":
        return this.#connection.dropRequest();
      case "clientDisconnected":
        return this.#finish("peer", command);
      case "sessionFinished":
        return this.#finish(this.#whyFinished, command);
      case "sessionEvicted":
        return this.#finish("error", command);
    }
  }

  #authorize(): void {
    const { client, instance } = this.#connection;
    this.#idle.lift();
    this.#loop.deadlines.set(this.#decision, this.#context.settings[this.#decisionLimit]);
    instance.callbacks.add(() => {
      this.#context.hooks.authorize(client, (yes, error) => this.#decided(yes, error));
    });
  }

  #decided(admitted: boolean, cause: unknown): void {
    // The decision may come late, when the connection has already ended.
    if (this.#state !== AUTHORIZING) return;
    if (!admitted) {
      const { tooEarly } = this.#connection.client;
      this.#connection.setEndReason("unauthorized", refused(this.#context, cause, tooEarly));
    }
    this.#raise(admitted ? "admitted" : "refused");
  }

  #admit(): void {
    this.#liftLimits();
    this.#connection.reader.keep();
    this.#admitted();
  }

  get #whyFinished(): CloseReason {
    return this.#context.sessions.closed ?? (this.#context.draining ? "shutdown" : "error");
  }

  /** @param reason Why the connection ends, if no reason is set yet. */
  #finish(
    reason: CloseReason,
    event: "clientDisconnected" | "sessionFinished" | "sessionEvicted",
  ): void {
    this.#connection.setEndReason(reason);
    this.end();
    this.#connection.instance.raise(event);
  }

  #liftLimits(): void {
    this.#idle.lift();
    this.#loop.deadlines.lift(this.#decision);
  }

  /** Which limit is that of the program's decision. */
  get #decisionLimit(): "idleTimeout" | "responderTimeout" {
    return this.#context.sessions.answers ? "responderTimeout" : "idleTimeout";
  }

  #stop(): void {
    const limit = this.#decisionLimit;
    this.#connection.instance.stop(limit, timedOut(this.#context, limit));
  }
}
