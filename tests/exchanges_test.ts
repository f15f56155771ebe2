import { mock } from "node:test";
import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import type { Exchange } from "../src/exchange/exchange.ts";
import type { PipeClient } from "../src/server/client.ts";
import { Status } from "../src/kernel/status.ts";
import { fate, inWorld, nextTask, PATH } from "./fixture.ts";
import type { RawClient } from "./memory_kernel.ts";

// Beginning

inWorld("exchanges() listens from the first next() on, in the same task", async (world) => {
  const onListen = mock.fn((_address: { path: string }) => {});
  const generator = world.exchanges({ onListen });
  const next = generator.next();
  assertEquals(onListen.mock.calls.map((call) => call.arguments), [[{ path: PATH }]]);
  assert(world.system.exists(PATH));
  const client = world.connect();
  client.write("question");
  const { value } = await next;
  assertEquals(value?.text(), "question");
  client.close();
  await generator.return();
  assertEquals(onListen.mock.callCount(), 1);
});

inWorld(
  "exchanges() gives what prevents listening from next(), and then it has ended",
  async (world) => {
    world.system.serve(PATH);
    const generator = world.exchanges();
    await assertRejects(() => generator.next(), Deno.errors.AddrInUse);
    assertEquals(await generator.next(), { done: true, value: undefined });
    await generator.return();
  },
);

// Exchanges

inWorld("an exchange has members that work when they are taken off it", async (world) => {
  const { client, exchange } = await world.asked('{"answer":42}');
  const { instance, client: pipeClient, request, signal, text, json, send, reply } = exchange;
  assertEquals(typeof instance.id, "number");
  assertEquals(typeof pipeClient.id, "number");
  assertEquals(new TextDecoder().decode(request), '{"answer":42}');
  assertEquals(text(), '{"answer":42}');
  assertEquals(json(), { answer: 42 });
  assertFalse(signal.aborted);
  await send("one");
  await reply("two");
  assertEquals([client.readText(), client.readText()], ["one", "two"]);
  const { close } = pipeClient;
  close();
  await world.idle();
  assertEquals(client.ended, Status.BROKEN);
});

inWorld("text() decodes UTF-8, and json() throws at what is no JSON", async (world) => {
  const { exchange } = await world.asked("héllo wörld ✓");
  assertEquals(exchange.text(), "héllo wörld ✓");
  assertThrows(() => exchange.json(), SyntaxError);
  exchange.reply();
});

inWorld("an exchange's request is memory of the user's own", async (world) => {
  const { questions, client, exchange } = await world.asked("one");
  exchange.request.fill(0);
  exchange.reply(exchange.request);
  assertEquals(client.read(), new Uint8Array(3));
  const kept = exchange.request;
  structuredClone(kept.buffer, { transfer: [kept.buffer] });
  await world.write(client, "two");
  assertEquals(questions.at().text(), "two");
  questions.at().reply();
});

inWorld("misuse of an exchange throws at the call, and does not settle it", async (world) => {
  const { client, exchange } = await world.asked();
  for (const wrong of [null, 7, {}, [], new ArrayBuffer(1), new Uint16Array(1)]) {
    const message = Object.assign({ wrong }).wrong;
    assertThrows(() => exchange.send(message), TypeError, "must be a string or a Uint8Array");
    assertThrows(() => exchange.reply(message), TypeError, "must be a string or a Uint8Array");
  }
  assertThrows(() => exchange.send(Object.assign({}).nothing), TypeError);
  exchange.reply("answer");
  assertThrows(() => exchange.reply("again"), TypeError, "already answered");
  assertThrows(() => exchange.reply(), TypeError, "already answered");
  assertThrows(() => exchange.send("more"), TypeError, "already answered");
  assertEquals(client.readText(), "answer");
  assertEquals(client.readText(), undefined);
});

inWorld("an exchange that is settled without a message is answered too", async (world) => {
  const { client, exchange } = await world.asked();
  await exchange.reply();
  assertThrows(() => exchange.reply("again"), TypeError);
  assertThrows(() => exchange.send("more"), TypeError);
  await world.idle();
  assertEquals(client.readText(), undefined);
});

