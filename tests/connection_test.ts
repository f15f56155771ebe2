/** What holds for a connection at both ends of a pipe. */

import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import type { ConnectOptions } from "../src/client/connect.ts";
import { Status } from "../src/kernel/status.ts";
import type { ListenOptions } from "../src/listen/options.ts";
import type { Framing } from "../src/options/framing.ts";
import { lengthPrefixed } from "../src/pipe/framing/length_prefixed.ts";
import { lines } from "../src/pipe/framing/lines.ts";
import type { PipeConn } from "../src/pipe/pipe_conn.ts";
import { type Fate, fate, inWorld, PATH, text, type World } from "./fixture.ts";

const encoder = new TextEncoder();

type Side = "client" | "server";

/** What a test gets of a connection: one end to try, and the other one. */
type Pair = (
  listen?: Partial<ListenOptions>,
  connect?: Partial<ConnectOptions>,
) => Promise<{ conn: PipeConn; other: PipeConn }>;

/** A test of a connection, at each end of a pipe. */
function atBothEnds(
  name: string,
  body: (world: World, pair: Pair, side: Side) => Promise<void>,
): void {
  for (const side of ["client", "server"] as const) {
    inWorld(`${name} (${side})`, async (world) => {
      await body(world, async (listen, connect) => {
        const { near, far } = await world.pair(listen, connect);
        return side === "client" ? { conn: near, other: far } : { conn: far, other: near };
      }, side);
    });
  }
}

/** A pipe whose writes wait until they are read. */
const UNBUFFERED = { readBufferSize: 0, writeBufferSize: 0 };

async function receiveTexts(conn: PipeConn, count: number): Promise<(string | null)[]> {
  const texts = [];
  for (let i = 0; i < count; i++) texts.push(await conn.receive({ as: "text" }));
  return texts;
}

// Full duplex and order

atBothEnds("a read and a write do not wait for each other", async (world, pair) => {
  const { conn, other } = await pair(UNBUFFERED);
  // A server has taken this one before it is asked to.
  void conn.send("first");
  const received = fate(conn.receive({ as: "text" }));
  const sent = fate(conn.send("stuck"));
  await world.idle();
  assertEquals([received.state, sent.state], ["pending", "pending"]);
  const back = fate(other.send("back"));
  await world.idle();
  assertEquals([received.value, sent.state, back.state], ["back", "pending", "resolved"]);
  assertEquals(await receiveTexts(other, 2), ["first", "stuck"]);
  await world.idle();
  assertEquals(sent.state, "resolved");
});

atBothEnds("calls take effect in the order in which they were made", async (_world, pair) => {
  const { conn, other } = await pair();
  const calls = [
    conn.send("1"),
    conn.request("2", { as: "text" }),
    conn.send("3"),
    conn.request("4", { as: "text" }),
    conn.send("5"),
    conn.receive({ as: "text" }),
  ];
  assertEquals(await receiveTexts(other, 3), ["1", "2", "3"]);
  await other.send("answer to 2");
  assertEquals(await receiveTexts(other, 2), ["4", "5"]);
  await other.send("answer to 4");
  await other.send("more");
  assertEquals(await Promise.all(calls), [
    undefined,
    "answer to 2",
    undefined,
    "answer to 4",
    undefined,
    "more",
  ]);
});

inWorld(
  "a server reads one message ahead, a client none unless `closed` is asked for",
  async (world) => {
    const { near, far } = await world.pair(UNBUFFERED);
    const states = async (from: PipeConn) => {
      const sent = ["a", "b"].map((message) => fate(from.send(message)));
      await world.idle();
      return sent.map(({ state }) => state);
    };
    assertEquals(await states(near), ["resolved", "pending"]);
    assertEquals(await states(far), ["pending", "pending"]);
    void near.closed;
    await world.idle();
    assertEquals(far.queued, 1);
    assertEquals([await near.receive({ as: "text" }), await far.receive({ as: "text" })], [
      "a",
      "a",
    ]);
  },
);

