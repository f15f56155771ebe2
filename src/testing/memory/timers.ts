/**
 * The timers of one process, on a clock that it may share with others.
 *
 * @module
 */

import type { Timer } from "../../kernel/kernel.ts";
import type { Clock } from "./clock.ts";

/** See the module. */
export class Timers {
  readonly #clock: Clock;
  readonly #running = new Set<Timer>();
  #keepsAlive = true;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many have not fired. */
  get count(): number {
    return this.#running.size;
  }

  /** Calls back once, in a task of its own, after this many milliseconds. */
  start(milliseconds: number, callback: () => void): Timer {
    const timer = this.#clock.start(milliseconds, () => {
      this.#running.delete(timer);
      callback();
    });
    this.#running.add(timer);
    if (!this.#keepsAlive) this.#clock.keepAlive(timer, false);
    return timer;
  }

  /** Whether they keep the program running, those that run and those to come. */
  keepAlive(on: boolean): void {
    this.#keepsAlive = on;
    for (const timer of this.#running) this.#clock.keepAlive(timer, on);
  }

  /** Stops a timer. No effect when it has fired. */
  stop(timer: Timer): void {
    this.#running.delete(timer);
    this.#clock.stop(timer);
  }

  /** Stops all. */
  stopAll(): void {
    for (const timer of this.#running) this.stop(timer);
  }
}
