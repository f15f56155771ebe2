/** Limits: each ends the connection of one client, and of nobody else; or lets clients wait. */

import { mock } from "node:test";
import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertLessOrEqual,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import type { CloseReason } from "../src/pipe/close_reason.ts";
import { WindowsError } from "../src/kernel/errors.ts";
import { Status } from "../src/kernel/status.ts";
import type { ServeOptions } from "../src/exchange/serve.ts";
import type { Responder } from "../src/exchange/responders.ts";
import { failing, fate, inWorld, nextTask, PATH, type World } from "./fixture.ts";
import type { RawClient } from "./memory_kernel.ts";

/** Answers as the request wants it. */
const respond: Responder = (request, exchange) => {
  if (request.length > 1_000) return `${request.length}`;
  const [what, size] = exchange.text().split(" ");
  if (what === "work") {
    return new Promise((resolve) => exchange.signal.addEventListener("abort", () => resolve()));
  }
  if (what === "thrice") { for (let i = 0; i < 3; i++) exchange.send(new Uint8Array(600)); }
  if (what === "reply") return new Uint8Array(Number(size));
  return request;
};

/** A client that is there is answered. */
async function assertAnswered(world: World, client: RawClient | undefined): Promise<void> {
  await world.write(client, "still there?");
  assertEquals(client?.readText(), "still there?");
  await world.idle();
}

function ignore(): void {}

// Each limit

interface Offence {
  readonly options: Partial<ServeOptions>;
  /** What the client does; `other` is another client, of this process. */
  readonly offend: (world: World, client: RawClient, other: RawClient) => Promise<void>;
  readonly error: typeof Deno.errors.TimedOut;
  /** How the client learns of it. */
  readonly ended: number;
}

const SELF = 1_000_000;

const OFFENCES: Record<string, Offence> = {
  maxMessage: {
    options: { maxMessage: 100 },
    offend: async (world, client) => {
      await world.write(client, new Uint8Array(101));
    },
    error: Deno.errors.InvalidData,
    ended: Status.DISCONNECTED,
  },
  idleTimeout: {
    options: { idleTimeout: 1_000 },
    offend: async (world, client, other) => {
      await world.pass(999);
      await assertAnswered(world, other);
      assertEquals(client.ended, undefined);
      await world.pass(1);
    },
    error: Deno.errors.TimedOut,
    ended: Status.BROKEN,
  },
  writeTimeout: {
    options: { writeTimeout: 1_000, writeBufferSize: 100 },
    offend: async (world, client, other) => {
      client.write("reply 101");
      await world.pass(999);
      await assertAnswered(world, other);
      assertEquals(client.ended, undefined);
      await world.pass(1);
    },
    error: Deno.errors.TimedOut,
    ended: Status.DISCONNECTED,
  },
  maxQueued: {
    options: { maxQueued: 1_000, writeBufferSize: 100 },
    offend: async (world, client) => {
      await world.write(client, "thrice");
    },
    error: Deno.errors.Busy,
    ended: Status.DISCONNECTED,
  },
  responderTimeout: {
    options: { responderTimeout: 1_000 },
    offend: async (world, client, other) => {
      client.write("work");
      await world.pass(999);
      await assertAnswered(world, other);
      assertEquals(client.ended, undefined);
      await world.pass(1);
    },
    error: Deno.errors.TimedOut,
    ended: Status.BROKEN,
  },
};

for (const [limit, { options, offend, error: Class, ended }] of Object.entries(OFFENCES)) {
  for (const maxInstances of [2, undefined]) {
    inWorld(
      `${limit} ends the one connection, and the next client is served (maxInstances: ${maxInstances})`,
      async (world) => {
        world.serve(respond, { instances: 1, maxInstances, ...options });
        const other = await world.arrived();
        await assertAnswered(world, other);
        const { open } = world.kernel.leftovers();
        for (let round = 1; round <= 3; round++) {
          const client = await world.arrived();
          if (maxInstances === 2) assertEquals(world.system.open(PATH).status, Status.BUSY);
          await offend(world, client, other);
          assertEquals<string[]>(world.reasons, Array(round).fill(limit));
          const { client: { signal }, error } = world.ends[round - 1] ?? {
            client: { signal: AbortSignal.abort() },
            error: undefined,
          };
          assertInstanceOf(error, Class);
          assertStringIncludes(error.message, PATH);
          assertStringIncludes(error.message, `(${limit})`);
          assertStrictEquals(signal.reason, error);
          assertEquals(client.ended, ended);
          client.close();
          assertEquals(world.kernel.leftovers().open, open);
          await world.assertServed();
          world.ends.splice(round);
          await assertAnswered(world, other);
        }
        assertEquals(other.ended, undefined);
      },
    );
  }
}

// maxMessage

