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
  want("c", 1);
  want("d", 50);
  assertEquals(went, ["a"]);
  budget.free(49);
  assertEquals(went, ["a"]);
  budget.free(1);
  assertEquals(went, ["a", "b"]);
  budget.free(50);
  assertEquals(went, ["a", "b", "c"]);
  budget.free(50);
  assertEquals(went, ["a", "b", "c", "d"]);
  budget.free(51);
  assertEquals(budget.held, 0);
});

Deno.test("Budget lets nobody who needs no bytes yet wait for one who needs many", () => {
  const { budget, went, want } = fixture(100);
  want("a", 60);
  want("b", 50);
  want("begins", 0);
  assertEquals(went, ["a", "begins"]);
  budget.hold(41);
  want("begins later", 0);
  want("last", 0);
  assertEquals(went, ["a", "begins"]);
  budget.free(1);
  assertEquals(went, ["a", "begins", "begins later", "last"]);
  // Who needs many is let go on first.
  budget.hold(1);
  want("again", 0);
  budget.free(101);
  assertEquals(went.slice(4), ["b", "again"]);
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
