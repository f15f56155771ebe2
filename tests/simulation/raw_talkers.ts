/**
 * Ends of connections in other processes, of any make, which work their end of the pipe by hand.
 *
 * @module
 */

import { Status } from "../../src/kernel/status.ts";
import type { ClientEnd } from "../../src/testing/memory/client_end.ts";
import { OPPOSITE, TRACKING } from "../../src/testing/memory/end.ts";
import { Operation } from "../../src/testing/memory/operation.ts";
import type { Wire } from "./sides.ts";
import type { Sent } from "./flow.ts";
import { Kind, statusName } from "./faults.ts";
import type { Acting } from "./scheduler.ts";
import type { Actor, Stage } from "./stage.ts";

const MOST = 0x7fff_ffff;

/** Bytes that a server reads at once, at most, before it knows how long a message is. */
const FIRST_READ = 4096;

/** A clock that nobody looks at. */
const TIMELESS = { time: 0, taskBegin: 0 };

/** A process that several clients are in. */
const SHARED_PROCESS = 1;

/** Bytes that cannot be the beginning of any frame of a history. */
const RUBBISH = new Uint8Array([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 10, 13, 10]);

/** How a client behaves. */
interface Manners {
  readonly name: string;
  /** What it sends, and how many writes may pend. */
  readonly messages: number;
  readonly ahead: number;
  /** How likely it reads when it could, and how much at once; 0: never, before everybody tidies up. */
  readonly reads: number;
  readonly sizes: readonly number[];
  /** How likely it does each of these, each time that it acts. */
  readonly leaves: number;
  readonly withdraws: number;
  readonly misbehaves: number;
}

const PLAIN: Manners = {
  name: "polite",
  messages: 6,
  ahead: 1,
  reads: 1,
  sizes: [MOST],
  leaves: 0,
  withdraws: 0,
  misbehaves: 0,
};

const MANNERS: readonly [Manners, ...Manners[]] = [
  PLAIN,
  { ...PLAIN, name: "chatty", messages: 15, ahead: 5 },
  { ...PLAIN, name: "slow", reads: 0.2, sizes: [700, 1] },
  { ...PLAIN, name: "piecemeal", sizes: [1, 3, 20] },
  { ...PLAIN, name: "silent", messages: 0 },
  { ...PLAIN, name: "deaf", reads: 0, ahead: 5 },
  { ...PLAIN, name: "leaving", leaves: 0.05, ahead: 3 },
  { ...PLAIN, name: "visiting", messages: 1, leaves: 0.5 },
  { ...PLAIN, name: "fickle", messages: 10, ahead: 3, withdraws: 0.2 },
  { ...PLAIN, name: "ill-behaved", misbehaves: 0.1 },
];

/** See the module. */
export class RawTalker implements Actor, Acting {
  readonly name: string;
  readonly isRaw = true;
  readonly #stage: Stage;
  readonly #manners: Manners;
  readonly #whole: boolean;
  #end: ClientEnd | undefined;
  #wire: Wire | undefined;
  #reading = false;
  #left: number;
  #writes: { readonly operation: Operation; readonly sent: Sent | undefined }[] = [];
  /** The message whose rest is still to be read. */
  #partial: Uint8Array[] = [];
  /** What is left of a message of which a part was written, on a byte pipe. */
  #rest: { readonly sent: Sent; at: number } | undefined;
  #said = false;
  #over = false;

  constructor(stage: Stage, number: number) {
    const { random, shape } = stage;
    this.#stage = stage;
    this.#manners = random.pick(MANNERS);
    this.name = `${this.#manners.name} client ${number}`;
    this.#left = this.#manners.messages;
    // Only so it sees the empty message that ends a direction.
    this.#whole = shape.type === "message" && (shape.halfClose !== "none" || random.chance(0.6));
  }

  get done(): boolean {
    return this.#over;
  }

