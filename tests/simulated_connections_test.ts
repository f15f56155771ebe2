import { assert, assertEquals, assertMatch } from "@std/assert";
import { unusedStats } from "../src/server/stats.ts";
import { fate, inWorld } from "./fixture.ts";
import { ConnectionModel } from "./simulation/connection_model.ts";
import { ConnectionHistory } from "./simulation/connections.ts";
import { Flow } from "./simulation/flow.ts";
import { simulate } from "./simulation/run.ts";
import type { Shape } from "./simulation/shape.ts";
import type { ListenerRecord, Side, Wire } from "./simulation/sides.ts";

Deno.test("3,000 histories of connections keep all invariants, and meet every state and event", async () => {
  const lines: string[] = [];
  const well = await simulate({
    subject: "connections",
    from: 1,
    seeds: 3_000,
    say: (line) => lines.push(line),
  });
  assert(well, lines.filter((line) => /^(seed |replay|never)/.test(line)).join("\n"));
});

Deno.test("a history of connections is the same whenever it is told", async () => {
  for (const seed of [3, 17, 4711]) {
    const tales = [[], []] as [string[], string[]];
    for (const tale of tales) await new ConnectionHistory(seed, (line) => tale.push(line)).run();
    assert(tales[0].length > 50);
    assertEquals(tales[0], tales[1]);
  }
});

// What histories have shown, each as the shortest story of it.

inWorld(
  "a client that takes one message of several is not idle",
  async (world) => {
    const listener = world.listen({ idleTimeout: 1_000, writeBufferSize: 1 });
    const client = await world.arrived();
    const conn = await listener.accept();
    const ended = fate(conn.closed);
    const fates = ["one", "two", "three"].map((message) => fate(conn.send(message)));
    await world.pass(900);
    assertEquals(client.readText(), "one");
    await world.pass(900);
    assertEquals(fates.map(({ state }) => state), ["resolved", "pending", "pending"]);
    assertEquals(ended.state, "pending");
    await world.pass(100);
    assertEquals(ended.state, "resolved");
    assertEquals((await conn.closed).reason, "idleTimeout");
  },
);

inWorld("a connection that ends gives back the room of what nobody received", async (world) => {
  const listener = world.listen({ maxBuffered: 10_000 });
  const client = await world.arrived();
  const conn = await listener.accept();
  await world.write(client, new Uint8Array(9_000));
  assertEquals(world.held > 0, true);
  conn.close();
  await world.idle();
  assertEquals(world.held, 0);
});

inWorld("closeWrite() is no message too many", async (world) => {
  const halfClose = "empty-message";
  const listener = world.listen({ halfClose, maxQueued: 10, writeBufferSize: 1 });
  const client = await world.arrived();
  const conn = await listener.accept();
  const sent = conn.send("longer than ten bytes");
  const ended = conn.closeWrite();
  await world.idle();
  assertEquals(client.readText(), "longer than ten bytes");
  await sent;
  assertEquals(client.readText(), "");
  await ended;
  assertEquals(world.reasons, []);
});

inWorld("who has ended its direction is told when the other end closes", async (world) => {
  const halfClose = "empty-message";
  const { near, far } = await world.pair({ halfClose }, { halfClose });
  await near.closeWrite();
  const received = near.receive();
  far.close();
  assertEquals(await received, null);
  assertEquals((await near.closed).reason, "peer");
});

// The checker itself: told a wrong history, it must complain.

const MESSAGES: Shape = {
  type: "message",
  direction: "both",
  framing: undefined,
  isLines: false,
  halfClose: "none",
};

/** A connection of which nothing is known but what a test tells. */
class Told {
  readonly complaints: string[] = [];
  readonly shape = MESSAGES;
  readonly jumps = false;
  task = 0;
  time = 0;
  inFlight: Uint8Array | undefined;
  readonly model: ConnectionModel = new ConnectionModel(this);
  readonly listener: ListenerRecord = {
    limits: {
      maxMessage: 10_000,
      maxPerProcess: Infinity,
      idleTimeout: Infinity,
      writeTimeout: 500,
      maxQueued: 100,
      maxBuffered: Infinity,
    },
    instances: 1,
    authorizes: undefined,
    closedAt: undefined,
    closedAs: undefined,
    refd: true,
    shutDownAt: undefined,
    shutdownTimeout: 10_000,
    stoppedAt: undefined,
    failed: false,
    over: false,
  };
  readonly wire: Wire = this.model.connected(0, "client", 4, this.listener, MESSAGES, {
    server: this,
    client: this,
  }, Infinity);

