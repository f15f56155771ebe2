import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { Exchange } from "../src/exchange/exchange.ts";
import type { ClientUser, PipeClient } from "../src/server/client.ts";
import { Lane, type PipeSpec } from "../src/kernel/kernel.ts";
import { Status } from "../src/kernel/status.ts";
import { inWorld, nextTask, PATH } from "./fixture.ts";
import { MemorySystem } from "./memory_kernel.ts";
import { clientCalls } from "./simulation/client_calls.ts";
import { contest } from "./simulation/contest.ts";
import { Coverage, holes } from "./simulation/coverage.ts";
import { crowd } from "./simulation/crowd.ts";
import { Counts, everyKind, noFaults } from "./simulation/faults.ts";
import { History } from "./simulation/history.ts";
import { SimulatedKernel } from "./simulation/kernel.ts";
import { replyTo, requestOf, senderOf } from "./simulation/messages.ts";
import { Model } from "./simulation/model.ts";
import type { Link, ServerRecord, Session } from "./simulation/records.ts";
import { Random } from "./simulation/random.ts";
import { simulate } from "./simulation/run.ts";
import { SCENARIOS } from "./simulation/stranded.ts";

Deno.test("10,000 histories keep all invariants, and meet every fault, state and event", async () => {
  const lines: string[] = [];
  const well = await simulate({
    subject: "exchanges",
    from: 1,
    seeds: 10_000,
    say: (line) => lines.push(line),
  });
  assert(well, lines.filter((line) => /^(seed |replay|never)/.test(line)).join("\n"));
  assertMatch(lines.at(-1) ?? "", /^10000 seeds, \d+ steps .* faults injected, 0 violations$/);
});

Deno.test("a history has at least 3 clients and on average 200 kernel events", async () => {
  let events = 0;
  for (let seed = 1; seed <= 500; seed++) {
    const outcome = await new History(seed).run();
    assert(outcome.clients >= 3, `seed ${seed} has ${outcome.clients} clients`);
    events += outcome.events;
  }
  assert(events / 500 >= 200, `${events / 500} kernel events a history`);
});

Deno.test("a history is the same whenever it is told", async () => {
  for (const seed of [3, 17, 4711]) {
    const tales = [[], []] as [string[], string[]];
    for (const tale of tales) await new History(seed, (line) => tale.push(line)).run();
    assert(tales[0].length > 50);
    assertEquals(tales[0], tales[1]);
  }
});

Deno.test("who asks at the same moment as others is first now and then", async () => {
  for (let seed = 1; seed <= 20; seed++) assertEquals(await contest(seed), undefined);
});

Deno.test("2,000 clients whose calls come in any order get what the model says", async () => {
  for (let seed = 1; seed <= 2_000; seed++) {
    assertEquals([seed, await clientCalls(seed)], [seed, undefined]);
  }
});

for (const [shows, play] of SCENARIOS) {
  Deno.test(shows, async () => assertEquals(await play(), undefined));
}

Deno.test("who needs more than is left stops nobody who fits, and is not passed for ever", () => {
  for (let seed = 1; seed <= 1_000; seed++) assertEquals(crowd(seed), undefined, `seed ${seed}`);
});

// What histories have shown, each as the shortest story of it.

inWorld(
  "a listen that ends by a shortage after it was cancelled is not submitted again",
  async (world) => {
    const server = world.serve(() => {}, { instances: 1 });
    await world.idle();
    const [listen] = world.kernel.inFlight();
    assert(listen !== undefined);
    world.kernel.holdCompletions = true;
    world.kernel.end(listen, Status.NO_SYSTEM_RESOURCES);
    const report = server.shutdown();
    world.kernel.holdCompletions = false;
    world.kernel.deliver();
    assertEquals(await report, { exchanges: 0, evicted: 0, dropped: 0 });
  },
);

// The checker itself: told a wrong history, it must complain.

const BEFORE = 1;

