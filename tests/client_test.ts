import { mock } from "node:test";
import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  fail,
} from "@std/assert";
import { connectOn, type ConnectOptions } from "../src/client/connect.ts";
import type { PipeConn } from "../src/pipe/pipe_conn.ts";
import { lines } from "../src/pipe/framing/lines.ts";
import { WindowsError } from "../src/kernel/errors.ts";
import { Status } from "../src/kernel/status.ts";
import { type Fate, fate, inWorld, NAME, PATH, text, type World } from "./fixture.ts";
import { type RawServer, USER } from "./memory_kernel.ts";

/** A failure that no call is known for. */
const STRANGE = 1117;

async function open(world: World, options: Partial<ConnectOptions> = {}): Promise<PipeConn> {
  const conn = await connectOn(world.open, { path: NAME, ...options });
  world.conns.push(conn);
  return conn;
}

/** A connection, and the server's end of it. */
async function connected(
  world: World,
  options: Partial<ConnectOptions> = {},
  sizes: { readBufferSize?: number; writeBufferSize?: number; messages?: boolean } = {},
): Promise<[PipeConn, RawServer]> {
  const server = world.system.serve(PATH, sizes);
  return [await open(world, options), server];
}

/** Times of the attempts to open a pipe. */
function attempts(world: World): number[] {
  const times: number[] = [];
  world.kernel.decisions.fails = (call) => {
    if (call === "open") times.push(world.kernel.now());
    return undefined;
  };
  return times;
}

function decoded(fate: Fate<Uint8Array<ArrayBuffer> | null>): string | null | undefined {
  return fate.value && text(fate.value);
}

// Connecting

inWorld("connect() connects to a pipe that is there at once", async (world) => {
  const [conn, server] = await connected(world);
  assertEquals(server.state, "connected");
  assertEquals(world.kernel.leftovers().timers, 0);
  conn.close();
  await world.idle();
  assertEquals(server.state, "closing");
  assertFalse(world.running);
});

inWorld(
  "connect() waits for a pipe that is missing, with pauses that grow to 50 ms",
  async (world) => {
    const times = attempts(world);
    const conn = fate(open(world));
    await world.pass(1_000);
    assertEquals(conn.state, "pending");
    const pauses = times.slice(1).map((time, i) => time - (times[i] ?? 0));
    assertEquals(pauses.slice(0, 7), [1, 2, 4, 8, 16, 32, 50]);
    assert(pauses.slice(7).every((pause) => pause === 50));
    world.system.serve(PATH);
    await world.pass(50);
    assertEquals(conn.state, "resolved");
  },
);

inWorld("connect() waits 5 s unless told", async (world) => {
  const conn = fate(open(world));
  await world.pass(4_999);
  assertEquals(conn.state, "pending");
  await world.pass(1);
  assertEquals(conn.state, "rejected");
});

inWorld('connect() fails at once when a pipe is missing with missing: "fail"', async (world) => {
  const times = attempts(world);
  await assertRejects(() => open(world, { missing: "fail" }), Deno.errors.NotFound, PATH);
  assertEquals(times, [0]);
  assertFalse(world.running);
});

inWorld(
  "connect() waits while a part of the name is a pipe itself, as while there is no pipe",
  async (world) => {
    const app = world.system.serve("\\\\.\\pipe\\app");
    const path = "app\\control";
    const reason = "a part of the name is a pipe itself (CreateFileW, error 123)";
    await assertRejects(() => open(world, { path, missing: "fail" }), WindowsError, reason);
    await assertRejects(() => open(world, { path, connectTimeout: 0 }), WindowsError, reason);
    const conn = fate(open(world, { path }));
    await world.pass(500);
    assertEquals(conn.state, "pending");
    app.close();
    world.system.serve("\\\\.\\pipe\\app\\control");
    await world.pass(50);
    assertEquals(conn.state, "resolved");
  },
);

for (const missing of ["wait", "fail"] as const) {
  inWorld(
    `connect() waits while all instances are busy, until the time runs out (missing: "${missing}")`,
    async (world) => {
      world.system.serve(PATH);
      world.connect();
      const conn = fate(open(world, { connectTimeout: 300, missing }));
      await world.pass(299);
      assertEquals(conn.state, "pending");
      await world.pass(1);
      assertInstanceOf(conn.error, Deno.errors.TimedOut);
      assertInstanceOf(conn.error.cause, WindowsError);
      assertEquals(conn.error.cause.code, 231);
      const again = fate(open(world, { missing }));
      await world.pass(100);
      world.system.serve(PATH);
      await world.pass(50);
      assertEquals(again.state, "resolved");
    },
  );
}

inWorld("connect() tries once with a timeout of 0", async (world) => {
  const missing = attempts(world);
  await assertRejects(() => open(world, { connectTimeout: 0 }), Deno.errors.NotFound);
  assertEquals(missing, [0]);
  world.system.serve(PATH);
  await open(world, { connectTimeout: 0 });
  const busy = attempts(world);
  await assertRejects(() => open(world, { connectTimeout: 0 }), Deno.errors.TimedOut);
  assertEquals(busy, [0]);
});

