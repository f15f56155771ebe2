/** The server as its clients and its neighbours see it, from another process. */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { WindowsKernel } from "../../ffi/windows_kernel.ts";
import { exchanges, lines, serve, WindowsError } from "../../mod.ts";
import { Lane } from "../../src/kernel/kernel.ts";
import { Status } from "../../src/kernel/status.ts";
import { serveOn } from "../../src/exchange/serve.ts";
import { type ClientPipe, startClient } from "../win32/client.ts";
import { windowsTest } from "../win32/environment.ts";
import { patternMismatch } from "../win32/pattern.ts";
import * as raw from "../win32/raw.ts";
import { Code } from "../win32/raw.ts";
import { newPath, rejectsWith, Tap, within } from "./support.ts";

const client = await startClient();
function open(path: string): Promise<ClientPipe> {
  return client.open(path, { messageMode: true, wait: 5_000 });
}

function assertTaken(error: unknown, path: string, code: number): void {
  assertInstanceOf(error, Deno.errors.AddrInUse);
  assertStringIncludes(error.message, path);
  assertInstanceOf(error.cause, WindowsError);
  assertEquals([error.cause.code, error.cause.call], [code, "CreateNamedPipeW"]);
}

windowsTest.notUnderWine("server: a name that is taken is AddrInUse", async () => {
  const path = newPath();
  await using _server = serve({ path }, (request) => request);
  assertTaken(assertThrows(() => serve({ path }, () => {})), path, Code.ACCESS_DENIED);
  assertTaken(
    await assertRejects(() => exchanges({ path: path.toUpperCase() }).next()),
    path.toUpperCase(),
    Code.ACCESS_DENIED,
  );
  await using pipe = await open(path);
  assertEquals(await pipe.ask("still mine"), "still mine");
});

windowsTest("server: a name whose owner wants no more instances is AddrInUse", async () => {
  const path = newPath();
  const owner = raw.createPipe(path, { maxInstances: 1 });
  assertTaken(assertThrows(() => serve({ path }, () => {})), path, Code.PIPE_BUSY);
  assertTaken(await assertRejects(() => exchanges({ path }).next()), path, Code.PIPE_BUSY);
  raw.closeHandle(owner);
  await using _server = serve({ path }, (request) => request);
  await using pipe = await open(path);
  assertEquals(await pipe.ask("mine now"), "mine now");
});

windowsTest("server: a name whose owner has another kind of pipe is AddrInUse", () => {
  const path = newPath();
  // Asking who has the name takes an instance for a moment, and nobody makes use of it again here.
  const owners = [1, 2].map(() => raw.createPipe(path, { access: "inbound" }));
  assertTaken(assertThrows(() => serve({ path }, () => {})), path, Code.ACCESS_DENIED);
  // Busy or not.
  const pipe = raw.openPipe(path, { access: "write" });
  assertTaken(assertThrows(() => serve({ path }, () => {})), path, Code.ACCESS_DENIED);
  raw.closeHandle(pipe);
  for (const owner of owners) raw.closeHandle(owner);
});

windowsTest(
  "server: its instances are created as its options say, and listen at once",
  async () => {
    const path = newPath();
    const tap = new Tap();
    await using _server = serveOn(tap.open, { path, waitTimeout: 4321 }, () => {});
    const created = tap.of("CreateNamedPipeW");
    const DUPLEX_OVERLAPPED = 0x4000_0003;
    const FIRST = 0x0008_0000;
    assertEquals(
      created.map(({ args }) => args[1]),
      [FIRST, 0, 0, 0].map((first) => DUPLEX_OVERLAPPED | first),
    );
    // Messages both ways, no remote clients; 255 stands for as many instances as there is room for.
    for (const { args } of created) {
      assertEquals(args.slice(2, -1), [
        14,
        255,
        65_536,
        65_536,
        4321,
      ]);
    }
    const listens = tap.of("ConnectNamedPipe");
    assertEquals(listens.map(({ args }) => args[0]), tap.instances);
    assertEquals(tap.codes("ConnectNamedPipe"), Array(4).fill(Code.IO_PENDING));
    // So many can come before the program has another turn, and no more.
    const handles = Array.from({ length: 4 }, () => raw.openPipe(path));
    assertEquals(assertThrows(() => raw.openPipe(path), raw.Win32Error).code, Code.PIPE_BUSY);
    for (const handle of handles) raw.closeHandle(handle);
  },
);

