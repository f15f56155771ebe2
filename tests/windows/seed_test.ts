/**
 * Microsoft's "Named Pipe Server Using Overlapped I/O", row by row: what it does is done, and what
 * is wrong with it is not. Its defects, by their numbers in the names of the tests:
 *
 *  1 four instances, and the fifth client is refused     11 the lowest index is served first
 *  2 a message over 4,096 bytes ends the connection      12 at most 64 events, no end, no cleanup
 *  3 an instance that fails to connect is deaf for good  13 a request is printed up to a NUL
 *  4 one failed connect ends the server                  15 one OVERLAPPED for all operations
 *  5 an empty message ends the connection                16 every status is the same failure
 *  6 a failed wait is an "index out of range"            17 starting fails half-way
 *  7 unread replies are destroyed at the end             18 nobody listens for a moment
 *  8 a client that never reads pins its instance         19 an immediate connect is a failure
 *  9 no read while an answer is being made               20 the wait for the last read has no end
 * 10 a slow answer stalls every client
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertLess,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { serve, WindowsError } from "../../mod.ts";
import { openAdvapi32 } from "../../ffi/advapi32.ts";
import { openKernel32 } from "../../ffi/kernel32.ts";
import type { DisconnectReason } from "../../src/server/end_reasons.ts";
import type { PipeClient } from "../../src/server/client.ts";
import { Status } from "../../src/kernel/status.ts";
import { serveOn } from "../../src/exchange/serve.ts";
import { type ClientPipe, startClient } from "../win32/client.ts";
import { windowsTest } from "../win32/environment.ts";
import * as raw from "../win32/raw.ts";
import { Code } from "../win32/raw.ts";
import { newPath, rejectsWith, Tap, within } from "./support.ts";

const client = await startClient();
const encoder = new TextEncoder();
const decoder = new TextDecoder();

const ANSWER = "Default answer from server\0";

const PIPE_ACCESS_DUPLEX = 3;
const FILE_FLAG_OVERLAPPED = 0x4000_0000;
const FILE_FLAG_FIRST_PIPE_INSTANCE = 0x0008_0000;
const PIPE_TYPE_MESSAGE = 4;
const PIPE_READMODE_MESSAGE = 2;
const PIPE_REJECT_REMOTE_CLIENTS = 8;
const PIPE_UNLIMITED_INSTANCES = 255;

function open(path: string, wait = 5_000): Promise<ClientPipe> {
  return client.open(path, { messageMode: true, wait });
}

async function ask(pipe: ClientPipe, request: string): Promise<string> {
  await pipe.write(request);
  return (await pipe.read()).text;
}

/** Connects, asks one thing, and leaves. */
async function call(path: string, request: string): Promise<string> {
  await using pipe = await open(path);
  return await ask(pipe, request);
}

/** How connections ended: what `onDisconnect` was told. */
class Ends {
  readonly all: { id: number; reason: DisconnectReason; error: unknown }[] = [];
  #waiting: { count: number; resolve: () => void } | undefined;

  readonly note = ({ id }: PipeClient, reason: DisconnectReason, error?: unknown) => {
    this.all.push({ id, reason, error });
    if (this.#waiting !== undefined && this.all.length >= this.#waiting.count) {
      this.#waiting.resolve();
    }
  };

  get reasons(): DisconnectReason[] {
    return this.all.map(({ reason }) => reason);
  }

  async reach(count: number): Promise<void> {
    if (this.all.length >= count) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting = { count, resolve };
    await within(`${count} disconnects`, promise);
  }
}

