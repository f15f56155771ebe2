/**
 * Clients of any make: programs in other processes, which do as they like with their end of a pipe.
 *
 * @module
 */

import { Status } from "../../src/kernel/status.ts";
import type { ClientEnd } from "../../src/testing/memory/client_end.ts";
import { TRACKING } from "../../src/testing/memory/end.ts";
import { Operation } from "../../src/testing/memory/operation.ts";
import { Kind, statusName } from "./faults.ts";
import { describe } from "./messages.ts";
import { isClientEnd } from "./model.ts";
import { FIRST_PIECE } from "./receipts.ts";
import type { Link, Sent } from "./records.ts";
import type { Client, World } from "./world.ts";

const MOST = 0x7fff_ffff;

/** What announces a longer message than any server takes. */
const BAD_FRAME = Uint8Array.of(0x7f, 0xff, 0xff, 0xff);

/** A process that several clients are in. */
const SHARED_PROCESS = 1;

/** How a client behaves. */
export interface Manners {
  readonly name: string;
  /** Sends a request only when the last one is answered, and expects one answer to each. */
  readonly strict: boolean;
  /** How many requests it sends. */
  readonly requests: number;
  /** How many of them may be on their way. */
  readonly ahead: number;
  /** Bytes that it reads at once; 0: it never reads. */
  readonly readSize: number;
  /** How likely it reads, when it could. */
  readonly reads: number;
  /** Byte read mode. */
  readonly stream: boolean;
  /** How likely it withdraws what pends, and goes on. */
  readonly withdraws: number;
  /** How likely it closes its end, each time that it acts. */
  readonly leaves: number;
  /** How likely it is killed, each time that it acts. */
  readonly dies: number;
  /** How often it comes back. */
  readonly returns: number;
  /** Its second request is longer than what a server takes. */
  readonly tooLong: boolean;
  /** It comes, asks and leaves at one go, and wants no answer. */
  readonly hasty: boolean;
}

const PLAIN: Manners = {
  name: "polite",
  strict: true,
  requests: 4,
  ahead: 1,
  readSize: MOST,
  reads: 1,
  stream: false,
  withdraws: 0,
  leaves: 0,
  dies: 0,
  returns: 0,
  tooLong: false,
  hasty: false,
};

/** The kinds of clients. */
export const MANNERS: readonly [Manners, ...Manners[]] = [
  PLAIN,
  { ...PLAIN, name: "chatty", requests: 12 },
  { ...PLAIN, name: "regular", requests: 2, returns: 4 },
  { ...PLAIN, name: "pipelining", strict: false, requests: 10, ahead: 10, reads: 0.5 },
  { ...PLAIN, name: "never reading", strict: false, requests: 8, ahead: 8, readSize: 0 },
  { ...PLAIN, name: "slow", strict: false, requests: 5, ahead: 3, readSize: 700, reads: 0.3 },
  { ...PLAIN, name: "piecemeal", requests: 12, readSize: 20 },
  { ...PLAIN, name: "write-only", strict: false, requests: 5, ahead: 5, readSize: 0, leaves: 0.15 },
  { ...PLAIN, name: "visiting", requests: 0, leaves: 0.8, returns: 5 },
  { ...PLAIN, name: "hasty", strict: false, readSize: 0, returns: 6, hasty: true },
  { ...PLAIN, name: "silent", requests: 0 },
  { ...PLAIN, name: "mortal", strict: false, requests: 8, ahead: 3, dies: 0.1, returns: 2 },
  { ...PLAIN, name: "leaving", strict: false, requests: 8, ahead: 2, leaves: 0.1, returns: 3 },
  { ...PLAIN, name: "fickle", strict: false, requests: 10, ahead: 4, withdraws: 0.4, reads: 0.7 },
  { ...PLAIN, name: "byte-reading", strict: false, requests: 6, ahead: 3, stream: true },
];

/** The manners of one who asks too much. */
export const TOO_LONG: Manners = { ...PLAIN, name: "immoderate", requests: 3, tooLong: true };

/** The manners of one who is used to see whether the server still serves. */
export const PROBE: Manners = { ...PLAIN, name: "probe", requests: 2 };

/** See the module. */
export class RawClient implements Client {
  readonly name: string;
  readonly isRaw = true;
  readonly #world: World;
  readonly #manners: Manners;
  #end: ClientEnd | undefined;
  #link: Link | undefined;
  #reading: Operation | undefined;
  #writes: { operation: Operation; sent: Sent }[] = [];
  /** Requests whose frames are not written yet. */
  #unwritten: Sent[] = [];
  /** It has written what is no frame, and writes nothing more. */
  #spoilt = false;
  #left: number;
  #done = false;