inWorld("misuse of an exchange throws after its client is lost, too", async (world) => {
  const { client, exchange } = await world.asked();
  client.close();
  await world.idle();
  await assertRejects(() => exchange.send("still open"), Deno.errors.BrokenPipe);
  await assertRejects(() => exchange.reply("late"), Deno.errors.BrokenPipe);
  assertThrows(() => exchange.reply("again"), TypeError);
  assertThrows(() => exchange.send("more"), TypeError);
});

inWorld("the promises of an exchange can be dropped", async (world) => {
  const generator = world.exchanges({ writeBufferSize: 1 });
  const first = generator.next();
  const client = world.connect();
  client.write("x");
  const { value } = await first;
  value?.send("long");
  value?.send("long");
  value?.reply("long");
  client.close();
  const second = await world.arrived();
  second.write("y");
  const { value: lost } = await generator.next();
  second.close();
  await world.idle();
  lost?.send("x");
  lost?.reply("x");
  await world.idle();
  await generator.return();
  lost?.client.close();
  // An unhandled rejection would end this test run.
  await nextTask();
});

inWorld("a client has one open exchange, and other clients are unaffected", async (world) => {
  const { questions, client, exchange } = await world.asked("a1");
  client.write("a2");
  client.write("a3");
  const other = await world.asking("b1");
  assertEquals(questions.texts, ["a1", "b1"]);
  // send() does not settle.
  await exchange.send("part");
  await world.idle();
  assertEquals(questions.texts, ["a1", "b1"]);
  questions.at().reply();
  await world.write(other, "b2");
  assertEquals(questions.texts, ["a1", "b1", "b2"]);
  exchange.reply();
  await world.idle();
  assertEquals(questions.texts, ["a1", "b1", "b2", "a2"]);
});

inWorld("messages of an exchange arrive in their order, pending or not", async (world) => {
  const generator = world.exchanges({ writeBufferSize: 8 });
  const next = generator.next();
  const client = world.connect();
  client.write("x");
  const { value } = await next;
  const sent: Promise<void>[] = [];
  for (let i = 0; i < 20; i++) sent.push(value?.send(`message ${i}`) ?? Promise.reject());
  sent.push(value?.reply("last") ?? Promise.reject());
  for (let i = 0; i < 20; i++) assertEquals(await client.receiveText(), `message ${i}`);
  assertEquals(await client.receiveText(), "last");
  await Promise.all(sent);
});

// Clients

inWorld(
  "a client is one object for all its exchanges, and never that of another connection",
  async (world) => {
    const questions = world.ask({ instances: 1, maxInstances: 1 });
    await world.idle();
    const counts = new WeakMap<PipeClient, number>();
    const seen: PipeClient[] = [];
    for (let connection = 0; connection < 3; connection++) {
      const client = world.connect();
      for (let i = 1; i <= 3; i++) {
        await world.write(client, "x");
        const { client: key, reply } = questions.at();
        seen.push(key);
        counts.set(key, (counts.get(key) ?? 0) + 1);
        assertEquals(counts.get(key), i);
        reply();
        await world.idle();
      }
      client.close();
      await world.idle();
    }
    assertEquals(new Set(seen).size, 3);
    assertEquals(new Set(seen.map(({ id }) => id)).size, 3);
    assertEquals(world.ends.map(({ client }) => client), [...new Set(seen)]);
  },
);

inWorld(
  "client.signal aborts at the end of the connection, exchange.signal only of an open exchange",
  async (world) => {
    const { client, exchange } = await world.asked();
    const { signal, client: { signal: clientSignal }, reply } = exchange;
    const aborted = mock.fn();
    clientSignal.addEventListener("abort", aborted);
    assertStrictEquals(exchange.signal, signal);
    assertStrictEquals(exchange.client.signal, clientSignal);
    reply("answer");
    await world.idle();
    client.close();
    await world.idle();
    assert(clientSignal.aborted);
    assertEquals(aborted.mock.callCount(), 1);
    assertFalse(signal.aborted);
  },
);

