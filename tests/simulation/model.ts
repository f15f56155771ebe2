/**
 * The reference model of what clients and the users of a server may see.
 *
 * Each connection has two sides, which are bound to each other by what the messages say: a
 * {@linkcode Link}, as its client knows it, and a {@linkcode Session}, as the server's user knows
 * it. Requests must arrive in the order in which they were sent, whole, none twice, and none left
 * out but what its client withdrew; answers likewise.
 *
 * @module
 */

import { WindowsError } from "../../src/kernel/errors.ts";
import type { Exchange } from "../../src/exchange/exchange.ts";
import type { PipeClient } from "../../src/server/client.ts";
import { isShortage, Status } from "../../src/kernel/status.ts";
import { LAST_WRITE_TIMEOUT } from "../../src/pipe/write_queue.ts";
import type { ServerStats } from "../../src/server/stats.ts";
import type { ShutdownReport } from "../../src/server/tally.ts";
import { describe, IDENTITY, replyTo, requestOf, sameBytes, senderOf } from "./messages.ts";

/** Bytes of a long message that a server reads at least before it asks for the rest. */
export const FIRST_PIECE = 4096;

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
export interface Limits {
  readonly maxMessage: number;
  readonly maxPerProcess: number;
  readonly idleTimeout: number;
  readonly writeTimeout: number;
  readonly maxQueued: number;
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

/** All connections of a history. */
export class Model {
  readonly links: Link[] = [];
  readonly sessions = new Map<PipeClient, Session>();
  readonly #surroundings: Surroundings;
  /** Connections that are over for sure. */
  #past = 0;

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
  }

  /** All clients that there were are gone, and every server knows. */
  allGone(): void {
    this.#past = this.links.length;
  }

  /** A client has connected. */
  connected(owner: string, strict: boolean, stream: boolean, process: number): Link {
    const link = new Link(this.links.length, owner, strict, stream, process);
    this.links.push(link);
    return link;
  }

  /** The server's user is asked whether to let a client in. */
  asked(client: PipeClient, server: ServerRecord): Session {
    const session = this.#session(client, server);
    if (server.authorizes === undefined || session.verdict !== "unasked" || session.requests > 0) {
      this.#violate(`client ${client.id} is asked about when it should not be`);
    }
    this.#notEnded(session, "is asked about");
    session.verdict = "asked";
    session.askedAt = this.#surroundings.taskBegin;
    return session;
  }

  /** What the server's user has decided. */
  decided(session: Session, admitted: boolean): void {
    session.verdict = admitted ? "admitted" : "refused";
  }

  /** The server tells that a client is there. */
  arrived(client: PipeClient, server: ServerRecord): void {
    const session = this.#session(client, server);
    this.#notEnded(session, "is there");
    const { told, requests, verdict } = session;
    if (told) this.#violate(`client ${client.id} is there twice`);
    if (requests > 0) this.#violate(`client ${client.id} is there after its first request`);
    if (server.authorizes !== undefined && verdict !== "admitted") {
      this.#violate(`client ${client.id} is there, but it is ${verdict}`);
    }
    session.told = true;
  }

  /** The session of a client that a message may be pushed to; undefined: it would not take it. */
  pushable(client: PipeClient, server: ServerRecord): Session | undefined {
    const session = this.#session(client, server);
    const links = session.link === undefined
      ? this.links.filter(({ process, session }) =>
        process === client.processId && session === undefined
      )
      : [session.link];
    if (server.authorizes !== undefined && session.verdict !== "admitted") {
      this.#violate(`client ${client.id} is connected, but it is ${session.verdict}`);
    }
    return links.length > 0 && links.every(({ takesPushes }) => takesPushes) ? session : undefined;
  }

  /** A server reads the rest of a long request, for which its client must have been admitted. */
  readsOn(link: Link): void {
    const { session, server } = link;
    if (server?.authorizes === undefined) return;
    const candidates = session === undefined
      ? [...this.sessions.values()].filter((other) => other.link === undefined)
      : [session];
    if (candidates.some(({ verdict }) => verdict === "admitted")) return;
    this.#violate(`a long request of ${link.owner} is read, who is not admitted`);
  }

