/** The examples of connections, each run as its first lines say. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { connect, lines as lineFraming, listen, type PipeConn } from "../../mod.ts";
import { startClient } from "../win32/client.ts";
import { windowsTest } from "../win32/environment.ts";
import { Code } from "../win32/raw.ts";
import { type Example, example, permissionsOf, withEachPermission } from "./example.ts";
import { Program, run } from "./program.ts";
import { newPath, rejectsWith, within } from "./support.ts";

const client = await startClient();
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Runs an example with the simpler form of its permissions. */
function simply(name: Example, ...args: string[]): string[] {
  return example(name, permissionsOf(name)[0], ...args);
}

async function readText(conn: PipeConn): Promise<string | undefined> {
  const p = new Uint8Array(100_000);
  const count = await conn.read(p);
  return count === null ? undefined : decoder.decode(p.subarray(0, count));
}

windowsTest("examples: push sends each line to all subscribers, and then the end", async () => {
  await withEachPermission("push.ts", async (permissions, env) => {
    const path = newPath();
    await using program = new Program(example("push.ts", permissions, path), { env, input: true });
    await program.printed("listening");
    const conns = [await connect({ path }), await connect({ path })];
    await program.printed("subscriber 2 is here");
    const leaver = await connect({ path });
    await program.printed("subscriber 3 is here");
    for (const message of ["hello", "and", "goodbye"]) await leaver.send(message);
    leaver.close();
    await program.printed("subscriber 3 has left: peer");
    await program.write("one\ntwo\r\ngrüße\n");
    for (const conn of conns) {
      for (const line of ["one", "two", "grüße"]) {
        assertEquals(await conn.receive({ as: "text" }), line);
      }
    }
    await program.closeInput();
    for (const conn of conns) assertEquals(await conn.receive(), null);
    const { code, stderr } = await program.ended;
    assertEquals([code, stderr], [0, ""]);
  });
});

windowsTest("examples: push disconnects a subscriber that does not read", async () => {
  for (
    const [option, reason] of [["--max-queued=100000", "maxQueued"], [
      "--write-timeout=1",
      "writeTimeout",
    ]] as const
  ) {
    const path = newPath();
    await using program = new Program(simply("push.ts", option, path), { input: true });
    await program.printed("listening");
    await using slow = await connect({ path });
    await program.printed("subscriber 1 is here");
    await using quick = await connect({ path });
    await program.printed("subscriber 2 is here");
    const line = "x".repeat(10_000);
    for (let i = 0; i < 40; i++) {
      await program.write(`${line}\n`);
      assertEquals(await quick.receive({ as: "text" }), line);
    }
    await program.printed(`subscriber 1 has left: ${reason}`);
    // It can still read what Windows had accepted.
    for await (const message of slow) assertEquals(message.length, line.length);
    await program.closeInput();
    assertEquals(await quick.receive(), null);
    const { code, stderr } = await program.ended;
    assertEquals([code, stderr], [0, ""]);
  }
});

windowsTest("examples: lines answers its own client, and any other", async () => {
  await withEachPermission("lines.ts", async (permissions, env) => {
    const path = newPath();
    await using server = new Program(example("lines.ts", permissions, "serve", path), { env });
    await server.printed("listening");
    const call = async (...args: string[]) => {
      const { code, stdout, stderr } = await run(
        example("lines.ts", permissions, "call", path, ...args),
        { env },
      );
      return [code, stdout.trim(), stderr.trim()];
    };
    assertEquals(await call("upper", "grüße"), [0, "GRÜSSE", ""]);
    assertEquals(await call("divide", "1"), [1, "", 'There is no method "divide"']);
  });
});

