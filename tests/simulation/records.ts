/**
 * What is known of a history: each connection as its client knows it, and as the server's user does.
 *
 * @module
 */

import type { Exchange } from "../../src/exchange/exchange.ts";
import type { SharedLimits } from "./limits.ts";
import { IDENTITY, replyTo, requestOf, senderOf } from "./messages.ts";

/** What became of a request. */
export type SentState =
  /** It may have been written, or not: its client does not know yet. */
  | "pending"
  | "done"
  /** It was given up: it may have been written, or not. */
  | "unknown"
  /** It was not written, or not all of it. */
  | "withdrawn";

/** A request, as its client knows it. */
export interface Sent {
  readonly bytes: Uint8Array<ArrayBuffer>;
  state: SentState;
  /** When it was withdrawn. */
  at: number;
}

/** What became of an answer. */
export type AnswerState =
  /** Its promise is open. */
  | "open"
  /** It was returned by a responder: there is no promise. */
  | "returned"
  | "resolved"
  | "rejected";

/** A message to a client, as the server's user knows it. */
export interface Answer {
  /** When it was given, on the server's clock. */
  readonly at: number;
  readonly bytes: Uint8Array;
  /** It was pushed: no exchange waits for it. */
  readonly pushed: boolean;
  state: AnswerState;
  /** It was on its way when its server began to end. */
  due: boolean;
}

/** A connection, as its client knows it. */
export class Link {
  readonly sent: Sent[] = [];
  /** The request that the server's user is to get next. */
  next = 0;
  /** Answers received in full, and bytes of the next one. */
  received = 0;
  partial = 0;
  session: Session | undefined = undefined;
  /** The server that it was connected to, if that is known. */
  server: ServerRecord | undefined = undefined;
  /** Answers that came before it was known whose they are. */
  readonly unbound: { readonly bytes: Uint8Array; readonly more: boolean }[] = [];
  /** Bytes of the request that the server's user got last. */
  lastLength = 0;
  /** Its client can never be identified: it came before the listen. */
  unknown = false;
  /** Its client has closed its end. */
  left = false;
  /** The client has seen the end of the connection. */
  ended = false;
  /** Its client took back what it was writing. */
  withdrew = false;
  /** A fault of the system touched it. */
  tainted: string | undefined = undefined;
  /** The server threw its client out. */
  evicted = false;
  /** The rest of a message could not be read at once: a shutdown does not wait for it. */
  cutShort = false;
  /** The server has closed its end. */
  closed = false;
  /** Its client takes messages that it has not asked for. */
  takesPushes = false;
  /** When the server last asked how long the rest of a message is. */
  measured = 0;

  /**
   * @param strict Its client can take only one message per request.
   * @param stream Its client reads bytes: it does not see where a message ends, nor empty ones.
   */
  constructor(
    readonly id: number,
    readonly owner: string,
    readonly strict: boolean,
    readonly stream: boolean,
    /** The client's process. */
    readonly process: number,
  ) {}

  /** The next request of this length. The first one is long enough to say whose it is. */
  compose(length: number): Sent {
    const number = this.sent.length;
    const bytes = requestOf(this.id, number, number === 0 ? Math.max(length, IDENTITY) : length);
    const sent: Sent = { bytes, state: "pending", at: 0 };
    this.sent.push(sent);
    return sent;
  }
}

/** An exchange, from its delivery to its end. */
export interface OpenExchange {
  readonly exchange: Exchange;
  /** When the task in which it was delivered began, on the server's clock. */
  readonly at: number;
  /** Its user has answered, or its responder is done. */
  over: boolean;
}

