/** How a server ends without losing anything. */

import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { mock } from "node:test";
import { Status } from "../src/kernel/status.ts";
import type { PipeServer, ServeOptions } from "../src/exchange/serve.ts";
import type { Responder } from "../src/exchange/responders.ts";
import { failing, fate, inWorld, nextTask, PATH, type World } from "./fixture.ts";
import type { RawClient } from "./memory_kernel.ts";

const echo = (request: Uint8Array<ArrayBuffer>) => request;

const NOTHING = { exchanges: 0, evicted: 0, dropped: 0 };

/** A responder whose work a test ends. */
function workshop() {
  const works: ((reply: string) => void)[] = [];
  const responder = () => new Promise<string>((resolve) => works.push(resolve));
  return { works, responder };
}

inWorld(
  "shutdown() lets open exchanges finish, takes no new clients, and reports",
  async (world) => {
    const { works, responder } = workshop();
    const server = world.serve((request) => responder().then(() => request), { instances: 2 });
    const before = await world.asking("before");
    works[0]?.("");
    const clients = [await world.arrived(), await world.arrived()];
    for (const [i, client] of clients.entries()) client.write(`request ${i}`);
    await world.idle();
    const shutdown = fate(server.shutdown());
    const finished = fate(server.finished);
    await world.idle();
    assertEquals([shutdown.state, finished.state], ["pending", "pending"]);
    assertEquals(before.readText(), "before");
    assertEquals(before.ended, Status.BROKEN);
    assertEquals(world.system.open(PATH).status, Status.BUSY);
    works[1]?.("");
    await world.idle();
    assertEquals(shutdown.state, "pending");
    works[2]?.("");
    await world.idle();
    assertEquals(shutdown.value, { exchanges: 2, evicted: 0, dropped: 0 });
    assertEquals(finished.state, "resolved");
    assertEquals(world.system.open(PATH).status, Status.NOT_FOUND);
    for (const [i, client] of clients.entries()) {
      assertEquals([client.readText(), client.ended], [`request ${i}`, Status.BROKEN]);
    }
    assertEquals(world.reasons, Array(3).fill("shutdown"));
  },
);

inWorld("shutdown() serves what waits for a responder", async (world) => {
  const server = world.serve(async (request) => {
    await nextTask();
    return request;
  }, { concurrency: 1 });
  await world.idle();
  const clients = ["a", "b", "c"].map((request) => {
    const client = world.connect();
    client.write(request);
    return client;
  });
  await nextTask();
  await nextTask();
  await server.shutdown();
  assertEquals(clients.map((client) => client.readText()), ["a", "b", "c"]);
});

inWorld(
  "shutdown() serves a request that was read already, and one that its cancel came too late for",
  async (world) => {
    const { works, responder } = workshop();
    const server = world.serve((request) => responder().then(() => request));
    const early = await world.asking("first");
    early.write("second");
    const late = await world.arrived();
    late.write("just in time");
    const shutdown = fate(server.shutdown());
    await world.idle();
    for (let i = 0; i < 3; i++) {
      works[i]?.("");
      await world.idle();
    }
    assertEquals([early.readText(), early.readText()], ["first", "second"]);
    assertEquals(late.readText(), "just in time");
    assertEquals(shutdown.value, { exchanges: 3, evicted: 0, dropped: 0 });
  },
);

inWorld(
  "shutdown() keeps replies readable, and waits for those that are pending",
  async (world) => {
    const server = world.serve((request) => new Uint8Array(request.length === 1 ? 4 : 100), {
      writeBufferSize: 10,
    });
    const taken = await world.arrived();
    taken.write("x");
    const pending = await world.asking("long");
    const shutdown = fate(server.shutdown());
    await world.pass(5_000);
    assertEquals(shutdown.state, "pending");
    assertEquals(taken.read()?.length, 4);
    assertEquals(taken.ended, Status.BROKEN);
    assertEquals(pending.read()?.length, 100);
    await world.idle();
    assertEquals(shutdown.value, { exchanges: 0, evicted: 0, dropped: 0 });
  },
);

inWorld("shutdown() counts a request that it cannot serve any more", async (world) => {
  const server = world.serve(() => new Promise<void>(() => {}));
  const client = await world.asking("first");
  await world.write(client, "second");
  const shutdown = fate(server.shutdown({ timeout: 10 }));
  await world.pass(10);
  assertEquals(shutdown.value, { exchanges: 0, evicted: 1, dropped: 1 });
});

inWorld(
  "shutdown() counts a request that was read ahead once, however its connection ends",
  async (world) => {
    const controller = new AbortController();
    const works: (() => void)[] = [];
    const server = world.serve(async () => {
      await new Promise<void>((resolve) => works.push(resolve));
      return "a reply that is not read";
    }, { writeBufferSize: 5, signal: controller.signal });
    const client = await world.asking("answered");
    await world.write(client, "read ahead");
    const shutdown = fate(server.shutdown({ timeout: 100 }));
    works[0]?.();
    await world.idle();
    controller.abort();
    await world.pass(100);
    // The reply, and the request.
    assertEquals(shutdown.value, { exchanges: 1, evicted: 1, dropped: 2 });
  },
);

for (const first of ["who holds the bytes", "who waits for them"]) {
  inWorld(
    `shutdown() counts a request of which a part was read, when ${first} came first`,
    async (world) => {
      const { works, responder } = workshop();
      const server = world.serve(responder, { maxBuffered: 10_000 });
      const clients = [await world.arrived(), await world.arrived()];
      const [holder, waiter] = first === "who holds the bytes" ? clients : clients.toReversed();
      await world.write(holder, new Uint8Array(9_000));
      await world.write(waiter, new Uint8Array(6_000));
      const shutdown = fate(server.shutdown({ timeout: 100 }));
      await world.pass(100);
      works[0]?.("too late");
      await world.pass(1_000);
      assertEquals(shutdown.value, { exchanges: 0, evicted: 1, dropped: 1 });
    },
  );
}