for (const maxMessage of [0, 1, 100, 4096, 4097, 50_000, undefined]) {
  inWorld(
    `maxMessage of ${maxMessage ?? "16 MiB, the default,"} takes as many bytes, and not one more`,
    async (world) => {
      const limit = maxMessage ?? 16_777_216;
      const sizes: number[] = [];
      world.serve((request) => void sizes.push(request.length), { maxMessage });
      const clients = [await world.arrived(), await world.arrived()];
      const read = mock.method(world.kernel, "read");
      // Memory is bounded by the limit, not by what the client sends: the rest is not asked for.
      await world.write(clients[0], new Uint8Array(limit + 1));
      for (const call of read.mock.calls) assertLessOrEqual(call.arguments[2], 4096);
      for (const size of [limit, 0, limit + 1]) {
        await world.write(clients[1], new Uint8Array(size));
      }
      const most = Math.max(limit, 4096);
      for (const call of read.mock.calls) assertLessOrEqual(call.arguments[2], most);
      assertEquals(sizes, [limit, 0]);
      assertEquals(world.reasons, ["maxMessage", "maxMessage"]);
      assertEquals(world.held, 0);
    },
  );
}

inWorld("maxMessage of an early request ends the exchange that is open", async (world) => {
  const { questions, client } = await world.asked("first", { maxMessage: 100 });
  await world.write(client, new Uint8Array(101));
  const { signal, reply } = questions.at();
  const error = await assertRejects(() => reply("late"), Deno.errors.InvalidData, "maxMessage");
  assertStrictEquals(signal.reason, error);
  assertEquals(world.reasons, ["maxMessage"]);
  assertStrictEquals(world.ends[0]?.error, error);
  assertEquals(questions.all.length, 1);
});

// idleTimeout

inWorld("idleTimeout stands still while a responder is at work", async (world) => {
  const questions = world.ask({ idleTimeout: 1_000 });
  const client = await world.arrived();
  client.write("first");
  await world.pass(10_000);
  // With an early request, too.
  client.write("second");
  await world.pass(10_000);
  questions.at().reply("1");
  await world.pass(10_000);
  assertEquals(questions.texts, ["first", "second"]);
  questions.at().send("2a");
  await world.pass(10_000);
  questions.at().reply("2b");
  assertEquals([client.readText(), client.readText(), client.readText()], ["1", "2a", "2b"]);
  await world.pass(999);
  assertEquals(client.ended, undefined);
  await world.pass(1);
  assertEquals(world.reasons, ["idleTimeout"]);
});

inWorld("idleTimeout stands still while a reply is pending", async (world) => {
  world.serve(respond, {
    idleTimeout: 1_000,
    writeTimeout: Infinity,
    writeBufferSize: 10,
  });
  const client = await world.arrived();
  client.write("reply 100");
  await world.pass(100_000);
  assertEquals(client.read()?.length, 100);
  await world.pass(999);
  await assertAnswered(world, client);
  await world.pass(1_000);
  assertEquals(world.reasons, ["idleTimeout"]);
});

inWorld(
  "idleTimeout stands still while the server reads nothing for want of memory",
  async (world) => {
    const questions = world.ask({ idleTimeout: 1_000, maxBuffered: 100 });
    const holder = await world.arrived();
    holder.write(new Uint8Array(200));
    const client = await world.arrived();
    await world.pass(10_500);
    assertEquals(client.ended, undefined);
    questions.at().reply();
    await world.pass(999);
    assertEquals([client.ended, holder.ended], [undefined, undefined]);
    await world.pass(1);
    assertEquals(world.reasons, ["idleTimeout", "idleTimeout"]);
  },
);

inWorld(
  "idleTimeout stands still while the system is too short of memory to read",
  async (world) => {
    world.serve(respond, { idleTimeout: 5_000 });
    await world.idle();
    const shortage = failing(world.kernel, "read", Status.NO_SYSTEM_RESOURCES);
    const client = await world.arrived();
    client.write("patient");
    await world.pass(20_000);
    assertEquals(client.ended, undefined);
    shortage.on = false;
    await world.pass(1_000);
    assertEquals(client.readText(), "patient");
  },
);

inWorld("idleTimeout does not count what the program was too busy to look at", async (world) => {
  world.serve(respond, { idleTimeout: 1_000 });
  const client = await world.arrived();
  for (let i = 0; i < 3; i++) {
    await world.pass(500);
    // The thread is blocked, and what is due first afterwards is the timer.
    client.write(`request ${i}`);
    world.kernel.pass(10_000);
    assert(world.kernel.fireTimer());
    await world.idle();
    assertEquals(client.readText(), `request ${i}`);
  }
  await world.pass(1_000);
  assertEquals(world.reasons, ["idleTimeout"]);
});

inWorld("idleTimeout leaves readable what was answered", async (world) => {
  world.serve(respond, { idleTimeout: 1_000, writeTimeout: 500 });
  const client = await world.arrived();
  client.write("never read, as it seems");
  await world.pass(1_000);
  assertEquals(world.reasons, ["idleTimeout"]);
  assertEquals(client.readText(), "never read, as it seems");
  assertEquals(client.ended, Status.BROKEN);
});

inWorld("idleTimeout does not hurry a client that has left", async (world) => {
  const questions = world.ask({ idleTimeout: 1_000, instances: 1 });
  const client = await world.arrived();
  client.write("one");
  client.write("two");
  client.close();
  await world.idle();
  await world.pass(10_000);
  questions.at().reply().catch(ignore);
  await world.pass(10_000);
  assertEquals(questions.texts, ["one", "two"]);
  questions.at().reply().catch(ignore);
  await world.idle();
  assertEquals(world.reasons, ["peer"]);
});