  get taskBegin(): number {
    return this.time;
  }

  pends(bytes: Uint8Array): boolean {
    return this.inFlight === bytes;
  }

  violate(what: string): void {
    this.complaints.push(what);
  }

  /** Messages that the other end was told are accepted. */
  accepted({ in_: flow }: Side, ...lengths: number[]): Uint8Array<ArrayBuffer>[] {
    return lengths.map((length) => {
      const sent = flow.compose(length, this.time);
      sent.state = "accepted";
      return sent.bytes;
    });
  }

  complained(about: RegExp): void {
    assertMatch(this.complaints[0] ?? "", about);
  }
}

function flowOf(...states: ("accepted" | "failed" | "dropped")[]): Flow {
  const flow = new Flow(1, true, undefined, false);
  for (const state of states) flow.compose(20, 0).state = state;
  return flow;
}

function bytesOf(flow: Flow, at: number): Uint8Array<ArrayBuffer> {
  return flow.sent[at]?.bytes ?? new Uint8Array();
}

Deno.test("the model of a direction accepts what was sent, whole, once and in order", () => {
  const flow = flowOf("accepted", "failed", "dropped", "accepted");
  assertEquals(flow.receive(bytesOf(flow, 0)), undefined);
  // The second was not written, or it was.
  assertEquals(flow.receive(bytesOf(flow, 3)), undefined);
  assertEquals(flow.missing, undefined);
});

Deno.test("the model of a direction sees what is lost, cut, repeated, out of order, or dropped", () => {
  const wrong: ((flow: Flow) => string | undefined)[] = [
    (flow) => flow.receive(bytesOf(flow, 1)),
    (flow) => flow.receive(bytesOf(flow, 0).subarray(1)),
    (flow) => flow.receive(bytesOf(flow, 0)) ?? flow.receive(bytesOf(flow, 0)),
    (flow) =>
      flow.receive(bytesOf(flow, 0)) ?? flow.receive(bytesOf(flow, 1)) ??
        flow.receive(bytesOf(flow, 2)),
    (flow) =>
      flow.receiveBytes(bytesOf(flow, 0).subarray(0, 7)) ??
        flow.receiveBytes(bytesOf(flow, 1)),
  ];
  for (const receive of wrong) {
    assertMatch(receive(flowOf("accepted", "accepted", "dropped")) ?? "", /is next, but/);
  }
  const flow = flowOf("accepted", "accepted");
  flow.receive(bytesOf(flow, 0));
  assertEquals(flow.missing, flow.sent[1]);
});

Deno.test("the model of a direction takes bytes in any pieces", () => {
  const flow = flowOf("accepted", "accepted");
  const all = new Uint8Array([...bytesOf(flow, 0), ...bytesOf(flow, 1)]);
  for (let at = 0; at < all.length; at += 7) {
    assertEquals(flow.receiveBytes(all.subarray(at, at + 7)), undefined);
  }
  assertEquals(flow.missing, undefined);
});

Deno.test("the model sees an end that has no cause, or comes before everything is received", () => {
  const told = new Told();
  told.model.ended(told.wire.client);
  told.complained(/sees an end, and there is none/);
  const early = new Told();
  early.accepted(early.wire.client, 20);
  early.wire.server.gone = true;
  early.model.ended(early.wire.client);
  early.complained(/sees the end before it gets 20 B/);
});

Deno.test("the model sees reasons that cannot be", () => {
  const reasons = ["peer", "self", "shutdown", "stopped", "error", "maxMessage"] as const;
  for (const reason of [...reasons, "maxQueued", "idleTimeout", "writeTimeout"] as const) {
    const told = new Told();
    told.model.closed(told.wire.server, { reason });
    told.complained(/which cannot be$/);
  }
  const told = new Told();
  told.wire.server.ending = true;
  told.model.closed(told.wire.server, { reason: "self" });
  assertEquals(told.complaints, []);
});