for (const status of [STRANGE, Status.INVALID_NAME]) {
  inWorld(`connect() fails at once with ${status}`, async (world) => {
    world.kernel.failNext("open", status);
    await assertRejects(() => open(world), WindowsError, `CreateFileW, error ${status}`);
    assertFalse(world.running);
  });
}

inWorld("connect() gives up when its signal aborts while it waits", async (world) => {
  const controller = new AbortController();
  const conn = fate(open(world, { signal: controller.signal }));
  await world.pass(10);
  const reason = new Error("enough");
  controller.abort(reason);
  await world.idle();
  assertStrictEquals(conn.error, reason);
  assertEquals(world.kernel.leftovers().timers, 0);
  assertFalse(world.running);
});

inWorld("connect() does nothing with a signal that is aborted already", async (world) => {
  const reason = new Error("beforehand");
  const signal = AbortSignal.abort(reason);
  const server = world.system.serve(PATH);
  const conn = fate(open(world, { signal }));
  const answer = fate(world.pipes.call(NAME, "x", { signal }));
  await world.idle();
  assertStrictEquals(conn.error, reason);
  assertStrictEquals(answer.error, reason);
  assertEquals(world.loops, 0);
  assertEquals(server.state, "listening");
});

inWorld(
  "connect() does not care about its signal once it is connected, and forgets it",
  async (world) => {
    world.system.serve(PATH);
    world.connect();
    const controller = new AbortController();
    const add = mock.method(controller.signal, "addEventListener");
    const remove = mock.method(controller.signal, "removeEventListener");
    const opening = open(world, { signal: controller.signal });
    await world.pass(10);
    const free = world.system.serve(PATH);
    await world.pass(50);
    const conn = await opening;
    assertEquals(add.mock.callCount(), remove.mock.callCount());
    controller.abort();
    const answer = fate(conn.request("x"));
    await world.idle();
    assertEquals(free.readText(), "x");
    await world.write(free, "y");
    assertEquals(decoded(answer), "y");
  },
);

inWorld("connect() takes clients at once to a server of the same loop", async (world) => {
  world.serve((request) => `${text(request)}!`, { instances: 2 });
  const conns = await Promise.all([open(world), open(world)]);
  assertEquals(world.loops, 1);
  const answers = await Promise.all(conns.map((conn, i) => conn.request(`hello ${i}`)));
  assertEquals(answers.map(text), ["hello 0!", "hello 1!"]);
  for (const conn of conns) conn.close();
  await world.idle();
  assertEquals(world.reasons, ["peer", "peer"]);
});

// Requests

inWorld("request() sends one message and takes one as its answer", async (world) => {
  const [conn, server] = await connected(world);
  for (const size of [0, 1, 4096, 4097, 100_000]) {
    const message = new Uint8Array(size).map((_, i) => i);
    const answer = conn.request(message);
    message.fill(0);
    await world.idle();
    const received = server.read()?.slice();
    assertEquals(received?.length, size);
    assertEquals(received?.at(-1), size === 0 ? undefined : (size - 1) & 255);
    server.write(received ?? "");
    assertEquals<Uint8Array | undefined>(await answer, received);
  }
});

inWorld("request()s wait for each other and are answered in order", async (world) => {
  const [conn, server] = await connected(world);
  const answers = ["a", "b", "c"].map((message) => fate(conn.request(message)));
  for (const [i, message] of ["a", "b", "c"].entries()) {
    await world.idle();
    assertEquals(server.readText(), message);
    assertEquals(server.readText(), undefined);
    await world.write(server, `answer to ${message}`);
    assertEquals(answers.filter(({ state }) => state === "resolved").length, i + 1);
  }
  assertEquals(answers.map(decoded), ["answer to a", "answer to b", "answer to c"]);
});

inWorld("request() goes on after one before it that had a wrong type", async (world) => {
  const [conn, server] = await connected(world);
  const { wrong } = Object.assign({ wrong: "" }, { wrong: 7 });
  await assertRejects(() => conn.request(wrong), TypeError);
  await assertRejects(() => conn.send(wrong), TypeError);
  const { signal } = Object.assign({ signal: AbortSignal.abort() }, { signal: 7 });
  await assertRejects(
    () => conn.request("x", { signal: signal as unknown as AbortSignal }),
    TypeError,
  );
  const answer = conn.request("x");
  await world.idle();
  assertEquals(server.readText(), "x");
  server.write("y");
  assertEquals(text(await answer), "y");
});