inWorld(
  "shutdown() counts a request whose rest a shortage put off until the end",
  async (world) => {
    const server = world.serve(() => "ok");
    const client = await world.arrived();
    failing(world.kernel, "read", Status.NOT_ENOUGH_QUOTA);
    await world.write(client, new Uint8Array(9_000));
    const shutdown = fate(server.shutdown({ timeout: 100 }));
    await world.pass(2_000);
    assertEquals(shutdown.value, { exchanges: 0, evicted: 0, dropped: 1 });
  },
);

inWorld("shutdown() serves a request whose rest a shortage puts off for a while", async (world) => {
  const server = world.serve((request) => `${request.length}`);
  const client = await world.arrived();
  const shortage = failing(world.kernel, "read", Status.NOT_ENOUGH_QUOTA);
  await world.write(client, new Uint8Array(9_000));
  const shutdown = fate(server.shutdown());
  await world.pass(10);
  shortage.on = false;
  await world.pass(10);
  assertEquals(client.readText(), "9000");
  assertEquals(shutdown.value, { exchanges: 1, evicted: 0, dropped: 0 });
});

inWorld(
  "shutdown() lets a generator that pushes for ever end in time, by draining",
  async (world) => {
    let waiting = 0;
    const server = world.serve(async function* (_request, { draining, signal }) {
      yield "first";
      waiting++;
      await new Promise((resolve) => draining.addEventListener("abort", resolve));
      assertFalse(signal.aborted);
      yield "last";
    });
    const client = await world.asking("x");
    assertEquals([client.readText(), waiting], ["first", 1]);
    const shutdown = fate(server.shutdown());
    await world.idle();
    assertEquals(client.readText(), "last");
    assertEquals(shutdown.value, { exchanges: 1, evicted: 0, dropped: 0 });
  },
);

inWorld(
  "exchange.draining tells the responder that is at work, and nobody whose work is over",
  async (world) => {
    const { works, responder } = workshop();
    const seen: AbortSignal[] = [];
    const server = world.serve((_request, exchange) => {
      seen.push(exchange.draining);
      assertStrictEquals(exchange.draining, seen.at(-1));
      if (seen.length === 2) exchange.reply("at once");
      return seen.length === 2 ? responder().then(() => {}) : responder();
    });
    const clients = [await world.arrived(), await world.arrived(), await world.arrived()];
    for (const client of clients) {
      await world.write(client, "x");
    }
    works[0]?.("done");
    await world.idle();
    const shutdown = fate(server.shutdown());
    assertEquals(seen.map(({ aborted }) => aborted), [false, true, true]);
    assert(seen[1]?.reason instanceof Deno.errors.Interrupted);
    works[1]?.("");
    works[2]?.("done");
    await world.idle();
    assertEquals(shutdown.value, { exchanges: 1, evicted: 0, dropped: 0 });
  },
);

for (const cause of ["the program goes away", "the loop cannot wait any more"]) {
  inWorld(
    `exchange.draining tells a generator that waits for nothing else when ${cause}`,
    async (world) => {
      let tidied = false;
      const server = world.serve(async function* (_request, { draining }) {
        await new Promise((resolve) => draining.addEventListener("abort", resolve));
        tidied = true;
        yield "to nobody";
      });
      const client = await world.arrived();
      client.write("x");
      await world.idle();
      if (cause === "the program goes away") world.kernel.unload();
      else {
        world.kernel.decisions.failsWait = () => Status.INVALID_HANDLE;
        world.kernel.wake();
      }
      world.abandonMemory();
      await server.finished.catch(() => {});
      await nextTask();
      assert(tidied);
      client.close();
    },
  );
}

inWorld(
  "exchange.draining is aborted when it is first read after the server was stopped",
  async (world) => {
    const controller = new AbortController();
    const { questions } = await world.asked("x", { signal: controller.signal });
    controller.abort();
    assert(questions.at().draining.aborted);
  },
);

inWorld("shutdown() counts nothing of a client that has sent nothing more", async (world) => {
  const controller = new AbortController();
  const { works, responder } = workshop();
  const server = world.serve(responder, { maxBuffered: 5_000, signal: controller.signal });
  const client = await world.arrived();
  // The next read waits for what this takes.
  await world.write(client, new Uint8Array(6_000));
  controller.abort();
  const shutdown = fate(server.shutdown({ timeout: 100 }));
  await world.pass(200);
  assertEquals(shutdown.value, { exchanges: 0, evicted: 0, dropped: 0 });
  works[0]?.("too late");
});

inWorld(
  "a server that is stopped gives no more time to what a shortage has put off",
  async (world) => {
    const controller = new AbortController();
    const server = world.serve(() => "an answer", {
      writeTimeout: 5_000,
      writeBufferSize: 2,
      signal: controller.signal,
    });
    const finished = fate(server.finished);
    const client = await world.arrived();
    const shortage = failing(world.kernel, "write", Status.NOT_SUBMITTED);
    await world.write(client, "x");
    controller.abort();
    await world.pass(3_900);
    shortage.on = false;
    await world.pass(1_000);
    assertEquals(finished.state, "pending");
    await world.pass(100);
    assertEquals(finished.state, "resolved");
  },
);