/** Where clients come from that nothing is known of. */
class Told {
  readonly complaints: string[] = [];
  stamp = BEFORE;
  now = 0;
  task = 0;
  readonly taskBegin = 0;
  readonly maxMessage = 10_000;
  readonly prefix = 0;
  readonly readBufferSize = 65_536;
  readonly tainted = false;
  readonly inFlight: Uint8Array[] = [];
  readonly model: Model = new Model(this);
  readonly server: ServerRecord = {
    path: PATH,
    limits: {
      maxMessage: 10_000,
      maxPerProcess: Infinity,
      idleTimeout: Infinity,
      writeTimeout: 500,
      maxQueued: 100,
      responderTimeout: Infinity,
    },
    stoppedAt: undefined,
    shutDownAt: undefined,
    shutdownTimeout: Infinity,
    failed: false,
    queues: false,
    hooked: true,
    authorizes: undefined,
    identifies: true,
  };
  readonly #clients = new Map<number, PipeClient>();

  sidOf(process: number): string {
    return `S-1-5-21-${process}`;
  }

  writes(bytes: Uint8Array): boolean {
    return this.inFlight.includes(bytes);
  }

  pends(bytes: Uint8Array): boolean {
    return this.writes(bytes);
  }

  ended(): boolean {
    return false;
  }

  violate(what: string): void {
    this.complaints.push(what);
  }

  /** A client that has sent messages of these lengths. */
  link(...lengths: number[]): Link {
    const link = this.model.connected("client", false, false, 1);
    link.server = this.server;
    for (const length of lengths) link.compose(length).state = "done";
    return link;
  }

  client(id: number): PipeClient {
    const known = this.#clients.get(id);
    if (known !== undefined) return known;
    const user: ClientUser = { sid: this.sidOf(1), integrity: "untrusted", elevated: false };
    const { signal } = new AbortController();
    const client = { id, user: () => user, signal } as PipeClient;
    this.#clients.set(id, client);
    return client;
  }

  /** The server's user gets a message, in a turn of its own, and answers it. */
  asked(id: number, request: Uint8Array<ArrayBuffer> | undefined, over = true): Session {
    assert(request !== undefined);
    this.task++;
    const client = this.client(id);
    if (!this.model.sessions.get(client)?.told) this.model.arrived(client, this.server);
    const exchange = { client, request } as unknown as Exchange;
    Object.assign(exchange, { signal: new AbortController().signal });
    const session = this.model.requested(exchange, this.server);
    if (session.open !== undefined) session.open.over = over;
    return session;
  }

  /** The server's user gives a message. */
  answered(session: Session, length: number): Uint8Array<ArrayBuffer> {
    const bytes = session.compose(length);
    this.model.answers.given(session, bytes);
    return bytes;
  }

  complained(words: RegExp): void {
    assertMatch(this.complaints[0] ?? "nothing", words);
  }
}

function sentBy(link: Link, number: number): Uint8Array<ArrayBuffer> | undefined {
  return link.sent[number]?.bytes;
}

Deno.test("the model is content with a history in which everything arrives", () => {
  const told = new Told();
  const link = told.link(20, 0, 5000);
  for (let i = 0; i < 3; i++) {
    const session = told.asked(1, sentBy(link, i));
    told.model.received(link, told.answered(session, i * 10), false);
  }
  told.model.disconnected(told.client(1), "shutdown", undefined, {
    ...told.server,
    shutDownAt: 0,
  });
  assert(told.complaints.length > 0, "nobody shut that server down");
  told.complaints.length = 0;
  assert(told.model.satisfied(link));
  told.model.atRest(told.server);
  told.model.atLast();
  assertEquals(told.complaints, []);
});

Deno.test("the model sees a client that is told of twice, late, or when it has left", () => {
  const told = new Told();
  const link = told.link(20);
  told.asked(1, sentBy(link, 0));
  told.model.arrived(told.client(1), told.server);
  told.complained(/^client 1 is there twice/);
  assertMatch(told.complaints[1] ?? "", /^client 1 is there after its first request/);
  const late = new Told();
  late.model.disconnected(late.client(1), "peer", undefined, late.server);
  late.model.arrived(late.client(1), late.server);
  late.complained(/^client 1 is there after its end was told/);
});

