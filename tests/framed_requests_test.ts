/** Servers whose requests and replies are framed: `framing` of `serve` and `exchanges`. */

import { mock } from "node:test";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { contentLength, type Framing, lengthPrefixed, lines } from "../mod.ts";
import type { ServeOptions } from "../src/exchange/serve.ts";
import type { Responder } from "../src/exchange/responders.ts";
import { fate, inWorld, type Questions, text, type World } from "./fixture.ts";
import type { RawClient } from "./memory_kernel.ts";

const upper: Responder = (_request, exchange) => exchange.text().toUpperCase();

/** A server of upper-case lines, and a client of it. */
async function served(
  world: World,
  options: Partial<ServeOptions> = {},
  responder = upper,
): Promise<RawClient> {
  world.serve(responder, { framing: lines(), ...options });
  return await world.arrived();
}

/** The error of the only end. */
function errorOf(world: World): Error {
  const [end] = world.ends;
  assertInstanceOf(end?.error, Error);
  return end.error;
}

function take(questions: Questions, ...texts: string[]): void {
  for (const text of texts) {
    assertEquals(questions.at().text(), text);
    questions.at().reply();
  }
}

// Frames and messages

inWorld("a request is a frame, and so is its reply", async (world) => {
  const client = await served(world);
  client.write("hello\n");
  assertEquals(await world.received(client), ["HELLO\n"]);
});

inWorld("a frame spans several messages, in which it may be cut anywhere", async (world) => {
  const client = await served(world, { framing: contentLength(), type: "message" });
  for (const byte of new TextEncoder().encode("Content-Length: 5\r\n\r\nhello")) {
    await world.write(client, Uint8Array.of(byte));
    await world.write(client, "");
  }
  assertEquals(await world.received(client), ["Content-Length: 5\r\n\r\nHELLO"]);
});

inWorld("frames in one message are requests one after another", async (world) => {
  const questions = world.ask({ framing: lines(), type: "message" });
  const client = await world.asking("one\ntwo\r\n\nfo");
  assertEquals(questions.texts, ["one"]);
  for (const texts of [["one", "two"], ["one", "two", ""], ["one", "two", "", "four"]]) {
    if (texts.length === 4) client.write("ur\n");
    questions.at().reply();
    await world.idle();
    assertEquals(questions.texts, texts);
  }
});

inWorld("each client has its own frames", async (world) => {
  const one = await served(world);
  const two = await world.arrived();
  await world.write(one, "on");
  await world.write(two, "tw");
  await world.write(one, "e\n");
  await world.write(two, "o\n");
  assertEquals(await world.received(one), ["ONE\n"]);
  assertEquals(await world.received(two), ["TWO\n"]);
});

inWorld("the next client of an instance begins with a new frame", async (world) => {
  const first = await served(world, { instances: 1, maxInstances: 1 });
  await world.write(first, "unfinished");
  first.close();
  const second = await world.arrived();
  second.write("hello\n");
  assertEquals(await world.received(second), ["HELLO\n"]);
});

inWorld("frames longer than any read are whole", async (world) => {
  const client = await served(world, { framing: lengthPrefixed() });
  const frame = new Uint8Array(200_004).fill(0x61);
  new DataView(frame.buffer).setUint32(0, 200_000);
  client.write(frame);
  const reply = (await world.received(client)).join("");
  assert(reply === text(frame.map((byte, i) => i < 4 ? byte : 0x41)));
});

inWorld("one chunk of many requests holds up no other client", async (world) => {
  const order: string[] = [];
  world.serve((_request, exchange) => void order.push(exchange.text()), { framing: lines() });
  const greedy = await world.arrived();
  const other = await world.arrived();
  greedy.write("a\n".repeat(50));
  other.write("b\n");
  await world.idle();
  assert(order.indexOf("b") < 5, order.join(""));
  assertEquals(order.length, 51);
});

inWorld("an own framing is used, and its functions are read once", async (world) => {
  const decoder = mock.fn(lines().decoder);
  const framing: Framing = { encode: (message) => message, decoder };
  const client = await served(world, { framing });
  framing.decoder = () => {
    throw new Error("test: it is read again");
  };
  client.write("hello\n");
  assertEquals(await world.received(client), ["HELLO"]);
  assertEquals(decoder.mock.calls.map((call) => call.arguments), [[16_777_216]]);
});

// Who it is

inWorld("a client is identified by its first data, before more is read", async (world) => {
  const decision = Promise.withResolvers<boolean>();
  const authorize = mock.fn(() => decision.promise);
  const client = await served(world, { authorize });
  await world.write(client, "hel");
  assertEquals(authorize.mock.callCount(), 1);
  await world.write(client, "lo\n");
  assertEquals(await world.received(client), []);
  decision.resolve(true);
  assertEquals(await world.received(client), ["HELLO\n"]);
  assertEquals(authorize.mock.callCount(), 1);
});