windowsTest(
  "seed: four instances are created and listen, before anything else happens",
  async () => {
    const path = newPath();
    const tap = new Tap();
    await using _server = serveOn(tap.open, { path, waitTimeout: 4321 }, () => ANSWER);
    const created = tap.of("CreateNamedPipeW");
    assertEquals(
      created.map(({ args }) => args[1]),
      [FILE_FLAG_FIRST_PIPE_INSTANCE, 0, 0, 0].map((first) =>
        PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | first
      ),
    );
    for (const { args } of created) {
      assertEquals(args[2], PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE | PIPE_REJECT_REMOTE_CLIENTS);
      assertEquals(args.slice(3, -1), [PIPE_UNLIMITED_INSTANCES, 65_536, 65_536, 4321]);
    }
    const listens = tap.of("ConnectNamedPipe");
    assertEquals(listens.map(({ args }) => args[0]), tap.instances);
    assertEquals(new Set(listens.map(({ args }) => args[1])).size, 4);
    assertEquals(tap.codes("ConnectNamedPipe"), Array(4).fill(Code.IO_PENDING));
    // The same four, whatever the clients do in that time.
    const handles = Array.from({ length: 4 }, () => raw.openPipe(path));
    assertEquals(assertThrows(() => raw.openPipe(path), raw.Win32Error).code, Code.PIPE_BUSY);
    for (const handle of handles) raw.closeHandle(handle);
  },
);

windowsTest("seed: connect completes later, or at once, or the client has left again", async () => {
  const path = newPath();
  const early: raw.Handle[] = [];
  const tap = new Tap({
    // Between CreateNamedPipe and ConnectNamedPipe, where real clients come too.
    change: (real) => ({
      ConnectNamedPipe: (handle, overlapped) => {
        const count = early.length;
        if (count < 2) early.push(raw.openPipe(path, { overlapped: true, messageMode: true }));
        const [, left] = early;
        if (count === 1 && left !== undefined) {
          raw.startWrite(left, encoder.encode("and gone")).finish();
          raw.closeHandle(left);
        }
        return real.ConnectNamedPipe(handle, overlapped);
      },
    }),
  });
  const requests: string[] = [];
  const ends = new Ends();
  await using _server = serveOn(
    tap.open,
    { path, instances: 3, onDisconnect: ends.note },
    (_, exchange) => {
      requests.push(exchange.text());
      return ANSWER;
    },
  );
  assertEquals(tap.codes("ConnectNamedPipe"), [
    Code.PIPE_CONNECTED,
    Code.NO_DATA,
    Code.IO_PENDING,
  ]);
  await ends.reach(1);
  assertEquals(requests, ["and gone"]);
  const [first] = early;
  assert(first !== undefined);
  raw.startWrite(first, encoder.encode("at once")).finish();
  const { bytes } = await raw.startRead(first, 100).finished();
  assertEquals(decoder.decode(bytes), ANSWER);
  raw.closeHandle(first);
  assertEquals(await call(path, "later"), ANSWER);
  assertEquals(requests, ["and gone", "at once", "later"]);
});

windowsTest("seed: a read completes later, or at once when a request is there", async () => {
  const path = newPath();
  const tap = new Tap();
  await using _server = serveOn(tap.open, { path, instances: 1 }, (request) => request);
  const pipe = raw.openPipe(path, { overlapped: true, messageMode: true });
  const [instance] = tap.instances;
  const ask = (text: string) => raw.startWrite(pipe, encoder.encode(text)).finish();
  const answer = async () => decoder.decode((await raw.startRead(pipe, 100).finished()).bytes);
  ask("one");
  assertEquals(await answer(), "one");
  // The read that waits gets the first; the others are there before they are read.
  for (const text of ["two", "three", "four"]) ask(text);
  assertEquals([await answer(), await answer(), await answer()], ["two", "three", "four"]);
  // The connect was pending, so the first request was there before it was read.
  const { SUCCESS, IO_PENDING } = Code;
  assertEquals(tap.codes("ReadFile", instance), [
    SUCCESS,
    IO_PENDING,
    SUCCESS,
    SUCCESS,
    IO_PENDING,
  ]);
  raw.closeHandle(pipe);
});

