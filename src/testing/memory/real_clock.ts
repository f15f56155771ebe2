/**
 * The clock of the runtime.
 *
 * @module
 */

import type { Timer } from "../../kernel/kernel.ts";
import { now, refTimer, startTimer, stopTimer, unrefTimer } from "../../kernel/scheduling.ts";
import type { Clock } from "./clock.ts";

/** See the module. */
export class RealClock implements Clock {
  readonly #timers = new Map<Timer, ReturnType<typeof startTimer>>();

  get now(): number {
    return now();
  }

  start(milliseconds: number, callback: () => void): Timer {
    const started = startTimer(() => {
      this.#timers.delete(timer);
      callback();
    }, milliseconds);
    const timer = Number(started);
    this.#timers.set(timer, started);
    return timer;
  }

  stop(timer: Timer): void {
    stopTimer(timer);
    this.#timers.delete(timer);
  }

  keepAlive(timer: Timer, on: boolean): void {
    const started = this.#timers.get(timer);
    if (started === undefined) return;
    if (on) refTimer(started);
    else unrefTimer(started);
  }
}