inWorld("shutdown() counts no request of a client that has left", async (world) => {
  const [sends, works] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const server = world.serve(async (_request, exchange) => {
    await sends.promise;
    exchange.send("to nobody");
    await works.promise;
  });
  const client = await world.asking("one");
  await world.write(client, "read ahead");
  client.close();
  sends.resolve();
  await world.idle();
  const shutdown = fate(server.shutdown({ timeout: 100 }));
  await world.pass(100);
  works.resolve();
  await world.idle();
  assertEquals(world.reasons, ["peer"]);
  assertEquals(shutdown.value, { exchanges: 0, evicted: 0, dropped: 0 });
});

inWorld(
  "shutdown() counts a reply that would fit when what is unread before it is destroyed",
  async (world) => {
    const server = world.serve((_request, exchange) => {
      exchange.send(new Uint8Array(500));
      return new Uint8Array(500);
    }, { writeBufferSize: 512 });
    await world.asking("x");
    const shutdown = fate(server.shutdown({ timeout: 100 }));
    await world.pass(100);
    assertEquals(shutdown.value, { exchanges: 0, evicted: 1, dropped: 1 });
  },
);

inWorld("shutdown() of a server that was stopped waits no longer than its time", async (world) => {
  const controller = new AbortController();
  const server = world.serve(() => "a reply that is not read", {
    writeBufferSize: 5,
    signal: controller.signal,
  });
  await world.asking("x");
  controller.abort();
  await world.pass(1_000);
  const shutdown = fate(server.shutdown({ timeout: 100 }));
  await world.pass(99);
  assertEquals(shutdown.state, "pending");
  await world.pass(1);
  assertEquals(shutdown.value, { exchanges: 0, evicted: 1, dropped: 1 });
  assertEquals(world.reasons, ["stopped"]);
});

// Responders at work

inWorld("shutdown() waits for responders at work whose client has left", async (world) => {
  const { works, responder } = workshop();
  const server = world.serve(responder);
  const clients = [await world.arrived(), await world.arrived()];
  for (const client of clients) {
    await world.write(client, "x");
  }
  clients[0]?.close();
  await world.idle();
  const shutdown = fate(server.shutdown());
  clients[1]?.close();
  await world.idle();
  works[0]?.("for nobody");
  await world.pass(9_000);
  assertEquals(shutdown.state, "pending");
  works[1]?.("for nobody");
  await world.idle();
  // During a shutdown nothing is read ahead: that one was answered, and nobody was there.
  assertEquals(shutdown.value, { exchanges: 1, evicted: 0, dropped: 0 });
  assertFalse(world.running);
});

inWorld(
  "shutdown() waits no longer than its time for a responder whose client has left",
  async (world) => {
    const { works, responder } = workshop();
    const server = world.serve(responder);
    const client = await world.asking("x");
    client.close();
    await world.idle();
    const shutdown = fate(server.shutdown({ timeout: 500 }));
    await world.pass(499);
    assertEquals(shutdown.state, "pending");
    await world.pass(1);
    assertEquals(shutdown.value, NOTHING);
    works[0]?.("too late");
    await nextTask();
  },
);

inWorld(
  "shutdown() waits for requests that wait for a responder, and whose client has left",
  async (world) => {
    const { works, responder } = workshop();
    const server = world.serve(responder, { concurrency: 1 });
    for (let i = 0; i < 3; i++) {
      const client = await world.asking("x");
      client.close();
    }
    const shutdown = fate(server.shutdown());
    for (let i = 1; i <= 3; i++) {
      await world.idle();
      assertEquals([works.length, shutdown.state], [i, "pending"]);
      works[i - 1]?.("for nobody");
    }
    await world.idle();
    assertEquals(shutdown.value, NOTHING);
  },
);

inWorld(
  "shutdown() ends when what waits for a responder is closed by the program",
  async (world) => {
    const { works, responder } = workshop();
    const closers: (() => void)[] = [];
    const server = world.serve((_request, { client }) => {
      closers.push(client.close);
      return responder();
    }, { concurrency: 1 });
    const second = await world.asking("makes itself known");
    works[0]?.("hello");
    const first = await world.asking("first");
    await world.write(second, "second");
    const shutdown = fate(server.shutdown());
    closers[0]?.();
    await world.idle();
    assertEquals(shutdown.state, "pending");
    works[1]?.("answer");
    await world.idle();
    assertEquals(works.length, 2);
    // The request that has waited.
    assertEquals(shutdown.value, { exchanges: 1, evicted: 0, dropped: 1 });
    assertEquals(first.readText(), "answer");
  },
);

inWorld("shutdown() waits for an async generator that is returned early", async (world) => {
  const gate = Promise.withResolvers<void>();
  let tidied = false;
  const server = world.serve(async function* () {
    try {
      for (;;) yield "more than the pipe takes";
    } finally {
      await gate.promise;
      tidied = true;
    }
  }, { writeBufferSize: 4 });
  await world.asking("x");
  const shutdown = fate(server.shutdown({ timeout: 100 }));
  await world.pass(50);
  assertEquals(shutdown.state, "pending");
  await world.pass(50);
  assertEquals(shutdown.value, { exchanges: 0, evicted: 1, dropped: 1 });
  gate.resolve();
  await world.idle();
  assert(tidied);
});

// Time