inWorld("request() closes the connection when its signal aborts", async (world) => {
  const [conn, server] = await connected(world);
  const controller = new AbortController();
  const answer = fate(conn.request("x", { signal: controller.signal }));
  const waiting = fate(conn.request("y"));
  await world.idle();
  const reason = new Error("too slow");
  controller.abort(reason);
  await world.idle();
  assertStrictEquals(answer.error, reason);
  assertInstanceOf(waiting.error, Deno.errors.Interrupted);
  assertEquals(server.readText(), "x");
  assertEquals(server.readText(), undefined);
  assertEquals(server.state, "closing");
  await assertRejects(() => conn.request("z"), Deno.errors.Interrupted);
});

inWorld(
  "request() that waits for others is only forgotten when its signal aborts, and at once",
  async (world) => {
    const [conn, server] = await connected(world);
    const controller = new AbortController();
    const first = fate(conn.request("first"));
    const waiting = fate(conn.request("waiting", { signal: controller.signal }));
    const third = fate(conn.request("third"));
    await world.idle();
    const reason = new Error("enough");
    controller.abort(reason);
    await world.idle();
    assertStrictEquals(waiting.error, reason);
    assertEquals([first.state, third.state], ["pending", "pending"]);
    await world.write(server, "one");
    await world.write(server, "three");
    assertEquals([decoded(first), decoded(third)], ["one", "three"]);
    assertEquals([server.readText(), server.readText()], ["first", "third"]);
    assertEquals(server.readText(), undefined);
  },
);

inWorld("request() with a signal that is aborted already sends nothing", async (world) => {
  const [conn, server] = await connected(world);
  const reason = new Error("beforehand");
  const answer = fate(conn.request("x", { signal: AbortSignal.abort(reason) }));
  const sent = fate(conn.send("x", { signal: AbortSignal.abort(reason) }));
  await world.idle();
  assertStrictEquals(answer.error, reason);
  assertStrictEquals(sent.error, reason);
  assertEquals(server.readText(), undefined);
  assertEquals(server.state, "connected");
});

inWorld("request() forgets its signal when it is answered", async (world) => {
  const [conn, server] = await connected(world);
  const controller = new AbortController();
  const add = mock.method(controller.signal, "addEventListener");
  const remove = mock.method(controller.signal, "removeEventListener");
  const answer = conn.request("x", { signal: controller.signal });
  await world.idle();
  server.write("y");
  await answer;
  await world.idle();
  assertEquals(remove.mock.callCount(), add.mock.callCount());
  controller.abort();
  const next = conn.request("z");
  await world.idle();
  server.write("still open");
  assertEquals(text(await next), "still open");
});

inWorld("request() rejects with BrokenPipe when the server ends the connection", async (world) => {
  for (const how of ["close", "disconnect"] as const) {
    const [conn, server] = await connected(world);
    const answers = [fate(conn.request("x")), fate(conn.request("y"))];
    await world.idle();
    server[how]();
    await world.idle();
    for (const { error } of answers) assertInstanceOf(error, Deno.errors.BrokenPipe);
    await assertRejects(() => conn.request("z"), Deno.errors.BrokenPipe);
    await assertRejects(() => conn.send("z"), Deno.errors.BrokenPipe);
    conn.close();
    if (how === "disconnect") server.close();
    await world.idle();
  }
});

inWorld("request() takes the answer of a server that then ends the connection", async (world) => {
  const [conn, server] = await connected(world);
  const answer = conn.request("x");
  await world.idle();
  server.write("the last");
  server.close();
  assertEquals(text(await answer), "the last");
  assertEquals(await conn.receive(), null);
});

inWorld("request() and send() take effect in the order of their calls", async (world) => {
  const [conn, server] = await connected(world);
  const calls = [conn.request("one"), conn.send("two"), conn.request("three"), conn.send("four")]
    .map((call: Promise<unknown>) => fate(call));
  await world.idle();
  assertEquals([server.readText(), server.readText()], ["one", "two"]);
  assertEquals(server.readText(), undefined);
  assertEquals(calls.map(({ state }) => state), ["pending", "resolved", "pending", "pending"]);
  await world.write(server, "answer to one");
  assertEquals([server.readText(), server.readText()], ["three", "four"]);
  assertEquals(calls.map(({ state }) => state), ["resolved", "resolved", "pending", "resolved"]);
});

inWorld(
  "request() gets its answer although receive() is called while it waits for others",
  async (world) => {
    const [conn, server] = await connected(world);
    const taken = [conn.request("one"), conn.request("two"), conn.receive()].map((call) =>
      fate(call)
    );
    for (const answer of ["answer to one", "answer to two", "unasked"]) {
      await world.idle();
      server.write(answer);
    }
    await world.idle();
    assertEquals(taken.map(decoded), ["answer to one", "answer to two", "unasked"]);
  },
);

inWorld(
  "request() is refused while a receive() or a loop waits, and sends nothing",
  async (world) => {
    const [conn, server] = await connected(world);
    for (const wait of [() => conn.receive(), () => conn[Symbol.asyncIterator]().next()]) {
      const waiting = wait();
      await assertRejects(() => conn.request("x"), TypeError, "waits already");
      server.write("unasked");
      await waiting;
    }
    assertEquals(server.readText(), undefined);
  },
);

