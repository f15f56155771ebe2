/** The two streams of a connection, by the Streams Standard. */

import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import type { ConnectOptions } from "../src/client/connect.ts";
import type { ListenOptions } from "../src/listen/options.ts";
import type { PipeConn } from "../src/pipe/pipe_conn.ts";
import { fate, inWorld, text, type World } from "./fixture.ts";

const encoder = new TextEncoder();

/** The ends of a connection over a byte pipe. */
async function bytePair(
  world: World,
  options: Partial<ListenOptions> = {},
  client: Partial<ConnectOptions> = {},
): Promise<{ near: PipeConn; far: PipeConn }> {
  return await world.pair({ type: "byte", ...options }, client);
}

/** Bytes of which each tells its place. */
function pattern(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length).map((_, i) => i * 7 + (i >> 8));
}

async function collect(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  for await (const chunk of stream) chunks.push(new Uint8Array(chunk));
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

// Reading

inWorld("pipeThrough() and pipeTo() carry everything, and close both ends", async (world) => {
  const { near, far } = await bytePair(world);
  const sent = pattern(200_000);
  const writing = new Blob([sent]).stream().pipeTo(near.writable);
  const unchanged = new TransformStream<Uint8Array, Uint8Array>();
  assertEquals(await collect(far.readable.pipeThrough(unchanged)), sent);
  await writing;
  assertEquals([(await near.closed).reason, (await far.closed).reason], ["self", "peer"]);
});

inWorld("a BYOB reader fills its own memory, at least as much as it asks for", async (world) => {
  const { near, far } = await bytePair(world);
  const reader = far.readable.getReader({ mode: "byob" });
  const reading = fate(reader.read(new Uint8Array(8), { min: 6 }));
  for (const bytes of ["12", "345"]) {
    await near.write(encoder.encode(bytes));
    await world.idle();
  }
  assertEquals(reading.state, "pending");
  await near.write(encoder.encode("6789"));
  await world.idle();
  assertEquals(text(reading.value?.value ?? new Uint8Array()), "12345678");
  const { value } = await reader.read(new Uint8Array(8));
  assertEquals(text(value ?? new Uint8Array()), "9");
  near.close();
  const last = await reader.read(new Uint8Array(8));
  assertEquals([last.done, last.value?.length], [true, 0]);
});

inWorld("what a BYOB reader has left goes to the next reader, of either kind", async (world) => {
  const { near, far } = await bytePair(world);
  await near.write(encoder.encode("abcdef"));
  const byob = far.readable.getReader({ mode: "byob" });
  assertEquals(text((await byob.read(new Uint8Array(2))).value ?? new Uint8Array()), "ab");
  byob.releaseLock();
  await near.write(encoder.encode("ghi"));
  near.close();
  assertEquals(text(await collect(far.readable)), "cdefghi");
});

inWorld("a reader that is released while it reads loses nothing", async (world) => {
  for (const mode of ["byob", undefined] as const) {
    const { near, far } = await bytePair(world);
    const reading = fate(
      mode === "byob"
        ? (() => {
          const reader = far.readable.getReader({ mode });
          const read = reader.read(new Uint8Array(3));
          reader.releaseLock();
          return read;
        })()
        : (() => {
          const reader = far.readable.getReader();
          const read = reader.read();
          reader.releaseLock();
          return read;
        })(),
    );
    await world.idle();
    assertInstanceOf(reading.error, TypeError);
    await near.write(encoder.encode("abcdef"));
    near.close();
    assertEquals(text(await collect(far.readable)), "abcdef");
    await world.close();
  }
});

inWorld("both branches of a stream that is teed get everything", async (world) => {
  const { near, far } = await bytePair(world);
  const [one, two] = far.readable.tee();
  const byob = one.getReader({ mode: "byob" });
  await near.write(encoder.encode("abcd"));
  const { value } = await byob.read(new Uint8Array(2));
  assertEquals(text(value ?? new Uint8Array()), "ab");
  byob.releaseLock();
  near.close();
  assertEquals(text(await collect(one)), "cd");
  assertEquals(text(await collect(two)), "abcd");
});

inWorld("a stream reads nothing before it is asked", async (world) => {
  const { near, far } = await bytePair(world, { writeBufferSize: 0 });
  const writing = fate(far.write(encoder.encode("x")));
  const { readable } = near;
  await world.idle();
  assertEquals(writing.state, "pending");
  const { value } = await readable.getReader().read();
  assertEquals(text(value ?? new Uint8Array()), "x");
  await world.idle();
  assertEquals(writing.state, "resolved");
});

inWorld("cancelling `readable` writes what is queued, and then closes", async (world) => {
  const { near, far } = await bytePair(world, { writeBufferSize: 0 });
  const reader = far.readable.getReader();
  const reading = fate(reader.read());
  const writing = fate(far.write(encoder.encode("last")));
  await world.idle();
  const cancelling = fate(reader.cancel());
  await world.idle();
  assertEquals([writing.state, cancelling.state, reading.value?.done], [
    "pending",
    "pending",
    true,
  ]);
  assertEquals(await near.read(new Uint8Array(9)), 4);
  await world.idle();
  assertEquals([writing.state, cancelling.state], ["resolved", "resolved"]);
  assertEquals((await far.closed).reason, "self");
});

inWorld("a stream errors when the connection fails, for its readers too", async (world) => {
  const { near, far } = await world.pair({ maxMessage: 3 });
  const waiting = fate(far.readable.getReader().read());
  await near.send("long");
  await world.idle();
  assertInstanceOf(waiting.error, Deno.errors.InvalidData);
  assertEquals((await far.closed).reason, "maxMessage");
  await assertRejects(() => far.send("x"), Deno.errors.Interrupted);
});

inWorld("a failure that nobody waited for is told to the next read", async (world) => {
  for (const read of ["stream", "receive", "loop"] as const) {
    const { near, far } = await world.pair({ maxMessage: 3 });
    await near.send("long");
    await world.idle();
    const calls = {
      stream: () => far.readable.getReader().read(),
      receive: () => far.receive(),
      loop: () => far[Symbol.asyncIterator]().next(),
    };
    await assertRejects(calls[read], Deno.errors.InvalidData, "longer than the limit");
    if (read !== "stream") await assertRejects(() => far.receive(), Deno.errors.Interrupted);
    await world.close();
  }
});

inWorld("close() errors both streams", async (world) => {
  const { far } = await bytePair(world);
  const reading = fate(far.readable.getReader().read());
  const writer = far.writable.getWriter();
  const closed = fate(writer.closed);
  await world.idle();
  far.close();
  await world.idle();
  assertInstanceOf(reading.error, Deno.errors.Interrupted);
  assertInstanceOf(closed.error, Deno.errors.Interrupted);
  await assertRejects(() => writer.write(encoder.encode("x")), Deno.errors.Interrupted);
});

inWorld("a stream that was never used before close() is in error, too", async (world) => {
  const { far } = await bytePair(world);
  far.close();
  await assertRejects(() => far.readable.getReader().read(), Deno.errors.Interrupted);
  await assertRejects(() => far.writable.getWriter().ready, Deno.errors.Interrupted);
});

// Writing

inWorld("`writable` is ready again when Windows has accepted the chunk", async (world) => {
  const { near, far } = await world.pair({ writeBufferSize: 0 });
  const writer = far.writable.getWriter();
  assertEquals(writer.desiredSize, 1);
  const written = fate(writer.write(encoder.encode("one")));
  const ready = fate(writer.ready);
  await world.idle();
  assertEquals([writer.desiredSize, written.state, ready.state], [0, "pending", "pending"]);
  assertEquals(await near.receive({ as: "text" }), "one");
  await world.idle();
  assertEquals([writer.desiredSize, written.state, ready.state], [1, "resolved", "resolved"]);
});

inWorld("short chunks do not wait for each other on a byte pipe, within a limit", async (world) => {
  const { near, far } = await bytePair(world, { writeBufferSize: 0 });
  const writer = far.writable.getWriter();
  const sent = Array.from({ length: 9 }, () => fate(writer.write(new Uint8Array(10_000))));
  await world.idle();
  assertEquals(sent.filter(({ state }) => state === "resolved").length, 6);
  assertEquals(far.queued, 70_000);
  near.close();
  await world.idle();
  assertInstanceOf(sent[6]?.error, Deno.errors.BrokenPipe);
  assertInstanceOf(sent[8]?.error, Deno.errors.BrokenPipe);
});

inWorld(
  "the error of a chunk that was gathered comes with a later one, or close()",
  async (world) => {
    for (const late of ["write", "close"] as const) {
      const { near, far } = await bytePair(world, { writeBufferSize: 0 });
      const writer = far.writable.getWriter();
      await writer.write(encoder.encode("lost"));
      near.close();
      await world.idle();
      const call = { write: () => writer.write(encoder.encode("x")), close: () => writer.close() };
      await assertRejects(call[late], Deno.errors.BrokenPipe);
      await world.close();
    }
  },
);

inWorld("closing `writable` writes the chunks that wait, and then closes", async (world) => {
  const { near, far } = await bytePair(world, { writeBufferSize: 0 });
  const writer = far.writable.getWriter();
  const reading = fate(far.readable.getReader().read());
  for (const chunk of [pattern(100_000), pattern(5), pattern(20_000)]) writer.write(chunk);
  const closing = fate(writer.close());
  await world.idle();
  assertEquals([closing.state, reading.state], ["pending", "pending"]);
  assertEquals((await collect(near.readable)).length, 120_005);
  await world.idle();
  assertEquals([closing.state, reading.value?.done], ["resolved", true]);
  assertEquals((await far.closed).reason, "self");
});

inWorld("closing `writable` gives up after writeTimeout", async (world) => {
  const { far } = await world.pair({ writeBufferSize: 0, writeTimeout: 500 });
  const writer = far.writable.getWriter();
  const writing = fate(writer.write(encoder.encode("unread")));
  const closing = fate(writer.close());
  await world.pass(499);
  assertEquals(closing.state, "pending");
  await world.pass(1);
  assertInstanceOf(writing.error, Deno.errors.TimedOut);
  assertInstanceOf(closing.error, Deno.errors.TimedOut);
});

inWorld("aborting `writable` closes at once, though a chunk is being written", async (world) => {
  const { near, far } = await world.pair({ writeBufferSize: 0 });
  const writer = far.writable.getWriter();
  const reason = new Error("enough");
  const chunks = ["one", "two"].map((chunk) => fate(writer.write(encoder.encode(chunk))));
  await world.idle();
  const aborting = fate(writer.abort(reason));
  await world.idle();
  assertEquals(aborting.state, "resolved");
  assert(chunks.every(({ state }) => state === "rejected"));
  assertStrictEquals(chunks[1]?.error, reason);
  assertEquals((await far.closed).reason, "self");
  assertEquals(await near.receive(), null);
});

inWorld("a chunk that cannot be written errors the stream and closes", async (world) => {
  const detached = encoder.encode("detached");
  structuredClone(detached, { transfer: [detached.buffer] });
  const wrong: unknown[] = ["text", null, undefined, 1, {}, new Uint16Array(1), detached];
  for (const chunk of wrong) {
    for (const type of ["message", "byte"] as const) {
      const { near, far } = await world.pair({ type });
      const stream: WritableStream<unknown> = far.writable;
      const writer = stream.getWriter();
      const closed = fate(writer.closed);
      const error = await assertRejects(() => writer.write(chunk), TypeError, "Cannot ");
      await world.idle();
      assertStrictEquals(closed.error, error);
      assertEquals((await far.closed).reason, "self");
      assertEquals(await near.closed, { reason: "peer" });
      await world.close();
    }
  }
});

inWorld("memory that is resizable or shared is written as it is at the call", async (world) => {
  const { near, far } = await bytePair(world);
  const writer = far.writable.getWriter();
  const resizable = new Uint8Array(new ArrayBuffer(3, { maxByteLength: 8 })).fill(1);
  const shared = new Uint8Array(new SharedArrayBuffer(3)).fill(2);
  const own = new Uint8Array(3).fill(3);
  const writing = [resizable, shared, own].map((chunk) => writer.write(chunk));
  await Promise.all(writing);
  for (const chunk of [resizable, shared, own]) chunk.fill(9);
  await writer.close();
  assertEquals([...await collect(near.readable)], [1, 1, 1, 2, 2, 2, 3, 3, 3]);
});

inWorld("read() fills memory of any kind, and nothing around it", async (world) => {
  const { near, far } = await bytePair(world);
  for (
    const memory of [
      new ArrayBuffer(5),
      new ArrayBuffer(5, { maxByteLength: 8 }),
      new SharedArrayBuffer(5),
    ]
  ) {
    const all = new Uint8Array(memory).fill(9);
    const p = new Uint8Array(memory, 1, 3);
    const waiting = near.read(p);
    await far.write(Uint8Array.of(1, 2));
    assertEquals([await waiting, ...all], [2, 9, 1, 2, 9, 9]);
    // More than fits: the rest is read by the next call.
    await far.write(Uint8Array.of(3, 4, 5, 6));
    assertEquals([await near.read(p), ...all], [3, 9, 3, 4, 5, 9]);
    assertEquals([await near.read(p), ...all], [1, 9, 6, 4, 5, 9]);
  }
});

inWorld(
  "read() into memory that is detached meanwhile reads nothing, and loses nothing",
  async (world) => {
    const { near, far } = await bytePair(world);
    const p = new Uint8Array(5);
    const waiting = near.read(p);
    p.buffer.transfer();
    await far.write(Uint8Array.of(1, 2));
    assertEquals(await waiting, 0);
    const next = new Uint8Array(5);
    assertEquals([await near.read(next), ...next], [2, 1, 2, 0, 0, 0]);
  },
);

inWorld("an empty chunk is nothing on a byte pipe, and a message otherwise", async (world) => {
  for (const type of ["byte", "message"] as const) {
    const { near, far } = await world.pair({ type });
    const writer = far.writable.getWriter();
    for (const chunk of ["", "x"]) await writer.write(encoder.encode(chunk));
    const p = new Uint8Array(5);
    assertEquals(await near.read(p), type === "byte" ? 1 : 0);
    await world.close();
  }
});

inWorld("streams are locked and closed as any others", async (world) => {
  const { near, far } = await bytePair(world);
  assertStrictEquals(far.readable, far.readable);
  assertStrictEquals(far.writable, far.writable);
  far.readable.getReader();
  far.writable.getWriter();
  assert(far.readable.locked && far.writable.locked);
  assertThrows(() => far.readable.getReader(), TypeError);
  await assertRejects(() => far.readable.cancel(), TypeError);
  await assertRejects(() => far.writable.abort(), TypeError);
  await assertRejects(() => far.read(new Uint8Array(1)), TypeError, "used by a stream already");
  await assertRejects(() => far.write(new Uint8Array(1)), TypeError, "used by a stream already");
  assertFalse(near.readable.locked);
  const { far: messages } = await world.pair({ path: "messages" }, { path: "messages" });
  assertThrows(() => messages.readable.getReader({ mode: "byob" }), TypeError);
});

inWorld(
  "an echo by streams ends with its client, quietly if everything was taken",
  async (world) => {
    const listener = world.listen({ type: "byte" });
    for (const leaves of ["silent", "served", "unserved"] as const) {
      const near = await world.dial();
      if (leaves !== "silent") await near.write(encoder.encode("hello"));
      if (leaves === "unserved") near.close();
      const far = await listener.accept();
      const echo = fate(far.readable.pipeTo(far.writable));
      await world.idle();
      if (leaves === "served") assertEquals(await near.read(new Uint8Array(9)), 5);
      near.close();
      await world.idle();
      if (leaves === "unserved") assertInstanceOf(echo.error, Deno.errors.BrokenPipe);
      else assertEquals(echo.state, "resolved");
      assertEquals((await far.closed).reason, "peer");
    }
  },
);

// Half-close

const HALF_CLOSE = { halfClose: "empty-message" } as const;

inWorld("with halfClose, closing `writable` leaves reading open", async (world) => {
  const { near, far } = await world.pair(HALF_CLOSE, HALF_CLOSE);
  const echo = fate(far.readable.pipeTo(far.writable));
  const writer = near.writable.getWriter();
  for (const chunk of ["a", "", "b"]) await writer.write(encoder.encode(chunk));
  await writer.close();
  assertEquals(text(await collect(near.readable)), "ab");
  await world.idle();
  assertEquals(echo.state, "resolved");
  assertEquals((await near.closed).reason, "self");
});

inWorld("with halfClose, cancelling `readable` leaves writing open", async (world) => {
  for (const end of ["near", "far"] as const) {
    const pair = await world.pair(HALF_CLOSE, HALF_CLOSE);
    const [one, other]: PipeConn[] = end === "near" ? [pair.near, pair.far] : [pair.far, pair.near];
    assert(one !== undefined && other !== undefined);
    const reader = one.readable.getReader();
    const reading = fate(reader.read());
    await world.idle();
    await reader.cancel();
    assertEquals(reading.value?.done, true);
    if (end === "near") {
      await world.idle();
      assertEquals(world.kernel.leftovers().inFlight > 0, true);
    }
    await one.send("still");
    assertEquals(await other.receive({ as: "text" }), "still");
    await other.send("nobody reads this");
    await one.closeWrite();
    assertEquals(await other.receive(), null);
    other.close();
    await world.close();
  }
});