// writeTimeout

inWorld("writeTimeout is the time of each message", async (world) => {
  const { questions, client } = await world.asked("x", {
    writeBufferSize: 10,
    writeTimeout: 1_000,
  });
  const { send, reply } = questions.at();
  for (let i = 0; i < 4; i++) send(new Uint8Array(100));
  reply(new Uint8Array(100));
  for (let i = 0; i < 5; i++) {
    await world.pass(999);
    assertEquals(client.read()?.length, 100);
    await world.idle();
  }
  await world.pass(10_000);
  assertEquals(client.ended, undefined);
});

inWorld(
  "writeTimeout rejects a reply that would fit when what is unread before it is destroyed",
  async (world) => {
    const { questions } = await world.asked("x", {
      writeBufferSize: 512,
      writeTimeout: 1_000,
    });
    const { send, reply } = questions.at();
    const [sent, replied] = [send, reply].map((give) => fate(give(new Uint8Array(500))));
    await world.pass(1_000);
    assertEquals([sent?.state, replied?.state], ["resolved", "rejected"]);
    assertStrictEquals(replied?.error, world.ends[0]?.error);
  },
);

inWorld(
  "writeTimeout drops the messages that wait, says so, and aborts the exchange",
  async (world) => {
    const { questions } = await world.asked("x", {
      writeBufferSize: 10,
      writeTimeout: 1_000,
    });
    const { send, reply, signal } = questions.at();
    const sent = [1, 2, 3].map(() => fate(send(new Uint8Array(100))));
    await world.pass(1_000);
    for (const { state, error } of sent) {
      assertEquals(state, "rejected");
      assertStrictEquals(error, world.ends[0]?.error);
    }
    assertStrictEquals(signal.reason, world.ends[0]?.error);
    await assertRejects(() => reply("late"), Deno.errors.TimedOut, "(writeTimeout)");
  },
);

inWorld("writeTimeout gets a client that sends requests and never reads", async (world) => {
  let served = 0;
  world.serve((request) => {
    served++;
    return request;
  }, { writeBufferSize: 1_000, writeTimeout: 1_000 });
  const client = await world.arrived();
  for (let i = 0; i < 100; i++) client.write(new Uint8Array(100));
  await world.pass(1_000);
  assertEquals(world.reasons, ["writeTimeout"]);
  // Ten fit into the pipe, and one waits.
  assertEquals(served, 11);
});

inWorld("writeTimeout does not count what the program was too busy to look at", async (world) => {
  const { questions, client } = await world.asked("x", {
    writeBufferSize: 10,
    writeTimeout: 1_000,
  });
  const replied = fate(questions.at().reply(new Uint8Array(100)));
  await world.pass(500);
  assertEquals(client.read(95)?.length, 95);
  world.kernel.pass(10_000);
  assert(world.kernel.fireTimer());
  await world.idle();
  assertEquals(replied.state, "resolved");
  assertEquals(client.read()?.length, 5);
});

for (const writeTimeout of [1_000, Infinity]) {
  inWorld(
    `writeTimeout of ${writeTimeout} bounds how long each last message of an end may wait`,
    async (world) => {
      const questions = world.ask({ writeBufferSize: 10, writeTimeout });
      const time = writeTimeout === Infinity ? 10_000 : writeTimeout;
      const client = await world.asking("x");
      const { send, reply, client: { close } } = questions.at();
      const messages = [
        fate(send(new Uint8Array(100))),
        fate(send(new Uint8Array(100))),
        fate(reply(new Uint8Array(100))),
      ];
      close();
      await world.pass(time - 1);
      client.read();
      await world.pass(time - 1);
      client.read();
      await world.pass(time - 1);
      assertEquals(messages.map(({ state }) => state), ["resolved", "resolved", "pending"]);
      assertEquals(client.ended, undefined);
      await world.pass(1);
      assertEquals(messages[2]?.state, "rejected");
      assertEquals(client.ended, Status.DISCONNECTED);
      assertEquals(world.reasons, ["self"]);
      assertEquals(world.ends[0]?.error, undefined);
    },
  );
}

inWorld(
  "writeTimeout ends a connection whose reply there is no memory to write, and says so",
  async (world) => {
    const { questions } = await world.asked("x", { writeTimeout: 5_000 });
    failing(world.kernel, "write", Status.NOT_SUBMITTED);
    const replied = fate(questions.at().reply("answer"));
    await world.pass(4_999);
    assertEquals(replied.state, "pending");
    await world.pass(1);
    assertEquals(replied.state, "rejected");
    assertInstanceOf(replied.error, WindowsError);
    assertEquals([replied.error.call, replied.error.code], ["WriteFile", 8]);
    assertEquals(world.reasons, ["error"]);
    assertStrictEquals(world.ends[0]?.error, replied.error);
  },
);