inWorld("exchange.signal is made when it is first read", async (world) => {
  const RealController = globalThis.AbortController;
  let made = 0;
  globalThis.AbortController = class extends RealController {
    constructor() {
      super();
      made++;
    }
  };
  try {
    const { questions, client, exchange } = await world.asked();
    assertEquals(made, 0);
    const { signal } = exchange;
    assertEquals(made, 1);
    assertStrictEquals(exchange.signal, signal);
    assertEquals(made, 1);
    exchange.reply();
    client.close();
    await questions.end();
    assertEquals(made, 1);
  } finally {
    globalThis.AbortController = RealController;
  }
});

inWorld(
  "exchange.signal is aborted when it is first read after the client has left",
  async (world) => {
    const { client, exchange } = await world.asked();
    client.close();
    await world.idle();
    assert(exchange.signal.aborted);
    assertInstanceOf(exchange.signal.reason, Deno.errors.BrokenPipe);
    assert(exchange.client.signal.aborted);
  },
);

inWorld("a client that leaves right after its request is served all the same", async (world) => {
  const questions = world.ask({ instances: 1, maxInstances: 1 });
  await world.idle();
  for (let i = 0; i < 3; i++) {
    const client = world.connect();
    client.write(`event ${i}`);
    client.write(`event ${i}, again`);
    client.close();
    await world.idle();
    questions.at().reply("nobody hears this");
    await world.idle();
    assertEquals(questions.all.length, 2 * i + 2);
    await assertRejects(() => questions.at().reply("this"), Deno.errors.BrokenPipe);
    assert(questions.at().signal.aborted);
  }
  assertEquals(questions.texts.length, 6);
  assertEquals(world.reasons, ["peer", "peer", "peer"]);
});

inWorld(
  "client.close() ends the connection, and harms nobody when it has ended already",
  async (world) => {
    const { questions, client, exchange } = await world.asked();
    exchange.reply("answer");
    exchange.client.close();
    exchange.client.close();
    await world.idle();
    assertEquals(client.readText(), "answer");
    assertEquals(client.ended, Status.BROKEN);
    assertEquals(world.reasons, ["self"]);
    exchange.client.close();
    client.close();
    const next = await world.asking("next");
    exchange.client.close();
    questions.at().reply("served");
    assertEquals(next.readText(), "served");
  },
);

// Consumers

inWorld(
  "a consumer that awaits each reply is held up by a client that never reads, and nobody else",
  async (world) => {
    const generator = world.exchanges({ writeBufferSize: 1 });
    const consumer = fate((async () => {
      for await (const { request, reply } of generator) await reply(request);
    })());
    const neighbour = world.serve((request) => request, { path: "neighbour" });
    const lazy = await world.asking("lazy");
    const waiting = await world.asking("waiting");
    assertEquals(waiting.readText(), undefined);
    const other = world.system.connect("\\\\.\\pipe\\neighbour");
    other.write("hello");
    assertEquals(await other.receiveText(), "hello");
    assertEquals(lazy.readText(), "lazy");
    assertEquals(await waiting.receiveText(), "waiting");
    for (const client of [lazy, waiting, other]) client.close();
    await generator.return();
    await neighbour.shutdown();
    assertEquals(consumer.state, "resolved");
  },
);

inWorld(
  "a consumer that never asks again harms no other server, and keeps one exchange per instance",
  async (world) => {
    const generator = world.exchanges({ instances: 1, readBufferSize: 1 });
    const first = generator.next();
    world.serve((request) => request, { path: "neighbour" });
    const clients: RawClient[] = [];
    for (let i = 0; i < 10; i++) {
      const client = world.connect();
      for (let j = 0; j < 10; j++) client.write(`${j}`);
      clients.push(client);
      await world.idle();
    }
    assertEquals((await first).value?.text(), "0");
    await world.idle();
    // Of ten, one is with the consumer or in the queue, one is read ahead, one is in the pipe.
    for (const client of clients) assertEquals(client.writing, 7);
    const other = world.system.connect("\\\\.\\pipe\\neighbour");
    other.write("hello");
    assertEquals(await other.receiveText(), "hello");
    // When it asks after all, everybody is served.
    let count = 1;
    for (let i = 0; i < 9; i++) {
      const { value } = await generator.next();
      assertEquals(value?.text(), "0");
      count++;
    }
    assertEquals(count, 10);
    const waiting = fate(generator.next());
    await world.idle();
    assertEquals(waiting.state, "pending");
  },
);

