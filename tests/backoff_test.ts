import { assertEquals } from "@std/assert";
import { Backoff } from "../src/loop/backoff.ts";

function take(backoff: Backoff, count: number): number[] {
  return Array.from({ length: count }, () => backoff.next());
}

Deno.test("Backoff doubles each pause up to the longest", () => {
  assertEquals(take(new Backoff(50), 8), [1, 2, 4, 8, 16, 32, 50, 50]);
});

Deno.test("Backoff starts over after a success", () => {
  const backoff = new Backoff(1_000);
  take(backoff, 5);
  backoff.reset();
  assertEquals(take(backoff, 3), [1, 2, 4]);
});

Deno.test("Backoff keeps the pauses of each instance apart", () => {
  const one = new Backoff(1_000);
  const two = new Backoff(1_000);
  take(one, 3);
  assertEquals(take(two, 2), [1, 2]);
});
