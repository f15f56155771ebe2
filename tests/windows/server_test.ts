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
import { exchanges, serve, WindowsError } from "../../mod.ts";
import { Lane } from "../../src/kernel/kernel.ts";
import { Status } from "../../src/kernel/status.ts";
import { serveOn } from "../../src/exchange/serve.ts";
import { type ClientPipe, type Pattern, patternBytes, startClient } from "../win32/client.ts";
import { windowsTest } from "../win32/environment.ts";
import * as raw from "../win32/raw.ts";
import { Code } from "../win32/raw.ts";
import { newPath, rejectsWith, sha256, Tap, within } from "./support.ts";

const client = await startClient();
const KIB = 1024;
const MIB = 1024 * KIB;
const LONGEST = 16 * MIB;
const GONE = [Code.BROKEN_PIPE, Code.NO_DATA, Code.PIPE_NOT_CONNECTED];

const FILE_FLAG_FIRST_PIPE_INSTANCE = 0x0008_0000;
const PIPE_REJECT_REMOTE_CLIENTS = 8;

function open(path: string): Promise<ClientPipe> {
  return client.open(path, { messageMode: true, wait: 5_000 });
}

async function ask(pipe: ClientPipe, request: string | Pattern): Promise<string> {
  await pipe.write(request);
  return (await pipe.read({ whole: true })).text;
}

/** Counts disconnects, and resolves when there were so many. */
function disconnects(count: number): { note: () => void; all: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = count;
  return {
    note: () => {
      if (--left === 0) resolve();
    },
    all: promise,
  };
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
  assertEquals(await ask(pipe, "still mine"), "still mine");
});

