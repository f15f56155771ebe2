/**
 * Simulated time, and the tasks that a program asks for.
 *
 * @module
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { setImmediate } from "node:timers";
import type { Timer } from "../../src/kernel/kernel.ts";

interface Due {
  readonly at: number;
  readonly callback: () => void;
}

/** A clock that stands still until it is moved, its timers, and turns. */
export class Clock {
  /** Turns run by {@linkcode runTurn} only. */
  manual = false;
  readonly #timers = new Map<Timer, Due>();
  #turns: { readonly callback: () => void; readonly keepsAlive: boolean }[] = [];
  #turnQueued = false;
  #lastTimer = 0;
  #now = 0;

  get now(): number {
    return this.#now;
  }

  get timers(): number {
    return this.#timers.size;
  }

  get turns(): number {
    return this.#turns.length;
  }

  /** Whether a turn is queued that keeps the program running in any case. */
  get turnKeepsAlive(): boolean {
    return this.#turns.some(({ keepsAlive }) => keepsAlive);
  }

  nextTurn(callback: () => void, keepsAlive = true): void {
    this.#turns.push({ callback, keepsAlive });
    if (this.manual || this.#turnQueued) return;
    this.#turnQueued = true;
    setImmediate(() => {
      this.#turnQueued = false;
      this.runTurn();
    });
  }

  /** Runs the turns that are queued now, not those that they queue. Says how many. */
  runTurn(): number {
    const turns = this.#turns;
    this.#turns = [];
    for (const { callback } of turns) callback();
    return turns.length;
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

  stopAll(): void {
    this.#timers.clear();
  }

  /** Moves the clock, and fires each timer that is due in a task of its own. */
  async advance(milliseconds: number): Promise<void> {
    const until = this.#now + milliseconds;
    while (this.fire(until)) await new Promise<void>((resolve) => setImmediate(resolve));
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

  #first(): [Timer, Due] | undefined {
    let first: [Timer, Due] | undefined;
    for (const entry of this.#timers) {
      if (first === undefined || entry[1].at < first[1].at) first = entry;
    }
    return first;
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
}
