/**
 * What the server's user gives to its clients, and what it is promised for that.
 *
 * @module
 */

import { describe } from "./messages.ts";
import type { Reasons } from "./reasons.ts";
import { type Answer, answererOf, type Session, sizeOf, type Surroundings } from "./records.ts";

/** See the module. */
export class Answers {
  readonly #surroundings: Surroundings;
  readonly #reasons: Reasons;

  constructor(surroundings: Surroundings, reasons: Reasons) {
    this.#surroundings = surroundings;
    this.#reasons = reasons;
  }

  /** The server's user is about to give a message: its client may have it before the call ends. */
  given(session: Session, bytes: Uint8Array, pushed: boolean = false): Answer {
    const answer: Answer = {
      bytes,
      pushed,
      at: this.#surroundings.now,
      state: "returned",
      due: false,
    };
    session.answers.push(answer);
    session.full ||= this.#reasons.mayWait(session) > session.server.limits.maxQueued;
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
      answererOf(bytes, this.#surroundings) !== undefined && this.#surroundings.pends(bytes)
    );
    if (first >= 0 && sizeOf(waiting.slice(first)) > limits.maxQueued) {
      this.#violate(`too much waits for client ${open.exchange.client.id}`);
    }
  }

  #isWritten(bytes: Uint8Array): boolean {
    return answererOf(bytes, this.#surroundings) !== undefined && this.#surroundings.writes(bytes);
  }

  #over(session: Session, bytes: Uint8Array): void {
    if (session.server.failed) return;
    if (this.#isWritten(bytes)) {
      this.#violate(`I2: the promise of ${describe(bytes)} settled while it is being written`);
    }
  }

  #rejected(session: Session, error: unknown, { pushed, at }: Answer): void {
    // A server that shuts down ends the connections that nobody is served on.
    if (pushed && at >= (session.server.shutDownAt ?? Infinity)) return;
    const why = this.#reasons.missingForLoss(session, error);
    if (why !== undefined) {
      this.#violate(`I5: an answer to client ${session.id} was rejected (${error}), but ${why}`);
    }
  }

  #violate(what: string): void {
    this.#surroundings.violate(what);
  }
}