windowsTest("examples: lines answers each request when it is done, and bad ones, too", async () => {
  const path = newPath();
  await using server = new Program(simply("lines.ts", "serve", path));
  await server.printed("listening");
  await using conn = await connect({ path, framing: lineFraming() });
  for (
    const line of [
      '{"id":1,"method":"wait","params":[100]}',
      '{"id":2,"method":"add","params":[1,2,3.5]}',
      "no JSON",
      '{"id":4}',
    ]
  ) await conn.send(line);
  const answers = [];
  for (let i = 0; i < 4; i++) answers.push(await conn.receive({ as: "json" }));
  const [sum, bad, incomplete, waited] = answers as Record<string, unknown>[];
  assertEquals([sum, waited], [{ id: 2, result: 6.5 }, { id: 1, result: null }]);
  assertStringIncludes(`${bad?.["error"]}`, "JSON");
  assertEquals(incomplete, { id: null, error: "A request has an id, a method and params" });
});

/** Discord's frame of a message. */
function frame(operation: number, payload: unknown): Uint8Array<ArrayBuffer> {
  const json = encoder.encode(JSON.stringify(payload));
  const bytes = new Uint8Array(8 + json.length);
  new DataView(bytes.buffer).setUint32(0, operation, true);
  new DataView(bytes.buffer).setUint32(4, json.length, true);
  bytes.set(json, 8);
  return bytes;
}

windowsTest("examples: discord_rpc shows what its other end is told", async () => {
  await withEachPermission("discord_rpc.ts", async (permissions, env) => {
    const path = newPath();
    await using server = new Program(example("discord_rpc.ts", permissions, "serve", path), {
      env,
    });
    await server.printed("listening");
    const args = example("discord_rpc.ts", permissions, "show", "1234", "Testing 管道", path);
    await using program = new Program(args, { env });
    await program.printed('Showing "Testing 管道"');
    await server.printed("1234: Testing 管道");
    server.kill();
    await server.ended;
    const { code, stdout, stderr } = await program.ended;
    assertEquals([code, stderr], [0, ""]);
    assertStringIncludes(stdout, "The connection has ended");
  });
});

windowsTest("examples: discord_rpc speaks Discord's frames, however they are cut", async () => {
  const path = newPath();
  await using server = new Program(simply("discord_rpc.ts", "serve", path));
  await server.printed("listening");
  await using conn = await connect({ path });
  const bytes = await new Blob([frame(0, { v: 1, client_id: "5" }), frame(3, { a: 1 })]).bytes();
  for (let at = 0; at < bytes.length; at += 5) await conn.write(bytes.slice(at, at + 5));
  const ready = { cmd: "DISPATCH", evt: "READY", data: { v: 1 } };
  const expected = await new Blob([frame(1, ready), frame(4, { a: 1 })]).bytes();
  const received = new Uint8Array(expected.length);
  for (let count = 0; count < received.length;) {
    count += await conn.read(received.subarray(count)) ?? received.length;
  }
  assertEquals(received, expected);
  await conn.write(frame(7, {}));
  assertEquals(await readText(conn), undefined);
  await server.complained("No such operation");
});

windowsTest("examples: tail gives what a file has, and what is appended to it", async () => {
  await withEachPermission("tail.ts", async (permissions, env) => {
    const path = newPath();
    const file = await Deno.makeTempFile();
    try {
      await Deno.writeTextFile(file, "first\n");
      const args = example("tail.ts", permissions, "--interval=20", path, file);
      await using program = new Program(args, { env });
      await program.printed("listening");
      await rejectsWith(Code.ACCESS_DENIED, client.open(path));
      await using pipe = await client.open(path, { access: "read" });
      assertEquals((await pipe.read()).text, "first\n");
      await using late = await connect({ path, direction: "read" });
      assertEquals(await readText(late), "first\n");
      await Deno.writeTextFile(file, "second\n", { append: true });
      assertEquals((await pipe.read()).text, "second\n");
      assertEquals(await readText(late), "second\n");
      program.kill();
      await program.ended;
      await rejectsWith(Code.BROKEN_PIPE, pipe.read());
    } finally {
      await Deno.remove(file);
    }
  });
});

function portOf({ addr }: Deno.Listener): number {
  assert(addr.transport === "tcp");
  return addr.port;
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return portOf(listener);
}