atBothEnds("request() is refused while a call receives, and sends nothing", async (world, pair) => {
  const { conn, other } = await pair();
  const receiving = fate(conn.receive({ as: "text" }));
  await assertRejects(() => conn.request("x"), TypeError, "a receive() or a loop that waits");
  await other.send("y");
  await world.idle();
  assertEquals(receiving.value, "y");
  const request = fate(conn.request("z", { as: "text" }));
  assertEquals(await other.receive({ as: "text" }), "z");
  await other.send("answer");
  await world.idle();
  assertEquals(request.value, "answer");
});

// Misuse

atBothEnds("every misuse rejects, and nothing throws", async (_world, pair) => {
  const { conn, other } = await pair();
  const wrong: { [key: string]: unknown }[] = [{ as: "xml" }, { signal: 1 }];
  const calls: (() => Promise<unknown>)[] = [
    ...wrong.flatMap((options) => [
      () => conn.receive(options),
      () => conn.request("x", options),
    ]),
    () => Reflect.apply(conn.send, conn, [null]),
    () => Reflect.apply(conn.send, conn, ["x", { signal: "now" }]),
    () => Reflect.apply(conn.request, conn, [7]),
    () => Reflect.apply(conn.receive, conn, [null]),
    () => Reflect.apply(conn.read, conn, ["x"]),
    () => Reflect.apply(conn.write, conn, ["x"]),
  ];
  for (const call of calls) {
    const promise = call();
    assertInstanceOf(promise, Promise);
    await assertRejects(() => promise, TypeError);
  }
  await assertRejects(() => conn.closeWrite(), Deno.errors.NotSupported, "halfClose");
  // Nothing was sent.
  conn.close();
  assertEquals(await other.receive(), null);
});

atBothEnds("each direction is used in one way", async (_world, pair) => {
  const uses = {
    messages: [(conn: PipeConn) => conn.receive(), (conn: PipeConn) => conn.send("x")],
    bytes: [
      (conn: PipeConn) => conn.read(new Uint8Array(1)),
      (conn: PipeConn) => conn.write(new Uint8Array(1)),
    ],
    stream: [
      async (conn: PipeConn) => await conn.readable.getReader().read(),
      async (conn: PipeConn) => await conn.writable.getWriter().write(new Uint8Array(1)),
    ],
  } as const;
  for (const [first, [receive, send]] of Object.entries(uses)) {
    const { conn, other } = await pair({ path: first }, { path: first });
    await send(conn);
    await other.send("y");
    await receive(conn);
    for (const [second, others] of Object.entries(uses)) {
      if (second === first) continue;
      for (const use of others) await assertRejects(() => use(conn), TypeError, " already");
    }
    conn.close();
  }
});

inWorld("a pipe of one direction refuses the other one", async (world) => {
  for (const direction of ["read", "write"] as const) {
    const opposite = direction === "read" ? "write" : "read";
    const { near, far } = await world.pair({ direction }, { direction: opposite });
    const [reads, writes]: [PipeConn, PipeConn] = direction === "read" ? [far, near] : [near, far];
    const words = "it is open in the other direction only";
    await assertRejects(() => reads.send("x"), TypeError, words);
    await assertRejects(() => reads.write(new Uint8Array(1)), TypeError, words);
    await assertRejects(() => reads.request("x"), TypeError, words);
    await assertRejects(() => writes.receive(), TypeError, words);
    await assertRejects(() => writes.read(new Uint8Array(1)), TypeError, words);
    await assertRejects(() => writes.request("x"), TypeError, words);
    await assertRejects(async () => await writes.readable.cancel(), TypeError, words);
    await writes.send("one way");
    assertEquals(await reads.receive({ as: "text" }), "one way");
    writes.close();
    assertEquals(await reads.receive(), null);
    await world.close();
  }
});

