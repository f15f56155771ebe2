/**
 * Who got what: binds the two sides of a connection to each other by what its messages say, and
 * checks that each side gets what the other has sent, whole, once and in order.
 *
 * @module
 */

import { describe, sameBytes, senderOf } from "./messages.ts";
import { type Answer, answererOf, type Link, type Session, type Surroundings } from "./records.ts";

/** Bytes of a long message that a server reads at least before it asks for the rest. */
export const FIRST_PIECE = 4096;

/** See the module. */
export class Receipts {
  readonly #surroundings: Surroundings;
  readonly #links: readonly Link[];
  readonly #sessions: () => Iterable<Session>;

  /** @param sessions All sessions there are by then. */
  constructor(
    surroundings: Surroundings,
    links: readonly Link[],
    sessions: () => Iterable<Session>,
  ) {
    this.#surroundings = surroundings;
    this.#links = links;
    this.#sessions = sessions;
  }

  /** The server's user gets a request. */
  requested(session: Session, request: Uint8Array): void {
    if (session.link === undefined) this.#bind(session, request);
    if (session.link === undefined) session.unbound.push(request.slice());
    else this.#consume(session.link, request);
  }

  /** A client gets bytes; `more`: they are not all of their message. */
  received(link: Link, bytes: Uint8Array, more: boolean): void {
    if (link.stream && bytes.length === 0) return;
    if (link.session === undefined) this.#bindAnswer(link, bytes);
    const { session } = link;
    if (session === undefined) {
      const told = answererOf(bytes, this.#surroundings) !== undefined;
      if (told) this.#violate(`I5: ${link.owner} got ${describe(bytes)} from nowhere`);
      link.unbound.push({ bytes, more });
      return;
    }
    if (link.stream) this.#receivedBytes(link, session, bytes);
    else this.#receivedMessage(link, session, bytes, more);
  }

  /** Whether the server's user has got all requests that were sent for sure. */
  consumed(link: Link): boolean {
    return !link.sent.slice(link.next).some(({ state }) => state === "done");
  }

  /** Whether a client has got all answers that were not rejected. */
  settled(session: Session, link: Link): boolean {
    return this.hasReceived(link, session.answers.filter(({ state }) => state !== "rejected"));
  }

  /** Whether a client has got these answers. */
  hasReceived(link: Link, answers: readonly Answer[]): boolean {
    const wanted = link.stream
      ? answers.findLastIndex(({ bytes }) => bytes.length > 0) + 1
      : answers.length;
    return link.received >= wanted;
  }

  #bind(session: Session, request: Uint8Array): void {
    const sender = senderOf(request);
    if (sender === undefined) return;
    const link = this.#links[sender.sender];
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
    const sender = answererOf(bytes, this.#surroundings);
    if (sender === undefined) return;
    for (const session of this.#sessions()) {
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

  #violate(what: string): void {
    this.#surroundings.violate(what);
  }
}
