/** The door for libraries of Node: a connection as a `node:stream` Duplex. */

import { Buffer } from "node:buffer";
import { once } from "node:events";
import { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { mock } from "node:test";
import timers from "node:timers";
import { assert, assertEquals, assertFalse, assertInstanceOf, assertThrows } from "@std/assert";
import { type PipeDuplex, toDuplex } from "../src/node/mod.ts";
import type { PipeConn } from "../src/pipe/pipe_conn.ts";
import { failing, fate, inWorld, nextTask, text, type World } from "./fixture.ts";

/** What happens to a stream, in order. */
class Story {
  readonly events: string[] = [];
  readonly errors: Error[] = [];

  constructor(duplex: PipeDuplex) {
    for (const name of ["end", "finish", "close", "timeout"]) {
      duplex.on(name, () => this.events.push(name));
    }
    duplex.on("error", (error: Error) => {
      this.events.push("error");
      this.errors.push(error);
    });
  }
}

/** Both ends of a connection as streams. */
async function streams(
  world: World,
  options: Parameters<World["pair"]>[0] = {},
  client: Parameters<World["pair"]>[1] = {},
) {
  const { listener, near, far } = await world.pair(options, client);
  return { listener, conn: far, near: toDuplex(near), far: toDuplex(far) };
}

/** A stream at the server, and a connection whose messages the test takes itself. */
async function half(world: World, options: Parameters<World["pair"]>[0] = {}) {
  const { near, far } = await world.pair(options);
  const duplex = toDuplex(far);
  return { near, duplex, story: new Story(duplex) };
}

/** Everything that is received. */
function bytesOf(duplex: PipeDuplex): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Uint8Array[] = [];
  const take = (chunk: Uint8Array) => void chunks.push(chunk);
  duplex.on("data", take);
  duplex.once("close", reject);
  duplex.once("end", () => {
    duplex.off("data", take);
    duplex.off("close", reject);
    resolve(Buffer.concat(chunks));
  });
  return promise;
}

/** Until a stream is closed, whether after an error or not. */
function closed(duplex: PipeDuplex): Promise<void> {
  return new Promise((resolve) => duplex.once("close", resolve));
}