// Sending and receiving

inWorld("send() resolves when Windows has taken the message, in order", async (world) => {
  const [conn, server] = await connected(world, {}, { readBufferSize: 8 });
  const sent = ["1234", "5678", "9abc", "defg"].map((message) => fate(conn.send(message)));
  await world.idle();
  const states = () => sent.map(({ state }) => state);
  assertEquals(states(), ["resolved", "resolved", "pending", "pending"]);
  assertEquals(server.readText(), "1234");
  await world.idle();
  assertEquals(states(), ["resolved", "resolved", "resolved", "pending"]);
  assertEquals(server.readText(), "5678");
  await world.idle();
  assertEquals([server.readText(), server.readText()], ["9abc", "defg"]);
  assertEquals(states(), Array(4).fill("resolved"));
});

inWorld("send() copies its bytes at the call", async (world) => {
  const [conn, server] = await connected(world, {}, { readBufferSize: 1 });
  const bytes = new Uint8Array([1, 2, 3]);
  conn.send(bytes);
  conn.send(bytes);
  bytes.fill(9);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  await world.idle();
  assertEquals(server.read(), new Uint8Array([1, 2, 3]));
  await world.idle();
  assertEquals(server.read(), new Uint8Array([1, 2, 3]));
  await world.idle();
});

inWorld(
  "send() closes the connection when its signal aborts while it is partly sent",
  async (world) => {
    const [conn, server] = await connected(world, {}, { readBufferSize: 1 });
    const controller = new AbortController();
    const sent = fate(conn.send("a long message", { signal: controller.signal }));
    await world.idle();
    const reason = new Error("enough");
    controller.abort(reason);
    await world.idle();
    assertStrictEquals(sent.error, reason);
    assertEquals(server.readText(), undefined);
    assertEquals(server.state, "closing");
    await assertRejects(() => conn.send("x"), Deno.errors.Interrupted);
  },
);

inWorld(
  "send() that Windows has taken resolves when its signal aborts, and nothing is closed",
  async (world) => {
    const [conn, server] = await connected(world);
    const controller = new AbortController();
    const { signal } = controller;
    // Over before the call returns, and seen in the next turn.
    const sent = fate(conn.send("at once", { signal }));
    controller.abort();
    await world.idle();
    assertEquals([sent.state, server.readText(), server.state], [
      "resolved",
      "at once",
      "connected",
    ]);
  },
);

inWorld(
  "send() that has pended resolves when its signal aborts after it was read",
  async (world) => {
    const [conn, server] = await connected(world, {}, { readBufferSize: 1 });
    const controller = new AbortController();
    const sent = fate(conn.send("pending", { signal: controller.signal }));
    await world.idle();
    assertEquals([sent.state, server.readText()], ["pending", "pending"]);
    controller.abort();
    await world.idle();
    assertEquals([sent.state, server.state], ["resolved", "connected"]);
  },
);

inWorld("send() that waits for others is only forgotten when its signal aborts", async (world) => {
  const [conn, server] = await connected(world, {}, { readBufferSize: 1 });
  const controller = new AbortController();
  const first = fate(conn.send("first"));
  const waiting = fate(conn.send("waiting", { signal: controller.signal }));
  const third = fate(conn.send("third"));
  await world.idle();
  controller.abort();
  await world.idle();
  assertEquals(waiting.error, controller.signal.reason);
  assertEquals(server.readText(), "first");
  await world.idle();
  assertEquals(server.readText(), "third");
  await world.idle();
  assertEquals([first.state, third.state], ["resolved", "resolved"]);
});

inWorld(
  "receive() gives messages as they were sent, early ones too, and null at the end",
  async (world) => {
    const [conn, server] = await connected(world);
    server.write("early");
    server.write("");
    server.write(new Uint8Array(50_000));
    server.close();
    assertEquals(text(await conn.receive() ?? new Uint8Array()), "early");
    assertEquals((await conn.receive())?.length, 0);
    assertEquals((await conn.receive())?.length, 50_000);
    assertEquals(await conn.receive(), null);
    assertEquals(await conn.receive(), null);
  },
);

inWorld("receive() calls are served in their order", async (world) => {
  const [conn, server] = await connected(world);
  const received = [1, 2, 3].map(() => fate(conn.receive()));
  await world.idle();
  for (const message of ["a", "b", "c"]) server.write(message);
  await world.idle();
  assertEquals(received.map(decoded), ["a", "b", "c"]);
  const more = [fate(conn.receive()), fate(conn.receive())];
  await world.idle();
  server.close();
  await world.idle();
  assertEquals(more.map(({ value }) => value), [null, null]);
});

