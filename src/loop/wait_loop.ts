/**
 * The nonblocking wait loop: every operation in flight of the whole isolate, and the one wait.
 *
 * **The truth about an operation is its own status; an event is only a hint to look.** All listens
 * and reads share one event, all writes another, and each submission, even a failing one, erases
 * it for all who share it. So after each submission the loop looks once more before the thread
 * returns to the event loop: in a turn that is queued anyway, or else in one microtask. What
 * completed before the erasure is seen by that look, what completes after it keeps the event set.
 *
 * **A turn** is one round over what completed, and the microtasks that it queues. Each operation
 * is handed out at most once a round, and a round is finished before the next begins, so no client
 * waits for more than one exchange of each of the others. Turns are tasks of their own, so that the
 * program's timers and I/O run however busy the clients are.
 *
 * **A read is submitted in the round after the one that asked for it.** Meanwhile the others are
 * served, and a busy client has sent its next request: then the read is over at once, and nothing
 * has to be signalled, looked up or waited for.
 *
 * **The loop waits** (one call for all pipes, on another thread) after some turns in which nothing
 * completed; how many depends on how soon the last waits returned. While nothing is in flight it
 * does not.
 *
 * **What is in flight is not what keeps the program running.** Users do, each as long as it says so:
 * a server as long as it is meant to, a connection while a call waits. While none does, the wait and
 * the timers go on and let the program end.
 *
 * Turns are in `turns.ts`; this file has what servers and clients see of the loop.
 *
 * @module
 */

import { type Kernel, Lane } from "../kernel/kernel.ts";
import { DEFINITE_STATUSES, isShortage, Status } from "../kernel/status.ts";
import { Deadlines } from "./deadlines.ts";
import { InFlight } from "./in_flight.ts";
import { allocate } from "./memory.ts";
import type { Operation } from "./operation.ts";
import { Shortages } from "./shortages.ts";
import { Turns } from "./turns.ts";

/** The `size` of a listen. */
const LISTEN = -1;

/** A server or a client, while it has operations. */
export interface LoopUser {
  /** The loop cannot continue: nothing completes any more. */
  failed(error: WaitFailure): void;
  /** The program is exiting: close every handle now, and submit nothing more. */
  abandoned(): void;
}

/** Why the loop cannot continue. */
export interface WaitFailure {
  readonly call: string;
  readonly status: number;
}

/** Observes the instances on a loop, for tests and diagnosis. */
export interface Observer {
  /** An instance in this state gets this event; with `last`, its server is shutting down. */
  transition(state: { readonly name: string }, event: string, last: boolean): void;
  /** An exception was contained that should never occur. */
  crashed?(error: unknown): void;
}

/** The loop; one for the whole isolate, over one kernel. */
export class WaitLoop {
  readonly kernel: Kernel;
  /** The time limits of all its users. */
  readonly deadlines: Deadlines;
  /** For tests and diagnosis. */
  readonly observer: Observer | undefined;
  readonly #shortages: Shortages;
  readonly #inFlight: InFlight;
  readonly #turns: Turns;
  readonly #users = new Set<LoopUser>();
  /** What keeps the program running. */
  readonly #holders = new Set<object>();
  readonly #slots: boolean[] = [];
  #leaving: (() => void)[] = [];
  readonly #onDisposed: () => void;

