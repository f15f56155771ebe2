/** Connections that come and go, or end in the middle of something: nothing is lost, nothing is left. */

import { setImmediate } from "node:timers";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { WindowsKernel } from "../../ffi/windows_kernel.ts";
import { connect, lines, listen, type PipeConn } from "../../mod.ts";
import { listenOn } from "../../src/listen/listen.ts";
import { WaitLoop } from "../../src/loop/wait_loop.ts";
import { startClient } from "../win32/client.ts";
import { windowsTest } from "../win32/environment.ts";
import { patternBytes, patternMismatch } from "../win32/pattern.ts";
import { Ends, newPath, within } from "./support.ts";

const client = await startClient();
const MIB = 1_048_576;

windowsTest("clients that write and leave at once are received, and leave nothing", async () => {
  const ROUNDS = 500;
  const path = newPath();
  const kernel = new WindowsKernel({ security: true });
  const loop = new WaitLoop(kernel);
  const ends = new Ends();
  const listener = listenOn(() => loop, { path, onDisconnect: ends.note });
  let received = 0;
  const talk = async (conn: PipeConn) => {
    for await (const message of conn) received += message.length;
  };
  const accepting = (async () => {
    for await (const conn of listener) void talk(conn);
  })();
  const measured: number[] = [];
  for (let i = 1; i <= 3; i++) {
    await client.visit({ path, rounds: ROUNDS, write: "bye" });
    await client.visit({ path, rounds: ROUNDS / 10 });
    await client.visit({ path, rounds: ROUNDS / 10, write: { length: 60_000, seed: 1 } });
    await ends.reach(i * ROUNDS * 1.2);
    assertEquals(received, i * (3 * ROUNDS + 60_000 * ROUNDS / 10));
    measured.push(kernel.memory.inUse);
  }
  assertEquals([...new Set(ends.reasons)], ["peer"]);
  assertEquals(new Set(measured).size, 1, `${measured}`);
  assertEquals(await listener.shutdown(), { exchanges: 0, evicted: 0, dropped: 0 });
  await accepting;
});

windowsTest("what `await using` has to write reaches a client that reads late", async () => {
  for (const type of ["byte", "message"] as const) {
    const path = newPath();
    await using listener = listen({ path, type });
    const pipe = await client.open(path, { messageMode: type === "message" });
    const sent = patternBytes({ length: 4 * MIB, seed: 7 });
    let released = false;
    const sending = (async () => {
      await using conn = await listener.accept();
      conn.write(sent).catch(() => {});
    })().finally(() => released = true);
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for (let count = 0; count < sent.length;) {
      const { bytes } = await pipe.read();
      if (count === 0) assert(!released);
      parts.push(bytes);
      count += bytes.length;
    }
    await sending;
    assertEquals(patternMismatch(await new Blob(parts).bytes(), 7), -1);
    await pipe.close();
  }
});

windowsTest(
  "a stream that is cancelled in the middle ends the other end's, with an error",
  async () => {
    const path = newPath();
    await using listener = listen({ path, type: "byte" });
    const endless = () =>
      new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
      });
    for (const ends of ["near", "far"] as const) {
      const near = await connect({ path });
      const far = await listener.accept();
      const [reader, writer] = ends === "near" ? [near, far] : [far, near];
      const writing = endless().pipeTo(writer.writable);
      let received = 0;
      for await (const chunk of reader.readable) {
        received += chunk.length;
        if (received > 5 * MIB) break;
      }
      await within("the end of the stream", assertRejects(() => writing, Deno.errors.BrokenPipe));
      assertEquals(await writer.closed, { reason: "peer" });
      assertEquals(await reader.closed, { reason: "self" });
    }
  },
);

windowsTest("a stream that fails ends the other end's", async () => {
  const path = newPath();
  await using listener = listen({ path, type: "byte" });
  const near = await connect({ path });
  const far = await listener.accept();
  let left = 20;
  const failing = new ReadableStream({
    pull(controller) {
      if (left-- === 0) throw new Error("no more");
      controller.enqueue(new Uint8Array(65_536));
    },
  });
  const writing = assertRejects(() => failing.pipeTo(near.writable), Error, "no more");
  let received = 0;
  for await (const chunk of far.readable) received += chunk.length;
  await writing;
  // What Windows had not accepted is withdrawn.
  assert(received <= 20 * 65_536);
  assertEquals((await near.closed).reason, "self");
  assertEquals((await far.closed).reason, "peer");
});

windowsTest("a shutdown lets a transfer finish that ends when it drains", async () => {
  const path = newPath();
  const listener = listen({ path, type: "byte" });
  const near = await connect({ path });
  const far = await listener.accept();
  const draining = Promise.withResolvers<void>();
  far.draining.addEventListener("abort", () => draining.resolve());
  const echo = far.readable.pipeTo(far.writable);
  const sent = patternBytes({ length: 3 * MIB, seed: 3 });
  const sending = near.write(sent);
  const shutdown = listener.shutdown();
  await draining.promise;
  const received = new Uint8Array(sent.length);
  for (let count = 0; count < received.length;) {
    count += await near.read(received.subarray(count)) ?? received.length;
  }
  await sending;
  near.close();
  await echo;
  assertEquals(patternMismatch(received, 3), -1);
  assertEquals(await shutdown, { exchanges: 0, evicted: 0, dropped: 0 });
});

/** When a receive is aborted: at once, in a microtask, or in a turn of the event loop. */
const MOMENTS: ((abort: () => void) => void)[] = [
  (abort) => abort(),
  queueMicrotask,
  setImmediate,
  (abort) => setImmediate(() => setImmediate(abort)),
];

windowsTest("a receive that is aborted loses nothing, at either end", async () => {
  const MESSAGES = 400;
  for (const framing of [undefined, lines()]) {
    for (const receives of ["near", "far"] as const) {
      const path = newPath();
      await using listener = listen({ path, framing });
      await using near = await connect({ path, framing });
      await using far = await listener.accept();
      const [receiver, sender] = receives === "near" ? [near, far] : [far, near];
      const sending = (async () => {
        for (let i = 0; i < MESSAGES; i++) {
          await new Promise((resolve) => setImmediate(resolve));
          await sender.send(`${i}`);
        }
      })();
      let aborted = 0;
      for (let next = 0, calls = 0; next < MESSAGES; calls++) {
        const stop = new AbortController();
        const received = receiver.receive({ as: "json", signal: stop.signal });
        MOMENTS[calls % (MOMENTS.length + 1)]?.(() => stop.abort());
        try {
          assertEquals(await received, next);
          next++;
        } catch (error) {
          if (error !== stop.signal.reason) throw error;
          aborted++;
        }
      }
      assert(aborted > MESSAGES / 4, `${aborted}`);
      await sending;
    }
  }
});
