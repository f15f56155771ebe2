import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { exchangesOn } from "../src/exchange/exchanges.ts";
import { serveOn } from "../src/exchange/serve.ts";
import { listenOn } from "../src/listen/listen.ts";
import { Status } from "../src/kernel/status.ts";
import { lines } from "../src/pipe/framing/lines.ts";
import type { ServerStats } from "../src/server/stats.ts";
import { failing, inWorld, NAME } from "./fixture.ts";

/** The counters that are not 0, without the time, and of the reasons only those that occurred. */
function counted({ ended, since: _, ...stats }: ServerStats): Record<string, unknown> {
  const reasons = Object.fromEntries(Object.entries(ended).filter(([, count]) => count > 0));
  return Object.fromEntries(
    Object.entries({ ...stats, ...reasons })
      .filter(([, value]) => value !== 0 && value !== undefined),
  );
}

inWorld("a server counts clients, requests, messages and bytes", async (world) => {
  const before = Date.now();
  const server = world.serve((request) => request);
  const client = await world.arrived();
  await world.write(client, "four");
  client.readText();
  const during = server.stats();
  assertEquals(counted(during), {
    listening: 4,
    clients: 1,
    accepted: 1,
    requests: 1,
    messagesIn: 1,
    messagesOut: 1,
    bytesIn: 4,
    bytesOut: 4,
  });
  assert(during.since !== undefined && during.since >= before && during.since <= Date.now());
  client.close();
  await world.visit("again");
  await server.shutdown();
  assertEquals(counted(server.stats()), {
    accepted: 2,
    peer: 2,
    requests: 2,
    messagesIn: 2,
    messagesOut: 2,
    bytesIn: 9,
    bytesOut: 9,
  });
});

inWorld("stats is a frozen record, and one of its own for each call", (world) => {
  const server = world.serve(() => {});
  const stats = server.stats();
  assert(Object.isFrozen(stats) && Object.isFrozen(stats.ended));
  assertThrows(() => Object.assign(stats, { requests: 1 }), TypeError);
  assert(stats !== server.stats());
  assertEquals(JSON.parse(JSON.stringify(stats)).ended, stats.ended);
});

inWorld("before it listens, a server has counted nothing", (world) => {
  const signal = AbortSignal.abort();
  const generator = exchangesOn(world.open, { path: NAME });
  for (
    const server of [
      generator,
      serveOn(world.open, { path: NAME, signal }, () => {}),
      listenOn(world.open, { path: NAME, signal }),
    ]
  ) {
    assertEquals(counted(server.stats()), {});
    assertStrictEquals(server.stats().since, undefined);
  }
  const measured = exchangesOn(world.open, { path: NAME, measure: true });
  assertEquals(measured.stats().latency, { count: 0, mean: 0, p50: 0, p90: 0, p99: 0, max: 0 });
});

inWorld("requests that wait for a responder are told from open exchanges", async (world) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const server = world.serve(async () => await promise, { concurrency: 1 });
  await world.asking("12345");
  await world.asking("678");
  const { open, waiting, requests, buffered } = server.stats();
  assertEquals({ open, waiting, requests, buffered }, {
    open: 1,
    waiting: 1,
    requests: 2,
    buffered: 8,
  });
  resolve();
  await world.idle();
  const after = server.stats();
  assertEquals([after.open, after.waiting, after.buffered], [0, 0, 0]);
});

inWorld("requests that the loop has not asked for wait", async (world) => {
  const generator = world.exchanges();
  const first = generator.next();
  await world.asking("one");
  await world.asking("two");
  assertEquals([generator.stats().open, generator.stats().waiting], [1, 1]);
  (await first).value?.reply();
  (await generator.next()).value?.reply();
  assertEquals([generator.stats().open, generator.stats().waiting], [0, 0]);
});

inWorld("an exchange whose client has left is not open", async (world) => {
  const { questions, client } = await world.asked();
  assertEquals(questions.generator.stats().open, 1);
  client.close();
  await world.idle();
  assertEquals(questions.generator.stats().open, 0);
});

inWorld("what a client does not read is queued", async (world) => {
  const server = world.serve(() => "", { writeBufferSize: 0 });
  const client = await world.arrived();
  for (const message of ["1234", "56789"]) server.clients()[0]?.send(message);
  await world.idle();
  assertEquals([server.stats().queued, server.stats().messagesOut], [9, 0]);
  assertEquals(await client.receiveText(), "1234");
  await world.idle();
  const { queued, messagesOut, bytesOut } = server.stats();
  assertEquals({ queued, messagesOut, bytesOut }, { queued: 5, messagesOut: 1, bytesOut: 4 });
});

