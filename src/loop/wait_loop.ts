/**
 * The nonblocking wait loop: every operation in flight of the whole isolate, and the one wait.
 *
 * **The truth about an operation is its own status; an event is only a hint to look.** All listens
 * and reads share one event, all writes another, and each submission, even a failing one, erases
 * it for all who share it. So whoever submits makes sure that the loop looks once more before the
 * thread returns to the event loop: a turn that is queued anyway, or else one microtask. What
 * completed before the erasure is seen by that look, what completes after it keeps the event set.
 *
 * **A turn** is one round over what completed, and the microtasks that it queues. Each operation
 * is handed out at most once a round, and a round is finished before the next begins, so nobody
 * waits for more than one exchange of each of the others. Turns are tasks of their own, so that the
 * program's timers and I/O run however busy the clients are.
 *
 * **A read is submitted in the round after the one that asked for it.** Meanwhile the others are
 * served, and a busy client has sent its next request: then the read is over at once, and nothing
 * has to be signalled, looked up or waited for.
 *
 * **The loop waits** (one call for all pipes, on another thread) after some turns in which nothing
 * completed; how many depends on how soon the last waits returned. While nothing is in flight it does
 * not: a wait keeps the program running.
 *
 * @module
 */

import { Backoff } from "./backoff.ts";
import { runForNobody } from "./caller.ts";
import { Deadlines } from "./deadlines.ts";
import { type Handle, type Kernel, Lane, type Timer } from "../kernel/kernel.ts";
import { DEFINITE_STATUSES, isShortage, Status } from "../kernel/status.ts";
import { allocate } from "./memory.ts";
import { nextMicrotask } from "../kernel/scheduling.ts";

/** What lane IN submits besides reads. */
const LISTEN = -1;

/** Milliseconds of one turn after which what is left of the round goes to the next turn. */
const TURN_LIMIT = 1;

/** A pause of so many milliseconds is better spent in turns than in a wait on another thread. */
const SHORT_GAP = 0.5;

/** The most turns in which nothing completes before the loop waits. */
const MAX_IDLE_TURNS = 256;

/** The longest pause before what the system was short of is asked for again, in milliseconds. */
const LONGEST_PAUSE = 1_000;

/** A shortage that comes so many milliseconds after the last attempt, or later, is another one. */
const ANOTHER_SHORTAGE = 100;

/** Who gets the result of an operation. */
export interface Completer {
  /** The operation is over, `operation.status` says how, and its memory is the caller's again. */
  completed(operation: Operation): void;
  /** {@linkcode Completer.completed} threw, which is a fault of ours: give up what it was about. */
  crashed(error: unknown): void;
}

/** A pipe server or a client, for as long as it has operations. */
export interface LoopUser {
  /** The loop cannot go on: nothing completes any more. */
  failed(error: WaitFailure): void;
  /** The program goes away: close every handle now, and submit nothing more. */
  abandoned(): void;
}

/** Why the loop cannot go on. */
export interface WaitFailure {
  readonly call: string;
  readonly status: number;
}

/** Is told what happens to the instances on a loop: for tests and diagnosis. */
export interface Observer {
  /** An instance in this state gets this event; with `last`, its server is shutting down. */
  transition(state: { readonly name: string }, event: string, last: boolean): void;
  /** An exception was contained that should not be. */
  crashed?(error: unknown): void;
}

type Phase =
  /** Nothing to look for. */
  | "resting"
  /** A read that is submitted in the next round. */
  | "asked"
  /** Windows has it. */
  | "inFlight"
  /** The system is short of something; it is submitted again later. */
  | "deferred"
  /** Over; its completer gets it in a turn. */
  | "due";

/** One operation of one end of a pipe: a listen or a read (lane IN), or a write (lane OUT). */
export class Operation {
  /** How it ended, once it is over. */
  status: number = Status.SUCCESS;
  /** @internal Managed by the loop. */
  phase: Phase = "resting";
  /** @internal Its place among those in flight in its lane. */
  place = 0;
  /** @internal What it reads at most, in bytes; a listen has none. */
  size = 0;
  /** Its end was asked for: it is not submitted again. */
  cancelled = false;
  /** @internal Whether its result, not its submission, comes again after a shortage. */
  repeats = false;
  /** Until when a shortage has kept it from Windows, on the kernel's clock; -Infinity: not at all. */
  deferredUntil = -Infinity;
  /** @internal What it writes, while there is no memory of our own for it. */
  message: Uint8Array<ArrayBuffer> | undefined = undefined;