inWorld("an end that only writes sees the other one's end with its next write", async (world) => {
  const { near, far } = await world.pair({ direction: "write" }, { direction: "read" });
  const closed = fate(far.closed);
  near.close();
  await world.idle();
  assertEquals([closed.state, far.peer.signal.aborted], ["pending", false]);
  await assertRejects(() => far.send("x"), Deno.errors.BrokenPipe);
  await world.idle();
  assertEquals(closed.value, { reason: "peer" });
  assert(far.peer.signal.aborted);
  assertEquals(world.reasons, ["peer"]);
});

// Receiving

atBothEnds(
  "a message is decoded as it is asked for, and bad JSON is the call's",
  async (_world, pair) => {
    const { conn, other } = await pair();
    for (const message of ['{"a":1}', "é", "[1", "null"]) await other.send(message);
    assertEquals(await conn.receive({ as: "json" }), { a: 1 });
    assertEquals(await conn.receive({ as: "text" }), "é");
    await assertRejects(() => conn.receive({ as: "json" }), SyntaxError);
    assertEquals(await conn.receive({ as: "json" }), null);
    other.close();
    assertStrictEquals(await conn.receive({ as: "json" }), undefined);
    assertStrictEquals(await conn.receive({ as: "text" }), null);
  },
);

atBothEnds("a receive() that is aborted forgets only itself", async (world, pair) => {
  const { conn, other } = await pair();
  const controller = new AbortController();
  const aborted = fate(conn.receive({ signal: controller.signal }));
  const next = fate(conn.receive({ as: "text" }));
  await world.idle();
  const reason = new Error("no");
  controller.abort(reason);
  await world.idle();
  assertStrictEquals(aborted.error, reason);
  await other.send("a");
  await world.idle();
  assertEquals(next.value, "a");
});

atBothEnds("a message that comes while a receive() is aborted is not lost", async (world, pair) => {
  for (const type of ["message", "byte"] as const) {
    const framing = type === "byte" ? lines() : undefined;
    const { conn, other } = await pair({ type, framing, path: type }, { framing, path: type });
    for (let i = 0; i < 3; i++) {
      const controller = new AbortController();
      const aborted = fate(conn.receive({ signal: controller.signal }));
      await world.idle();
      // The read completes in the same turn in which it is cancelled.
      const sent = other.send(`message ${i}`);
      controller.abort();
      await sent;
      assertEquals(await conn.receive({ as: "text" }), `message ${i}`);
      assertEquals(aborted.state, "rejected");
    }
  }
});

atBothEnds("read() calls are served in their order, and lose nothing", async (world, pair) => {
  const { conn, other } = await pair({ type: "byte" });
  const [one, two, none] = [new Uint8Array(2), new Uint8Array(3), new Uint8Array(0)];
  const reading = [fate(conn.read(one)), fate(conn.read(none)), fate(conn.read(two))];
  await other.write(encoder.encode("abcdef"));
  await world.idle();
  assertEquals(reading.map(({ value }) => value), [2, 0, 3]);
  assertEquals([text(one), text(two)], ["ab", "cde"]);
  // Memory that is detached by the time takes nothing.
  const detached = new Uint8Array(1);
  const failing = conn.read(detached);
  structuredClone(detached, { transfer: [detached.buffer] });
  assertEquals(await failing.catch(() => 0), 0);
  const shared = new Uint8Array(new SharedArrayBuffer(9));
  assertEquals(await conn.read(shared), 1);
  assertEquals(shared[0], "f".charCodeAt(0));
  other.close();
  assertEquals(await conn.read(one), null);
  assertEquals(await conn.read(none), 0);
});

// Sending