inWorld("receive() that is aborted loses nothing", async (world) => {
  const [conn, server] = await connected(world);
  const controller = new AbortController();
  const forgotten = fate(conn.receive({ signal: controller.signal }));
  await world.idle();
  const reason = new Error("enough");
  controller.abort(reason);
  await world.idle();
  assertStrictEquals(forgotten.error, reason);
  await world.write(server, "one");
  await world.write(server, "two");
  const late = fate(conn.receive({ signal: controller.signal }));
  await world.idle();
  assertStrictEquals(late.error, reason);
  assertEquals(text(await conn.receive() ?? new Uint8Array()), "one");
  assertEquals(text(await conn.receive() ?? new Uint8Array()), "two");
});

inWorld("receive() that is aborted leaves the next message to one that waits", async (world) => {
  const [conn, server] = await connected(world);
  const controller = new AbortController();
  const first = fate(conn.receive({ signal: controller.signal }));
  const second = fate(conn.receive());
  controller.abort();
  await world.idle();
  await world.write(server, "one");
  assertEquals(first.state, "rejected");
  assertEquals(decoded(second), "one");
});

inWorld("a connection is iterated until the server ends it", async (world) => {
  const [conn, server] = await connected(world);
  const received: string[] = [];
  const over = fate((async () => {
    for await (const message of conn) received.push(text(message));
  })());
  for (const message of ["a", "b", ""]) {
    await world.write(server, message);
  }
  assertEquals(received, ["a", "b", ""]);
  assertEquals(over.state, "pending");
  server.close();
  await world.idle();
  assertEquals(over.state, "resolved");
});

inWorld("a loop over a connection ends quietly when its own program closes it", async (world) => {
  const [conn] = await connected(world);
  const over = fate((async () => {
    for await (const message of conn) fail(`there was a message: ${text(message)}`);
  })());
  await world.idle();
  conn.close();
  await world.idle();
  assertEquals([over.state, world.running], ["resolved", false]);
});

inWorld("a loop over a connection rejects when a message is too long", async (world) => {
  const [conn, server] = await connected(world, { maxMessage: 1 });
  const over = fate(conn[Symbol.asyncIterator]().next());
  await world.idle();
  await world.write(server, "xx");
  assertInstanceOf(over.error, Deno.errors.InvalidData);
});

inWorld("a connection whose end was seen closes itself, whoever has seen it", async (world) => {
  const calls = [
    (conn: PipeConn) => conn.receive(),
    (conn: PipeConn) => conn.request("x").catch(() => null),
    (conn: PipeConn) => conn.send("x").catch(() => null),
    (conn: PipeConn) => conn[Symbol.asyncIterator]().next(),
  ];
  for (const call of calls) {
    const [conn, server] = await connected(world);
    server.close();
    await call(conn);
    await world.idle();
    assertFalse(world.running);
    assertEquals(await conn.receive(), null);
  }
});

inWorld("a connection that a send found ended is kept for what is unread", async (world) => {
  const [conn, server] = await connected(world);
  server.write("the last");
  server.close();
  await assertRejects(() => conn.send("x"), Deno.errors.BrokenPipe);
  assertEquals(text(await conn.receive() ?? new Uint8Array()), "the last");
  assertEquals(await conn.receive(), null);
  await world.idle();
  assertFalse(world.running);
});

inWorld(
  "nothing is in flight, and no wait keeps the program, while no call waits",
  async (world) => {
    const [conn, server] = await connected(world);
    const rests = async () => {
      await world.idle();
      const { inFlight, waiting, timers } = world.kernel.leftovers();
      assertEquals({ inFlight, waiting, timers }, { inFlight: 0, waiting: 0, timers: 0 });
    };
    await rests();
    const answer = conn.request("x");
    await world.idle();
    server.write("y");
    await answer;
    await rests();
    const controller = new AbortController();
    const forgotten = fate(conn.receive({ signal: controller.signal }));
    await world.idle();
    controller.abort();
    await rests();
    assertEquals(forgotten.state, "rejected");
  },
);

inWorld("a connection is usable while it is iterated and afterwards", async (world) => {
  const [conn, server] = await connected(world);
  server.write("a");
  server.write("b");
  for await (const message of conn) {
    assertEquals(text(message), "a");
    break;
  }
  assertEquals(text(await conn.receive() ?? new Uint8Array()), "b");
  await conn.send("c");
  assertEquals(server.readText(), "c");
});

inWorld("message calls on a byte pipe are refused, and nothing is sent or taken", async (world) => {
  const [conn, server] = await connected(world, {}, { messages: false });
  server.write("half an answ");
  const iterating = async () => {
    for await (const message of conn) fail(`there was a message: ${text(message)}`);
  };
  for (const call of [() => conn.request("x"), () => conn.send("x"), () => conn.receive()]) {
    await assertRejects(call, TypeError, `"${PATH}": it is a byte pipe`);
  }
  await assertRejects(iterating, TypeError, "it is a byte pipe");
  await world.idle();
  assertEquals([conn.type, server.readText()], ["byte", undefined]);
  conn.close();
  server.close();
  const other = world.system.serve(PATH, { messages: false });
  await assertRejects(() => world.pipes.call(NAME, "x"), TypeError, "it is a byte pipe");
  await world.idle();
  assertEquals([other.readText(), other.state, world.running], [undefined, "closing", false]);
});