  constructor(world: World, number: number, manners: Manners) {
    this.#world = world;
    this.name = `${manners.name} ${number}`;
    this.#manners = manners;
    this.#left = manners.returns;
  }

  get done(): boolean {
    return this.#done;
  }

  act(): boolean {
    if (this.#done) return false;
    if (this.#end === undefined || this.#link === undefined) return this.#connect();
    const end = this.#end;
    const link = this.#link;
    const { random } = this.#world;
    const tidying = this.#tidying;
    if (link.ended) return this.#leave("leaves", end, link);
    const { strict, requests, ahead, leaves, dies, reads, readSize } = this.#manners;
    // Without a part of it, a stream of frames is worth nothing.
    const withdraws = this.#world.prefix > 0 ? 0 : this.#manners.withdraws;
    if (this.#unwritten.length > 0 && (this.#world.tidying || random.chance(0.5))) {
      return this.#writeFrames(end, link);
    }
    if (!tidying) {
      if (random.chance(dies)) return this.#leave("is killed", end, link);
      if (random.chance(leaves)) return this.#leave("leaves", end, link);
      if (this.#writes.length > 0 && random.chance(withdraws)) {
        this.#withdraw(link);
        // Before anybody can ask how long the rest is.
        const size = random.chance(0.4) ? 0 : this.#world.requestSize();
        if (link.sent.length < requests && random.chance(0.6)) this.#write(end, link, size);
        return true;
      }
      const may = strict ? this.#world.model.satisfied(link) : this.#writes.length < ahead;
      const wants = this.#world.tidying || random.chance(0.6);
      if (may && wants && !this.#spoilt && link.sent.length < requests) {
        return this.#write(end, link);
      }
    }
    const wantsToRead = tidying || readSize > 0 && random.chance(reads);
    if (this.#reading === undefined && wantsToRead) {
      return this.#read(end, link, tidying ? MOST : readSize);
    }
    const enough = tidying || strict && requests > 0 && link.sent.length >= requests;
    if (enough && this.#world.model.satisfied(link)) return this.#leave("leaves", end, link);
    return false;
  }

  kill(): void {
    if (this.#end !== undefined && this.#link !== undefined) {
      this.#leave("is killed", this.#end, this.#link);
    }
    this.#done = true;
  }

  get #tidying(): boolean {
    return this.#world.tidying && this.#manners !== PROBE;
  }

  #tell(what: string): void {
    this.#world.tell?.(`${this.name}: ${what}`);
  }

  #connect(): boolean {
    const { random, system, model, path, tidying } = this.#world;
    if (this.#tidying) {
      this.#done = true;
      return true;
    }
    if (!tidying && random.chance(0.3)) return false;
    const process = random.chance(0.7) ? system.newProcess() : SHARED_PROCESS;
    const { status, end } = system.open(path, { process, tracking: random.pick(TRACKING) });
    if (end === undefined) return false;
    this.#tell(`connects → ${statusName(status)}`);
    end.keepMessages(!this.#manners.stream);
    this.#end = end;
    this.#link = model.connected(this.name, this.#manners.strict, this.#manners.stream, process);
    this.#link.takesPushes = true;
    this.#world.join(end, this.#link);
    if (this.#manners.hasty) {
      this.#write(end, this.#link);
      return this.#leave("leaves", end, this.#link);
    }
    return true;
  }

  #write(end: ClientEnd, link: Link, size: number = this.#world.requestSize()): boolean {
    const tooLong = this.#manners.tooLong && link.sent.length === 1;
    const sent = link.compose(tooLong ? 16 * 1024 * 1024 + 1 : size);
    if (this.#world.prefix > 0) {
      this.#unwritten.push(sent);
      const waits = !this.#manners.hasty && this.#world.random.chance(0.4);
      return waits || this.#writeFrames(end, link);
    }
    const operation = new Operation(() => {
      this.#writes = this.#writes.filter((other) => other.operation !== operation);
      sent.state = operation.status === Status.SUCCESS ? "done" : "withdrawn";
      sent.at = this.#world.stamp;
    });
    this.#writes.push({ operation, sent });
    end.write(operation, sent.bytes);
    this.#tell(`writes ${describe(sent.bytes)} → ${statusName(operation.status)}`);
    return true;
  }