atBothEnds("write() takes all of its bytes, as they are at the call", async (world, pair) => {
  const { conn, other } = await pair({ type: "byte", ...UNBUFFERED });
  const chunks = [200_000, 5, 0, 70_000, 3].map((length, i) =>
    new Uint8Array(length).map((_, at) => at * 3 + i)
  );
  const expected = await new Blob(chunks).bytes();
  const writing = chunks.map((chunk) => fate(conn.write(chunk)));
  assertEquals(conn.queued, expected.length);
  await world.idle();
  for (const chunk of chunks) chunk.fill(0xee);
  const received = new Uint8Array(expected.length);
  for (let at = 0; at < received.length;) {
    at += await other.read(received.subarray(at)) ?? 0;
  }
  assertEquals(received, expected);
  await world.idle();
  assertEquals(writing.map(({ value }) => value), chunks.map(({ length }) => length));
  assertEquals(conn.queued, 0);
});

atBothEnds("a send() that is aborted before it was sent is forgotten", async (world, pair) => {
  const framing = lengthPrefixed();
  for (const type of ["message", "byte"] as const) {
    const options = type === "byte" ? { framing, path: type } : { path: type };
    const { conn, other } = await pair({ ...UNBUFFERED, ...options }, options);
    const controller = new AbortController();
    const { signal } = controller;
    // The server reads one message ahead.
    const first = ["0", "1"].map((message) => fate(conn.send(message)));
    await world.idle();
    const aborted = fate(conn.send("aborted", { signal }));
    const last = fate(conn.send("last"));
    await world.idle();
    controller.abort();
    await world.idle();
    assertInstanceOf(aborted.error, DOMException);
    assertEquals(await receiveTexts(other, 3), ["0", "1", "last"]);
    await world.idle();
    assert([...first, last].every(({ state }) => state === "resolved"));
  }
});

atBothEnds(
  "a send() that is aborted while it is written closes the connection",
  async (world, pair) => {
    for (const type of ["message", "byte"] as const) {
      const framing = type === "byte" ? { framing: lengthPrefixed() } : {};
      const { conn } = await pair(
        { ...UNBUFFERED, ...framing, path: type },
        { ...framing, path: type },
      );
      const controller = new AbortController();
      const { signal } = controller;
      // The server reads one message ahead, or one chunk.
      const sent = ["first", "second"].map((message) => fate(conn.send(message, { signal })));
      const later = fate(conn.send("later"));
      await world.idle();
      const reason = new Error("no");
      controller.abort(reason);
      await world.idle();
      assertStrictEquals(sent.find(({ state }) => state === "rejected")?.error, reason);
      assertInstanceOf(later.error, Deno.errors.Interrupted);
      assertEquals((await conn.closed).reason, "self");
    }
  },
);

atBothEnds(
  "send()s that are aborted together before anything is written are forgotten",
  async (world, pair) => {
    const { conn, other } = await pair({ type: "byte", framing: lines() }, { framing: lines() });
    const controller = new AbortController();
    const { signal } = controller;
    // Memory is short, so that nothing is submitted.
    world.kernel.decisions.fails = (call) => call === "write" ? Status.NOT_SUBMITTED : undefined;
    const aborted = ["a", "b", "c"].map((message) => fate(conn.send(message, { signal })));
    const kept = fate(conn.send("kept"));
    await world.pass(3);
    controller.abort();
    world.kernel.decisions.fails = () => undefined;
    await world.pass(100);
    assertEquals(aborted.map(({ state }) => state), ["rejected", "rejected", "rejected"]);
    assertEquals(kept.state, "resolved");
    assertEquals(await other.receive({ as: "text" }), "kept");
  },
);

atBothEnds(
  "a request() that is aborted before it was sent does not hold up others",
  async (world, pair) => {
    const { conn, other } = await pair(UNBUFFERED);
    const sent = ["0", "1"].map((message) => fate(conn.send(message)));
    await world.idle();
    const controller = new AbortController();
    const aborted = fate(conn.request("aborted", { signal: controller.signal }));
    const answer = fate(conn.request("next", { as: "text" }));
    await world.idle();
    controller.abort();
    assertEquals(await receiveTexts(other, 3), ["0", "1", "next"]);
    await other.send("answer");
    await world.idle();
    assertEquals([aborted.state, answer.value], ["rejected", "answer"]);
    assert(sent.every(({ state }) => state === "resolved"));
  },
);

