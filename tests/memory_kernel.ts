/**
 * An operating system in memory: deterministic, without time, I/O or permissions, and strict about
 * the contract of the seam. See {@linkcode MemoryKernel}.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import {
  type ClientAccess,
  type Handle,
  type Identified,
  type Kernel,
  Lane,
  type Opened,
  type Peeked,
  type PipeSpec,
  type PipeType,
  type Timer,
  type Told,
} from "../src/kernel/kernel.ts";
import { isShortage, Status } from "../src/kernel/status.ts";
import { lastSubauthority } from "../ffi/sid.ts";
import { Clock } from "./memory/clock.ts";
import { type Decisions, type Failing, plain, type Submission } from "./memory/decisions.ts";
import { type End, Operation, ServerEnd } from "./memory/pipe.ts";
import { Signals, type WaitState } from "./memory/signals.ts";
import { MemorySystem } from "./memory/system.ts";

export type { Decisions, Failing, Submission } from "./memory/decisions.ts";
export type { Outcome, RawClient, RawEnd, RawServer } from "./memory/raw.ts";
export type { WaitState } from "./memory/signals.ts";
export { MemorySystem, USER } from "./memory/system.ts";

/** What memory holds that is nobody's to read: in flight, or released. */
export const POISON = 0xdb;

/** The session that every process is in. */
const SESSION = 1;

/** As much of the grammar of security descriptors as is needed to tell one from nonsense. */
const SDDL = /^(?:[OG]:(?:S-[\d-]+|[A-Z]{2}))*D:[A-Z]*(?:\([^()]*\))*(?:S:.*)?$/;

/** What a kernel still holds. */
export interface Leftovers {
  /** Operations whose completion was not observed. */
  readonly inFlight: number;
  /** Handles. */
  readonly open: number;
  /** Slots with memory. */
  readonly slots: number;
  /** Waits that have not returned. */
  readonly waiting: number;
  /** Timers that have not fired. */
  readonly timers: number;
  /** Turns that have not begun. */
  readonly turns: number;
}

/** The leftovers of a program that has tidied up. */
export const NOTHING_LEFT: Leftovers = {
  inFlight: 0,
  open: 0,
  slots: 0,
  waiting: 0,
  timers: 0,
  turns: 0,
};

/** An operation as a test sees it. */
export interface InFlight extends Submission {
  /** How it stands or ended, whether that can be seen or not. */
  readonly operation: { readonly status: number; readonly transferred: number };
  /** The status word: PENDING until the completion can be seen. */
  readonly word: number;
  /** A cancel was asked for, and was not in time. */
  readonly cancelled: boolean;
}

/** One operation of a slot: its OVERLAPPED and its buffer. */
interface Flight extends InFlight {
  readonly operation: Operation;
  /** In flight until its completion was observed (contract, 2). */
  inFlight: boolean;
  /** The status word. A synchronous failure leaves it PENDING for ever. */
  word: number;
  memory: Uint8Array;
  /** A cancel was asked for, and was not in time. */
  cancelled: boolean;
}

interface Open {
  readonly end: End;
  /** A message was read, and nothing was submitted since: its writer can be identified. */
  identifiable: boolean;
  /** What is in flight, by lane. */
  readonly flights: [Flight | undefined, Flight | undefined];
}

interface Slot {
  readonly flights: [Flight | undefined, Flight | undefined];
}

function poisoned(size: number): Uint8Array {
  return new Uint8Array(size).fill(POISON);
}

function moved(status: number): boolean {
  return status === Status.SUCCESS || status === Status.MORE_DATA;
}

/**
 * A {@linkcode Kernel} in memory.
 *
 * Its pipes are those of a {@linkcode MemorySystem}, which other kernels and raw test ends may
 * share. Whatever the contract of the seam forbids throws an error that begins with `contract:`.
 * Without any setting, everything happens at once, and waits and turns come back by `setImmediate`,
 * so that ordinary asynchronous tests work. A test can hold back completions, waits and turns, and
 * replace each of the {@linkcode Decisions}.
 */