/** Sends back over TCP what comes, in capital letters. */
async function shout(listener: Deno.Listener): Promise<void> {
  for await (const conn of listener) {
    conn.readable
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(
        new TransformStream({
          transform: (text, controller) => controller.enqueue(text.toUpperCase()),
        }),
      )
      .pipeThrough(new TextEncoderStream())
      .pipeTo(conn.writable)
      .catch(() => {});
  }
}

windowsTest("examples: proxy forwards a pipe to TCP", async () => {
  using server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const to = `tcp:127.0.0.1:${portOf(server)}`;
  const shouting = shout(server);
  await withEachPermission("proxy.ts", async (permissions, env) => {
    const path = newPath();
    await using program = new Program(example("proxy.ts", permissions, `pipe:${path}`, to), {
      env,
    });
    await program.printed("listening");
    const conns = [await connect({ path }), await connect({ path })];
    for (const [i, conn] of conns.entries()) {
      for (const text of ["one", "two"]) {
        await conn.write(encoder.encode(`${text} ${i}`));
        assertEquals(await readText(conn), `${text.toUpperCase()} ${i}`);
      }
    }
    for (const conn of conns) conn.close();
    await using other = await connect({ path });
    await other.write(encoder.encode("still there"));
    assertEquals(await readText(other), "STILL THERE");
  });
  server.close();
  await shouting;
});

windowsTest(
  "examples: proxy forwards TCP to a pipe, and either end's end to the other",
  async () => {
    const path = newPath();
    await using listener = listen({ path, type: "byte" });
    const port = freePort();
    await using program = new Program(simply("proxy.ts", `tcp:127.0.0.1:${port}`, `pipe:${path}`));
    await program.printed("listening");
    for (const ends of ["tcp", "pipe"] as const) {
      const tcp = await Deno.connect({ hostname: "127.0.0.1", port });
      const conn = await listener.accept();
      await tcp.write(encoder.encode("ping"));
      assertEquals(await readText(conn), "ping");
      await conn.write(encoder.encode("pong"));
      const p = new Uint8Array(100);
      assertEquals(decoder.decode(p.subarray(0, await tcp.read(p) ?? 0)), "pong");
      if (ends === "tcp") {
        tcp.close();
        assertEquals(await readText(conn), undefined);
      } else {
        conn.close();
        assertEquals(await within("the end", tcp.read(p).catch(() => null)), null);
        tcp.close();
      }
      assertEquals((await conn.closed).error, undefined);
    }
  },
);

windowsTest("examples: workers share a name", async () => {
  await withEachPermission("workers.ts", async (permissions, env) => {
    const path = newPath();
    await using program = new Program(
      example("workers.ts", permissions, "--workers=3", path),
      { env },
    );
    for (const worker of [1, 2, 3]) await program.printed(`worker ${worker} is listening`);
    const served = new Set<unknown>();
    const conns: PipeConn[] = [];
    // More at once than one of them has instances that listen.
    for (let i = 0; i < 12; i++) conns.push(await connect({ path }));
    for (const conn of conns) {
      const answer = await conn.request("1000", { as: "json" });
      assert(typeof answer === "object" && answer !== null);
      assert("worker" in answer && "primes" in answer);
      served.add(answer.worker);
      assertEquals(answer.primes, 168);
    }
    for (const conn of conns) conn.close();
    assert(served.size > 1, `${[...served]}`);
  });
});

windowsTest(
  "examples: without their permission these fail, and say which one is missing",
  async () => {
    const others = (name: Example) => permissionsOf(name)[0].slice(1);
    const runs = [
      run(example("push.ts", [], newPath())),
      run(example("lines.ts", [], "serve", newPath())),
      run(example("discord_rpc.ts", [], "serve", newPath())),
      run(example("tail.ts", others("tail.ts"), newPath(), Deno.execPath())),
      run(example("proxy.ts", others("proxy.ts"), `pipe:${newPath()}`, "tcp:127.0.0.1:1")),
    ];
    for (const { code, stderr } of await Promise.all(runs)) {
      assertEquals(code, 1);
      assertMatch(stderr, /NotCapable[^]*--allow-ffi/);
    }
  },
);