atBothEnds(
  "a request() that is aborted after it was sent closes the connection",
  async (world, pair) => {
    const { conn, other } = await pair();
    const controller = new AbortController();
    const aborted = fate(conn.request("question", { signal: controller.signal }));
    assertEquals(await other.receive({ as: "text" }), "question");
    const reason = new Error("no");
    controller.abort(reason);
    await world.idle();
    assertStrictEquals(aborted.error, reason);
    assertEquals((await conn.closed).reason, "self");
    assertEquals(await other.receive(), null);
  },
);

// Half-close

const HALF_CLOSE = { halfClose: "empty-message" } as const;

atBothEnds("after closeWrite() nothing can be sent, and reading goes on", async (world, pair) => {
  const { conn, other } = await pair(HALF_CLOSE, HALF_CLOSE);
  const sent = conn.send("last");
  const closing = [conn.closeWrite(), conn.closeWrite()];
  const words = "closeWrite() was called";
  await assertRejects(() => conn.send("x"), TypeError, words);
  await assertRejects(() => conn.request("x"), TypeError, words);
  await Promise.all([sent, ...closing]);
  assertEquals(await receiveTexts(other, 2), ["last", null]);
  await assertRejects(() => other.request("x"), Deno.errors.BrokenPipe);
  await other.send("answer");
  assertEquals(await receiveTexts(conn, 1), ["answer"]);
  const over = [fate(conn.closed), fate(other.closed)];
  await other.closeWrite();
  await world.idle();
  assertEquals(over.map(({ state }) => state), ["resolved", "resolved"]);
  assertEquals(await conn.receive(), null);
});

atBothEnds(
  "with halfClose, write() of no bytes is nothing, and after closeWrite() a TypeError",
  async (_world, pair) => {
    const { conn, other } = await pair(HALF_CLOSE, HALF_CLOSE);
    assertEquals(await conn.write(new Uint8Array(0)), 0);
    assertEquals(await conn.write(encoder.encode("x")), 1);
    await conn.closeWrite();
    for (const length of [0, 1]) {
      await assertRejects(() => conn.write(new Uint8Array(length)), TypeError, "closeWrite()");
    }
    assertEquals(await receiveTexts(other, 2), ["x", null]);
  },
);

atBothEnds("what comes after the end of a direction is dropped", async (world, pair, side) => {
  const { conn, other } = await pair(HALF_CLOSE);
  void side;
  if (side === "client") return;
  // The other end knows nothing of halfClose.
  for (const message of ["a", "", "b", "c"]) await other.send(message);
  assertEquals(await receiveTexts(conn, 2), ["a", null]);
  await world.idle();
  assertEquals(await conn.receive(), null);
  await conn.send("still");
  assertEquals(await other.receive({ as: "text" }), "still");
  other.close();
  assertEquals(await conn.closed, { reason: "peer" });
});

atBothEnds(
  "an end that only writes sees that the other has left after its empty message",
  async (world, pair) => {
    const { conn, other } = await pair(HALF_CLOSE, HALF_CLOSE);
    const closed = fate(conn.closed);
    await other.closeWrite();
    other.close();
    await world.idle();
    assertEquals(closed.value, { reason: "peer" });
  },
);

atBothEnds(
  "requests are over with the direction of their answers, and hold nothing up",
  async (world, pair) => {
    const { conn, other } = await pair(HALF_CLOSE, HALF_CLOSE);
    const requests = [fate(conn.request("a")), fate(conn.request("b"))];
    const sent = fate(conn.send("c"));
    assertEquals(await other.receive({ as: "text" }), "a");
    await other.closeWrite();
    await world.idle();
    for (const { error } of requests) assertInstanceOf(error, Deno.errors.BrokenPipe);
    assertEquals(sent.state, "resolved");
    assertEquals(await other.receive({ as: "text" }), "c");
  },
);