windowsTest("server: a connect that succeeds at once is a connection", async () => {
  const path = newPath();
  const early: raw.Handle[] = [];
  const tap = new Tap({
    change: (real) => ({
      // The documentation rules it out, and a driver may do it all the same.
      ConnectNamedPipe: (handle, overlapped) => {
        if (early.length > 0) return real.ConnectNamedPipe(handle, overlapped);
        early.push(raw.openPipe(path, { overlapped: true, messageMode: true }));
        real.ConnectNamedPipe(handle, overlapped);
        return 1;
      },
    }),
  });
  await using _server = serveOn(tap.open, { path, instances: 1 }, (request) => request);
  const [pipe = 0n] = early;
  raw.startWrite(pipe, new Uint8Array([1, 2])).finish();
  assertEquals([...(await raw.startRead(pipe, 100).finished()).bytes], [1, 2]);
  raw.closeHandle(pipe);
  await using next = await open(path);
  assertEquals(await next.ask("and the next"), "and the next");
});

windowsTest.notUnderWine("server: a client that comes by the network is refused", async () => {
  const path = newPath();
  await using _server = serve({ path }, (request) => request);
  const name = path.slice("\\\\.\\pipe\\".length);
  // The same machine, asked by the file server of the network.
  await assertRejects(() => client.open(`\\\\127.0.0.1\\pipe\\${name}`), raw.Win32Error);
  await using pipe = await open(path);
  assertEquals(await pipe.ask("local"), "local");
});

windowsTest(
  "server: maxInstances is the most, and the next client waits for its turn",
  async () => {
    const path = newPath();
    await using _server = serve({ path, instances: 1, maxInstances: 3 }, (request) => request);
    const pipes = [await open(path), await open(path), await open(path)];
    for (const pipe of pipes) assertEquals(await pipe.ask("in"), "in");
    assertEquals(await pipes[0]?.countInstances(), 3);
    await rejectsWith(Code.PIPE_BUSY, client.open(path));
    const next = open(path);
    await pipes.pop()?.close();
    pipes.push(await next);
    for (const pipe of pipes) assertEquals(await pipe.ask("in"), "in");
    for (const pipe of pipes) await pipe.close();
  },
);

windowsTest("server: the name never vanishes, however its clients come and go", async () => {
  const ROUNDS = 250;
  await using other = await startClient();
  // One instance is the least that keeps the name, and with the second kind of responder each
  // connection is ended by the server, which closes the instance.
  for (const maxInstances of [1, undefined]) {
    for (const ends of [false, true]) {
      const path = newPath();
      let requests = 0;
      await using _server = serve({ path, instances: 1, maxInstances }, (_, exchange) => {
        requests++;
        if (ends) exchange.client.close();
      });
      // Each goes on with CreateFile and WaitNamedPipe, and fails with anything but 231 and 121.
      await Promise.all([
        client.visit({ path, rounds: ROUNDS, write: "was here", wait: 30_000 }),
        other.visit({ path, rounds: ROUNDS, wait: 30_000 }),
      ]);
      assert(requests > 0);
    }
  }
});

windowsTest("server: messages of any size up to 16 MiB arrive whole, both ways", async () => {
  const path = newPath();
  await using _server = serve({ path }, (request) => {
    assertEquals(patternMismatch(request, request.length % 251), -1);
    return request;
  });
  await using pipe = await open(path);
  for (const length of [0, 1, 4095, 4096, 4097, 65_536, 65_537, 1_048_576, 16_777_216]) {
    const pattern = { length, seed: length % 251 };
    // The first one meets a read that waits, the second is there before it is read.
    const writing = Promise.all([pipe.write(pattern), pipe.write(pattern)]);
    for (let i = 0; i < 2; i++) assert(await pipe.readPattern(pattern), `${length} bytes`);
    await writing;
  }
});

