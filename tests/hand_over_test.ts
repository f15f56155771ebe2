/** A shutdown refuses no client that was there before: each is served its first request. */

import { assert, assertEquals, fail } from "@std/assert";
import type { PipeServer, ServeOptions } from "../src/exchange/serve.ts";
import { Status } from "../src/kernel/status.ts";
import type { ShutdownReport } from "../src/server/tally.ts";
import { fate, inWorld, PATH, type World } from "./fixture.ts";
import type { Failing, RawClient } from "./memory_kernel.ts";

const echo = (request: Uint8Array<ArrayBuffer>) => request;

const NOTHING = { exchanges: 0, evicted: 0, dropped: 0 };

/** Lets a client connect, and begins a shutdown, in some order. */
type When = (world: World, shutDown: () => void) => Promise<RawClient>;

const WHEN: Record<string, When> = {
  "was there before": async (world, shutDown) => {
    const client = await world.arrived();
    shutDown();
    return client;
  },
  "had connected, unseen": async (world, shutDown) => {
    await world.idle();
    const client = world.connect();
    shutDown();
    return client;
  },
  "connects before the cancel of its listen takes effect": async (world, shutDown) => {
    await world.idle();
    cannotOccupy(world);
    world.kernel.decisions.cancels = ({ call }) => call !== "listen";
    shutDown();
    const client = world.connect();
    world.kernel.decisions.cancels = () => true;
    for (const listen of world.kernel.inFlight()) world.kernel.end(listen, Status.CANCELLED);
    return client;
  },
  "connects after its listen was cancelled, and before anybody looks": async (world, shutDown) => {
    await world.idle();
    cannotOccupy(world);
    shutDown();
    return world.connect();
  },
  "connects while a shortage keeps the server from looking": async (world, shutDown) => {
    await world.idle();
    let short: number | undefined = Status.NO_SYSTEM_RESOURCES;
    let calls = 0;
    cannotOccupy(world, (call) => {
      if (call !== "peek") return undefined;
      calls++;
      return short;
    });
    shutDown();
    await world.idle();
    assert(calls > 0);
    const client = world.connect();
    short = undefined;
    return client;
  },
};

/**
 * The access rights keep the server from connecting to its own instances, so that further clients
 * can connect to them until they are closed.
 */
function cannotOccupy(
  world: World,
  fails: (call: Failing) => number | undefined = () => undefined,
): void {
  world.kernel.decisions.fails = (call) =>
    call === "serverProcess" ? Status.ACCESS_DENIED : fails(call);
}

/** A client that connects to a server, and the shutdown that then has begun. */
async function meeting(world: World, server: PipeServer, when: When, timeout?: number) {
  const shutdown = Promise.withResolvers<ShutdownReport>();
  const client = await when(world, () => server.shutdown({ timeout }).then(shutdown.resolve));
  return { client, shutdown: fate(shutdown.promise) };
}

const OPTIONS: Record<string, Partial<ServeOptions>> = {
  "": {},
  ", by a server that does not identify its clients": { access: "system-default" },
  ", once it is admitted": { authorize: () => Promise.resolve(true) },
  ", with all instances that there may be": { instances: 1, maxInstances: 1 },
};

for (const [name, when] of Object.entries(WHEN)) {
  for (const [how, options] of Object.entries(OPTIONS)) {
    inWorld(`shutdown() serves the first request of a client that ${name}${how}`, async (world) => {
      const server = world.serve(echo, options);
      const { client, shutdown } = await meeting(world, server, when);
      await world.pass(5_000);
      assertEquals([client.ended, shutdown.state], [undefined, "pending"]);
      assertEquals(world.system.open(PATH).status, Status.BUSY);
      client.write("the first");
      client.write("one more");
      await world.idle();
      assertEquals([client.readText(), client.ended], ["the first", Status.BROKEN]);
      assertEquals(shutdown.value, { exchanges: 1, evicted: 0, dropped: 0 });
      assertEquals(world.reasons, ["shutdown"]);
    });
  }

  inWorld(
    `shutdown() serves the long request of a client that ${name}, and has left`,
    async (world) => {
      const lengths: number[] = [];
      const server = world.serve((request) => void lengths.push(request.length));
      const { client, shutdown } = await meeting(world, server, when);
      client.write(new Uint8Array(10_000));
      client.close();
      await world.pass(1_000);
      assertEquals([lengths, shutdown.state], [[10_000], "resolved"]);
    },
  );

  inWorld(
    `shutdown() waits no longer than its time for a client that ${name}, and says nothing`,
    async (world) => {
      const server = world.serve(echo);
      const { client, shutdown } = await meeting(world, server, when, 3_000);
      await world.pass(2_999);
      assertEquals([client.ended, shutdown.state], [undefined, "pending"]);
      await world.pass(1);
      assertEquals([client.ended, shutdown.value], [Status.BROKEN, NOTHING]);
      assertEquals(world.reasons, ["shutdown"]);
    },
  );

  inWorld(`a signal closes a client that ${name} without a delay`, async (world) => {
    const controller = new AbortController();
    const server = world.serve(echo, { signal: controller.signal });
    const { client, shutdown } = await meeting(world, server, when);
    controller.abort();
    await world.idle();
    assertEquals([client.ended, shutdown.value], [Status.BROKEN, NOTHING]);
  });
}

// What holds for such a client as for any other

const seen = WHEN["was there before"] ?? fail("it is there");
const unseen = WHEN["connects after its listen was cancelled, and before anybody looks"] ??
  fail("it is there");