inWorld("a connection of one direction goes through a pipe of one direction", async (world) => {
  const news = world.system.serve(PATH, { direction: "write" });
  await assertRejects(
    () => open(world),
    Deno.errors.PermissionDenied,
    `Cannot connect to "${PATH}": access is denied (CreateFileW, error 5)`,
  );
  const reader = await open(world, { direction: "read" });
  news.write("news");
  news.write("more");
  assertEquals(await reader.receive(), new TextEncoder().encode("news"));
  reader.close();
  news.close();
  const log = world.system.serve(PATH, { direction: "read" });
  const writer = await open(world, { direction: "write" });
  await writer.send("entry");
  assertEquals(log.readText(), "entry");
});

for (const impersonation of ["anonymous", "identification", undefined] as const) {
  inWorld(`a client that allows ${impersonation} is known, or not`, async (world) => {
    const users: unknown[] = [];
    world.serve((_request, { client }) => {
      try {
        users.push(client.user().sid);
      } catch (error) {
        users.push(error instanceof WindowsError && error.code);
      }
      return "done";
    });
    const options = impersonation === undefined ? {} : { impersonation };
    await world.pipes.call(NAME, "x", options);
    await (await open(world, options)).request("y");
    const expected = impersonation === "anonymous" ? 1347 : USER.sid;
    assertEquals(users, [expected, expected]);
  });
}

// What goes wrong

inWorld("a message longer than maxMessage fails and closes the connection", async (world) => {
  for (const length of [11, 10_000]) {
    const [conn, server] = await connected(world, { maxMessage: 10 });
    const fits = conn.receive();
    await world.idle();
    server.write("1234567890");
    assertEquals((await fits)?.length, 10);
    const received = [fate(conn.receive()), fate(conn.receive())];
    const sent = conn.send("x");
    await world.idle();
    await sent;
    await world.write(server, new Uint8Array(length));
    for (const { error } of received) assertInstanceOf(error, Deno.errors.InvalidData);
    assertEquals(server.state, "closing");
    await assertRejects(() => conn.send("y"), Deno.errors.Interrupted);
    server.close();
    await world.idle();
  }
});

inWorld("an answer longer than maxMessage rejects its request", async (world) => {
  const [conn, server] = await connected(world, { maxMessage: 0 });
  const empty = conn.request("x");
  server.write("");
  assertEquals((await empty).length, 0);
  const answer = fate(conn.request("x"));
  await world.write(server, "y");
  assertInstanceOf(answer.error, Deno.errors.InvalidData);
  await world.idle();
  assertFalse(world.running);
});

inWorld("a connection whose read fails for an unexpected reason closes", async (world) => {
  const [conn, server] = await connected(world);
  world.kernel.failNext("read", STRANGE);
  await assertRejects(() => conn.receive(), WindowsError, "ReadFile, error 1117");
  await assertRejects(() => conn.receive(), Deno.errors.Interrupted);
  await world.idle();
  assertEquals(server.state, "closing");
});

inWorld(
  "a message that cannot be written rejects its call, and closes the connection",
  async (world) => {
    for (const call of ["send", "request"] as const) {
      const [conn, server] = await connected(world);
      world.kernel.failNext("write", STRANGE);
      const waiting = fate(conn.request("waiting"));
      await assertRejects(() => conn[call]("x"), WindowsError, "WriteFile, error 1117");
      assertInstanceOf(waiting.error, WindowsError);
      await world.idle();
      assertEquals([server.state, world.running], ["closing", false]);
      await assertRejects(() => conn.send("x"), Deno.errors.Interrupted);
      server.close();
    }
  },
);

inWorld("a connection gets over a shortage", async (world) => {
  const [conn, server] = await connected(world);
  world.kernel.failNext("read", Status.NO_SYSTEM_RESOURCES);
  world.kernel.failNext("write", Status.NOT_SUBMITTED);
  const answer = fate(conn.request("x"));
  await world.pass(10);
  assertEquals(server.readText(), "x");
  await world.write(server, "y");
  assertEquals(decoded(answer), "y");
});

inWorld("connections are told when the loop cannot wait any more", async (world) => {
  const [conn, server] = await connected(world);
  const answer = fate(conn.request("x"));
  const received = fate(conn.receive());
  const connecting = fate(connectOn(world.open, { path: "missing" }));
  await world.idle();
  world.kernel.decisions.failsWait = () => Status.INVALID_HANDLE;
  await world.write(server, "a");
  await world.idle();
  assert(answer.state !== "pending");
  assertInstanceOf(received.error, WindowsError);
  assertInstanceOf(connecting.error, WindowsError);
  await assertRejects(() => conn.send("x"), Deno.errors.Interrupted);
  conn.close();
  await conn[Symbol.asyncDispose]();
  world.abandonMemory();
});

