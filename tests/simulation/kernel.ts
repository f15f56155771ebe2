/**
 * The operating system of a history: a {@linkcode MemoryKernel} whose every choice is made by a
 * seed, in whose calls others act, and which tells what happens.
 *
 * @module
 */

import {
  type ClientAccess,
  type Handle,
  type Identified,
  Lane,
  type Opened,
  type OpenedToken,
  type Peeked,
  type PipeSpec,
} from "../../src/kernel/kernel.ts";
import { isEnd, Status } from "../../src/kernel/status.ts";
import {
  type Failing,
  type InFlight,
  MemoryKernel,
  type MemorySystem,
  NOTHING_LEFT,
  type Submission,
} from "../memory_kernel.ts";
import { ClientEnd } from "../../src/testing/memory/client_end.ts";
import { ServerEnd } from "../../src/testing/memory/server_end.ts";
import {
  BAD_ENDS,
  badEndKind,
  type Counts,
  failureKind,
  FAILURES,
  Kind,
  passes,
  type Rates,
  SHORTAGES,
  statusName,
} from "./faults.ts";
import { describe, sameBytes } from "./messages.ts";
import type { Random } from "./random.ts";
import { Planted } from "./planted.ts";

/** Whoever is told what a kernel does to connections, each by its client's end. */
export interface Connections {
  /** A fault touches a connection. */
  taint(end: ClientEnd, why: string): void;
  /** This module opened a client's end. */
  opened(path: string, end: ClientEnd, process: number): void;
  /** The server throws a client out. */
  evicted(end: ClientEnd): void;
  /** This module closes a client's end; `told`: a call has said that the other end is gone. */
  left(end: ClientEnd, told: boolean): void;
  /** The server listens, and its client can never be identified. */
  unknown?(end: ClientEnd): void;
  /** The server asked how long the rest of a message is. */
  measured?(end: ClientEnd): void;
  /** The server reads the rest of a message. */
  readsOn?(end: ClientEnd): void;
  /** The server could not read the rest of a message at once. */
  cutShort?(end: ClientEnd): void;
  /** The server closes its end; `late`: the client has come since it asked whether there is one. */
  closed?(end: ClientEnd, late: boolean): void;
  /** This module takes back what a client writes. */
  withdrew?(end: ClientEnd): void;
}

/** What a kernel has around it. */
export interface Around {
  readonly random: Random;
  readonly rates: Rates;
  readonly counts: Counts;
  /** Somebody else acts, if the seed wants it. */
  intrude(): void;
  /** Somebody comes, asks perhaps, and leaves, all at once. */
  passBy(): void;
  /** What happens to connections is told there. */
  readonly connections: Connections;
  /** The server could not create an instance, or lost one. */
  instanceLost(): void;
  /** The name must be there, if a server listens. */
  checkName(): void;
  /** A wait fails, and with it the loop. */
  waitFailed(kernel: SimulatedKernel): void;
  violate(what: string): void;
  /** For the trace, if there is one. */
  readonly tell: ((what: string) => void) | undefined;
}

/** Codes that a last error that was lost may leave behind; none of them is to be believed. */
const LOST = [Status.UNKNOWN, 1117, Status.BUSY, Status.CANCELLED] as const;

/** The codes with which a write fails that would fill a read before it needs memory. */
const IN_PART = [...SHORTAGES, Status.NOT_SUBMITTED, Status.NOT_SUBMITTED] as const;

/** What waits for its turn: a pending write that outlives its connection, until it is cancelled. */
type Stranded = WeakSet<Submission>;