inWorld("a client that is refused at its first data gets no answer to it", async (world) => {
  const responder = mock.fn(upper);
  const client = await served(world, { authorize: () => false }, responder);
  await world.write(client, "one\ntwo\n");
  assertEquals(await world.received(client), []);
  assertEquals(world.reasons, ["unauthorized"]);
  assertEquals(responder.mock.callCount(), 0);
});

// What is no frame

inWorld(
  "a bad frame ends the connection, when the requests before it are served",
  async (world) => {
    const questions = world.ask({ framing: lengthPrefixed({ bytes: 1 }), maxMessage: 2 });
    const client = await world.asking("\x01a\x01b\x03");
    take(questions, "a");
    await world.idle();
    assertEquals(world.reasons, []);
    await questions.at().send("B");
    await world.idle();
    assertEquals(world.reasons, []);
    questions.at().reply("BB");
    await world.idle();
    assertEquals(questions.texts, ["a", "b"]);
    assertEquals(world.reasons, ["maxMessage"]);
    // The client can still read what was written.
    assertEquals((await world.received(client)).join(""), "\x01B\x02BB");
  },
);

inWorld("a bad frame that comes while a request is served waits for the answer", async (world) => {
  const questions = world.ask({ framing: lengthPrefixed({ bytes: 1 }), maxMessage: 2 });
  const client = await world.asking("\x01a");
  await world.write(client, "\x03");
  assertEquals(questions.at().signal.aborted, false);
  questions.at().reply("A");
  await world.idle();
  assertEquals(world.reasons, ["maxMessage"]);
  assertEquals(await world.received(client), ["\x01A"]);
});

inWorld("a bad frame at once reaches nobody", async (world) => {
  const client = await served(world, { framing: contentLength() });
  await world.write(client, "GET / HTTP/1.1\r\n\r\n");
  assertEquals(world.reasons, ["error"]);
  const error = errorOf(world);
  assertInstanceOf(error, Deno.errors.InvalidData);
  assert(error.message.startsWith('Cannot read from a client of "\\\\.\\pipe\\test": '));
  assertInstanceOf(error.cause, Deno.errors.InvalidData);
});

inWorld("a frame whose beginning came alone may turn out to be bad", async (world) => {
  const client = await served(world, { framing: lengthPrefixed(), maxMessage: 1_000 });
  await world.write(client, Uint8Array.of(0, 0));
  await world.write(client, Uint8Array.of(3, 0xe9));
  assertEquals(world.reasons, ["maxMessage"]);
  // So may a later one, of which nobody was told.
  const other = await world.arrived();
  await world.write(other, Uint8Array.of(0, 0, 0, 1, 0x61, 0, 0));
  await world.write(other, Uint8Array.of(3, 0xe9));
  assertEquals(await world.received(other), ["\0\0\0\x01A"]);
  assertEquals(world.reasons, ["maxMessage", "maxMessage"]);
});

inWorld("a frame that is too long is refused before it is kept", async (world) => {
  const client = await served(world, { framing: lengthPrefixed(), maxMessage: 1_000 });
  await world.write(client, Uint8Array.of(0, 0, 3, 0xe9));
  assertEquals(world.reasons, ["maxMessage"]);
  assertEquals(
    errorOf(world).message,
    'Cannot read from a client of "\\\\.\\pipe\\test": Cannot decode a frame: a message of 1001 ' +
      "bytes is longer than the limit of 1000 (maxMessage)",
  );
});

inWorld("a frame of exactly the limit is a request", async (world) => {
  const client = await served(world, { maxMessage: 5 });
  client.write("hello\n");
  assertEquals(await world.received(client), ["HELLO\n"]);
});

inWorld("a decoder that throws, or returns something else, ends its connection", async (world) => {
  const broken = new Error("test: broken");
  const framing: Framing = {
    encode: (message) => message,
    decoder: () => ({
      push() {
        throw broken;
      },
      end: () => [],
    }),
  };
  const client = await served(world, { framing });
  await world.write(client, "hello");
  assertEquals(world.reasons, ["error"]);
  assertStrictEquals(errorOf(world).cause, broken);
});

// The end

inWorld("a frame that the end cuts off is an error, and no request", async (world) => {
  const responder = mock.fn(upper);
  const client = await served(world, {}, responder);
  await world.write(client, "hello");
  client.close();
  await world.idle();
  assertEquals(world.reasons, ["error"]);
  assertEquals(
    errorOf(world).message,
    'Cannot read from a client of "\\\\.\\pipe\\test": Cannot decode a frame: the stream ended ' +
      "within it",
  );
  assertEquals(responder.mock.callCount(), 0);
});