windowsTest(
  "server: after a long request, one that is withdrawn is not joined with the next",
  async () => {
    const path = newPath();
    const lengths: number[] = [];
    const [awaited, asked] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const tap = new Tap({
      change: (real) => ({
        ReadFile: (...args) => {
          if (args[2] === 0) awaited.resolve();
          return real.ReadFile(...args);
        },
      }),
    });
    await using _server = serveOn(tap.open, { path }, (request) => {
      lengths.push(request.length);
      if (request.length === 4) asked.resolve();
    });
    const kernel = new WindowsKernel();
    const { handle } = kernel.open(path, { direction: "both", impersonation: "identification" });
    const writes = [100_000, 4_194_304, 4].map((length) => new Uint8Array(length));
    const write = (slot: number) => kernel.write(handle, slot, writes[slot] ?? new Uint8Array());
    assertEquals(write(0), Status.PENDING);
    await within("the read that awaits the next request", awaited.promise);
    // All at once: the server has no time to look.
    assertEquals(write(1), Status.PENDING);
    assertEquals(kernel.cancel(handle, Lane.OUT, 1), Status.SUCCESS);
    write(2);
    await within("the last request", asked.promise);
    assertEquals(lengths, [100_000, 4]);
    for (const slot of [0, 1]) {
      while (kernel.status(Lane.OUT, slot) === Status.PENDING) {
        kernel.rearm(true);
        if (kernel.status(Lane.OUT, slot) === Status.PENDING) await kernel.wait(true);
      }
    }
    kernel.close(handle);
    for (const slot of writes.keys()) kernel.release(slot);
    kernel.dispose();
  },
);

windowsTest("server: an async generator answers in as many messages as it gives", async () => {
  const path = newPath();
  await using _server = serve({ path }, async function* (_, exchange) {
    for (let i = 1; i <= Number(exchange.text()); i++) yield `${i}`.repeat(i);
  });
  await using pipe = await open(path);
  for (const count of ["3", "2"]) await pipe.write(count);
  for (const text of ["1", "22", "333", "1", "22"]) assertEquals((await pipe.read()).text, text);
});

windowsTest("server: a client is sent to that has asked nothing, and that asks later", async () => {
  const path = newPath();
  await using server = serve(
    { path, writeBufferSize: 0, onConnect: (client) => void client.send("welcome") },
    (request) => request,
  );
  await using pipe = await open(path);
  assertEquals((await pipe.read()).text, "welcome");
  for (const other of server.clients()) other.send("news");
  await pipe.write("question");
  assertEquals((await pipe.read()).text, "news");
  assertEquals((await pipe.read()).text, "question");
});

windowsTest(
  "server: requests that are framed may be cut anywhere, and are identified",
  async () => {
    const path = newPath();
    const users = new Set<string>();
    const ended = Promise.withResolvers<string>();
    await using _server = serve({
      path,
      type: "message",
      framing: lines(),
      authorize: (client) => users.add(client.user().sid).size > 0,
      onDisconnect: (_client, reason) => ended.resolve(reason),
    }, (_request, exchange) => exchange.text().toUpperCase());
    await using pipe = await open(path);
    for (const part of ["o", "ne\ntwo\r", "\nthr"]) await pipe.write(part);
    assertEquals((await pipe.read()).text, "ONE\n");
    assertEquals((await pipe.read()).text, "TWO\n");
    assertEquals(users.size, 1);
    await pipe.close();
    assertEquals(await ended.promise, "error");
  },
);

windowsTest(
  "server: a loop over exchanges that is shut down ends when all is answered",
  async () => {
    const path = newPath();
    const asked = exchanges({ path });
    const loop = (async () => {
      for await (const { text, reply } of asked) {
        if (text() === "last") asked.shutdown();
        reply("answer");
      }
    })();
    await using pipe = await open(path);
    await pipe.write("last");
    assertEquals((await pipe.read()).text, "answer");
    await within("the end", loop);
    await rejectsWith(Code.FILE_NOT_FOUND, client.open(path));
  },
);

