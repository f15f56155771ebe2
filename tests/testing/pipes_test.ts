/** memoryPipes(): the functions of the module, and their types. */

import { assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import * as module from "../../mod.ts";
import { memoryPipes, type MemoryPipesOptions, type Pipes } from "../../src/testing/mod.ts";

/** Whether two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true
  : false;

function assertType<_T extends true>(): void {}

Deno.test("Pipes has the functions of the module, with their types", () => {
  const pipes: Pipes = module;
  assertEquals(Object.keys(pipes).includes("serve"), true);
  assertType<Same<Pipes["serve"], typeof module.serve>>();
  assertType<Same<Pipes["exchanges"], typeof module.exchanges>>();
  assertType<Same<Pipes["listen"], typeof module.listen>>();
  assertType<Same<Pipes["connect"], typeof module.connect>>();
  assertType<Same<Pipes["call"], typeof module.call>>();
  assertType<Same<Pipes["notify"], typeof module.notify>>();
  assertType<Same<Pipes["listPipes"], typeof module.listPipes>>();
  type Functions = {
    [K in keyof typeof module as (typeof module)[K] extends Pipes[keyof Pipes] ? K : never]: 1;
  };
  // All of them but the framings and the error.
  assertType<Same<keyof Functions, keyof Pipes>>();
});

Deno.test("requests are answered by a function, and by a loop", async () => {
  await using pipes = memoryPipes();
  await using _server = pipes.serve({ path: "shout" }, (_request, exchange) => {
    return exchange.text().toUpperCase();
  });
  assertEquals(await pipes.call("shout", "hello", { as: "text" }), "HELLO");
  await using requests = pipes.exchanges({ path: "echo" });
  const answer = pipes.call("echo", "hello", { as: "text" });
  for await (const { request, reply } of requests) {
    reply(request);
    break;
  }
  assertEquals(await answer, "hello");
});

Deno.test("connections carry messages, bytes and streams", async () => {
  await using pipes = memoryPipes();
  await using listener = pipes.listen({ path: "stream", type: "byte" });
  const near = await pipes.connect({ path: "stream" });
  const far = await listener.accept();
  const sent = ReadableStream.from([new Uint8Array(200_000).fill(7)]).pipeTo(near.writable);
  let bytes = 0;
  for await (const chunk of far.readable) bytes += chunk.length;
  await sent;
  assertEquals(bytes, 200_000);
  await near.closed;
});

Deno.test("notify() sends one message, and listPipes() lists what is served", async () => {
  await using pipes = memoryPipes();
  const received = Promise.withResolvers<string>();
  await using _server = pipes.serve({ path: "Tray", instances: 2 }, (_request, exchange) => {
    received.resolve(exchange.text());
  });
  await pipes.notify("tray", "done");
  assertEquals(await received.promise, "done");
  assertEquals(pipes.listPipes().map(({ name }) => name), ["Tray"]);
  assertEquals(memoryPipes().listPipes(), []);
});

Deno.test("all members work when destructured", async () => {
  const { serve, as, rawClient, advance, ...pipes } = memoryPipes({ time: "manual" });
  const server = serve({ path: "a" }, (request) => request);
  assertEquals(await as({}).call("a", "x", { as: "text" }), "x");
  const { write, read, close } = await rawClient("a");
  await write("y");
  assertEquals(await read(), new TextEncoder().encode("y"));
  close();
  await advance(1);
  await server.shutdown();
  await pipes[Symbol.asyncDispose]();
});

Deno.test("systems have nothing in common", async () => {
  await using pipes = memoryPipes();
  await using _server = pipes.serve({ path: "a" }, () => {});
  await using others = memoryPipes();
  await using _others = others.serve({ path: "a" }, () => {});
  const error = assertThrows(() => pipes.serve({ path: "a" }, () => {}));
  assertInstanceOf(error, Deno.errors.AddrInUse);
});

/** What a program without types may pass. */
function untyped<T>(value: unknown): T {
  return value as T;
}

Deno.test("bad options are refused", () => {
  const wrong: [unknown, string][] = [
    [{ time: "fake" }, 'Cannot use "time": must be "real" or "manual", was "fake"'],
    [{ fault: 5 }, 'Cannot use "fault": must be a function, was 5'],
    [{ as: "me" }, 'Cannot use "as": must be an object, was "me"'],
    [null, 'Cannot use "options": must be an object, was null'],
  ];
  for (const [options, text] of wrong) {
    const error = assertThrows(() => memoryPipes(untyped<MemoryPipesOptions>(options)), TypeError);
    assertEquals(error.message, text);
  }
  const { as } = memoryPipes();
  const processes: [unknown, typeof Error, string][] = [
    [{ sid: "me" }, TypeError, 'Cannot use "sid": must be a SID, "S-1-…", was "me"'],
    [{ accountName: "" }, TypeError, 'Cannot use "accountName": must be a string, was ""'],
    [
      { integrity: "some" },
      TypeError,
      'Cannot use "integrity": must be "medium", "untrusted", "low", "high" or "system", was "some"',
    ],
    [{ elevated: 1 }, TypeError, 'Cannot use "elevated": must be a boolean, was 1'],
    [
      { processId: 0 },
      RangeError,
      'Cannot use "processId": must be an integer from 1 to 4294967295, was 0',
    ],
    [{ processId: 4 }, RangeError, 'Cannot use "processId": 4 is that of another process'],
    [
      { sessionId: 1.5 },
      RangeError,
      'Cannot use "sessionId": must be an integer from 0 to 4294967295, was 1.5',
    ],
    [{ executable: 1 }, TypeError, 'Cannot use "executable": must be a string, was 1'],
  ];
  for (const [process, type, text] of processes) {
    assertEquals(assertThrows(() => as(untyped(process)), type).message, text);
  }
});

Deno.test("raw ends refuse bad names and options", async () => {
  const { rawClient, rawServer } = memoryPipes();
  assertThrows(() => rawServer("a/b"), TypeError);
  assertThrows(() => rawServer("a", untyped({ type: "stream" })), TypeError);
  assertThrows(() => rawServer("a", { readBufferSize: -1 }), RangeError);
  await assertRejects(() => rawClient("a/b"), TypeError);
  await assertRejects(() => rawClient("a", untyped({ direction: "in" })), TypeError);
  const missing = await assertRejects(() => rawClient("a"), Deno.errors.NotFound);
  assertEquals(
    missing.message,
    'Cannot connect to "\\\\.\\pipe\\a": there is no pipe of this name (CreateFileW, error 2)',
  );
});