// The end

atBothEnds("`closed` tells of the end at once, unless a message waits", async (world, pair) => {
  for (const waits of [false, true]) {
    const path = `${waits}`;
    const { conn, other } = await pair({ path }, { path });
    const closed = fate(conn.closed);
    if (waits) await other.send("unread");
    other.close();
    await world.idle();
    assertEquals(closed.state, waits ? "pending" : "resolved");
    if (waits) assertEquals(await conn.receive({ as: "text" }), "unread");
    await world.idle();
    assertEquals(closed.value, { reason: "peer" });
    assertEquals(await conn.receive(), null);
  }
});

atBothEnds(
  "a write that finds the end tells of it, once the last message is received",
  async (world, pair) => {
    const { conn, other } = await pair();
    for (const message of ["a", "b"]) await other.send(message);
    other.close();
    await world.idle();
    await assertRejects(() => conn.send("x"), Deno.errors.BrokenPipe);
    assertEquals(await receiveTexts(conn, 2), ["a", "b"]);
    await world.idle();
    // Nobody has asked for the end, and everything is released.
    assertEquals(world.kernel.leftovers().open, world.system.count(PATH).listening);
    assertEquals(await conn.closed, { reason: "peer" });
  },
);

atBothEnds(
  "a loop ends quietly with its connection, and break leaves it open",
  async (world, pair) => {
    for (const ends of ["other", "own", "dispose"] as const) {
      const { conn, other } = await pair({ path: ends }, { path: ends });
      await other.send("1");
      for await (const message of conn) {
        assertEquals(text(message), "1");
        break;
      }
      await other.send("2");
      const rest = fate((async () => {
        const all = [];
        for await (const message of conn.messages({ as: "text" })) all.push(message);
        return all;
      })());
      await world.idle();
      if (ends === "other") other.close();
      else if (ends === "own") conn.close();
      else conn[Symbol.dispose]();
      await world.idle();
      assertEquals(rest.value, ["2"]);
    }
  },
);

atBothEnds("close() withdraws what waits, and twice is harmless", async (world, pair, side) => {
  const { conn, other } = await pair(UNBUFFERED);
  const calls = [fate(conn.send("a")), fate(conn.send("b")), fate(conn.receive())];
  await world.idle();
  conn.close();
  conn.close();
  conn[Symbol.dispose]();
  await conn[Symbol.asyncDispose]();
  // The server has read one ahead.
  const taken: Fate<void>["state"] = side === "client" ? "resolved" : "rejected";
  assertEquals(calls.map(({ state }) => state), [taken, "rejected", "rejected"]);
  assertEquals(await other.receive({ as: "text" }), side === "client" ? "a" : null);
  assertEquals(conn.queued, 0);
  for (const { state, error } of calls) {
    if (state === "rejected") assertInstanceOf(error, Deno.errors.Interrupted);
  }
});

atBothEnds("`await using` writes what is queued", async (world, pair) => {
  const { conn, other } = await pair(UNBUFFERED);
  const sent = ["a", "b", "c"].map((message) => fate(conn.send(message)));
  const disposing = fate(conn[Symbol.asyncDispose]());
  await world.idle();
  assertEquals(disposing.state, "pending");
  await assertRejects(() => conn.send("late"), Deno.errors.Interrupted);
  assertEquals(await receiveTexts(other, 4), ["a", "b", "c", null]);
  await world.idle();
  assertEquals(disposing.state, "resolved");
  assert(sent.every(({ state }) => state === "resolved"));
  assertEquals((await conn.closed).reason, "self");
});