windowsTest("server: who leaves the loop over exchanges drops what is open, no more", async () => {
  const path = newPath();
  const asked = exchanges({ path });
  await rejectsWith(Code.FILE_NOT_FOUND, client.open(path));
  const first = asked.next();
  await using unanswered = await open(path);
  await unanswered.write("unanswered");
  const { value } = await first;
  assertEquals(value?.text(), "unanswered");
  await using answered = await open(path);
  await answered.write('{ "a": 1 }');
  for await (const { instance, client, request, json, send, reply } of asked) {
    await send(`${instance.id} ${client.id} ${request.length}`);
    reply(JSON.stringify(json()));
    break;
  }
  assert(value?.signal.aborted);
  await assertRejects(async () => await value?.reply("too late"), Deno.errors.Interrupted);
  await rejectsWith(Code.BROKEN_PIPE, unanswered.read());
  assertEquals((await answered.read()).text, "1 2 10");
  assertEquals((await answered.read()).text, '{"a":1}');
  await rejectsWith(Code.BROKEN_PIPE, answered.read());
  await rejectsWith(Code.FILE_NOT_FOUND, client.open(path));
});

windowsTest("server: another process waits for the pipe with WaitNamedPipe", async () => {
  const path = newPath();
  await rejectsWith(Code.FILE_NOT_FOUND, client.waitNamedPipe(path, 1));
  await using server = serve(
    { path, instances: 1, maxInstances: 1, waitTimeout: 1 },
    (request) => request,
  );
  await client.waitNamedPipe(path, 5_000);
  {
    await using _pipe = await open(path);
    // 0 stands for the pipe's own time, here 1 ms.
    await rejectsWith(Code.SEM_TIMEOUT, client.waitNamedPipe(path, 0));
  }
  await client.waitNamedPipe(path, 5_000);
  await server.shutdown();
  await rejectsWith(Code.FILE_NOT_FOUND, client.waitNamedPipe(path, 1));
});

windowsTest(
  "server: shutdown lets open exchanges finish, and serves who was there before",
  async () => {
    const path = newPath();
    const slow = Promise.withResolvers<string>();
    const started = Promise.withResolvers<void>();
    const server = serve({ path }, (_request, { text }) => {
      if (text() !== "work") return "hello";
      started.resolve();
      return slow.promise;
    });
    await using idle = await open(path);
    await idle.write("hello");
    assertEquals((await idle.read()).text, "hello");
    await using silent = await open(path);
    await using pipe = await open(path);
    await pipe.write("work");
    await started.promise;
    const report = server.shutdown();
    await rejectsWith(Code.BROKEN_PIPE, idle.read());
    // It was there before, and is served its first request.
    await silent.write("at last");
    assertEquals((await silent.read()).text, "hello");
    slow.resolve("done");
    assertEquals(await report, { exchanges: 2, evicted: 0, dropped: 0 });
    assertEquals((await pipe.read()).text, "done");
    await rejectsWith(Code.BROKEN_PIPE, pipe.read());
    await rejectsWith(Code.FILE_NOT_FOUND, client.open(path));
  },
);

windowsTest("server: a signal stops at once, and what was written can still be read", async () => {
  const path = newPath();
  const stop = new AbortController();
  const started = Promise.withResolvers<AbortSignal>();
  const server = serve({ path, signal: stop.signal }, async (_, exchange) => {
    await exchange.send("first");
    started.resolve(exchange.signal);
    await new Promise((resolve) => exchange.signal.addEventListener("abort", resolve));
  });
  await using pipe = await open(path);
  await pipe.write("work");
  const signal = await started.promise;
  stop.abort();
  assert(signal.aborted);
  await within("the end", server.finished);
  assertEquals((await pipe.read()).text, "first");
  await rejectsWith(Code.BROKEN_PIPE, pipe.read());
  await rejectsWith(Code.FILE_NOT_FOUND, client.open(path));
});