windowsTest("seed: a write completes at once, or later when the client has to read", async () => {
  const path = newPath();
  const tap = new Tap();
  // More than fits into the client's read and the buffer together.
  const large = new Uint8Array(300_000).fill(7);
  await using _server = serveOn(
    tap.open,
    { path, instances: 1 },
    (_, exchange) => exchange.text() === "large" ? large : ANSWER,
  );
  await using pipe = await open(path);
  assertEquals(await ask(pipe, "small"), ANSWER);
  await pipe.write("large");
  assertEquals((await pipe.read({ whole: true })).bytes, large);
  assertEquals(await ask(pipe, "small"), ANSWER);
  const { SUCCESS, IO_PENDING } = Code;
  assertEquals(tap.codes("WriteFile", tap.instances[0]), [SUCCESS, IO_PENDING, SUCCESS]);
});

windowsTest("seed: four clients at once have an instance each, and one wait", async () => {
  const path = newPath();
  const tap = new Tap();
  const instances: number[] = [];
  await using _server = serveOn(tap.open, { path, maxInstances: 4 }, (_, { instance }) => {
    instances.push(instance.id);
    return ANSWER;
  });
  const pipes = await Promise.all(Array.from({ length: 4 }, () => open(path)));
  const answers = await Promise.all(
    pipes.map((pipe, i) => ask(pipe, `Default message from client ${i}\0`)),
  );
  assertEquals(answers, Array(4).fill(ANSWER));
  assertEquals(instances.toSorted(), [0, 1, 2, 3]);
  await tap.parked();
  assertEquals(tap.mostWaiting, 1);
  for (const pipe of pipes) await pipe.close();
});

windowsTest("seed: an instance whose client left is disconnected and listens again", async () => {
  const path = newPath();
  const tap = new Tap();
  const instances: number[] = [];
  await using _server = serveOn(
    tap.open,
    { path, instances: 1, maxInstances: 1 },
    (request, { instance }) => {
      instances.push(instance.id);
      return request;
    },
  );
  const [instance, ...others] = tap.instances;
  // A handle of the same number was closed before there was this one.
  const before = tap.of("CloseHandle", instance).length;
  for (const text of ["one", "two", "three"]) assertEquals(await call(path, text), text);
  assertEquals(instances, [0, 0, 0]);
  assertEquals(others, []);
  // It has listened for the fourth when the third was seen to leave, or is about to.
  const listens = tap.of("ConnectNamedPipe", instance).length;
  assertEquals(tap.of("DisconnectNamedPipe", instance).length, listens - 1);
  assertEquals(tap.of("CloseHandle", instance).length, before);
});

windowsTest("defect 1: the fifth client and the twentieth are served as the first", async () => {
  const path = newPath();
  await using _server = serve({ path }, (request) => request);
  const pipes = await Promise.all(Array.from({ length: 20 }, () => open(path)));
  const texts = pipes.map((_, i) => `client ${i}`);
  const answers = await Promise.all(pipes.map((pipe, i) => ask(pipe, `client ${i}`)));
  assertEquals(answers, texts);
  for (const pipe of pipes) await pipe.close();
});

windowsTest("defect 2: a request over 4,096 bytes arrives, and its client stays", async () => {
  const path = newPath();
  await using _server = serve({ path }, (request) => `${request.length} ${request.at(-1)}`);
  await using pipe = await open(path);
  await pipe.write(new Uint8Array(4096).fill(1));
  assertEquals((await pipe.read()).text, "4096 1");
  await pipe.write(new Uint8Array(10_000).fill(2));
  assertEquals((await pipe.read()).text, "10000 2");
});

windowsTest("defect 3: an instance whose client came and left serves the next one", async () => {
  const path = newPath();
  let left = 5;
  const tap = new Tap({
    change: (real) => ({
      ConnectNamedPipe: (handle, overlapped) => {
        // Each time between disconnect or create and connect, where it is possible at all.
        try {
          if (left-- > 0) raw.closeHandle(raw.openPipe(path));
        } catch (error) {
          assertInstanceOf(error, raw.Win32Error);
          assertEquals(error.code, Code.PIPE_BUSY);
        }
        return real.ConnectNamedPipe(handle, overlapped);
      },
    }),
  });
  await using _server = serveOn(
    tap.open,
    { path, instances: 1, maxInstances: 1 },
    (request) => request,
  );
  assertEquals(tap.codes("ConnectNamedPipe"), [Code.NO_DATA]);
  assertEquals(await call(path, "the next"), "the next");
  assertEquals(await call(path, "and one more"), "and one more");
});