for (const timeout of [0, 1, 500, undefined]) {
  inWorld(
    `shutdown() with a timeout of ${timeout} serves what is answered at once, and evicts the rest`,
    async (world) => {
      const { responder } = workshop();
      const signals: AbortSignal[] = [];
      const server = world.serve((request, { signal, text }) => {
        signals.push(signal);
        if (request.length === 0) return responder();
        return text() === "long" ? new Uint8Array(100) : request;
      }, { writeBufferSize: 10 });
      const clients: RawClient[] = [];
      for (const request of ["", "long", "x", undefined]) {
        const client = await world.arrived();
        if (request !== undefined) client.write(request);
        clients.push(client);
      }
      await world.idle();
      const shutdown = fate(server.shutdown(timeout === undefined ? undefined : { timeout }));
      // By default it is 10 s.
      const time = timeout ?? 10_000;
      if (time > 1) {
        await world.pass(time - 1);
        assertEquals([shutdown.state, signals[0]?.aborted], ["pending", false]);
      }
      await world.pass(1);
      assertEquals(shutdown.value, { exchanges: 0, evicted: 2, dropped: 1 });
      assert(signals[0]?.aborted);
      const texts = clients.map((client) => client.readText());
      assertEquals(texts, [undefined, undefined, "x", undefined]);
      const { DISCONNECTED, BROKEN } = Status;
      const ended = clients.map((client) => client.ended);
      assertEquals(ended, [DISCONNECTED, DISCONNECTED, BROKEN, BROKEN]);
      assertEquals(world.reasons, Array(4).fill("shutdown"));
    },
  );
}

inWorld("shutdown() refuses a timeout that is none", async (world) => {
  const server = world.serve(echo);
  assertThrows(() => server.shutdown({ timeout: -1 }), RangeError);
  assertThrows(() => server.shutdown({ timeout: NaN }), RangeError);
  const { timeout } = Object.assign({ timeout: 0 }, { timeout: "1" });
  assertThrows(() => server.shutdown({ timeout: timeout as unknown as number }), TypeError);
  const client = await world.arrived();
  client.write("still there");
  assertEquals(await client.receiveText(), "still there");
  client.close();
  await server.shutdown({ timeout: Infinity });
});

inWorld(
  "shutdown() counts clients only, and ends listens that could not be cancelled",
  async (world) => {
    const server = world.serve(echo);
    const client = await world.asking("x");
    assertEquals(client.readText(), "x");
    world.kernel.decisions.cancels = ({ call }) => call !== "listen";
    // It cannot occupy its instances either.
    failing(world.kernel, "serverProcess", Status.ACCESS_DENIED);
    const shutdown = fate(server.shutdown({ timeout: 100 }));
    await world.pass(99);
    assertEquals(shutdown.state, "pending");
    assertEquals(client.ended, Status.BROKEN);
    await world.pass(1);
    assertEquals(shutdown.value, { exchanges: 0, evicted: 0, dropped: 0 });
  },
);

inWorld(
  "shutdown() throws out nobody at its timeout whose read is only being cancelled",
  async (world) => {
    const server = world.serve(echo);
    const client = await world.asking("read this at leisure");
    world.kernel.holdCompletions = true;
    const shutdown = fate(server.shutdown({ timeout: 0 }));
    await world.pass(999);
    assertEquals(shutdown.state, "pending");
    assertEquals(client.ended, undefined);
    world.kernel.holdCompletions = false;
    while (world.kernel.deliver());
    await world.idle();
    assertEquals(shutdown.value, NOTHING);
    assertEquals(world.reasons, ["shutdown"]);
    assertEquals(client.readText(), "read this at leisure");
    assertEquals(client.ended, Status.BROKEN);
  },
);

inWorld(
  "shutdown() throws out whose read cannot be cancelled, a second after its timeout",
  async (world) => {
    const server = world.serve(echo);
    const client = await world.asking("x");
    world.kernel.decisions.cancels = () => false;
    const shutdown = fate(server.shutdown({ timeout: 500 }));
    await world.pass(1_499);
    assertEquals([shutdown.state, client.ended], ["pending", undefined]);
    await world.pass(1);
    assertEquals(shutdown.value, { exchanges: 0, evicted: 1, dropped: 0 });
    assertEquals(client.ended, Status.DISCONNECTED);
  },
);

inWorld("shutdown() counts whom it throws out once, however long that takes", async (world) => {
  const server = world.serve(echo, { writeBufferSize: 0 });
  const client = await world.asking("x");
  world.kernel.decisions.cancels = () => false;
  const shutdown = fate(server.shutdown({ timeout: 500 }));
  await world.pass(1_500);
  client.close();
  await world.idle();
  assertEquals(shutdown.value, { exchanges: 0, evicted: 1, dropped: 1 });
});

inWorld("shutdown() throws out nobody who has left by himself", async (world) => {
  let send: (message: string) => Promise<void> = () => Promise.resolve();
  const server = world.serve((_request, exchange) => {
    send = exchange.send;
    return workshop().responder();
  });
  const client = await world.asking("x");
  const shutdown = fate(server.shutdown({ timeout: 500 }));
  client.close();
  await world.idle();
  await assertRejects(() => send("for nobody"), Deno.errors.BrokenPipe);
  await world.pass(500);
  assertEquals(shutdown.value, NOTHING);
  assertEquals(world.reasons, ["peer"]);
});

inWorld("shutdown() goes by the first timeout, and a signal ends it before", async (world) => {
  const { responder } = workshop();
  const controller = new AbortController();
  const server = world.serve(responder, { signal: controller.signal });
  await world.asking("x");
  const reports = [server.shutdown({ timeout: Infinity }), server.shutdown({ timeout: 0 })];
  await world.pass(3_600_000);
  assertEquals(world.ends, []);
  controller.abort();
  assertEquals(await Promise.all(reports), [NOTHING, NOTHING]);
  assertEquals(world.reasons, ["stopped"]);
});

// Other ends