inWorld(
  "connections are closed when the program goes away, and connecting is given up",
  async (world) => {
    const [conn, server] = await connected(world, {}, { readBufferSize: 1 });
    const pending: Fate<unknown>[] = [
      fate(conn.receive()),
      fate(conn.send("long")),
      fate(conn.send("long")),
      fate(open(world, { path: "missing" })),
    ];
    await world.idle();
    world.kernel.unload();
    assertEquals(server.state, "closing");
    await world.idle();
    for (const { error } of pending) assertInstanceOf(error, Deno.errors.Interrupted);
    world.abandonMemory();
    server.close();
    await connected(world);
  },
);

inWorld("a pipe is closed that was opened just before the program goes away", async (world) => {
  const server = world.system.serve(PATH);
  const opening = open(world);
  world.kernel.unload();
  assertEquals(server.state, "closing");
  await assertRejects(
    async () => await (await opening).request("hello"),
    Deno.errors.Interrupted,
  );
  server.close();
});

// Closing

for (const how of ["close()", "using", "await using"] as const) {
  inWorld(`${how} closes a connection, and rejects everything that waits`, async (world) => {
    const server = world.system.serve(PATH, { readBufferSize: 1 });
    const fates: Fate<unknown>[] = [];
    const use = async (conn: PipeConn) => {
      fates.push(
        fate(conn.send("long")),
        fate(conn.send("waiting")),
        fate(conn.request("waiting")),
        fate(conn.request("waiting")),
        fate(conn.send("waiting")),
        fate(conn.receive()),
      );
      await world.idle();
    };
    if (how === "close()") {
      const conn = await open(world);
      await use(conn);
      conn.close();
      conn.close();
    } else if (how === "using") {
      using conn = await open(world);
      await use(conn);
    } else {
      const disposed = fate((async () => {
        await using conn = await open(world);
        await use(conn);
      })());
      await world.idle();
      // What is queued is written first, for a time.
      await world.pass(9_999);
      assertEquals(disposed.state, "pending");
      await world.pass(1);
      assertEquals(disposed.state, "resolved");
      assertFalse(world.running);
    }
    await world.idle();
    for (const { error } of fates) assertInstanceOf(error, Deno.errors.Interrupted);
    // The message that was not taken is withdrawn.
    assertEquals(server.readText(), undefined);
    assertEquals(server.state, "closing");
    assertFalse(world.running);
  });
}

inWorld("close() leaves readable what was sent", async (world) => {
  const [conn, server] = await connected(world);
  await conn.send("one");
  await conn.send("two");
  conn.close();
  await world.idle();
  assertEquals([server.readText(), server.readText()], ["one", "two"]);
});

inWorld("calls reject with Interrupted after close(), and a loop is over", async (world) => {
  const [conn, server] = await connected(world);
  // One message that is there already, for a receiver that was forgotten.
  const controller = new AbortController();
  const forgotten = fate(conn.receive({ signal: controller.signal }));
  controller.abort();
  await world.write(server, "early");
  assertEquals(forgotten.state, "rejected");
  conn.close();
  await assertRejects(() => conn.request("x"), Deno.errors.Interrupted);
  await assertRejects(() => conn.send("x"), Deno.errors.Interrupted);
  await assertRejects(() => conn.receive(), Deno.errors.Interrupted);
  // A loop has nothing to complain about.
  for await (const message of conn) fail(`there was a message: ${text(message)}`);
});

inWorld("close() waits for the end of what cannot be cancelled any more", async (world) => {
  const [conn, server] = await connected(world);
  world.kernel.holdCompletions = true;
  const received = fate(conn.receive());
  await world.idle();
  server.write("in time");
  conn.close();
  const disposed = fate(conn[Symbol.asyncDispose]());
  await world.idle();
  assertEquals([received.state, disposed.state], ["rejected", "pending"]);
  assertEquals(server.state, "connected");
  world.kernel.deliver();
  await world.idle();
  assertEquals(disposed.state, "resolved");
  assertEquals(server.state, "closing");
});

// call()

inWorld("call() connects, asks one thing, and closes", async (world) => {
  world.serve((request) => `${text(request)}!`, { instances: 1 });
  for (const message of ["one", new TextEncoder().encode("two")]) {
    const answer = await world.pipes.call(NAME, message);
    assertEquals(text(answer), typeof message === "string" ? "one!" : "two!");
  }
  await world.idle();
  assertEquals(world.reasons, ["peer", "peer"]);
});

inWorld("call() resolves when everything is closed", async (world) => {
  const server = world.system.serve(PATH);
  const answer = world.pipes.call(NAME, "x");
  await world.idle();
  server.write("y");
  assertEquals(text(await answer), "y");
  assertFalse(world.running);
  assertEquals(server.state, "closing");
});

inWorld("call()s wait for a server and for a free instance", async (world) => {
  const calls = Array.from({ length: 10 }, (_, i) => fate(world.pipes.call(NAME, `${i}`)));
  await world.pass(100);
  world.serve((request) => request, { instances: 1, maxInstances: 2 });
  await world.pass(2_000);
  assertEquals(calls.map(decoded), calls.map((_, i) => `${i}`));
});

