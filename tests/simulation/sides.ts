/**
 * What is known of a connection: a {@linkcode Wire}, with a {@linkcode Side} for each end, as its
 * user knows it.
 *
 * @module
 */

import type { CloseReason } from "../../src/pipe/close_reason.ts";
import type { PipeEnded } from "../../src/pipe/pipe_conn.ts";
import { Flow } from "./flow.ts";
import type { SharedLimits } from "./limits.ts";
import type { Shape } from "./shape.ts";

/** The limits of a listener. */
export interface Limits extends SharedLimits {
  readonly maxBuffered: number;
}

/** What is to be known of a listener. */
export interface ListenerRecord {
  readonly limits: Limits;
  readonly instances: number;
  readonly authorizes: "all" | "some" | undefined;
  /** On the listener's clock. */
  closedAt: number | undefined;
  /** It keeps its program running while it listens. */
  refd: boolean;
  /** The reason for which those end that nobody has accepted by then. */
  closedAs: CloseReason | undefined;
  shutDownAt: number | undefined;
  shutdownTimeout: number;
  stoppedAt: number | undefined;
  /** It may go away without a word: the loop failed, or the program went away. */
  failed: boolean;
  /** Nothing of it is left. */
  over: boolean;
}

/** The clock of a program. */
export interface TaskClock {
  readonly time: number;
  /** The time at which the task that runs began. */
  readonly taskBegin: number;
}

/** One end of a connection, as its user knows it. */
export class Side {
  /** Its user has begun to end the connection, or has done what may end it. */
  ending = false;
  /** Its user waits until what is queued is written. */
  graceful = false;
  /** Its handle is closed, or was disconnected. */
  gone = false;
  /** Its user has ended its direction. */
  halfClosed = false;
  /** When it began to say so, while that may still be unread. */
  halfClosedAt = Infinity;
  /** Its user receives nothing more. */
  deaf = false;
  /** It was told that the other end sends nothing more. */
  sawEnd = false;
  /** It receives messages, and not only bytes. */
  decodes = false;
  /** Calls that wait for what comes next. */
  waiting = 0;
  /** Calls whose promises are open. */
  open = 0;
  /** A message was taken so late that its time had run out. */
  slow = false;
  /** More than allowed may have been queued. */
  full = false;
  /** When its connection was last not idle for sure, on its clock, and for how long it was before. */
  #activeAt: number;
  #lastGap = 0;
  /** It uses this module, and its program has it. */
  held = false;
  /** Its program went away. */
  lost = false;
  /** Its calls keep its program running. */
  refd = true;
  /** It was idle for too long when its end was noticed. */
  idled = false;
  /** The task in which it last got a message, and how many. */
  task = -1;
  inTask = 0;
  /** Messages that it has got. */
  messages = 0;
  /** It takes bytes: it does not see empty messages, nor what a stream has taken in vain. */
  takesBytes = false;
  /** Its program has asked how it ends. */
  watched = false;
  /** The task in which it was told. */
  overIn = Infinity;
  /** How it ended, as it was told. */
  over: PipeEnded | undefined = undefined;

  constructor(
    readonly wire: Wire,
    readonly isServer: boolean,
    readonly out: Flow,
    readonly in_: Flow,
    readonly clock: TaskClock,
    /** Milliseconds that a write may take. */
    readonly writeTimeout: number,
  ) {
    this.#activeAt = clock.taskBegin;
  }

  /** Something comes or goes. */
  active(): void {
    const now = this.clock.taskBegin;
    // Several messages may be accepted at once.
    if (now === this.#activeAt) return;
    this.#lastGap = now - this.#activeAt;
    this.#activeAt = now;
  }

  /** For how long it may have been idle, when its end is told a little late. */
  get idle(): number {
    return Math.max(this.#lastGap, this.now() - this.#activeAt);
  }

  now(): number {
    return this.clock.time;
  }

  get other(): Side {
    return this.isServer ? this.wire.client : this.wire.server;
  }

  get name(): string {
    return `the ${this.isServer ? "server" : "client"} of ${this.wire.id}`;
  }
}

/** A connection. */
export class Wire {
  readonly server: Side;
  readonly client: Side;
  /** A fault touched it. */
  tainted: string | undefined = undefined;
  /** Its client withdrew what its server was reading, or sent what no server takes. */
  faulty = false;
  /** The server disconnected it while its client was there. */
  evicted = false;
  /** The server threw within it, as a mistake of its own would. */
  crashed = false;
  /** Its number at its listener, once that has seen it. */
  peer: number | undefined = undefined;
  verdict: "unasked" | "asked" | "admitted" | "refused" = "unasked";
  accepted = false;
  /** The reasons for its end that onDisconnect was told. */
  readonly told: CloseReason[] = [];
  /** Bytes that its server has taken out of the pipe, and the most at once. */
  taken = 0;
  chunk = 0;

  constructor(
    readonly id: number,
    readonly owner: string,
    readonly process: number,
    readonly listener: ListenerRecord,
    shape: Shape,
    clocks: { readonly server: TaskClock; readonly client: TaskClock },
    clientTimeout: number,
  ) {
    const { framing, isLines } = shape;
    const toServer = new Flow(id, true, framing, isLines);
    const toClient = new Flow(id, false, framing, isLines);
    const { writeTimeout } = listener.limits;
    this.server = new Side(this, true, toClient, toServer, clocks.server, writeTimeout);
    this.client = new Side(this, false, toServer, toClient, clocks.client, clientTimeout);
  }
}

/** Where the model gets its facts from, and where it complains. */
export interface Surroundings {
  readonly shape: Shape;
  /** Counts the tasks of programs. */
  readonly task: number;
  /** Whether time may pass while a program has something to do. */
  readonly jumps: boolean;
  /** Whether the kernels have a write of these bytes that has not ended. */
  pends(bytes: Uint8Array): boolean;
  violate(what: string): void;
}