inWorld(
  "writeTimeout ends a connection that a shortage of the system keeps from its end",
  async (world) => {
    const { exchange } = await world.asked("x", { writeTimeout: 5_000 });
    failing(world.kernel, "write", Status.NOT_SUBMITTED);
    const replied = fate(exchange.reply("answer"));
    exchange.client.close();
    await world.pass(4_999);
    assertEquals(replied.state, "pending");
    await world.pass(1);
    assertEquals(replied.state, "rejected");
    assertEquals(world.reasons, ["self"]);
  },
);

inWorld(
  "writeTimeout begins anew when a shortage has passed: the client could not read before",
  async (world) => {
    world.serve(() => "an answer", { writeTimeout: 5_000, writeBufferSize: 2 });
    const client = await world.arrived();
    const shortage = failing(world.kernel, "write", Status.NOT_SUBMITTED);
    client.write("x");
    await world.pass(4_000);
    shortage.on = false;
    // Until then the pause may last before it is tried again.
    await world.pass(1_000);
    await world.pass(4_000);
    assertEquals(world.reasons, []);
    await world.pass(1_000);
    assertEquals(world.reasons, ["writeTimeout"]);
  },
);

// responderTimeout

inWorld(
  "responderTimeout drops nothing of an exchange whose connection is ending already",
  async (world) => {
    world.serve((_request, exchange) => {
      for (const message of ["one", "two", "three"]) exchange.send(message);
      exchange.client.close();
    }, { writeBufferSize: 2, responderTimeout: 1_000 });
    const client = await world.arrived();
    client.write("x");
    await world.pass(2_000);
    const got: (string | undefined)[] = [];
    for (let i = 0; i < 3; i++) {
      got.push(client.readText());
      await world.idle();
    }
    assertEquals(got, ["one", "two", "three"]);
    assertEquals(world.reasons, ["self"]);
  },
);

inWorld("responderTimeout aborts the signal and the answer comes too late", async (world) => {
  const { questions, client } = await world.asked("x", { responderTimeout: 1_000 });
  const { signal, send, reply } = questions.at();
  // A message is no end of it.
  await send("wait");
  await world.pass(999);
  assertFalse(signal.aborted);
  await world.pass(1);
  assert(signal.aborted);
  assertInstanceOf(signal.reason, Deno.errors.TimedOut);
  assertStringIncludes(signal.reason.message, "1000 ms (responderTimeout)");
  await assertRejects(() => send("late"), Deno.errors.TimedOut);
  await assertRejects(() => reply("late"), Deno.errors.TimedOut);
  assertEquals(client.readText(), "wait");
  assertEquals(client.ended, Status.BROKEN);
});

inWorld("responderTimeout ends with the exchange, not with the responder", async (world) => {
  const gate = Promise.withResolvers<void>();
  world.serve(async (request, { reply }) => {
    reply(request);
    await gate.promise;
  }, { responderTimeout: 1_000 });
  const client = await world.arrived();
  for (let i = 0; i < 3; i++) await assertAnswered(world, client);
  assertEquals(world.kernel.leftovers().timers, 0);
  await world.pass(10_000);
  await assertAnswered(world, client);
  client.close();
  gate.resolve();
});

inWorld("responderTimeout does not count the time that a reply is pending", async (world) => {
  world.serve(respond, { responderTimeout: 1_000, writeBufferSize: 10 });
  const client = await world.arrived();
  client.write("reply 100");
  await world.pass(20_000);
  assertEquals(client.read()?.length, 100);
  await assertAnswered(world, client);
});

inWorld(
  "responderTimeout does not count the time that a request waits for a responder",
  async (world) => {
    const gates: (() => void)[] = [];
    world.serve(async (request) => {
      await new Promise<void>((resolve) => gates.push(resolve));
      return request;
    }, { responderTimeout: 1_000, concurrency: 1 });
    const clients: RawClient[] = [];
    for (let i = 0; i < 4; i++) {
      clients.push(await world.arrived());
      clients[i]?.write(`${i}`);
    }
    for (let i = 0; i < 4; i++) {
      await world.pass(999);
      gates[i]?.();
      await world.idle();
      assertEquals(clients[i]?.readText(), `${i}`);
    }
    assertEquals(world.ends, []);
  },
);

inWorld(
  "responderTimeout does not count the time that nobody asks for an exchange",
  async (world) => {
    const generator = world.exchanges({ responderTimeout: 1_000 });
    const first = generator.next();
    const clients = [await world.arrived(), await world.arrived()];
    for (const client of clients) client.write("x");
    await world.pass(500);
    (await first).value?.reply("first");
    await world.pass(10_000);
    assertEquals(world.ends, []);
    const { value: second } = await generator.next();
    await world.pass(999);
    await second?.reply("second");
    assertEquals(clients.map((client) => client.readText()).toSorted(), ["first", "second"]);
  },
);

inWorld("responderTimeout gives an instance back whose client has left", async (world) => {
  let asked = 0;
  const server = world.serve((request) => {
    if (request.length > 0) return request;
    asked++;
    return new Promise<string>(() => {});
  }, { responderTimeout: 1_000, instances: 1, maxInstances: 1 });
  const client = await world.arrived();
  // Nothing is read ahead, and so its leaving is not noticed until a write fails or time is up.
  client.write("");
  client.write("");
  client.close();
  await world.pass(999);
  assertEquals([asked, world.ends.length], [1, 0]);
  await world.pass(1);
  assertEquals([asked, world.ends.length], [1, 1]);
  await world.assertServed();
  const shutdown = server.shutdown({ timeout: 10 });
  await world.pass(10);
  await shutdown;
});