  /** The server's user gets a request. */
  requested(exchange: Exchange, server: ServerRecord): Session {
    const { client, request } = exchange;
    const session = this.#session(client, server);
    session.requests++;
    session.asked += this.#surroundings.prefix + request.length;
    this.#notEnded(session, "asks");
    if (request.length > server.limits.maxMessage) {
      this.#violate(`client ${client.id} asks with ${request.length} B, which is too long`);
    }
    if (server.authorizes !== undefined && session.verdict !== "admitted") {
      this.#violate(`client ${client.id} asks, but it is ${session.verdict}`);
    }
    if (server.hooked && !session.told) {
      this.#violate(`client ${client.id} asks before it is there`);
    }
    this.#served(session);
    const { open } = session;
    if (open !== undefined && !open.over && !open.exchange.signal.aborted) {
      this.#violate(`I4: client ${client.id} has two open exchanges`);
    }
    // What was pushed after the last answer may still be on its way.
    session.taken = session.answers.findLastIndex(({ pushed }) => !pushed) + 1;
    session.open = { exchange, at: this.#surroundings.taskBegin, over: false };
    if (session.link === undefined) this.#bind(session, request);
    if (session.link === undefined) session.unbound.push(request.slice());
    else this.#consume(session.link, request);
    this.#identified(session, client);
    return session;
  }

  /** Whoever forgets a client at its end hears nothing more of it. */
  #notEnded({ id, ends, server }: Session, what: string): void {
    if (ends > 0 && !server.failed) this.#violate(`client ${id} ${what} after its end was told`);
  }

