/**
 * One direction of a connection: what was sent into it, and what may come out.
 *
 * @module
 */

import type { Framing } from "../../src/options/framing.ts";
import { describe, replyTo, requestOf, sameBytes } from "./messages.ts";

/** What became of what was sent, as its sender knows it. */
export type SentState =
  /** It may have been written, or not: its sender does not know yet. */
  | "open"
  | "accepted"
  /** It may have been written, all of it or a part, or not: nothing follows it if it was in part. */
  | "failed"
  /** Nothing of it was written. */
  | "dropped"
  /** Its writer took back what was not read of it, and may go on. */
  | "withdrawn";

/** A message, or bytes that were sent at once. */
export interface Sent {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same in its frame, if there is framing. */
  readonly wire: Uint8Array<ArrayBuffer>;
  state: SentState;
  /** When it was given, on its sender's clock. */
  readonly at: number;
  /** No promise tells when it is accepted. */
  loose: boolean;
}

/** A place in what was sent: so many bytes of this one were received. */
interface Place {
  readonly index: number;
  readonly offset: number;
}

/** The bytes of line feed and carriage return, and what stands for them in a line. */
const NOT_IN_LINES = new Map([[10, 11], [13, 14]]);

/** See the module. */
export class Flow {
  readonly sent: Sent[] = [];
  readonly name: string;
  /** Its sender sends nothing more, and said so. */
  finished = false;
  /** What was cut off may be followed by something else: a fault touched it. */
  broken = false;
  /** Its sender sent what makes no sense, and nobody can say what its receiver makes of it. */
  spoiled = false;
  /** Bytes that were received, in their frames. */
  received = 0;
  /** Where its receiver may be: which ones of those that failed were written is not known. */
  #places: Place[] = [{ index: 0, offset: 0 }];
  /** Whether its receiver gets messages, so that it sees empty ones. */
  #whole = false;
  readonly #wire: number;
  readonly #toServer: boolean;
  readonly #framing: Framing | undefined;
  readonly #lines: boolean;

  /** @param wire The number of the connection. */
  constructor(wire: number, toServer: boolean, framing: Framing | undefined, lines: boolean) {
    this.name = `${wire} to its ${toServer ? "server" : "client"}`;
    this.#wire = wire;
    this.#toServer = toServer;
    this.#framing = framing;
    this.#lines = lines;
  }