inWorld("await using shuts a server down", async (world) => {
  const gate = Promise.withResolvers<string>();
  let client: RawClient | undefined;
  {
    await using server = world.serve(() => gate.promise);
    assertEquals(server.path, PATH);
    client = await world.arrived();
    await world.write(client, "x");
    setTimeout(() => gate.resolve("answer"), 0);
  }
  assertFalse(world.running);
  assertEquals(client.readText(), "answer");
});

inWorld(
  "a signal stops a server at once, and what Windows has taken stays readable",
  async (world) => {
    const controller = new AbortController();
    const signals: AbortSignal[] = [];
    const server = world.serve((request, { signal }) => {
      signals.push(signal);
      return request.length === 1 ? new Promise<string>(() => {}) : request;
    }, { signal: controller.signal });
    const open = await world.arrived();
    open.write("x");
    const answered = await world.asking("answered");
    controller.abort();
    assert(signals[0]?.aborted);
    assertInstanceOf(signals[0]?.reason, Deno.errors.Interrupted);
    assertFalse(signals[1]?.aborted);
    await server.finished;
    assertEquals(answered.readText(), "answered");
    assertEquals(world.reasons, ["stopped", "stopped"]);
    assertEquals(await server.shutdown(), { exchanges: 0, evicted: 0, dropped: 0 });
  },
);

inWorld("a server never listens with a signal that is aborted before", async (world) => {
  const onListen = mock.fn();
  const controller = new AbortController();
  const options = { onListen, signal: controller.signal };
  const generator = world.exchanges(options);
  controller.abort();
  assertEquals(await generator.next(), { done: true, value: undefined });
  await generator.return();
  const server = world.serve(echo, options);
  assertEquals(server.path, PATH);
  await server.finished;
  assertEquals(await server.shutdown(), NOTHING);
  assertThrows(() => server.shutdown({ timeout: -1 }), RangeError);
  await server[Symbol.asyncDispose]();
  assertEquals([onListen.mock.callCount(), world.loops], [0, 0]);
});

inWorld("a server ends when onListen aborts its signal", async (world) => {
  const [one, two] = [new AbortController(), new AbortController()];
  const server = world.serve(echo, { signal: one.signal, onListen: () => one.abort() });
  await server.finished;
  assertFalse(world.running);
  const questions = world.ask({ signal: two.signal, onListen: () => two.abort() });
  await world.idle();
  assertEquals([questions.over.state, world.running], ["resolved", false]);
});

inWorld("a server that has failed rejects, but nothing that is dropped", async (world) => {
  const server = world.serve(echo);
  await world.idle();
  world.abandonMemory();
  world.kernel.decisions.failsWait = () => Status.INVALID_HANDLE;
  world.connect();
  await world.idle();
  void server.shutdown();
  // An unhandled rejection would have ended this test run by now.
  await nextTask();
  const error = await assertRejects(() => server.finished, Error, "WaitForMultipleObjects");
  assertStrictEquals(await assertRejects(() => server.shutdown()), error);
});

// The report

inWorld("shutdown() gives the same report to all who ask, also afterwards", async (world) => {
  const server = world.serve(() => new Promise<void>(() => {}));
  await world.asking("x");
  const reports = [server.shutdown({ timeout: 100 }), server.shutdown({ timeout: 5_000 })];
  await world.pass(100);
  reports.push(server.shutdown());
  const expected = { exchanges: 0, evicted: 1, dropped: 0 };
  assertEquals(await Promise.all(reports), [expected, expected, expected]);
});

inWorld("shutdown() counts nothing that was over before", async (world) => {
  const server = world.serve((request) => new Uint8Array(request.length * 100), {
    writeBufferSize: 100,
    writeTimeout: 1_000,
  });
  const lazy = await world.arrived();
  lazy.write("dropped at the limit");
  await world.pass(1_000);
  assertEquals(world.reasons, ["writeTimeout"]);
  lazy.close();
  const client = await world.arrived();
  for (let i = 0; i < 3; i++) {
    await world.write(client, "x");
    client.read();
  }
  assertEquals(await server.shutdown(), NOTHING);
});

inWorld("shutdown() counts what a limit drops meanwhile, and ends by it", async (world) => {
  const server = world.serve(() => new Uint8Array(1_000), {
    writeBufferSize: 100,
    writeTimeout: 1_000,
  });
  await world.asking("x");
  const shutdown = fate(server.shutdown());
  await world.pass(999);
  assertEquals(shutdown.state, "pending");
  await world.pass(1);
  assertEquals(shutdown.value, { exchanges: 0, evicted: 0, dropped: 1 });
  assertEquals(world.reasons, ["writeTimeout"]);
});

inWorld("a stop counts the request that its cancel came too late for", async (world) => {
  let asked = 0;
  const controller = new AbortController();
  const server = world.serve(() => void asked++, { signal: controller.signal });
  const client = await world.arrived();
  client.write("just in time");
  controller.abort();
  assertEquals(await server.shutdown(), { exchanges: 0, evicted: 0, dropped: 1 });
  assertEquals(asked, 0);
});

inWorld("shutdown() serves a long request whose rest is read, cancelled or not", async (world) => {
  for (const inTime of [true, false]) {
    const server = world.serve((request) => `${request.length}`, { readBufferSize: 10 });
    const client = await world.arrived();
    world.kernel.decisions.cancels = () => inTime;
    // Its first piece is there, and its rest is read after the shutdown has begun.
    client.write(new Uint8Array(100_000));
    const shutdown = fate(server.shutdown({ timeout: 100 }));
    await world.idle();
    assertEquals(client.readText(), "100000");
    if (!inTime) await world.pass(100);
    assertEquals(shutdown.value, { exchanges: 1, evicted: 0, dropped: 0 });
    client.close();
  }
});

