/**
 * Clients and servers that are not ours, as processes of their own: `node:net` of Node, Bun and
 * Deno, and programs in C. `tools/foreign.ts` gets them; one that is missing is a failure.
 */

import { assertEquals, assertGreaterOrEqual, assertRejects } from "@std/assert";
import { call, connect, type PipeClient, serve } from "../../mod.ts";
import { startClient } from "../win32/client.ts";
import { windowsTest } from "../win32/environment.ts";
import { Foreign, programInC, RUNTIMES, script, Verdict } from "./foreign.ts";
import { newPath, within } from "./support.ts";

const client = await startClient();
// Clients

const CONNECTIONS = 4;
const EXCHANGES = 40;

/** Runs a client by `node:net`: several connections, each in a closed loop. */
async function runScript(runtime: string[], path: string): Promise<void> {
  await using verdict = new Verdict();
  await using client = new Foreign([
    ...runtime,
    script("net_client.mjs"),
    path,
    verdict.path,
    `${CONNECTIONS}`,
    `${EXCHANGES}`,
  ]);
  const code = await client.ended();
  assertEquals([await verdict.text(), code], ["done", 0]);
}

/** Runs a client in C, several times at once. */
async function runInC(name: string, path: string): Promise<void> {
  const run = async () => {
    await using client = new Foreign([programInC(name), path, `${EXCHANGES}`]);
    assertEquals(await client.ended(), 0);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, run));
}

const CLIENTS: Record<string, (path: string) => Promise<void>> = {
  "node:net of Node": (path) => runScript(RUNTIMES["Node"] ?? [], path),
  "node:net of Bun": (path) => runScript(RUNTIMES["Bun"] ?? [], path),
  "node:net of Deno": (path) => runScript(RUNTIMES["Deno"] ?? [], path),
  "synchronous I/O in C": (path) => runInC("synchronous", path),
  "overlapped I/O in C": (path) => runInC("overlapped", path),
  "TransactNamedPipe in C": (path) => runInC("transact", path),
  "CallNamedPipe in C": (path) => runInC("call", path),
};

for (const [name, run] of Object.entries(CLIENTS)) {
  windowsTest(`clients by ${name} get every answer, as many at once as come`, async () => {
    const path = newPath();
    const reasons = new Set<string>();
    const connected = new Set<PipeClient>();
    const left = Promise.withResolvers<void>();
    let exchanges = 0;
    let ran = false;
    await using server = serve({
      path,
      onDisconnect(client, reason) {
        reasons.add(reason);
        connected.delete(client);
        if (ran && connected.size === 0) left.resolve();
      },
    }, (request, { client }) => {
      connected.add(client);
      exchanges++;
      return request;
    });
    await run(path);
    ran = true;
    // That a process has ended is not yet seen at the other end of its pipe.
    if (connected.size > 0) await within("the end of all connections", left.promise);
    await server.shutdown();
    assertEquals(exchanges, CONNECTIONS * EXCHANGES);
    assertEquals([...reasons], ["peer"]);
  });
}

windowsTest("more clients in C than instances take turns", async () => {
  const path = newPath();
  let exchanges = 0;
  let connected = 0;
  await using _server = serve({
    path,
    instances: 2,
    maxInstances: 2,
    onDisconnect: () => connected++,
  }, (request) => {
    exchanges++;
    return request;
  });
  const kinds = ["synchronous", "overlapped", "transact", "call"];
  await Promise.all(kinds.map((name) => runInC(name, path)));
  assertEquals(exchanges, kinds.length * CONNECTIONS * EXCHANGES);
  assertGreaterOrEqual(connected, CONNECTIONS * EXCHANGES);
});

// Servers

// Not Deno's own: it may panic when a client leaves as soon as it has come (in mio, by its message).
for (const [name, runtime] of Object.entries(RUNTIMES).filter(([name]) => name !== "Deno")) {
  windowsTest(`connect() sees the byte pipe of a server by node:net of ${name}`, async () => {
    const path = newPath();
    await using verdict = new Verdict();
    await using server = new Foreign([...runtime, script("net_server.mjs"), path, verdict.path]);
    {
      await using conn = await connect({ path, connectTimeout: 30_000 });
      assertEquals(conn.type, "byte");
      for (const call of [() => conn.request("x"), () => conn.send("x"), () => conn.receive()]) {
        await assertRejects(call, TypeError, "it is a byte pipe");
      }
    }
    await assertRejects(
      () => call(path, "x", { connectTimeout: 30_000 }),
      TypeError,
      "it is a byte pipe",
    );
    const pipe = await client.open(path, { wait: 30_000 });
    await pipe.write("stop");
    const code = await server.ended();
    await pipe.close();
    assertEquals([await verdict.text(), code], ["done", 0]);
  });
}

windowsTest("call() gets the answer of a C server with four instances", async () => {
  const path = newPath();
  await using _server = new Foreign([programInC("four_instances"), path]);
  const decoder = new TextDecoder();
  const answer = "Default answer from server\0";
  for (let round = 0; round < 5; round++) {
    // More than it has instances.
    const calls = Array.from(
      { length: 10 },
      (_, i) => call(path, `${i}\0`, { connectTimeout: 30_000 }),
    );
    const replies = await Promise.all(calls);
    assertEquals(replies.map((reply) => decoder.decode(reply)), Array(10).fill(answer));
  }
  {
    await using conn = await connect({ path });
    for (let i = 0; i < EXCHANGES; i++) {
      assertEquals(decoder.decode(await conn.request(`${i}\0`)), answer);
    }
  }
});