Deno.test("the model knows that what was pushed may be unread when the next request comes", () => {
  const told = new Told();
  const link = told.link(20, 20);
  const session = told.asked(1, sentBy(link, 0));
  told.answered(session, 10);
  told.model.answers.given(session, session.compose(10), true);
  assertEquals(told.asked(1, sentBy(link, 1)).taken, 1);
});

Deno.test("the model misses a request that was left out", () => {
  const told = new Told();
  const link = told.link(20, 20, 20);
  told.asked(1, sentBy(link, 0));
  told.asked(1, sentBy(link, 2));
  told.complained(/^I4: client sent 20 B request 0#1, but the server's user got 20 B request 0#2/);
});

Deno.test("the model misses a request that never came", () => {
  const told = new Told();
  const link = told.link(20, 20);
  told.asked(1, sentBy(link, 0));
  told.model.atRest(told.server);
  told.complained(/^I4: the server's user never got 20 B request 0#1/);
});

Deno.test("the model misses everything of a client that was never served", () => {
  const told = new Told();
  told.link(20);
  told.model.atRest(told.server);
  told.complained(/^I4: the server's user never got anything/);
});

Deno.test("the model does not miss the requests of whom nobody can tell apart", () => {
  const told = new Told();
  const [first] = told.link(20, 20).sent;
  assert(first !== undefined);
  // Only the first request surely says whose it is.
  first.state = "unknown";
  told.model.atRest(told.server);
  assertEquals(told.complaints, []);
});

Deno.test("the model sees a request that is longer than is allowed", () => {
  const told = new Told();
  told.asked(1, sentBy(told.link(10_001), 0));
  told.complained(/^client 1 asks with 10001 B, which is too long/);
});

Deno.test("the model sees who waits for nothing", () => {
  const told = new Told();
  const link = told.link(20);
  const session = told.asked(1, sentBy(link, 0));
  link.left = true;
  told.model.atStandstill(told.server);
  told.complained(/^I7: client 1 has left, and is not let go of/);
  told.complaints.length = 0;
  session.ends = 1;
  told.model.atStandstill(told.server);
  assertEquals(told.complaints, []);
  told.model.atStandstill({ ...told.server, shutDownAt: 0 });
  told.complained(/^I8: a shutdown waits for nobody/);
});

Deno.test("the model sees who a shutdown does not serve, and closes", () => {
  const told = new Told();
  const server = { ...told.server, shutDownAt: 0, shutdownTimeout: 100 };
  const closed = (link: Link, late = false, by: ServerRecord = server) => {
    link.server = by;
    told.model.closed(link, late);
    return told.complaints.splice(0).length;
  };
  assertEquals(closed(told.link(20)), 1, "it has sent a request");
  assertEquals(closed(told.link()), 1, "it may still send one");
  assertEquals(closed(told.link(20), true), 0, "it came too late");
  assertEquals(closed(told.link(20), false, told.server), 0, "there is no shutdown");
  assertEquals(closed(told.link(20), false, { ...server, stoppedAt: 0 }), 0, "it was stopped");
  const hasty = { ...server, limits: { ...server.limits, idleTimeout: 5 } };
  assertEquals(closed(told.link(20), false, hasty), 0, "a limit may be the reason");
  const [served, left, broken] = [told.link(20), told.link(20), told.link(20)];
  told.asked(1, sentBy(served, 0));
  left.left = true;
  broken.tainted = "a fault";
  assertEquals([served, left, broken].map((link) => closed(link)), [0, 0, 0]);
  told.now = 100;
  assertEquals(closed(told.link(20)), 0, "its time has run out");
});

Deno.test("the model sees who a shutdown does not serve, and keeps", () => {
  const told = new Told();
  const server = { ...told.server, shutDownAt: 0, shutdownTimeout: 100 };
  const silent = told.link();
  silent.server = server;
  told.model.atStandstill(server);
  assertEquals(told.complaints, [], "it has sent nothing");
  const asking = told.link(20);
  asking.server = server;
  told.model.atStandstill(server);
  told.complained(/^a shutdown does not serve/);
});

Deno.test("the model sees a report of too many exchanges, or of messages that were not given up", () => {
  const told = new Told();
  const link = told.link(20, 20, 20);
  for (let i = 0; i < 2; i++) told.asked(1, sentBy(link, i));
  told.model.accounts.ending(told.server);
  // The last one may not have been over, and one that was sent may have been given up.
  told.model.accounts.reported(told.server, { exchanges: 1, evicted: 0, dropped: 1 });
  assertEquals(told.complaints, []);
  for (const wrong of [{ exchanges: 2, dropped: 0 }, { exchanges: 0, dropped: 2 }]) {
    told.model.accounts.reported(told.server, { evicted: 0, ...wrong });
    told.complained(
      /^a shutdown reports .*, but 1 were asked, 0 to 0 answers and at most 1 request/,
    );
    told.complaints.length = 0;
  }
});

Deno.test("the model misses an answer that was given up in a report", async () => {
  const told = new Told();
  const session = told.asked(1, sentBy(told.link(20), 0));
  const given = Promise.withResolvers<void>();
  const answer = told.model.answers.given(session, session.compose(20));
  told.model.answers.promised(session, answer, given.promise);
  told.model.accounts.ending(told.server);
  told.server.stoppedAt = 0;
  given.reject(new Deno.errors.Interrupted("the server ended the connection"));
  await nextTask();
  told.model.accounts.reported(told.server, { exchanges: 0, evicted: 0, dropped: 1 });
  assertEquals(told.complaints, []);
  told.model.accounts.reported(told.server, { exchanges: 0, evicted: 0, dropped: 0 });
  told.complained(/^a shutdown reports .* 1 to 1 answers/);
});

Deno.test("the model sees an exchange that is not told that its client has left", () => {
  const told = new Told();
  const link = told.link(20);
  told.asked(1, sentBy(link, 0), false);
  told.model.atPeace(told.server);
  assertEquals(told.complaints, []);
  link.left = true;
  told.model.atPeace(told.server);
  told.complained(/^the exchange of client 1, who has left, is not told so/);
});

Deno.test("the model sees a request that comes twice", () => {
  const told = new Told();
  const link = told.link(20, 20);
  told.asked(1, sentBy(link, 0));
  told.asked(1, sentBy(link, 0));
  told.complained(/^I4: client sent 20 B request 0#1, but .* got 20 B request 0#0/);
});

Deno.test("the model sees a request that is cut, or longer than it was", () => {
  for (const length of [4096, 5001]) {
    const told = new Told();
    const link = told.link(5000);
    const wrong = new Uint8Array(length);
    wrong.set(sentBy(link, 0)?.subarray(0, length) ?? []);
    told.asked(1, wrong);
    told.complained(/^I4: client sent 5000 B/);
  }
});

Deno.test("the model sees a request of one client that comes as another's", () => {
  const told = new Told();
  const [one, other] = [told.link(20), told.link(20, 20)];
  told.asked(1, sentBy(one, 0));
  told.asked(2, sentBy(other, 0));
  told.asked(1, sentBy(other, 1));
  told.complained(/^I4: client sent nothing, but/);
  told.complaints.length = 0;
  told.asked(3, sentBy(other, 1));
  told.complained(/^I4: a request of client came as one of client 3, who is client 2/);
});

/** A withdrawn message of 6,000 bytes, and the next one, run together as one. */
function glued(told: Told, next: number): { link: Link; request: Uint8Array<ArrayBuffer> } {
  const link = told.link(6000, next);
  const [first, second] = link.sent;
  assert(first !== undefined && second !== undefined);
  first.state = "withdrawn";
  first.at = told.stamp;
  const request = new Uint8Array(4096 + next);
  request.set(first.bytes.subarray(0, 4096));
  request.set(second.bytes, 4096);
  return { link, request };
}

Deno.test("the model sees two messages that run together", () => {
  const told = new Told();
  told.asked(1, glued(told, 100).request);
  told.complained(/^I4: client sent 100 B request 0#1, but the server's user got 4196 B/);
});

Deno.test("the model allows what Windows cannot tell apart, and nothing else", () => {
  const asLong = new Told();
  asLong.asked(1, glued(asLong, 6000 - 4096).request);
  assertEquals(asLong.complaints, []);
  const early = new Told();
  const { link, request } = glued(early, 100);
  link.measured = early.stamp + 1;
  early.asked(1, request);
  assertEquals(early.complaints, []);
});

Deno.test("the model sees a second open exchange of a client", () => {
  const told = new Told();
  const link = told.link(20, 20);
  told.asked(1, sentBy(link, 0), false);
  told.asked(1, sentBy(link, 1), false);
  told.complained(/^I4: client 1 has two open exchanges/);
});

Deno.test("the model sees a client that is served twice in one turn", () => {
  const told = new Told();
  const link = told.link(20, 20);
  told.asked(1, sentBy(link, 0));
  told.task--;
  told.asked(1, sentBy(link, 1));
  told.complained(/^I9: client 1 is served 2 times in one turn/);
});

Deno.test("the model sees answers out of order, twice, cut, and to the wrong client", () => {
  const wrong: ((told: Told, one: Link, bytes: Uint8Array[]) => void)[] = [
    (told, one, [, second]) => told.model.received(one, second ?? assertNever(), false),
    (told, one, [first]) => {
      told.model.received(one, first ?? assertNever(), false);
      told.model.received(one, first ?? assertNever(), false);
    },
    (told, one, [first]) =>
      told.model.received(one, first?.subarray(0, 10) ?? assertNever(), false),
    (told, one, [first]) => told.model.received(one, first ?? assertNever(), true),
    (told, _one, [first]) => {
      const other = told.link(20);
      told.asked(2, sentBy(other, 0));
      told.model.received(other, first ?? assertNever(), false);
    },
    (told) => told.model.received(told.link(20), replyTo(7, 0, 20), false),
  ];
  for (const receive of wrong) {
    const told = new Told();
    const link = told.link(20);
    const session = told.asked(1, sentBy(link, 0));
    receive(told, link, [told.answered(session, 20), told.answered(session, 20)]);
    told.complained(/^I5: /);
  }
});

function assertNever(): never {
  throw new Error("there is no such message");
}

Deno.test("the model sees a message that Windows has taken and nobody got", async () => {
  const told = new Told();
  const link = told.link(20);
  const session = told.asked(1, sentBy(link, 0));
  told.model.answers.promised(
    session,
    told.model.answers.given(session, session.compose(20)),
    Promise.resolve(),
  );
  await nextTask();
  told.model.atLast();
  told.complained(/^I5: client got 0 answers, but the server was told that 1 are taken/);
});

Deno.test("the model sees an answer that was refused though its client is there", async () => {
  const told = new Told();
  const session = told.asked(1, sentBy(told.link(20), 0));
  const answer = told.model.answers.given(session, session.compose(20));
  told.model.answers.promised(session, answer, Promise.reject(new Deno.errors.BrokenPipe("gone")));
  await nextTask();
  told.complained(/^I5: an answer to client 1 was rejected .* client is there/);
});

Deno.test("the model sees a promise that settles too early, and one that never does", async () => {
  const told = new Told();
  const session = told.asked(1, sentBy(told.link(20), 0));
  const answer = told.model.answers.given(session, session.compose(20));
  told.inFlight.push(answer.bytes);
  told.model.answers.promised(session, answer, Promise.resolve());
  await nextTask();
  told.complained(/^I2: the promise of 20 B reply 0#0 settled while it is being written/);
  told.complaints.length = 0;
  told.model.answers.promised(session, answer, new Promise(() => {}));
  session.ends = 1;
  told.model.atEnd(told.server);
  told.complained(/^I8: an answer to client 1 never settled/);
});

Deno.test("the model sees ends that are not told, told twice, or told with a wrong reason", () => {
  const told = new Told();
  told.asked(1, sentBy(told.link(20), 0));
  told.model.atEnd(told.server);
  told.complained(/^the end of client 1 was told 0 times/);
  const reasons = ["peer", "self", "stopped", "shutdown", "error", "maxMessage"];
  const limits = [
    ...["maxPerProcess", "idleTimeout", "writeTimeout", "maxQueued", "responderTimeout", "whim"],
  ];
  for (const reason of [...reasons, ...limits]) {
    const other = new Told();
    other.asked(1, sentBy(other.link(20), 0));
    other.model.disconnected(other.client(1), reason, undefined, other.server);
    other.complained(new RegExp(`^client 1 of client ended by "${reason}"`));
    other.complaints.length = 0;
    other.model.disconnected(other.client(1), reason, undefined, other.server);
    other.complained(/^the end of client 1 was told twice/);
  }
});

Deno.test("the model knows who may be thrown out", () => {
  const told = new Told();
  const link = told.link(20);
  const session = told.asked(1, sentBy(link, 0));
  assertEquals(told.model.mayEvict(link, told.server), false);
  told.answered(session, 20);
  told.now = 500;
  assert(told.model.mayEvict(link, told.server), "it has not read for so long");
});

Deno.test("the model sees when more waits for a client than is allowed", () => {
  for (const [size, least] of [[50, 3], [51, 2]] as const) {
    const told = new Told();
    const session = told.asked(1, sentBy(told.link(20), 0), false);
    for (let given = 0; given <= least; given++) {
      assertEquals(told.complaints, []);
      const answer = told.model.answers.given(session, session.compose(size));
      told.inFlight.push(answer.bytes);
      told.model.answers.promised(session, answer, new Promise(() => {}));
    }
    told.complained(/^too much waits for client 1/);
  }
});

Deno.test("the model sees who waits though nobody is at work", () => {
  const told = new Told();
  const link = told.link(20, 20);
  const session = told.asked(1, sentBy(link, 0), false);
  told.model.atPeaceWithRoom(told.server);
  assertEquals(told.complaints, []);
  if (session.open !== undefined) session.open.over = true;
  told.model.atPeaceWithRoom(told.server);
  told.complained(/^I7: client waits for room that nobody takes/);
});

Deno.test("the model sees a long request that is read before its client is admitted", () => {
  const told = new Told();
  const link = told.link(5_000);
  told.model.readsOn(link);
  assertEquals(told.complaints, []);
  const server: ServerRecord = { ...told.server, authorizes: "some" };
  link.server = server;
  const session = told.model.asked(told.client(1), server);
  told.model.decided(session, true);
  told.model.readsOn(link);
  assertEquals(told.complaints, []);
  told.model.decided(session, false);
  told.model.readsOn(link);
  told.complained(/^a long request of client is read, who is not admitted/);
});

Deno.test("messages say whose they are", () => {
  assertEquals(senderOf(requestOf(300, 7, 5)), { sender: 300, number: 7 });
  assertEquals(senderOf(requestOf(300, 7, 4)), undefined);
  assert(requestOf(1, 2, 5000).some((byte, at) => byte !== requestOf(1, 3, 5000)[at]));
});

// The simulated kernel itself.

const PIPE: PipeSpec = {
  path: PATH,
  type: "message",
  direction: "both",
  readBufferSize: 4096,
  writeBufferSize: 4096,
  waitTimeout: 50,
  security: undefined,
  remote: false,
};

function simulated() {
  const complaints: string[] = [];
  const rates = noFaults();
  const kernel = new SimulatedKernel("kernel", new MemorySystem(), {
    random: new Random(1),
    rates,
    counts: new Counts(),
    intrude() {},
    passBy() {},
    connections: { taint() {}, opened() {}, evicted() {}, left() {} },
    instanceLost() {},
    checkName() {},
    waitFailed() {},
    violate: (what) => complaints.push(what),
    tell: undefined,
  });
  const { handle } = kernel.create(PIPE, true);
  return { kernel, handle, complaints, rates };
}

Deno.test("I10 is broken when a completion is seen, and nobody will look", () => {
  const { kernel, handle, complaints } = simulated();
  assertEquals(kernel.listen(handle, 0), Status.PENDING);
  kernel.rearm(false);
  kernel.wait(false);
  kernel.checkLiveness();
  const client = kernel.system.connect(PATH);
  kernel.checkLiveness();
  assertEquals(complaints, []);
  // Another submission, and be it one that fails, erases the signal before the wait begins.
  kernel.failNext("listen", Status.INVALID_HANDLE);
  kernel.listen(kernel.create(PIPE, false).handle, 1);
  kernel.checkLiveness();
  assertMatch(complaints[0] ?? "", /^I10: a listen of 4 is over \(0\) and nobody will look/);
  client.close();
});

Deno.test("an instance that does not listen at once is complained of, and a write before a disconnect", () => {
  const { kernel, handle, complaints } = simulated();
  kernel.create(PIPE, false);
  kernel.system.connect(PATH);
  kernel.listen(handle, 0);
  kernel.write(handle, 0, new Uint8Array(5_000));
  kernel.disconnect(handle);
  assertEquals(complaints, [
    "instance 4 does not listen at once",
    "instance 8 does not listen at once",
    "a write is not cancelled before a disconnect",
  ]);
});

Deno.test("I9 is broken when a completion is overlooked in turn after turn", () => {
  const { kernel, handle, complaints } = simulated();
  kernel.listen(handle, 0);
  kernel.system.connect(PATH);
  for (let i = 0; i < 12; i++) kernel.turn();
  assertEquals(complaints, []);
  kernel.turn();
  assertMatch(complaints[0] ?? "", /^I9: a listen of 4 waits for 13 turns/);
});

Deno.test("I8 is broken when a kernel is given back with something left", () => {
  const { kernel, handle, complaints } = simulated();
  kernel.listen(handle, 0);
  kernel.cancel(handle, Lane.IN, 0);
  kernel.status(Lane.IN, 0);
  kernel.close(handle);
  kernel.dispose();
  assertMatch(complaints[0] ?? "", /^I8: left over: .*"slots":1/);
});

Deno.test("a breach of the contract is remembered, whoever catches it", async () => {
  const { kernel, handle } = simulated();
  kernel.listen(handle, 0);
  await assertRejects(() => Promise.resolve().then(() => kernel.close(handle)));
  assertMatch(kernel.breach?.message ?? "", /^contract: a handle is closed with an operation/);
});

Deno.test("a write that outlives its connection ends when it is cancelled", () => {
  const { kernel, handle, rates } = simulated();
  const client = kernel.system.connect(PATH);
  kernel.listen(handle, 0);
  assertEquals(kernel.write(handle, 0, new Uint8Array(5000)), Status.PENDING);
  assertEquals(kernel.read(handle, 0, 10), Status.PENDING);
  rates.strands = 1;
  client.close();
  assertEquals(kernel.status(Lane.IN, 0), Status.BROKEN);
  assertEquals(kernel.status(Lane.OUT, 0), Status.PENDING);
  assertEquals(kernel.deliverable(), []);
  assertEquals(kernel.cancel(handle, Lane.OUT, 0), Status.SUCCESS);
  const [write] = kernel.deliverable();
  assert(write !== undefined);
  kernel.show(write);
  assertEquals(kernel.status(Lane.OUT, 0), Status.BROKEN);
});

Deno.test("what never happened is told", () => {
  const missing = holes(new Coverage(), new Counts(), "exchanges");
  assert(missing.includes("reading + message"));
  assert(!missing.includes("reading + turnBegan"));
  for (const kind of everyKind()) assert(missing.includes(kind));
});