// From everywhere

type Begin = (world: World, end: () => void) => PipeServer;

/** Servers where something of the user's calls `end` once a client has asked, or has left. */
const CALLERS: Record<string, Begin> = {
  "onDisconnect": (world, end) => world.serve(echo, { onDisconnect: end }),
  "onError": (world, end) =>
    world.serve(() => {
      throw new Error("test");
    }, {
      onError: () => {
        end();
        return "sorry";
      },
    }),
  "a responder": (world, end) =>
    world.serve((request) => {
      end();
      return request;
    }),
  "an async generator": (world, end) =>
    world.serve(async function* () {
      yield "one";
      end();
      yield "two";
    }),
  "an abort listener": (world, end) =>
    world.serve((request, { signal }) => {
      if (request.length > 1) return request;
      return new Promise((resolve) => {
        signal.addEventListener("abort", () => {
          end();
          resolve("late");
        });
      });
    }),
  "the promise of a reply": (world, end) =>
    world.serve((_request, { reply }) => void reply("x").then(end)),
};

for (const [caller, begin] of Object.entries(CALLERS)) {
  for (const how of ["shutdown()", "shutdown() with a timeout of 0", "its signal"]) {
    inWorld(`a server can be ended by ${how} in ${caller}`, async (world) => {
      const controller = new AbortController();
      const servers: PipeServer[] = [];
      const ended = mock.fn(() => {
        for (const server of servers) {
          if (how === "its signal") controller.abort();
          else server.shutdown(how === "shutdown()" ? undefined : { timeout: 0 });
        }
      });
      const serve = world.serve.bind(world);
      world.serve = (responder, options) =>
        serve(responder, { ...options, signal: controller.signal });
      servers.push(begin(world, ended));
      await world.arrived();
      const client = await world.asking("x");
      client.close();
      // The first client never asks.
      await world.pass(how === "shutdown()" ? 10_000 : 0);
      assert(ended.mock.callCount() > 0);
      assertFalse(world.running);
      for (const server of servers) await server.finished;
    });
  }
}

inWorld("hooks may shut a server down that is being shut down", async (world) => {
  const reports: unknown[] = [];
  const servers: PipeServer[] = [];
  const server = world.serve(echo, {
    onDisconnect: () => void servers[0]?.shutdown().then((report) => reports.push(report)),
  });
  servers.push(server);
  await world.arrived();
  await world.arrived();
  server.shutdown({ timeout: 100 }).then((report) => reports.push(report));
  await world.pass(100);
  assertEquals(reports.length, 3);
  for (const report of reports) assertEquals(report, NOTHING);
});

// In every state of an instance

type Lead = (world: World, client: RawClient) => Promise<void> | void;

function asks(...requests: string[]): Lead {
  return async (world, client) => {
    for (const request of requests) {
      await world.write(client, request);
    }
  };
}

const STATES: Record<string, Lead> = {
  "is not there": () => {},
  "has come, unseen": () => {},
  "has sent a request, unseen": (_world, client) => {
    client.write("request");
  },
  "has sent a long request, unseen": (_world, client) => {
    client.write(new Uint8Array(50_000));
  },
  "has come": asks(),
  "has an answer": asks("request"),
  "waits for its answer": asks("work"),
  "waits for its answer, and has asked again": asks("work", "request"),
  "waits for its answer, and has sent a long request": asks("work", "x".repeat(20_000)),
  "waits for its answer, and has asked often": asks("work", ...Array(20).fill("request")),
  "does not read what a generator sends": asks("stream"),
  "does not read its answer": asks("long"),
  "does not read its answer, and has asked again": asks("long", "long"),
  "does not read its last answer": asks("close"),
  "has read a reply that was pending": async (world, client) => {
    await world.write(client, "long");
    client.read();
  },
  "is being evicted by responderTimeout, with a message unread": async (world, client) => {
    client.write("several");
    await world.pass(2_000);
  },
  "is being evicted by writeTimeout, and cancelling takes time": async (world, client) => {
    await world.write(client, "long");
    world.kernel.holdCompletions = true;
    await world.kernel.advance(3_000);
  },
  "is being evicted by idleTimeout, and cancelling takes time": async (world) => {
    world.kernel.holdCompletions = true;
    await world.kernel.advance(5_000);
  },
};

const work: Responder = (_request, { text, signal, send, reply, client }) => {
  const aborted = () =>
    new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  switch (text()) {
    case "work":
      return new Promise(() => {});
    case "stream":
      return (async function* () {
        for (;;) yield "more than the pipe takes";
      })();
    case "long":
      return new Uint8Array(20_000);
    case "several":
      send(new Uint8Array(20_000)).catch(() => {});
      return aborted();
    case "close":
      reply(new Uint8Array(20_000));
      return client.close();
    default:
      return "answer";
  }
};

const ENDS: Record<string, (server: PipeServer, stop: () => void, world: World) => void> = {
  "shutdown": (server) => server.shutdown(),
  "shutdown in 100 ms": (server) => server.shutdown({ timeout: 100 }),
  "shutdown at once": (server) => server.shutdown({ timeout: 0 }),
  "its signal": (_server, stop) => stop(),
  "its signal during a shutdown": (server, stop) => {
    server.shutdown({ timeout: 100 });
    stop();
  },
  "unload": (_server, _stop, world) => {
    world.kernel.unload();
    world.abandonMemory();
  },
};