inWorld(
  "onDisconnect is told after the last request of a client was handed out, even through a wrapper",
  async (world) => {
    const told: string[] = [];
    const generator = world.exchanges({ onDisconnect: ({ id }) => void told.push(`end of ${id}`) });
    async function* wrapped() {
      for await (const exchange of generator) yield exchange;
    }
    const gates: (() => void)[] = [];
    const over = (async () => {
      for await (const exchange of wrapped()) {
        told.push(`request ${exchange.text()} of ${exchange.client.id}`);
        await new Promise<void>((resolve) => gates.push(resolve));
      }
    })();
    await world.idle();
    for (const number of [1, 2, 3]) {
      const client = world.connect();
      client.write(`${number}`);
      client.close();
      await world.idle();
    }
    for (let i = 0; i < 3; i++) {
      gates[i]?.();
      await world.idle();
    }
    assertEquals(told, [1, 2, 3].flatMap((id) => [`request ${id} of ${id}`, `end of ${id}`]));
    await generator.return();
    await over;
  },
);

inWorld(
  "a server that is stopped has told the end of every client when it has ended",
  async (world) => {
    // The loop lives on.
    world.serve((request) => request, { path: "other" });
    const { questions } = await world.asked();
    await questions.end();
    assertEquals(world.reasons, ["stopped"]);
  },
);

inWorld(
  "an exchange whose client left while it was queued is yielded with its signal aborted",
  async (world) => {
    const generator = world.exchanges({ instances: 1, maxInstances: 1 });
    const first = generator.next();
    const client = await world.arrived();
    client.write("first");
    (await first).value?.reply("answer");
    await world.write(client, "second");
    client.close();
    await world.idle();
    const { value } = await generator.next();
    assertEquals(value?.text(), "second");
    assert(value?.signal.aborted);
    const third = generator.next();
    const next = await world.arrived();
    next.write("third");
    assertEquals((await third).value?.text(), "third");
  },
);

inWorld(
  "a consumer that never asks again holds one exchange per instance, of clients that left, too",
  async (world) => {
    const generator = world.exchanges({ instances: 1, maxInstances: 2 });
    const first = generator.next();
    await world.idle();
    for (let i = 0; i < 3; i++) {
      const client = await world.asking(`${i}`);
      client.close();
      await world.idle();
    }
    assertEquals((await first).value?.text(), "0");
    // Both instances have something in the queue, and wait for somebody to take it.
    assertEquals(world.system.open(PATH).status, Status.BUSY);
    assertEquals((await generator.next()).value?.text(), "1");
    const next = await world.arrived();
    next.write("3");
    assertEquals((await generator.next()).value?.text(), "2");
    assertEquals((await generator.next()).value?.text(), "3");
  },
);

inWorld("concurrent next() calls are served in their order", async (world) => {
  const generator = world.exchanges();
  const pending = [generator.next(), generator.next(), generator.next()];
  for (const request of ["a", "b", "c"]) world.connect().write(request);
  await world.idle();
  const texts = new Set<string | undefined>();
  for (const next of pending) texts.add((await next).value?.text());
  assertEquals(texts, new Set(["a", "b", "c"]));
  const more = [fate(generator.next()), fate(generator.next())];
  await generator.return();
  await world.idle();
  for (const { state, value } of more) {
    assertEquals(state, "resolved");
    assertEquals(value, { done: true, value: undefined });
  }
});

inWorld(
  "exchanges are yielded while the event loop runs, however many are queued",
  async (world) => {
    const generator = world.exchanges({ instances: 50 });
    const first = generator.next();
    const clients = Array.from({ length: 50 }, () => world.connect());
    for (const client of clients) client.write("x");
    const next = await first;
    await world.idle();
    // Each exchange takes a millisecond of the thread.
    let now = 0;
    mock.method(world.kernel, "now", () => now += 2);
    next.value?.reply();
    let tasks = 0;
    let counting = true;
    const count = (async () => {
      while (counting) {
        await nextTask();
        tasks++;
      }
    })();
    for (let i = 1; i < 50; i++) (await generator.next()).value?.reply();
    counting = false;
    await count;
    assert(tasks >= 10, `only ${tasks} tasks ran in between`);
  },
);

