import { assertEquals } from "@std/assert";
import { Budget } from "../src/budget.ts";

/** A budget, and in which order those went on who asked for it. */
function fixture(limit: number) {
  const budget = new Budget(limit);
  const went: string[] = [];
  /** Asks for bytes, and holds them from when it goes on. */
  function want(name: string, bytes: number): (() => void) | undefined {
    return budget.wait(bytes, () => {
      went.push(name);
      budget.hold(bytes);
    });
  }
  return { budget, went, want };
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

Deno.test("Budget lets who needs more than there is go alone", () => {
  const { budget, went, want } = fixture(100);
  want("small", 1);
  want("huge", 1_000);
  want("next", 1);
  assertEquals(went, ["small"]);
  budget.free(1);
  assertEquals(went, ["small", "huge"]);
  assertEquals(budget.held, 1_000);
  budget.free(1_000);
  assertEquals(went, ["small", "huge", "next"]);
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
  const giveUp = want("b", 60);
  const giveUpToo = want("c", 70);
  want("d", 50);
  giveUpToo?.();
  assertEquals(went, ["a"]);
  giveUp?.();
  assertEquals(went, ["a", "d"]);
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
