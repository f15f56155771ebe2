/**
 * Time: a clock, and timers on it.
 *
 * @module
 */

import { AsyncLocalStorage } from "node:async_hooks";
import type { Timer } from "../../kernel/kernel.ts";
import { nextTask } from "../../kernel/scheduling.ts";

/** A clock, which several kernels may share, and its timers. */
export interface Clock {
  /** Milliseconds on a monotonic clock. */
  readonly now: number;
  /** Calls back once, in a task of its own, after this many milliseconds. */
  start(milliseconds: number, callback: () => void): Timer;
  /** Stops a timer. No effect when it has fired. */
  stop(timer: Timer): void;
  /** Whether a timer keeps the program running, as it does at first. */
  keepAlive(timer: Timer, on: boolean): void;
}

interface Due {
  readonly at: number;
  readonly callback: () => void;
}

/** A clock that stands still until it is moved. */
export class ManualClock implements Clock {
  readonly #timers = new Map<Timer, Due>();
  #lastTimer = 0;
  #now = 0;

  get now(): number {
    return this.#now;
  }

  start(milliseconds: number, callback: () => void): Timer {
    const timer = ++this.#lastTimer;
    const at = this.#now + Math.max(0, milliseconds);
    // As those of the runtime: for the work that started it.
    this.#timers.set(timer, { at, callback: AsyncLocalStorage.bind(callback) });
    return timer;
  }

  stop(timer: Timer): void {
    this.#timers.delete(timer);
  }

  /** Time that stands still keeps nothing running. */
  keepAlive(_timer: Timer, _on: boolean): void {}

  /**
   * Moves the clock, and fires each timer that is due in a task of its own.
   *
   * @param settle Called after each timer: resolves when all that it has caused has happened.
   */
  async advance(milliseconds: number, settle: () => Promise<void> = oneTask): Promise<void> {
    const until = this.#now + milliseconds;
    while (this.fire(until)) await settle();
    this.#now = Math.max(this.#now, until);
  }

  /** Time passes without anything happening: timers are late. */
  pass(milliseconds: number): void {
    this.#now += milliseconds;
  }

  /** When the next timer is due. */
  get next(): number | undefined {
    return this.#first()?.[1].at;
  }

  /** Moves the clock to the next timer and fires it. False when none is due by `until`. */
  fire(until: number): boolean {
    const next = this.#first();
    if (next === undefined || next[1].at > until) return false;
    const [timer, { at, callback }] = next;
    this.#timers.delete(timer);
    this.#now = Math.max(this.#now, at);
    callback();
    return true;
  }

  #first(): [Timer, Due] | undefined {
    let first: [Timer, Due] | undefined;
    for (const entry of this.#timers) {
      if (first === undefined || entry[1].at < first[1].at) first = entry;
    }
    return first;
  }
}

function oneTask(): Promise<void> {
  return new Promise((resolve) => nextTask(resolve));
}