for (const [state, lead] of Object.entries(STATES)) {
  for (const [how, end] of Object.entries(ENDS)) {
    for (const then of ["stays", "leaves just before", "leaves right after"]) {
      inWorld(
        `a server can be ended by ${how} while a client ${state}, and it ${then}`,
        async (world) => {
          const controller = new AbortController();
          const server = world.serve(work, {
            instances: 1,
            signal: controller.signal,
            readBufferSize: 10_000,
            writeBufferSize: 10,
            idleTimeout: 5_000,
            writeTimeout: 3_000,
            responderTimeout: 2_000,
          });
          await world.idle();
          const clients = state === "is not there" ? [] : [world.connect()];
          const seen = !state.endsWith("unseen");
          if (seen) await world.idle();
          for (const client of clients) await lead(world, client);
          const leave = () => {
            for (const client of clients) client.close();
          };
          if (then === "leaves just before") leave();
          end(server, () => controller.abort(), world);
          if (then === "leaves right after") leave();
          world.kernel.holdCompletions = false;
          while (world.kernel.deliver());
          await world.pass(20_000);
          // Whom the server has not seen by then has not come.
          if (seen) assertEquals(world.ends.length, clients.length);
          assertFalse(world.system.exists(PATH));
          if (how !== "unload") {
            await server.finished;
            assertFalse(world.running);
          }
          for (const client of then === "stays" ? clients : []) {
            assert(client.ended !== undefined || client.read() !== undefined);
            client.close();
          }
        },
      );
    }
  }
}

// One after the other, and side by side

inWorld(
  "a name can be had again right after a shutdown, while clients still read",
  async (world) => {
    const readers: RawClient[] = [];
    for (let i = 0; i < 3; i++) {
      const server = world.serve(() => `answer of ${i}`, { instances: 1 });
      const client = await world.asking("x");
      readers.push(client);
      assertEquals(await server.shutdown(), NOTHING);
    }
    for (const [i, client] of readers.entries()) {
      assertEquals(client.readText(), `answer of ${i}`);
      assertEquals(client.ended, Status.BROKEN);
      client.close();
    }
  },
);

inWorld("two servers share one loop, and end by themselves", async (world) => {
  const a = world.serve(() => "a", { path: "a" });
  const b = world.serve(() => "b", { path: "b" });
  assertEquals(world.loops, 1);
  const [atA, atB] = ["a", "b"].map((name) => world.system.connect(`\\\\.\\pipe\\${name}`));
  for (let i = 0; i < 3; i++) {
    atA?.write("x");
    atB?.write("x");
    assertEquals(await atA?.receiveText(), "a");
    assertEquals(await atB?.receiveText(), "b");
  }
  await world.idle();
  assertEquals(world.kernel.leftovers().waiting, 1);
  await a.shutdown();
  assertEquals(atA?.ended, Status.BROKEN);
  atB?.write("x");
  assertEquals(await atB?.receiveText(), "b");
  assert(world.running);
  await b.shutdown();
  assertFalse(world.running);
  assertEquals(world.loops, 1);
});

inWorld("the loop over exchanges() may be left in onDisconnect", async (world) => {
  const returned: Promise<unknown>[] = [];
  const generator: AsyncGenerator<unknown> = world.exchanges({
    onDisconnect: () => void returned.push(generator.return(undefined)),
  });
  const next = generator.next();
  (await world.arrived()).close();
  const over = { done: true, value: undefined };
  assertEquals([await next, await returned[0]], [over, over]);
  assertFalse(world.running);
});

// A shutdown that is awaited by whom it would wait for

/** What a responder may do to shut its server down and answer. */
type Quit = (shutDown: () => Promise<unknown>) => {
  responder: Responder;
  onError?: ServeOptions["onError"];
};

const QUITS: [string, Quit][] = [
  ["at once", (shutDown) => ({
    responder: () => shutDown().then(() => "bye"),
  })],
  ["after an await", (shutDown) => ({
    async responder() {
      await nextTask();
      await shutDown();
      return "bye";
    },
  })],
  ["after its own reply", (shutDown) => ({
    async responder(_request, { reply }) {
      reply("bye");
      await nextTask();
      await shutDown();
    },
  })],
  ["in a generator", (shutDown) => ({
    async *responder() {
      await nextTask();
      await shutDown();
      yield "bye";
    },
  })],
  ["in onError", (shutDown) => ({
    responder: () => Promise.reject(new Error("quit")),
    async onError() {
      await nextTask();
      await shutDown();
      return "bye";
    },
  })],
  ["in a function that it calls", (shutDown) => {
    const quit = async () => {
      await nextTask();
      await shutDown();
    };
    return { responder: async () => (await quit(), "bye") };
  }],
];

for (const [how, quit] of QUITS) {
  inWorld(
    `shutdown() that a responder awaits ${how} waits for all others, and not for it`,
    async (world) => {
      let ended = 0;
      const { works, responder: work } = workshop();
      const { responder, onError } = quit(async () => {
        await server.shutdown();
        ended++;
      });
      const server = world.serve((request, exchange) => {
        return exchange.text() === "work" ? work() : responder(request, exchange);
      }, onError === undefined ? {} : { onError });
      const [worker, quitter] = [await world.arrived(), await world.arrived()];
      await world.write(worker, "work");
      await world.write(quitter, "quit");
      assertEquals(ended, 0);
      const outside = fate(server.shutdown());
      works[0]?.("done");
      await world.idle();
      assertEquals([worker.readText(), quitter.readText(), ended], ["done", "bye", 1]);
      assertEquals(outside.state, "resolved");
      await server.finished;
    },
  );
}

