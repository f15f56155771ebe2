import { mock } from "node:test";
import { assert, assertEquals, assertFalse, assertLessOrEqual, assertRejects } from "@std/assert";
import { currentWork, runFor } from "../src/loop/caller.ts";
import { Deadline, Deadlines } from "../src/loop/deadlines.ts";
import { MemoryKernel } from "./memory_kernel.ts";

/** Time limits on a clock that the test advances. */
class Fixture {
  readonly kernel = new MemoryKernel();
  readonly deadlines = new Deadlines(this.kernel);
  /** The deadlines that expired, and when. */
  readonly expired: [name: string, at: number][] = [];

  deadline(name: string, also: () => void = () => {}): Deadline {
    return new Deadline(() => {
      this.expired.push([name, this.kernel.now()]);
      also();
    });
  }

  get timers(): number {
    return this.kernel.leftovers().timers;
  }

  async pass(milliseconds: number): Promise<void> {
    await this.kernel.advance(milliseconds);
  }
}

Deno.test("Deadlines have no timer while no limit is set", async () => {
  const { deadlines, kernel } = new Fixture();
  const deadline = new Deadline(() => {});
  assertEquals([deadlines.size, kernel.leftovers().timers], [0, 0]);
  deadlines.set(deadline, Infinity);
  assertFalse(deadlines.has(deadline));
  assertEquals([deadlines.size, kernel.leftovers().timers], [0, 0]);
  deadlines.lift(deadline);
  deadlines.set(deadline, 10);
  assert(deadlines.has(deadline));
  assertEquals([deadlines.size, kernel.leftovers().timers], [1, 1]);
  deadlines.lift(deadline);
  deadlines.lift(deadline);
  assertEquals([deadlines.size, kernel.leftovers().timers], [0, 0]);
  deadlines.set(deadline, 10);
  deadlines.set(deadline, Infinity);
  assertEquals([deadlines.size, kernel.leftovers().timers], [0, 0]);
  await kernel.advance(100);
});

Deno.test("Deadlines expire on time and once, with one timer", async () => {
  const fixture = new Fixture();
  const { deadlines } = fixture;
  for (const time of [30, 10, 20, 10]) deadlines.set(fixture.deadline(`${time}`), time);
  assertEquals(fixture.timers, 1);
  await fixture.pass(9);
  assertEquals(fixture.expired, []);
  await fixture.pass(1);
  assertEquals(fixture.expired, [["10", 10], ["10", 10]]);
  assertEquals([deadlines.size, fixture.timers], [2, 1]);
  await fixture.pass(100);
  assertEquals(fixture.expired.slice(2), [["20", 20], ["30", 30]]);
  assertEquals([deadlines.size, fixture.timers], [0, 0]);
});

Deno.test("Deadlines expire for no work, whoever's work the timer was started in", async () => {
  const fixture = new Fixture();
  const { deadlines } = fixture;
  const works: unknown[] = [];
  const see = () => works.push(currentWork());
  runFor({}, () => deadlines.set(fixture.deadline("first", see), 10));
  deadlines.set(fixture.deadline("second", see), 20);
  await fixture.pass(20);
  assertEquals(works, [undefined, undefined]);
});

Deno.test("Deadlines leave no timer after the last one has expired", async () => {
  const fixture = new Fixture();
  const { deadlines } = fixture;
  const later = fixture.deadline("later");
  const first = fixture.deadline("first", () => {
    deadlines.set(later, 3_600_000);
    deadlines.lift(later);
  });
  deadlines.set(first, 10);
  deadlines.set(fixture.deadline("second"), 10);
  await fixture.pass(10);
  assertEquals(fixture.expired, [["first", 10], ["second", 10]]);
  assertEquals([deadlines.size, fixture.timers], [0, 0]);
});

Deno.test("Deadlines that another one extends as both expire do not expire yet", async () => {
  const fixture = new Fixture();
  const { deadlines } = fixture;
  const second = fixture.deadline("second");
  deadlines.set(fixture.deadline("first", () => deadlines.set(second, 5)), 10);
  deadlines.set(second, 10);
  await fixture.pass(10);
  assertEquals(fixture.expired, [["first", 10]]);
  await fixture.pass(5);
  assertEquals(fixture.expired, [["first", 10], ["second", 15]]);
});

Deno.test("Deadlines that are set again start over", async () => {
  const fixture = new Fixture();
  const { deadlines } = fixture;
  const deadline = fixture.deadline("again");
  for (let i = 0; i < 10; i++) {
    deadlines.set(deadline, 10);
    await fixture.pass(9);
  }
  assertEquals(fixture.expired, []);
  assertEquals(fixture.timers, 1);
  deadlines.set(deadline, 5);
  await fixture.pass(5);
  assertEquals(fixture.expired, [["again", 95]]);
});

