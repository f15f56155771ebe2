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
import { ServerAccounts } from "./server_accounts.ts";
import { Answers } from "./answers.ts";
import { describe, senderOf } from "./messages.ts";
import { mayBeRefused, Reasons } from "./reasons.ts";
import { Receipts } from "./receipts.ts";
import {
  isAnswering,
  isOpen,
  Link,
  type ServerRecord,
  Session,
  type Surroundings,
} from "./records.ts";

/** All connections of a history. */
export class Model {
  readonly links: Link[] = [];
  readonly sessions = new Map<PipeClient, Session>();
  readonly accounts: ServerAccounts;
  readonly answers: Answers;
  readonly #surroundings: Surroundings;
  readonly #reasons: Reasons;
  readonly #receipts: Receipts;

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
    this.#reasons = new Reasons(surroundings, this.links);
    this.#receipts = new Receipts(surroundings, this.links, () => this.sessions.values());
    this.answers = new Answers(surroundings, this.#reasons);
    this.accounts = new ServerAccounts(
      surroundings,
      this.links,
      (server) => this.#sessionsOf(server),
    );
  }

  /** All clients that there were are gone, and every server knows. */
  allGone(): void {
    this.#reasons.allGone();
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
    this.#receipts.requested(session, request);
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
      // Who has a hook for every client waits for a shortage to pass; anything else is the last word.
      const told = error instanceof WindowsError && !(server.hooked && isShortage(error.code));
      const early = told && link?.unknown && error.code === Status.CANNOT_IMPERSONATE;
      const explained = !early || error.message.includes("may try again");
      if (!told || !explained) this.#violate(`client ${client.id} is not identified: ${error}`);
    }
  }

  /** The server tells the end of a connection. */
  disconnected(client: PipeClient, reason: string, error: unknown, server: ServerRecord): void {
    const session = this.#session(client, server);
    session.reason = reason;
    if (++session.ends > 1) this.#violate(`the end of client ${client.id} was told twice`);
    const why = this.#reasons.missingForEnd(session, reason, error);
    if (why !== undefined) {
      this.#violate(
        `client ${client.id} of ${session.link?.owner ?? "?"} ended by "${reason}" ` +
          `(${error}), but ${why}`,
      );
    }
  }

  /** A client gets bytes; `more`: they are not all of their message. */
  received(link: Link, bytes: Uint8Array, more: boolean): void {
    this.#receipts.received(link, bytes, more);
  }

  /** Whether the server may throw a client out that is there. */
  mayEvict(link: Link, server: ServerRecord): boolean {
    return this.#reasons.mayEvict(link, server, this.sessions.values());
  }

  /** Whether a client has got all that it can expect. */
  satisfied(link: Link): boolean {
    if (link.sent.some(({ state }) => state === "pending")) return false;
    const { session } = link;
    if (session === undefined) return !this.#isAwaited(link);
    const { open } = session;
    return this.#receipts.consumed(link) && (open === undefined || open.over) &&
      (this.#receipts.settled(session, link) || link.ended);
  }

  /** The whole world rests while the server listens: nothing may be missing. */
  atRest(server: ServerRecord): void {
    for (const link of this.links) {
      const { session } = link;
      if (link.tainted !== undefined || this.#reasons.isFaulty(link) || link.evicted) continue;
      if (session === undefined) {
        // It may be the one that a limit has ended before any of its requests was seen.
        const ended = this.#sessionsOf(server).some((other) => other.limited && !other.link);
        if (link.server === server && !mayBeRefused(server) && !ended) this.#unserved(link);
      } else if (session.server === server && session.closedAt === undefined) {
        // Without its hook, or of who has left, a server does not tell that a limit did the rest.
        const { idleTimeout, responderTimeout } = server.limits;
        const timed = isFinite(Math.min(idleTimeout, responderTimeout));
        const hidden = !server.hooked && this.#reasons.isUnread(session) || link.left && timed;
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
    if (
      this.#reasons.shutdownTimedOut(server) || sessions.some((session) => this.#isOwed(session))
    ) return;
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
      if (this.#reasons.isFaulty(link)) continue;
      const waits = session === undefined
        ? !mayBeRefused(server) && this.#isAwaited(link)
        : isOpen(session) && this.#receipts.settled(session, link) &&
          !this.#receipts.consumed(link);
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
      if (!this.#receipts.hasReceived(link, session.answers.slice(0, taken))) {
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

  /** A server closes its end: a client that was there before it shut down is served once. */
  closed(link: Link, late: boolean): void {
    const { server } = link;
    link.closed = true;
    if (server?.shutDownAt === undefined || server.stoppedAt !== undefined || server.failed) return;
    if (late || this.#reasons.shutdownTimedOut(server)) return;
    if (this.#isDue(link, server)) this.#violate(`a shutdown does not serve ${link.owner}`);
  }

  /** Whether a client is there that no request of was delivered yet, and that may not be refused. */
  #isDue(link: Link, server: ServerRecord): boolean {
    if (link.left || link.tainted !== undefined || link.cutShort) return false;
    return !this.#reasons.isFaulty(link) && !mayBeRefused(server) && !this.#wasServed(link, server);
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

  /** Nothing that was sent may be lost, even if its client has left. */
  #complete(link: Link): void {
    if (!this.#receipts.consumed(link)) {
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

/** Whether a status is an end that a client may see. */
export function isClientEnd(status: number): boolean {
  return status === Status.BROKEN || status === Status.NO_DATA || status === Status.DISCONNECTED;
}
