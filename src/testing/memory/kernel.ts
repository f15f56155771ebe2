/**
 * The seam over a system in memory.
 *
 * @module
 */

import {
  type ClientAccess,
  type Handle,
  type Kernel,
  Lane,
  type Opened,
  type Peeked,
  type PipeSpec,
  type PipeType,
  type Timer,
} from "../../kernel/kernel.ts";
import { nextTask } from "../../kernel/scheduling.ts";
import { Status } from "../../kernel/status.ts";
import { type Clock, ManualClock } from "./clock.ts";
import type { Decisions } from "./decisions.ts";
import type { End } from "./end.ts";
import type { InFlight } from "./flight.ts";
import { Flights } from "./flights.ts";
import type { Leftovers } from "./leftovers.ts";
import { ProcessQueries } from "./queries.ts";
import { Signals } from "./signals.ts";
import { System } from "./system.ts";
import { Timers } from "./timers.ts";
import { TurnQueue } from "./turn_queue.ts";

/** What a kernel can be given. */
export interface KernelOptions {
  /** Choices of the system that differ from the plain ones. */
  readonly decisions?: Partial<Decisions>;
  /** The clock; one of its own unless told. */
  readonly clock?: Clock;
  /** The process that it belongs to; a new one unless told. */
  readonly process?: number;
}

/**
 * A {@linkcode Kernel} in memory: a {@linkcode System} as one of its processes sees it. It is
 * deterministic, needs no permission, and is strict: whatever the contract of the seam forbids throws
 * an error that begins with `contract:`.
 *
 * Everything happens at once, and waits and turns come back in tasks of their own.
 */
export class ProcessKernel extends ProcessQueries implements Kernel {
  protected readonly signals: Signals = new Signals(() => this.waitIsOver());
  protected readonly turns: TurnQueue = new TurnQueue();
  protected readonly flights: Flights;
  readonly #clock: Clock;
  protected readonly timers: Timers;
  #waitFailure: number | undefined;

