/** The limits, and what a stopped server leaves to its clients, with clients of other processes. */

import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { type DisconnectReason, type Responder, serve, type ServeOptions } from "../../mod.ts";
import { type ClientPipe, startClient } from "../win32/client.ts";
import { windowsTest } from "../win32/environment.ts";
import { Code, Win32Error } from "../win32/raw.ts";
import { Program } from "./program.ts";
import { within } from "./support.ts";

const client = await startClient();
const stranger = await startClient();

const GONE: number[] = [Code.BROKEN_PIPE, Code.NO_DATA, Code.PIPE_NOT_CONNECTED];

/** The end of a connection. */
interface End {
  readonly reason: DisconnectReason;
  readonly error: unknown;
}

const respond: Responder = (request, exchange) => {
  if (request.length > 1_000) return `${request.length}`;
  const [what, size] = exchange.text().split(" ");
  if (what === "work") {
    return new Promise((resolve) => exchange.signal.addEventListener("abort", () => resolve()));
  }
  return what === "reply" ? new Uint8Array(Number(size)) : request;
};

/** A server with its name and the ends of its connections, in order. */
function started(options: Partial<ServeOptions>, responder: Responder = respond) {
  const path = `\\\\.\\pipe\\limits-${crypto.randomUUID()}`;
  const ends: End[] = [];
  const waiting: ((end: End) => void)[] = [];
  const server = serve({
    path,
    ...options,
    onDisconnect: (_client, reason, error) => {
      const next = waiting.shift();
      if (next === undefined) ends.push({ reason, error });
      else next({ reason, error });
    },
  }, responder);
  const nextEnd = () => {
    const { promise, resolve } = Promise.withResolvers<End>();
    const end = ends.shift();
    if (end === undefined) waiting.push(resolve);
    else resolve(end);
    return within("the end of a connection", promise);
  };
  const open = (from = client): Promise<ClientPipe> =>
    from.open(path, { messageMode: true, wait: 5_000 });
  return {
    path,
    server,
    ends,
    nextEnd,
    open,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function assertAnswered(pipe: ClientPipe): Promise<void> {
  assertEquals((await pipe.transact("still there?")).text, "still there?");
}

/** A client comes, is answered, and leaves. */
async function assertServed({ open, nextEnd }: ReturnType<typeof started>): Promise<void> {
  const pipe = await open();
  await assertAnswered(pipe);
  await pipe.close();
  assertEquals((await nextEnd()).reason, "client");
}

async function assertEvicted(
  { nextEnd }: ReturnType<typeof started>,
  pipe: ClientPipe,
  limit: DisconnectReason,
): Promise<void> {
  const { reason, error } = await nextEnd();
  assertEquals(reason, limit);
  assertInstanceOf(error, Error);
  assertStringIncludes(error.message, `(${limit})`);
  const gone = await assertRejects(async () => {
    // What it had not read may come first.
    while (true) await pipe.read();
  }, Win32Error);
  assert(GONE.includes(gone.code), gone.message);
  await pipe.close();
}

windowsTest("maxRequest ends the connection of a client that sends more", async () => {
  await using world = started({ maxRequest: 100_000, instances: 1, maxInstances: 2 });
  await using other = await world.open();
  for (const size of [100_001, 5_000_000]) {
    const pipe = await world.open();
    assertEquals((await pipe.transact(new Uint8Array(100_000))).text, "100000");
    await pipe.write(new Uint8Array(size)).catch((error) => assertInstanceOf(error, Win32Error));
    await assertEvicted(world, pipe, "maxRequest");
    await assertServed(world);
    await assertAnswered(other);
  }
});

windowsTest("idleTimeout ends the connection of a client that is silent", async () => {
  await using world = started({ idleTimeout: 500, instances: 1, maxInstances: 2 });
  const pipe = await world.open();
  // The reply cannot be earlier, so the client is silent for longer than what is measured.
  const begin = performance.now();
  await assertAnswered(pipe);
  await assertEvicted(world, pipe, "idleTimeout");
  assertGreaterOrEqual(performance.now() - begin, 450);
  await assertServed(world);
});

windowsTest("replyTimeout ends the connection of a client that does not read", async () => {
  await using world = started({
    replyTimeout: 300,
    writeBufferSize: 1_000,
    instances: 1,
    maxInstances: 2,
  });
  await using other = await world.open();
  const pipe = await world.open();
  await pipe.write("reply 50000");
  await assertAnswered(other);
  const { reason, error } = await world.nextEnd();
  assertEquals(reason, "replyTimeout");
  assertInstanceOf(error, Deno.errors.TimedOut);
  const gone = await assertRejects(() => pipe.read(), Win32Error);
  assert(GONE.includes(gone.code), gone.message);
  await pipe.close();
  await assertServed(world);
  await assertAnswered(other);
});

windowsTest("responderTimeout ends the connection of a client that is not answered", async () => {
  await using world = started({ responderTimeout: 300, instances: 1, maxInstances: 2 });
  await using other = await world.open();
  const pipe = await world.open();
  await pipe.write("work");
  await assertAnswered(other);
  await assertEvicted(world, pipe, "responderTimeout");
  await assertServed(world);
  await assertAnswered(other);
});

windowsTest("maxPerProcess ends the connections that one process has too many", async () => {
  await using world = started({ maxPerProcess: 2, instances: 2 });
  await using one = await world.open();
  await using two = await world.open();
  await assertAnswered(one);
  await assertAnswered(two);
  for (let i = 0; i < 3; i++) {
    // In byte mode: it may be gone before it could choose the other.
    const three = await client.open(world.path, { wait: 5_000 });
    await assertEvicted(world, three, "maxPerProcess");
  }
  await using other = await world.open(stranger);
  for (const pipe of [one, two, other]) await assertAnswered(pipe);
  await one.close();
  assertEquals((await world.nextEnd()).reason, "client");
  await assertServed(world);
});

windowsTest("maxInstances lets further clients wait until one leaves", async () => {
  await using world = started({ instances: 1, maxInstances: 1 });
  for (let i = 0; i < 5; i++) {
    const pipe = await world.open();
    await assertAnswered(pipe);
    await assertRejects(() => stranger.open(world.path), Win32Error);
    const waiting = stranger.open(world.path, { messageMode: true, wait: 10_000 });
    await pipe.close();
    const next = await waiting;
    await assertAnswered(next);
    await next.close();
    assertEquals((await world.nextEnd()).reason, "client");
    assertEquals((await world.nextEnd()).reason, "client");
  }
});

windowsTest("maxBuffered lets requests wait, and evicts nobody", async () => {
  const gate = Promise.withResolvers<void>();
  const came = new Map([40_000, 5].map((size) => [size, Promise.withResolvers<void>()]));
  const sizes: number[] = [];
  await using world = started({ maxBuffered: 50_000, instances: 2 }, async (request) => {
    if (request.length === "still there?".length) return request;
    sizes.push(request.length);
    came.get(request.length)?.resolve();
    await gate.promise;
    return `${request.length}`;
  });
  await using one = await world.open();
  await using two = await world.open(stranger);
  await using small = await world.open(stranger);
  for (const pipe of [one, two, small]) await assertAnswered(pipe);
  const first = await one.startTransact(new Uint8Array(40_000));
  await came.get(40_000)?.promise;
  const second = await two.startTransact(new Uint8Array(40_001));
  const third = await small.startTransact("small");
  await came.get(5)?.promise;
  assertEquals(sizes, [40_000, 5]);
  gate.resolve();
  assertEquals((await first.finish()).text, "40000");
  assertEquals((await second.finish()).text, "40001");
  assertEquals((await third.finish()).text, "5");
  assertEquals(world.ends, []);
});

windowsTest("a client that has a reply waiting when the server stops still reads it", async () => {
  for (const how of ["shutdown", "shutdown at once", "signal"]) {
    const controller = new AbortController();
    let told = () => {};
    await using world = started({ signal: controller.signal }, (_request, { reply }) => {
      reply("the last words").then(told);
    });
    await using pipe = await world.open();
    const written = new Promise<void>((resolve) => told = resolve);
    await pipe.write("x");
    await written;
    if (how === "signal") controller.abort();
    else await world.server.shutdown(how === "shutdown" ? undefined : { timeout: 0 });
    await world.server.finished;
    assertEquals((await pipe.read()).text, "the last words", how);
    const { code } = await assertRejects(() => pipe.read(), Win32Error);
    assertEquals(code, Code.BROKEN_PIPE, how);
  }
});

windowsTest("a client that is slow to read gets its whole reply during a shutdown", async () => {
  await using world = started({ writeBufferSize: 1_000 });
  const pipe = await world.open();
  await pipe.write("reply 300000");
  // Its first piece is there: the write is pending.
  assertEquals((await pipe.read({ size: 100 })).bytes.length, 100);
  const shutdown = world.server.shutdown();
  assertEquals((await pipe.read({ size: 400_000, whole: true })).bytes.length, 299_900);
  const { evicted, dropped } = await shutdown;
  assertEquals([evicted, dropped], [0, 0]);
  await pipe.close();
});

windowsTest(
  "a server can have the name of one that has just ended, and two can be at once",
  async () => {
    const path = `\\\\.\\pipe\\limits-${crypto.randomUUID()}`;
    for (let i = 0; i < 5; i++) {
      await using other = started({});
      await using server = serve({ path }, () => `server ${i}`);
      await using pipe = await client.open(path, { messageMode: true });
      await using second = await other.open();
      assertEquals((await pipe.transact("x")).text, `server ${i}`);
      await assertAnswered(second);
      await server.shutdown();
      await assertAnswered(second);
      await second.close();
    }
  },
);

windowsTest("the echo server of the examples keeps the limits that it is given", async () => {
  const path = `\\\\.\\pipe\\limits-${crypto.randomUUID()}`;
  const example = new URL("../../examples/echo_server.ts", import.meta.url).href;
  const limits = ["--max-request=10", "--idle-timeout=2000", "--max-instances=1"];
  await using program = new Program([
    ...["run", "--quiet", "--cached-only", "--no-lock", "--allow-ffi", example, ...limits, path],
  ]);
  await program.printed(`listening on ${path}`);
  const pipe = await client.open(path, { messageMode: true, wait: 5_000 });
  assertEquals((await pipe.transact("0123456789")).text, "0123456789");
  await assertRejects(() => stranger.open(path), Win32Error);
  // Silence, and then somebody who says too much.
  await assertRejects(() => pipe.read(), Win32Error);
  await pipe.close();
  await program.complained("client 1: ");
  const next = await stranger.open(path, { messageMode: true, wait: 5_000 });
  await next.write("0123456789+").catch((error) => assertInstanceOf(error, Win32Error));
  await assertRejects(() => next.read(), Win32Error);
  await next.close();
  await program.complained("longer than the limit of 10");
});