atBothEnds("`await using` writes what waits for an answer before it", async (world, pair) => {
  const { conn, other } = await pair();
  const answers = ["1", "2"].map((message) => fate(conn.request(message, { as: "text" })));
  const sent = fate(conn.send("3"));
  const disposing = fate(conn[Symbol.asyncDispose]());
  for (const i of ["1", "2"]) {
    assertEquals(await other.receive({ as: "text" }), i);
    await world.idle();
    assertEquals(
      [disposing.state, sent.state],
      i === "1" ? ["pending", "pending"] : ["resolved", "resolved"],
    );
    if (i === "1") await other.send("one");
  }
  assertEquals(answers[0]?.value, "one");
  assertInstanceOf(answers[1]?.error, Deno.errors.Interrupted);
  assertEquals(await receiveTexts(other, 2), ["3", null]);
});

atBothEnds("`await using` gives up after writeTimeout, or 10 s", async (world, pair) => {
  for (const [writeTimeout, limit] of [[300, 300], [Infinity, 10_000]] as const) {
    const path = `${limit}`;
    const { conn } = await pair({ ...UNBUFFERED, writeTimeout, path }, { writeTimeout, path });
    const sent = ["a", "b"].map((message) => fate(conn.send(message)));
    await world.idle();
    const disposing = fate(conn[Symbol.asyncDispose]());
    await world.pass(limit - 1);
    assertEquals(disposing.state, "pending");
    await world.pass(1);
    assertEquals(disposing.state, "resolved");
    assertEquals(sent[1]?.state, "rejected");
  }
});

// Framing

atBothEnds(
  "frames are cut from any bytes, and the last may be cut off",
  async (world, pair, side) => {
    const framed = { framing: lines() };
    const { conn, other } = await pair(
      { type: "byte", ...(side === "server" ? framed : {}) },
      side === "client" ? framed : {},
    );
    const received = fate(receiveTexts(conn, 3));
    for (const chunk of ["on", "e\n\ntw", "o\nthr"]) {
      await other.write(encoder.encode(chunk));
      await world.idle();
    }
    assertEquals(received.value, ["one", "", "two"]);
    other.close();
    await assertRejects(
      () => conn.receive(),
      Deno.errors.InvalidData,
      "the stream ended within it",
    );
    const { reason, error } = await conn.closed;
    assertEquals(reason, "error");
    assertInstanceOf(error, Deno.errors.InvalidData);
  },
);

atBothEnds(
  "a frame that is too long ends the connection after those before it",
  async (world, pair, side) => {
    const framed = { framing: lines(), maxMessage: 3 };
    const { conn, other } = await pair(
      { type: "byte", ...(side === "server" ? framed : {}) },
      side === "client" ? framed : {},
    );
    await other.write(encoder.encode("one\nlong"));
    await world.idle();
    assertEquals(await conn.receive({ as: "text" }), "one");
    await assertRejects(() => conn.receive(), Deno.errors.InvalidData, "(maxMessage)");
    assertEquals((await conn.closed).reason, "maxMessage");
  },
);

atBothEnds("on a message pipe, frames and messages need not match", async (_world, pair, side) => {
  const framed = { framing: lines() };
  const { conn, other } = await pair(
    { type: "message", ...(side === "server" ? framed : {}) },
    side === "client" ? framed : {},
  );
  for (const part of ["o", "ne\ntwo\n", "", "three\n"]) await other.send(part);
  assertEquals(await receiveTexts(conn, 3), ["one", "two", "three"]);
  await conn.send("four");
  assertEquals(await other.receive({ as: "text" }), "four\n");
});

atBothEnds(
  "a message that cannot be framed is refused, and the connection stays",
  async (_world, pair) => {
    const framing = lines();
    const { conn, other } = await pair({ framing }, { framing });
    await assertRejects(() => conn.send("a\nb"), TypeError, "line feed");
    await conn.send("fine");
    assertEquals(await other.receive({ as: "text" }), "fine");
  },
);

