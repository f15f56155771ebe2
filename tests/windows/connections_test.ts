/** Connections of listen() and connect() over real pipes: this module against itself. */

import { assert, assertEquals, assertLessOrEqual, assertRejects } from "@std/assert";
import {
  connect,
  type ConnectOptions,
  listen,
  type ListenOptions,
  type PipeConn,
} from "../../mod.ts";
import { connectOn } from "../../src/client/connect.ts";
import { listenOn } from "../../src/listen/listen.ts";
import { windowsTest } from "../win32/environment.ts";
import { Program, testProgram } from "./program.ts";
import { transfer, type Transferred } from "./programs/transfer.ts";
import { newPath, Tap, within } from "./support.ts";

const MIB = 1_048_576;

/** Each way, at once. */
const TRANSFER = 256 * MIB;

/** What garbage there may be between two collections, of chunks of 64 KiB. */
const MOST_GROWTH = 96 * MIB;

const LIMIT = 60_000;

/** Both ends of a connection, in this process. */
class Pair implements AsyncDisposable {
  readonly near: PipeConn;
  readonly far: PipeConn;
  readonly #shutdown: () => Promise<unknown>;

  constructor(near: PipeConn, far: PipeConn, shutdown: () => Promise<unknown>) {
    this.near = near;
    this.far = far;
    this.#shutdown = shutdown;
  }

  /** @param near Options of the client, and `far` those of the server. */
  static async open(
    far: Omit<ListenOptions, "path"> = {},
    near: Omit<ConnectOptions, "path"> = {},
  ): Promise<Pair> {
    const path = newPath();
    const listener = listen({ ...far, path });
    const [client, server] = await Promise.all([connect({ ...near, path }), listener.accept()]);
    return new Pair(client, server, () => listener.shutdown({ timeout: 0 }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.near.close();
    await this.#shutdown();
  }
}

function bounded({ received, growth }: Transferred): void {
  assertEquals(received, TRANSFER);
  assertLessOrEqual(growth, MOST_GROWTH);
}

for (const type of ["byte", "message"] as const) {
  windowsTest(`256 MiB each way at once between two processes, by a ${type} pipe`, async () => {
    const path = newPath();
    const args = testProgram("transfer", "--allow-ffi", "--v8-flags=--max-old-space-size=256");
    await using server = new Program([...args, "listen", path, type, `${TRANSFER}`], {
      limit: LIMIT,
    });
    await server.printed("listening");
    await using client = new Program([...args, "connect", path, type, `${TRANSFER}`], {
      limit: LIMIT,
    });
    for (const { code, stdout, stderr } of await Promise.all([server.ended, client.ended])) {
      assertEquals([code, stderr], [0, ""]);
      bounded(JSON.parse(stdout.replace("listening", "")));
    }
  });
}

windowsTest("both ends of a connection in one process", async () => {
  for (const type of ["byte", "message"] as const) {
    await using pair = await Pair.open({ type });
    const bytes = 16 * MIB;
    const ends = [transfer(pair.near, bytes), transfer(pair.far, bytes)];
    assertEquals((await Promise.all(ends)).map(({ received }) => received), [bytes, bytes]);
  }
});

windowsTest("a reader that stops stops the writer, and not the other direction", async () => {
  for (const type of ["byte", "message"] as const) {
    for (const writes of ["near", "far"] as const) {
      await using pair = await Pair.open({ type });
      const [writer, reader] = writes === "near" ? [pair.near, pair.far] : [pair.far, pair.near];
      const chunk = new Uint8Array(50_000);
      let accepted = 0;
      const writing = (async () => {
        while (accepted < 20) {
          await writer.write(chunk);
          accepted++;
        }
      })();
      // Meanwhile the other direction has time to show that it is not stopped.
      const p = new Uint8Array(100);
      let atFirst = 0;
      for (let i = 0; i < 200; i++) {
        if (i === 100) atFirst = accepted;
        await reader.write(new Uint8Array([i]));
        assertEquals([await writer.read(p), p[0]], [1, i]);
      }
      assertEquals(accepted, atFirst);
      // What Windows buffers, and what was read ahead.
      assertLessOrEqual(accepted, 4, `${type} ${writes}`);
      let received = 0;
      while (received < 20 * chunk.length) {
        received += await reader.read(new Uint8Array(9_999)) ?? 0;
      }
      await writing;
    }
  }
});

windowsTest("two ends that write everything before they read stop each other", async () => {
  const path = newPath();
  const tap = new Tap();
  await using listener = listenOn(tap.open, { path, type: "byte" });
  const near = await connectOn(tap.open, { path });
  const far = await listener.accept();
  const sent = new Uint8Array(MIB);
  let written = 0;
  const writes = [near, far].map(async (conn) => {
    await conn.write(sent);
    written++;
  });
  // Nothing is left to do.
  for (let i = 0; i < 10; i++) await tap.parked();
  assertEquals(written, 0);
  assert(near.queued > 0 && far.queued > 0);
  const readAll = async (conn: PipeConn) => {
    const p = new Uint8Array(MIB);
    for (let left = MIB; left > 0;) left -= await conn.read(p) ?? left;
  };
  await Promise.all([readAll(near), readAll(far), ...writes]);
  near.close();
});

windowsTest("what is pushed reaches many clients, each in order", async () => {
  const CLIENTS = 50;
  const MESSAGES = 100;
  const path = newPath();
  await using listener = listen({ path });
  await using program = new Program([
    ...testProgram("subscribers", "--allow-ffi"),
    path,
    `${CLIENTS}`,
  ]);
  const conns: PipeConn[] = [];
  const acceptAll = async () => {
    while (conns.length < CLIENTS) conns.push(await listener.accept());
  };
  const endedEarly = program.ended.then(({ code, stderr }) => {
    throw new Error(`${conns.length} clients came, and ended with ${code}: ${stderr}`);
  });
  await Promise.race([acceptAll(), endedEarly]);
  for (let i = 0; i < MESSAGES; i++) {
    await Promise.all(conns.map((conn) => conn.send(`${i}`)));
  }
  await Promise.all(conns.map((conn) => conn[Symbol.asyncDispose]()));
  const { code, stdout, stderr } = await program.ended;
  assertEquals([code, stderr], [0, ""]);
  assertEquals(JSON.parse(stdout), Array(CLIENTS).fill(MESSAGES));
});

windowsTest("a client that is killed ends its connection, after what it had sent", async () => {
  const path = newPath();
  await using listener = listen({ path, type: "byte" });
  await using program = new Program([
    ...testProgram("transfer", "--allow-ffi"),
    "connect",
    path,
    "byte",
    `${TRANSFER}`,
  ]);
  const conn = await listener.accept();
  assertEquals(conn.peer.processId, program.processId);
  const p = new Uint8Array(MIB);
  for (let left = MIB; left > 0;) left -= await conn.read(p) ?? left;
  program.kill();
  await program.ended;
  while (await within("the end", conn.read(p)) !== null);
  assertEquals(await conn.closed, { reason: "peer" });
  await assertRejects(() => conn.write(p), Deno.errors.BrokenPipe);
});
