/**
 * Connections to programs that are not ours, as processes of their own: `node:net` of Node and Bun
 * over byte pipes, and programs in C that only read, only write, or close one direction.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { connect, lines, listen, type PipeConn } from "../../mod.ts";
import { startClient } from "../win32/client.ts";
import { windowsTest } from "../win32/environment.ts";
import { Code } from "../win32/raw.ts";
import { Foreign, programInC, RUNTIMES, script, Verdict } from "./foreign.ts";
import { newPath, rejectsWith } from "./support.ts";

const client = await startClient();
const CONNECTIONS = 4;
const ROUNDS = 40;

/** What the programs in C send, and expect. */
function messageOf(round: number): Uint8Array<ArrayBuffer> {
  const length = [1, 64, 5_000, 200_000][round % 4];
  return Uint8Array.from({ length: length ?? 0 }, (_, i) => i * 31 + round);
}

function rounds(): Uint8Array<ArrayBuffer>[] {
  return Array.from({ length: ROUNDS }, (_, round) => messageOf(round));
}

async function collect(conn: PipeConn): Promise<Uint8Array[]> {
  const messages: Uint8Array[] = [];
  for await (const message of conn) messages.push(message);
  return messages;
}

// node:net

const NET = Object.entries(RUNTIMES).filter(([name]) => name !== "Deno");

for (const [name, runtime] of NET) {
  windowsTest(`clients by node:net of ${name} exchange streams with listen()`, async () => {
    const path = newPath();
    await using verdict = new Verdict();
    await using listener = listen({ path, type: "byte" });
    await using program = new Foreign([
      ...runtime,
      script("net_client.mjs"),
      path,
      verdict.path,
      `${CONNECTIONS}`,
      `${ROUNDS}`,
    ]);
    const echoes: Promise<void>[] = [];
    for (let i = 0; i < CONNECTIONS; i++) {
      const { readable, writable } = await listener.accept();
      echoes.push(readable.pipeTo(writable));
    }
    const code = await program.ended();
    assertEquals([await verdict.text(), code], ["done", 0]);
    await Promise.all(echoes);
  });

  windowsTest(`a client by node:net of ${name} exchanges lines with listen()`, async () => {
    const path = newPath();
    await using verdict = new Verdict();
    await using listener = listen({ path, framing: lines() });
    await using program = new Foreign([
      ...runtime,
      script("line_client.mjs"),
      path,
      verdict.path,
      `${ROUNDS}`,
    ]);
    const conn = await listener.accept();
    for await (const line of conn.messages({ as: "text" })) {
      const { id, text } = JSON.parse(line);
      conn.send(JSON.stringify({ id, length: text.length })).catch(() => {});
    }
    assertEquals((await conn.closed).reason, "peer");
    const code = await program.ended();
    assertEquals([await verdict.text(), code], ["done", 0]);
  });

  windowsTest(`connect() exchanges streams and lines with node:net of ${name}`, async () => {
    const path = newPath();
    await using verdict = new Verdict();
    await using server = new Foreign([...runtime, script("net_server.mjs"), path, verdict.path]);
    {
      await using conn = await connect({ path, connectTimeout: 30_000 });
      const sent = messageOf(3);
      const sending = ReadableStream.from(Array(20).fill(sent))
        .pipeTo(conn.writable, { preventClose: true });
      const received = new Uint8Array(20 * sent.length);
      let count = 0;
      for await (const chunk of conn.readable.values({ preventCancel: true })) {
        received.set(chunk, count);
        count += chunk.length;
        if (count === received.length) break;
      }
      await sending;
      for (let i = 0; i < 20; i++) {
        const part = received.subarray(i * sent.length, (i + 1) * sent.length);
        assert(part.every((byte, at) => byte === sent[at]));
      }
    }
    {
      await using conn = await connect({ path, framing: lines(), connectTimeout: 30_000 });
      const texts = ["one", "", "grüße, 管道 🙂", "🙂".repeat(50_000)];
      const answers = texts.map((text) => conn.request(text, { as: "text" }));
      assertEquals(await Promise.all(answers), texts);
    }
    await using stop = await connect({ path, connectTimeout: 30_000 });
    await stop.write(new TextEncoder().encode("stop"));
    const code = await server.ended();
    assertEquals([await verdict.text(), code], ["done", 0]);
    assertEquals((await stop.closed).reason, "peer");
  });
}