  constructor(system: System = new System(), options: KernelOptions = {}) {
    super(system, options.process ?? system.newProcess(), options.decisions ?? {});
    this.#clock = options.clock ?? new ManualClock();
    this.timers = new Timers(this.#clock);
    this.flights = new Flights(this.contract, this.handles, this.signals, {
      fails: (call, handle) => this.fails(call, handle),
      answers: (submission, truth) => this.decisions.answers(submission, truth),
      shows: (flight) => this.shows(flight),
      cancels: (submission) => this.decisions.cancels(submission),
    });
  }

  create(pipe: PipeSpec, first: boolean): Opened {
    this.contract.running();
    this.checkAccepted(pipe.security);
    const failure = this.fails("create");
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
    this.contract.running();
    const failure = this.fails("open");
    if (failure !== undefined) return { status: failure, handle: 0n };
    const { status, end } = this.system.open(path, { ...access, process: this.process });
    return this.#opened(status, end);
  }

  keepMessages(handle: Handle): number {
    const { end } = this.handles.use(handle);
    return this.fails("keepMessages", handle) ?? end.keepMessages(true);
  }

  type(handle: Handle): PipeType | undefined {
    const { end } = this.handles.use(handle);
    if (this.fails("type", handle) !== undefined) return undefined;
    return end.terms.messages ? "message" : "byte";
  }

  exists(path: string): boolean {
    this.contract.living();
    return this.system.exists(path);
  }

  listen(handle: Handle, slot: number): number {
    return this.flights.submit({ call: "listen", handle, slot, lane: Lane.IN }, {
      begin: (end, operation) => end.listen(operation),
    });
  }

  read(handle: Handle, slot: number, size: number): number {
    return this.flights.submit({ call: "read", handle, slot, lane: Lane.IN }, {
      begin: (end, operation) => end.read(operation, size),
      size,
    });
  }

  write(handle: Handle, slot: number, message: Uint8Array<ArrayBuffer>): number {
    return this.flights.submit({ call: "write", handle, slot, lane: Lane.OUT }, {
      begin: (end, operation) => end.write(operation, message),
      beginInPart: (end) => end.writeInPart(message),
    });
  }

  cancel(handle: Handle, lane: Lane, slot: number): number {
    this.handles.use(handle);
    return this.flights.cancel(handle, lane, slot);
  }

  peek(handle: Handle): Peeked {
    const { end } = this.handles.use(handle);
    const failure = this.fails("peek", handle);
    return failure === undefined ? end.peek() : { status: failure, left: 0 };
  }

  disconnect(handle: Handle): number {
    const { end } = this.handles.use(handle);
    return this.fails("disconnect", handle) ?? end.disconnect();
  }

  close(handle: Handle): number {
    const { end, flights } = this.handles.use(handle);
    if (this.contract.state !== "unloading" && flights.some((flight) => flight?.inFlight)) {
      this.contract.fail("a handle is closed with an operation in flight");
    }
    const failure = this.fails("close", handle);
    if (failure !== undefined) return failure;
    this.handles.delete(handle);
    end.close();
    return Status.SUCCESS;
  }

  snapshot(lane: Lane): void {
    this.contract.living();
    this.flights.snapshot(lane);
  }

  seemsPending(lane: Lane, slot: number): boolean {
    this.contract.living();
    return this.flights.seemsPending(lane, slot);
  }

  status(lane: Lane, slot: number): number {
    this.contract.living();
    return this.flights.status(lane, slot);
  }

  transferred(lane: Lane, slot: number): number {
    this.contract.living();
    return this.flights.transferred(lane, slot);
  }

  take(slot: number, target: Uint8Array<ArrayBuffer>): void {
    this.contract.living();
    this.flights.take(slot, target);
  }

  takeNew(slot: number, size: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(size);
    if (size > 0) this.take(slot, bytes);
    return bytes;
  }

  release(slot: number): void {
    this.contract.living();
    this.flights.release(slot);
  }

  rearm(drained: boolean): void {
    this.contract.living();
    this.signals.reset(Lane.IN);
    if (drained) this.signals.reset(Lane.OUT);
  }

  wait(drained: boolean): Promise<boolean> {
    this.contract.running();
    if (this.signals.state !== "none") this.contract.fail("two waits at once");
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.signals.dispatch(drained, resolve);
    this.#waitFailure = this.decisions.failsWait();
    if (this.#waitFailure !== undefined) this.signals.fail();
    else if (this.entersWait()) this.signals.enter();
    return promise;
  }

  waitStatus(_drained: boolean): number {
    this.contract.living();
    return this.decisions.failsWait() ?? Status.SUCCESS;
  }

  wake(): void {
    this.contract.living();
    this.signals.wake();
  }

  keepAlive(on: boolean): void {
    this.contract.running();
    this.timers.keepAlive(on);
  }

  nextTurn(callback: () => void): void {
    this.contract.living();
    this.turns.add(callback);
  }

  nextTurnIfRunning(callback: () => void): void {
    this.contract.living();
    this.turns.add(callback, false);
  }

  now(): number {
    return this.#clock.now;
  }

  startTimer(milliseconds: number, callback: () => void, _path?: string): Timer {
    this.contract.living();
    return this.timers.start(milliseconds, callback);
  }

  stopTimer(timer: Timer): void {
    this.timers.stop(timer);
  }

  dispose(): void {
    this.contract.living();
    const { inFlight, open, waiting, timers } = this.leftovers();
    if (inFlight + open + waiting + timers > 0) {
      this.contract.fail(`disposed of with leftovers: ${JSON.stringify(this.leftovers())}`);
    }
    this.flights.clear();
    this.contract.state = "disposed";
  }

  onUnload(_callback: () => void): void {}

  abandon(): void {
    this.contract.living();
    if (this.#open > 0) this.contract.fail("abandoned with open handles");
    this.contract.state = "abandoned";
    this.signals.wake();
  }

  /** What is left; see {@linkcode NOTHING_LEFT}. */
  leftovers(): Leftovers {
    return {
      inFlight: this.flights.all().length,
      open: this.#open,
      slots: this.flights.slots,
      waiting: this.signals.state === "none" ? 0 : 1,
      timers: this.timers.count,
      turns: this.turns.count,
    };
  }

  /** The wait that is over comes back. False when there is none. */
  returnWait(): boolean {
    const failed = this.#waitFailure !== undefined;
    // Nothing completes any more: what is in flight is given up, as when the program goes away.
    if (this.signals.state === "over" && failed) this.contract.state = "unloading";
    return this.signals.return(!failed);
  }

  /**
   * The process dies: what pends is cancelled and every handle closed. Whatever still calls
   * this kernel is not dead enough, and is told so.
   */
  kill(): void {
    for (const { end, flights } of this.handles.all()) {
      for (const flight of flights) flight?.operation.cancel();
      end.close();
    }
    this.handles.clear();
    this.tokens.clear();
    this.flights.clear();
    this.timers.stopAll();
    this.contract.state = "disposed";
  }

  /** See {@linkcode Decisions.shows}. */
  protected shows(flight: InFlight): boolean {
    return this.decisions.shows(flight);
  }

  /** See {@linkcode Decisions.entersWait}. */
  protected entersWait(): boolean {
    return this.decisions.entersWait();
  }

  /** The wait has ended, and nobody was told yet. */
  protected waitIsOver(): void {
    nextTask(() => this.returnWait());
  }

  /** How many handles are open, those of tokens included. */
  get #open(): number {
    return this.handles.count + this.tokens.size;
  }

  #opened(status: number, end: End | undefined): Opened {
    return { status, handle: end === undefined ? 0n : this.handles.add(end) };
  }
}