inWorld("responderTimeout is not the reason when the client had left before", async (world) => {
  const server = world.serve((request, exchange) => {
    if (request.length > 0) return request;
    exchange.send("it fails, and so shows that the client has left").catch(ignore);
    return new Promise<string>(() => {});
  }, { responderTimeout: 1_000, instances: 1, maxInstances: 1 });
  const client = await world.arrived();
  client.write("");
  client.write("next");
  client.close();
  await world.pass(1_000);
  assertEquals(world.reasons, ["peer"]);
  assertEquals(world.ends[0]?.error, undefined);
  await world.assertServed();
  const shutdown = server.shutdown({ timeout: 10 });
  await world.pass(10);
  await shutdown;
});

inWorld(
  "responderTimeout waits for what is being written, as long as that may be pending",
  async (world) => {
    const { questions, client } = await world.asked("x", {
      responderTimeout: 1_000,
      writeBufferSize: 10,
    });
    const { send } = questions.at();
    const first = fate(send(new Uint8Array(100)));
    const second = fate(send(new Uint8Array(100)));
    await world.pass(1_000);
    assertEquals([first.state, second.state], ["pending", "rejected"]);
    assertEquals(client.read()?.length, 100);
    await world.idle();
    assertEquals(first.state, "resolved");
    assertEquals(world.reasons, ["responderTimeout"]);
  },
);

// maxPerProcess

inWorld(
  "maxPerProcess ends the connections that are too many at once, and no others",
  async (world) => {
    const asked: string[] = [];
    world.serve((request, exchange) => {
      asked.push(exchange.text());
      return request;
    }, { maxPerProcess: 2, instances: 1 });
    const first = await world.arrived(SELF);
    const second = await world.arrived(SELF);
    const stranger = await world.arrived(SELF + 1);
    for (let round = 1; round <= 3; round++) {
      await world.idle();
      const third = world.system.connect(PATH, { process: SELF });
      await world.write(third, "too many");
      assertEquals(third.ended, Status.DISCONNECTED);
      third.close();
      assertEquals(world.reasons, Array(round).fill("maxPerProcess"));
      const error = world.ends.at(-1)?.error;
      assertInstanceOf(error, Deno.errors.Busy);
      assertStringIncludes(
        error.message,
        `process ${SELF} has 2 connections already (maxPerProcess)`,
      );
      for (const client of [first, second, stranger]) await assertAnswered(world, client);
    }
    assertFalse(asked.includes("too many"));
    // Who leaves makes room.
    second.close();
    const next = await world.arrived(SELF);
    await assertAnswered(world, next);
    for (const client of [first, next, stranger]) client.close();
    await world.idle();
    assertEquals(world.kernel.leftovers().open, 2);
  },
);

inWorld("maxPerProcess makes room however a connection ends", async (world) => {
  const server = world.serve((request, exchange) => {
    if (exchange.text() === "close") exchange.client.close();
    if (exchange.text() === "throw") throw new Error("test");
    return respond(request, exchange);
  }, {
    maxPerProcess: 1,
    instances: 1,
    maxInstances: 1,
    maxMessage: 100,
    idleTimeout: 1_000,
    writeTimeout: 1_000,
    responderTimeout: 1_000,
    writeBufferSize: 100,
  });
  for (const what of ["x", "close", "throw", "reply 500", "work", "", "y".repeat(200)]) {
    const client = await world.arrived(SELF);
    client.write(what);
    if (what === "x") client.close();
    await world.pass(1_000);
    if (what !== "x") client.close();
    await world.idle();
  }
  assertEquals(world.reports.splice(0).length, 1);
  assertEquals(world.reasons, [
    "peer",
    "self",
    "self",
    "writeTimeout",
    "responderTimeout",
    "idleTimeout",
    "maxMessage",
  ]);
  const client = await world.arrived(SELF);
  await assertAnswered(world, client);
  client.close();
  await server.shutdown({ timeout: 0 }).catch(ignore);
});

inWorld(
  "maxPerProcess counts for each server, and does not count whom the system does not tell",
  async (world) => {
    ["test", "other"].map((path) => world.serve(respond, { path, maxPerProcess: 1, instances: 2 }));
    await world.idle();
    const clients = [
      world.system.connect(PATH, { process: SELF }),
      world.system.connect("\\\\.\\pipe\\other", { process: SELF }),
    ];
    await world.idle();
    failing(world.kernel, "clientProcess", Status.ACCESS_DENIED);
    for (let i = 0; i < 3; i++) clients.push(await world.arrived(SELF));
    for (const client of clients) await assertAnswered(world, client);
    assertEquals(world.ends, []);
  },
);