windowsTest("server: a name whose owner wants no more instances is AddrInUse", async () => {
  const path = newPath();
  const owner = raw.createPipe(path, { maxInstances: 1 });
  assertTaken(assertThrows(() => serve({ path }, () => {})), path, Code.PIPE_BUSY);
  assertTaken(await assertRejects(() => exchanges({ path }).next()), path, Code.PIPE_BUSY);
  raw.closeHandle(owner);
  await using _server = serve({ path }, (request) => request);
  await using pipe = await open(path);
  assertEquals(await ask(pipe, "mine now"), "mine now");
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

windowsTest("server: the first instance claims the name, all refuse remote clients", async () => {
  const path = newPath();
  const tap = new Tap();
  const left = disconnects(6);
  await using _server = serveOn(
    tap.open,
    { path, instances: 2, onDisconnect: left.note },
    (_, exchange) => {
      exchange.reply("bye");
      // Ended from here: another instance takes the place of this one.
      exchange.client.close();
    },
  );
  for (let i = 0; i < 6; i++) {
    await using pipe = await open(path);
    assertEquals(await ask(pipe, "hello"), "bye");
  }
  await within("six disconnects", left.all);
  const created = tap.of("CreateNamedPipeW");
  assert(created.length >= 8, `${created.length} instances`);
  for (const [i, { args: [, openMode, pipeMode] }] of created.entries()) {
    assertEquals((Number(openMode) & FILE_FLAG_FIRST_PIPE_INSTANCE) !== 0, i === 0);
    assertEquals(Number(pipeMode) & PIPE_REJECT_REMOTE_CLIENTS, PIPE_REJECT_REMOTE_CLIENTS);
  }
});

windowsTest.notUnderWine("server: a client that comes by the network is refused", async () => {
  const path = newPath();
  await using _server = serve({ path }, (request) => request);
  const name = path.slice("\\\\.\\pipe\\".length);
  // The same machine, asked by the file server of the network.
  await assertRejects(() => client.open(`\\\\127.0.0.1\\pipe\\${name}`), raw.Win32Error);
  await using pipe = await open(path);
  assertEquals(await ask(pipe, "local"), "local");
});

windowsTest("server: instances rise with the clients, and fall back when they leave", async () => {
  const path = newPath();
  const probes = async () => {
    await using probe = await open(path);
    // Its answer comes after the server has made room for the next.
    await ask(probe, "probe");
    return (await probe.state()).instances;
  };
  let left = disconnects(1);
  await using _server = serve(
    { path, instances: 3, onDisconnect: () => left.note() },
    (request) => request,
  );
  assertEquals(await probes(), 4);
  await left.all;
  for (const count of [1, 20, 5]) {
    const pipes = await Promise.all(Array.from({ length: count }, () => open(path)));
    await Promise.all(pipes.map((pipe) => ask(pipe, "here")));
    left = disconnects(count + 1);
    assertEquals(await probes(), count + 3 + 1);
    for (const pipe of pipes) await pipe.close();
    await within(`${count} disconnects`, left.all);
    left = disconnects(1);
    assertEquals(await probes(), 4);
    await left.all;
  }
});

windowsTest("server: so many instances listen always, however many clients there are", async () => {
  const path = newPath();
  await using _server = serve({ path, instances: 5 }, (request) => request);
  await using pipe = await open(path);
  const all: raw.Handle[] = [];
  for (let round = 0; round < 5; round++) {
    // Everybody who came before was noticed when this is answered.
    await ask(pipe, "ready");
    for (let i = 0; i < 5; i++) all.push(raw.openPipe(path));
    // The server's thread was here all the time, so there is no sixth.
    assertEquals(assertThrows(() => raw.openPipe(path), raw.Win32Error).code, Code.PIPE_BUSY);
  }
  for (const handle of all) raw.closeHandle(handle);
});

windowsTest(
  "server: maxInstances is the most, and the next client waits for its turn",
  async () => {
    const path = newPath();
    await using _server = serve({ path, instances: 1, maxInstances: 3 }, (request) => request);
    const pipes = [await open(path), await open(path), await open(path)];
    for (const pipe of pipes) assertEquals(await ask(pipe, "in"), "in");
    assertEquals((await pipes[0]?.state())?.instances, 3);
    await rejectsWith(Code.PIPE_BUSY, client.open(path));
    const next = open(path);
    await pipes.pop()?.close();
    pipes.push(await next);
    for (const pipe of pipes) assertEquals(await ask(pipe, "in"), "in");
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

windowsTest(
  "server: 80 clients at once are served with one wait, and the pool is free",
  async () => {
    const path = newPath();
    const tap = new Tap();
    await using _server = serveOn(tap.open, { path }, (request) => request);
    const pipes = await Promise.all(Array.from({ length: 80 }, () => open(path)));
    for (let round = 0; round < 3; round++) {
      const answers = await Promise.all(pipes.map((pipe, i) => ask(pipe, `${round} of ${i}`)));
      assertEquals(answers, pipes.map((_, i) => `${round} of ${i}`));
      // All 80 are idle now. The pool has four threads per processor on Windows.
      await within("Deno.stat", Deno.stat(new URL(import.meta.url)));
    }
    await tap.parked();
    assertEquals(tap.mostWaiting, 1);
    for (const pipe of pipes) await pipe.close();
  },
);

windowsTest("server: requests of any size up to 16 MiB arrive whole", async () => {
  const path = newPath();
  await using _server = serve({ path }, async (request) => {
    return `${request.length} ${await sha256(request)}`;
  });
  await using pipe = await open(path);
  for (const length of [0, 1, 4095, 4096, 4097, 64 * KIB, 64 * KIB + 1, MIB, LONGEST]) {
    const pattern = { length, seed: length % 251 };
    const expected = `${length} ${await sha256(patternBytes(pattern))}`;
    // The first one meets a read that waits, the second is there before it is read.
    const writing = Promise.all([pipe.write(pattern), pipe.write(pattern)]);
    assertEquals((await pipe.read()).text, expected);
    assertEquals((await pipe.read()).text, expected);
    await writing;
  }
});

windowsTest("server: a request over 16 MiB ends its connection, and no other", async () => {
  const path = newPath();
  let served = 0;
  const ended = Promise.withResolvers<[id: number, reason: string, error: unknown]>();
  await using _server = serve({
    path,
    onDisconnect: ({ id }, reason, error) => ended.resolve([id, reason, error]),
  }, (request) => {
    served++;
    return request;
  });
  await using other = await open(path);
  assertEquals(await ask(other, "before"), "before");
  await using pipe = await open(path);
  await rejectsWith(GONE, pipe.write({ length: LONGEST + 1, seed: 1 }));
  const [id, reason, error] = await within("the end", ended.promise);
  assertEquals([id, reason], [2, "maxRequest"]);
  assertInstanceOf(error, Deno.errors.InvalidData);
  assertStringIncludes(error.message, `${LONGEST + 1} bytes`);
  await rejectsWith(GONE, pipe.read());
  assertEquals(await ask(other, "after"), "after");
  assertEquals(served, 2);
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
    const { handle } = kernel.open(path);
    const writes = [100_000, 4 * MIB, 4].map((length) => new Uint8Array(length));
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

windowsTest("server: a message withdrawn half-way is never joined with the next", async () => {
  const path = newPath();
  const requests: string[] = [];
  const measured = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<string>();
  const ended = Promise.withResolvers<[reason: string, error: unknown]>();
  const tap = new Tap({
    change: (real) => ({
      PeekNamedPipe: (...args) => {
        // The first piece was read, the rest will be when the exchange before is answered.
        measured.resolve();
        return real.PeekNamedPipe(...args);
      },
    }),
  });
  await using _server = serveOn(
    tap.open,
    { path, onDisconnect: (_, reason, error) => ended.resolve([reason, error]) },
    (_, exchange) => {
      requests.push(exchange.text());
      return exchange.text() === "first" ? answer.promise : exchange.text();
    },
  );
  await using other = await open(path);
  assertEquals(await ask(other, "before"), "before");
  await using pipe = await open(path);
  await pipe.write("first");
  const writing = await pipe.startWrite(new Uint8Array(100_000).fill(65));
  await within("the first piece", measured.promise);
  await writing.cancel();
  await rejectsWith(Code.OPERATION_ABORTED, writing.finish());
  await pipe.write("another message");
  answer.resolve("answered");
  const [reason, error] = await within("the end", ended.promise);
  assertEquals(reason, "error");
  assertInstanceOf(error, Deno.errors.InvalidData);
  assertEquals(await ask(other, "after"), "after");
  assertEquals(requests, ["before", "first", "after"]);
});

windowsTest("server: 1,000 requests ahead of their answers are answered in order", async () => {
  const path = newPath();
  await using _server = serve({ path }, (request, exchange) => {
    const number = Number(exchange.text());
    if (number % 3 === 0) return request;
    // Some promises are settled already, some are settled by a task of their own.
    if (number % 3 === 1) return Promise.resolve(request);
    return new Promise((resolve) => setTimeout(() => resolve(request), 0));
  });
  await using pipe = await open(path);
  const numbers = Array.from({ length: 1000 }, (_, i) => `${i}`);
  await Promise.all(numbers.map((number) => pipe.write(number)));
  const answers = await Promise.all(numbers.map(() => pipe.read({ timeout: 30_000 })));
  assertEquals(answers.map(({ text }) => text), numbers);
});

windowsTest("server: replies of any size are read whole, one or several", async () => {
  const path = newPath();
  const sizes = [0, 1, 4096, 64 * KIB, 64 * KIB + 1, MIB, 20 * MIB];
  await using _server = serve({ path }, (_, exchange) => {
    const length = Number(exchange.text());
    return patternBytes({ length, seed: length % 251 });
  });
  await using pipe = await open(path);
  for (const length of sizes) {
    await pipe.write(`${length}`);
    if (length === 0) assertEquals((await pipe.read()).bytes, new Uint8Array(0));
    else assertEquals(await pipe.readPattern({ length, seed: length % 251 }), 1);
  }
});

windowsTest("server: an async generator answers in as many messages as it gives", async () => {
  const path = newPath();
  await using _server = serve({ path }, async function* (_, exchange) {
    for (let i = 1; i <= Number(exchange.text()); i++) yield `${i}`.repeat(i);
  });
  await using pipe = await open(path);
  await pipe.write("3");
  await pipe.write("2");
  const texts: string[] = [];
  for (let i = 0; i < 5; i++) texts.push((await pipe.read()).text);
  assertEquals(texts, ["1", "22", "333", "1", "22"]);
});

windowsTest(
  "server: TransactNamedPipe gets its reply, in one call or the rest by reading",
  async () => {
    const path = newPath();
    await using _server = serve({ path }, (_, exchange) => exchange.text().toUpperCase());
    await using pipe = await open(path);
    assertEquals((await pipe.transact("question")).text, "QUESTION");
    const part = await pipe.transact("a longer question", { size: 8 });
    assertEquals([part.text, part.more], ["A LONGER", true]);
    assertEquals((await pipe.read()).text, " QUESTION");
    assertEquals((await pipe.transact("")).text, "");
    const large = "x".repeat(100_000);
    assertEquals((await pipe.transact(large, { size: 200_000 })).text, large.toUpperCase());
    await using blocking = await client.open(path, { messageMode: true, overlapped: false });
    assertEquals((await blocking.transact("blocking")).text, "BLOCKING");
  },
);

windowsTest("server: CallNamedPipe connects, asks and leaves", async () => {
  const path = newPath();
  const left = disconnects(3);
  await using _server = serve(
    { path, onDisconnect: left.note },
    (_, exchange) => exchange.text().toUpperCase(),
  );
  for (const text of ["one", "two", ""]) {
    assertEquals((await client.callNamedPipe(path, text)).text, text.toUpperCase());
  }
  await within("three disconnects", left.all);
});

windowsTest("server: a client in byte read mode reads the replies as a stream", async () => {
  const path = newPath();
  const replies: Promise<void>[] = [];
  const both = Promise.withResolvers<void>();
  await using _server = serve({ path }, (request, exchange) => {
    replies.push(exchange.reply(request));
    if (replies.length === 2) both.resolve();
  });
  await using pipe = await client.open(path);
  assertEquals((await pipe.state()).readMode, "byte");
  await pipe.write("one");
  await pipe.write("two");
  await both.promise;
  await Promise.all(replies);
  assertEquals((await pipe.read()).text, "onetwo");
  // Its own writes are messages all the same.
  await pipe.write("three");
  assertEquals((await pipe.read({ size: 2 })).text, "th");
  assertEquals((await pipe.read()).text, "ree");
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

windowsTest("server: shutdown lets open exchanges finish, and their answers are read", async () => {
  const path = newPath();
  const slow = Promise.withResolvers<string>();
  const started = Promise.withResolvers<void>();
  const server = serve({ path }, () => {
    started.resolve();
    return slow.promise;
  });
  await using idle = await open(path);
  await using pipe = await open(path);
  await pipe.write("work");
  await started.promise;
  const report = server.shutdown();
  await rejectsWith(Code.BROKEN_PIPE, idle.read());
  slow.resolve("done");
  assertEquals(await report, { exchanges: 1, evicted: 0, dropped: 0 });
  assertEquals((await pipe.read()).text, "done");
  await rejectsWith(Code.BROKEN_PIPE, pipe.read());
  await rejectsWith(Code.FILE_NOT_FOUND, client.open(path));
});

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
