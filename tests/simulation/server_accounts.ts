/**
 * Whether what a server reports and counts agrees with what its clients and its user know.
 *
 * @module
 */

import type { ServerStats } from "../../src/server/stats.ts";
import type { ShutdownReport } from "../../src/server/tally.ts";
import type { AnswerState, Link, ServerRecord, Session, Surroundings } from "./records.ts";
import { sum } from "./records.ts";

/** See the module. */
export class ServerAccounts {
  readonly #surroundings: Surroundings;
  readonly #links: readonly Link[];
  readonly #sessionsOf: (server: ServerRecord) => Session[];

  constructor(
    surroundings: Surroundings,
    links: readonly Link[],
    sessionsOf: (server: ServerRecord) => Session[],
  ) {
    this.#surroundings = surroundings;
    this.#links = links;
    this.#sessionsOf = sessionsOf;
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
      this.#links.filter(({ session }) => session === undefined || session.server === server)
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

  #violate(what: string): void {
    this.#surroundings.violate(what);
  }
}
