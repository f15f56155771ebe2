/** Where there are no named pipes: importing works, and using them says so. */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { call, connect, exchanges, listPipes, serve } from "../mod.ts";

const ignore = Deno.build.os === "windows";

const TEXT = `Cannot use named pipes: they are a part of Windows, and this is ${Deno.build.os}`;

function assertNotSupported(error: unknown): void {
  assertInstanceOf(error, Deno.errors.NotSupported);
  assertEquals(error.message, TEXT);
}

Deno.test(
  "exchanges() rejects the first next() with NotSupported, and has ended",
  { ignore },
  async () => {
    const generator = exchanges({ path: "x" });
    assertNotSupported(await assertRejects(() => generator.next()));
    assertEquals(await generator.next(), { done: true, value: undefined });
    assertEquals(await generator.return(), { done: true, value: undefined });
  },
);

Deno.test("a loop over exchanges() ends with NotSupported", { ignore }, async () => {
  let count = 0;
  assertNotSupported(
    await assertRejects(async () => {
      for await (const _exchange of exchanges({ path: "x" })) count++;
    }),
  );
  assertEquals(count, 0);
});

Deno.test("exchanges() that is never asked for an exchange does nothing", { ignore }, async () => {
  await using generator = exchanges({ path: "x" });
  assert(generator[Symbol.asyncIterator]() === generator);
});

Deno.test("serve() throws NotSupported at the call", { ignore }, () => {
  assertNotSupported(assertThrows(() => serve({ path: "x" }, () => {})));
});

Deno.test("listPipes() throws NotSupported", { ignore }, () => {
  assertNotSupported(assertThrows(() => listPipes()));
});

Deno.test("connect() and call() reject with NotSupported", { ignore }, async () => {
  assertNotSupported(await assertRejects(() => connect({ path: "x" })));
  assertNotSupported(await assertRejects(() => call("x", "message")));
  // At once, however long they may wait.
  assertNotSupported(await assertRejects(() => call("x", "message", { connectTimeout: Infinity })));
  assertNotSupported(await assertRejects(() => connect({ path: "\\\\host\\pipe\\x" })));
});

Deno.test("a second call says the same again", { ignore }, async () => {
  for (let i = 0; i < 3; i++) {
    assertNotSupported(assertThrows(() => serve({ path: "x" }, () => {})));
    assertNotSupported(await assertRejects(() => exchanges({ path: "x" }).next()));
  }
});

Deno.test("wrong arguments are refused first", { ignore }, async () => {
  assertThrows(() => exchanges({ path: "" }), TypeError, "the name is empty");
  assertThrows(() => exchanges({ path: "x", instances: 0 }), RangeError, '"instances"');
  assertThrows(() => serve({ path: "a/b" }, () => {}), TypeError, "slash");
  assertThrows(() => serve({ path: "x", concurrency: 0 }, () => {}), RangeError, '"concurrency"');
  await assertRejects(() => connect({ path: "/x" }), TypeError, "it must be a name");
  await assertRejects(
    () => connect({ path: "x", connectTimeout: -1 }),
    RangeError,
    '"connectTimeout"',
  );
  await assertRejects(() => call("", "message"), TypeError, "the name is empty");
  await assertRejects(() => call("x", "message", { maxMessage: 0.5 }), RangeError, '"maxMessage"');
});

Deno.test("a signal that is aborted beforehand comes first, too", { ignore }, async () => {
  const signal = AbortSignal.abort(new RangeError("enough"));
  assertEquals(await exchanges({ path: "x", signal }).next(), { done: true, value: undefined });
  await serve({ path: "x", signal }, () => {}).finished;
  await assertRejects(() => connect({ path: "x", signal }), RangeError, "enough");
  await assertRejects(() => call("x", "message", { signal }), RangeError, "enough");
});
