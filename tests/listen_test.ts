import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { WindowsError } from "../src/kernel/errors.ts";
import { Status } from "../src/kernel/status.ts";
import type { CloseReason } from "../src/pipe/close_reason.ts";
import type { PipeListener } from "../src/listen/listen.ts";
import { lines } from "../src/pipe/framing/lines.ts";
import type { PipeConn } from "../src/pipe/pipe_conn.ts";
import type { ClientInfo } from "../src/server/client.ts";
import { failing, fate, inWorld, PATH, text, type World } from "./fixture.ts";

async function collect<T>(from: AsyncIterable<T> | Iterable<T>): Promise<T[]> {
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

inWorld("a connection keeps the program running only while a call waits", async (world) => {
  const { listener, near, far } = await world.pair();
  const keeps = async () => {
    await world.idle();
    return world.kernel.keepsProgram;
  };
  assert(await keeps());
  listener.unref();
  assertFalse(await keeps());
  for (const conn of [near, far]) {
    const [receiving, other] = [fate(conn.receive()), conn === near ? far : near];
    assert(await keeps());
    conn.unref();
    assertFalse(await keeps());
    conn.ref();
    assert(await keeps());
    await other.send("now");
    assertFalse(await keeps());
    assertEquals(receiving.state, "resolved");
  }
  const closed = fate(far.closed);
  assert(await keeps());
  near.close();
  assertFalse(await keeps());
  assertEquals(closed.state, "resolved");
});

inWorld("a listener that was closed leaves it to its connections", async (world) => {
  const { listener, near, far } = await world.pair();
  listener.close();
  await world.idle();
  assertFalse(world.kernel.keepsProgram);
  const receiving = fate(far.receive());
  assert(world.kernel.keepsProgram);
  near.close();
  await world.idle();
  assertEquals(receiving.value, null);
  await listener.finished;
});

// Accepting

inWorld("connections are accepted in the order in which their clients came", async (world) => {
  const listener = world.listen();
  await world.idle();
  const waiting = [fate(listener.accept()), fate(listener.accept())];
  for (let i = 0; i < 4; i++) await world.dial();
  await world.idle();
  const later = [await listener.accept(), await listener.accept()];
  const accepted = [...waiting.map(({ value }) => value), ...later];
  assertEquals(accepted.map((conn) => conn?.peer.id), [1, 2, 3, 4]);
});

inWorld("an accept() that is aborted leaves the client to another one", async (world) => {
  const listener = world.listen();
  const controller = new AbortController();
  const { signal } = controller;
  const aborted = fate(listener.accept({ signal }));
  const other = fate(listener.accept());
  const reason = new Error("no");
  controller.abort(reason);
  await world.dial();
  await world.idle();
  assertStrictEquals(aborted.error, reason);
  assertEquals(other.value?.peer.id, 1);
  await assertRejects(() => listener.accept({ signal }), Error, "no");
  await assertRejects(() => Reflect.apply(listener.accept, listener, [{ signal: 1 }]), TypeError);
});

inWorld("two loops share the connections, and the break of one ends both", async (world) => {
  const listener = world.listen();
  const ids: number[] = [];
  const loop = async (most: number) => {
    for await (const conn of listener) {
      ids.push(conn.peer.id);
      if (--most === 0) break;
    }
  };
  const loops = [fate(loop(2)), fate(loop(9))];
  for (let i = 0; i < 3; i++) {
    await world.dial();
    await world.idle();
  }
  assertEquals(ids, [1, 2, 3]);
  assertEquals(loops.map(({ state }) => state), ["resolved", "resolved"]);
  await assertRejects(
    () => listener.accept(),
    Deno.errors.Interrupted,
    `Cannot accept clients of "${PATH}": it is closed`,
  );
});

inWorld(
  "a client that left before it was accepted is not accepted, unless it sent something",
  async (world) => {
    const listener = world.listen();
    const [silent, speaking] = [await world.dial(), await world.dial()];
    await speaking.send("hello");
    silent.close();
    speaking.close();
    await world.idle();
    const conn = await listener.accept();
    assertEquals(conn.peer.id, 2);
    assertEquals((await collect(conn)).map(text), ["hello"]);
    await world.idle();
    assertEquals(world.reasons, ["peer", "peer"]);
  },
);

inWorld("a client that came and went before the listen is served", async (world) => {
  const listener = world.listen({ instances: 1 });
  const clients = [];
  // The next instance is there before it listens.
  world.kernel.decisions.fails = (call) => {
    if (call === "listen" && clients.length === 0) {
      const client = world.connect();
      clients.push(client);
      client.write("early");
      client.close();
    }
    return undefined;
  };
  await world.dial();
  await world.idle();
  await listener.accept();
  const early = await listener.accept();
  assertEquals((await collect(early)).map(text), ["early"]);
  await world.idle();
  assertEquals(world.reasons, ["peer"]);
});

inWorld(
  "a client that came and went is not kept where nothing can be read of it",
  async (world) => {
    const listener = world.listen({ instances: 1, direction: "write" });
    let came = false;
    world.kernel.decisions.fails = (call) => {
      if (call === "listen" && !came) {
        came = true;
        world.system.connect(PATH, { direction: "read" }).close();
      }
      return undefined;
    };
    await world.dial({ direction: "read" });
    await world.pass(100);
    const conn = await listener.accept();
    assertEquals([conn.peer.id, listener.clients().length], [1, 1]);
    assertEquals(world.reasons, ["peer"]);
    // Its end is not noticed without a write.
    conn.close();
  },
);

// Ends of the listener

inWorld(
  "what nobody has accepted is evicted, for the reason of the listener's end",
  async (world) => {
    for (const reason of ["self", "shutdown", "stopped"] as const) {
      const controller = new AbortController();
      const listener = world.listen({ path: reason, signal: controller.signal });
      const near = await world.dial({ path: reason });
      await near.send("unread");
      await world.idle();
      if (reason === "self") listener.close();
      if (reason === "stopped") controller.abort();
      const report = await listener.shutdown();
      assertEquals(report, { exchanges: 0, evicted: 0, dropped: reason === "shutdown" ? 1 : 0 });
      assertEquals(await near.receive(), null);
    }
    assertEquals(world.reasons, ["self", "shutdown", "stopped"]);
  },
);

inWorld("a stream that is being closed keeps the program running until it is", async (world) => {
  const listener = world.listen({ type: "byte", writeBufferSize: 1 });
  const client = await world.arrived();
  const conn = await listener.accept();
  listener.unref();
  const writer = conn.writable.getWriter();
  await writer.write(new Uint8Array(10));
  const closed = fate(writer.close());
  await world.idle();
  // A write finds the end, and the read does not yet.
  const { kernel } = world;
  kernel.decisions.shows = ({ call }) => call !== "read";
  client.close();
  await world.idle();
  assertEquals([closed.state, kernel.keepsAlive], ["pending", true]);
  for (const read of [...kernel.held]) kernel.deliver(read);
  await world.idle();
  assertEquals([closed.state, kernel.keepsAlive], ["rejected", false]);
  kernel.decisions.shows = () => true;
});

/** The ways to end a listener, by the reasons for which clients are evicted then. */
const ENDS: [CloseReason, (listener: PipeListener, controller: AbortController) => void][] = [
  ["self", (listener) => listener.close()],
  ["shutdown", (listener) => listener.shutdown()],
  ["stopped", (_listener, controller) => controller.abort()],
];

for (const [reason, end] of ENDS) {
  inWorld(
    `no instance takes the place of one whose client is evicted (${reason})`,
    async (world) => {
      const controller = new AbortController();
      // Without a read in flight, an instance is closed at once.
      const options = { direction: "write", instances: 1, signal: controller.signal } as const;
      const listener = world.listen(options);
      for (let clients = 0; clients < 2; clients++) {
        await world.idle();
        world.system.connect(PATH, { direction: "read" });
      }
      await world.idle();
      const creations = failing(world.kernel, "create", Status.NO_SYSTEM_RESOURCES);
      end(listener, controller);
      assertEquals(creations.calls, 0);
      await listener.finished;
      assertEquals(world.reasons, [reason, reason]);
    },
  );
}

for (const [reason, end] of ENDS.slice(0, 2)) {
  for (
    const [how, options] of [["", {}], [" that authorizes", { authorize: () => true }]] as const
  ) {
    inWorld(`who comes while a listener${how} ends is evicted (${reason})`, async (world) => {
      const listener = world.listen({ instances: 1, ...options });
      await world.idle();
      const { decisions } = world.kernel;
      // The listener can keep nobody from connecting.
      failing(world.kernel, "serverProcess", Status.ACCESS_DENIED);
      decisions.cancels = ({ call }) => call !== "listen";
      end(listener, new AbortController());
      const client = world.connect();
      await world.idle();
      assertEquals(client.ended, Status.DISCONNECTED);
      await listener.finished;
      assertEquals(world.reasons, [reason]);
    });
  }
}

inWorld(
  "a client that is not admitted ends for the reason of its listener's end",
  async (world) => {
    const listener = world.listen({ authorize: () => true });
    await world.arrived();
    listener.close();
    await listener.finished;
    assertEquals(world.reasons, ["self"]);
  },
);

inWorld("close() and then shutdown() waits for the connections that go on", async (world) => {
  const { listener, near, far } = await world.pair();
  listener.close();
  listener.close();
  await world.idle();
  assertEquals([far.draining.aborted, listener.clients().length], [false, 1]);
  const report = fate(listener.shutdown({ timeout: 1_000 }));
  const again = fate(listener.shutdown({ timeout: 5 }));
  await world.pass(999);
  assertEquals([far.draining.aborted, report.state], [true, "pending"]);
  await near.send("unread");
  near.close();
  await world.pass(1);
  assertEquals(report.value, { exchanges: 0, evicted: 1, dropped: 1 });
  assertEquals(again.value, report.value);
  assertEquals((await far.closed).reason, "shutdown");
});

inWorld("a shutdown rejects, and does not throw, when its timeout is none", async (world) => {
  const listener = world.listen();
  const rejected = listener.shutdown({ timeout: -1 });
  await assertRejects(() => rejected, RangeError);
  await assertRejects(
    () => Reflect.apply(listener.shutdown, listener, [{ timeout: "1" }]),
    TypeError,
  );
  await listener.shutdown();
});

inWorld("a signal ends connections at once, also one that aborts in onListen", async (world) => {
  for (const when of ["before", "onListen", "later"] as const) {
    const controller = new AbortController();
    if (when === "before") controller.abort();
    const listener = world.listen({
      path: when,
      signal: controller.signal,
      onListen: () => when === "onListen" && controller.abort(),
    });
    const finished = fate(listener.finished);
    const accepting = fate(listener.accept());
    if (when === "later") {
      const near = await world.dial({ path: when });
      await world.idle();
      const loop = fate(collect(accepting.value ?? []));
      const unread = fate(accepting.value?.send(new Uint8Array(100_000)) ?? Promise.resolve());
      await world.idle();
      controller.abort();
      await world.idle();
      assertEquals([loop.value, unread.state, finished.state], [[], "pending", "pending"]);
      assertEquals((await accepting.value?.closed)?.reason, "stopped");
      assertEquals((await near.receive())?.length, 100_000);
    } else {
      await world.idle();
      assertInstanceOf(accepting.error, Deno.errors.Interrupted);
      assertEquals(await collect(listener), []);
    }
    await world.idle();
    assertEquals([finished.state, listener.clients()], ["resolved", []]);
    assertEquals(listener.security === undefined, when === "before");
    listener.close();
    assertEquals(await listener.shutdown(), { exchanges: 0, evicted: 0, dropped: 0 });
  }
});

inWorld("`using` closes a listener, and `await using` shuts it down", async (world) => {
  const conns = [];
  {
    using listener = world.listen({ path: "a" });
    await world.dial({ path: "a" });
    conns.push(await listener.accept());
  }
  {
    await using listener = world.listen({ path: "b" });
    await world.dial({ path: "b" });
    const conn = await listener.accept();
    conns.push(conn);
    conn.draining.addEventListener("abort", () => conn.close());
  }
  assertEquals(conns.map(({ draining }) => draining.aborted), [false, true]);
  conns[0]?.close();
});

inWorld("a listener that cannot go on tells everyone why", async (world) => {
  const { listener, far } = await world.pair();
  const accepting = fate(listener.accept());
  const looping = fate(collect(listener));
  const receiving = fate(far.receive());
  await world.idle();
  world.kernel.decisions.failsWait = () => Status.INVALID_HANDLE;
  await world.dial().catch(() => {});
  await world.idle();
  for (const { error } of [accepting, looping, receiving, fate(listener.finished)]) {
    await world.idle();
    void error;
  }
  await assertRejects(() => listener.finished, WindowsError, "Cannot keep listening on");
  const { reason, error } = await far.closed;
  assertEquals(reason, "error");
  assertInstanceOf(error, WindowsError);
  assertInstanceOf(receiving.error, WindowsError);
  await assertRejects(() => listener.accept(), WindowsError);
  await assertRejects(() => collect(listener), WindowsError);
  world.abandonMemory();
});

inWorld("connections end when the program goes away", async (world) => {
  const { listener, far } = await world.pair();
  const calls = [fate(far.receive()), fate(far.send(new Uint8Array(100_000)))];
  await world.idle();
  world.kernel.unload();
  await world.idle();
  for (const { error } of calls) assertInstanceOf(error, Deno.errors.Interrupted);
  assertEquals((await far.closed).reason, "stopped");
  await assertRejects(() => listener.accept(), Deno.errors.Interrupted);
  world.abandonMemory();
});

// Limits

inWorld("idleTimeout begins anew with each message, and pauses while one waits", async (world) => {
  const { near, far } = await world.pair({ idleTimeout: 100 });
  for (let i = 0; i < 3; i++) {
    await world.pass(99);
    await near.send("x");
    assertEquals(await far.receive({ as: "text" }), "x");
  }
  await near.send("waits");
  await world.pass(1_000);
  assertEquals(await far.receive({ as: "text" }), "waits");
  const waiting = fate(far.receive());
  await world.pass(99);
  assertEquals(waiting.state, "pending");
  await world.pass(1);
  assertInstanceOf(waiting.error, Deno.errors.TimedOut);
  assertEquals(
    waiting.error.message,
    `Closed the connection of a client of "${PATH}": it sent nothing within 100 ms (idleTimeout)`,
  );
  assertEquals(world.reasons, ["idleTimeout"]);
});

inWorld(
  "a client that takes what it is sent is not idle, though more always waits",
  async (world) => {
    const { near, far } = await world.pair({ idleTimeout: 100, writeBufferSize: 0 });
    const sent = Array.from({ length: 6 }, () => fate(far.send("tick")));
    for (let i = 0; i < 5; i++) {
      await world.pass(60);
      assertEquals(await near.receive({ as: "text" }), "tick");
    }
    await world.pass(99);
    assertEquals(sent[5]?.state, "pending");
    await world.pass(1);
    await world.idle();
    assertEquals(
      world.reasons.length === 0 ? (await far.closed).reason : world.reasons[0],
      "idleTimeout",
    );
  },
);

inWorld("idleTimeout and writeTimeout are for each direction of a pipe", async (world) => {
  const writer = await world.pair({ direction: "write", idleTimeout: 100 }, { direction: "read" });
  await world.pass(100);
  assertEquals((await writer.far.closed).reason, "idleTimeout");
  const reader = await world.pair(
    { direction: "read", idleTimeout: 100, path: "r" },
    { direction: "write", path: "r" },
  );
  await world.pass(100);
  assertEquals((await reader.far.closed).reason, "idleTimeout");
});

inWorld("a message longer than maxMessage ends its connection, and no other", async (world) => {
  const { listener, near, far } = await world.pair({ maxMessage: 10 });
  await near.send("1234567890");
  assertEquals((await far.receive())?.length, 10);
  for (const length of [11, 10_000]) {
    const client = await world.dial();
    const conn = await listener.accept();
    const receiving = fate(conn.receive());
    await client.send(new Uint8Array(length)).catch(() => {});
    await world.idle();
    assertInstanceOf(receiving.error, Deno.errors.InvalidData);
    assertEquals(
      receiving.error.message,
      `Cannot read from a client of "${PATH}": a message of ${length} bytes is longer than the ` +
        "limit of 10 (maxMessage)",
    );
    assertEquals(await conn.closed, { reason: "maxMessage", error: receiving.error });
  }
  await near.send("still");
  assertEquals(await far.receive({ as: "text" }), "still");
  assertEquals(world.reasons, ["maxMessage", "maxMessage"]);
});

inWorld("while maxBuffered is used up, long messages wait; and it is given back", async (world) => {
  const listener = world.listen({ maxBuffered: 100_000, readBufferSize: 200_000 });
  const clients = [await world.dial(), await world.dial(), await world.dial()];
  const conns = [];
  for (const client of clients) {
    conns.push(await listener.accept());
    await client.send(new Uint8Array(90_000));
    await world.idle();
  }
  assertEquals(world.held, 90_000);
  conns[0]?.close();
  await world.idle();
  assertEquals(world.held, 90_000);
  assertEquals((await conns[1]?.receive())?.length, 90_000);
  assertEquals((await conns[2]?.receive())?.length, 90_000);
  await world.idle();
  assertEquals(world.held, 0);
});

inWorld(
  "a connection that ends with a long message unread gives its memory back",
  async (world) => {
    for (const ends of ["own", "signal", "shutdown", "write", "partly read"] as const) {
      const controller = new AbortController();
      const { listener, near, far } = await world.pair({
        path: ends,
        signal: controller.signal,
        writeTimeout: 100,
        writeBufferSize: 0,
        readBufferSize: 100_000,
      }, { path: ends });
      await world.idle();
      // The rest of the message is not read before there is memory for it.
      if (ends === "partly read") world.kernel.failNext("read", Status.NO_SYSTEM_RESOURCES);
      near.send(new Uint8Array(90_000)).catch(() => {});
      await world.idle();
      assertEquals(world.held, 90_000);
      if (ends === "own" || ends === "partly read") far.close();
      if (ends === "signal") controller.abort();
      if (ends === "shutdown") void listener.shutdown({ timeout: 0 });
      if (ends === "write") far.send("unread").catch(() => {});
      await world.pass(100);
      assertEquals(world.held, 0);
    }
  },
);

inWorld(
  "a process that has maxPerProcess connections gets no more, and none is shown",
  async (world) => {
    const listener = world.listen({ maxPerProcess: 1 });
    const [first, second] = [await world.dial(), await world.dial()];
    const accepted = [fate(listener.accept()), fate(listener.accept())];
    await world.idle();
    assertEquals(accepted.map(({ value }) => value?.peer.id), [1, undefined]);
    assertEquals(listener.clients().map(({ id }) => id), [1]);
    assertEquals(await second.receive(), null);
    assertEquals(world.reasons, ["maxPerProcess"]);
    first.close();
    await world.idle();
    await world.dial();
    await world.idle();
    assertEquals(accepted[1]?.value?.peer.id, 3);
  },
);

// Who may

inWorld(
  "a client is admitted, or not, by what authorize says, however it says it",
  async (world) => {
    const answers: [string, (() => boolean | Promise<boolean>), boolean][] = [
      ["true", () => true, true],
      ["later", async () => await Promise.resolve(true), true],
      ["false", () => false, false],
      ["throws", () => {
        throw new Error("broken");
      }, false],
      ["rejects", () => Promise.reject(new Error("broken")), false],
    ];
    for (const [path, authorize, admits] of answers) {
      const listener = world.listen({ path, authorize });
      const near = await world.dial({ path });
      const accepting = fate(listener.accept());
      await near.send("let me in");
      await world.idle();
      assertEquals(accepting.state, admits ? "resolved" : "pending", path);
      assertEquals(listener.clients().length, admits ? 1 : 0);
      if (admits) assertEquals(await accepting.value?.receive({ as: "text" }), "let me in");
      else assertEquals(await near.receive(), null);
      listener.close();
      near.close();
      await world.idle();
    }
    assertEquals(world.reasons, ["peer", "peer", "unauthorized", "unauthorized", "unauthorized"]);
    world.reports.length = 0;
  },
);

inWorld("a decision that comes after the end changes nothing", async (world) => {
  for (const ends of ["idle", "shutdown", "stopped", "client"] as const) {
    const controller = new AbortController();
    const decision = Promise.withResolvers<boolean>();
    const listener = world.listen({
      path: ends,
      signal: controller.signal,
      idleTimeout: 100,
      authorize: () => decision.promise,
    });
    const near = await world.dial({ path: ends });
    const accepting = fate(listener.accept());
    await near.send("me");
    await world.idle();
    if (ends === "idle") await world.pass(100);
    if (ends === "shutdown") await listener.shutdown();
    if (ends === "stopped") controller.abort();
    if (ends === "client") near.close();
    await world.idle();
    decision.resolve(true);
    await world.idle();
    if (ends === "client") {
      // What it has sent is still there.
      assertEquals((await collect(accepting.value ?? [])).map(text), ["me"]);
    } else {
      assert(accepting.value === undefined);
      listener.close();
    }
    await world.idle();
  }
  assertEquals(world.reasons, ["idleTimeout", "shutdown", "stopped", "peer"]);
});

inWorld(
  "a client that sends nothing is not asked about, and idleTimeout ends it",
  async (world) => {
    const listener = world.listen({ authorize: () => true, idleTimeout: 100 });
    const [silent, gone] = [await world.dial(), await world.dial()];
    gone.close();
    await world.pass(100);
    assertEquals(await silent.receive(), null);
    assertEquals([world.reasons, listener.clients()], [["peer", "idleTimeout"], []]);
  },
);

inWorld(
  "a shortage while a client is identified is waited out, and loses nothing",
  async (world) => {
    const listener = world.listen({ authorize: () => true });
    const near = await world.dial();
    const short = failing(world.kernel, "openToken", Status.NO_SYSTEM_RESOURCES);
    await near.send("first");
    await world.pass(5);
    assertEquals(listener.clients(), []);
    short.on = false;
    await world.pass(1_000);
    const conn = await listener.accept();
    assertEquals(await conn.receive({ as: "text" }), "first");
    assert(conn.peer.user().sid !== "");
  },
);

inWorld("data that is dropped while a client is identified is counted once", async (world) => {
  for (const authorize of [undefined, () => true]) {
    const listener = world.listen({ authorize, path: `${authorize === undefined}` });
    const near = await world.dial({ path: `${authorize === undefined}` });
    const short = failing(world.kernel, "openToken", Status.NO_SYSTEM_RESOURCES);
    await near.send("first");
    await world.idle();
    const report = fate(listener.shutdown({ timeout: 0 }));
    await world.pass(2_000);
    assertEquals(report.value?.dropped, 1);
    short.on = false;
    near.close();
    await world.idle();
  }
});

// The instance goes on

inWorld("an instance serves the next client after every kind of end", async (world) => {
  const listener = world.listen({
    instances: 1,
    maxInstances: 1,
    maxMessage: 10,
    idleTimeout: 1_000,
    writeTimeout: 500,
    writeBufferSize: 0,
    maxQueued: 10,
  });
  const ends: Partial<Record<CloseReason, (near: PipeConn, far: PipeConn) => void>> = {
    peer: (near) => near.close(),
    self: (_near, far) => far.close(),
    maxMessage: (near) => void near.send(new Uint8Array(11)).catch(() => {}),
    maxQueued: (_near, far) => {
      for (let i = 0; i < 4; i++) far.send(new Uint8Array(9)).catch(() => {});
    },
    idleTimeout: () => {},
    writeTimeout: (_near, far) => void far.send("x").catch(() => {}),
    error: (_near, far) => {
      world.kernel.failNext("write", 1117);
      far.send("x").catch(() => {});
    },
  };
  for (const [reason, end] of Object.entries(ends)) {
    const near = await world.dial();
    const far = await listener.accept();
    await world.idle();
    end(near, far);
    await world.pass(reason === "idleTimeout" ? 1_000 : reason === "writeTimeout" ? 500 : 1);
    assertEquals<string>((await far.closed).reason, reason);
    assert(far.peer.signal.aborted);
    assertEquals(listener.clients(), []);
    near.close();
    await world.pass(10);
  }
  assertEquals<string[]>(world.reasons, Object.keys(ends));
});

inWorld("a listener gets over shortages", async (world) => {
  const { listener, near, far } = await world.pair();
  for (const call of ["create", "listen", "read"] as const) {
    world.kernel.failNext(call, Status.NO_SYSTEM_RESOURCES);
    await near.send(call);
    assertEquals(await far.receive({ as: "text" }), call);
    await near.send("again");
    await world.pass(1_000);
    assertEquals(await far.receive({ as: "text" }), "again");
    const other = await world.dial();
    await world.pass(1_000);
    (await listener.accept()).close();
    other.close();
  }
  world.kernel.failNext("write", Status.NOT_SUBMITTED);
  const sent = fate(far.send("written"));
  await world.pass(1_000);
  assertEquals([sent.state, await near.receive({ as: "text" })], ["resolved", "written"]);
  // What Windows refuses for want of memory may have been delivered in part.
  world.kernel.failNext("write", Status.NO_SYSTEM_RESOURCES);
  await assertRejects(() => far.send("x"), WindowsError, "WriteFile, error 1450");
  assertEquals((await far.closed).reason, "error");
});

inWorld("onDisconnect is called once for each connection, with its client", async (world) => {
  const listener = world.listen();
  const nears = [await world.dial(), await world.dial(), await world.dial()];
  const fars = [await listener.accept(), await listener.accept(), await listener.accept()];
  nears[0]?.close();
  await world.idle();
  fars[1]?.close();
  nears[1]?.close();
  await world.idle();
  fars[0]?.close();
  void listener.shutdown({ timeout: 0 });
  await world.pass(0);
  assertEquals(world.ends.map(({ client, reason }) => [client.id, reason]), [
    [1, "peer"],
    [2, "self"],
    [3, "shutdown"],
  ]);
  assertEquals<ClientInfo[]>(world.ends.map(({ client }) => client), fars.map(({ peer }) => peer));
});

// Clients of any kind

inWorld("a raw client of one direction is served like any other", async (world) => {
  const reading = world.listen({ direction: "read" });
  const writer = world.system.connect(PATH, { direction: "write" });
  await world.idle();
  const from = await reading.accept();
  writer.write("one");
  writer.close();
  assertEquals((await collect(from)).map(text), ["one"]);
  const writing = world.listen({ direction: "write", path: "w" });
  const reader = world.system.connect(`${PATH.slice(0, -4)}w`, { direction: "read" });
  await world.idle();
  const to = await writing.accept();
  await to.send("two");
  assertEquals(reader.readText(), "two");
  reader.close();
  await assertRejects(() => to.send("x"), Deno.errors.BrokenPipe);
  await world.idle();
  assertEquals(world.reasons, ["peer", "peer"]);
});

inWorld("the errors of what cannot be sent any more", async (world) => {
  const { near, far } = await world.pair({ writeBufferSize: 0, writeTimeout: 500 });
  const sent = [fate(far.send("a")), fate(far.send("b"))];
  await world.pass(500);
  for (const { error } of sent) {
    assertInstanceOf(error, Deno.errors.TimedOut);
    assertEquals(
      error.message,
      `Closed the connection of a client of "${PATH}": it did not read a message within 500 ms ` +
        "(writeTimeout)",
    );
  }
  near.close();
  const { far: closing } = await world.pair({ path: "c", writeBufferSize: 0 }, { path: "c" });
  const waiting = fate(closing.send("a"));
  await world.idle();
  closing.close();
  await world.idle();
  assertInstanceOf(waiting.error, Deno.errors.Interrupted);
  assertEquals(
    waiting.error.message,
    `Cannot send to a client of "${PATH.slice(0, -4)}c": the server ended the connection`,
  );
});

inWorld("a write that finds the end tells of it, though a message waits unread", async (world) => {
  const { listener, near, far } = await world.pair();
  const closed = fate(far.closed);
  await near.send("one");
  await near.send("two");
  near.close();
  await world.idle();
  assertEquals([closed.state, listener.clients().length], ["pending", 1]);
  await assertRejects(() => far.send("late"), Deno.errors.BrokenPipe);
  assertEquals(closed.value, { reason: "peer" });
  assert(far.peer.signal.aborted);
  assertEquals(listener.clients(), []);
  // Nothing is lost.
  assertEquals((await collect(far)).map(text), ["one", "two"]);
  await world.idle();
  assertEquals(world.reasons, ["peer"]);
});

/** A connection whose read waits for room, since a message to another one holds it all. */
async function withoutRoom(world: World) {
  const options = { maxBuffered: 50_000, readBufferSize: 100_000 };
  const { listener, near: other, far: holder } = await world.pair(options);
  const near = await world.dial();
  const far = await listener.accept();
  await other.send(new Uint8Array(60_000));
  await world.idle();
  await near.send("received");
  await near.send("unread");
  assertEquals(await far.receive({ as: "text" }), "received");
  return { listener, near, far, holder };
}

/** A connection with a message that nobody receives. */
async function unreceived(world: World) {
  const { near, far } = await world.pair();
  await near.send("unread");
  return { near, far };
}

for (
  const [what, connected] of [
    ["a message waits unread", unreceived],
    ["its read waits for room in maxBuffered", withoutRoom],
  ] as const
) {
  inWorld(`a connection ends when nobody reads its last message, though ${what}`, async (world) => {
    const { near, far } = await connected(world);
    const sent = fate(far.send(new Uint8Array(100_000)));
    const disposing = fate(far[Symbol.asyncDispose]());
    await world.idle();
    assertEquals([sent.state, disposing.state], ["pending", "pending"]);
    near.close();
    await world.idle();
    assertInstanceOf(sent.error, Deno.errors.BrokenPipe);
    assertEquals([disposing.state, world.reasons], ["resolved", ["peer"]]);
  });
}

inWorld("a write that finds the end tells of it, though a read waits for room", async (world) => {
  const { listener, near, far, holder } = await withoutRoom(world);
  const closed = fate(far.closed);
  near.close();
  await world.idle();
  assertEquals(closed.state, "pending");
  await assertRejects(() => far.send("late"), Deno.errors.BrokenPipe);
  assertEquals([closed.value, far.peer.signal.aborted], [{ reason: "peer" }, true]);
  assertEquals(await far.closed, { reason: "peer" });
  assertEquals(listener.clients(), [holder.peer]);
  // Nothing is lost.
  await holder.receive();
  assertEquals((await collect(far)).map(text), ["unread"]);
});