export class MemoryKernel implements Kernel {
  /** The pipes, and the raw ends of tests. */
  readonly system: MemorySystem;
  /** The choices of the system; replace what a test needs. */
  readonly decisions: Decisions;
  /** Completions of pending operations stay invisible until {@linkcode deliver}. */
  holdCompletions = false;
  /** Dispatched waits see nothing until {@linkcode enterWait}. */
  holdWaits = false;
  /** Whether a wait that is dispatched can let go of the program; else it returns. */
  letsGo = true;
  /** The process that it belongs to. */
  readonly process: number;
  /** Tells the names of accounts; a test may take its time. */
  accounts: (sid: string) => Promise<string | undefined> = (sid) =>
    Promise.resolve(this.system.knows(sid) ? `TEST\\${lastSubauthority(sid)}` : undefined);
  /** The first breach of the contract, even if its error was caught. */
  breach: Error | undefined = undefined;

  readonly #clock = new Clock();
  readonly #signals: Signals;
  readonly #handles = new Map<Handle, Open>();
  readonly #slots = new Map<number, Slot>();
  readonly #pictures: [Set<number>, Set<number>] = [new Set(), new Set()];
  readonly #held: Flight[] = [];
  readonly #accepted = new Set<string>();
  readonly #failures: { readonly call: Failing; readonly status: number }[] = [];
  readonly #unloads: (() => void)[] = [];
  #keepsAlive = true;
  #nextHandle = 0n;
  #waitFailure: number | undefined;
  #state: "running" | "unloading" | "abandoned" | "disposed" = "running";