  constructor(
    readonly completer: Completer,
    readonly handle: Handle,
    readonly lane: Lane,
    readonly slot: number,
  ) {}

  /** Whether the system is short of something, and it is submitted again later. */
  get deferred(): boolean {
    return this.phase === "deferred";
  }

  /** Whether its completer will still get a result. */
  get expected(): boolean {
    return this.phase !== "resting";
  }
}

/** The loop; one for the whole isolate, over one kernel. */
export class WaitLoop {
  readonly kernel: Kernel;
  /** The time limits of all its users. */
  readonly deadlines: Deadlines;
  readonly #inFlight: readonly [Operation[], Operation[]] = [[], []];
  /** What the next round begins with: results, and reads that are asked for. */
  #next: Operation[] = [];
  /** This round, and how much of it has been handed out. */
  #round: Operation[] = [];
  #roundPlace = 0;
  #rotation = 0;
  #turnCallbacks: (() => void)[] = [];
  readonly #users = new Set<LoopUser>();
  readonly #slots: boolean[] = [];
  #turnQueued = false;
  #lookQueued = false;
  /** What the wait that is dispatched waits for. */
  #waiting: "nothing" | "arrivals" | "arrivals and drained" = "nothing";
  #lastCompletion = 0;
  #idleTurns = 0;
  /** How many of them there are before the loop waits. */
  #idleLimit = 1;
  #turnStarted = 0;
  readonly #deferred = new Set<Operation>();
  readonly #backoff = new Backoff(LONGEST_PAUSE);
  #retried = 0;
  #retry: Timer | undefined = undefined;
  #leavers: (() => void)[] = [];
  #dead = false;
  readonly #onDisposed: () => void;

  /** For tests and diagnosis. */
  readonly observer: Observer | undefined;