inWorld(
  "nothing is read ahead for an exchange that waits only for the next turn",
  async (world) => {
    const { kernel } = world;
    let now = 0;
    mock.method(kernel, "now", () => now);
    const generator = world.exchanges({ instances: 20 });
    const first = generator.next();
    const clients = Array.from({ length: 20 }, () => world.connect());
    await world.idle();
    const answered = new Set<number>();
    const early: number[] = [];
    const write = kernel.write.bind(kernel);
    mock.method(kernel, "write", (...args: Parameters<typeof write>) => {
      answered.add(args[1]);
      return write(...args);
    });
    const read = kernel.read.bind(kernel);
    mock.method(kernel, "read", (...args: Parameters<typeof read>) => {
      if (!answered.has(args[1])) early.push(args[1]);
      return read(...args);
    });
    for (const client of clients) client.write("x");
    // Each exchange takes more of the thread than a turn has.
    for (let next = await first, left = 20; left > 0; left--) {
      now += 2;
      next.value?.reply("y");
      if (left > 1) next = await generator.next();
    }
    await world.idle();
    assertEquals(answered.size, 20);
    assertEquals(early, []);
  },
);

// The end

for (const how of ["return()", "throw()", "await using"] as const) {
  inWorld(`exchanges() ends a waiting next() at once by ${how}`, async (world) => {
    const generator = world.exchanges();
    const waiting = fate(generator.next());
    await world.idle();
    const reason = new Error("test");
    let end: Promise<unknown>;
    switch (how) {
      case "return()":
        end = generator.return();
        break;
      case "throw()":
        end = assertRejects(() => generator.throw(reason), Error, "test");
        break;
      case "await using":
        end = (async () => {
          await using disposed = generator;
          void disposed;
        })();
    }
    await Promise.resolve();
    await Promise.resolve();
    await Promise.resolve();
    assertEquals(waiting.value, { done: true, value: undefined });
    await end;
    assertFalse(world.running);
    assertEquals(world.system.names, []);
    assertEquals(await generator.next(), { done: true, value: undefined });
    assertEquals(await generator.return(), { done: true, value: undefined });
  });
}

inWorld(
  "leaving the loop drops exchanges that are not settled, and waits for submitted writes only",
  async (world) => {
    const generator = world.exchanges({ writeBufferSize: 4 });
    const next = [generator.next(), generator.next()];
    const reading = world.connect();
    reading.write("x");
    const open = world.connect();
    open.write("y");
    const queued = world.connect();
    queued.write("z");
    const exchanges = (await Promise.all(next)).map(({ value }) => value);
    const [first, second] = exchanges;
    const sent = fate(first?.send("submitted") ?? Promise.reject());
    const unsent = fate(first?.send("not submitted") ?? Promise.reject());
    await world.idle();
    const left = fate(generator.return());
    await world.idle();
    assertEquals(left.state, "pending");
    assert(first?.signal.aborted);
    assert(second?.signal.aborted);
    assertInstanceOf(second?.signal.reason, Deno.errors.Interrupted);
    assertEquals(unsent.state, "rejected");
    assertInstanceOf(unsent.error, Deno.errors.Interrupted);
    assertEquals(sent.state, "pending");
    assertEquals([open.ended, queued.ended], [Status.BROKEN, Status.BROKEN]);
    await assertRejects(() => second?.reply("late") ?? Promise.reject(), Deno.errors.Interrupted);
    assertEquals(reading.readText(), "submitted");
    await world.idle();
    assertEquals(left.state, "resolved");
    assertEquals(sent.state, "resolved");
    assertEquals(reading.readText(), undefined);
    assertEquals(world.reasons, ["stopped", "stopped", "stopped"]);
  },
);

inWorld("a server forgets its signal when it has ended", async (world) => {
  const { signal } = new AbortController();
  const add = mock.method(signal, "addEventListener");
  const remove = mock.method(signal, "removeEventListener");
  const questions = world.ask({ signal });
  await world.idle();
  await questions.end();
  await world.idle();
  assertEquals(add.mock.callCount(), 1);
  assertEquals(
    remove.mock.calls.map((call) => call.arguments.slice(0, 2)),
    add.mock.calls.map((call) => call.arguments.slice(0, 2)),
  );
});

