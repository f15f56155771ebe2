/** The limits, with clients of other processes: each once. */

import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { type CloseReason, type Responder, serve, type ServeOptions } from "../../mod.ts";
import { type ClientPipe, startClient } from "../win32/client.ts";
import { windowsTest } from "../win32/environment.ts";
import { Win32Error } from "../win32/raw.ts";
import { Ends, GONE, newPath } from "./support.ts";

const client = await startClient();
const stranger = await startClient();

/** Until it is sent away: what it had not read may come first. */
async function assertSentAway(pipe: ClientPipe): Promise<void> {
  const gone = await assertRejects(async () => {
    while (true) await pipe.read();
  }, Win32Error);
  assert(GONE.includes(gone.code), gone.message);
  await pipe.close();
}

const respond: Responder = (request, exchange) => {
  if (exchange.text() === "work") {
    return new Promise((resolve) => exchange.signal.addEventListener("abort", () => resolve()));
  }
  return exchange.text() === "large" ? new Uint8Array(50_000) : request;
};

const EVICTIONS: [CloseReason, Partial<ServeOptions>, (pipe: ClientPipe) => Promise<void>][] = [
  ["maxMessage", { maxMessage: 100_000 }, async (pipe) => {
    const writing = pipe.write(new Uint8Array(100_001));
    await writing.catch((error) => assertInstanceOf(error, Win32Error));
  }],
  ["idleTimeout", { idleTimeout: 500 }, () => Promise.resolve()],
  ["writeTimeout", { writeTimeout: 300, writeBufferSize: 1_000 }, (pipe) => pipe.write("large")],
  ["responderTimeout", { responderTimeout: 300 }, (pipe) => pipe.write("work")],
];

for (const [limit, options, deed] of EVICTIONS) {
  windowsTest(
    `${limit} ends the connection of who exceeds it, and lets the next one in`,
    async () => {
      const path = newPath();
      const ends = new Ends();
      await using _server = serve(
        { path, instances: 1, maxInstances: 1, ...options, onDisconnect: ends.note },
        respond,
      );
      const pipe = await client.open(path, { messageMode: true });
      assertEquals(await pipe.ask("hello"), "hello");
      await deed(pipe);
      await ends.reach(1);
      assertEquals(ends.reasons, [limit]);
      await assertSentAway(pipe);
      await using next = await client.open(path, { messageMode: true, wait: 5_000 });
      assertEquals(await next.ask("next"), "next");
    },
  );
}

windowsTest("maxPerProcess ends the connections that one process has too many", async () => {
  const path = newPath();
  const ends = new Ends();
  await using _server = serve({ path, maxPerProcess: 2, onDisconnect: ends.note }, respond);
  const open = (from = client) => from.open(path, { messageMode: true, wait: 5_000 });
  await using one = await open();
  await using two = await open();
  for (const pipe of [one, two]) assertEquals(await pipe.ask("first"), "first");
  // In byte mode: it may be gone before it could choose the other.
  await assertSentAway(await client.open(path, { wait: 5_000 }));
  await using other = await open(stranger);
  for (const pipe of [one, two, other]) assertEquals(await pipe.ask("still there"), "still there");
  await one.close();
  await ends.reach(2);
  assertEquals(ends.reasons, ["maxPerProcess", "peer"]);
  await using next = await open();
  assertEquals(await next.ask("next"), "next");
});

windowsTest("maxBuffered lets requests wait, and evicts nobody", async () => {
  const path = newPath();
  const ends = new Ends();
  const gate = Promise.withResolvers<void>();
  const came = new Map([40_000, 5].map((size) => [size, Promise.withResolvers<void>()]));
  const sizes: number[] = [];
  const options = { path, maxBuffered: 50_000, onDisconnect: ends.note };
  await using _server = serve(options, async (request) => {
    sizes.push(request.length);
    came.get(request.length)?.resolve();
    await gate.promise;
    return `${request.length}`;
  });
  const open = () => client.open(path, { messageMode: true });
  await using one = await open();
  await using two = await open();
  await using small = await open();
  const first = one.ask(new Uint8Array(40_000));
  await came.get(40_000)?.promise;
  const second = two.ask(new Uint8Array(40_001));
  const third = small.ask("small");
  await came.get(5)?.promise;
  assertEquals(sizes, [40_000, 5]);
  gate.resolve();
  assertEquals(await Promise.all([first, second, third]), ["40000", "40001", "5"]);
  assertEquals(ends.all, []);
});