/** A connection, as the server's user knows it. */
export class Session {
  link: Link | undefined = undefined;
  /** Requests that came before it was known whose they are. */
  readonly unbound: Uint8Array[] = [];
  readonly answers: Answer[] = [];
  requests = 0;
  /** Bytes of those requests. */
  asked = 0;
  /** Answers that were written for sure, since a request was delivered after them. */
  taken = 0;
  /** It was given a message while too much waited, for all that its server could know. */
  full = false;
  /** The task in which its last request was delivered. */
  task = -1;
  /** How many were, in that task. */
  inTask = 0;
  open: OpenExchange | undefined = undefined;
  /** When the server's user ended it. */
  closedAt: number | undefined = undefined;
  /** The same, unless that was because it had ended. */
  endedAt: number | undefined = undefined;
  /** A limit of the server ended it. */
  limited = false;
  /** Whether the server has told that its client is there. */
  told = false;
  /** How many ends the server has told. */
  ends = 0;
  /** The reason of the end that was told. */
  reason: string | undefined = undefined;
  /** What its server's user said to whether it is let in, and when that was asked. */
  verdict: "unasked" | "asked" | "admitted" | "refused" = "unasked";
  askedAt = 0;
  /** Exchanges that were over for sure when its server began to end. */
  overBefore = 0;
  /** Answers that its server has given up since then, though their client was there. */
  dropped = 0;

  /**
   * @param id Its number, which the server gave.
   * @param number Its number among the clients of all servers of a history.
   */
  constructor(readonly id: number, readonly number: number, readonly server: ServerRecord) {}

  /** The next answer of this length. */
  compose(length: number): Uint8Array<ArrayBuffer> {
    return replyTo(this.number, this.answers.length, length);
  }
}

/** The limits of a server. */
export interface Limits extends SharedLimits {
  readonly responderTimeout: number;
}

/** What is to be known of a server. */
export interface ServerRecord {
  readonly limits: Limits;
  readonly path: string;
  /** On the simulated clock. */
  stoppedAt: number | undefined;
  shutDownAt: number | undefined;
  shutdownTimeout: number;
  /** It may go away without a word: the loop failed, or the program went away. */
  failed: boolean;
  /** Whether requests may wait for their user, who may get one in the same turn as the next. */
  readonly queues: boolean;
  /** Whether onConnect and onDisconnect are told. */
  readonly hooked: boolean;
  /** Whether its user is asked about each client, and may refuse it. */
  readonly authorizes: "all" | "some" | undefined;
  /** Whether it can tell who its clients are. */
  readonly identifies: boolean;
}

/** Where the model gets its facts from, and where it complains. */
export interface Surroundings {
  /** A number that grows with everything that happens. */
  readonly stamp: number;
  /** Counts the tasks of programs. */
  readonly task: number;
  /** The server's clock. */
  readonly now: number;
  /** When the task that runs began, on the server's clock. */
  readonly taskBegin: number;
  /** The longest request that a server takes. */
  readonly maxMessage: number;
  /** Bytes that a client can write without the server reading. */
  readonly readBufferSize: number;
  /** Bytes before each message, if they are framed. */
  readonly prefix: number;
  /** Whether any connection was touched by a fault. */
  readonly tainted: boolean;
  /** Whether the kernel still has a write of these bytes. */
  writes(bytes: Uint8Array): boolean;
  /** Whether it has, and the write has not ended, seen or not, nor was it said to be over. */
  pends(bytes: Uint8Array): boolean;
  /** Whether it has, and the server can see that the write has ended. */
  ended(bytes: Uint8Array): boolean;
  /** The SID of the user that a process runs as. */
  sidOf(process: number): string;
  violate(what: string): void;
}

/** Who has sent an answer, and its number, as the answer says behind its frame. */
export function answererOf(
  bytes: Uint8Array,
  { prefix }: Pick<Surroundings, "prefix">,
): ReturnType<typeof senderOf> {
  return senderOf(bytes.subarray(prefix));
}

/** Whether its user still works on a request, or on the question whether to let its client in. */
export function isAnswering({ open, verdict, ends }: Session): boolean {
  return open !== undefined && !open.over || verdict === "asked" && ends === 0;
}

/** Whether neither side has ended it. */
export function isOpen({ closedAt, limited, ends }: Session): boolean {
  return closedAt === undefined && !limited && ends === 0;
}

/** Bytes of answers, all together. */
export function sizeOf(answers: readonly Answer[]): number {
  return sum(answers.map(({ bytes }) => bytes.length));
}

/** All numbers, added up. */
export function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, number) => all + number, 0);
}