inWorld("a fatal failure rejects next() once, and only one that waits", async (world) => {
  const generator = world.exchanges();
  const waiting = [fate(generator.next()), fate(generator.next())];
  world.kernel.decisions.failsWait = () => Status.INVALID_HANDLE;
  await world.idle();
  assertEquals(waiting.map(({ state }) => state), ["rejected", "resolved"]);
  assertEquals(await generator.next(), { done: true, value: undefined });
  await generator.return();
  world.abandonMemory();
});

inWorld("a fatal failure while nobody waits rejects the next next()", async (world) => {
  const generator = world.exchanges();
  const first = generator.next();
  const client = world.connect();
  client.write("x");
  const { value } = await first;
  world.kernel.decisions.failsWait = () => Status.INVALID_HANDLE;
  await world.idle();
  assert(value?.signal.aborted);
  await assertRejects(() => generator.next(), Error, "WaitForMultipleObjects, error 6");
  assertEquals(await generator.next(), { done: true, value: undefined });
  client.close();
  world.abandonMemory();
});

inWorld("a fatal failure is no error for one who leaves the loop", async (world) => {
  const generator = world.exchanges();
  const waiting = fate(generator.next());
  await world.idle();
  world.kernel.decisions.failsWait = () => Status.INVALID_HANDLE;
  world.connect().close();
  await world.idle();
  assertEquals(waiting.state, "rejected");
  assertEquals(await generator.return(), { done: true, value: undefined });
  world.abandonMemory();
});

inWorld("a fatal failure after the loop was left is nobody's error", async (world) => {
  const generator = world.exchanges({ writeBufferSize: 4 });
  const first = generator.next();
  const client = world.connect();
  client.write("x");
  (await first).value?.reply("a long answer");
  await world.idle();
  const left = fate(generator.return());
  await world.idle();
  assertEquals(left.state, "pending");
  world.kernel.decisions.failsWait = () => Status.INVALID_HANDLE;
  world.kernel.wake();
  await world.idle();
  assertEquals(left.state, "resolved");
  assertEquals(await generator.next(), { done: true, value: undefined });
  client.close();
  world.abandonMemory();
});

// Hooks

inWorld("hooks that throw or reject are reported, and harm nothing", async (world) => {
  const errors = ["listen", "disconnect", "late"].map((message) => new Error(message));
  let ends = 0;
  const questions = world.ask({
    onListen: () => {
      throw errors[0];
    },
    onDisconnect: () => {
      if (ends++ === 0) throw errors[1];
      return Promise.reject(errors[2]);
    },
  });
  await world.idle();
  for (let i = 0; i < 2; i++) {
    const client = await world.asking("x");
    questions.at().reply("y");
    assertEquals(client.readText(), "y");
    client.close();
    await world.idle();
  }
  assertEquals(world.reports.splice(0), errors);
  assertEquals(ends, 2);
});

inWorld("onDisconnect tells every end once: who, why, and with which error", async (world) => {
  const questions = world.ask({ instances: 1 });
  await world.idle();
  for (const way of ["peer", "self", "error", "stopped"] as const) {
    const client = await world.asking(way);
    const { reply, client: pipeClient } = questions.at();
    if (way === "error") world.kernel.failNext("write", 1117);
    if (way === "peer") client.close();
    else if (way === "self") pipeClient.close();
    else if (way === "error") reply("x");
    else await questions.end();
    await world.idle();
    assertEquals(world.reasons.at(-1), way);
    const { client: told, error } = world.ends.at(-1) ?? {};
    assertStrictEquals(told, pipeClient);
    assertEquals(error instanceof Error, way === "error");
    if (way !== "peer") client.close();
  }
  assertEquals(world.ends.length, 4);
});

inWorld(
  "onDisconnect finds the connection ended: signals aborted, replies rejected",
  async (world) => {
    const late: Promise<void>[] = [];
    const open: Exchange[] = [];
    const questions = world.ask({
      onDisconnect: (client) => {
        assert(client.signal.aborted);
        for (const { signal, reply } of open) {
          assert(signal.aborted);
          late.push(reply("late"));
        }
        client.close();
      },
    });
    const client = await world.asking("x");
    open.push(questions.at());
    client.close();
    await world.idle();
    assertEquals(late.length, 1);
    await assertRejects(() => late[0] ?? Promise.resolve(), Deno.errors.BrokenPipe);
  },
);