  /** @param onDisposed Called when the last user has left and the kernel is disposed of. */
  constructor(kernel: Kernel, onDisposed: () => void = () => {}, observer?: Observer) {
    this.kernel = kernel;
    this.deadlines = new Deadlines(kernel);
    this.observer = observer;
    this.#onDisposed = onDisposed;
    kernel.onUnload(() => this.#abandon());
  }

  /** How many operations are in flight: for tests and diagnosis. */
  get operations(): number {
    return this.#inFlight[Lane.IN].length + this.#inFlight[Lane.OUT].length;
  }

  /** Joins the loop, which lives until its last user has left. */
  enter(user: LoopUser): void {
    this.#users.add(user);
    this.#resolveLeavers();
  }

  /**
   * Leaves the loop. The user has nothing in flight and no slot any more.
   *
   * @returns For the last user: resolves when the loop is gone with all its resources, or when
   *   somebody else has joined it.
   */
  leave(user: LoopUser): Promise<void> {
    this.#users.delete(user);
    if (this.#users.size > 0 || this.#dead) return Promise.resolve();
    const left = new Promise<void>((resolve) => this.#leavers.push(resolve));
    this.#end();
    return left;
  }

  /** The lowest number of a slot that is free. */
  takeSlot(): number {
    const free = this.#slots.indexOf(false);
    const slot = free === -1 ? this.#slots.length : free;
    this.#slots[slot] = true;
    return slot;
  }

  /** Gives a slot back. Nothing of it is in flight. */
  freeSlot(slot: number): void {
    this.kernel.release(slot);
    this.#slots[slot] = false;
  }

  /** Waits for a client. The completer gets the result in a later turn, whatever it is. */
  listen(operation: Operation): void {
    operation.size = LISTEN;
    operation.cancelled = false;
    this.#submitIn(operation);
  }

  /**
   * Reads one message of at most `size` bytes, from the next round on. The completer gets the
   * result in a later turn.
   */
  read(operation: Operation, size: number): void {
    operation.size = size;
    operation.cancelled = false;
    operation.phase = "asked";
    this.#putNext(operation);
  }

  /** {@linkcode read} at once: what is known to be there, and had better not be swapped. */
  readNow(operation: Operation, size: number): void {
    operation.size = size;
    operation.cancelled = false;
    this.#submitIn(operation);
  }

  /**
   * Writes one message, which is copied before this returns. With PENDING, the completer gets the
   * result in a later turn. Anything else is the result: nothing follows.
   *
   * Only a shortage of our own memory, before anything was submitted, is waited out. One that
   * Windows reports may come after a part of the message was delivered: to write the message again
   * would join the two. So it is a result, and the connection has to end.
   */
  write(operation: Operation, message: Uint8Array<ArrayBuffer>): number {
    operation.deferredUntil = -Infinity;
    const status = this.#submitOut(operation, message);
    if (status !== Status.NOT_SUBMITTED) return status;
    const copy = allocate(message.length);
    if (copy === undefined) return Status.OUT_OF_MEMORY;
    copy.set(message);
    operation.message = copy;
    this.#defer(operation, Status.OUT_OF_MEMORY);
    return Status.PENDING;
  }

  /** Hands a result that is known already to the operation's completer, in the next turn. */
  finish(operation: Operation, status: number): void {
    operation.status = status;
    operation.phase = "due";
    this.#putNext(operation);
  }

  /** Hands the result of an operation that is over out once more, when a shortage may have passed. */
  repeat(operation: Operation): void {
    operation.repeats = true;
    this.#defer(operation, operation.status);
  }

  /**
   * Asks for the end of an operation, which its completer is then told, whatever it is. What the
   * client has sent by then is read.
   */
  cancel(operation: Operation): void {
    operation.cancelled = true;
    // Its place in the round is passed over, unless it is over at once.
    if (operation.phase === "asked") this.#begin(operation);
    if (operation.phase === "inFlight") {
      this.kernel.cancel(operation.handle, operation.lane, operation.slot);
    } else if (operation.phase === "deferred") {
      this.#deferred.delete(operation);
      const status = operation.repeats ? operation.status : Status.CANCELLED;
      operation.repeats = false;
      operation.message = undefined;
      if (this.#deferred.size === 0) this.#stopRetrying();
      this.finish(operation, status);
    }
  }

  /** Whether Windows has an operation, and has not ended it by now, seen or not. */
  pends(operation: Operation): boolean {
    if (operation.phase !== "inFlight") return false;
    this.kernel.snapshot(operation.lane);
    return this.kernel.seemsPending(operation.lane, operation.slot);
  }

  /** Calls back when the next turn begins. */
  atNextTurn(callback: () => void): void {
    this.#turnCallbacks.push(callback);
    this.#queueTurn();
  }

  /** Whether this turn has lasted so long that further work belongs into the next one. */
  get turnSpent(): boolean {
    return this.kernel.now() - this.#turnStarted > TURN_LIMIT;
  }

  #putNext(operation: Operation): void {
    this.#next.push(operation);
    this.#queueTurn();
  }

  #submitIn(operation: Operation): void {
    this.#begin(operation);
    if (operation.phase === "due") this.#putNext(operation);
  }

  /** Submits a listen or a read, which is due if it is over at once. */
  #begin(operation: Operation): void {
    const { handle, slot, size } = operation;
    const status = size === LISTEN
      ? this.#believe(operation, DEFINITE_STATUSES.listen, this.kernel.listen(handle, slot))
      : this.#believe(operation, DEFINITE_STATUSES.read, this.kernel.read(handle, slot, size));
    if (status === Status.PENDING) return;
    // Whoever is short of something: a listen or a read that failed has taken nothing.
    if (isShortage(status)) return this.#defer(operation, status);
    operation.status = status;
    operation.phase = "due";
  }

  #submitOut(operation: Operation, message: Uint8Array<ArrayBuffer>): number {
    const { handle, slot } = operation;
    return this.#believe(
      operation,
      DEFINITE_STATUSES.write,
      this.kernel.write(handle, slot, message),
    );
  }

  /** Takes note of a submission, and finds out the truth when its status is not definite. */
  #believe(operation: Operation, definite: ReadonlySet<number>, status: number): number {
    this.#lookBeforeLong();
    if (definite.has(status)) return status;
    const { handle, lane, slot } = operation;
    if (status !== Status.PENDING && this.kernel.cancel(handle, lane, slot) !== Status.SUCCESS) {
      const truth = this.kernel.status(lane, slot);
      // After a failure by value the status word stays PENDING for ever.
      return truth === Status.PENDING ? status : truth;
    }
    this.#watch(operation);
    return Status.PENDING;
  }

  #watch(operation: Operation): void {
    const lane = this.#inFlight[operation.lane];
    operation.phase = "inFlight";
    operation.place = lane.length;
    lane.push(operation);
    // The wait that is dispatched does not look at writes: let it return and wait for both.
    if (operation.lane === Lane.OUT && this.#waiting === "arrivals") this.kernel.wake();
  }

  #unwatch(operation: Operation): void {
    const lane = this.#inFlight[operation.lane];
    const last = lane.pop();
    if (last === undefined || last === operation) return;
    lane[operation.place] = last;
    last.place = operation.place;
  }

  #defer(operation: Operation, status: number): void {
    operation.status = status;
    operation.phase = "deferred";
    this.#deferred.add(operation);
    if (this.#retry !== undefined) return;
    if (this.kernel.now() - this.#retried >= ANOTHER_SHORTAGE) this.#backoff.reset();
    this.#retry = this.kernel.startTimer(this.#backoff.next(), () => this.#submitDeferred());
  }

  #submitDeferred(): void {
    this.#retry = undefined;
    this.#retried = this.kernel.now();
    const operations = [...this.#deferred];
    this.#deferred.clear();
    for (const operation of operations) {
      if (operation.repeats) this.finish(operation, operation.status);
      else if (operation.lane === Lane.IN) this.#submitIn(operation);
      else this.#writeDeferred(operation);
      operation.repeats = false;
    }
  }

  #stopRetrying(): void {
    if (this.#retry !== undefined) this.kernel.stopTimer(this.#retry);
    this.#retry = undefined;
    this.#backoff.reset();
  }

  #writeDeferred(operation: Operation): void {
    const { message } = operation;
    if (message === undefined) return;
    const status = this.#submitOut(operation, message);
    if (status === Status.NOT_SUBMITTED) return this.#defer(operation, Status.OUT_OF_MEMORY);
    operation.message = undefined;
    operation.deferredUntil = this.kernel.now();
    if (status !== Status.PENDING) this.finish(operation, status);
  }

  #queueTurn(): void {
    if (this.#turnQueued || this.#dead) return;
    this.#turnQueued = true;
    this.kernel.nextTurn(() => {
      this.#turnQueued = false;
      runForNobody(() => this.#turn());
    });
  }

  /** A submission may have erased the signal of another operation: look once more in this task. */
  #lookBeforeLong(): void {
    if (this.#turnQueued || this.#lookQueued) return;
    // Nobody waits, and nobody is about to: the next turn looks.
    if (this.#waiting === "nothing") return this.#queueTurn();
    this.#lookQueued = true;
    nextMicrotask(() => {
      this.#lookQueued = false;
      if (!this.#turnQueued && !this.#dead && this.#seesCompletion()) this.#queueTurn();
    });
  }

  #seesCompletion(): boolean {
    for (const lane of [Lane.IN, Lane.OUT] as const) {
      const operations = this.#inFlight[lane];
      if (operations.length === 0) continue;
      this.kernel.snapshot(lane);
      if (operations.some(({ slot }) => !this.kernel.seemsPending(lane, slot))) return true;
    }
    return false;
  }

  /** @param waited Milliseconds since something last completed, if the wait has just returned. */
  #turn(waited?: number): void {
    if (this.#dead) return;
    this.#turnStarted = this.kernel.now();
    const called = this.#callBack();
    const looks = this.#roundPlace === this.#round.length;
    if (looks) this.#beginRound();
    const over = this.#handOut();
    if (over > 0 || called) {
      if (waited !== undefined) this.#learn(waited < SHORT_GAP || over > 1);
      else if (this.#idleTurns > 0) this.#learn(true);
      this.#idleTurns = 0;
      this.#lastCompletion = this.#turnStarted;
      // The microtasks that were queued have as much time again.
      this.#turnStarted = this.kernel.now();
    } else {
      this.#idleTurns++;
    }
    this.#goOn(looks);
  }

  #callBack(): boolean {
    const callbacks = this.#turnCallbacks;
    if (callbacks.length === 0) return false;
    this.#turnCallbacks = [];
    let called = 0;
    for (const callback of callbacks) {
      called++;
      callback();
      if (this.turnSpent) break;
    }
    this.#turnCallbacks = callbacks.slice(called).concat(this.#turnCallbacks);
    return true;
  }

  /** Collects what is over, in an order that begins with somebody else each time. */
  #beginRound(): void {
    const round: Operation[] = [];
    for (const lane of [Lane.OUT, Lane.IN] as const) {
      const operations = this.#inFlight[lane];
      const count = operations.length;
      if (count === 0) continue;
      this.kernel.snapshot(lane);
      const start = this.#rotation % count;
      const first = round.length;
      for (let i = 0; i < count; i++) {
        const operation = operations[start + i < count ? start + i : start + i - count];
        if (operation !== undefined && !this.kernel.seemsPending(lane, operation.slot)) {
          round.push(operation);
        }
      }
      this.#collect(round, first);
    }
    // Last, since their clients were served in the round before.
    round.push(...this.#next);
    this.#next = [];
    this.#rotation = (this.#rotation + 1) % 0x4000_0000;
    this.#round = round;
    this.#roundPlace = 0;
  }

  /** Replaces hints by the truth, for all that the picture showed as over. */
  #collect(round: Operation[], first: number): void {
    let kept = first;
    for (let i = first; i < round.length; i++) {
      const operation = round[i];
      if (operation === undefined) continue;
      const status = this.kernel.status(operation.lane, operation.slot);
      if (status === Status.PENDING) continue;
      this.#unwatch(operation);
      const again = operation.lane === Lane.IN && isShortage(status);
      if (again && !operation.cancelled) {
        this.#defer(operation, status);
        continue;
      }
      operation.status = again ? Status.CANCELLED : status;
      operation.phase = "due";
      round[kept++] = operation;
    }
    round.length = kept;
  }

  /** Goes on with the round, and tells how many operations were over. */
  #handOut(): number {
    let over = 0;
    while (this.#roundPlace < this.#round.length) {
      const operation = this.#round[this.#roundPlace++];
      if (operation === undefined) continue;
      if (operation.phase === "asked") this.#begin(operation);
      if (operation.phase === "due") {
        over++;
        operation.phase = "resting";
        this.#complete(operation);
      }
      if (this.turnSpent) break;
    }
    return over;
  }

  /** A mistake of ours costs one connection, not all that the loop carries. */
  #complete(operation: Operation): void {
    try {
      operation.completer.completed(operation);
    } catch (error) {
      this.observer?.crashed?.(error);
      operation.completer.crashed(error);
    }
  }

  /**
   * What comes after a turn: another, the wait, or the end. A turn that has only finished a round
   * did not look for what has completed, and others rely on it that a turn does.
   */
  #goOn(looked: boolean): void {
    if (this.#users.size === 0) return this.#end();
    const unfinished = !looked || this.#roundPlace < this.#round.length ||
      this.#next.length > 0 || this.#turnCallbacks.length > 0;
    if (unfinished || this.#idleTurns < this.#idleLimit) this.#queueTurn();
    else if (this.operations === 0) this.#stopWaiting();
    else if (this.#waiting === "nothing" && !this.#turnQueued) this.#wait();
  }

  /** Nothing is in flight: a wait would only keep the program from ending. */
  #stopWaiting(): void {
    if (this.#waiting !== "nothing") this.kernel.wake();
  }

  #wait(): void {
    const drained = this.#inFlight[Lane.OUT].length > 0;
    this.kernel.rearm(drained);
    // What completed before its signal was forgotten is seen here.
    if (this.#seesCompletion()) return this.#queueTurn();
    this.#waiting = drained ? "arrivals and drained" : "arrivals";
    this.kernel.wait(drained).then((looked) => this.#waited(looked, drained));
  }

  #waited(returned: boolean, drained: boolean): void {
    this.#waiting = "nothing";
    if (this.#dead) return;
    if (!returned) return this.#fail(this.kernel.waitStatus(drained));
    this.#idleTurns = 0;
    if (!this.#turnQueued) this.#turn(this.kernel.now() - this.#lastCompletion);
  }

  /**
   * Turns pay off when something completes meanwhile. A wait would have been better spent in turns
   * if it was short, or if more than one operation was over when it returned: then several clients
   * are at work, and only the way back from the other thread was long. One long pause among many
   * short ones, as on a busy machine, changes little; several make the loop wait at once.
   */
  #learn(paid: boolean): void {
    this.#idleLimit = paid
      ? Math.min(Math.max(this.#idleLimit * 2, 1), MAX_IDLE_TURNS)
      : this.#idleLimit >> 2;
  }

  /** The last user has left: nothing is in flight, so only the wait may have to return. */
  #end(): void {
    if (this.#dead || this.#turnQueued) return;
    if (this.#waiting !== "nothing") return this.kernel.wake();
    this.#dead = true;
    this.kernel.dispose();
    this.#onDisposed();
    this.#resolveLeavers();
  }

  #resolveLeavers(): void {
    for (const resolve of this.#leavers) resolve();
    this.#leavers = [];
  }

  /** Nothing completes any more: every user is told, and gives up what it has. */
  #fail(status: number): void {
    this.#dead = true;
    this.#stopRetrying();
    this.deadlines.clear();
    this.#onDisposed();
    const failure = { call: "WaitForMultipleObjects", status };
    for (const user of this.#users) user.failed(failure);
    this.#resolveLeavers();
  }

  #abandon(): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#stopRetrying();
    this.deadlines.clear();
    // Somebody else may have dispatched the event: then the program goes on, with another loop.
    this.#onDisposed();
    for (const user of this.#users) user.abandoned();
    this.kernel.abandon();
    this.#resolveLeavers();
  }
}