inWorld("clients that are refused are not accepted", async (world) => {
  const server = world.serve((request) => request, {
    authorize: ({ processId }) => processId === 1,
    maxPerProcess: 1,
  });
  await world.asking("yes", 1);
  await world.asking("one too many", 1);
  await world.asking("no", 2);
  const { clients, accepted, refused, ended, requests } = server.stats();
  assertEquals({ clients, accepted, refused, requests }, {
    clients: 1,
    accepted: 1,
    refused: 2,
    requests: 1,
  });
  assertEquals([ended.unauthorized, ended.maxPerProcess], [1, 1]);
});

inWorld("a listener counts connections, and what their programs receive", async (world) => {
  const { listener, near, far } = await world.pair();
  await near.send("hello");
  await world.idle();
  assertEquals(counted(listener.stats()), { listening: 4, clients: 1, accepted: 1, bytesIn: 5 });
  await far.receive();
  await far.send("ok");
  await world.dial().then(() => world.idle());
  const { waiting, open, requests, messagesIn, messagesOut, bytesOut } = listener.stats();
  assertEquals({ waiting, open, requests, messagesIn, messagesOut, bytesOut }, {
    waiting: 1,
    open: 0,
    requests: 0,
    messagesIn: 1,
    messagesOut: 1,
    bytesOut: 2,
  });
  far.close();
  await world.idle();
  assertEquals(listener.stats().ended.self, 1);
  await listener.accept();
  assertEquals(listener.stats().waiting, 0);
});

inWorld("with framing, messages are counted without and bytes with their frames", async (world) => {
  const server = world.serve((request) => request, { framing: lines() });
  await world.asking("a\nbc\n");
  const { messagesIn, messagesOut, bytesIn, bytesOut } = server.stats();
  assertEquals({ messagesIn, messagesOut, bytesIn, bytesOut }, {
    messagesIn: 2,
    messagesOut: 2,
    bytesIn: 5,
    bytesOut: 5,
  });
});

inWorld("a framed message counts when it is received, not when its bytes are", async (world) => {
  const { listener, near, far } = await world.pair({ framing: lines() }, { framing: lines() });
  await near.send("a");
  await near.send("b");
  await far.receive();
  assertEquals(listener.stats().messagesIn, 1);
});

inWorld("a long write to a byte pipe counts as far as Windows has taken it", async (world) => {
  const { listener, near, far } = await world.pair({ type: "byte", writeBufferSize: 0 });
  const write = far.write(new Uint8Array(100_000));
  const part = new Uint8Array(65_536);
  let read = 0;
  while (read < part.length) read += await near.read(part) ?? 0;
  await world.idle();
  assertEquals([listener.stats().bytesOut, listener.stats().messagesOut], [65_536, 0]);
  near.close();
  await write.catch(() => {});
  await world.idle();
  assertEquals([listener.stats().bytesOut, listener.stats().messagesOut], [65_536, 0]);
});

inWorld("shortages are counted, of instances that are gone too", async (world) => {
  const server = world.serve((request) => request);
  const client = await world.arrived();
  const shortage = failing(world.kernel, "read", Status.NO_SYSTEM_RESOURCES);
  client.write("one");
  await world.idle();
  await client.receiveText();
  client.write("two");
  await world.idle();
  assertEquals(server.stats().shortages, shortage.calls);
  const failed = shortage.calls;
  assert(failed > 0);
  shortage.on = false;
  await world.pass(10_000);
  await client.receiveText();
  client.close();
  await server.shutdown();
  assertEquals(server.stats().shortages, failed);
});

inWorld("latency is measured from the arrival of a request to its answer", async (world) => {
  const questions = world.ask({ measure: true });
  const client = await world.asking("first");
  await world.write(client, "second, which arrives early");
  await world.pass(10);
  questions.at().reply();
  await world.pass(30);
  questions.at().reply();
  await world.idle();
  const { latency } = questions.generator.stats();
  assert(latency !== undefined);
  assertEquals([latency.count, latency.p50, latency.p99, latency.max].map(Math.round), [
    2,
    10,
    40,
    40,
  ]);
  assertEquals(Math.round(latency.mean), 25);
  assertEquals(Math.round(latency.p90), 40);
});

inWorld("an exchange whose client leaves has no latency", async (world) => {
  const questions = world.ask({ measure: true });
  const client = await world.asking("first");
  client.close();
  await world.idle();
  questions.at().reply();
  assertEquals(questions.generator.stats().latency?.count, 0);
});

inWorld("of a listener, latency is the time until a message is received", async (world) => {
  const { listener, near, far } = await world.pair({ measure: true });
  await near.send("hello");
  await world.pass(20);
  await far.receive();
  const { latency } = listener.stats();
  assertEquals([latency?.count, Math.round(latency?.max ?? 0)], [1, 20]);
});

inWorld("nothing is measured unless asked for", async (world) => {
  const server = world.serve((request) => request);
  await world.visit("question");
  assertStrictEquals(server.stats().latency, undefined);
});