  /** A client is who its process is, or it is told why nobody knows. */
  #identified({ link, server }: Session, client: PipeClient): void {
    try {
      const { sid } = client.user();
      if (!server.identifies) this.#violate(`client ${client.id} is identified`);
      const expected = link === undefined ? sid : this.#surroundings.sidOf(link.process);
      if (sid !== expected) this.#violate(`client ${client.id} is ${expected}, not ${sid}`);
    } catch (error) {
      if (!server.identifies && error instanceof Deno.errors.NotSupported) return;
      // What is short is waited for, and anything else is the system's last word.
      const told = error instanceof WindowsError && !isShortage(error.code);
      const early = told && link?.unknown && error.code === Status.CANNOT_IMPERSONATE;
      const explained = !early || error.message.includes("may try again");
      if (!told || !explained) this.#violate(`client ${client.id} is not identified: ${error}`);
    }
  }

  /** The server's user is about to give a message: its client may have it before the call ends. */
  answers(session: Session, bytes: Uint8Array, pushed: boolean = false): Answer {
    const answer: Answer = {
      bytes,
      pushed,
      at: this.#surroundings.now,
      state: "returned",
      due: false,
    };
    session.answers.push(answer);
    session.full ||= this.#mayWait(session) > session.server.limits.maxQueued;
    return answer;
  }

  /** What the server's user was promised for a message. */
  promised(session: Session, answer: Answer, promise: Promise<void>): void {
    answer.state = "open";
    this.#bounded(session);
    promise.then(() => {
      answer.state = "resolved";
      this.#over(session, answer.bytes);
    }, (error) => {
      answer.state = "rejected";
      if (answer.due && !(error instanceof Deno.errors.BrokenPipe)) session.dropped++;
      this.#over(session, answer.bytes);
      this.#rejected(session, error, answer);
    });
  }

  /** What waits for one client is bounded, but for one message. */
  #bounded({ answers, server, open }: Session): void {
    const { failed, limits } = server;
    if (failed || open === undefined || open.exchange.client.signal.aborted) return;
    const waiting = answers.slice(0, -1);
    const first = waiting.findIndex(({ bytes }) =>
      this.#answererOf(bytes) !== undefined && this.#surroundings.pends(bytes)
    );
    if (first >= 0 && sizeOf(waiting.slice(first)) > limits.maxQueued) {
      this.#violate(`too much waits for client ${open.exchange.client.id}`);
    }
  }

  #isWritten(bytes: Uint8Array): boolean {
    return this.#answererOf(bytes) !== undefined && this.#surroundings.writes(bytes);
  }

  /** Who has sent an answer, and its number, as the answer says. */
  #answererOf(bytes: Uint8Array): ReturnType<typeof senderOf> {
    return senderOf(bytes.subarray(this.#surroundings.prefix));
  }

  #over(session: Session, bytes: Uint8Array): void {
    if (session.server.failed) return;
    if (this.#isWritten(bytes)) {
      this.#violate(`I2: the promise of ${describe(bytes)} settled while it is being written`);
    }
  }

  /** The server tells the end of a connection. */
  disconnected(client: PipeClient, reason: string, error: unknown, server: ServerRecord): void {
    const session = this.#session(client, server);
    session.reason = reason;
    if (++session.ends > 1) this.#violate(`the end of client ${client.id} was told twice`);
    const why = this.#unexplained(session, reason, error);
    if (why !== undefined) {
      this.#violate(
        `client ${client.id} of ${session.link?.owner ?? "?"} ended by "${reason}" ` +
          `(${error}), but ${why}`,
      );
    }
  }

  /** A client gets bytes; `more`: they are not all of their message. */
  received(link: Link, bytes: Uint8Array, more: boolean): void {
    if (link.stream && bytes.length === 0) return;
    if (link.session === undefined) this.#bindAnswer(link, bytes);
    const { session } = link;
    if (session === undefined) {
      const told = this.#answererOf(bytes) !== undefined;
      if (told) this.#violate(`I5: ${link.owner} got ${describe(bytes)} from nowhere`);
      link.unbound.push({ bytes, more });
      return;
    }
    if (link.stream) this.#receivedBytes(link, session, bytes);
    else this.#receivedMessage(link, session, bytes, more);
  }

  /** Whether a client has got all that it can expect. */
  satisfied(link: Link): boolean {
    if (link.sent.some(({ state }) => state === "pending")) return false;
    const { session } = link;
    if (session === undefined) return !this.#isAwaited(link);
    const { open } = session;
    return this.#consumed(link) && (open === undefined || open.over) &&
      (this.#settled(session, link) || link.ended);
  }

  /** The whole world rests while the server listens: nothing may be missing. */
  atRest(server: ServerRecord): void {
    for (const link of this.links) {
      const { session } = link;
      if (link.tainted !== undefined || this.#isFaulty(link) || link.evicted) continue;
      if (session === undefined) {
        // It may be the one that a limit has ended before any of its requests was seen.
        const ended = this.#sessionsOf(server).some((other) => other.limited && !other.link);
        if (link.server === server && !mayBeRefused(server) && !ended) this.#unserved(link);
      } else if (session.server === server && session.closedAt === undefined) {
        // Without its hook, or of who has left, a server does not tell that a limit did the rest.
        const { idleTimeout, responderTimeout } = server.limits;
        const timed = isFinite(Math.min(idleTimeout, responderTimeout));
        const hidden = !server.hooked && this.#isUnread(session) || link.left && timed;
        if (!session.limited && !hidden) this.#complete(link);
      }
    }
  }

  /** Nothing happens any more but what time brings: nobody may wait for nothing. */
  atStandstill(server: ServerRecord): void {
    if (server.failed) return;
    const sessions = this.#sessionsOf(server);
    for (const session of sessions) {
      const { id, ends, link, closedAt } = session;
      // A connection that the server ends itself may wait for its last message.
      if (closedAt !== undefined || server.stoppedAt !== undefined) continue;
      if (!server.hooked || ends > 0 || link?.left !== true || link.tainted !== undefined) continue;
      if (!isAnswering(session)) this.#violate(`I7: client ${id} has left, and is not let go of`);
    }
    if (server.shutDownAt === undefined || server.stoppedAt !== undefined) return;
    if (this.#shutdownTimedOut(server) || sessions.some((session) => this.#isOwed(session))) return;
    const links = this.links.filter((link) => link.server === server);
    if (links.some(({ tainted }) => tainted !== undefined)) return;
    const there = links.filter(({ left, closed, evicted }) => !left && !closed && !evicted);
    const waiting = there.find((link) => this.#isAwaited(link) && this.#isDue(link, server));
    if (waiting !== undefined) this.#violate(`a shutdown does not serve ${waiting.owner}`);
    else if (there.every((link) => this.#wasServed(link, server))) {
      this.#violate("I8: a shutdown waits for nobody");
    }
  }

  /** Every completion was seen, and whoever is to look has looked. */
  atPeace(server: ServerRecord): void {
    for (const session of this.#sessionsOf(server)) {
      const { id, link, open, closedAt, ends } = session;
      if (link === undefined || !link.left || link.withdrew) continue;
      // After an early request nobody looks.
      if (link.sent.length !== link.next) continue;
      if (!isAnswering(session)) {
        const isKept = server.hooked && ends === 0 && closedAt === undefined;
        if (isKept) this.#violate(`I7: client ${id} has left, and is not let go of`);
      } else if (!open?.exchange.signal.aborted) {
        this.#violate(`the exchange of client ${id}, who has left, is not told so`);
      }
    }
  }

  /** Nobody is at work on a request, so nothing is held, and nobody may wait for room. */
  atPeaceWithRoom(server: ServerRecord): void {
    if (this.#sessionsOf(server).some(isAnswering)) return;
    for (const link of this.links) {
      const { session } = link;
      if (link.server !== server || link.left || link.ended || link.evicted) continue;
      if (this.#isFaulty(link)) continue;
      const waits = session === undefined
        ? !mayBeRefused(server) && this.#isAwaited(link)
        : isOpen(session) && this.#settled(session, link) && !this.#consumed(link);
      if (waits) this.#violate(`I7: ${link.owner} waits for room that nobody takes`);
    }
  }

  #sessionsOf(server: ServerRecord): Session[] {
    return [...this.sessions.values()].filter((session) => session.server === server);
  }

  /** Whether a client can still get something. */
  #isOwed(session: Session): boolean {
    const { link, answers } = session;
    if (isAnswering(session)) return true;
    const given = answers.filter(({ state }) => state !== "rejected").length;
    return given > (link?.received ?? 0);
  }

  /** A server begins to end, and is to report what comes of it. */
  ending(server: ServerRecord): void {
    for (const session of this.#sessionsOf(server)) {
      session.overBefore = Math.max(0, session.requests - 1);
      // Of one that is over, what was given up is not known at once.
      const over = session.open?.exchange.client.signal.aborted;
      for (const answer of session.answers) answer.due = !over && answer.state === "open";
    }
  }

  /** What a server reports of its end. */
  reported(server: ServerRecord, report: ShutdownReport): void {
    if (server.failed) return;
    const sessions = this.#sessionsOf(server);
    const asked = sum(sessions.map(({ requests, overBefore }) => requests - overBefore));
    const given = sum(sessions.map(({ dropped }) => dropped));
    const unanswered = sum(
      sessions.map(({ answers, taken }) =>
        answers.slice(taken).filter(({ state }) => state !== "resolved").length
      ),
    );
    // Of each client one may be read ahead, while the one before waits for a responder.
    const most = this.#surroundings.prefix > 0 ? Infinity : 2;
    const unserved = sum(
      this.links.filter(({ session }) => session === undefined || session.server === server)
        .map(({ sent, next }) => Math.min(most, sent.length - next)),
    );
    const { exchanges, evicted, dropped } = report;
    const counts = exchanges >= 0 && exchanges <= asked && evicted >= 0 && dropped >= given &&
      dropped <= unanswered + unserved;
    if (counts) return;
    this.#violate(
      `a shutdown reports ${JSON.stringify(report)}, but ${asked} were asked, ${given} to ` +
        `${unanswered} answers and at most ${unserved} requests were given up`,
    );
  }

  /** What a server that has ended has counted. */
  counted(server: ServerRecord, stats: ServerStats): void {
    if (server.failed) return;
    const sessions = this.#sessionsOf(server);
    const inState = (wanted: string) =>
      sum(sessions.map(({ answers }) => answers.filter(({ state }) => state === wanted).length));
    const taken = sum(sessions.map(({ requests }) => requests));
    const { requests, messagesIn, messagesOut, accepted, refused, ended } = stats;
    // Of what a responder returned, nobody is told whether it was written.
    const written = inState("resolved");
    if (messagesOut < written || messagesOut > written + inState("returned")) {
      this.#agree("messages to clients", messagesOut, written);
    }
    // Some of those that were delivered may never have been taken.
    if (requests !== taken && (!server.queues || requests < taken)) {
      this.#agree("requests", requests, taken);
    }
    if (messagesIn < requests) this.#agree("messages from clients", messagesIn, requests);
    const asked = sum(sessions.map((session) => session.asked));
    if (stats.bytesIn < asked) this.#agree("bytes from clients", stats.bytesIn, asked);
    // In their frames already.
    const bytesOf = (...wanted: readonly AnswerState[]) =>
      sum(
        sessions.flatMap(({ answers }) => answers.filter(({ state }) => wanted.includes(state)))
          .map(({ bytes }) => bytes.length),
      );
    const least = bytesOf("resolved");
    // What is rejected may be written in part.
    const most = bytesOf("resolved", "returned", "rejected");
    if (stats.bytesOut < least || stats.bytesOut > most) {
      this.#agree("bytes to clients", stats.bytesOut, least);
    }
    if (server.hooked) {
      this.#agree("clients", accepted, sessions.filter(({ told }) => told).length);
      for (const [reason, count] of Object.entries(ended)) {
        const told = sessions.filter((session) => session.reason === reason).length;
        this.#agree(`ends by "${reason}"`, count, told);
      }
    }
    this.#agree("clients refused", refused, ended.unauthorized + ended.maxPerProcess);
    const { listening, clients, open, waiting, buffered, queued } = stats;
    this.#agree("what is left", listening + clients + open + waiting + buffered + queued, 0);
  }

  #agree(what: string, counted: number, known: number): void {
    if (counted !== known) this.#violate(`a server counts ${counted} ${what}, which are ${known}`);
  }

  /** A server has ended. */
  atEnd(server: ServerRecord): void {
    if (server.failed) return;
    for (const [client, session] of this.sessions) {
      if (session.server !== server) continue;
      if (server.hooked && session.ends !== 1) {
        this.#violate(`the end of client ${client.id} was told ${session.ends} times`);
      }
      if (session.answers.some(({ state }) => state === "open")) {
        this.#violate(`I8: an answer to client ${client.id} never settled`);
      }
    }
  }

  /** All clients have read what there was, and have left or seen the end. */
  atLast(): void {
    for (const link of this.links) {
      const { session } = link;
      if (session === undefined || link.left || link.evicted || link.tainted !== undefined) {
        continue;
      }
      if (session.server.failed) continue;
      const taken = session.answers.findLastIndex(({ state }) => state === "resolved") + 1;
      if (!this.#received(link, session.answers.slice(0, taken))) {
        this.#violate(
          `I5: ${link.owner} got ${link.received} answers, but the server was told that ${taken} are taken`,
        );
      }
    }
  }

  #served(session: Session): void {
    if (session.task !== this.#surroundings.task) {
      session.task = this.#surroundings.task;
      session.inTask = 0;
    }
    if (++session.inTask > (session.server.queues ? 2 : 1)) {
      this.#violate(`I9: client ${session.id} is served ${session.inTask} times in one turn`);
    }
  }

  #session(client: PipeClient, server: ServerRecord): Session {
    let session = this.sessions.get(client);
    if (session === undefined) {
      session = new Session(client.id, this.sessions.size, server);
      this.sessions.set(client, session);
    }
    return session;
  }

  #violate(what: string): void {
    this.#surroundings.violate(what);
  }

  #bind(session: Session, request: Uint8Array): void {
    const sender = senderOf(request);
    if (sender === undefined) return;
    const link = this.links[sender.sender];
    if (link === undefined) return this.#violate(`I4: a request of nobody: ${describe(request)}`);
    if (link.session !== undefined && link.session !== session) {
      return this.#violate(
        `I4: a request of ${link.owner} came as one of client ${session.id}, ` +
          `who is client ${link.session.id}`,
      );
    }
    this.#join(link, session);
  }

  #bindAnswer(link: Link, bytes: Uint8Array): void {
    const sender = this.#answererOf(bytes);
    if (sender === undefined) return;
    for (const session of this.sessions.values()) {
      if (session.number !== sender.sender || session.link !== undefined) continue;
      return this.#join(link, session);
    }
  }

  /** What was seen of either side before counts now. */
  #join(link: Link, session: Session): void {
    link.session = session;
    session.link = link;
    for (const early of session.unbound.splice(0)) this.#consume(link, early);
    for (const { bytes, more } of link.unbound.splice(0)) this.received(link, bytes, more);
  }

  /** A request must be the next one that was not withdrawn. */
  #consume(link: Link, request: Uint8Array): void {
    const { lastLength } = link;
    link.lastLength = request.length;
    for (let at = link.next; at < link.sent.length; at++) {
      const sent = link.sent[at];
      if (sent === undefined) break;
      if (sent.state !== "withdrawn" && sameBytes(sent.bytes, request)) {
        link.next = at + 1;
        return;
      }
      // Nothing of it is read in advance.
      const awaited = lastLength > this.#surroundings.readBufferSize;
      if (sent.state === "withdrawn" && !awaited && this.#glued(link, at, request)) return;
      if (sent.state !== "withdrawn" && sent.state !== "unknown") break;
    }
    const expected = link.sent.slice(link.next).find(({ state }) => state !== "withdrawn");
    this.#violate(
      `I4: ${link.owner} sent ${expected === undefined ? "nothing" : describe(expected.bytes)}, ` +
        `but the server's user got ${describe(request)}`,
    );
  }

  /**
   * The one gap that is left: a writer that withdraws the rest of a long message, and has
   * written the next one before the server asks how long the rest is, or one of just that length.
   */
  #glued(link: Link, at: number, request: Uint8Array): boolean {
    const first = link.sent[at];
    if (first === undefined || first.bytes.length <= FIRST_PIECE) return false;
    const later = link.sent.slice(at + 1);
    const second = later.findIndex(({ state }) => state !== "withdrawn");
    const next = later[second];
    // An empty one can be told: a rest has at least one byte.
    if (next === undefined || next.bytes.length === 0) return false;
    const piece = request.length - next.bytes.length;
    if (
      piece < FIRST_PIECE || piece >= first.bytes.length ||
      !sameBytes(request.subarray(0, piece), first.bytes.subarray(0, piece)) ||
      !sameBytes(request.subarray(piece), next.bytes)
    ) return false;
    const asLong = next.bytes.length === first.bytes.length - piece;
    const before = first.at < link.measured;
    if (!asLong && !before) return false;
    link.next = at + second + 2;
    return true;
  }

  #rejected(session: Session, error: unknown, { pushed, at }: Answer): void {
    // A server that shuts down ends the connections that nobody is served on.
    if (pushed && at >= (session.server.shutDownAt ?? Infinity)) return;
    const why = this.#unexplainedLoss(session, error);
    if (why !== undefined) {
      this.#violate(`I5: an answer to client ${session.id} was rejected (${error}), but ${why}`);
    }
  }

  /** Why an answer that did not reach its client should have. */
  #unexplainedLoss(session: Session, error: unknown): string | undefined {
    const { link, server, closedAt } = session;
    const limit = limitOf(error);
    if (limit !== undefined) return this.#unreached(session, limit);
    if (isShortageOf(error, "WriteFile") && this.#isUnread(session)) return;
    if (link === undefined || link.left || link.tainted !== undefined) return;
    if (this.#isFaulty(link)) return;
    if (closedAt !== undefined || server.stoppedAt !== undefined || server.failed) return;
    if (this.#shutdownTimedOut(server)) return;
    // What was pushed is still written when the connection has ended, but not for ever.
    if (server.shutDownAt !== undefined && this.#isUnread(session)) return;
    return `${link.owner} is there`;
  }

  #unexplained(session: Session, reason: string, error: unknown): string | undefined {
    const { link, server, endedAt = Infinity } = session;
    const touched = link === undefined
      ? this.#surroundings.tainted || this.links.some((other) => this.#isFaulty(other))
      : link.tainted !== undefined;
    switch (reason) {
      case "peer":
        return link === undefined || link.left || touched ? undefined : "its client is there";
      case "self":
        return session.closedAt !== undefined ? undefined : "nobody closed it";
      case "stopped":
        if (server.failed) return;
        if (server.stoppedAt === undefined) return "nobody stopped it";
        return server.stoppedAt <= endedAt ? undefined : CLOSED_BEFORE;
      case "shutdown":
        if (server.shutDownAt === undefined) return "nobody shut it down";
        if (session.verdict === "asked" && !this.#shutdownTimedOut(server)) {
          return "its user has not decided yet";
        }
        if (endedAt === Infinity) return;
        return server.shutDownAt + server.shutdownTimeout <= endedAt ? undefined : CLOSED_BEFORE;
      case "error":
        session.limited ||= isShortageOf(error, "WriteFile") && this.#isUnread(session);
        if (touched || link === undefined || this.#isFaulty(link) || server.failed) return;
        if (link.left && isCutOff(error)) return;
        return session.limited ? undefined : "nothing failed";
      case "unauthorized":
        session.limited = true;
        return session.verdict === "refused" ? undefined : `it is ${session.verdict}`;
      case "maxMessage":
      case "maxPerProcess":
      case "idleTimeout":
      case "writeTimeout":
      case "maxQueued":
      case "responderTimeout":
        session.limited = true;
        if (limitOf(error) !== reason) return "the error says something else";
        if (reason === "writeTimeout" && endedAt < Infinity && !this.#isUnread(session, endedAt)) {
          return CLOSED_BEFORE;
        }
        return this.#unreached(session, reason);
      default:
        return "there is no such reason";
    }
  }

  /** Why a limit cannot have ended a connection. */
  #unreached(session: Session, limit: keyof Limits): string | undefined {
    const { link, server, open } = session;
    const { limits } = server;
    const { now } = this.#surroundings;
    if (limits[limit] === Infinity && limit !== "writeTimeout") return `there is no ${limit}`;
    if (limit === "maxPerProcess") {
      return this.#crowd(link) > limits.maxPerProcess ? undefined : "its process has no others";
    }
    if (link === undefined) return;
    switch (limit) {
      case "maxMessage":
        return this.#isFaulty(link) ? undefined : "no request was too long";
      case "idleTimeout": {
        const asked = open?.at ?? 0;
        return asked + limits.idleTimeout <= now ? undefined : "it has asked in time";
      }
      case "responderTimeout":
        if (session.verdict === "asked" && session.askedAt + limits.responderTimeout <= now) return;
        if (open === undefined) return "nothing was asked";
        return open.at + limits.responderTimeout <= now ? undefined : "there is still time";
      case "writeTimeout":
        return this.#isUnread(session) ? undefined : "nothing is unread for so long";
      case "maxQueued":
        return session.full ? undefined : "too little waits for it";
    }
  }

  /** The most connections that its process, or else any, may have. */
  #crowd(link: Link | undefined): number {
    const sizes = new Map<number, number>();
    for (const { process } of this.links.slice(this.#past)) {
      sizes.set(process, (sizes.get(process) ?? 0) + 1);
    }
    return link === undefined ? Math.max(0, ...sizes.values()) : sizes.get(link.process) ?? 0;
  }

  /** Whether a message may be unread for longer than is allowed. */
  #isUnread({ answers, taken, server }: Session, by: number = this.#surroundings.now): boolean {
    const { writeTimeout } = server.limits;
    const time = writeTimeout === Infinity ? LAST_WRITE_TIMEOUT : writeTimeout;
    return answers.slice(taken).some(({ at }) => at + time <= by);
  }

  /** The most bytes that may wait for a client, besides the last message. */
  #mayWait({ answers, taken }: Session): number {
    const open = answers.slice(taken, -1).filter(({ state }) => state !== "resolved");
    const ended = open.findLastIndex(({ bytes }) =>
      this.#answererOf(bytes) !== undefined && this.#surroundings.ended(bytes)
    );
    return sizeOf(open.slice(ended + 1));
  }

  #isTooLong({ sent }: Link): boolean {
    return sent.some(({ bytes }) => bytes.length > this.#surroundings.maxMessage);
  }

  /** Whether the server may end the connection because of what its client did. */
  #isFaulty(link: Link): boolean {
    return link.withdrew || this.#isTooLong(link);
  }

  /** Whether the server may throw a client out that is there. */
  mayEvict(link: Link, server: ServerRecord): boolean {
    const { session } = link;
    if (link.left || link.tainted !== undefined || this.#isFaulty(link)) return true;
    if (this.#shutdownTimedOut(server)) return true;
    if (server.limits.maxPerProcess !== Infinity) return true;
    if (session !== undefined) return this.#isUnread(session) || session.full;
    const unbound = [...this.sessions.values()].filter((other) => other.link === undefined);
    return unbound.some((other) => this.#isUnread(other) || other.full);
  }

  /** A server closes its end: a client that was there before it shut down is served once. */
  closed(link: Link, late: boolean): void {
    const { server } = link;
    link.closed = true;
    if (server?.shutDownAt === undefined || server.stoppedAt !== undefined || server.failed) return;
    if (late || this.#shutdownTimedOut(server)) return;
    if (this.#isDue(link, server)) this.#violate(`a shutdown does not serve ${link.owner}`);
  }

  /** Whether a client is there that no request of was delivered yet, and that may not be refused. */
  #isDue(link: Link, server: ServerRecord): boolean {
    if (link.left || link.tainted !== undefined || link.cutShort) return false;
    return !this.#isFaulty(link) && !mayBeRefused(server) && !this.#wasServed(link, server);
  }

  /** Whether the server's user got a request of a client, as far as can be told. */
  #wasServed(link: Link, server: ServerRecord): boolean {
    const [first] = link.sent;
    if (link.session !== undefined || first === undefined) return link.next > 0;
    // What call() sends does not say whose it is.
    return senderOf(first.bytes) === undefined &&
      this.#sessionsOf(server).some((session) =>
        session.link === undefined && session.requests > 0
      );
  }

  #shutdownTimedOut(server: ServerRecord): boolean {
    return server.shutDownAt !== undefined &&
      this.#surroundings.now >= server.shutDownAt + server.shutdownTimeout;
  }

  #receivedMessage(link: Link, session: Session, bytes: Uint8Array, more: boolean): void {
    const answer = session.answers[link.received];
    const from = link.partial;
    const whole = answer !== undefined && from + bytes.length === answer.bytes.length;
    if (
      answer === undefined || more === whole ||
      !sameBytes(answer.bytes.subarray(from, from + bytes.length), bytes)
    ) {
      return this.#wrongAnswer(link, answer, bytes);
    }
    if (more) {
      link.partial += bytes.length;
    } else {
      link.received++;
      link.partial = 0;
    }
  }

  #receivedBytes(link: Link, session: Session, bytes: Uint8Array): void {
    let at = 0;
    do {
      const answer = session.answers[link.received];
      const rest = answer?.bytes.subarray(link.partial);
      const part = bytes.subarray(at, at + (rest?.length ?? 0));
      if (rest === undefined || !sameBytes(rest.subarray(0, part.length), part)) {
        return this.#wrongAnswer(link, answer, bytes.subarray(at));
      }
      at += part.length;
      link.partial += part.length;
      if (part.length === rest.length) {
        link.received++;
        link.partial = 0;
      }
    } while (at < bytes.length);
  }

  #wrongAnswer(link: Link, answer: Answer | undefined, bytes: Uint8Array): void {
    this.#violate(
      `I5: ${link.owner} is to get ${answer === undefined ? "nothing" : describe(answer.bytes)}` +
        ` as number ${link.received}, but got ${describe(bytes)}`,
    );
  }

  #consumed(link: Link): boolean {
    return !link.sent.slice(link.next).some(({ state }) => state === "done");
  }

  #settled(session: Session, link: Link): boolean {
    return this.#received(link, session.answers.filter(({ state }) => state !== "rejected"));
  }

  #received(link: Link, answers: readonly Answer[]): boolean {
    const wanted = link.stream
      ? answers.findLastIndex(({ bytes }) => bytes.length > 0) + 1
      : answers.length;
    return link.received >= wanted;
  }

  /** Nothing that was sent may be lost, even if its client has left. */
  #complete(link: Link): void {
    if (!this.#consumed(link)) {
      this.#violate(
        `I4: the server's user never got ${
          describe(link.sent[link.next]?.bytes ?? new Uint8Array())
        } of ${link.owner}`,
      );
    }
  }

  /** Whether a request was sent that says whose it is: the first one does, but for that of call(). */
  #isAwaited({ sent: [first] }: Link): boolean {
    return first?.state === "done" && senderOf(first.bytes) !== undefined;
  }

  #unserved(link: Link): void {
    if (this.#isAwaited(link)) {
      this.#violate(`I4: the server's user never got anything of ${link.owner}`);
    }
  }
}

