/** The raw client of the other tests, against a server of raw calls. */

import {
  assert,
  assertEquals,
  assertFalse,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  assertLess,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { ClientGone, patternBytes, patternMismatch, startClient } from "../win32/client.ts";
import { isWine, ntdllExports, windowsTest } from "../win32/environment.ts";
import * as raw from "../win32/raw.ts";
import { Code, Win32Error } from "../win32/raw.ts";

const client = await startClient();
const encoder = new TextEncoder();
const decoder = new TextDecoder();

function newPath(): string {
  return `\\\\.\\pipe\\raw-${crypto.randomUUID()}`;
}

async function rejectsWith(code: number, promise: Promise<unknown>): Promise<Win32Error> {
  const error = await assertRejects(() => promise, Win32Error);
  assertEquals(error.code, code, error.message);
  return error;
}

/** One instance of a server; everything waits on another thread and with a limit. */
class Instance implements Disposable {
  readonly handle: raw.Handle;
  #open = true;

  constructor(path: string, options?: raw.CreateOptions) {
    this.handle = raw.createPipe(path, options);
  }

  async connect(): Promise<void> {
    await raw.startConnect(this.handle).finished();
  }

  async read(size = 65_536): Promise<{ text: string; more: boolean; length: number }> {
    const { bytes, more, length } = await raw.startRead(this.handle, size).finished();
    return { text: decoder.decode(bytes), more, length };
  }

  async write(message: string | Uint8Array<ArrayBuffer>): Promise<void> {
    const bytes = typeof message === "string" ? encoder.encode(message) : message;
    await raw.startWrite(this.handle, bytes).finished();
  }

  /** Answers until its client leaves. */
  async echo(): Promise<void> {
    await this.connect();
    try {
      while (true) {
        const { bytes } = await raw.startRead(this.handle, 65_536).finished();
        await this.write(bytes.slice());
      }
    } catch (error) {
      assertInstanceOf(error, Win32Error);
      assert(
        error.code === Code.BROKEN_PIPE || error.code === Code.NO_DATA,
        error.message,
      );
    }
  }

  close(): void {
    this.#open = false;
    raw.closeHandle(this.handle);
  }

  [Symbol.dispose](): void {
    if (this.#open) this.close();
  }
}

windowsTest("raw: the client is another process, and this is Windows or Wine", () => {
  assert(client.processId > 0 && client.processId !== Deno.pid);
  assertEquals(isWine(), ntdllExports("wine_get_version"));
  assert(ntdllExports("NtReadFile"));
  assertFalse(ntdllExports("no_such_function"));
});

windowsTest("raw: messages go both ways, whole, empty and in parts", async () => {
  const path = newPath();
  using server = new Instance(path);
  await using pipe = await client.open(path, { messageMode: true });
  await server.connect();
  await pipe.write("hello");
  assertEquals(await server.read(), { text: "hello", more: false, length: 5 });
  await server.write("good day");
  const first = await pipe.read({ size: 4 });
  assertEquals([first.text, first.more], ["good", true]);
  const second = await pipe.read();
  assertEquals([second.text, second.more], [" day", false]);
  await server.write("good day");
  assertEquals((await pipe.read({ size: 3, whole: true })).text, "good day");
  await pipe.write("");
  assertEquals(await server.read(), { text: "", more: false, length: 0 });
  await server.write("");
  assertEquals((await pipe.read()).bytes, new Uint8Array(0));
  await pipe.write(new Uint8Array([0, 255, 128]));
  const bytes = await raw.startRead(server.handle, 8).finished();
  assertEquals([...bytes.bytes], [0, 255, 128]);
  await pipe.write("a", { count: 3 });
  for (let i = 0; i < 3; i++) assertEquals((await server.read()).text, "a");
});

windowsTest("raw: byte read mode joins messages, and a mode can be changed and seen", async () => {
  const path = newPath();
  using server = new Instance(path, {
    maxInstances: 9,
    outBufferSize: 5000,
    inBufferSize: 6000,
  });
  await using pipe = await client.open(path);
  await server.connect();
  assertEquals(await pipe.state(), { readMode: "byte", wait: true, instances: 1 });
  await server.write("one");
  await server.write("two");
  assertEquals((await pipe.read()).text, "onetwo");
  await pipe.setReadMode("message");
  assertEquals((await pipe.state()).readMode, "message");
  assertEquals(await pipe.info(), {
    type: "message",
    end: "client",
    outBufferSize: 5000,
    inBufferSize: 6000,
    maxInstances: 9,
  });
  assertEquals(raw.pipeInfo(server.handle).end, "server");
  await server.write("one");
  await server.write("two");
  const seen = await pipe.peek(2);
  assertEquals([seen.text, seen.left], ["on", 1]);
  assertGreaterOrEqual(seen.available, 3);
  assertEquals((await pipe.read()).text, "one");
  assertEquals((await pipe.read()).text, "two");
});

windowsTest("raw: an open is refused with 2, 5 and 231", async () => {
  const path = newPath();
  const error = await rejectsWith(Code.FILE_NOT_FOUND, client.open(path));
  assertStringIncludes(error.message, "CreateFileW");
  assertStringIncludes(error.message, path);
  assertEquals(error.call, "CreateFileW");
  using _server = new Instance(path, { access: "inbound" });
  await rejectsWith(Code.ACCESS_DENIED, client.open(path, { access: "read" }));
  await using _pipe = await client.open(path, { access: "write" });
  await rejectsWith(Code.PIPE_BUSY, client.open(path, { access: "write" }));
  await rejectsWith(Code.PIPE_BUSY, client.open(path, { access: "write", wait: 50 }));
});

windowsTest("raw: an open can wait for an instance", async () => {
  const path = newPath();
  using _first = new Instance(path);
  await using _taken = await client.open(path);
  const opening = client.open(path, { wait: 10_000 });
  // Answered, so the other command has begun by then, and holds nobody up.
  await rejectsWith(Code.PIPE_BUSY, client.open(path));
  using second = new Instance(path);
  await using pipe = await opening;
  await second.connect();
  await pipe.write("second");
  assertEquals((await second.read()).text, "second");
});

windowsTest("raw: clients may ask for one direction or none", async () => {
  const path = newPath();
  using server = new Instance(path);
  {
    await using pipe = await client.open(path, { access: "write" });
    await server.connect();
    await pipe.write("only");
    assertEquals((await server.read()).text, "only");
    await rejectsWith(Code.ACCESS_DENIED, pipe.read());
  }
  raw.disconnectPipe(server.handle);
  let connecting = raw.startConnect(server.handle);
  {
    await using pipe = await client.open(path, { access: "read", messageMode: true });
    await connecting.finished();
    await server.write("only");
    assertEquals((await pipe.read()).text, "only");
    await rejectsWith(Code.ACCESS_DENIED, pipe.write("x"));
  }
  raw.disconnectPipe(server.handle);
  connecting = raw.startConnect(server.handle);
  await using pipe = await client.open(path, { access: "none" });
  await connecting.finished();
  await rejectsWith(Code.ACCESS_DENIED, pipe.read());
});

windowsTest("raw: the server's end is 109 after a close and 233 after a disconnect", async () => {
  const path = newPath();
  const closed = new Instance(path);
  await using one = await client.open(path);
  await closed.connect();
  await closed.write("last");
  closed.close();
  assertEquals((await one.read()).text, "last");
  await rejectsWith(Code.BROKEN_PIPE, one.read());
  await rejectsWith(Code.NO_DATA, one.write("x"));
  using server = new Instance(path);
  await using two = await client.open(path);
  await server.connect();
  const reading = await two.startRead();
  raw.disconnectPipe(server.handle);
  await rejectsWith(Code.PIPE_NOT_CONNECTED, reading.finish());
  await rejectsWith(Code.PIPE_NOT_CONNECTED, two.read());
});

windowsTest("raw: a transaction is one request and one reply, 230 in byte mode", async () => {
  const path = newPath();
  using server = new Instance(path);
  await using pipe = await client.open(path);
  await server.connect();
  await rejectsWith(Code.BAD_PIPE, pipe.transact("question"));
  await pipe.setReadMode("message");
  const reply = pipe.transact("question");
  assertEquals((await server.read()).text, "question");
  await server.write("answer");
  assertEquals((await reply).text, "answer");
  const pending = await pipe.startTransact("again", 3);
  await server.read();
  await server.write("answer");
  const part = await pending.finish();
  assertEquals([part.text, part.more], ["ans", true]);
  await rejectsWith(Code.PIPE_BUSY, pipe.transact("too early"));
  assertEquals((await pipe.read()).text, "wer");
});

windowsTest("raw: a handle that is not overlapped blocks its process alone", async () => {
  const path = newPath();
  using server = new Instance(path);
  await using pipe = await client.open(path, { overlapped: false, messageMode: true });
  await server.connect();
  const reading = pipe.read();
  await server.write("hello");
  assertEquals((await reading).text, "hello");
  const reply = pipe.transact("question");
  assertEquals((await server.read()).text, "question");
  await server.write("answer");
  assertEquals((await reply).text, "answer");
});

windowsTest("raw: CallNamedPipe opens, asks and closes", async () => {
  const path = newPath();
  using server = new Instance(path);
  const reply = client.callNamedPipe(path, "question");
  await server.connect();
  assertEquals((await server.read()).text, "question");
  await server.write("answer");
  assertEquals((await reply).text, "answer");
  const error = await assertRejects(() => server.read(), Win32Error);
  assertEquals(error.code, Code.BROKEN_PIPE);
  await rejectsWith(Code.FILE_NOT_FOUND, client.callNamedPipe(newPath(), "question"));
});

windowsTest("raw: WaitNamedPipe succeeds, or fails with 2 and 121", async () => {
  const path = newPath();
  await rejectsWith(Code.FILE_NOT_FOUND, client.waitNamedPipe(path, 1));
  using _server = new Instance(path, { defaultTimeout: 1 });
  await client.waitNamedPipe(path, 1000);
  await using _pipe = await client.open(path);
  await rejectsWith(Code.SEM_TIMEOUT, client.waitNamedPipe(path, 1));
  await rejectsWith(Code.SEM_TIMEOUT, client.waitNamedPipe(path, 0));
});

windowsTest("raw: many operations are in flight at once and can be cancelled", async () => {
  const path = newPath();
  const servers = Array.from({ length: 70 }, () => new Instance(path));
  const pipes = await Promise.all(
    servers.map(() => client.open(path, { messageMode: true })),
  );
  const readings = await Promise.all(pipes.map((pipe) => pipe.startRead()));
  const results = readings.map((reading) => reading.finish());
  for (const [i, server] of servers.entries()) {
    await server.connect();
    await server.write(`to ${i}`);
  }
  // Instances are given to clients in the order of their creation.
  assertEquals(
    (await Promise.all(results)).map(({ text }) => text),
    servers.map((_, i) => `to ${i}`),
  );
  const [pipe] = pipes;
  assert(pipe !== undefined);
  const cancelled = await pipe.startRead();
  await cancelled.cancel();
  await rejectsWith(Code.OPERATION_ABORTED, cancelled.finish());
  const reading = await pipe.startRead();
  await rejectsWith(Code.WAIT_TIMEOUT, reading.finish({ timeout: 20 }));
  await servers[0]?.write("late");
  assertEquals((await reading.finish()).text, "late");
  await rejectsWith(Code.WAIT_TIMEOUT, pipe.read({ timeout: 20 }));
  const over = await pipe.startWrite("over");
  await rejectsWith(Code.NOT_FOUND, over.cancel());
  assertEquals(await over.finish(), 4);
  await Promise.all(pipes.map((pipe) => pipe.close()));
  for (const server of servers) server.close();
});

windowsTest("raw: a write that waits for its reader can be cancelled half-way", async () => {
  const path = newPath();
  using server = new Instance(path, { inBufferSize: 100 });
  await using pipe = await client.open(path);
  await server.connect();
  const writing = await pipe.startWrite({ length: 1000, seed: 1 });
  const part = await server.read(10);
  assertEquals([part.length, part.more], [10, true]);
  await writing.cancel();
  await rejectsWith(Code.OPERATION_ABORTED, writing.finish());
  await pipe.write("next");
  assertEquals((await server.read()).text, "next");
});

windowsTest("raw: patterns save sending what both sides can make", async () => {
  const path = newPath();
  using server = new Instance(path);
  await using pipe = await client.open(path, { messageMode: true });
  await server.connect();
  const pattern = { length: 16 * 1024 * 1024, seed: 7 };
  const writing = pipe.write(pattern);
  const received = await raw.startRead(server.handle, pattern.length).finished();
  await writing;
  assertEquals([received.length, received.more], [pattern.length, false]);
  assertEquals(patternMismatch(received.bytes, 7), -1);
  const reading = pipe.readPattern(pattern);
  await server.write(patternBytes(pattern));
  assertEquals(await reading, 1);
  const wrong = patternBytes({ length: 1000, seed: 8 });
  wrong[999] = Number(wrong[999]) ^ 1;
  assertEquals(patternMismatch(wrong, 8), 999);
  await server.write(wrong);
  const error = await assertRejects(() => pipe.readPattern({ length: 1000, seed: 8 }), Error);
  assertStringIncludes(error.message, "Byte 999");
});

windowsTest("raw: a load counts the exchanges of its clients", async () => {
  const path = newPath();
  const servers = Array.from({ length: 3 }, () => new Instance(path));
  let echoes = Promise.all(servers.map((server) => server.echo()));
  const report = await client.load({ path, clients: 3, exchanges: 20 });
  assertEquals(report.errors, []);
  assertEquals(report.counts, [20, 20, 20]);
  assertGreater(report.milliseconds, 0);
  await echoes;
  for (const { handle } of servers) raw.disconnectPipe(handle);

  echoes = Promise.all(servers.map((server) => server.echo()));
  const load = await client.startLoad({ path, clients: 3, pipeline: 4, messageSize: 3000 });
  const { counts, errors } = await load.stop();
  assertEquals(errors, []);
  for (const count of counts) assertGreater(count, 0);
  await echoes;
  for (const { handle } of servers) raw.disconnectPipe(handle);

  echoes = Promise.all(servers.map((server) => server.echo()));
  const fastest = await client.load({ path, clients: 3, fastest: 10, milliseconds: 60_000 });
  assertEquals(Math.max(...fastest.counts), 10);
  await echoes;
  for (const server of servers) server.close();
});

windowsTest("raw: a load tells wrong replies, missing replies and lost connections", async () => {
  const path = newPath();
  const servers = Array.from({ length: 4 }, () => new Instance(path));
  const [wrong, gone, silent, right] = servers;
  assert(wrong && gone && silent && right);
  const loading = client.load({
    path,
    clients: 5,
    exchanges: 1,
    timeout: 1_000,
    wait: 0,
    verify: { reply: "right" },
  });
  for (const server of servers) await server.connect();
  await wrong.read();
  await wrong.write("wrong");
  await gone.read();
  gone.close();
  await right.read();
  await right.write("right");
  const { counts, errors } = await loading;
  assertEquals(counts, [0, 0, 0, 1, 0]);
  const codes = errors.map(({ client, code }) => [client, code]);
  assertEquals(codes.toSorted(([a], [b]) => Number(a) - Number(b)), [
    [0, undefined],
    [1, Code.BROKEN_PIPE],
    [2, Code.WAIT_TIMEOUT],
    [4, Code.PIPE_BUSY],
  ]);
  for (const server of servers) server[Symbol.dispose]();
});

windowsTest("raw: visits connect, write and leave", async () => {
  const path = newPath();
  using server = new Instance(path);
  const visiting = client.visit({ path, rounds: 5, write: "was here" });
  for (let i = 0; i < 5; i++) {
    try {
      await server.connect();
    } catch (error) {
      // The visitor had left before.
      assertInstanceOf(error, Win32Error);
      assertEquals(error.code, Code.NO_DATA);
    }
    assertEquals((await server.read()).text, "was here");
    const error = await assertRejects(() => server.read(), Win32Error);
    assertEquals(error.code, Code.BROKEN_PIPE);
    raw.disconnectPipe(server.handle);
  }
  await visiting;
});

windowsTest("raw: a duplicate in another process keeps the connection alive", async () => {
  const path = newPath();
  using server = new Instance(path);
  await using other = await startClient();
  const pipe = await client.open(path);
  await server.connect();
  const heir = await other.adopt(await pipe.duplicate(other.processId));
  const twin = await client.adopt(await pipe.duplicate());
  await pipe.close();
  await twin.write("twin");
  assertEquals((await server.read()).text, "twin");
  await twin.close();
  await heir.write("still here");
  assertEquals((await server.read()).text, "still here");
  await heir.close();
  const error = await assertRejects(() => server.read(), Win32Error);
  assertEquals(error.code, Code.BROKEN_PIPE);
});

windowsTest(
  "raw: a killed client leaves its server with 109, and its commands reject",
  async () => {
    const path = newPath();
    using server = new Instance(path);
    const victim = await startClient();
    const pipe = await victim.open(path, { overlapped: false });
    await server.connect();
    // Blocks in the victim for good.
    const reading = assertRejects(() => pipe.read(), ClientGone);
    await victim.kill();
    await reading;
    const error = await assertRejects(() => server.read(), Win32Error);
    assertEquals(error.code, Code.BROKEN_PIPE);
    await assertRejects(() => victim.open(path), ClientGone);
    await pipe[Symbol.asyncDispose]();
    await victim[Symbol.asyncDispose]();
  },
);

windowsTest("raw: a client that is blocked is ended all the same", async () => {
  const path = newPath();
  using server = new Instance(path);
  let reading: Promise<unknown>;
  {
    await using blocked = await startClient();
    const pipe = await blocked.open(path, { overlapped: false });
    await server.connect();
    reading = assertRejects(() => pipe.read(), ClientGone);
  }
  await reading;
});

windowsTest(
  "raw: an operation that is not over says so, and is waited for with a limit",
  async () => {
    using server = new Instance(newPath());
    const connecting = raw.startConnect(server.handle);
    assertFalse(connecting.done);
    assertFalse(connecting.wait(1));
    assertEquals(assertThrows(() => connecting.finish(), Win32Error).code, Code.WAIT_TIMEOUT);
    const late = await assertRejects(() => connecting.finished(1), Win32Error);
    assertEquals(late.code, Code.WAIT_TIMEOUT);
    connecting.cancel();
    const error = await assertRejects(() => connecting.finished(), Win32Error);
    assertEquals(error.code, Code.OPERATION_ABORTED);
    assertEquals(assertThrows(() => raw.cancelAll(server.handle), Win32Error).code, Code.NOT_FOUND);
  },
);

windowsTest("raw: a process can be measured", () => {
  const before = raw.processHandleCount();
  const events = Array.from({ length: 50 }, () => raw.createEvent());
  assertGreaterOrEqual(raw.processHandleCount(), before + 40);
  for (const event of events) raw.closeHandle(event);
  assertLess(raw.processHandleCount(), before + 10);
  assertGreater(raw.privateBytes(), 1024 * 1024);
  const { kernel, user } = raw.processTimes();
  assertGreater(kernel + user, 0);
  const process = raw.openProcess(client.processId);
  assertGreater(raw.processHandleCount(process), 0);
  raw.closeHandle(process);
});

windowsTest.notUnderWine("raw: a second first instance is refused", () => {
  const path = newPath();
  using _first = new Instance(path, { first: true });
  const error = assertThrows(() => new Instance(path, { first: true }), Win32Error);
  assertEquals(error.code, Code.ACCESS_DENIED);
});