inWorld("call() rejects when there is no server, or no answer", async (world) => {
  await assertRejects(
    () => world.pipes.call(NAME, "x", { missing: "fail" }),
    Deno.errors.NotFound,
  );
  world.serve((_request, { client }) => client.close());
  await assertRejects(() => world.pipes.call(NAME, "x"), Deno.errors.BrokenPipe);
});

inWorld("call() gives up when its signal aborts, whatever is going on", async (world) => {
  const server = world.serve(() => new Promise<string>(() => {}));
  const controller = new AbortController();
  const answer = fate(world.pipes.call(NAME, "x", { signal: controller.signal }));
  const waiting = fate(world.pipes.call("other", "x", { signal: controller.signal }));
  await world.idle();
  const reason = new Error("enough");
  controller.abort(reason);
  await world.idle();
  assertStrictEquals(answer.error, reason);
  assertStrictEquals(waiting.error, reason);
  assertEquals(world.reasons, ["peer"]);
  const shutdown = server.shutdown({ timeout: 10 });
  await world.pass(10);
  await shutdown;
});

inWorld("call() decodes its answer as told", async (world) => {
  world.serve((request) => request);
  assertEquals(await world.pipes.call(NAME, "[1]"), new TextEncoder().encode("[1]"));
  assertEquals(await world.pipes.call(NAME, "[1]", { as: "text" }), "[1]");
  assertEquals(await world.pipes.call(NAME, "[1]", { as: "json" }), [1]);
  await assertRejects(() => world.pipes.call(NAME, "[", { as: "json" }), SyntaxError);
});

inWorld("call() frames its message, once, and unframes its answer", async (world) => {
  const server = world.system.serve(PATH);
  const framing = lines();
  const encode = mock.fn(framing.encode);
  const answer = world.pipes.call(NAME, "a", { framing: { ...framing, encode }, as: "text" });
  await world.idle();
  assertEquals(server.readText(), "a\n");
  server.write("an ans");
  server.write("wer\n");
  assertEquals(await answer, "an answer");
  assertEquals(encode.mock.callCount(), 1);
});

// notify()

inWorld("notify() sends one message, and waits for no answer", async (world) => {
  const server = world.system.serve(PATH);
  await world.pipes.notify(NAME, "message");
  assertFalse(world.running);
  assertEquals(server.readText(), "message");
  assertEquals(server.state, "closing");
});

inWorld("notify() resolves when Windows has accepted the message", async (world) => {
  const server = world.system.serve(PATH, { readBufferSize: 0 });
  const notified = fate(world.pipes.notify(NAME, "message", { framing: lines() }));
  await world.idle();
  assertEquals(notified.state, "pending");
  assertEquals(server.readText(), "message\n");
  await world.idle();
  assertEquals(notified.state, "resolved");
});

inWorld("notify() rejects when there is no server, or its signal aborts", async (world) => {
  await assertRejects(
    () => world.pipes.notify(NAME, "x", { missing: "fail" }),
    Deno.errors.NotFound,
  );
  const server = world.system.serve(PATH, { readBufferSize: 0 });
  const controller = new AbortController();
  const notified = fate(world.pipes.notify(NAME, "x", { signal: controller.signal }));
  await world.idle();
  const reason = new Error("enough");
  controller.abort(reason);
  await world.idle();
  assertStrictEquals(notified.error, reason);
  assertEquals(server.state, "closing");
});

// What the system is short of, for a moment

inWorld(
  "connect() tries again when the system is short of something, or the server ends at once",
  async (world) => {
    const server = world.system.serve(PATH, { most: 1 });
    world.kernel.failNext("open", Status.NO_SYSTEM_RESOURCES);
    world.kernel.failNext("keepMessages", Status.OUT_OF_MEMORY);
    const opening = open(world);
    // The first attempt fails, the second opens the pipe and gives it up again.
    await world.pass(1);
    server.disconnect();
    server.listen();
    await world.pass(10);
    const conn = await opening;
    await conn.send("hello");
    assertEquals(server.readText(), "hello");
    await conn[Symbol.asyncDispose]();
  },
);

inWorld("connect() fails when the pipe cannot be made to keep messages apart", async (world) => {
  world.system.serve(PATH);
  world.kernel.failNext("keepMessages", STRANGE);
  const error = await assertRejects(() => open(world), WindowsError);
  assertEquals(error.call, "SetNamedPipeHandleState");
  assertEquals(error.code, STRANGE);
});

inWorld("receive() gets a long message whole although a shortage puts it off", async (world) => {
  const [conn, server] = await connected(world);
  world.kernel.failNext("peek", Status.NO_SYSTEM_RESOURCES);
  const receiving = conn.receive();
  server.write("x".repeat(10_000));
  await world.pass(10);
  assertEquals((await receiving)?.length, 10_000);
});