  act(): boolean {
    if (this.#over) return false;
    const end = this.#end;
    if (end === undefined) return this.#connect();
    const { random, tidying } = this.#stage;
    const { leaves, withdraws, misbehaves } = this.#manners;
    if (random.chance(leaves)) return this.#leave("leaves");
    if (!tidying && random.chance(withdraws) && this.#withdraw()) return true;
    if (!tidying && random.chance(misbehaves)) return this.#misbehave(end);
    return random.chance(0.5)
      ? this.#read(end) || this.#write(end)
      : this.#write(end) || this.#read(end);
  }

  end(): void {
    if (this.#end !== undefined) this.#leave("leaves at last");
    this.#over = true;
  }

  #tell(what: string): void {
    this.#stage.tell?.(`${this.name}: ${what}`);
  }

  #connect(): boolean {
    const { system, path, random, shape } = this.#stage;
    if (this.#stage.tidying) {
      this.#over = true;
      return true;
    }
    const process = random.chance(0.2) ? SHARED_PROCESS : system.newProcess();
    const direction = OPPOSITE[shape.direction];
    const opening = { process, direction, tracking: random.pick(TRACKING) };
    const { status, end } = system.open(path, opening);
    if (end === undefined) {
      this.#tell(`cannot connect: ${statusName(status)}`);
      return false;
    }
    this.#end = end;
    this.#wire = this.#stage.join(end, this.name, process, TIMELESS, Infinity);
    if (this.#whole && direction !== "write") end.keepMessages(true);
    this.#tell(`connects as ${this.#wire.id}`);
    return true;
  }

  #leave(how: string): boolean {
    this.#tell(how);
    if (!this.#stage.tidying) this.#stage.counts.add(Kind.KILLED);
    const end = this.#end;
    this.#over = true;
    if (end === undefined) return true;
    if (this.#wire !== undefined) this.#wire.client.ending = true;
    this.#stage.left(end);
    end.close();
    if (this.#wire !== undefined) this.#wire.client.waiting = 0;
    for (const { operation, sent } of this.#writes) this.#settle(operation, sent);
    return true;
  }

  #read(end: ClientEnd): boolean {
    const { random, tidying, shape } = this.#stage;
    if (this.#reading || shape.direction === "read") return false;
    if (!tidying && !random.chance(this.#manners.reads)) return false;
    const size = tidying ? MOST : random.some(this.#manners.sizes) ?? MOST;
    const operation = new Operation(() => this.#arrived(operation));
    this.#reading = true;
    if (this.#wire !== undefined) this.#wire.client.waiting = 1;
    end.read(operation, size);
    return true;
  }

  #arrived(operation: Operation): void {
    this.#reading = false;
    const { status, bytes } = operation;
    const wire = this.#wire;
    if (wire === undefined || this.#over) return;
    wire.client.waiting = 0;
    this.#tell(`reads ${bytes.length} B: ${statusName(status)}`);
    const { model, shape } = this.#stage;
    const read = status === Status.SUCCESS || status === Status.MORE_DATA;
    if (!read) {
      if (!wire.client.sawEnd) model.ended(wire.client);
      this.#leave("sees the end");
      return;
    }
    if (!this.#whole) return model.receivedBytes(wire.client, bytes);
    const ends = shape.halfClose !== "none" && bytes.length === 0 && this.#partial.length === 0;
    if (ends) return model.ended(wire.client);
    if (shape.framing !== undefined) return model.receivedBytes(wire.client, bytes);
    this.#partial.push(bytes);
    if (status === Status.MORE_DATA) return;
    model.received(wire.client, joined(this.#partial.splice(0)));
  }

  #write(end: ClientEnd): boolean {
    const { shape, tidying } = this.#stage;
    const pending = this.#writes.filter(({ operation }) => operation.status === Status.PENDING);
    this.#writes = pending;
    if (shape.direction === "write" || pending.length >= this.#manners.ahead) return false;
    if (this.#rest !== undefined) return this.#writeRest(end, this.#rest);
    if (this.#left === 0 || tidying) return this.#say(end);
    this.#left--;
    const sent = this.#compose();
    if (sent === undefined) return false;
    const cuts = shape.type === "byte" || shape.framing !== undefined && shape.halfClose === "none";
    if (!cuts || sent.wire.length < 2) return this.#submit(end, sent.wire, sent);
    return this.#writeRest(end, this.#rest = { sent, at: 0 });
  }

  #compose(): Sent | undefined {
    const wire = this.#wire;
    const { shape, model } = this.#stage;
    if (wire === undefined) return undefined;
    const size = Math.max(this.#stage.size(), shape.halfClose === "none" ? 0 : 1);
    const sent = wire.client.out.compose(size, 0);
    model.gives(wire.client, sent, 0);
    return sent;
  }

  /** The next odd part of a frame, or of bytes. */
  #writeRest(end: ClientEnd, rest: { readonly sent: Sent; at: number }): boolean {
    const { wire } = rest.sent;
    const size = this.#stage.random.pick([1, 3, 100, 5_000, MOST]);
    const part = wire.subarray(rest.at, rest.at + size);
    rest.at += part.length;
    const last = rest.at === wire.length;
    if (last) this.#rest = undefined;
    return this.#submit(end, part, last ? rest.sent : undefined);
  }

  /** It has nothing more to say, and says so if it can. */
  #say(end: ClientEnd): boolean {
    const { shape, random } = this.#stage;
    const wire = this.#wire;
    if (shape.halfClose === "none" || this.#said || wire === undefined) return false;
    if (this.#writes.length > 0 || !random.chance(0.3)) return false;
    this.#said = true;
    this.#tell("half-closes");
    wire.client.out.finished = true;
    wire.client.halfClosed = true;
    return this.#submit(end, new Uint8Array(0), undefined);
  }

  #submit(end: ClientEnd, bytes: Uint8Array, sent: Sent | undefined): boolean {
    this.#tell(`writes ${bytes.length} B`);
    const operation = new Operation(() => this.#settle(operation, sent));
    this.#writes.push({ operation, sent });
    end.write(operation, bytes);
    return true;
  }

  #settle({ status }: Operation, sent: Sent | undefined): void {
    if (sent?.state !== "open") return;
    sent.state = status === Status.SUCCESS ? "accepted" : "failed";
  }

  /** Takes back what pends, and goes on. */
  #withdraw(): boolean {
    const last = this.#writes.findLast(({ operation }) => operation.status === Status.PENDING);
    if (last === undefined || this.#wire === undefined) return false;
    this.#stage.counts.add(Kind.GLUE);
    this.#tell("withdraws what it writes");
    this.#wire.faulty = true;
    const { framing, type } = this.#stage.shape;
    const flow = this.#wire.client.out;
    // On a byte pipe, and within frames, what follows makes no sense. Of a long message, the rest may
    // be taken for the next one, which only the other histories judge.
    const glued = flow.open.some(({ bytes }) => bytes.length >= FIRST_READ);
    flow.spoiled ||= framing !== undefined || type === "byte" || glued;
    if (last.sent !== undefined) last.sent.state = "withdrawn";
    last.operation.cancel();
    return true;
  }

  /** Sends what cannot be used. */
  #misbehave(end: ClientEnd): boolean {
    const { shape } = this.#stage;
    if (shape.framing === undefined || this.#wire === undefined || shape.direction === "write") {
      return this.#leave("leaves without a word");
    }
    this.#wire.faulty = true;
    this.#wire.client.out.spoiled = true;
    this.#tell("sends rubbish");
    this.#submit(end, RUBBISH, undefined);
    return this.#leave("leaves after that");
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