inWorld(
  "maxPerProcess counts a client that has left while what it left is served",
  async (world) => {
    const questions = world.ask({ maxPerProcess: 1, instances: 2 });
    const gone = await world.arrived(SELF);
    gone.write("one");
    gone.write("two");
    gone.close();
    const next = await world.arrived(SELF);
    assertEquals(world.reasons, ["maxPerProcess"]);
    next.close();
    questions.at().reply().catch(ignore);
    await world.idle();
    questions.at().reply().catch(ignore);
    await world.idle();
    assertEquals(questions.texts, ["one", "two"]);
    await world.arrived(SELF);
    assertEquals(world.reasons, ["maxPerProcess", "peer"]);
  },
);

// maxInstances

// maxBuffered

inWorld(
  "maxBuffered lets requests wait in the pipe, serves them in order, and evicts nobody",
  async (world) => {
    const questions = world.ask({ maxBuffered: 100, instances: 1, readBufferSize: 0 });
    const holders = [await world.arrived(), await world.arrived()];
    // What the system reads already is not called back.
    for (const holder of holders) holder.write(new Uint8Array(60));
    const clients: RawClient[] = [];
    for (let i = 0; i < 5; i++) {
      clients.push(await world.arrived());
      assertEquals(clients[i]?.write(`request ${i}`), "pending");
    }
    await world.pass(3_600_000);
    assertEquals([questions.all.length, world.held], [2, 120]);
    for (const client of clients) assertEquals(client.written, "pending");
    questions.at(0).reply();
    await world.idle();
    assertEquals(questions.texts.slice(2), clients.map((_, i) => `request ${i}`));
    questions.at(1).reply();
    for (const { reply } of questions.all.slice(2)) reply("answer");
    assertEquals(world.held, 0);
    for (const client of clients) assertEquals(client.readText(), "answer");
    assertEquals(world.ends, []);
  },
);

inWorld(
  "maxBuffered: while nothing is read, a client that leaves is noticed when it is answered",
  async (world) => {
    const { questions, client } = await world.asked(new Uint8Array(200), { maxBuffered: 100 });
    client.close();
    await world.idle();
    const { client: { signal }, reply } = questions.at();
    assertFalse(signal.aborted);
    await assertRejects(() => reply("x"), Deno.errors.BrokenPipe);
    assert(signal.aborted);
    await world.idle();
    assertEquals([world.reasons, world.held], [["peer"], 0]);
  },
);

inWorld(
  "maxBuffered lets the rest of a long request wait, before memory is asked for",
  async (world) => {
    const questions = world.ask({ maxBuffered: 10_000, instances: 2 });
    const first = await world.arrived();
    const second = await world.arrived();
    await world.write(first, new Uint8Array(8_000));
    assertEquals(world.held, 8_000);
    second.write(new Uint8Array(8_001));
    await world.pass(60_000);
    assertEquals([questions.all.length, world.held], [1, 8_000]);
    questions.at().reply();
    await world.idle();
    assertEquals(questions.at().request.length, 8_001);
    assertEquals(world.held, 8_001);
    questions.at().reply();
    assertEquals(world.held, 0);
  },
);

for (const size of [50, 5_000]) {
  inWorld(
    `maxBuffered never ends in a deadlock: pipelines of requests of ${size} bytes, any limit`,
    async (world) => {
      for (const maxBuffered of [1, size - 1, size, 2 * size, 5 * size]) {
        let most = 0;
        const server = world.serve(async (request) => {
          most = Math.max(most, world.held);
          await nextTask();
          return request;
        }, { maxBuffered, instances: 4, writeBufferSize: 2 * size, concurrency: 3 });
        await world.idle();
        const clients = Array.from({ length: 4 }, () => world.connect());
        const counts = clients.map(async (client, i) => {
          for (let n = 0; n < 20; n++) client.write(new Uint8Array(size).fill(i));
          for (let n = 0; n < 20; n++) {
            const reply = await client.receive();
            assertEquals([reply?.length, reply?.[0]], [size, i]);
          }
        });
        await Promise.all(counts);
        // What is read ahead anyway comes on top of it.
        assertLessOrEqual(most, maxBuffered + 4 * size);
        assertEquals(world.held, 0);
        assertEquals(world.ends.splice(0), []);
        for (const client of clients) client.close();
        await server.shutdown();
        world.ends.length = 0;
      }
    },
  );
}

const HOLDERS: Record<string, (world: World, client: RawClient) => Promise<void>> = {
  "leaves while its request is answered": async (world, client) => {
    await world.write(client, "work".padEnd(200));
    client.close();
  },
  "leaves while its reply is pending": async (world, client) => {
    await world.write(client, "reply 1000");
    client.close();
  },
  "never reads its reply": async (world, client) => {
    await world.write(client, "reply 1000");
    await world.pass(5_000);
    client.close();
  },
  "is never answered": async (world, client) => {
    await world.write(client, "work".padEnd(200));
    await world.pass(5_000);
    client.close();
  },
  "sends a request that is too long while another is answered": async (world, client) => {
    await world.write(client, "work".padEnd(200));
    await world.write(client, new Uint8Array(50_001));
    client.close();
  },
  "takes back a part of its request": async (world, client) => {
    let rest = true;
    world.kernel.decisions.answers = (submission, truth) => {
      if (submission.call === "read" && truth === Status.MORE_DATA && rest) {
        rest = false;
        queueMicrotask(() => client.cancelWrite());
      }
      return truth;
    };
    client.write(new Uint8Array(30_000));
    client.close();
    await world.idle();
  },
};