windowsTest("defect 4: a connect that fails costs its instance, not the server", async () => {
  const path = newPath();
  const closed = Promise.withResolvers<raw.Handle>();
  const tap: Tap = new Tap({
    change: (real) => ({
      CloseHandle: (handle) => {
        if (tap.instances.includes(BigInt(handle))) closed.resolve(BigInt(handle));
        return real.CloseHandle(handle);
      },
    }),
  });
  await using _server = serveOn(tap.open, { path, instances: 2 }, (request) => request);
  const [first] = tap.instances;
  assert(first !== undefined);
  raw.cancelAll(first);
  assertEquals(await within("the end of the instance", closed.promise), first);
  // What replaces it listens, as the other one does.
  const pipes = await Promise.all(Array.from({ length: 6 }, () => open(path)));
  for (const pipe of pipes) assertEquals(await ask(pipe, "still here"), "still here");
  for (const pipe of pipes) await pipe.close();
});

windowsTest("defect 5: an empty request is a request, and an empty reply a reply", async () => {
  const path = newPath();
  const tap = new Tap();
  const lengths: number[] = [];
  await using _server = serveOn(tap.open, { path, instances: 1 }, (request) => {
    lengths.push(request.length);
    return request;
  });
  await using pipe = await open(path);
  assertEquals(await ask(pipe, ""), "");
  assertEquals(await ask(pipe, "not empty"), "not empty");
  assertEquals(await ask(pipe, ""), "");
  // Read at once, too.
  await Promise.all([pipe.write(""), pipe.write(""), pipe.write("x")]);
  assertEquals((await pipe.read()).text, "");
  assertEquals((await pipe.read()).text, "");
  assertEquals((await pipe.read()).text, "x");
  assertEquals(lengths, [0, 9, 0, 0, 0, 1]);
  assertEquals(tap.of("DisconnectNamedPipe"), []);
});

// A loop that fails keeps its libraries, which must then not be some that a test has opened.
const kept = { library: openKernel32(), advapi32: openAdvapi32() };

windowsTest("defect 6: a wait that fails is the server's end, with its reason", async () => {
  const path = newPath();
  let failing = false;
  const tap = new Tap({
    ...kept,
    change: (real) => ({
      parkForMultipleObjects: async (...args) => {
        const index = failing ? 0 : await real.parkForMultipleObjects(...args);
        return failing ? 0xffff_ffff : index;
      },
      // Fails in earnest: 0 handles are refused.
      WaitForMultipleObjects: (_count, handles, all, time) =>
        real.WaitForMultipleObjects(0, handles, all, time),
    }),
  });
  const ends = new Ends();
  const server = serveOn(
    tap.open,
    { path, instances: 1, onDisconnect: ends.note },
    (request) => request,
  );
  await using pipe = await open(path);
  assertEquals(await ask(pipe, "before"), "before");
  const writing = pipe.write("after");
  failing = true;
  const error = await assertRejects(() => within("the end", server.finished), WindowsError);
  assertEquals(error.call, "WaitForMultipleObjects");
  assertEquals(error.code, Code.INVALID_PARAMETER);
  await writing.catch(() => {});
  assertEquals(ends.reasons, ["error"]);
  // Everything is closed: the client notices, and the name is free.
  await rejectsWith(
    [Code.BROKEN_PIPE, Code.PIPE_NOT_CONNECTED],
    (async () => {
      while (true) await pipe.read();
    })(),
  );
  await rejectsWith(Code.FILE_NOT_FOUND, client.open(path));
});

windowsTest("defect 7: what was answered can be read after the end of the connection", async () => {
  const path = newPath();
  const ends = new Ends();
  await using _server = serve({ path, onDisconnect: ends.note }, (_, exchange) => {
    exchange.send("first");
    exchange.reply("last");
    exchange.client.close();
  });
  await using pipe = await open(path);
  await pipe.write("bye");
  await ends.reach(1);
  assertEquals(ends.reasons, ["responder"]);
  assertEquals((await pipe.read()).text, "first");
  assertEquals((await pipe.read()).text, "last");
  await rejectsWith(Code.BROKEN_PIPE, pipe.read());
});