inWorld("the name, the type, and what is queued", async (world) => {
  const { near, far } = await world.pair({ type: "byte", ...UNBUFFERED });
  assertEquals([near.path, far.path, near.type, far.type], [PATH, PATH, "byte", "byte"]);
  void far.write(encoder.encode("12345"));
  assertEquals([near.queued, far.queued], [0, 5]);
  assertEquals(await near.read(new Uint8Array(9)), 5);
  await world.idle();
  assertEquals(far.queued, 0);
  assertFalse(near.draining.aborted);
});

atBothEnds("the errors of a connection say which one, and why", async (world, pair, side) => {
  const prefix = side === "server"
    ? `Cannot use the connection of a client of "${PATH}": `
    : `Cannot use the connection to "${PATH}": `;
  const words = async (call: () => Promise<unknown>) => {
    const error = await assertRejects(call);
    assertInstanceOf(error, Error);
    assert(error.message.startsWith(prefix), error.message);
    return error.message.slice(prefix.length);
  };
  const { conn, other } = await pair();
  assertEquals(
    await words(() => conn.closeWrite()),
    'closeWrite() needs halfClose: "empty-message"',
  );
  await other.send("x");
  await conn.read(new Uint8Array(1));
  assertEquals(
    await words(() => conn.receive()),
    "this direction is used by read() or write() already",
  );
  other.close();
  await conn.closed;
  await world.idle();
  assertEquals(
    await words(() => conn.send("x")),
    "the other end was closed (ReadFile, error 109)",
  );
  const half = await pair({ ...HALF_CLOSE, path: "half" }, { ...HALF_CLOSE, path: "half" });
  half.conn.close();
  await assertRejects(() => half.conn.receive(), Deno.errors.Interrupted, "it is closed");
});

atBothEnds(
  "what the program's own framing throws rejects a send, or ends the connection",
  async (_world, pair, side) => {
    const broken = new Error("broken");
    const fails = (): never => {
      throw broken;
    };
    const framing: Framing = { encode: fails, decoder: () => ({ push: fails, end: () => [] }) };
    const { conn, other } = await pair(
      { type: "byte", ...(side === "server" ? { framing } : {}) },
      side === "client" ? { framing } : {},
    );
    assertStrictEquals(await assertRejects(() => conn.send("x")), broken);
    await other.write(encoder.encode("x"));
    const error = await assertRejects(() => conn.receive(), Deno.errors.InvalidData);
    const of = side === "server" ? `of a client of "${PATH}"` : `to "${PATH}"`;
    assertEquals(error.message, `Closed the connection ${of}: broken`);
    assertStrictEquals(error.cause, broken);
    assertEquals(await conn.closed, { reason: "error", error });
  },
);

inWorld("the program at the other end is looked up when it is first asked for", async (world) => {
  const { near, far, listener } = await world.pair();
  const late = await world.pair({ path: "late" }, { path: "late" });
  const { process } = world.kernel;
  world.system.processes.setProgram(process, { path: "C:\\first.exe", began: 0 });
  assertEquals([near, far].map(({ peer }) => peer.executable()), [
    "C:\\first.exe",
    "C:\\first.exe",
  ]);
  world.system.processes.setProgram(process, undefined);
  assertEquals([near, far].map(({ peer }) => peer.executable()), [
    "C:\\first.exe",
    "C:\\first.exe",
  ]);

  world.system.processes.setProgram(process, { path: "C:\\first.exe", began: 0 });
  for (const conn of [near, far, late.near, late.far]) conn.close();
  await Promise.all([listener.shutdown(), late.listener.shutdown()]);
  await world.idle();
  assertFalse(world.running);
  assertEquals([late.near, late.far].map(({ peer }) => peer.executable()), [undefined, undefined]);
  assertEquals(near.peer.executable(), "C:\\first.exe");
});