for (const [what, hold] of Object.entries(HOLDERS)) {
  inWorld(`maxBuffered gets everything back from a client that ${what}`, async (world) => {
    const server = world.serve(respond, {
      maxBuffered: 250,
      maxMessage: 50_000,
      writeTimeout: 5_000,
      responderTimeout: 5_000,
      readBufferSize: 100,
      writeBufferSize: 100,
      instances: 1,
    });
    const holder = await world.arrived();
    await hold(world, holder);
    await world.idle();
    assertEquals(world.held, 0);
    await world.assertServed();
    const shutdown = server.shutdown({ timeout: 10 });
    await world.pass(10);
    await shutdown;
  });
}

inWorld(
  "maxBuffered: a client that takes back what waits to be read does not hold up a shutdown",
  async (world) => {
    const gate = Promise.withResolvers<string>();
    const server = world.serve((request) => request.length > 0 ? gate.promise : "", {
      maxBuffered: 100,
      instances: 1,
      readBufferSize: 10,
    });
    const holder = await world.arrived();
    // Its first request would be waited for.
    const client = await world.asking("");
    await world.write(holder, new Uint8Array(100));
    await world.write(client, new Uint8Array(10_000));
    const shutdown = fate(server.shutdown());
    await world.idle();
    assertEquals(shutdown.state, "pending");
    assert(client.cancelWrite());
    gate.resolve("answer");
    await world.idle();
    assertEquals(shutdown.value, { exchanges: 1, evicted: 0, dropped: 0 });
  },
);

/** A server that cannot read what a client has sent, since another holds all there is. */
async function crowded(world: World, request: string | Uint8Array) {
  const controller = new AbortController();
  const gate = Promise.withResolvers<string>();
  const server = world.serve(
    (request, exchange) => exchange.text() === "hold".padEnd(100) ? gate.promise : request,
    { maxBuffered: 100, instances: 1, signal: controller.signal },
  );
  const holder = await world.arrived();
  const waiting = await world.arrived();
  await world.write(holder, "hold".padEnd(100));
  await world.write(waiting, request);
  return { server, controller, gate, holder, waiting };
}

for (const [what, size] of [["a request", 10], ["the rest of a long request", 10_000]] as const) {
  inWorld(`maxBuffered: the client leaves while ${what} waits to be read`, async (world) => {
    const { gate, waiting } = await crowded(world, new Uint8Array(size));
    waiting.close();
    await world.idle();
    gate.resolve("x");
    await world.idle();
    assertEquals(world.reasons, ["peer"]);
    await world.assertServed();
  });

  inWorld(`maxBuffered: the server is shut down while ${what} waits to be read`, async (world) => {
    const { server, gate, holder, waiting } = await crowded(world, new Uint8Array(size));
    const shutdown = fate(server.shutdown());
    await world.idle();
    assertEquals(shutdown.state, "pending");
    gate.resolve("x");
    await world.idle();
    // What was read in part is lost to nobody.
    const served = size > 4096;
    assertEquals(waiting.read()?.length, served || size < 100 ? size : undefined);
    assertEquals(holder.readText(), "x");
    assertEquals(shutdown.value?.dropped, 0);
    assertEquals(shutdown.value?.evicted, 0);
  });

  for (const end of ["stopped", "thrown out", "unloaded", "given up"]) {
    inWorld(`maxBuffered: the server is ${end} while ${what} waits to be read`, async (world) => {
      const { server, controller, holder } = await crowded(
        world,
        new Uint8Array(size),
      );
      await world.asking("waits, too");
      if (end === "stopped") controller.abort();
      if (end === "thrown out") {
        server.shutdown({ timeout: 10 });
        await world.pass(10);
      }
      if (end === "unloaded") {
        world.kernel.unload();
        await world.idle();
        world.abandonMemory();
      } else if (end === "given up") {
        world.kernel.decisions.failsWait = () => Status.INVALID_HANDLE;
        await world.write(holder, "wakes the loop");
        await assertRejects(() => server.finished);
        world.abandonMemory();
      } else {
        await server.finished;
      }
      assertEquals(world.ends.length, 3);
      assertEquals(world.held, 0);
    });
  }
}

// maxQueued

inWorld(
  "maxQueued: a client that does not read a long reply keeps nobody waiting",
  async (world) => {
    const server = world.serve(respond, { maxBuffered: 100, maxQueued: 100, writeBufferSize: 100 });
    const lazy = await world.asking("reply 1000000");
    assertEquals(world.held, 0);
    for (let i = 0; i < 3; i++) await world.assertServed();
    assertEquals(lazy.read()?.length, 1_000_000);
    lazy.close();
    await server.shutdown();
    assertEquals(world.reasons.filter((reason) => reason === "maxQueued"), []);
  },
);