  /** @param onDisposed Called when the last user has left and the kernel is disposed of. */
  constructor(kernel: Kernel, onDisposed: () => void = () => {}, observer?: Observer) {
    this.kernel = kernel;
    this.deadlines = new Deadlines(kernel);
    this.observer = observer;
    this.#onDisposed = onDisposed;
    this.#shortages = new Shortages(kernel, (operation) => this.#retry(operation));
    this.#inFlight = new InFlight(kernel, this.#shortages);
    this.#turns = new Turns(kernel, this.#inFlight, {
      inUse: () => this.#users.size > 0,
      submit: (operation) => this.#submitIn(operation),
      crashed: (error) => this.observer?.crashed?.(error),
      failed: (status) => this.#fail(status),
      ended: () => this.#dispose(),
    });
    kernel.onUnload(() => this.#abandon());
  }

  /** How many operations are in flight, for tests and diagnosis. */
  get operations(): number {
    return this.#inFlight.count;
  }

  /** Whether it has ended: the kernel cannot be asked any more. */
  get ended(): boolean {
    return this.#turns.stopped;
  }

  /** Whether this turn has lasted so long that further work belongs in the next one. */
  get turnSpent(): boolean {
    return this.#turns.spent;
  }

  /** Joins the loop, which lives until its last user has left, and {@linkcode hold}s it. */
  enter(user: LoopUser): void {
    this.#users.add(user);
    this.hold(user);
    this.#resolveLeaving();
  }

  /**
   * From now on, a user or what belongs to one keeps the program running while something is in flight,
   * or a timer runs. Costs next to nothing, and twice is like once; no effect when the loop has no
   * users. For as long as somebody waits for it: a call, a shutdown, the end of a connection that is
   * being closed.
   */
  hold(holder: object): void {
    if (this.#users.size === 0) return;
    this.#holders.add(holder);
    this.#keepAlive();
  }

  /** From now on it does not keep the program running. All that it has goes on. */
  release(holder: object): void {
    this.#holders.delete(holder);
    this.#keepAlive();
  }

  /**
   * Leaves the loop. The user has nothing in flight and no slot any more.
   *
   * @returns For the last user: resolves when the loop has given up all its resources, or when
   *   another user has joined it.
   */
  leave(user: LoopUser): Promise<void> {
    this.#users.delete(user);
    this.#holders.delete(user);
    this.#keepAlive();
    if (this.#users.size > 0 || this.#turns.stopped) return Promise.resolve();
    const left = new Promise<void>((resolve) => this.#leaving.push(resolve));
    this.#turns.end();
    return left;
  }

  /** Takes the free slot with the lowest number. */
  takeSlot(): number {
    const free = this.#slots.indexOf(false);
    const slot = free === -1 ? this.#slots.length : free;
    this.#slots[slot] = true;
    return slot;
  }

  /** Frees a slot. Nothing of it is in flight. */
  freeSlot(slot: number): void {
    this.kernel.release(slot);
    this.#slots[slot] = false;
  }

  /** Calls back when the next turn begins. */
  atNextTurn(callback: () => void): void {
    this.#turns.atNext(callback);
  }

  /** Waits for a client. The handler gets the result in a later turn, even if it comes at once. */
  listen(operation: Operation): void {
    operation.size = LISTEN;
    operation.cancelled = false;
    this.#submitNow(operation);
  }

  /**
   * Reads one message of at most `size` bytes, in the next round. The handler gets the result in a
   * later turn.
   */
  read(operation: Operation, size: number): void {
    operation.size = size;
    operation.cancelled = false;
    operation.phase = "requested";
    this.#turns.add(operation);
  }

  /**
   * Like {@linkcode read}, but at once: for the rest of a message, which its writer could withdraw
   * and replace meanwhile.
   */
  readNow(operation: Operation, size: number): void {
    operation.size = size;
    operation.cancelled = false;
    this.#submitNow(operation);
  }

  /**
   * Writes one message, which is copied before this returns. With PENDING, the handler gets the
   * result in a later turn. Any other status is the result: no completion follows.
   *
   * Only a shortage of our own memory, before anything was submitted, is waited out. One that
   * Windows reports may come after a part of the message was delivered: writing the message again
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
    this.#shortages.defer(operation, Status.OUT_OF_MEMORY);
    return Status.PENDING;
  }

  /** Completes an operation with a known result: its handler gets it in the next turn. */
  complete(operation: Operation, status: number): void {
    operation.status = status;
    operation.phase = "completed";
    this.#turns.add(operation);
  }

  /** Hands out the result of an operation that is over again, when a shortage may have passed. */
  repeat(operation: Operation): void {
    operation.repeats = true;
    this.#shortages.defer(operation, operation.status);
  }

  /**
   * Cancels an operation, whose handler then gets its result, whatever it is. What the client has
   * sent by then is read.
   */
  cancel(operation: Operation): void {
    operation.cancelled = true;
    // Its entry in the round is skipped, unless it completes at once.
    if (operation.phase === "requested") this.#submitIn(operation);
    if (operation.phase === "inFlight") {
      this.kernel.cancel(operation.handle, operation.lane, operation.slot);
    } else if (operation.phase === "deferred") {
      this.#shortages.remove(operation);
      const status = operation.repeats ? operation.status : Status.CANCELLED;
      operation.repeats = false;
      operation.message = undefined;
      this.complete(operation, status);
    }
  }

  /** Whether an operation is in flight and has not completed by now, even unseen. */
  isPending(operation: Operation): boolean {
    if (operation.phase !== "inFlight") return false;
    this.kernel.snapshot(operation.lane);
    return this.kernel.seemsPending(operation.lane, operation.slot);
  }

  /** Whoever was the last to leave may wait until everything is given up. */
  #keepAlive(): void {
    this.#turns.keepAlive(this.#holders.size > 0 || this.#users.size === 0);
  }

  #submitNow(operation: Operation): void {
    this.#submitIn(operation);
    if (operation.phase === "completed") this.#turns.add(operation);
  }

  /** Submits a listen or a read, which may complete at once. */
  #submitIn(operation: Operation): void {
    const { handle, slot, size } = operation;
    const status = size === LISTEN
      ? this.#submitted(operation, DEFINITE_STATUSES.listen, this.kernel.listen(handle, slot))
      : this.#submitted(operation, DEFINITE_STATUSES.read, this.kernel.read(handle, slot, size));
    if (status === Status.PENDING) return;
    // Even one of Windows: a listen or a read that failed has taken nothing.
    if (isShortage(status)) return this.#shortages.defer(operation, status);
    operation.status = status;
    operation.phase = "completed";
  }

  #submitOut(operation: Operation, message: Uint8Array<ArrayBuffer>): number {
    const { handle, slot } = operation;
    const status = this.kernel.write(handle, slot, message);
    return this.#submitted(operation, DEFINITE_STATUSES.write, status);
  }

  /** Follows a submission. Finds its actual status if the returned one is not definite. */
  #submitted(operation: Operation, definite: ReadonlySet<number>, status: number): number {
    this.#turns.lookSoon();
    if (definite.has(status)) return status;
    const { handle, lane, slot } = operation;
    if (status !== Status.PENDING && this.kernel.cancel(handle, lane, slot) !== Status.SUCCESS) {
      const actual = this.kernel.status(lane, slot);
      // After a synchronous failure the status word stays PENDING for ever.
      return actual === Status.PENDING ? status : actual;
    }
    this.#turns.watch(operation);
    return Status.PENDING;
  }

  /** Tries an operation again that a shortage prevented. */
  #retry(operation: Operation): void {
    if (operation.repeats) {
      operation.repeats = false;
      this.complete(operation, operation.status);
    } else if (operation.lane === Lane.IN) {
      this.#submitNow(operation);
    } else {
      this.#retryWrite(operation);
    }
  }

  #retryWrite(operation: Operation): void {
    const { message } = operation;
    if (message === undefined) return;
    const status = this.#submitOut(operation, message);
    if (status === Status.NOT_SUBMITTED) {
      return this.#shortages.defer(operation, Status.OUT_OF_MEMORY);
    }
    operation.message = undefined;
    operation.deferredUntil = this.kernel.now();
    if (status !== Status.PENDING) this.complete(operation, status);
  }

  /** The last user has left, and the turns have ended. */
  #dispose(): void {
    this.kernel.dispose();
    this.#onDisposed();
    this.#resolveLeaving();
  }

  #resolveLeaving(): void {
    for (const resolve of this.#leaving) resolve();
    this.#leaving = [];
  }

  /** The wait failed, so nothing completes any more: all users end. */
  #fail(status: number): void {
    this.#stop();
    const failure = { call: "WaitForMultipleObjects", status };
    for (const user of this.#users) user.failed(failure);
    this.#resolveLeaving();
  }

  #abandon(): void {
    if (this.#turns.stopped) return;
    // The program may have dispatched the event itself: then it continues, with another loop.
    this.#stop();
    for (const user of this.#users) user.abandoned();
    this.kernel.abandon();
    this.#resolveLeaving();
  }

  #stop(): void {
    this.#turns.stop();
    this.#shortages.stop();
    this.deadlines.clear();
    this.#onDisposed();
  }
}
