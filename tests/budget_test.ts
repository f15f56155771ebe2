import { assertEquals } from "@std/assert";
import { Budget } from "../src/budget.ts";
import { Deadlines } from "../src/deadlines.ts";
import { MemoryKernel } from "./memory_kernel.ts";

/** A budget, and in which order those went on who asked for it. */
function fixture(limit: number) {
  const kernel = new MemoryKernel();
  const deadlines = new Deadlines(kernel);
  const budget = new Budget(limit, deadlines);
  const went: string[] = [];
  /** Asks for bytes, and holds them from when it goes on. */
  function want(name: string, bytes: number): (() => void) | undefined {
    return budget.wait(bytes, () => {
      went.push(name);
      budget.hold(bytes);
    });
  }
  return { kernel, deadlines, budget, went, want };
}

Deno.test("Budget lets go on at once who fits", () => {
  const { budget, went, want } = fixture(100);
  assertEquals(want("a", 60), undefined);
  assertEquals(want("b", 40), undefined);
  assertEquals(want("nothing", 0), undefined);
  assertEquals(went, ["a", "b", "nothing"]);
  assertEquals(budget.held, 100);
});

Deno.test("Budget lets wait who does not fit, and go on in order", () => {
  const { budget, went, want } = fixture(100);
  want("a", 100);
  want("b", 50);
  // It would fit, but others were there before.
  want("c", 0);
  want("d", 50);
  want("e", 1);
  assertEquals(went, ["a"]);
  budget.free(49);
  assertEquals(went, ["a"]);
  budget.free(1);
  assertEquals(went, ["a", "b", "c"]);
  budget.free(50);
  assertEquals(went, ["a", "b", "c", "d"]);
  budget.free(100);
  assertEquals(went, ["a", "b", "c", "d", "e"]);
  budget.free(1);
  assertEquals(budget.held, 0);
});

Deno.test("Budget lets who needs more than half go on when half is left", () => {
  const { budget, went, want } = fixture(100);
  want("small", 51);
  want("huge", 1_000);
  want("next", 1);
  assertEquals(went, ["small"]);
  budget.free(1);
  assertEquals(went, ["small", "huge"]);
  assertEquals(budget.held, 1_050);
  budget.free(949);
  assertEquals(went, ["small", "huge"]);
  budget.free(2);
  assertEquals(went, ["small", "huge", "next"]);
});

Deno.test("Budget lets whoever fits overtake from time to time, more and more seldom", async () => {
  const { kernel, deadlines, budget, went, want } = fixture(100);
  want("stays", 60);
  want("long", 50);
  want("too long, too", 41);
  want("0", 0);
  assertEquals(went, ["stays"]);
  for (const [i, patience] of [1, 2, 4, 8].entries()) {
    await kernel.advance(patience - 1);
    assertEquals(went.length, i + 1, `after ${patience - 1} ms`);
    await kernel.advance(1);
    assertEquals(went.at(-1), `${i}`);
    want(`${i + 1}`, 0);
  }
  await kernel.advance(60_000);
  want("next", 0);
  await kernel.advance(9_999);
  // Now it is the turn of the first.
  budget.free(10);
  assertEquals(went.slice(5), ["4", "next", "long"]);
  assertEquals(deadlines.size, 1);
  await kernel.advance(1);
  budget.free(100);
  assertEquals(went.at(-1), "too long, too");
  assertEquals([deadlines.size, kernel.leftovers().timers], [0, 0]);
});

Deno.test("Budget holds what is held without asking, and lets others wait for it", () => {
  const { budget, went, want } = fixture(100);
  budget.hold(1_000);
  want("a", 0);
  assertEquals(went, []);
  budget.free(899);
  assertEquals(went, []);
  budget.free(1);
  assertEquals(went, ["a"]);
});

Deno.test("Budget goes on with the next when one gives up waiting", () => {
  const { budget, went, want } = fixture(100);
  want("a", 50);
  want("full", 50);
  const giveUp = want("b", 60);
  const giveUpToo = want("c", 70);
  want("d", 20);
  budget.free(20);
  giveUpToo?.();
  assertEquals(went, ["a", "full"]);
  giveUp?.();
  assertEquals(went, ["a", "full", "d"]);
  giveUp?.();
  giveUpToo?.();
  assertEquals(budget.held, 100);
});

Deno.test("Budget without a limit lets nobody wait", () => {
  const { budget, went, want } = fixture(Infinity);
  for (const name of ["a", "b", "c"]) want(name, 2 ** 40);
  assertEquals(went, ["a", "b", "c"]);
  assertEquals(budget.held, 3 * 2 ** 40);
});

Deno.test("Budget that is closed lets nobody go on", () => {
  const { budget, went, want } = fixture(100);
  want("a", 100);
  const giveUp = want("b", 10);
  budget.close();
  budget.free(100);
  giveUp?.();
  assertEquals(went, ["a"]);
  assertEquals(budget.held, 0);
});