function pattern(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length).map((_, i) => i * 7 + (i >> 8));
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function keepRunning(): Disposable {
  const timer = setInterval(() => {}, 10_000);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Timers of which the test says when half of their time is over. */
class Timers implements Disposable {
  readonly #timers = new Set<
    { half: number; callback: () => void; refresh(): void; unref(): void }
  >();
  readonly #mocks = [
    mock.method(timers, "setTimeout", (callback: () => void) => {
      const refresh = () => void (timer.half = 0);
      const timer = { half: 0, callback, refresh, unref: () => {} };
      this.#timers.add(timer);
      return timer;
    }),
    mock.method(timers, "clearTimeout", () => this.#timers.clear()),
  ];

  pass(): void {
    for (const timer of this.#timers) if (++timer.half === 2) timer.callback();
  }

  [Symbol.dispose](): void {
    for (const { mock } of this.#mocks) mock.restore();
  }
}

/** Everything that is left of a stream that is over. */
function assertNothingLeft(duplex: PipeDuplex): void {
  assert(duplex.destroyed);
  assert(duplex.closed);
  assertEquals(duplex.eventNames().filter((name) => duplex.listenerCount(name) > 0), []);
}

for (const type of ["message", "byte"] as const) {
  inWorld(
    `${type} pipe: what is written arrives, whole and in order, then the end`,
    async (world) => {
      const { near, far } = await streams(world, { type });
      const sent = [pattern(300_000), pattern(1), pattern(70_000), pattern(5)];
      for (const chunk of sent) near.write(chunk);
      near.end("the last");
      const received = await bytesOf(far);
      assert(received.equals(Buffer.concat([...sent, Buffer.from("the last")])));
      assertEquals([near.bytesWritten, far.bytesRead], [received.length, received.length]);
      await world.idle();
      near.resume();
      await world.idle();
      assertNothingLeft(near);
      assertNothingLeft(far);
      assertEquals(world.reasons, ["peer"]);
    },
  );
}

inWorld(
  "a message pipe: each write is one message, corked or not, and none is empty",
  async (world) => {
    const { near, duplex } = await half(world);
    duplex.cork();
    duplex.write("one");
    duplex.write("");
    duplex.write("two");
    duplex.uncork();
    duplex.write(Buffer.from("three"));
    duplex.write("746f", "hex");
    for (const message of ["one", "two", "three", "to"]) {
      assertEquals(await near.receive({ as: "text" }), message);
    }
  },
);

inWorld("a byte pipe: writes that wait are joined, and long ones cut, to 64 KiB", async (world) => {
  const { near, duplex } = await half(world, { type: "byte" });
  const writes = mock.method(duplex.conn, "write");
  duplex.cork();
  for (let i = 0; i < 100; i++) duplex.write(pattern(1_000));
  duplex.write(pattern(200_000));
  duplex.write("end");
  duplex.uncork();
  const p = new Uint8Array(400_000);
  for (let read = 0; read < 300_003;) read += await near.read(p) ?? 0;
  await nextTask();
  const lengths = writes.mock.calls.map(({ arguments: [chunk] }) => chunk.length);
  assertEquals(lengths, [65_000, 35_000, 65_536, 65_536, 65_536, 3_392, 3]);
});

inWorld("a stream reads no more than it has room for", async (world) => {
  const { near, duplex } = await half(world);
  const message = pattern(8_192);
  const sends = Array.from({ length: 64 }, () => fate(near.send(message)));
  await world.idle();
  const taken = sends.filter(({ state }) => state === "resolved").length;
  assert(taken < 32, `${taken}`);
  assert(duplex.readableLength <= duplex.readableHighWaterMark + message.length);
  near[Symbol.asyncDispose]();
  assertEquals((await bytesOf(duplex)).length, 64 * message.length);
});

inWorld("a writer is told to wait while the other end does not read", async (world) => {
  const { near, duplex, story } = await half(world);
  while (duplex.write(pattern(10_000)));
  const drained = fate(once(duplex, "drain"));
  await world.idle();
  assertEquals(drained.state, "pending");
  for (let i = 0; drained.state === "pending"; i++) {
    assert(i < 100);
    assertEquals((await near.receive())?.length, 10_000);
    await world.idle();
  }
  duplex.destroy();
  await closed(duplex);
  assertEquals(story.errors, []);
});

inWorld(
  "end() closes the connection when all is written, also for a reader that waits",
  async (world) => {
    const { near, duplex, story } = await half(world);
    duplex.resume();
    for (let i = 0; i < 10; i++) duplex.write(pattern(100_000));
    duplex.end();
    await world.idle();
    assertEquals(story.events, []);
    for (let i = 0; i < 10; i++) assertEquals((await near.receive())?.length, 100_000);
    assertEquals(await near.receive(), null);
    await world.idle();
    assertEquals(story.events.toSorted(), ["close", "end", "finish"]);
    assertEquals(duplex.readyState, "closed");
    assertEquals(world.reasons, ["self"]);
  },
);

inWorld("with halfClose, end() ends one direction, and the other goes on", async (world) => {
  const halfClose = "empty-message";
  const { near, far } = await streams(world, { halfClose }, { halfClose });
  assert(far.allowHalfOpen);
  near.end("request");
  assertEquals((await bytesOf(far)).toString(), "request");
  assertEquals([near.readyState, far.readyState], ["readOnly", "writeOnly"]);
  far.write("an ");
  far.end("answer");
  assertEquals((await bytesOf(near)).toString(), "an answer");
  await world.idle();
  assertNothingLeft(near);
  assertNothingLeft(far);
});

inWorld("without halfClose, a stream ends with the other end", async (world) => {
  const { near, duplex, story } = await half(world);
  assertFalse(duplex.allowHalfOpen);
  await near.send("last");
  near.close();
  await world.idle();
  assertEquals(story.events, []);
  assertEquals((await bytesOf(duplex)).toString(), "last");
  await world.idle();
  assertEquals(story.events, ["end", "finish", "close"]);
});

inWorld("the end is seen although nobody reads", async (world) => {
  const { near, story } = await half(world);
  near.close();
  await world.idle();
  assertEquals(story.events, ["end", "finish", "close"]);
});

inWorld(
  "destroy() withdraws what Windows has not accepted, and closes without an error",
  async (world) => {
    const { near, duplex, story } = await half(world);
    duplex.write("accepted");
    await world.idle();
    const written = [0, 1].map(() => {
      const { promise, resolve } = Promise.withResolvers<unknown>();
      duplex.write(pattern(100_000), resolve);
      return fate(promise);
    });
    await world.idle();
    duplex.destroy();
    await closed(duplex);
    assertEquals(written.map(({ state }) => state), ["resolved", "resolved"]);
    for (const { value } of written) assertInstanceOf(value, Error);
    assertEquals(await near.receive({ as: "text" }), "accepted");
    assertEquals(story.events, ["close"]);
    assertEquals(duplex.destroy(), duplex);
  },
);

inWorld(
  'destroy(error) emits the error, and "close" when everything is released',
  async (world) => {
    const { duplex, story } = await half(world);
    const error = new Error("enough");
    const ended = duplex.conn.closed;
    duplex.destroy(error);
    await closed(duplex);
    assertEquals(story.events, ["error", "close"]);
    assertEquals(story.errors, [error]);
    assertEquals(await ended, { reason: "self" });
  },
);

inWorld("a write to one who has left is EPIPE", async (world) => {
  const { near, duplex, story } = await half(world);
  while (duplex.write(pattern(100_000)));
  await world.idle();
  near.close();
  await world.idle();
  assertEquals(story.events, ["error", "close"]);
  const [error] = story.errors;
  assertEquals(codeOf(error), "EPIPE");
  assertInstanceOf(error?.cause, Deno.errors.BrokenPipe);
  assertEquals(error?.message, `write EPIPE: ${error?.cause.message}`);
});

inWorld("a connection that the program closes, or a limit, destroys the stream", async (world) => {
  const ends: [code: string, end: (duplex: PipeDuplex, near: PipeConn) => unknown][] = [
    ["ECONNABORTED", (duplex) => duplex.conn.close()],
    ["ETIMEDOUT", () => world.pass(1_000)],
    ["EBADMSG", (_, near) => near.send(pattern(1_001))],
    ["ENOBUFS", (duplex) => {
      for (let i = 0; i < 2; i++) duplex.conn.write(pattern(2_000)).catch(() => {});
    }],
  ];
  for (const [code, end] of ends) {
    const { near, far, listener } = await world.pair({
      idleTimeout: 1_000,
      maxMessage: 1_000,
      maxQueued: 1_000,
      writeBufferSize: 0,
    });
    const duplex = toDuplex(far);
    const story = new Story(duplex);
    await world.idle();
    end(duplex, near);
    await world.idle();
    assertEquals(story.events, ["error", "close"], code);
    assertEquals(codeOf(story.errors[0]), code);
    near.close();
    await world.idle();
    await listener.shutdown();
  }
});

inWorld("an unknown error of Windows is EIO, with the error as its cause", async (world) => {
  const { near, far } = await world.pair();
  const control = failing(world.kernel, "read", 1_117);
  const duplex = toDuplex(near);
  const story = new Story(duplex);
  await world.idle();
  control.on = false;
  assertEquals(codeOf(story.errors[0]), "EIO");
  assertInstanceOf(story.errors[0]?.cause, Error);
  far.close();
});

inWorld(
  "setTimeout() tells when nothing has happened for so long, and closes nothing",
  async (world) => {
    const { near, duplex, story } = await half(world);
    let calls = 0;
    // The timer of a stream does not keep the program running.
    using _running = keepRunning();
    assertEquals(duplex.setTimeout(1, () => calls++), duplex);
    assertEquals(duplex.timeout, 1);
    await once(duplex, "timeout");
    assertEquals([calls, story.events], [1, ["timeout"]]);
    // It tells again when something has happened.
    duplex.resume();
    await near.send("x");
    await once(duplex, "timeout");
    duplex.write("y");
    await once(duplex, "timeout");
    assertEquals([calls, story.events.length], [1, 3]);
    duplex.setTimeout(0);
    assertEquals(duplex.timeout, 0);
    for (const wrong of [-1, NaN, Infinity]) {
      assertThrows(() => duplex.setTimeout(wrong), RangeError, "Cannot set the timeout");
    }
    const listener = () => {};
    duplex.setTimeout(60_000, listener).setTimeout(0, listener);
    assertEquals(duplex.listeners("timeout").includes(listener), false);
    duplex.setTimeout(60_000);
    // The sanitizers of the test see that no timer is left.
    duplex.destroy();
    await closed(duplex);
    assertEquals(duplex.setTimeout(1).timeout, 0);
  },
);

inWorld("a long write that makes progress is no timeout", async (world) => {
  const { near, duplex, story } = await half(world, { type: "byte" });
  using clock = new Timers();
  duplex.setTimeout(1_000);
  duplex.write(pattern(1_000_000));
  await world.idle();
  const p = new Uint8Array(300_000);
  let read = 0;
  for (let i = 0; i < 3; i++) {
    for (const target = read + 250_000; read < target;) read += await near.read(p) ?? 0;
    await world.idle();
    clock.pass();
  }
  assertEquals(story.events, []);
  clock.pass();
  assertEquals(story.events, ["timeout"]);
});

inWorld("it has what users of a net.Socket call", async (world) => {
  const { near, far } = await world.pair();
  const duplex = toDuplex(far);
  const calls: string[] = [];
  mock.method(duplex.conn, "ref", () => calls.push("ref"));
  mock.method(duplex.conn, "unref", () => calls.push("unref"));
  const same = duplex.setKeepAlive(true, 1_000).setNoDelay(true).unref().ref();
  assertEquals([same, calls], [duplex, ["unref", "ref"]]);
  assertEquals(duplex.address(), {});
  assertEquals([duplex.connecting, duplex.pending, duplex.readyState], [false, false, "open"]);
  const { remoteAddress, remoteFamily, remotePort, localAddress, localFamily, localPort } = duplex;
  const addresses = [remoteAddress, remoteFamily, remotePort, localAddress, localFamily, localPort];
  assertEquals(addresses, Array(6).fill(undefined));
  assertEquals(duplex.conn.peer.id, duplex.conn.peer.id);
  duplex.end("last");
  duplex.destroySoon();
  assertEquals(await near.receive({ as: "text" }), "last");
  await closed(duplex);
  assertNothingLeft(duplex);
});

inWorld(
  "destroySoon() writes everything, and does not wait for the other end to leave",
  async (world) => {
    const halfClose = "empty-message";
    const { near, far } = await streams(world, { halfClose }, { halfClose });
    far.write(pattern(200_000));
    far.destroySoon();
    assertEquals((await bytesOf(near)).length, 200_000);
    await world.idle();
    assert(far.destroyed);
    // That nobody can be told is no error: nothing is lost.
    near.end();
    await closed(near);
  },
);

inWorld("streams can be composed", async (world) => {
  const { near, far } = await streams(world, { type: "byte" });
  const echoing = pipeline(far, far);
  const received: Uint8Array[] = [];
  near.on("data", (chunk) => received.push(chunk));
  await pipeline(
    Readable.from([pattern(100_000), Buffer.from("text")]),
    new Writable({
      write: (chunk, _, done) => void (near.write(chunk) ? done() : near.once("drain", done)),
    }),
  );
  while (Buffer.concat(received).length < 100_004) await once(near, "data");
  assertEquals(text(Buffer.concat(received).subarray(100_000)), "text");
  near.destroy();
  await echoing.catch(() => {});
});

inWorld("a direction that is used already, or twice, is a TypeError", async (world) => {
  const { near, far } = await world.pair();
  const receiving = near.receive();
  assertThrows(() => toDuplex(near), TypeError, "used by messages already");
  far.send("x");
  await receiving;
  const duplex = toDuplex(far);
  assertThrows(() => toDuplex(far), TypeError);
  duplex.destroy();
});
