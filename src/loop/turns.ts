/**
 * The turns of the loop: their rounds, and the one wait between them. See `wait_loop.ts`.
 *
 * @module
 */

import { type Kernel, Lane } from "../kernel/kernel.ts";
import { nextMicrotask } from "../kernel/scheduling.ts";
import { runWithoutWork } from "./caller.ts";
import type { InFlight } from "./in_flight.ts";
import type { Operation } from "./operation.ts";
import { SpinLimit } from "./spin_limit.ts";

/** Milliseconds of one turn after which the rest of the round is left to the next turn. */
const TURN_LIMIT = 1;

/**
 * Milliseconds for which turns may follow each other when nothing keeps the program running. A queued
 * turn does, so clients that are always busy would otherwise keep it for ever.
 */
const LONGEST_SPELL = 100;

/** What turns ask and tell their loop. */
export interface TurnsOwner {
  /** Whether the loop has users. */
  inUse(): boolean;
  /** Submits a requested read, which may complete at once. */
  submit(operation: Operation): void;
  /** A completion handler threw. */
  crashed(error: unknown): void;
  /** The wait failed, so nothing completes any more. */
  failed(status: number): void;
  /** The loop has no users, no turn is queued, and no wait is dispatched. */
  ended(): void;
}

/** See the module. */
export class Turns {
  readonly #kernel: Kernel;
  readonly #inFlight: InFlight;
  readonly #owner: TurnsOwner;
  readonly #spinLimit = new SpinLimit();
  /** The end of the next round: known results, and requested reads. */
  #next: Operation[] = [];
  /** This round, and how much of it has been handed out. */
  #round: Operation[] = [];
  #position = 0;
  #callbacks: (() => void)[] = [];
  #queued = false;
  #lookQueued = false;
  /** What the dispatched wait waits for. */
  #waiting: "nothing" | "arrivals" | "arrivals and drained" = "nothing";
  #started = 0;
  #lastCompletion = 0;
  /** Whether something keeps the program running. */
  #keepsAlive = true;
  /** When the program could last have ended, while nothing keeps it running. */
  #couldEnd = 0;
  #stopped = false;

  constructor(kernel: Kernel, inFlight: InFlight, owner: TurnsOwner) {
    this.#kernel = kernel;
    this.#inFlight = inFlight;
    this.#owner = owner;
  }

  /** Whether there will be no more turns. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Whether this turn has lasted so long that further work belongs in the next one. */
  get spent(): boolean {
    return this.#kernel.now() - this.#started > TURN_LIMIT;
  }

  /** Calls back when the next turn begins. */
  atNext(callback: () => void): void {
    this.#callbacks.push(callback);
    this.#queue();
  }

  /** Adds an operation to the next round: it has completed, or is a requested read. */
  add(operation: Operation): void {
    this.#next.push(operation);
    this.#queue();
  }

