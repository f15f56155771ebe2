/** HTTP: limits of time that are set and lifted with each request, on few timers. */

import { mock } from "node:test";
import timers from "node:timers";
import { assertEquals } from "@std/assert";
import { TimeLimit } from "../src/http/time_limit.ts";

/** A clock that the test moves. */
class Time implements Disposable {
  now = 0;
  /** Timers that were started. */
  started = 0;
  #timer: { due: number; callback: () => void } | undefined;
  readonly #mocks = [
    mock.method(performance, "now", () => this.now),
    mock.method(timers, "setTimeout", (callback: () => void, milliseconds: number) => {
      this.started++;
      this.#timer = { due: this.now + milliseconds, callback };
      return { unref() {} };
    }),
    mock.method(timers, "clearTimeout", () => this.#timer = undefined),
  ];

  /** When the timer is due, if there is one. */
  get due(): number | undefined {
    return this.#timer?.due;
  }

  pass(milliseconds: number): void {
    for (const end = this.now + milliseconds;;) {
      const timer = this.#timer;
      if (timer === undefined || timer.due > end) return void (this.now = end);
      this.#timer = undefined;
      this.now = timer.due;
      timer.callback();
    }
  }

  [Symbol.dispose](): void {
    for (const { mock } of this.#mocks) mock.restore();
  }
}

function fixture() {
  const time = new Time();
  const over: number[] = [];
  const limit = new TimeLimit(() => over.push(time.now));
  return { time, over, limit, [Symbol.dispose]: () => time[Symbol.dispose]() };
}

Deno.test("TimeLimit calls back once, when the time that was set last is over", () => {
  using world = fixture();
  const { time, over, limit } = world;
  limit.set(100);
  time.pass(60);
  limit.set(100);
  time.pass(99);
  assertEquals(over, []);
  time.pass(1_000);
  assertEquals(over, [160]);
  limit.set(10);
  time.pass(1_000);
  assertEquals(over, [160, 1_169]);
});

Deno.test("TimeLimit calls nobody when it was lifted or stopped", () => {
  using world = fixture();
  const { time, over, limit } = world;
  limit.set(100);
  limit.lift();
  limit.set(Infinity);
  time.pass(1_000);
  limit.set(100);
  limit.stop();
  assertEquals([time.due, over], [undefined, []]);
});

Deno.test("TimeLimit takes a shorter time, and needs one timer for many requests", () => {
  using world = fixture();
  const { time, over, limit } = world;
  for (let i = 0; i < 1_000; i++) {
    limit.set(60_000);
    time.pass(1);
    limit.lift();
  }
  assertEquals(time.started, 1);
  limit.set(5);
  time.pass(5);
  assertEquals(over, [1_005]);
});

Deno.test("TimeLimit takes times that are longer than those of a timer", () => {
  using world = fixture();
  const { time, over, limit } = world;
  limit.set(2 ** 33);
  assertEquals(time.due, 2 ** 31 - 1);
  time.pass(2 ** 33 - 1);
  assertEquals(over, []);
  time.pass(1);
  assertEquals(over, [2 ** 33]);
});