// Clients in C

windowsTest("clients in C exchange messages with listen(), whatever calls they use", async () => {
  const path = newPath();
  await using listener = listen({ path });
  const answering: Promise<void>[] = [];
  const answer = async (conn: PipeConn) => {
    for await (const message of conn) await conn.send(message);
    assertEquals(await conn.closed, { reason: "peer" });
  };
  const accepting = (async () => {
    for await (const conn of listener) answering.push(answer(conn));
  })();
  const runs = ["synchronous", "overlapped", "transact", "call"].map(async (name) => {
    await using program = new Foreign([programInC(name), path, `${ROUNDS}`]);
    assertEquals([name, await program.ended()], [name, 0]);
  });
  await Promise.all(runs);
  listener.close();
  await accepting;
  await Promise.all(answering);
  // CallNamedPipe takes a connection for each message.
  assertEquals(answering.length, 3 + ROUNDS);
});

windowsTest("a client in C that only reads gets every message, or all bytes of them", async () => {
  for (const direction of ["write", "both"] as const) {
    for (
      const [type, mode] of [["message", "message"], ["message", "byte"], ["byte", "byte"]] as const
    ) {
      const path = newPath();
      await using listener = listen({ path, type, direction });
      await using program = new Foreign([programInC("reader"), path, `${ROUNDS}`, mode]);
      {
        await using conn = await listener.accept();
        for (const message of rounds()) await conn.write(message);
      }
      assertEquals([type, mode, direction, await program.ended()], [type, mode, direction, 0]);
    }
  }
});

windowsTest("of a client in C that only writes every message is received", async () => {
  for (const direction of ["read", "both"] as const) {
    const path = newPath();
    await using listener = listen({ path, direction });
    await using program = new Foreign([programInC("writer"), path, `${ROUNDS}`]);
    const conn = await listener.accept();
    assertEquals(await collect(conn), rounds());
    assertEquals((await conn.closed).reason, "peer");
    assertEquals(await program.ended(), 0);
  }
});

windowsTest("of a client in C that only writes every byte is received", async () => {
  const path = newPath();
  await using listener = listen({ path, type: "byte", direction: "read" });
  await using program = new Foreign([programInC("writer"), path, `${ROUNDS}`]);
  const conn = await listener.accept();
  const received = await new Response(conn.readable).bytes();
  assertEquals(received, await new Blob(rounds()).bytes());
  assertEquals(await program.ended(), 0);
});

windowsTest("a client that asks for the wrong direction is refused with error 5", async () => {
  for (
    const [direction, right, wrong] of [
      ["write", "read", ["write", "duplex"]],
      ["read", "write", ["read", "duplex"]],
    ] as const
  ) {
    const path = newPath();
    await using listener = listen({ path, direction });
    for (const access of wrong) {
      await rejectsWith(Code.ACCESS_DENIED, client.open(path, { access }));
    }
    {
      await using _pipe = await client.open(path, { access: right });
      using _conn = await listener.accept();
    }
    await assertRejects(() => connect({ path }), Deno.errors.PermissionDenied, "error 5");
    await using _near = await connect({ path, direction: right });
    await using _far = await listener.accept();
  }
});

windowsTest(
  "closeWrite() and a client in C that sends an empty message end one direction",
  async () => {
    const path = newPath();
    await using listener = listen({ path, halfClose: "empty-message" });
    await using program = new Foreign([programInC("half_close"), path, `${ROUNDS}`]);
    const conn = await listener.accept();
    const messages = await collect(conn);
    assertEquals(messages, rounds());
    for (const message of messages) await conn.send(message);
    await conn.closeWrite();
    assertEquals(await program.ended(), 0);
    // Both ends are done: either may be the first to close.
    assertEquals((await conn.closed).error, undefined);
  },
);
