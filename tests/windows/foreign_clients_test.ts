/**
 * Clients and servers that are not ours, as processes of their own: `node:net` of Node, Bun and
 * Deno, and programs in C. `tools/foreign.ts` gets them; one that is missing is a failure.
 */

import { assertEquals, assertGreaterOrEqual, assertRejects } from "@std/assert";
import { call, connect, type PipeClient, serve } from "../../mod.ts";
import { startClient } from "../win32/client.ts";
import { windowsTest } from "../win32/environment.ts";
import { foreignPrograms } from "../win32/foreign.ts";
import { newPath, within } from "./support.ts";

const client = await startClient();
const CHECKOUT = new URL("../../", import.meta.url);

/** How long a foreign program may take. */
const LIMIT = 90_000;

const programs = await foreignPrograms();

function script(name: string): string {
  return decodeURIComponent(new URL(`tests/foreign/${name}`, CHECKOUT).pathname.slice(1));
}

/** Who runs a script that uses `node:net`. */
const RUNTIMES: Record<string, string[]> = {
  Node: [programs.node],
  Bun: [programs.bun],
  Deno: [Deno.execPath(), "run", "-A", "--quiet", "--no-config", "--no-lock", "--no-check"],
};

/**
 * A foreign program that runs. What it prints goes nowhere, and its complaints to where ours go: to
 * read them would hold a thread of Deno's pool each, and many of them would leave none for the wait
 * of the server.
 */
class Foreign implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;

  constructor([program = "", ...args]: string[]) {
    this.#child = new Deno.Command(program, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
    }).spawn();
  }

  /** The exit code. */
  async ended(): Promise<number> {
    return (await within("the end of the program", this.#child.status, LIMIT)).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.#child.status;
  }
}

/** A file that a program says in how it ended. */
class Verdict implements AsyncDisposable {
  readonly #folder = Deno.makeTempDirSync();
  readonly path = `${this.#folder}\\verdict`;

  async text(): Promise<string> {
    return await Deno.readTextFile(this.path).catch(() => "nothing");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }
}

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
    await using client = new Foreign([`${programs.c}\\${name}.exe`, path, `${EXCHANGES}`]);
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
  await using _server = new Foreign([`${programs.c}\\four_instances.exe`, path]);
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