  /** Writes the frames of its requests, cut anywhere into messages. */
  #writeFrames(end: ClientEnd, link: Link): boolean {
    const { random } = this.#world;
    const sents = this.#unwritten;
    this.#unwritten = [];
    const frames = sents.map(({ bytes }) => this.#world.frame(bytes));
    this.#spoilt = this.#manners !== PROBE && random.chance(0.03);
    const good = this.#spoilt ? random.below(sents.length + 1) : sents.length;
    if (this.#spoilt) {
      link.withdrew = true;
      frames.splice(good, 0, BAD_FRAME);
      for (const sent of sents.slice(good)) sent.state = "withdrawn";
    }
    let length = 0;
    const ends = frames.map((frame) => length += frame.length);
    const stream = new Uint8Array(length);
    for (const [i, frame] of frames.entries()) stream.set(frame, (ends[i] ?? 0) - frame.length);
    const cuts = Array.from(
      { length: random.below(4) },
      () => random.below(random.chance(0.3) ? 4 : length + 1),
    );
    let from = 0;
    for (const to of [...cuts.toSorted((one, other) => one - other), length]) {
      const complete = sents.slice(0, good).filter((_, i) => {
        const end = ends[i] ?? 0;
        return end > from && end <= to;
      });
      const last = sents[ends.findIndex((end) => end >= to)] ?? sents.at(-1);
      if (last !== undefined) this.#writePart(end, stream.subarray(from, to), complete, last);
      from = to;
    }
    return true;
  }

  /** @param whole The requests that are complete with it. */
  #writePart(end: ClientEnd, part: Uint8Array, whole: readonly Sent[], last: Sent): void {
    const operation = new Operation(() => {
      this.#writes = this.#writes.filter((other) => other.operation !== operation);
      for (const sent of whole) {
        // Of a message that pends, the server may have read the part with this frame.
        sent.state = operation.status === Status.SUCCESS ? "done" : "unknown";
      }
    });
    this.#writes.push({ operation, sent: last });
    end.write(operation, part);
    this.#tell(`writes ${part.length} B of a stream → ${statusName(operation.status)}`);
  }

  #withdraw(link: Link): void {
    const write = this.#world.random.some(this.#writes);
    if (write === undefined) return;
    this.#withdraws(link, write.sent);
    this.#tell(`withdraws ${describe(write.sent.bytes)}`);
    write.operation.cancel();
  }

  /** A message of which the server may have read a piece, or the length, goes away. */
  #withdraws(link: Link, { bytes }: Sent): void {
    if (bytes.length > this.#world.quotas.read) link.withdrew = true;
    if (bytes.length <= FIRST_PIECE) return;
    link.withdrew = true;
    this.#world.counts.add(Kind.GLUE);
  }

  /** The last write first, so that no stream goes on behind a gap. */
  #cancelAll(): void {
    for (const { operation } of this.#writes.toReversed()) operation.cancel();
  }

  #read(end: ClientEnd, link: Link, size: number): boolean {
    const operation = new Operation(() => {
      if (this.#reading === operation) this.#reading = undefined;
      this.#readDone(link, operation);
    });
    this.#reading = operation;
    end.read(operation, size);
    return operation.status !== Status.PENDING;
  }

  #readDone(link: Link, { status, bytes }: Operation): void {
    if (status === Status.SUCCESS || status === Status.MORE_DATA) {
      this.#tell(`reads ${describe(bytes)}${status === Status.MORE_DATA ? ", more" : ""}`);
      this.#world.model.received(link, bytes, status === Status.MORE_DATA);
    } else if (isClientEnd(status)) {
      this.#tell(`sees the end: ${status}`);
      link.ended = true;
    }
  }

  #leave(how: "leaves" | "is killed", end: ClientEnd, link: Link): boolean {
    this.#tell(how);
    if (how === "is killed") this.#world.counts.add(Kind.KILLED);
    if (!link.ended) link.left = true;
    for (const { sent } of this.#writes) this.#withdraws(link, sent);
    for (const sent of this.#unwritten) sent.state = "withdrawn";
    this.#unwritten = [];
    this.#spoilt = false;
    this.#reading?.cancel();
    if (how === "is killed") this.#cancelAll();
    end.close();
    // What still pends is the system's business, and cannot be cancelled any more.
    this.#writes = [];
    this.#end = undefined;
    this.#link = undefined;
    this.#reading = undefined;
    if (this.#left-- <= 0 || this.#tidying) this.#done = true;
    return true;
  }
}