/** See the module. */
export class SimulatedKernel extends MemoryKernel {
  /** Calls and completions so far. */
  events = 0;
  /** Its program has gone away. */
  abandoned = false;
  /** The status with which the next wait fails. */
  failsNextWait: number | undefined = undefined;
  readonly #name: string;
  readonly #around: Around;
  readonly #stranded: Stranded = new WeakSet();
  readonly #unstranded: Stranded = new WeakSet();
  readonly #tainted = new Map<ServerEnd, string>();
  readonly #writing = new Map<number, { readonly bytes: Uint8Array; readonly since: number }>();
  /** Slots whose write was said to be over while it was in flight. */
  readonly #saidOver = new Set<number>();
  /** Turns for which a completion that can be seen has waited. */
  readonly #ages = new Map<InFlight, number>();
  /** Handles whose last write could not be submitted. */
  readonly #short = new Set<Handle>();
  #during: "submission" | "picture" | "call" | undefined;
  #actedSinceDispatch = false;
  #waitFails = false;
  /** Whose message was measured: what is read next is the rest of it. */
  readonly #measured = new Set<Handle>();
  #goesOn = false;
  /** An instance that was created, and does not listen yet. */
  #fresh: Handle | undefined;
  /** Whether what is written fills a read before it needs memory. */
  #inPart = false;
  /** Handles on which something was read since they listened. */
  readonly #read = new Set<Handle>();
  /** Handles that nobody had connected to when the server last asked. */
  readonly #empty = new Set<Handle>();
  /** What was read last in a slot, and which ends were told that the other one is gone. */
  readonly #reading = new Map<number, Handle>();
  readonly #endsSeen = new Set<Handle>();

  constructor(name: string, system: MemorySystem, around: Around) {
    super(system);
    this.#name = name;
    this.#around = around;
    this.manual = true;
    this.decisions.entersWait = () => false;
    this.decisions.fails = (call, handle) =>
      FAILURES[call] === undefined ? undefined : this.#fails(call, handle);
    this.decisions.answers = (submission, truth) => this.#answers(submission, truth);
    this.decisions.shows = (flight) => this.#shows(flight);
    this.decisions.cancels = () => {
      if (!this.#chance("cancelsLate")) return true;
      this.#count(Kind.CANCEL_LATE);
      return false;
    };
    this.decisions.failsWait = () => this.failsNextWait;
  }

  override create(pipe: PipeSpec, first: boolean): Opened {
    const opened = this.#call("call", () => super.create(pipe, first));
    if (opened.status === Status.SUCCESS) this.#fresh = opened.handle;
    if (this.#chance("intrudes")) this.#around.passBy();
    this.#tell?.(`create${first ? " first" : ""} → ${this.#show(opened)}`);
    return opened;
  }

  override open(path: string, access: ClientAccess): Opened {
    const opened = this.#call("call", () => super.open(path, access));
    this.#tell?.(`open → ${this.#show(opened)}`);
    if (opened.status === Status.SUCCESS) {
      const end = this.endOf(opened.handle);
      if (end instanceof ClientEnd) this.#around.connections.opened(path, end, this.process);
    }
    return opened;
  }

  override keepMessages(handle: Handle): number {
    return this.#call("call", () => super.keepMessages(handle));
  }

  override clientProcess(handle: Handle): number | undefined {
    return this.#call("call", () => super.clientProcess(handle));
  }

  override clientSession(handle: Handle): number | undefined {
    // After a read, it is the program that asks for the client.
    if (!this.#read.has(handle)) this.#crash(handle, "clientSession");
    return this.#call("call", () => super.clientSession(handle));
  }

  override openToken(handle: Handle): OpenedToken {
    this.#crash(handle, "openToken");
    const opened = this.#call("call", () => super.openToken(handle));
    this.#tell?.(`openToken ${handle} → ${statusName(opened.status)}`);
    return opened;
  }

  override identify(token: Handle): Identified {
    const identified = this.#call("call", () => super.identify(token));
    this.#tell?.(`identify ${token} → ${statusName(identified.status)}`);
    return identified;
  }

  override listen(handle: Handle, slot: number): number {
    // Of the last client perhaps nothing more was read.
    this.#measured.delete(handle);
    this.#read.delete(handle);
    if (this.#fresh === handle) this.#fresh = undefined;
    const status = this.#call("submission", () => {
      const end = this.endOf(handle);
      if (end instanceof ServerEnd && end.forgets && end.client !== undefined) {
        this.#around.connections.unknown?.(end.client);
      }
      return super.listen(handle, slot);
    });
    if (status === Status.ALREADY_CONNECTED) this.#count(Kind.BEFORE_LISTEN);
    if (status === Status.NO_DATA) this.#count(Kind.GONE_BEFORE_LISTEN);
    this.#tell?.(`listen ${handle} → ${statusName(status)}`);
    return status;
  }

  override read(handle: Handle, slot: number, size: number): number {
    this.#goesOn = this.#measured.delete(handle);
    this.#read.add(handle);
    const end = this.endOf(handle);
    if (this.#goesOn && end instanceof ServerEnd && end.client !== undefined) {
      this.#around.connections.readsOn?.(end.client);
    }
    const status = this.#call("submission", () => super.read(handle, slot, size));
    this.#goesOn = false;
    if (status === Status.MORE_DATA) this.#count(Kind.PARTIAL);
    this.#reading.set(slot, handle);
    if (isEnd(status)) this.#endsSeen.add(handle);
    this.#tell?.(`read ${handle}, ${size} → ${statusName(status)}`);
    return status;
  }

  override write(handle: Handle, slot: number, message: Uint8Array<ArrayBuffer>): number {
    this.#writing.set(slot, { bytes: message.slice(), since: this.time });
    this.#saidOver.delete(slot);
    const status = this.#call("submission", () => {
      this.#inPart = this.endOf(handle)?.takesPart(message) ?? false;
      return super.write(handle, slot, message);
    });
    this.#tell?.(`write ${handle}, ${describe(message)} → ${statusName(status)}`);
    return status;
  }

