import { assertEquals } from "@std/assert";
import { Budget } from "../src/server/budget.ts";

/** A budget, and in which order those went on who asked for it. */
function fixture(limit: number) {
  const budget = new Budget(limit);
  const went: string[] = [];
  const eras = new Map<string, number>();
  /** Asks for bytes, and holds them from when it goes on. */
  function want(name: string, bytes: number): (() => void) | undefined {
    return budget.wait(bytes, () => {
      went.push(name);
      eras.set(name, budget.hold(bytes));
    });
  }
  /** Gives back what somebody holds, or a part of it. */
  function free(name: string, bytes: number): void {
    budget.free(bytes, eras.get(name) ?? NaN);
  }
  return { budget, went, want, free };
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
  const { budget, went, want, free } = fixture(100);
  want("a", 100);
  want("b", 50);
  want("c", 50);
  want("d", 50);
  free("a", 49);
  assertEquals(went, ["a"]);
  free("a", 1);
  assertEquals(went, ["a", "b"]);
  free("a", 50);
  assertEquals(went, ["a", "b", "c"]);
  free("b", 50);
  free("c", 50);
  assertEquals(went, ["a", "b", "c", "d"]);
  free("d", 50);
  assertEquals(budget.held, 0);
});

Deno.test("Budget lets pass who fits: those that wait behind, and those that come", () => {
  const { went, want, free } = fixture(100);
  want("a", 90);
  want("long", 50);
  want("less long", 20);
  want("comes", 10);
  assertEquals(went, ["a", "comes"]);
  free("a", 20);
  assertEquals(went, ["a", "comes", "less long"]);
});

Deno.test("Budget lets a quarter pass when as much has passed as the first one needs", () => {
  const { went, want, free } = fixture(100);
  want("slow", 60);
  want("long", 41);
  for (let i = 0; i < 4; i++) {
    assertEquals(want(`${i}`, 10), undefined);
    free(`${i}`, 10);
  }
  want("last", 1);
  assertEquals(went.at(-1), "last");
  // From here on it is due.
  want("too much", 26);
  assertEquals(went.at(-1), "last");
  for (let i = 0; i < 100; i++) {
    assertEquals(want("passes", 25), undefined);
    want("exceeds", 1)?.();
    assertEquals(went.at(-1), "passes");
    free("passes", 25);
  }
  free("last", 1);
  assertEquals(went.at(-1), "passes");
  free("slow", 1);
  assertEquals(went.at(-1), "long");
  // And now the next one waits for its turn, with nothing that has passed it.
  free("long", 41);
  assertEquals(went.at(-1), "too much");
});

Deno.test("Budget lets who needs more than half go on when half is left", () => {
  const { budget, went, want, free } = fixture(100);
  want("small", 51);
  want("huge", 1_000);
  assertEquals(went, ["small"]);
  free("small", 1);
  assertEquals(went, ["small", "huge"]);
  assertEquals(budget.held, 1_050);
  want("next", 1);
  free("huge", 949);
  assertEquals(went, ["small", "huge"]);
  free("huge", 2);
  assertEquals(went, ["small", "huge", "next"]);
});

Deno.test("Budget holds what is held without asking, and lets others wait for it", () => {
  const { budget, went, want } = fixture(100);
  const era = budget.hold(1_000);
  want("a", 0);
  assertEquals(went, []);
  budget.free(899, era);
  assertEquals(went, []);
  budget.free(1, era);
  assertEquals(went, ["a"]);
});

Deno.test("Budget goes on with the next when one gives up waiting", () => {
  const { budget, went, want, free } = fixture(100);
  want("full", 100);
  const giveUp = want("b", 60);
  // It is due, and nobody who needs more than a quarter passes it.
  budget.free(60, budget.hold(60));
  want("c", 40);
  free("full", 40);
  assertEquals(went, ["full"]);
  giveUp?.();
  assertEquals(went, ["full", "c"]);
  giveUp?.();
  assertEquals(budget.held, 100);
});

Deno.test("Budget without a limit lets nobody wait", () => {
  const { budget, went, want } = fixture(Infinity);
  for (const name of ["a", "b", "c"]) want(name, 2 ** 40);
  assertEquals(went, ["a", "b", "c"]);
  assertEquals(budget.held, 3 * 2 ** 40);
});

Deno.test("Budget that is closed lets nobody go on", () => {
  const { budget, went, want, free } = fixture(100);
  want("a", 100);
  const giveUp = want("b", 10);
  budget.close();
  free("a", 100);
  giveUp?.();
  assertEquals(went, ["a"]);
  assertEquals(budget.held, 0);
});