inWorld("shutdown() that two responders await waits for neither", async (world) => {
  const { works, responder: pause } = workshop();
  const reports: unknown[] = [];
  const server = world.serve(async () => {
    await pause();
    reports.push(await server.shutdown());
    return "bye";
  });
  const clients = [await world.arrived(), await world.arrived()];
  for (const client of clients) client.write("quit");
  await world.idle();
  works[0]?.("");
  await world.idle();
  assertEquals(reports, []);
  works[1]?.("");
  await world.idle();
  assertEquals(reports, [NOTHING, NOTHING]);
  for (const client of clients) {
    assertEquals(client.readText(), "bye");
    client.close();
  }
  assertEquals(await server.shutdown(), { ...NOTHING, exchanges: 2 });
});

inWorld(
  "shutdown() that a responder of another server awaits waits for everybody",
  async (world) => {
    const { works, responder } = workshop();
    let report: unknown;
    const server = world.serve(responder, { path: "other" });
    world.serve(async () => {
      await nextTask();
      report = await server.shutdown();
      return "bye";
    });
    const quitter = await world.arrived();
    const worker = world.system.connect("\\\\.\\pipe\\other");
    await world.write(worker, "work");
    await world.write(quitter, "quit");
    assertEquals(report, undefined);
    works[0]?.("done");
    await world.idle();
    assertEquals([report, quitter.readText()], [{ ...NOTHING, exchanges: 1 }, "bye"]);
  },
);

inWorld(
  "shutdown() that is called by what a responder started earlier waits for everybody",
  async (world) => {
    const { works, responder } = workshop();
    const timer = Promise.withResolvers<void>();
    let report: unknown;
    const server = world.serve((_request, exchange) => {
      if (exchange.text() === "work") return responder();
      timer.promise.then(async () => report = await server.shutdown());
      return Promise.resolve("started");
    });
    const [starter, worker] = [await world.arrived(), await world.arrived()];
    await world.write(starter, "start");
    await world.write(worker, "work");
    timer.resolve();
    await world.idle();
    assertEquals(report, undefined);
    works[0]?.("done");
    await world.idle();
    assertEquals(report, { ...NOTHING, exchanges: 1 });
  },
);

inWorld(
  "shutdown() that onDisconnect awaits waits for everybody, whoever queued the turn it is in",
  async (world) => {
    const { works, responder } = workshop();
    let report: unknown;
    const server = world.serve(async (_request, exchange) => {
      await responder();
      exchange.send("more");
      return await responder();
    }, {
      onDisconnect: async () => void (report ??= await server.shutdown()),
    });
    const [worker, other] = [await world.arrived(), await world.arrived()];
    await world.write(worker, "work");
    works[0]?.("");
    other.close();
    await world.idle();
    assertEquals([worker.readText(), world.reasons, report], ["more", ["peer"], undefined]);
    works[1]?.("done");
    await world.idle();
    assertEquals(report, { ...NOTHING, exchanges: 1 });
  },
);

inWorld(
  "a loop over exchanges() can await the end of its own generator, and of another server",
  async (world) => {
    const server = world.serve(echo, { path: "other" });
    const seen: unknown[] = [];
    const generator = world.exchanges();
    const loop = (async () => {
      for await (const { reply } of generator) {
        seen.push(await server.shutdown());
        reply("bye");
        await generator.return();
      }
    })();
    const client = await world.arrived();
    client.write("quit");
    await loop;
    assertEquals([client.readText(), seen], ["bye", [NOTHING]]);
  },
);

/** What a request needs that another holds, which shuts the server down. */
const HELD: Record<string, Partial<ServeOptions>> = {
  "its responder": { concurrency: 1 },
  "its room": { maxBuffered: 100_000 },
};

for (const [what, options] of Object.entries(HELD)) {
  for (const when of ["before", "when"]) {
    inWorld(
      `a responder's shutdown() does not wait for a request that came ${when} it was called, and ` +
        `needs ${what}`,
      async (world) => {
        const gate = Promise.withResolvers<void>();
        const served: number[] = [];
        const reports: unknown[] = [];
        const server: PipeServer = world.serve(async (request) => {
          served.push(request.length);
          await gate.promise;
          // Whoever was blocked may wait in the same way.
          reports.push(await server.shutdown());
          return "stopped";
        }, options);
        const first = await world.arrived();
        const second = await world.arrived();
        first.write(new Uint8Array(60_000));
        await world.idle();
        second.write(new Uint8Array(90_000));
        if (when === "before") await world.idle();
        gate.resolve();
        await world.idle();
        assertEquals(served, [60_000, 90_000]);
        assertEquals([first.readText(), second.readText()], ["stopped", "stopped"]);
        assertEquals(reports, [NOTHING, { ...NOTHING, exchanges: 1 }]);
        await server.finished;
        first.close();
        second.close();
      },
    );
  }
}

inWorld(
  "a responder's shutdown() waits for those who are at work, also after others were told",
  async (world) => {
    const { works, responder } = workshop();
    const gate = Promise.withResolvers<void>();
    const told: string[] = [];
    const server: PipeServer = world.serve(async (_request, { text }) => {
      if (text() === "work") return await responder();
      await gate.promise;
      await server.shutdown();
      told.push(text());
      return text();
    }, { concurrency: 2 });
    const clients: RawClient[] = [];
    for (const request of ["a", "b", "c", "work"]) {
      const client = await world.arrived();
      client.write(request);
      await world.idle();
      clients.push(client);
    }
    gate.resolve();
    await world.idle();
    assertEquals(told, ["a", "b"]);
    works[0]?.("done");
    await world.idle();
    assertEquals(told, ["a", "b", "c"]);
    assertEquals(clients.map((client) => client.readText()), ["a", "b", "c", "done"]);
    await server.finished;
    for (const client of clients) client.close();
  },
);
