/**
 * Why connections end and answers are lost: whether there is a reason for it.
 *
 * @module
 */

import { WindowsError } from "../../src/kernel/errors.ts";
import { isShortage } from "../../src/kernel/status.ts";
import { LAST_WRITE_TIMEOUT } from "../../src/pipe/write_queue.ts";
import {
  answererOf,
  type Limits,
  type Link,
  type ServerRecord,
  type Session,
  sizeOf,
  type Surroundings,
} from "./records.ts";

const CLOSED_BEFORE = "its user had closed it before";

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

/** Whether a server may send a client away of which its user got nothing. */
export function mayBeRefused({ limits, authorizes }: ServerRecord): boolean {
  const { idleTimeout, maxPerProcess, responderTimeout } = limits;
  if (isFinite(Math.min(idleTimeout, maxPerProcess))) return true;
  return authorizes === "some" || authorizes === "all" && isFinite(responderTimeout);
}

/** See the module. */
export class Reasons {
  readonly #surroundings: Surroundings;
  readonly #links: readonly Link[];
  /** Connections that are over for sure. */
  #past = 0;

  constructor(surroundings: Surroundings, links: readonly Link[]) {
    this.#surroundings = surroundings;
    this.#links = links;
  }

  /** All clients that there were are gone, and every server knows. */
  allGone(): void {
    this.#past = this.#links.length;
  }

  /** Why an answer that did not reach its client should have. */
  missingForLoss(session: Session, error: unknown): string | undefined {
    const { link, server, closedAt } = session;
    const limit = limitOf(error);
    if (limit !== undefined) return this.#unreached(session, limit);
    if (isShortageOf(error, "WriteFile") && this.isUnread(session)) return;
    if (link === undefined || link.left || link.tainted !== undefined) return;
    if (this.isFaulty(link)) return;
    if (closedAt !== undefined || server.stoppedAt !== undefined || server.failed) return;
    if (this.shutdownTimedOut(server)) return;
    // What was pushed is still written when the connection has ended, but not for ever.
    if (server.shutDownAt !== undefined && this.isUnread(session)) return;
    return `${link.owner} is there`;
  }

  missingForEnd(session: Session, reason: string, error: unknown): string | undefined {
    const { link, server, endedAt = Infinity } = session;
    const touched = link === undefined
      ? this.#surroundings.tainted || this.#links.some((other) => this.isFaulty(other))
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
        if (session.verdict === "asked" && !this.shutdownTimedOut(server)) {
          return "its user has not decided yet";
        }
        if (endedAt === Infinity) return;
        return server.shutDownAt + server.shutdownTimeout <= endedAt ? undefined : CLOSED_BEFORE;
      case "error":
        session.limited ||= isShortageOf(error, "WriteFile") && this.isUnread(session);
        if (touched || link === undefined || this.isFaulty(link) || server.failed) return;
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
        if (reason === "writeTimeout" && endedAt < Infinity && !this.isUnread(session, endedAt)) {
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
        return this.isFaulty(link) ? undefined : "no request was too long";
      case "idleTimeout": {
        const asked = open?.at ?? 0;
        return asked + limits.idleTimeout <= now ? undefined : "it has asked in time";
      }
      case "responderTimeout":
        if (session.verdict === "asked" && session.askedAt + limits.responderTimeout <= now) return;
        if (open === undefined) return "nothing was asked";
        return open.at + limits.responderTimeout <= now ? undefined : "there is still time";
      case "writeTimeout":
        return this.isUnread(session) ? undefined : "nothing is unread for so long";
      case "maxQueued":
        return session.full ? undefined : "too little waits for it";
    }
  }

  /** The most connections that its process, or else any, may have. */
  #crowd(link: Link | undefined): number {
    const sizes = new Map<number, number>();
    for (const { process } of this.#links.slice(this.#past)) {
      sizes.set(process, (sizes.get(process) ?? 0) + 1);
    }
    return link === undefined ? Math.max(0, ...sizes.values()) : sizes.get(link.process) ?? 0;
  }

  /** Whether a message may be unread for longer than is allowed. */
  isUnread({ answers, taken, server }: Session, by: number = this.#surroundings.now): boolean {
    const { writeTimeout } = server.limits;
    const time = writeTimeout === Infinity ? LAST_WRITE_TIMEOUT : writeTimeout;
    return answers.slice(taken).some(({ at }) => at + time <= by);
  }

  /** The most bytes that may wait for a client, besides the last message. */
  mayWait({ answers, taken }: Session): number {
    const open = answers.slice(taken, -1).filter(({ state }) => state !== "resolved");
    const ended = open.findLastIndex(({ bytes }) =>
      answererOf(bytes, this.#surroundings) !== undefined && this.#surroundings.ended(bytes)
    );
    return sizeOf(open.slice(ended + 1));
  }

  #isTooLong({ sent }: Link): boolean {
    return sent.some(({ bytes }) => bytes.length > this.#surroundings.maxMessage);
  }

  /** Whether the server may end the connection because of what its client did. */
  isFaulty(link: Link): boolean {
    return link.withdrew || this.#isTooLong(link);
  }

  /** Whether the server may throw a client out that is there. */
  mayEvict(link: Link, server: ServerRecord, sessions: Iterable<Session>): boolean {
    const { session } = link;
    if (link.left || link.tainted !== undefined || this.isFaulty(link)) return true;
    if (this.shutdownTimedOut(server)) return true;
    if (server.limits.maxPerProcess !== Infinity) return true;
    if (session !== undefined) return this.isUnread(session) || session.full;
    const unbound = [...sessions].filter((other) => other.link === undefined);
    return unbound.some((other) => this.isUnread(other) || other.full);
  }

  shutdownTimedOut(server: ServerRecord): boolean {
    return server.shutDownAt !== undefined &&
      this.#surroundings.now >= server.shutDownAt + server.shutdownTimeout;
  }
}