inWorld("onListen may use the generator", async (world) => {
  let listened = 0;
  const inside: PromiseLike<unknown>[] = [];
  const generator: AsyncGenerator<Exchange, void, void> = world.exchanges({
    onListen: () => {
      listened++;
      inside.push(generator.next(), generator.return());
    },
  });
  assertEquals(await generator.next(), { done: true, value: undefined });
  assertEquals(await Promise.all(inside), Array(2).fill({ done: true, value: undefined }));
  assertEquals(listened, 1);
  assertFalse(world.running);
});

inWorld("an abort listener of the program may answer, close and leave", async (world) => {
  const { questions, client, exchange } = await world.asked();
  const late: Promise<void>[] = [];
  exchange.signal.addEventListener("abort", () => {
    late.push(exchange.reply("late"));
    exchange.client.close();
    questions.generator.return();
  });
  client.close();
  await world.idle();
  await assertRejects(() => late[0] ?? Promise.resolve(), Deno.errors.BrokenPipe);
  assertEquals(questions.over.state, "resolved");
  assertEquals(world.reasons, ["peer"]);
});

// The server behind the loop

inWorld("path is known at once, security when it listens", async (world) => {
  const generator = world.exchanges();
  assertEquals(generator.path, PATH);
  assertEquals(generator.security, undefined);
  assertEquals(generator.clients(), []);
  const first = generator.next();
  assertEquals(generator.security?.firstInstance, true);
  await generator.return();
  assertEquals((await first).done, true);
});

inWorld("shutdown() ends the loop when what is there is answered", async (world) => {
  const questions = world.ask();
  const idle = await world.asking("first");
  questions.at().reply();
  const open = await world.asking("open");
  const report = fate(questions.generator.shutdown());
  await world.idle();
  assertEquals([idle.ended, open.ended], [Status.BROKEN, undefined]);
  assertEquals([report.state, questions.over.state], ["pending", "pending"]);
  questions.at().reply("answer");
  await world.idle();
  assertEquals(report.value, { exchanges: 1, evicted: 0, dropped: 0 });
  assertEquals(questions.over.state, "resolved");
  assertEquals(open.readText(), "answer");
});

inWorld("after shutdown() the loop gets the requests that it did not take yet", async (world) => {
  const generator = world.exchanges();
  const first = generator.next();
  await world.idle();
  const clients = [world.connect(), world.connect()];
  for (const [i, client] of clients.entries()) client.write(`${i}`);
  await world.idle();
  const report = fate(generator.shutdown());
  (await first).value?.reply("a");
  await world.idle();
  assertEquals(report.state, "pending");
  (await generator.next()).value?.reply("b");
  assertEquals((await generator.next()).done, true);
  assertEquals(report.value, { exchanges: 2, evicted: 0, dropped: 0 });
  assertEquals(clients.map((client) => client.readText()).toSorted(), ["a", "b"]);
});

inWorld("the timeout of shutdown() ends the loop", async (world) => {
  const { questions, client } = await world.asked();
  const report = fate(questions.generator.shutdown({ timeout: 100 }));
  await world.pass(100);
  assertEquals(report.value, { exchanges: 0, evicted: 1, dropped: 0 });
  assertEquals(questions.over.state, "resolved");
  assertEquals(client.ended, Status.DISCONNECTED);
});

inWorld("shutdown() before the first next(): it never listens", async (world) => {
  const generator = world.exchanges();
  assertEquals(await generator.shutdown(), { exchanges: 0, evicted: 0, dropped: 0 });
  assertEquals(await generator.next(), { done: true, value: undefined });
  assertFalse(world.running);
  assertThrows(() => generator.shutdown({ timeout: -1 }), RangeError);
});

inWorld("shutdown() of a loop that was left reports", async (world) => {
  const { questions } = await world.asked();
  await questions.end();
  const { evicted } = await questions.generator.shutdown();
  assertEquals(evicted, 0);
});