Deno.test("Deadlines that are lifted do not expire, and the others expire on time", async () => {
  const fixture = new Fixture();
  const { deadlines } = fixture;
  const [first, second] = [fixture.deadline("first"), fixture.deadline("second")];
  deadlines.set(first, 10);
  deadlines.set(second, 20);
  deadlines.lift(first);
  assertEquals(fixture.timers, 1);
  await fixture.pass(19);
  assertEquals(fixture.expired, []);
  await fixture.pass(1);
  assertEquals(fixture.expired, [["second", 20]]);
});

Deno.test("Deadlines may be set and lifted by one that expires", async () => {
  const fixture = new Fixture();
  const { deadlines } = fixture;
  let rounds = 0;
  const again: Deadline = fixture.deadline("again", () => {
    if (++rounds < 3) deadlines.set(again, 10);
  });
  const other = fixture.deadline("other");
  const lifter = fixture.deadline("lifter", () => deadlines.lift(other));
  deadlines.set(again, 10);
  deadlines.set(lifter, 10);
  deadlines.set(other, 10);
  await fixture.pass(100);
  assertEquals(fixture.expired, [["again", 10], ["lifter", 10], ["again", 20], ["again", 30]]);
  assertEquals([deadlines.size, fixture.timers], [0, 0]);
});

Deno.test("Deadlines that are cleared never expire", async () => {
  const fixture = new Fixture();
  const { deadlines } = fixture;
  for (let time = 1; time < 10; time++) deadlines.set(fixture.deadline("cleared"), time);
  deadlines.clear();
  assertEquals([deadlines.size, fixture.timers], [0, 0]);
  await fixture.pass(100);
  assertEquals(fixture.expired, []);
  deadlines.set(fixture.deadline("later"), 10);
  await fixture.pass(10);
  assertEquals(fixture.expired, [["later", 110]]);
});

Deno.test("Deadlines may be cleared by one that expires", async () => {
  const fixture = new Fixture();
  const { deadlines } = fixture;
  deadlines.set(fixture.deadline("clears", () => deadlines.clear()), 10);
  deadlines.set(fixture.deadline("cleared"), 10);
  deadlines.set(fixture.deadline("cleared"), 20);
  await fixture.pass(100);
  assertEquals(fixture.expired, [["clears", 10]]);
  assertEquals(fixture.timers, 0);
});

Deno.test("Deadlines expire together when the timer is late", async () => {
  const fixture = new Fixture();
  for (const time of [10, 20, 30]) fixture.deadlines.set(fixture.deadline(`${time}`), time);
  fixture.kernel.pass(25);
  await fixture.pass(0);
  assertEquals(fixture.expired, [["10", 25], ["20", 25]]);
  await fixture.pass(5);
  assertEquals(fixture.expired.at(-1), ["30", 30]);
});

Deno.test("Deadlines never expire early when the clock has fractions of a millisecond", async () => {
  const fixture = new Fixture();
  fixture.kernel.pass(0.7);
  const started = mock.method(fixture.kernel, "startTimer");
  fixture.deadlines.set(fixture.deadline("x"), 10);
  assertEquals(started.mock.calls[0]?.arguments[0], 10);
  fixture.kernel.pass(0.5);
  fixture.deadlines.set(fixture.deadline("y"), 5);
  await fixture.pass(20);
  assertEquals(fixture.expired.map(([name]) => name), ["y", "x"]);
  const [[, y], [, x]] = fixture.expired as [[string, number], [string, number]];
  assert(y >= 6.2 && x >= 10.7);
});

Deno.test("Deadlines may be longer than any timer", async () => {
  const fixture = new Fixture();
  const started = mock.method(fixture.kernel, "startTimer");
  const year = 365 * 24 * 3_600_000;
  fixture.deadlines.set(fixture.deadline("a year"), year);
  fixture.deadlines.set(fixture.deadline("no end"), Number.MAX_SAFE_INTEGER);
  assertEquals(fixture.timers, 1);
  await fixture.pass(year - 1);
  assertEquals(fixture.expired, []);
  await fixture.pass(1);
  assertEquals(fixture.expired, [["a year", year]]);
  for (const { arguments: [time] } of started.mock.calls) assertLessOrEqual(time, 0x7fff_ffff);
  assertLessOrEqual(started.mock.callCount(), 20);
  fixture.deadlines.clear();
});

Deno.test("Deadlines go on if one throws as it expires", async () => {
  const fixture = new Fixture();
  const { deadlines } = fixture;
  const bug = fixture.deadline("bug", () => {
    throw new Error("planted");
  });
  deadlines.set(bug, 10);
  deadlines.set(fixture.deadline("same time"), 10);
  deadlines.set(fixture.deadline("later"), 20);
  await assertRejects(() => fixture.pass(10), Error, "planted");
  await fixture.pass(0);
  await fixture.pass(20);
  assertEquals(fixture.expired.map(([name]) => name), ["bug", "same time", "later"]);
  assertEquals([deadlines.size, fixture.timers], [0, 0]);
});