windowsTest("defect 8: clients that never read, write or may do either pin nobody", async () => {
  const path = newPath();
  const large = new Uint8Array(1024 * 1024);
  await using server = serve(
    { path, instances: 2 },
    (_, exchange) => exchange.text() === "large" ? large : exchange.request,
  );
  const pipes: ClientPipe[] = [];
  for (let i = 0; i < 6; i++) {
    pipes.push(await open(path));
    await pipes.at(-1)?.write("large");
    for (const access of ["none", "read", "write"] as const) {
      pipes.push(await client.open(path, { access, wait: 5_000 }));
    }
  }
  assertEquals(await call(path, "served all the same"), "served all the same");
  const report = await server.shutdown({ timeout: 50 });
  assertEquals([report.evicted, report.dropped], [6, 6]);
  for (const pipe of pipes) await pipe.close();
});

windowsTest("defect 9: a client that leaves is noticed while its answer is made", async () => {
  const path = newPath();
  const started = Promise.withResolvers<AbortSignal>();
  const gone = Promise.withResolvers<void>();
  await using _server = serve({ path }, async (_, { signal }) => {
    signal.addEventListener("abort", () => gone.resolve());
    started.resolve(signal);
    await gone.promise;
  });
  const pipe = await open(path);
  await pipe.write("work");
  const signal = await within("the responder", started.promise);
  assertEquals(signal.aborted, false);
  await pipe.close();
  await within("the abort", gone.promise);
  assertInstanceOf(signal.reason, Deno.errors.BrokenPipe);
});

windowsTest(
  "defect 10: a slow answer stalls nobody else, and keeps the order of its own",
  async () => {
    const path = newPath();
    const slow = Promise.withResolvers<string>();
    await using _server = serve(
      { path },
      (_, exchange) => exchange.text() === "slow" ? slow.promise : exchange.text(),
    );
    await using patient = await open(path);
    for (const text of ["slow", "quick", "quicker"]) await patient.write(text);
    for (let i = 0; i < 20; i++) assertEquals(await call(path, `${i}`), `${i}`);
    slow.resolve("slow");
    const texts = [(await patient.read()).text, (await patient.read()).text];
    assertEquals([...texts, (await patient.read()).text], ["slow", "quick", "quicker"]);
  },
);

windowsTest("defect 11: clients that always have more to ask are served in turn", async () => {
  const CLIENTS = 4;
  const REQUESTS = 50;
  const path = newPath();
  const served: number[] = [];
  const all = Promise.withResolvers<void>();
  await using _server = serve({ path, instances: CLIENTS }, ([number = -1]) => {
    served.push(number);
    if (served.length === CLIENTS * REQUESTS) all.resolve();
  });
  // The server has had no turn yet when all of this is written.
  const handles = Array.from({ length: CLIENTS }, () => raw.openPipe(path, { overlapped: true }));
  for (const [i, handle] of handles.entries()) {
    for (let n = 0; n < REQUESTS; n++) raw.startWrite(handle, new Uint8Array([i])).finish();
  }
  await within("all requests", all.promise);
  const counts = Array<number>(CLIENTS).fill(0);
  for (const number of served) {
    counts[number] = (counts[number] ?? 0) + 1;
    assert(Math.max(...counts) - Math.min(...counts) <= 1, `unfair: ${served}`);
  }
  for (const handle of handles) raw.closeHandle(handle);
});

windowsTest(
  "defect 12: more than 64 instances, and an end that gives everything back",
  async () => {
    const before = raw.processHandleCount();
    const path = newPath();
    const server = serve({ path, instances: 70 }, (request) => request);
    const pipes = await Promise.all(Array.from({ length: 70 }, () => open(path)));
    const answers = await Promise.all(pipes.map((pipe, i) => ask(pipe, `${i}`)));
    assertEquals(answers, pipes.map((_, i) => `${i}`));
    assert(raw.processHandleCount() >= before + 140);
    await server.shutdown();
    assertLess(raw.processHandleCount(), before + 20);
    await rejectsWith(Code.FILE_NOT_FOUND, client.open(path));
    for (const pipe of pipes) {
      await rejectsWith(Code.BROKEN_PIPE, pipe.read());
      await pipe.close();
    }
  },
);