  override cancel(handle: Handle, lane: Lane, slot: number): number {
    const end = this.endOf(handle);
    if (lane === Lane.OUT && end instanceof ClientEnd) this.#around.connections.withdrew?.(end);
    const status = this.#call("call", () => super.cancel(handle, lane, slot));
    if (status === Status.SUCCESS) {
      for (const flight of this.held) {
        if (flight.slot === slot && flight.lane === lane) this.#unstranded.add(flight);
      }
    }
    this.#tell?.(`cancel ${lane === Lane.IN ? "in" : "out"} ${handle} → ${statusName(status)}`);
    return status;
  }

  override peek(handle: Handle): Peeked {
    this.#intrude("call");
    const end = this.endOf(handle);
    const peeked = super.peek(handle);
    if (end instanceof ServerEnd && !this.#read.has(handle)) this.#sought(handle, end);
    else {
      if (end instanceof ServerEnd && end.client !== undefined) {
        this.#around.connections.measured?.(end.client);
      }
      if (peeked.status === Status.SUCCESS) this.#measured.add(handle);
    }
    if (isEnd(peeked.status)) this.#endsSeen.add(handle);
    this.#intrude("call");
    this.events++;
    this.#tell?.(`peek ${handle} → ${statusName(peeked.status)}, ${peeked.left} left`);
    return peeked;
  }

  /** The server asks whether there is a client. */
  #sought(handle: Handle, end: ServerEnd): void {
    if (end.state !== "connected") this.#empty.add(handle);
    else this.#count(Kind.FOUND);
  }

  override disconnect(handle: Handle): number {
    const end = this.endOf(handle);
    this.#intrude("call");
    const client = end instanceof ServerEnd && end.state === "connected" ? end.client : undefined;
    if (client !== undefined) this.#around.connections.evicted(client);
    if (this.#writesOn(handle)) {
      this.#around.violate("a write is not cancelled before a disconnect");
    }
    const status = super.disconnect(handle);
    if (end instanceof ServerEnd && status === Status.SUCCESS) this.#tainted.delete(end);
    this.#intrude("call");
    this.events++;
    this.#tell?.(`disconnect ${handle} → ${statusName(status)}`);
    return status;
  }