  constructor(system: MemorySystem = new MemorySystem(), decisions: Partial<Decisions> = {}) {
    this.system = system;
    this.process = system.newProcess();
    this.decisions = { ...plain(), ...decisions };
    this.#signals = new Signals(() => {
      if (!this.manual) setImmediate(() => this.returnWait());
    });
  }

  create(pipe: PipeSpec, first: boolean): Opened {
    this.#running();
    if (pipe.security !== undefined && !this.#accepted.has(pipe.security)) {
      this.#breach("a security descriptor that was not accepted");
    }
    const failure = this.#fails("create");
    if (failure !== undefined) return { status: failure, handle: 0n };
    const { status, end } = this.system.create(pipe.path, {
      messages: pipe.type === "message",
      direction: pipe.direction,
      most: 255,
      readBufferSize: pipe.readBufferSize,
      writeBufferSize: pipe.writeBufferSize,
      process: this.process,
      ...(pipe.security === undefined ? {} : { security: pipe.security }),
    }, first);
    return this.#opened(status, end);
  }

  open(path: string, access: ClientAccess): Opened {
    this.#running();
    const failure = this.#fails("open");
    if (failure !== undefined) return { status: failure, handle: 0n };
    const { status, end } = this.system.open(path, { ...access, process: this.process });
    return this.#opened(status, end);
  }

  clientProcess(handle: Handle): number | undefined {
    const { end } = this.#use(handle);
    if (this.#fails("clientProcess", handle) !== undefined) return undefined;
    return end instanceof ServerEnd ? end.process : undefined;
  }

  clientSession(handle: Handle): number | undefined {
    const { end } = this.#use(handle);
    if (this.#fails("clientSession", handle) !== undefined) return undefined;
    return end instanceof ServerEnd ? SESSION : undefined;
  }

  hostProcess(handle: Handle): number | undefined {
    const { end } = this.#use(handle);
    return this.#fails("hostProcess", handle) === undefined ? end.host : undefined;
  }

  hostSession(handle: Handle): number | undefined {
    this.#use(handle);
    return this.#fails("hostSession", handle) === undefined ? SESSION : undefined;
  }

  executable(process: number, since: number = Infinity): string | undefined {
    this.#running();
    if (this.#fails("executable") !== undefined) return undefined;
    const program = this.system.programOf(process);
    return program === undefined || program.began > since ? undefined : program.path;
  }

  serverProcess(path: string): number | undefined {
    this.#running();
    if (this.#fails("serverProcess") !== undefined) return undefined;
    const { end } = this.system.open(path, { process: this.process, direction: "none" });
    end?.close();
    return end?.host;
  }

  ownUser(): Told {
    this.#running();
    const status = this.#fails("ownUser");
    if (status !== undefined) return { status, call: "OpenProcessToken", text: "" };
    const text = this.system.identityOf(this.process).sid;
    return { status: Status.SUCCESS, call: "GetTokenInformation", text };
  }

  acceptsSecurity(sddl: string): number {
    this.#running();
    const failure = this.#fails("acceptsSecurity");
    if (failure !== undefined) return failure;
    if (!SDDL.test(sddl)) return Status.INVALID_PARAMETER;
    this.#accepted.add(sddl);
    return Status.SUCCESS;
  }

  security(handle: Handle): Told {
    const { end } = this.#use(handle);
    const status = this.#fails("security", handle) ?? Status.SUCCESS;
    return { status, call: "GetKernelObjectSecurity", text: end.terms.security ?? "" };
  }

  owner(handle: Handle): Told {
    const { end } = this.#use(handle);
    const status = this.#fails("owner", handle) ?? Status.SUCCESS;
    const [, named] = /^O:(S-[\d-]+)/.exec(end.terms.security ?? "") ?? [];
    const text = named ?? this.system.identityOf(end.terms.process ?? 0).sid;
    return { status, call: "GetKernelObjectSecurity", text };
  }

  identify(handle: Handle): Identified {
    const { end, identifiable } = this.#use(handle);
    const call = "ImpersonateNamedPipeClient";
    const failure = this.#fails("identify", handle);
    if (failure !== undefined) return { status: failure, call, identity: undefined };
    // It is that of the last message read, and nobody knows which after the next read.
    if (!identifiable) this.#breach("a client is identified without a message just read");
    const { status, process } = end instanceof ServerEnd
      ? end.writer
      : { status: Status.SUCCESS, process: 0 };
    if (status === Status.SUCCESS) {
      return { status, call, identity: this.system.identityOf(process) };
    }
    const failed = status === Status.ANONYMOUS ? "OpenThreadToken" : call;
    return { status, call: failed, identity: undefined };
  }

  accountName(sid: string): Promise<string | undefined> {
    this.#running();
    return this.accounts(sid);
  }

  keepMessages(handle: Handle): number {
    const { end } = this.#use(handle);
    return this.#fails("keepMessages", handle) ?? end.keepMessages(true);
  }

  type(handle: Handle): PipeType | undefined {
    const { end } = this.#use(handle);
    if (this.#fails("type", handle) !== undefined) return undefined;
    return end.terms.messages ? "message" : "byte";
  }

  exists(path: string): boolean {
    this.#living();
    return this.system.exists(path);
  }

  listen(handle: Handle, slot: number): number {
    return this.#submit({ call: "listen", handle, slot, lane: Lane.IN }, 0, (end, operation) => {
      end.listen(operation);
    });
  }

  read(handle: Handle, slot: number, size: number): number {
    return this.#submit({ call: "read", handle, slot, lane: Lane.IN }, size, (end, operation) => {
      end.read(operation, size);
    });
  }

  write(handle: Handle, slot: number, message: Uint8Array<ArrayBuffer>): number {
    return this.#submit(
      { call: "write", handle, slot, lane: Lane.OUT },
      0,
      (end, operation) => end.write(operation, message),
      (end) => end.writeInPart(message),
    );
  }

  cancel(handle: Handle, lane: Lane, slot: number): number {
    this.#use(handle);
    const flight = this.#slots.get(slot)?.flights[lane];
    // Nothing pending, or over by now, observed or not.
    if (flight === undefined || !flight.inFlight || flight.word !== Status.PENDING) {
      return Status.NOTHING_TO_CANCEL;
    }
    if (flight.handle !== handle) this.#breach(`slot ${slot} is in flight on another handle`);
    if (flight.operation.status === Status.PENDING) {
      if (this.decisions.cancels(flight)) flight.operation.cancel();
      else flight.cancelled = true;
    }
    return Status.SUCCESS;
  }

  peek(handle: Handle): Peeked {
    const { end } = this.#use(handle);
    const failure = this.#fails("peek", handle);
    return failure === undefined ? end.peek() : { status: failure, left: 0 };
  }

  disconnect(handle: Handle): number {
    const { end } = this.#use(handle);
    return this.#fails("disconnect", handle) ?? end.disconnect();
  }

  close(handle: Handle): number {
    const { end, flights } = this.#use(handle);
    if (this.#state !== "unloading" && flights.some((flight) => flight?.inFlight)) {
      this.#breach("a handle is closed with an operation in flight");
    }
    const failure = this.#fails("close", handle);
    if (failure !== undefined) return failure;
    this.#handles.delete(handle);
    end.close();
    return Status.SUCCESS;
  }

  snapshot(lane: Lane): void {
    this.#living();
    const picture = this.#pictures[lane];
    picture.clear();
    for (const [number, { flights }] of this.#slots) {
      if (flights[lane]?.word === Status.PENDING) picture.add(number);
    }
  }

  seemsPending(lane: Lane, slot: number): boolean {
    this.#living();
    return this.#pictures[lane].has(slot);
  }

  status(lane: Lane, slot: number): number {
    const flight = this.#flight(lane, slot);
    if (flight.word !== Status.PENDING && flight.inFlight) this.#observe(flight);
    return flight.word;
  }

  transferred(lane: Lane, slot: number): number {
    const flight = this.#flight(lane, slot);
    if (flight.inFlight) this.#breach(`slot ${slot} is in flight: nothing is transferred yet`);
    // A failure leaves the word of the length untouched.
    if (!moved(flight.word)) this.#breach(`the last operation of slot ${slot} transferred nothing`);
    return flight.operation.transferred;
  }

  take(slot: number, target: Uint8Array<ArrayBuffer>): void {
    const size = this.transferred(Lane.IN, slot);
    if (target.length > size) this.#breach(`${target.length} bytes are taken of ${size}`);
    target.set(this.#flight(Lane.IN, slot).memory.subarray(0, target.length));
  }

  release(slot: number): void {
    this.#living();
    const flights = this.#slots.get(slot)?.flights ?? [];
    if (flights.some((flight) => flight?.inFlight)) {
      this.#breach(`slot ${slot} is released with an operation in flight`);
    }
    for (const flight of flights) flight?.memory.fill(POISON);
    this.#slots.delete(slot);
  }

  rearm(drained: boolean): void {
    this.#living();
    this.#signals.reset(Lane.IN);
    if (drained) this.#signals.reset(Lane.OUT);
  }

  wait(drained: boolean): Promise<boolean> {
    this.#running();
    if (this.#signals.state !== "none") this.#breach("two waits at once");
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#signals.dispatch(drained, resolve);
    this.#waitFailure = this.decisions.failsWait();
    if (this.#waitFailure !== undefined) this.#signals.fail();
    else if (!this.holdWaits && this.decisions.entersWait()) this.enterWait();
    return promise;
  }

  waitStatus(_drained: boolean): number {
    this.#living();
    return this.decisions.failsWait() ?? Status.SUCCESS;
  }

  wake(): void {
    this.#living();
    this.#signals.wake();
  }

  keepAlive(on: boolean): void {
    this.#running();
    this.#keepsAlive = on;
    if (!this.letsGo && this.waitState !== "none") this.wake();
  }

  nextTurn(callback: () => void): void {
    this.#living();
    this.#clock.nextTurn(callback);
  }

  nextTurnIfRunning(callback: () => void): void {
    this.#living();
    this.#clock.nextTurn(callback, false);
  }

  now(): number {
    return this.#clock.now;
  }

  startTimer(milliseconds: number, callback: () => void): Timer {
    this.#living();
    return this.#clock.start(milliseconds, callback);
  }

  stopTimer(timer: Timer): void {
    this.#clock.stop(timer);
  }

  dispose(): void {
    this.#living();
    const { inFlight, open, waiting, timers } = this.leftovers();
    if (inFlight + open + waiting + timers > 0) {
      this.#breach(`disposed of with leftovers: ${JSON.stringify(this.leftovers())}`);
    }
    this.#slots.clear();
    this.#state = "disposed";
  }

  onUnload(callback: () => void): void {
    this.#unloads.push(callback);
  }

  abandon(): void {
    this.#living();
    if (this.#handles.size > 0) this.#breach("abandoned with open handles");
    this.#state = "abandoned";
    this.#signals.wake();
  }

  /** What is left; see {@linkcode NOTHING_LEFT}. */
  leftovers(): Leftovers {
    let inFlight = 0;
    for (const { flights } of this.#slots.values()) {
      inFlight += flights.filter((flight) => flight?.inFlight).length;
    }
    return {
      inFlight,
      open: this.#handles.size,
      slots: this.#slots.size,
      waiting: this.#signals.state === "none" ? 0 : 1,
      timers: this.#clock.timers,
      turns: this.#clock.turns,
    };
  }

  /** Whether waits and timers keep the program running, if there are any. */
  get keepsAlive(): boolean {
    return this.#keepsAlive;
  }

  /** Whether a wait, a timer or a turn keeps the program running. */
  get keepsProgram(): boolean {
    const { waiting, timers, turns } = this.leftovers();
    return this.#clock.turnKeepsAlive || this.#keepsAlive && waiting + timers + turns > 0;
  }

  /** Makes the next call of this name fail with a status, without doing anything. */
  failNext(call: Failing, status: number): void {
    this.#failures.push({ call, status });
  }

  /** What is in flight: over but not observed, or pending. */
  inFlight(): InFlight[] {
    const flights: Flight[] = [];
    for (const slot of this.#slots.values()) {
      for (const flight of slot.flights) if (flight?.inFlight) flights.push(flight);
    }
    return flights;
  }

  /** Ends what pends with a status, as if the system had done it. False when it is over. */
  end(submission: Submission, status: number): boolean {
    const operation = this.#slots.get(submission.slot)?.flights[submission.lane]?.operation;
    if (operation?.status !== Status.PENDING) return false;
    operation.withdraw();
    operation.finish(status);
    return true;
  }

  /** What pends although a cancel was asked for, which was not in time: to be ended at last. */
  late(): InFlight[] {
    return this.#pendingFlights((flight) => flight.cancelled);
  }

  #pendingFlights(wanted: (flight: Flight) => boolean): Flight[] {
    const flights: Flight[] = [];
    for (const slot of this.#slots.values()) {
      for (const flight of slot.flights) {
        if (flight?.inFlight && flight.operation.status === Status.PENDING && wanted(flight)) {
          flights.push(flight);
        }
      }
    }
    return flights;
  }

  /** The end of a pipe that a handle stands for. */
  endOf(handle: Handle): End | undefined {
    return this.#handles.get(handle)?.end;
  }

  /** Completions that nobody can see yet, oldest first. */
  get held(): readonly InFlight[] {
    return this.#held;
  }

  /** Makes one held completion visible, the oldest unless told. False when there is none. */
  deliver(submission: Submission | undefined = this.#held[0]): boolean {
    const at = this.#held.findIndex((flight) => flight === submission);
    const [flight] = at < 0 ? [] : this.#held.splice(at, 1);
    if (flight === undefined) return false;
    this.#show(flight);
    return true;
  }

  /** How far the wait has come. */
  get waitState(): WaitState {
    return this.#signals.state;
  }

  /** Whether the dispatched wait is over, or would be as soon as it begins. */
  get waitEnds(): boolean {
    return this.#signals.ends;
  }

  /** The dispatched wait begins to wait. False when there is none. */
  enterWait(): boolean {
    return this.#signals.enter();
  }

  /** The wait that is over comes back. False when there is none. */
  returnWait(): boolean {
    // Nothing completes any more: what is in flight is given up, as when the program goes away.
    if (this.waitState === "over" && this.#waitFailure !== undefined) this.#state = "unloading";
    return this.#signals.return(this.#waitFailure === undefined);
  }

  /** Turns run by {@linkcode runTurn}, and waits come back by {@linkcode returnWait}, only. */
  get manual(): boolean {
    return this.#clock.manual;
  }

  set manual(on: boolean) {
    this.#clock.manual = on;
  }

  /** Runs the turns that are queued now, not those that they queue. Says how many. */
  runTurn(): number {
    return this.#clock.runTurn();
  }

  /** Time passes without anything happening: timers are late. */
  pass(milliseconds: number): void {
    this.#clock.pass(milliseconds);
  }

  /** When the next timer is due, on the clock of {@linkcode now}. */
  get nextTimer(): number | undefined {
    return this.#clock.next;
  }

  /** Moves the clock, and fires each timer that is due in a task of its own. */
  advance(milliseconds: number): Promise<void> {
    return this.#clock.advance(milliseconds);
  }

  /** Moves the clock to the next timer and fires it. False when none is due by `until`. */
  fireTimer(until: number = Infinity): boolean {
    return this.#clock.fire(until);
  }

  /** The program is about to go away: what a reload does. */
  unload(): void {
    this.#state = "unloading";
    for (const callback of this.#unloads) callback();
  }

  /**
   * The process dies: what pends is cancelled and every handle closed. Whatever still calls
   * this kernel is not dead enough, and is told so.
   */
  kill(): void {
    for (const { end, flights } of this.#handles.values()) {
      for (const flight of flights) flight?.operation.cancel();
      end.close();
    }
    this.#handles.clear();
    this.#slots.clear();
    this.#clock.stopAll();
    this.#state = "disposed";
  }

  #submit(
    submission: Submission,
    size: number,
    start: (end: End, operation: Operation) => void,
    startInPart: (end: End) => void = () => {},
  ): number {
    const { call, handle, slot, lane } = submission;
    const open = this.#use(handle);
    if (this.#state === "unloading") this.#breach(`a ${call} while the program goes away`);
    const memory = this.#slots.get(slot) ?? { flights: [undefined, undefined] };
    this.#slots.set(slot, memory);
    if (memory.flights[lane]?.inFlight) {
      this.#breach(`a second operation on lane ${lane} of slot ${slot}`);
    }
    if (open.flights[lane]?.inFlight) {
      this.#breach(`a second operation on lane ${lane} of a handle`);
    }
    const flight: Flight = {
      ...submission,
      operation: new Operation(() => {
        if (flight.inFlight) this.#ended(flight);
      }),
      inFlight: false,
      cancelled: false,
      word: Status.PENDING,
      memory: poisoned(size),
    };
    memory.flights[lane] = flight;
    open.flights[lane] = flight;
    if (lane === Lane.IN) open.identifiable = false;
    this.#signals.reset(lane);
    const failure = this.#fails(call, handle);
    if (failure === undefined) start(open.end, flight.operation);
    else {
      if (failure !== Status.NOT_SUBMITTED && isShortage(failure)) startInPart(open.end);
      flight.operation.finish(failure);
    }
    const truth = flight.operation.status;
    // Nothing was submitted: the system has nothing to say.
    if (truth === Status.NOT_SUBMITTED) return truth;
    const answer = this.decisions.answers(flight, truth);
    if (truth === Status.PENDING) {
      flight.inFlight = true;
    } else if (answer === Status.PENDING) {
      // Over, and PENDING all the same.
      flight.inFlight = true;
      this.#ended(flight);
    } else if (moved(truth)) {
      // A synchronous success, and a partial read, leave the event signalled.
      flight.word = truth;
      flight.memory.set(flight.operation.bytes);
      if (call === "read") open.identifiable = true;
      this.#signals.signal(lane);
    }
    return answer;
  }

  #ended(flight: Flight): void {
    if (this.holdCompletions || !this.decisions.shows(flight)) this.#held.push(flight);
    else this.#show(flight);
  }

  #show(flight: Flight): void {
    flight.word = flight.operation.status;
    this.#signals.signal(flight.lane);
  }

  #observe(flight: Flight): void {
    flight.inFlight = false;
    const open = this.#handles.get(flight.handle);
    if (open !== undefined && flight.call === "read") open.identifiable = moved(flight.word);
    flight.memory.set(flight.operation.bytes);
  }

  #flight(lane: Lane, slot: number): Flight {
    this.#living();
    return this.#slots.get(slot)?.flights[lane] ??
      this.#breach(`slot ${slot} has had no operation on lane ${lane}`);
  }

  #opened(status: number, end: End | undefined): Opened {
    if (end === undefined) return { status, handle: 0n };
    this.#nextHandle += 4n;
    const flights: Open["flights"] = [undefined, undefined];
    this.#handles.set(this.#nextHandle, { end, identifiable: false, flights });
    return { status, handle: this.#nextHandle };
  }

  #use(handle: Handle): Open {
    this.#living();
    return this.#handles.get(handle) ?? this.#breach(`handle ${handle} is not open`);
  }

  #fails(call: Failing, handle?: Handle): number | undefined {
    const at = this.#failures.findIndex((failure) => failure.call === call);
    if (at >= 0) return this.#failures.splice(at, 1)[0]?.status;
    return this.decisions.fails(call, handle);
  }

  /** What the contract forbids. Remembered, since whoever calls may catch it. */
  #breach(what: string): never {
    this.breach ??= new Error(`contract: ${what}`);
    throw new Error(`contract: ${what}`);
  }

  #living(): void {
    if (this.#state === "disposed") this.#breach("the kernel was disposed of");
  }

  #running(): void {
    this.#living();
    if (this.#state !== "running") this.#breach("the program goes away");
  }
}
