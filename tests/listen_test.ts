import { assert, assertEquals, assertFalse, assertInstanceOf, assertRejects } from "@std/assert";
import { lines } from "../src/pipe/framing/lines.ts";
import { fate, inWorld, PATH, text } from "./fixture.ts";

async function collect<T>(from: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of from) all.push(item);
  return all;
}

inWorld("either end speaks first, and as often as it likes", async (world) => {
  const { near, far } = await world.pair();
  await far.send("hello");
  await far.send("world");
  assertEquals(await near.receive({ as: "text" }), "hello");
  assertEquals(await near.receive({ as: "text" }), "world");
  await near.send("back");
  assertEquals(await far.receive({ as: "text" }), "back");
  const answers = Promise.all([far.request("a", { as: "text" }), far.request("b", { as: "json" })]);
  assertEquals(await near.receive({ as: "text" }), "a");
  await near.send("A");
  assertEquals(await near.receive({ as: "text" }), "b");
  await near.send("[1]");
  assertEquals(await answers, ["A", [1]]);
});

inWorld(
  "when one end closes, the other receives what was sent, and then the end",
  async (world) => {
    for (const closes of ["near", "far"] as const) {
      const { listener, near, far } = await world.pair();
      const [closing, open] = closes === "near" ? [near, far] : [far, near];
      await closing.send("last");
      closing.close();
      assertEquals(await open.receive({ as: "text" }), "last");
      assertEquals(await open.receive({ as: "text" }), null);
      assertEquals(await open.receive({ as: "json" }), undefined);
      assertEquals(await open.closed, { reason: "peer" });
      assertEquals(await closing.closed, { reason: "self" });
      await assertRejects(() => open.send("late"), Deno.errors.BrokenPipe);
      await assertRejects(() => closing.send("late"), Deno.errors.Interrupted);
      await listener.shutdown();
    }
    assertEquals(world.reasons, ["peer", "self"]);
  },
);

inWorld("a byte pipe carries streams in both directions", async (world) => {
  const { near, far } = await world.pair({ type: "byte" });
  assertEquals([near.type, far.type], ["byte", "byte"]);
  const echoed = far.readable.pipeTo(far.writable);
  const sent = new Uint8Array(300_000).map((_, i) => i * 7);
  const writer = near.writable.getWriter();
  const writing = (async () => {
    for (let i = 0; i < sent.length; i += 10_000) await writer.write(sent.slice(i, i + 10_000));
  })();
  const reader = near.readable.getReader({ mode: "byob" });
  let received = 0;
  while (received < sent.length) {
    const { value } = await reader.read(new Uint8Array(7_777));
    assert(value !== undefined);
    assertEquals(value, sent.subarray(received, received + value.length));
    received += value.length;
  }
  await writing;
  await writer.close();
  assertEquals((await reader.read(new Uint8Array(1))).done, true);
  await echoed;
  assertEquals((await far.closed).reason, "peer");
});

inWorld(
  "on a message pipe, each chunk of a stream is a message, and empty ones are skipped",
  async (world) => {
    const { near, far } = await world.pair();
    for (const message of ["one", "", "two"]) await near.send(message);
    near.close();
    assertEquals((await collect(far.readable)).map(text), ["one", "two"]);
  },
);

inWorld("read() gives a long message in parts, and an empty one as 0", async (world) => {
  const { near, far } = await world.pair();
  for (const message of ["long", "", "x"]) await near.send(message);
  near.close();
  const p = new Uint8Array(3);
  const read = async () => {
    const n = await far.read(p);
    return n === null ? null : text(p.subarray(0, n));
  };
  assertEquals([await read(), await read(), await read(), await read()], ["lon", "g", "", "x"]);
  assertEquals(await read(), null);
});

inWorld("the first way to use a direction holds", async (world) => {
  const { near, far } = await world.pair();
  await near.send("a");
  await assertRejects(
    () => near.write(new Uint8Array(1)),
    TypeError,
    "is used by messages already",
  );
  assertEquals(await far.read(new Uint8Array(5)), 1);
  await assertRejects(() => far.receive(), TypeError, "used by read() or write() already");
  // The other direction is free.
  await far.send("b");
  assertEquals(await near.receive({ as: "text" }), "b");
});

inWorld("lines over a byte pipe: messages at both ends", async (world) => {
  const { near, far } = await world.pair({ framing: lines() }, { framing: lines() });
  assertEquals(near.type, "byte");
  await near.send("one");
  await near.send("two");
  near.close();
  assertEquals(await collect(far.messages({ as: "text" })), ["one", "two"]);
  assertEquals((await far.closed).reason, "peer");
});

inWorld("without framing, a byte pipe has no messages", async (world) => {
  const { near, far } = await world.pair({ type: "byte" });
  const words = "it is a byte pipe: give `framing`, or use its streams";
  await assertRejects(() => near.send("x"), TypeError, words);
  await assertRejects(() => far.receive(), TypeError, words);
});