inWorld(
  "maxQueued takes a message while just as much waits, of any length, and no further one",
  async (world) => {
    const questions = world.ask({ maxQueued: 100, writeBufferSize: 10 });
    const client = await world.arrived();
    for (let round = 0; round < 2; round++) {
      await world.write(client, "x");
      const { send, reply } = questions.at();
      // What Windows has taken does not wait, nor does what the client has read.
      send(new Uint8Array(10));
      await world.idle();
      send(new Uint8Array(60));
      assertEquals([client.read()?.length, client.read()?.length], [10, 60]);
      await world.idle();
      send(new Uint8Array(60));
      send(new Uint8Array(40));
      reply(new Uint8Array(100_000));
      for (const size of [60, 40, 100_000]) {
        assertEquals(client.read()?.length, size);
        await world.idle();
      }
    }
    await world.write(client, "x");
    const { send, reply, signal } = questions.at();
    const fates = [60, 41].map((size) => fate(send(new Uint8Array(size))));
    const error = await assertRejects(() => reply("y"), Deno.errors.Busy, "101 bytes");
    await world.idle();
    assertEquals(fates.map(({ state }) => state), ["rejected", "rejected"]);
    for (const lost of fates) assertStrictEquals(lost.error, error);
    assertEquals([world.reasons, world.ends[0]?.error], [["maxQueued"], error]);
    assert(world.ends[0]?.client.signal.aborted);
    assertEquals([client.read(), client.ended], [undefined, Status.DISCONNECTED]);
    assertFalse(signal.aborted, "it was answered");
  },
);

inWorld("maxQueued counts replies whose memory the program has given away", async (world) => {
  const questions = world.ask({ maxQueued: 100, writeBufferSize: 10 });
  const client = await world.arrived();
  for (let round = 0; round < 3; round++) {
    await world.write(client, "x");
    const bytes = new Uint8Array(101);
    const replied = fate(questions.at().reply(bytes));
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    client.read();
    await world.idle();
    assertEquals(replied.state, "resolved");
  }
  assertEquals(world.reasons, []);
});

// Timers

inWorld(
  "a server with default options has a timer only while a reply is pending",
  async (world) => {
    const server = world.serve(respond, { writeBufferSize: 100 });
    const timers = () => world.kernel.leftovers().timers;
    const started = mock.method(world.kernel, "startTimer");
    await world.idle();
    assertEquals(timers(), 0);
    const client = await world.arrived();
    await assertAnswered(world, client);
    await world.write(client, new Uint8Array(10_000));
    client.read();
    const worker = await world.asking("work");
    assertEquals([timers(), started.mock.callCount()], [0, 0]);
    await world.write(client, "reply 200");
    assertEquals(timers(), 1);
    client.read();
    await world.idle();
    assertEquals([timers(), started.mock.callCount()], [0, 1]);
    worker.close();
    client.close();
    const shutdown = server.shutdown({ timeout: 10 });
    await world.pass(10);
    await shutdown;
  },
);

inWorld("limits have one timer for the whole loop, and none without a client", async (world) => {
  const options = {
    idleTimeout: 1_000,
    writeTimeout: 2_000,
    responderTimeout: 3_000,
    maxMessage: 100,
    maxPerProcess: 2,
    maxBuffered: 1_000,
    writeBufferSize: 100,
  };
  const servers = ["test", "other"].map((path) => world.serve(respond, { path, ...options }));
  const timers = () => world.kernel.leftovers().timers;
  await world.idle();
  assertEquals(timers(), 0);
  const clients: RawClient[] = [];
  for (let i = 0; i < 10; i++) {
    for (const path of [PATH, "\\\\.\\pipe\\other"]) {
      clients.push(world.system.connect(path));
      await world.idle();
    }
  }
  clients[0]?.write("work");
  await world.write(clients[1], "reply 200");
  assertEquals(timers(), 1);
  await world.pass(500);
  const shutdown = servers[1]?.shutdown();
  await world.idle();
  assertEquals(timers(), 1);
  await world.pass(500);
  assertEquals(world.reasons.filter((reason) => reason === "idleTimeout").length, 18);
  assertEquals(timers(), 1);
  await world.pass(2_000);
  await shutdown;
  assertEquals(timers(), 0);
  assertEquals(
    world.reasons.toSorted(),
    [
      ...Array(18).fill("idleTimeout"),
      "responderTimeout",
      "writeTimeout",
    ] satisfies CloseReason[],
  );
  for (const client of clients) client.close();
  const last = servers[0]?.shutdown({ timeout: 10 });
  await world.pass(10);
  await last;
});

inWorld("a last message that is not read holds no room in maxBuffered", async (world) => {
  const limits = { maxBuffered: 10_000, responderTimeout: 500, writeTimeout: 10_000 };
  const questions = world.ask({ ...limits, writeBufferSize: 0 });
  await world.idle();
  await world.write(world.connect(), new Uint8Array(8_000));
  questions.at().send("unread");
  await world.write(world.connect(), new Uint8Array(8_000));
  assertEquals([questions.all.length, world.held], [1, 8_000]);
  await world.pass(500);
  assertEquals([questions.all.length, world.held, world.reasons], [2, 8_000, []]);
  await world.pass(10_000);
  assertEquals(world.reasons, ["responderTimeout", "responderTimeout"]);
});