windowsTest("defect 13: a request is its bytes, with or without NUL, odd or even", async () => {
  const path = newPath();
  const requests: string[] = [];
  await using _server = serve({ path }, (request, exchange) => {
    requests.push(`${request.length} ${exchange.text()}`);
    return new Uint8Array(10_000);
  });
  await using pipe = await open(path);
  for (const text of ["longer than the others", "a\0b\0", "odd"]) {
    await pipe.write(text);
    assertEquals((await pipe.read()).bytes.length, 10_000);
  }
  assertEquals(requests, ["22 longer than the others", "4 a\0b\0", "3 odd"]);
});

windowsTest("defect 15: a read and a write at once, each with a clean OVERLAPPED", async () => {
  const path = newPath();
  const used: { name: string; overlapped: bigint; words: bigint[] }[] = [];
  const look = (name: string, real: Tap["real"], overlapped: number | bigint) => {
    const words = new BigUint64Array(4);
    real.copyOut(words, BigInt(overlapped), 32n);
    used.push({ name, overlapped: BigInt(overlapped), words: [...words] });
  };
  const tap = new Tap({
    change: (real) => ({
      ConnectNamedPipe: (handle, overlapped) => {
        look("in", real, overlapped);
        return real.ConnectNamedPipe(handle, overlapped);
      },
      ReadFile: (handle, buffer, size, read, overlapped) => {
        look("in", real, overlapped);
        return real.ReadFile(handle, buffer, size, read, overlapped);
      },
      WriteFile: (handle, buffer, size, written, overlapped) => {
        look("out", real, overlapped);
        return real.WriteFile(handle, buffer, size, written, overlapped);
      },
    }),
  });
  const ends = new Ends();
  const sent: Promise<void>[] = [];
  const asked = Promise.withResolvers<void>();
  await using _server = serveOn(
    tap.open,
    { path, instances: 1, onDisconnect: ends.note },
    async (_, exchange) => {
      sent.push(exchange.send("small"), exchange.send(new Uint8Array(100_000)));
      asked.resolve();
      await sent[1]?.catch(() => {});
    },
  );
  const pipe = await open(path);
  await pipe.write("both");
  await asked.promise;
  await within("the small one", sent[0] ?? asked.promise);
  // The large one is in flight; so is a read, or nobody would notice this:
  await pipe.close();
  await ends.reach(1);
  await assertRejects(() => sent[1] ?? asked.promise, Deno.errors.BrokenPipe);
  assertEquals(ends.all, [{ id: 1, reason: "client", error: undefined }]);
  const addresses = (name: string) =>
    new Set(used.filter((use) => use.name === name).map(({ overlapped }) => overlapped));
  assert(addresses("in").isDisjointFrom(addresses("out")));
  for (const { words: [, , offset] } of used) assertEquals(offset, 0n);
  const events = (name: string) =>
    new Set(used.filter((use) => use.name === name).map(({ words: [, , , event] }) => event));
  assert(events("in").isDisjointFrom(events("out")));
});

windowsTest(
  "defect 16: a client that left is no error, and the reply says what happened",
  async () => {
    const path = newPath();
    const ends = new Ends();
    const go = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const outcomes: Promise<void>[] = [];
    await using _server = serve({ path, onDisconnect: ends.note }, async (_, exchange) => {
      if (exchange.text() === "idle") return "idle";
      asked.resolve();
      await go.promise;
      outcomes.push(exchange.reply("too late"));
      return undefined;
    });
    assertEquals(await call(path, "idle"), "idle");
    await ends.reach(1);
    const pipe = await open(path);
    await pipe.write("leave");
    await asked.promise;
    await pipe.close();
    await ends.reach(2);
    go.resolve();
    await go.promise;
    const error = await assertRejects(async () => await outcomes[0], Deno.errors.BrokenPipe);
    assertInstanceOf(error.cause, WindowsError);
    assertEquals(error.cause.code, Code.NO_DATA);
    assertEquals(ends.all.map(({ reason, error }) => [reason, error]), [
      ["client", undefined],
      ["client", undefined],
    ]);
  },
);