inWorld(
  "a frame that the end cuts off is an error, after the messages before it",
  async (world) => {
    const { far } = await world.pair({ framing: lines() }, {});
    const near = world.connect();
    void near;
    const client = world.conns[0];
    assert(client !== undefined);
    await client.write(new TextEncoder().encode("whole\nunfin"));
    client.close();
    assertEquals(await far.receive({ as: "text" }), "whole");
    await assertRejects(() => far.receive(), Deno.errors.InvalidData);
    const { reason, error } = await far.closed;
    assertEquals(reason, "error");
    assertInstanceOf(error, Deno.errors.InvalidData);
  },
);

inWorld("closeWrite() ends one direction", async (world) => {
  const halfClose = "empty-message";
  const { near, far } = await world.pair({ halfClose }, { halfClose });
  await near.send("request");
  await near.closeWrite();
  assertEquals((await collect(far)).map(text), ["request"]);
  await assertRejects(() => near.send("more"), TypeError, "closeWrite() was called");
  await assertRejects(() => far.send(""), TypeError, "empty message");
  await far.send("answer");
  assertEquals(await near.receive({ as: "text" }), "answer");
  await far.closeWrite();
  assertEquals(await near.receive(), null);
  await world.idle();
  assertEquals(world.reasons, ["self"]);
});

inWorld("a reader that stops stops the writer, and a slow one is evicted", async (world) => {
  const options = { writeBufferSize: 100, maxQueued: 1_000 };
  const { near, far } = await world.pair(options);
  const fates = Array.from({ length: 12 }, () => fate(far.send(new Uint8Array(100))));
  await world.idle();
  assertEquals(fates.map(({ state }) => state).filter((state) => state === "resolved").length, 1);
  assertEquals(far.queued, 1_100);
  assertFalse(world.reasons.length > 0);
  await assertRejects(() => far.send("x"), Deno.errors.Busy, "maxQueued");
  assertEquals((await far.closed).reason, "maxQueued");
  void near;
  await world.idle();
});

inWorld("a client that does not read within writeTimeout is disconnected", async (world) => {
  const { far } = await world.pair({ writeBufferSize: 0, writeTimeout: 500 });
  const sent = fate(far.send("unread"));
  await world.pass(499);
  assertEquals(sent.state, "pending");
  await world.pass(1);
  assertInstanceOf(sent.error, Deno.errors.TimedOut);
  assertEquals(world.reasons, ["writeTimeout"]);
});

inWorld(
  "accept() and the loop end when the listener is closed, and connections go on",
  async (world) => {
    const { listener, near, far } = await world.pair();
    const accepting = fate(listener.accept());
    const looping = fate(collect(listener));
    await world.idle();
    listener.close();
    await world.idle();
    assertInstanceOf(accepting.error, Deno.errors.Interrupted);
    assertEquals(looping.value, []);
    await near.send("still");
    assertEquals(await far.receive({ as: "text" }), "still");
    const finished = fate(listener.finished);
    await world.idle();
    assertEquals(finished.state, "pending");
    far.close();
    await world.idle();
    assertEquals(finished.state, "resolved");
  },
);

inWorld("a shutdown tells open connections, waits for them, and evicts the rest", async (world) => {
  const listener = world.listen();
  const clients = [await world.dial(), await world.dial(), await world.dial()];
  const [first, second] = [await listener.accept(), await listener.accept()];
  assertFalse(first.draining.aborted);
  const report = fate(listener.shutdown({ timeout: 1_000 }));
  await world.idle();
  assert(first.draining.aborted && second.draining.aborted);
  // Nobody has accepted the third.
  assertEquals(await clients[2]?.receive(), null);
  first.close();
  await world.pass(999);
  assertEquals(report.state, "pending");
  await world.pass(1);
  assertEquals(report.value, { exchanges: 0, evicted: 1, dropped: 0 });
  assertEquals(world.reasons, ["shutdown", "self", "shutdown"]);
});

inWorld("while enough clients wait to be accepted, no more are let in", async (world) => {
  const listener = world.listen({ instances: 1 });
  // One that was listening already is still connected to.
  for (let i = 0; i < 2; i++) {
    await world.dial();
    await world.idle();
  }
  const third = fate(world.dial({ connectTimeout: 50 }));
  await world.pass(100);
  assertInstanceOf(third.error, Deno.errors.TimedOut);
  assertEquals(listener.clients().length, 2);
  for (let i = 0; i < 2; i++) await listener.accept();
  await world.idle();
  await world.dial();
});

inWorld("with authorize, a client is accepted when its first data has come", async (world) => {
  const listener = world.listen({ authorize: ({ id }) => id === 1 });
  const [near, other] = [await world.dial(), await world.dial()];
  const accepted = fate(listener.accept());
  await world.idle();
  assertEquals([accepted.state, listener.clients()], ["pending", []]);
  await near.send("it is me");
  await other.send("me, too");
  await world.idle();
  assertEquals(accepted.value?.peer.id, 1);
  assertEquals(await accepted.value?.receive({ as: "text" }), "it is me");
  assertEquals(await other.receive(), null);
  assertEquals(world.reasons, ["unauthorized"]);
});

inWorld("the name and the peer of a connection", async (world) => {
  const { near, far } = await world.pair();
  assertEquals([near.path, far.path], [PATH, PATH]);
  assertEquals(far.peer.id, 1);
  assertEquals(near.peer.processId, far.peer.processId);
});