  /** Whether a write pends that nobody has asked to end. */
  #writesOn(handle: Handle): boolean {
    return this.inFlight().some((flight) =>
      flight.handle === handle && flight.lane === Lane.OUT && !flight.cancelled &&
      flight.operation.status === Status.PENDING
    );
  }

  override close(handle: Handle): number {
    const end = this.endOf(handle);
    if (end instanceof ClientEnd) this.#around.connections.left(end, this.#endsSeen.has(handle));
    const status = this.#call("call", () => {
      const client = end instanceof ServerEnd && end.state === "connected" ? end.client : undefined;
      if (client !== undefined) this.#around.connections.closed?.(client, this.#empty.has(handle));
      return super.close(handle);
    });
    this.#around.checkName();
    this.#tell?.(`close ${handle} → ${statusName(status)}`);
    return status;
  }

  override snapshot(lane: Lane): void {
    this.#intrude("picture");
    super.snapshot(lane);
    this.#intrude("picture");
  }

  override seemsPending(lane: Lane, slot: number): boolean {
    const seems = super.seemsPending(lane, slot);
    if (!seems || !this.#chance("blurs")) return seems;
    this.#count(Kind.BLURRED);
    if (lane === Lane.OUT) this.#saidOver.add(slot);
    return false;
  }

  override status(lane: Lane, slot: number): number {
    this.#intrude("call");
    const status = super.status(lane, slot);
    if (lane === Lane.OUT && status !== Status.PENDING) this.#writing.delete(slot);
    const reader = lane === Lane.IN && isEnd(status) ? this.#reading.get(slot) : undefined;
    if (reader !== undefined) this.#endsSeen.add(reader);
    return status;
  }

  override rearm(drained: boolean): void {
    this.#intrude("call");
    super.rearm(drained);
    this.#intrude("call");
  }

  override wait(drained: boolean): Promise<boolean> {
    const promise = super.wait(drained);
    this.events++;
    this.#actedSinceDispatch = false;
    this.#tell?.(`wait${drained ? " for writes too" : ""}`);
    if (this.failsNextWait !== undefined) {
      this.#count(failureKind("wait", this.failsNextWait));
      this.#waitFails = true;
    }
    this.#intrude("call");
    return promise;
  }

  override returnWait(): boolean {
    if (this.#waitFails) this.#around.waitFailed(this);
    return super.returnWait();
  }

  override wake(): void {
    super.wake();
    this.events++;
    this.#tell?.("wake");
  }

  override now(): number {
    if (this.#chance("drags")) {
      this.pass(this.#around.random.fraction() * 0.6);
    }
    return super.now();
  }

  override dispose(): void {
    const left = this.leftovers();
    if (JSON.stringify(left) !== JSON.stringify(NOTHING_LEFT)) {
      this.#around.violate(`I8: left over: ${JSON.stringify(left)}`);
    }
    super.dispose();
    this.#tell?.("dispose");
  }

  override abandon(): void {
    super.abandon();
    this.abandoned = true;
    this.#tell?.("abandon");
  }

  /** The time, without any side effect. */
  get time(): number {
    return super.now();
  }

  /** Whether a write of these bytes is in flight. */
  writes(bytes: Uint8Array): boolean {
    return this.#writesOf(bytes).length > 0;
  }

  /** Whether it is, has not ended, seen or not, and was never said to be over. */
  pends(bytes: Uint8Array): boolean {
    return this.#writesOf(bytes).some(({ slot, operation }) =>
      operation.status === Status.PENDING && !this.#saidOver.has(slot)
    );
  }

  /** Whether a write of these bytes has ended, as its program can see. */
  ended(bytes: Uint8Array): boolean {
    return this.#writesOf(bytes).some(({ word }) => word !== Status.PENDING);
  }

  #writesOf(bytes: Uint8Array) {
    return this.inFlight().filter(({ lane, slot }) => {
      const written = lane === Lane.OUT ? this.#writing.get(slot)?.bytes : undefined;
      return written !== undefined && sameBytes(written, bytes);
    });
  }

  /** For how many milliseconds the server has waited for a client to read. */
  get longestWrite(): number {
    const times = this.inFlight().map(({ lane, slot, handle, operation }) => {
      const pends = lane === Lane.OUT && operation.status === Status.PENDING;
      if (!pends || !(this.endOf(handle) instanceof ServerEnd)) return 0;
      return this.time - (this.#writing.get(slot)?.since ?? this.time);
    });
    return Math.max(0, ...times);
  }

  /** Whether a connection came about on an instance that a fault had touched. */
  taintOf(client: ClientEnd): string | undefined {
    for (const [end, why] of this.#tainted) if (end.client === client) return why;
    return undefined;
  }

  /** Completions that may be seen now. */
  deliverable(): InFlight[] {
    return this.held.filter((flight) =>
      !this.#stranded.has(flight) || this.#unstranded.has(flight)
    );
  }

  /** A completion can be seen from now on. */
  show(flight: InFlight): void {
    if (flight !== this.held[0]) this.#count(Kind.REORDERED);
    if (this.#during === "submission") this.#count(Kind.DURING_SUBMISSION);
    if (this.#during === "picture") this.#count(Kind.DURING_PICTURE);
    this.deliver(flight);
    this.#completed(flight);
  }

  /** A cancel that was not in time is in time at last. */
  cancelAtLast(flight: InFlight): void {
    // Or with another error.
    if (this.#around.rates.endsBadly > 0 && this.#around.random.chance(0.5)) this.endBadly(flight);
    else this.end(flight, Status.CANCELLED);
  }

  /** What pends ends badly. */
  endBadly(flight: InFlight): void {
    const { random } = this.#around;
    const status = random.some(BAD_ENDS[flight.call]) ?? Status.CANCELLED;
    if (!this.end(flight, status)) return;
    this.#count(badEndKind(flight.call, status));
    const harmless = flight.call === "read" && status === Status.NO_SYSTEM_RESOURCES;
    if (!harmless) this.#taint(flight.handle, badEndKind(flight.call, status), flight.call);
  }

  /** The dispatched wait begins. */
  begin(): void {
    if (this.#actedSinceDispatch) this.#count(Kind.WAIT_LATE);
    this.enterWait();
    this.#tell?.("the wait begins");
  }

  /** Something happened since the wait was dispatched. */
  acted(): void {
    this.#actedSinceDispatch = true;
  }

  /** Runs a turn; I9: what could be seen at its begin must be seen in bounded time. */
  turn(): void {
    const visible = this.inFlight().filter(({ word }) => word !== Status.PENDING);
    this.runTurn();
    const left = new Set(this.inFlight());
    for (const flight of this.#ages.keys()) if (!left.has(flight)) this.#ages.delete(flight);
    for (const flight of visible) {
      if (!left.has(flight)) continue;
      const age = (this.#ages.get(flight) ?? 0) + 1;
      this.#ages.set(flight, age);
      if (age > 4 * left.size + 8) {
        this.#around.violate(`I9: a ${flight.call} of ${flight.handle} waits for ${age} turns`);
      }
    }
  }

  /**
   * I10: what is over and not handled is looked for, or the wait will return. And the program is
   * not kept by a wait for nothing.
   */
  checkLiveness(): void {
    const { turns, inFlight } = this.leftovers();
    if (turns > 0 || this.waitEnds) return;
    if (inFlight === 0 && this.waitState !== "none") {
      this.#around.violate("I8: a wait keeps the program, and nothing is in flight");
    }
    const flight = this.inFlight().find(({ word }) => word !== Status.PENDING);
    if (flight === undefined) return;
    this.#around.violate(
      `I10: a ${flight.call} of ${flight.handle} is over (${flight.word}) and nobody will look: ` +
        `the wait is ${this.waitState}`,
    );
  }

  /** A mistake in the module itself, of which only one connection may suffer. */
  #crash(handle: Handle, call: string): void {
    if (!this.#chance("crashes")) return;
    this.#count(Kind.CRASHED);
    this.#taint(handle, Kind.CRASHED, call);
    throw new Planted(`${call} throws`);
  }

  get #tell(): ((what: string) => void) | undefined {
    const { tell } = this.#around;
    return tell && ((what) => tell(`${this.#name}: ${what}`));
  }

  #show({ status, handle }: Opened): string {
    return status === Status.SUCCESS ? `${handle}` : statusName(status);
  }

  #call<T>(during: "submission" | "call", call: () => T): T {
    if (this.#fresh !== undefined) {
      this.#around.violate(`instance ${this.#fresh} does not listen at once`);
      this.#fresh = undefined;
    }
    this.#intrude(during);
    const result = call();
    this.events++;
    this.#intrude(during);
    return result;
  }

  #intrude(during: "submission" | "picture" | "call"): void {
    if (this.#during !== undefined || !this.#chance("intrudes")) return;
    this.#during = during;
    this.#around.intrude();
    this.#during = undefined;
  }

  #chance(rate: keyof Rates, times: number = 1): boolean {
    return this.#around.random.chance(this.#around.rates[rate] * times);
  }

  #count(kind: string): void {
    this.#around.counts.add(kind);
    this.#tell?.(`fault: ${kind}`);
  }

  #taint(handle: Handle | undefined, why: string, call: string): void {
    if (call === "listen") this.#around.instanceLost();
    const end = handle === undefined ? undefined : this.endOf(handle);
    if (end instanceof ServerEnd) {
      this.#tainted.set(end, why);
      if (end.client !== undefined) this.#around.connections.taint(end.client, why);
    } else if (end instanceof ClientEnd) {
      this.#around.connections.taint(end, why);
    }
  }

  #fails(call: Failing, handle: Handle | undefined): number | undefined {
    // The rest of a long message is seldom read, or its client gone by then: it shall fail often.
    const seldom = this.#goesOn || call === "peek" && this.#hasEnded(handle);
    // A shortage seldom passes at once.
    const goesOn = call === "write" && handle !== undefined && this.#short.delete(handle);
    const inPart = call === "write" && this.#inPart;
    const tries = seldom || goesOn || inPart ? 4 : 1;
    if (!this.#chance("fails", tries)) return undefined;
    const codes = inPart ? IN_PART : goesOn ? [Status.NOT_SUBMITTED] : FAILURES[call];
    const code = this.#around.random.some(codes ?? []);
    if (code === undefined) return undefined;
    const ends = isEnd(code) && (call === "read" || call === "write" || call === "peek");
    if (ends && !this.#hasEnded(handle)) return undefined;
    const kind = failureKind(call, code);
    this.#count(kind);
    if (inPart && code !== Status.NOT_SUBMITTED) this.#count(Kind.IN_PART);
    if (call === "create") this.#around.instanceLost();
    const end = this.#goesOn && handle !== undefined ? this.endOf(handle) : undefined;
    if (end instanceof ServerEnd && end.client !== undefined) {
      this.#around.connections.cutShort?.(end.client);
    }
    if (!passes(call, code)) this.#taint(handle, kind, call);
    if (call === "write" && handle !== undefined && code === Status.NOT_SUBMITTED) {
      this.#short.add(handle);
    }
    return code;
  }

  /** Whether the other end is gone: nothing else would be said to be. */
  #hasEnded(handle: Handle | undefined): boolean {
    const end = handle === undefined ? undefined : this.endOf(handle);
    if (end instanceof ServerEnd) return end.state === "closing";
    return end !== undefined && end.peek().status !== Status.SUCCESS;
  }

  #answers(submission: Submission, truth: number): number {
    const { random } = this.#around;
    const moved = truth === Status.SUCCESS || truth === Status.MORE_DATA;
    if (truth !== Status.PENDING && this.#chance("claimsPending")) {
      this.#count(Kind.CLAIMS_PENDING);
      return Status.PENDING;
    }
    if (!this.#chance("lies")) return truth;
    if (truth === Status.PENDING) this.#count(Kind.LIE_IN_FLIGHT);
    else this.#count(moved ? Kind.LIE_DONE : Kind.LIE_FAILED);
    if (!moved) this.#taint(submission.handle, Kind.LIE_IN_FLIGHT, submission.call);
    return random.pick(LOST);
  }

  #shows(flight: InFlight): boolean {
    const { status } = flight.operation;
    const ended = status === Status.BROKEN || status === Status.DISCONNECTED;
    if (
      flight.lane === Lane.OUT && ended && this.#endIsSeen(flight, status) &&
      this.#chance("strands")
    ) {
      this.#stranded.add(flight);
      this.#count(Kind.STRANDED);
      return false;
    }
    if (this.#chance("delays")) {
      this.#count(Kind.DELAYED);
      return false;
    }
    this.#completed(flight);
    return true;
  }

  /** The server will learn otherwise that a connection has ended, and cancel what it writes. */
  #endIsSeen({ handle }: Submission, status: number): boolean {
    const end = this.endOf(handle);
    if (!(end instanceof ServerEnd)) return false;
    return end.state === "disconnected" ||
      this.inFlight().some((other) =>
        other.handle === handle && other.lane === Lane.IN && other.operation.status === status
      );
  }

  #completed(flight: InFlight): void {
    this.events++;
    const { status, transferred } = flight.operation;
    if (status === Status.MORE_DATA) this.#count(Kind.PARTIAL);
    if (flight.call === "read" && status === Status.SUCCESS && flight.cancelled) {
      this.#count(Kind.CANCELLED_DATA);
    }
    this.#tell?.(
      `completion: ${flight.call} ${flight.handle}: ${statusName(status)}, ${transferred} B`,
    );
  }
}