windowsTest("defect 17: starting is all or nothing, and later shortages pass", async () => {
  const path = newPath();
  let calls = 0;
  let fails = (call: number): boolean => call === 3;
  const codes: number[] = [];
  const tap = new Tap({
    change: (real) => ({
      CreateNamedPipeW: (...args) => {
        if (!fails(++calls)) return real.CreateNamedPipeW(...args);
        codes.push(Status.NO_SYSTEM_RESOURCES);
        return 0xffff_ffff_ffff_ffffn;
      },
      GetLastError: () => codes.shift() ?? real.GetLastError(),
    }),
  });
  // Keeps the loop, which goes away with its last user.
  await using _other = serveOn(tap.open, { path: newPath(), instances: 1 }, () => {});
  const error = assertThrows(
    () => serveOn(tap.open, { path }, (request) => request),
    WindowsError,
  );
  assertEquals([error.code, error.call], [Status.NO_SYSTEM_RESOURCES, "CreateNamedPipeW"]);
  await rejectsWith(Code.FILE_NOT_FOUND, client.open(path));

  await using _server = serveOn(tap.open, { path, instances: 2 }, (request) => request);
  const [first, last] = [calls + 1, calls + 4];
  fails = (call) => call >= first && call <= last;
  const pipes = await Promise.all(Array.from({ length: 5 }, () => open(path)));
  for (const [i, pipe] of pipes.entries()) assertEquals(await ask(pipe, `${i}`), `${i}`);
  assert(calls > last);
  for (const pipe of pipes) await pipe.close();
});

windowsTest("defect 18: with all instances taken the next client waits, and gets in", async () => {
  const path = newPath();
  const listening: string[] = [];
  const ends = new Ends();
  await using server = serve({
    path,
    maxInstances: 4,
    onListen: ({ path }) => listening.push(path),
    onDisconnect: ends.note,
  }, (request) => request);
  assertEquals(listening, [server.path]);
  const [first, ...others] = await Promise.all(Array.from({ length: 4 }, () => open(path)));
  assert(first !== undefined);
  for (const pipe of [first, ...others]) assertEquals(await ask(pipe, "taken"), "taken");
  await rejectsWith(Code.PIPE_BUSY, client.open(path));
  const waiting = open(path, 10_000);
  await first.close();
  const pipe = await waiting;
  assertEquals(await ask(pipe, "waited"), "waited");
  for (const open of [pipe, ...others]) await open.close();
  await ends.reach(5);
  assertEquals(ends.reasons, Array(5).fill("client"));
});

windowsTest("defect 19: a connect that succeeds at once is a connection", async () => {
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
  const [pipe] = early;
  assert(pipe !== undefined);
  raw.startWrite(pipe, encoder.encode("hello")).finish();
  assertEquals(decoder.decode((await raw.startRead(pipe, 100).finished()).bytes), "hello");
  raw.closeHandle(pipe);
  assertEquals(await call(path, "and the next"), "and the next");
});

windowsTest("defect 20: the wait for a client that does not read its last reply ends", async () => {
  const path = newPath();
  const ends = new Ends();
  const dropped = Promise.withResolvers<unknown>();
  const options = { path, replyTimeout: 100, onDisconnect: ends.note };
  await using _server = serve(options, (_, exchange) => {
    exchange.reply(new Uint8Array(1024 * 1024)).catch(dropped.resolve);
    exchange.client.close();
  });
  await using pipe = await open(path);
  await pipe.write("bye");
  await ends.reach(1);
  assertEquals(ends.all[0]?.reason, "responder");
  assertInstanceOf(await dropped.promise, Deno.errors.Interrupted);
  await rejectsWith(Code.PIPE_NOT_CONNECTED, pipe.read());
});
