import { assertEquals, assertThrows } from "@std/assert";
import { Callbacks } from "../src/server/callbacks.ts";

Deno.test("Callbacks that wait behind one that throws run at the next chance, in order", () => {
  const callbacks = new Callbacks();
  const called: string[] = [];
  callbacks.enter();
  callbacks.add(() => called.push("first"));
  callbacks.add(() => {
    callbacks.enter();
    callbacks.add(() => called.push("nested"));
    callbacks.leave();
    callbacks.add(() => called.push("last"));
    throw new Error("planted");
  });
  callbacks.add(() => called.push("behind"));
  assertThrows(() => callbacks.leave(), Error, "planted");
  assertEquals(called, ["first", "nested"]);
  callbacks.enter();
  callbacks.leave();
  assertEquals(called, ["first", "nested", "behind", "last"]);
});