inWorld("a client that leaves within its next frame aborts its exchange", async (world) => {
  const questions = world.ask({ framing: lines() });
  const client = await world.asking("one\ntw");
  client.close();
  await world.idle();
  const exchange = questions.at();
  assertInstanceOf(exchange.signal.reason, Deno.errors.BrokenPipe);
  assertEquals(questions.texts, ["one"]);
  assertEquals(world.reasons, ["error"]);
});

inWorld(
  "an unfinished line can be a request, which is served when its client has left",
  async (world) => {
    const questions = world.ask({ framing: lines({ unfinished: "message" }) });
    const client = await world.asking("one\ntwo");
    questions.at().reply();
    client.close();
    await world.idle();
    assertEquals(questions.texts, ["one", "two"]);
    assertEquals(questions.at().signal.aborted, true);
    assertEquals(world.reasons, ["peer"]);
  },
);

inWorld("a client that leaves between two frames has just left", async (world) => {
  const client = await served(world);
  await world.write(client, "hello\n");
  client.close();
  await world.idle();
  assertEquals(world.reasons, ["peer"]);
});

// Replies

inWorld("a reply that cannot be framed is what the responder threw", async (world) => {
  const onError = mock.fn((_error: unknown) => "sorry");
  const client = await served(world, { onError }, () => "two\nlines");
  client.write("hello\n");
  assertEquals(await world.received(client), ["sorry\n"]);
  assertInstanceOf(onError.mock.calls[0]?.arguments[0], TypeError);
});

inWorld("a message of a generator that cannot be framed is what it threw", async (world) => {
  const client = await served(world, {}, async function* () {
    yield "fine";
    yield "two\nlines";
  });
  client.write("hello\n");
  assertEquals(await world.received(client), ["fine\n"]);
  assertEquals(world.reasons, ["self"]);
  assertInstanceOf(world.reports.pop(), TypeError);
});

inWorld("send and reply throw for what cannot be framed, and the exchange stays", async (world) => {
  const { client, exchange } = await world.asked("hello\n", { framing: lines() });
  assertThrows(() => exchange.send("a\n"), TypeError);
  assertThrows(() => exchange.reply("a\n"), TypeError);
  exchange.send("one");
  exchange.reply("two");
  assertEquals((await world.received(client)).join(""), "one\ntwo\n");
});

// Limits

inWorld("idleTimeout ends a client that never finishes a frame", async (world) => {
  const client = await served(world, { idleTimeout: 100 });
  await world.write(client, "hel");
  await world.pass(60);
  await world.write(client, "lo");
  await world.pass(60);
  assertEquals(world.reasons, ["idleTimeout"]);
});

inWorld(
  "a decoded request counts towards maxBuffered, and an unfinished frame does not",
  async (world) => {
    const questions = world.ask({ framing: lines() });
    const client = await world.asking("x".repeat(5_000));
    assertEquals(world.held, 0);
    await world.write(client, "\n");
    assertEquals(world.held, 5_000);
    questions.at().reply();
    await world.idle();
    assertEquals(world.held, 0);
  },
);

// Shutting down

inWorld("a shutdown drops an unfinished frame, and what was decoded counts", async (world) => {
  const server = world.serve(upper, { framing: lines() });
  // The first request of a client would be waited for.
  const client = await world.asking("first\n");
  await world.write(client, "hello");
  assertEquals(await server.shutdown(), { exchanges: 0, evicted: 0, dropped: 0 });
  assertEquals(world.reasons, ["shutdown"]);
});

inWorld("what was decoded and is not served counts as dropped", async (world) => {
  const answer = Promise.withResolvers<string>();
  const server = world.serve(() => answer.promise, { framing: lines() });
  const client = await world.arrived();
  await world.write(client, "one\ntwo\nthree\nfo");
  const report = fate(server.shutdown());
  answer.resolve("done");
  // The second was read ahead already.
  assertEquals((await world.received(client)).join(""), "done\ndone\n");
  assertEquals(report.value, { exchanges: 2, evicted: 0, dropped: 1 });
});

inWorld("a frame that is in the pipe when the shutdown begins is served whole", async (world) => {
  const server = world.serve(upper, { framing: lines() });
  const client = await world.arrived();
  await world.write(client, "begun,");
  client.write("x".repeat(20_000) + "\n");
  const report = fate(server.shutdown());
  await world.idle();
  assertEquals(client.readText()?.length, 20_007);
  await world.idle();
  assertEquals(report.value, { exchanges: 1, evicted: 0, dropped: 0 });
});