for (const when of [seen, unseen]) {
  const which = when === seen ? "that the server knows" : "that the server has yet to find";

  inWorld(`shutdown() lets idleTimeout end a silent client ${which}`, async (world) => {
    const server = world.serve(echo, { idleTimeout: 500 });
    const { client, shutdown } = await meeting(world, server, when);
    await world.pass(500);
    assertEquals([world.reasons, shutdown.value], [["idleTimeout"], NOTHING]);
    assertEquals(client.ended, Status.BROKEN);
  });

  inWorld(`shutdown() serves no client ${which} and "authorize" refuses`, async (world) => {
    const server = world.serve(echo, { authorize: () => false });
    const { client, shutdown } = await meeting(world, server, when);
    await world.write(client, "let me in");
    assertEquals([client.readText(), client.ended], [undefined, Status.BROKEN]);
    assertEquals([world.reasons, shutdown.state], [["unauthorized"], "resolved"]);
  });

  inWorld(`shutdown() keeps to maxMessage for a client ${which}`, async (world) => {
    const server = world.serve(echo, { maxMessage: 5_000 });
    const { client, shutdown } = await meeting(world, server, when);
    await world.write(client, new Uint8Array(5_001));
    assertEquals([world.reasons, shutdown.state], [["maxMessage"], "resolved"]);
  });

  inWorld(`shutdown() lets a client ${which} wait for room in maxBuffered`, async (world) => {
    const gate = Promise.withResolvers<string>();
    const server = world.serve((_request, { text }) => text() === "x" ? "done" : gate.promise, {
      maxBuffered: 5_000,
    });
    const holder = await world.asking(new Uint8Array(6_000));
    const { client, shutdown } = await meeting(world, server, when);
    await world.write(client, "x");
    assertEquals([client.read(), world.held], [undefined, 6_000]);
    gate.resolve("free");
    await world.idle();
    assertEquals([holder.readText(), client.readText()], ["free", "done"]);
    assertEquals(shutdown.value, { exchanges: 2, evicted: 0, dropped: 0 });
  });

  inWorld(`exchange.draining has begun for a client ${which}`, async (world) => {
    const aborted: boolean[] = [];
    const server = world.serve((_request, { draining }) => void aborted.push(draining.aborted));
    const { client, shutdown } = await meeting(world, server, when);
    await world.write(client, "x");
    assertEquals([aborted, shutdown.state], [[true], "resolved"]);
  });
}

inWorld("shutdown() counts a client that it finds in maxPerProcess", async (world) => {
  const server = world.serve(echo, { maxPerProcess: 1 });
  const first = await world.arrived(4711);
  cannotOccupy(world);
  const shutdown = fate(server.shutdown());
  const second = world.system.connect(PATH, { process: 4711 });
  await world.idle();
  assertEquals([first.ended, second.ended], [undefined, Status.DISCONNECTED]);
  assertEquals(world.reasons, ["maxPerProcess"]);
  await world.write(first, "x");
  assertEquals([first.readText(), shutdown.state], ["x", "resolved"]);
});

inWorld("shutdown() waits for no second request", async (world) => {
  const server = world.serve(echo);
  const client = await world.asking("the first");
  assertEquals(await server.shutdown(), NOTHING);
  assertEquals([client.readText(), client.ended], ["the first", Status.BROKEN]);
});

inWorld("shutdown() waits for nobody who connected, and left without a word", async (world) => {
  const server = world.serve(echo);
  await world.idle();
  cannotOccupy(world);
  const shutdown = fate(server.shutdown());
  world.connect().close();
  await world.idle();
  assertEquals([shutdown.value, world.ends], [NOTHING, []]);
});

inWorld("await using serves the first request of a client that was there before", async (world) => {
  const clients: RawClient[] = [];
  {
    await using _server = world.serve(echo);
    const client = await world.arrived();
    clients.push(client);
    setTimeout(() => client.write("the first"), 0);
  }
  assertEquals(clients.map((client) => client.readText()), ["the first"]);
});

inWorld(
  "shutdown() that a responder awaits waits for the first requests of others",
  async (world) => {
    let report: unknown;
    const server: PipeServer = world.serve(async (_request, { text }) => {
      if (text() === "quit") report = await server.shutdown();
      return text();
    });
    const [quitter, other] = [await world.arrived(), await world.arrived()];
    await world.write(quitter, "quit");
    assertEquals(report, undefined);
    await world.write(other, "hello");
    assertEquals(report, { exchanges: 1, evicted: 0, dropped: 0 });
    assertEquals([quitter.readText(), other.readText()], ["quit", "hello"]);
  },
);

inWorld("leaving the loop over exchanges() closes a client that was there", async (world) => {
  const questions = world.ask();
  const client = await world.arrived();
  await questions.end();
  assertEquals([client.ended, world.reasons], [Status.BROKEN, ["stopped"]]);
});

inWorld("shutdown() lets no client connect that it could not serve any more", async (world) => {
  const connected: number[] = [];
  const server = world.serve(echo, { onConnect: ({ id }) => void connected.push(id) });
  await world.idle();
  const client = world.connect();
  const shutdown = fate(server.shutdown());
  assertEquals(world.system.open(PATH, { process: 1 }).status, Status.BUSY);
  await world.idle();
  assertEquals(world.system.open(PATH, { process: 1 }).status, Status.BUSY);
  assertEquals(await world.visit("first", client), "first");
  assertEquals(shutdown.value, { exchanges: 1, evicted: 0, dropped: 0 });
  // Its own visits are nobody's.
  assertEquals([connected, world.reasons], [[1], ["shutdown"]]);
});