/** Whether a server may send a client away of which its user got nothing. */
function mayBeRefused({ limits, authorizes }: ServerRecord): boolean {
  const { idleTimeout, maxPerProcess, responderTimeout } = limits;
  if (isFinite(Math.min(idleTimeout, maxPerProcess))) return true;
  return authorizes === "some" || authorizes === "all" && isFinite(responderTimeout);
}

const CLOSED_BEFORE = "its user had closed it before";

/** Whether its user still works on a request, or on the question whether to let its client in. */
function isAnswering({ open, verdict, ends }: Session): boolean {
  return open !== undefined && !open.over || verdict === "asked" && ends === 0;
}

/** Whether neither side has ended it. */
function isOpen({ closedAt, limited, ends }: Session): boolean {
  return closedAt === undefined && !limited && ends === 0;
}

function sizeOf(answers: readonly Answer[]): number {
  return sum(answers.map(({ bytes }) => bytes.length));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, number) => all + number, 0);
}

/** The limit that an error is about. */
function limitOf(error: unknown): keyof Limits | undefined {
  const message = error instanceof Error ? error.message : "";
  return LIMITS.find((limit) => message.endsWith(`(${limit})`));
}

/** Whether a client has left within a frame. */
function isCutOff(error: unknown): boolean {
  return error instanceof Deno.errors.InvalidData && error.message.endsWith("ended within it");
}

/** Whether a call failed because the system was short of something. */
function isShortageOf(error: unknown, call: string): boolean {
  return error instanceof WindowsError && error.call === call && isShortage(error.code);
}

const LIMITS = [
  "maxMessage",
  "maxPerProcess",
  "idleTimeout",
  "writeTimeout",
  "maxQueued",
  "responderTimeout",
] as const;

/** Whether a status is an end that a client may see. */
export function isClientEnd(status: number): boolean {
  return status === Status.BROKEN || status === Status.NO_DATA || status === Status.DISCONNECTED;
}