  /** The next message of this length. */
  compose(length: number, now: number): Sent {
    const compose = this.#toServer ? requestOf : replyTo;
    const composed = compose(this.#wire, this.sent.length, length);
    const bytes = this.#lines ? composed.map((byte) => NOT_IN_LINES.get(byte) ?? byte) : composed;
    const wire = this.#framing === undefined ? bytes : new Uint8Array(this.#framing.encode(bytes));
    const sent: Sent = { bytes, wire, state: "open", at: now, loose: false };
    this.sent.push(sent);
    return sent;
  }

  /** Bytes that wait, as far as their sender knows. */
  get waiting(): number {
    return this.open.reduce((sum, { wire }) => sum + wire.length, 0);
  }

  /** What its sender has not heard of yet. */
  get open(): Sent[] {
    return this.sent.filter(({ state }) => state === "open");
  }

  /** Nothing waits: what no promise tells of is accepted too. */
  flush(): void {
    // The write of an empty one may still be on its way.
    for (const sent of this.open) {
      if (sent.loose && sent.wire.length > 0) sent.state = "accepted";
    }
  }

  /** A whole message is received. Says what is wrong with it, if anything is. */
  receive(bytes: Uint8Array): string | undefined {
    this.#whole = true;
    const places: Place[] = [];
    for (const { index, offset } of this.#reach(this.#places)) {
      const sent = this.sent[index];
      const fits = offset === 0 && sent !== undefined && mayArrive(sent) &&
        sameBytes(sent.bytes, bytes);
      if (fits) places.push({ index: index + 1, offset: 0 });
    }
    const { index } = places[0] ?? { index: 0 };
    this.received += this.sent[index - 1]?.wire.length ?? 0;
    return this.#arrive(places, bytes);
  }

  /** Bytes are received, in any pieces. */
  receiveBytes(bytes: Uint8Array): string | undefined {
    this.received += bytes.length;
    let places = this.#places;
    for (let at = 0; at < bytes.length && places.length > 0;) {
      const reached = this.#reach(places).filter(({ index }) => this.sent[index] !== undefined);
      const rests = reached.map(({ index, offset }) =>
        (this.sent[index]?.wire.length ?? 0) - offset
      );
      // As far as no place reaches its end.
      const length = Math.min(bytes.length - at, ...rests.filter((rest) => rest > 0));
      const piece = bytes.subarray(at, at + length);
      places = reached.flatMap(({ index, offset }) => {
        const sent = this.sent[index];
        const fits = sent !== undefined && mayArrive(sent) &&
          sameBytes(sent.wire.subarray(offset, offset + length), piece);
        return fits ? [{ index, offset: offset + length }] : [];
      });
      at += length;
    }
    return this.#arrive(places, bytes);
  }

  /** What was accepted and has not been received, if anything. */
  get missing(): Sent | undefined {
    return this.#missing("accepted");
  }

  /** What was accepted, or may still be, and has not been received. */
  get awaited(): Sent | undefined {
    return this.#missing("accepted", "open");
  }

  #missing(...states: SentState[]): Sent | undefined {
    let missing: Sent | undefined;
    for (const { index, offset } of this.#reach(this.#places)) {
      const begun = offset > 0 ? [this.sent[index]] : [];
      const rest = [...begun, ...this.sent.slice(offset > 0 ? index + 1 : index)];
      const lost = rest.find((sent) =>
        sent !== undefined && states.includes(sent.state) && (this.#whole || sent.wire.length > 0)
      );
      if (lost === undefined) return undefined;
      missing ??= lost;
    }
    return missing;
  }

  /**
   * Bytes of the message that its receiver is to get next, or has begun to get, and of the one after
   * that; where some may not come, the longest.
   */
  get nextLengths(): readonly [number, number] {
    const [{ index, offset } = { index: 0, offset: 0 }] = this.#places;
    const begun = offset > 0 && offset === this.sent[index]?.wire.length ? index + 1 : index;
    const lengths: number[] = [];
    let sure = 0;
    for (const { wire, state } of this.sent.slice(begun)) {
      if (wire.length === 0 || state === "dropped") continue;
      lengths.push(wire.length);
      if (state !== "failed" && ++sure === 2) break;
    }
    if (lengths.length === sure) return [lengths[0] ?? 0, lengths[1] ?? 0];
    const [first = 0, second = 0] = lengths.sort((one, other) => other - one);
    return [first, second];
  }

  /** Whether its receiver gets whole messages. */
  get isWhole(): boolean {
    return this.#whole;
  }

  #arrive(places: Place[], bytes: Uint8Array): string | undefined {
    if (this.spoiled) return undefined;
    if (places.length > 0) {
      this.#places = places;
      return undefined;
    }
    const next = this.sent[this.#places[0]?.index ?? 0];
    const expected = next === undefined ? "nothing" : `${describe(next.bytes)} (${next.state})`;
    return `${this.name}: ${expected} is next, but ${describe(bytes)} arrived`;
  }

  /** The places that are reached without any byte. */
  #reach(places: readonly Place[]): Place[] {
    const reached = new Map<string, Place>();
    const add = (place: Place) => {
      const key = `${place.index} ${place.offset}`;
      if (reached.has(key)) return;
      reached.set(key, place);
      const sent = this.sent[place.index];
      if (sent !== undefined && this.#passes(sent, place.offset)) {
        add({ index: place.index + 1, offset: 0 });
      }
    };
    for (const place of places) add(place);
    return [...reached.values()];
  }

  /** Whether the next one may follow on so many bytes of one. */
  #passes({ wire, state }: Sent, offset: number): boolean {
    if (offset === wire.length && !this.#whole) return true;
    if (state === "withdrawn" || this.broken) return true;
    return offset === 0 && (state === "failed" || state === "dropped");
  }
}

function mayArrive({ state }: Sent): boolean {
  return state !== "dropped";
}