  /** A submission may have reset the signal of another operation: look once more in this task. */
  lookSoon(): void {
    if (this.#queued || this.#lookQueued) return;
    // No wait is dispatched, or about to be: the next turn looks.
    if (this.#waiting === "nothing") return this.#queue();
    this.#lookQueued = true;
    nextMicrotask(() => {
      this.#lookQueued = false;
      if (!this.#queued && !this.#stopped && this.#inFlight.seesCompletion()) this.#queue();
    });
  }

  /** An operation is in flight from now on. */
  watch(operation: Operation): void {
    this.#inFlight.add(operation);
    // The dispatched wait ignores writes: let it return, and wait for both.
    if (operation.lane === Lane.OUT && this.#waiting === "arrivals") this.#kernel.wake();
  }

  /** Whether something keeps the program running. Cheap when nothing changes. */
  keepAlive(on: boolean): void {
    if (on === this.#keepsAlive || this.#stopped) return;
    this.#keepsAlive = on;
    if (!on) this.#couldEnd = this.#kernel.now();
    this.#kernel.keepAlive(on);
  }

  /** The loop has no users: ends now, or after the queued turn or the dispatched wait. */
  end(): void {
    if (this.#stopped || this.#queued) return;
    if (this.#waiting !== "nothing") return this.#kernel.wake();
    this.#stopped = true;
    this.#owner.ended();
  }

  /** There are no more turns, whatever is in flight. */
  stop(): void {
    this.#stopped = true;
  }

  #queue(): void {
    if (this.#queued || this.#stopped) return;
    this.#queued = true;
    if (!this.#keepsAlive && this.#started - this.#couldEnd > LONGEST_SPELL) {
      this.#couldEnd = this.#started;
      this.#kernel.nextTurnIfRunning(() => this.#begin());
    } else {
      this.#kernel.nextTurn(() => this.#begin());
    }
  }

  #begin(): void {
    this.#queued = false;
    runWithoutWork(() => this.#run());
  }

  /** @param pause Milliseconds since the last completion, if the wait has just returned. */
  #run(pause?: number): void {
    if (this.#stopped) return;
    try {
      this.#turn(pause);
    } catch (error) {
      // A bug of ours: the program gets it, and if it goes on, so do all connections.
      this.#queue();
      throw error;
    }
  }

  #turn(pause: number | undefined): void {
    this.#started = this.#kernel.now();
    const called = this.#callBack();
    if (this.#stopped) return;
    const looks = this.#position === this.#round.length;
    if (looks) this.#beginRound();
    const completions = this.#handOut();
    if (completions > 0 || called) {
      this.#spinLimit.busy(completions, pause);
      this.#lastCompletion = this.#started;
      // The microtasks that were queued have the same time again.
      this.#started = this.#kernel.now();
    } else {
      this.#spinLimit.idle();
    }
    this.#continue(looks);
  }

  #callBack(): boolean {
    const callbacks = this.#callbacks;
    if (callbacks.length === 0) return false;
    this.#callbacks = [];
    let called = 0;
    try {
      for (const callback of callbacks) {
        called++;
        callback();
        if (this.#stopped || this.spent) break;
      }
    } finally {
      this.#callbacks = callbacks.slice(called).concat(this.#callbacks);
    }
    return true;
  }

  #beginRound(): void {
    const round: Operation[] = [];
    this.#inFlight.sweep(round);
    // Last, since their clients were served in the round before.
    round.push(...this.#next);
    this.#next = [];
    this.#round = round;
    this.#position = 0;
  }

  /** Continues the round, and returns how many operations were over. */
  #handOut(): number {
    let completions = 0;
    // User code may end everything, and then every handle is closed.
    while (!this.#stopped && this.#position < this.#round.length) {
      const operation = this.#round[this.#position++];
      if (operation === undefined) continue;
      if (operation.phase === "requested") this.#owner.submit(operation);
      if (operation.phase === "completed") {
        completions++;
        operation.phase = "idle";
        this.#deliver(operation);
      }
      if (this.spent) break;
    }
    return completions;
  }

  /** A bug of ours costs one connection, not everything on the loop. */
  #deliver(operation: Operation): void {
    try {
      operation.handler.completed(operation);
    } catch (error) {
      this.#owner.crashed(error);
      operation.handler.crashed(error);
    }
  }

  /**
   * What comes after a turn: another, the wait, or the end. A turn that only finished a round did
   * not look for completions, which {@linkcode lookSoon} expects of a queued turn.
   */
  #continue(looked: boolean): void {
    if (!this.#owner.inUse()) return this.end();
    const unfinished = !looked || this.#position < this.#round.length ||
      this.#next.length > 0 || this.#callbacks.length > 0;
    if (unfinished || !this.#spinLimit.reached) this.#queue();
    else if (this.#inFlight.count === 0) this.#stopWaiting();
    else if (this.#waiting === "nothing" && !this.#queued) this.#wait();
  }

  /** Nothing is in flight: a wait would only keep the program from ending. */
  #stopWaiting(): void {
    if (this.#waiting !== "nothing") this.#kernel.wake();
  }

  #wait(): void {
    const drained = this.#inFlight.in(Lane.OUT).length > 0;
    this.#kernel.rearm(drained);
    // What completed before its signal was reset is seen here.
    if (this.#inFlight.seesCompletion()) return this.#queue();
    this.#waiting = drained ? "arrivals and drained" : "arrivals";
    this.#kernel.wait(drained).then((returned) => this.#waited(returned, drained));
  }

  #waited(returned: boolean, drained: boolean): void {
    this.#waiting = "nothing";
    if (this.#stopped) return;
    if (!returned) return this.#owner.failed(this.#kernel.waitStatus(drained));
    this.#spinLimit.restart();
    const now = this.#kernel.now();
    this.#couldEnd = now;
    if (!this.#queued) this.#run(now - this.#lastCompletion);
  }
}