Deno.test("the model sees who waits for what is there, and who is not released", () => {
  const told = new Told();
  told.accepted(told.wire.server, 20);
  told.model.atStandstill();
  assertEquals(told.complaints, []);
  told.wire.server.waiting = 1;
  told.model.atStandstill();
  told.complained(/waits, and does not get 20 B/);
});

Deno.test("the model knows who keeps a program running", () => {
  const { model, wire, listener } = new Told();
  const { server } = wire;
  assert(model.keeps(server.clock, listener));
  assert(!model.keeps(server.clock, { ...listener, refd: false }));
  server.open = 1;
  assert(model.keeps(server.clock, undefined));
  server.refd = false;
  assert(!model.keeps(server.clock, undefined));
});

Deno.test("the model sees a promise that resolves while its message is written", () => {
  const told = new Told();
  const { server } = told.wire;
  const sent = server.out.compose(20, 0);
  told.inFlight = sent.wire;
  told.model.taken(server, sent);
  told.complained(/resolves while/);
});

Deno.test("the model sees what is kept, told twice, accepted twice, or read too far ahead", () => {
  const wrong: [RegExp, (told: Told) => void][] = [
    [/keeps its handle/, ({ model, wire, ...told }) => {
      wire.client.ending = true;
      model.closed(wire.client, { reason: "self" });
      model.atPeace(wire.client.clock);
      void told;
    }],
    [/is told twice/, ({ model, wire }) => {
      wire.server.ending = true;
      for (let i = 0; i < 2; i++) model.disconnected(wire, "self", undefined);
    }],
    [/is accepted twice/, ({ model, wire }) => {
      for (let i = 0; i < 2; i++) model.accepted(wire);
    }],
    [/has read 41 B ahead/, (told) => {
      told.model.accepted(told.wire);
      told.accepted(told.wire.server, 20, 20);
      told.wire.taken = 41;
      told.model.checkAhead(told.wire);
    }],
    [/is disconnected, though/, ({ model, wire }) => model.evicted(wire)],
    [/is connected, and not listed/, ({ model, wire, listener }) => {
      model.met(wire, 1);
      model.accepted(wire);
      model.listed([], listener);
    }],
    [/counts 2 ends by "self", which are 0 to 0/, ({ model, listener }) => {
      const stats = unusedStats(false);
      model.accounts.counted({ ...stats, ended: { ...stats.ended, self: 2 } }, listener);
    }],
    [/counts 1 messages from clients, which are 0 to 0/, ({ model, listener }) => {
      model.accounts.counted({ ...unusedStats(false), messagesIn: 1 }, listener);
    }],
    [/counts 20 bytes to clients, which are 0 to 0/, ({ model, listener }) => {
      model.accounts.counted({ ...unusedStats(false), bytesOut: 20 }, listener);
    }],
    [/counts 1 what is left/, ({ model, listener }) => {
      model.accounts.counted({ ...unusedStats(false), queued: 1 }, listener);
    }],
    [/1 evicted, which are 0 to 0/, ({ model, listener }) => {
      model.accounts.reported({ exchanges: 0, evicted: 1, dropped: 0 }, listener);
    }],
    [/is told of a shutdown/, ({ model, wire }) => model.drains(wire.server, true)],
    [/is not told of a shutdown/, ({ model, wire, listener }) => {
      listener.shutDownAt = 0;
      model.accepted(wire);
      model.drains(wire.server, false);
    }],
    [/never settle/, ({ model, wire }) => {
      wire.client.open = 1;
      model.atLast();
    }],
    [/messages in one turn/, (told) => {
      for (const bytes of told.accepted(told.wire.server, 20, 20, 20)) {
        told.model.received(told.wire.server, bytes);
      }
    }],
  ];
  for (const [about, tell] of wrong) {
    const told = new Told();
    tell(told);
    told.complained(about);
  }
});
