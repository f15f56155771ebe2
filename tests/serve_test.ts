import { mock } from "node:test";
import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import type { Exchange } from "../src/exchange/exchange.ts";
import { Status } from "../src/kernel/status.ts";
import type { Responder } from "../src/exchange/responders.ts";
import { fate, inWorld, nextTask, PATH, text, type World } from "./fixture.ts";
import type { RawClient } from "./memory_kernel.ts";

const echo = (request: Uint8Array<ArrayBuffer>) => request;

/** Asks, and gives all the messages that are the answer. */
async function answers(world: World, client: RawClient, question = "question"): Promise<string[]> {
  await world.write(client, question);
  const all: string[] = [];
  for (;;) {
    const message = client.readText();
    if (message === undefined) return all;
    all.push(message);
    await world.idle();
  }
}

/** What no type allows. */
function mistyped(value: unknown): string {
  return Object.assign({ value: "" }, { value }).value as string;
}

/** Of two clients the first leaves, and its place is free when its iterator has cleaned up. */
async function assertPlaceKept(
  world: World,
  began: readonly string[],
  clean: () => void,
  work: () => void = () => {},
): Promise<void> {
  const first = await world.arrived();
  first.write("first");
  const second = await world.asking("second");
  first.close();
  await world.idle();
  work();
  await world.idle();
  assertEquals(began, ["first"]);
  clean();
  await world.idle();
  assertEquals(began, ["first", "second"]);
  second.close();
}

// Beginning

inWorld("serve() listens when it returns", async (world) => {
  const onListen = mock.fn((_address: { path: string }) => {});
  const server = world.serve(echo, { onListen });
  assertEquals(server.path, PATH);
  assertEquals(onListen.mock.calls.map((call) => call.arguments), [[{ path: PATH }]]);
  const client = world.connect();
  client.write("hello");
  assertEquals(await client.receiveText(), "hello");
});

// Replies

const REPLIES: [string, Responder, string[]][] = [
  ["a string", () => "héllo", ["héllo"]],
  ["an empty string", () => "", [""]],
  ["bytes", (request) => request, ["question"]],
  ["a part of larger memory", () => new TextEncoder().encode("xyz").subarray(1, 2), ["y"]],
  ["nothing", () => {}, []],
  ["a promise of a string", () => Promise.resolve("later"), ["later"]],
  ["a promise of nothing", () => Promise.resolve(), []],
  ["an async function", async (request) => await Promise.resolve(request), ["question"]],
  ["its own reply", (_request, { reply }) => void reply("mine"), ["mine"]],
  ["its own reply, later", async (_request, { reply }) => {
    await nextTask();
    reply("mine");
  }, ["mine"]],
  ["a message of its own, and an answer", (_request, { send }) => {
    send("first");
    return "second";
  }, ["first", "second"]],
  ["its own reply with nothing", (_request, { reply }) => void reply(), []],
  ["an async generator", async function* () {
    yield "one";
    await nextTask();
    yield new TextEncoder().encode("two");
    yield "";
  }, ["one", "two", ""]],
  ["an empty async generator", async function* () {}, []],
  ["an async iterable", () => ReadableStream.from(["one", "two"]), ["one", "two"]],
  ["an async generator that replies by itself", async function* (_request, { reply }) {
    yield "one";
    reply("two");
  }, ["one", "two"]],
];

for (const [what, responder, expected] of REPLIES) {
  inWorld(`serve() answers with ${what}`, async (world) => {
    world.serve(responder, { concurrency: 1 });
    const client = await world.arrived();
    // Twice, since the exchange must be settled.
    assertEquals(await answers(world, client), expected);
    assertEquals(await answers(world, client), expected);
    assertEquals(client.ended, undefined);
    client.close();
    await world.idle();
    assertEquals(world.reasons, ["peer"]);
  });
}

inWorld("serve() gives the responder the request and its exchange", async (world) => {
  let seen: [Uint8Array, Exchange] | undefined;
  world.serve((request, exchange) => {
    seen = [request, exchange];
  });
  const client = await world.arrived();
  await answers(world, client, "hello");
  const [request, exchange] = seen ?? [];
  assertStrictEquals(request, exchange?.request);
  assertEquals(exchange?.text(), "hello");
});

// Errors

const error = new Error("thrown by a responder");

const FAILURES: [string, Responder, string, string[]][] = [
  [
    "throws",
    () => {
      throw error;
    },
    error.message,
    [],
  ],
  ["rejects", () => Promise.reject(error), error.message, []],
  [
    "rejects later",
    async () => {
      await nextTask();
      throw error;
    },
    error.message,
    [],
  ],
  [
    "throws between two messages",
    async function* () {
      yield "one";
      throw error;
    },
    error.message,
    ["one"],
  ],
  [
    "throws after its own reply",
    (_request, { reply }) => {
      reply("mine");
      throw error;
    },
    error.message,
    ["mine"],
  ],
  [
    "answers twice",
    (_request, { reply }) => {
      reply("mine");
      return "again";
    },
    "already answered",
    ["mine"],
  ],
  [
    "yields after its own reply",
    async function* (_request, { reply }) {
      reply("mine");
      yield "again";
    },
    "already answered",
    ["mine"],
  ],
  ["gives a number", () => mistyped(7), "type number", []],
  ["gives null", () => mistyped(null), "type null", []],
  ["gives an object", () => mistyped({}), "type object", []],
  ["gives a promise of a number", () => Promise.resolve(mistyped(7)), "type number", []],
  [
    "yields a number",
    async function* () {
      yield "one";
      yield mistyped(7);
    },
    "type number",
    ["one"],
  ],
];

inWorld("serve() reports whatever is thrown once", async (world) => {
  const server = world.serve(() => {
    throw NaN;
  });
  const client = await world.arrived();
  assertEquals(await answers(world, client), []);
  assertEquals(world.reports.splice(0), [NaN]);
  client.close();
  await server.shutdown();
});

for (const [what, responder, message, messages] of FAILURES) {
  inWorld(
    `serve() reports a responder that ${what} once, and ends that connection`,
    async (world) => {
      world.serve(
        (request, exchange) => exchange.text() === "fine" ? request : responder(request, exchange),
        { concurrency: 1 },
      );
      const other = await world.arrived();
      const client = await world.arrived();
      assertEquals(await answers(world, client), messages);
      assertEquals(client.ended, Status.BROKEN);
      const [reported, ...more] = world.reports.splice(0);
      assertInstanceOf(reported, Error);
      assert(reported.message.includes(message), reported.message);
      assertEquals(more, []);
      assertEquals(world.reasons, ["self"]);
      assertEquals(await answers(world, other, "fine"), ["fine"]);
    },
  );

  inWorld(`serve() lets onError answer for a responder that ${what}`, async (world) => {
    const caught: unknown[] = [];
    world.serve(responder, {
      concurrency: 1,
      onError: (error, exchange) => {
        caught.push(error);
        return `sorry about ${exchange.text()}`;
      },
    });
    const client = await world.arrived();
    // Who has replied by itself has answered.
    const sorry = messages[0] === "mine" ? [] : ["sorry about question"];
    assertEquals(await answers(world, client), [...messages, ...sorry]);
    assertEquals(await answers(world, client), [...messages, ...sorry]);
    assertEquals(client.ended, undefined);
    assertEquals(caught.length, 2);
    for (const each of caught) {
      assertInstanceOf(each, Error);
      assert(each.message.includes(message), each.message);
    }
  });
}

inWorld("serve() takes from onError what a responder may give", async (world) => {
  const results = [
    "text",
    new TextEncoder().encode("bytes"),
    undefined,
    Promise.resolve("promised"),
    Promise.resolve(),
  ];
  world.serve(() => Promise.reject(error), { onError: () => results.shift() });
  const client = await world.arrived();
  assertEquals(await answers(world, client), ["text"]);
  assertEquals(await answers(world, client), ["bytes"]);
  assertEquals(await answers(world, client), []);
  assertEquals(await answers(world, client), ["promised"]);
  assertEquals(await answers(world, client), []);
  assertEquals(client.ended, undefined);
});

inWorld("serve() lets onError use the exchange", async (world) => {
  world.serve(() => {
    throw error;
  }, { onError: (_error, exchange) => void exchange.reply("by itself") });
  const client = await world.arrived();
  assertEquals(await answers(world, client), ["by itself"]);
  assertEquals(client.ended, undefined);
});

for (
  const [what, onError] of [
    ["throws", () => {
      throw new Error("thrown by onError");
    }],
    ["rejects", () => Promise.reject(new Error("thrown by onError"))],
    ["gives a number", () => mistyped(7)],
  ] as const
) {
  inWorld(
    `serve() reports an onError that ${what}, after what it got, and ends that connection`,
    async (world) => {
      world.serve(() => {
        throw error;
      }, { onError });
      const client = await world.arrived();
      assertEquals(await answers(world, client), []);
      assertEquals(client.ended, Status.BROKEN);
      const [first, reported, ...more] = world.reports.splice(0);
      assertStrictEquals(first, error);
      assertInstanceOf(reported, Error);
      assert(reported !== error);
      assertEquals(more, []);
    },
  );
}

inWorld(
  "serve() finds no fault in an answer that comes after the client has left",
  async (world) => {
    const works: ((value: string) => void)[] = [];
    const onError = mock.fn();
    world.serve(() => new Promise<string>((resolve) => works.push(resolve)), {
      onError,
    });
    const client = await world.asking("work");
    client.close();
    await world.idle();
    works[0]?.("late");
    await world.idle();
    assertEquals(onError.mock.callCount(), 0);
  },
);

const revoked = (() => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
})();

const fails = () => {
  throw error;
};

/** What throws when it is looked at, or does more than it should. */
const HOSTILE: [string, unknown][] = [
  ["a revoked proxy", revoked],
  ["an object whose then throws when it is read", {
    get then() {
      return fails();
    },
  }],
  ["a thenable that throws", { then: fails }],
  [
    "a thenable that calls back again and again, and throws",
    {
      then(resolve: (value: unknown) => void, reject: (error: unknown) => void) {
        reject(error);
        resolve("twice");
        reject(error);
        fails();
      },
    },
  ],
  [
    "an object whose iterator throws when it is read",
    {
      get [Symbol.asyncIterator]() {
        return fails();
      },
    },
  ],
  ["what gives no iterator", { [Symbol.asyncIterator]: () => undefined }],
  ["an iterator that throws", { [Symbol.asyncIterator]: () => ({ next: fails, return: fails }) }],
  ["an iterator that gives no result", { [Symbol.asyncIterator]: () => ({ next: () => null }) }],
  ["an iterator of revoked proxies", { [Symbol.asyncIterator]: () => ({ next: () => revoked }) }],
  [
    "an iterator whose message is a revoked proxy",
    { [Symbol.asyncIterator]: () => ({ next: () => ({ value: revoked }) }) },
  ],
  [
    "a promise with a constructor that throws",
    Object.defineProperty(
      Promise.resolve("x"),
      "constructor",
      { get: fails },
    ),
  ],
];

for (const [what, value] of HOSTILE) {
  for (const whose of ["a responder", "onError"]) {
    inWorld(`serve() contains what ${whose} gives when it is ${what}`, async (world) => {
      let hostile = true;
      const responder = () => {
        if (hostile && whose === "onError") throw new Error("the responder failed");
        return hostile ? mistyped(value) : "fine";
      };
      world.serve(
        responder,
        whose === "onError"
          ? { concurrency: 1, onError: () => mistyped(value) }
          : { concurrency: 1 },
      );
      const client = await world.arrived();
      assertEquals(await answers(world, client), []);
      assertEquals(client.ended, Status.BROKEN);
      assert(world.reports.splice(0).length > 0);
      hostile = false;
      const next = await world.arrived();
      assertEquals(await answers(world, next), ["fine"]);
      assertEquals(world.reasons, ["self"]);
    });
  }

  inWorld(
    `serve() contains what authorize and onDisconnect give when it is ${what}`,
    async (world) => {
      world.serve(echo, {
        authorize: () => mistyped(value) as unknown as boolean,
        onDisconnect: () => mistyped(value),
      });
      const client = await world.arrived();
      assertEquals(await answers(world, client), []);
      assertEquals(client.ended, Status.BROKEN);
      assertEquals(world.reasons, ["unauthorized"]);
      assert(world.reports.splice(0).length > 0);
    },
  );
}

inWorld("a mistake of the module costs one connection, and is told", async (world) => {
  world.serve(echo, { instances: 2 });
  const [first, second] = [await world.arrived(), await world.arrived()];
  const mistake = new Error("a mistake");
  const openToken = mock.method(world.kernel, "openToken", () => {
    openToken.mock.restore();
    throw mistake;
  });
  await world.write(first, "meets it");
  assertEquals([first.ended, second.ended], [Status.DISCONNECTED, undefined]);
  assertEquals(await answers(world, second), ["question"]);
  const [end, ...more] = world.ends;
  assertEquals([end?.reason, more], ["error", []]);
  assertInstanceOf(end?.error, Error);
  assertStrictEquals(end.error.cause, mistake);
  const third = await world.arrived();
  assertEquals(await answers(world, third), ["question"]);
});

// Async generators

inWorld(
  "serve() asks an async generator for a message when Windows has taken the one before",
  async (world) => {
    let pulled = 0;
    world.serve(async function* () {
      for (; pulled < 10; pulled++) yield `message ${pulled}`;
    }, { writeBufferSize: 20 });
    const client = await world.asking("x");
    // Two fit into the pipe's buffer; the third is pending.
    assertEquals(pulled, 2);
    await world.idle();
    assertEquals(pulled, 2);
    for (let i = 0; i < 10; i++) {
      assertEquals(client.readText(), `message ${i}`);
      await world.idle();
      assertEquals(pulled, Math.min(i + 3, 10));
    }
  },
);

inWorld(
  "serve() returns an async generator early when the client leaves while it writes",
  async (world) => {
    let ended = 0;
    let pulled = 0;
    world.serve(async function* () {
      try {
        for (;; pulled++) yield "a message that does not fit";
      } finally {
        ended++;
      }
    }, { writeBufferSize: 4 });
    const client = await world.asking("x");
    client.close();
    await world.idle();
    assertEquals([pulled, ended], [0, 1]);
    assertEquals(world.reasons, ["peer"]);
  },
);

inWorld(
  "serve() returns an async generator early when the client leaves while it works",
  async (world) => {
    const gate = Promise.withResolvers<void>();
    const seen: string[] = [];
    world.serve(async function* (_request, { signal }) {
      try {
        yield "first";
        signal.addEventListener("abort", () => gate.resolve());
        await gate.promise;
        seen.push("went on");
        yield "nobody reads this";
        seen.push("was asked again");
      } finally {
        seen.push("ended");
      }
    });
    const client = await world.arrived();
    client.write("x");
    assertEquals(await client.receiveText(), "first");
    await world.idle();
    client.close();
    await world.idle();
    assertEquals(seen, ["went on", "ended"]);
  },
);

inWorld(
  "serve() returns an async iterator once, while it is waiting for its next message",
  async (world) => {
    const next = Promise.withResolvers<IteratorResult<string>>();
    const returned = mock.fn(() => {
      next.resolve({ done: true, value: undefined });
      return Promise.resolve<IteratorResult<string>>({ done: true, value: undefined });
    });
    world.serve(() => ({
      [Symbol.asyncIterator]: () => ({ next: () => next.promise, return: returned }),
    }));
    const client = await world.asking("x");
    assertEquals(returned.mock.callCount(), 0);
    client.close();
    await world.idle();
    assertEquals(returned.mock.callCount(), 1);
  },
);

inWorld("serve() reports what an async generator throws at its early end", async (world) => {
  world.serve(async function* () {
    try {
      for (;;) yield "a message that does not fit";
    } finally {
      // deno-lint-ignore no-unsafe-finally
      throw error;
    }
  }, { writeBufferSize: 4 });
  const client = await world.asking("x");
  client.close();
  await world.idle();
  assertEquals(world.reports.splice(0), [error]);
});

inWorld(
  "serve() lets other clients be served while an async generator never ends",
  async (world) => {
    let stop = false;
    world.serve(async function* (_request, exchange) {
      if (exchange.text() === "one") yield "one";
      else while (!stop) yield "more";
    });
    const flooded = await world.arrived();
    flooded.write("flood");
    const reading = (async () => {
      let count = 0;
      while (await flooded.receive() !== undefined) count++;
      return count;
    })();
    const client = world.connect();
    for (let i = 0; i < 20; i++) {
      client.write("one");
      assertEquals(await client.receiveText(), "one");
    }
    stop = true;
    await world.idle();
    flooded.close();
    client.close();
    assert(await reading >= 10);
  },
);

// Concurrency

for (const concurrency of [1, 2, 3]) {
  inWorld(
    `serve() has at most ${concurrency} responders at work at once, in the order of the requests`,
    async (world) => {
      const gates: (() => void)[] = [];
      const began: string[] = [];
      let working = 0;
      let most = 0;
      world.serve(async (request) => {
        began.push(text(request));
        most = Math.max(most, ++working);
        await new Promise<void>((resolve) => gates.push(resolve));
        working--;
        return request;
      }, { concurrency, instances: 6 });
      await world.idle();
      const clients = Array.from({ length: 6 }, () => world.connect());
      for (const [i, client] of clients.entries()) {
        await world.write(client, `${i}`);
      }
      assertEquals(began.length, concurrency);
      for (let i = 0; i < 6; i++) {
        gates[i]?.();
        await world.idle();
      }
      assertEquals(began, ["0", "1", "2", "3", "4", "5"]);
      assertEquals(most, concurrency);
      clients.forEach((client, i) => {
        assertEquals(client.readText(), `${i}`);
        client.close();
      });
    },
  );
}

inWorld(
  "serve() keeps waiting requests of clients that leave, and serves them with an aborted signal",
  async (world) => {
    const gates: (() => void)[] = [];
    const aborted: boolean[] = [];
    world.serve(async (_request, { signal }) => {
      aborted.push(signal.aborted);
      await new Promise<void>((resolve) => gates.push(resolve));
    }, { concurrency: 1 });
    await world.asking("x");
    const second = await world.asking("y");
    second.close();
    await world.idle();
    gates[0]?.();
    await world.idle();
    gates[1]?.();
    await world.idle();
    assertEquals(aborted, [false, true]);
  },
);

inWorld(
  "onDisconnect is told after the last request of a client that waited for a responder",
  async (world) => {
    const told: string[] = [];
    const gates: (() => void)[] = [];
    world.serve(async (_request, { client }) => {
      told.push(`request of ${client.id}`);
      await new Promise<void>((resolve) => gates.push(resolve));
    }, {
      concurrency: 1,
      onDisconnect: ({ id }) => void told.push(`end of ${id}`),
    });
    for (let i = 0; i < 3; i++) {
      const client = await world.asking("x");
      client.close();
      await world.idle();
    }
    for (let i = 0; i < 3; i++) {
      gates[i]?.();
      await world.idle();
    }
    assertEquals(told, [1, 2, 3].flatMap((id) => [`request of ${id}`, `end of ${id}`]));
  },
);

inWorld("serve() starts no responder for what waits when the server is stopped", async (world) => {
  const controller = new AbortController();
  world.serve(echo, { path: "other" });
  const began: string[] = [];
  const server = world.serve(async (_request, exchange) => {
    began.push(exchange.text());
    const { promise, resolve } = Promise.withResolvers<void>();
    exchange.signal.addEventListener("abort", () => resolve());
    await promise;
  }, { concurrency: 1, signal: controller.signal });
  const clients: RawClient[] = [];
  for (let i = 0; i < 3; i++) {
    clients.push(await world.arrived());
    await world.write(clients[i], `${i}`);
  }
  controller.abort();
  await server.finished;
  await world.idle();
  assertEquals(began, ["0"]);
});

inWorld(
  "serve() starts no responder for a client that left, when the server is stopped meanwhile",
  async (world) => {
    const controller = new AbortController();
    // The loop lives on.
    world.serve(echo, { path: "other" });
    const began: string[] = [];
    const gate = Promise.withResolvers<void>();
    const server = world.serve(async (_request, exchange) => {
      began.push(exchange.text());
      await gate.promise;
    }, { concurrency: 1, signal: controller.signal });
    const first = await world.arrived();
    first.write("first");
    const second = await world.asking("second");
    second.close();
    await world.idle();
    controller.abort();
    gate.resolve();
    await server.finished;
    await world.idle();
    assertEquals(began, ["first"]);
    assertEquals(world.held, 0);
  },
);

inWorld(
  "serve() keeps the instance of a client whose request waits, whatever else it sends",
  async (world) => {
    const gates: (() => void)[] = [];
    const began: string[] = [];
    world.serve(async (_request, exchange) => {
      began.push(exchange.text());
      await new Promise<void>((resolve) => gates.push(resolve));
    }, { concurrency: 1, maxMessage: 100, maxInstances: 4 });
    await world.asking("first");
    const clients: RawClient[] = [];
    for (let i = 0; i < 3; i++) {
      const client = await world.asking(`early ${i}`);
      await world.write(client, "x".repeat(101));
      clients.push(client);
    }
    // Otherwise each could come again, and leave one more request with the server.
    assertEquals(world.kernel.leftovers().open, 4);
    assertEquals(world.reasons, []);
    for (let i = 0; i < 4; i++) {
      gates[i]?.();
      await world.idle();
    }
    assertEquals(began, ["first", "early 0", "early 1", "early 2"]);
    assertEquals(world.reasons, ["maxMessage", "maxMessage", "maxMessage"]);
    for (const client of clients) {
      assert(client.ended !== undefined);
      client.close();
    }
  },
);

inWorld(
  "a server that is stopped submits nothing more of a connection that is ending already",
  async (world) => {
    const controller = new AbortController();
    const sent: ReturnType<typeof fate<void>>[] = [];
    const server = world.serve((_request, exchange) => {
      for (let i = 0; i < 3; i++) sent.push(fate(exchange.send("0123456789")));
      exchange.client.close();
    }, { writeBufferSize: 5, signal: controller.signal });
    const client = await world.asking("x");
    controller.abort();
    await world.idle();
    assertEquals(sent.map(({ state }) => state), ["pending", "rejected", "rejected"]);
    assertEquals(client.readText(), "0123456789");
    await server.finished;
    assertEquals(client.readText(), undefined);
    assertEquals(sent[0]?.state, "resolved");
  },
);

inWorld(
  "serve() gives the place of an async generator back when it has cleaned up",
  async (world) => {
    const [work, cleaning] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const began: string[] = [];
    world.serve(async function* (_request, exchange) {
      began.push(exchange.text());
      if (began.length > 1) return;
      try {
        await work.promise;
        yield "for nobody";
      } finally {
        await cleaning.promise;
      }
    }, { concurrency: 1 });
    await assertPlaceKept(world, began, cleaning.resolve, work.resolve);
  },
);

inWorld(
  "serve() gives the place of an async iterator back when its return() is over",
  async (world) => {
    const cleaning = Promise.withResolvers<void>();
    const began: string[] = [];
    const end = { done: true, value: undefined } as const;
    world.serve((_request, exchange) => {
      began.push(exchange.text());
      const next = Promise.withResolvers<IteratorResult<string>>();
      if (began.length > 1) next.resolve(end);
      return {
        [Symbol.asyncIterator]: () => ({
          next: () => next.promise,
          async return() {
            next.resolve(end);
            await cleaning.promise;
            return end;
          },
        }),
      };
    }, { concurrency: 1 });
    await assertPlaceKept(world, began, cleaning.resolve);
  },
);

inWorld(
  "serve() gives the place of a generator back whose client does not read, when it is aborted",
  async (world) => {
    world.serve(async function* (request) {
      yield request;
      yield request;
    }, { concurrency: 1, writeBufferSize: 2, responderTimeout: 500, writeTimeout: 30_000 });
    const lazy = await world.arrived();
    lazy.write("is not read");
    await world.pass(500);
    const client = await world.asking("question");
    assertEquals(client.readText(), "question");
    await world.idle();
    assertEquals(client.readText(), "question");
    assertEquals(lazy.readText(), "is not read");
    await world.idle();
    assertEquals(world.reasons, ["responderTimeout"]);
  },
);

inWorld(
  "serve() answers for a generator that gave what is no message, and lets it clean up",
  async (world) => {
    const [told, cleaning] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const began: string[] = [];
    const server = world.serve(async function* (_request, exchange) {
      began.push(exchange.text());
      try {
        yield began.length === 1 ? mistyped(7) : "fine";
      } finally {
        await told.promise;
        await cleaning.promise;
      }
    }, {
      concurrency: 1,
      onError() {
        told.resolve();
        return "sorry";
      },
    });
    const first = await world.arrived();
    const second = await world.arrived();
    assertEquals(await answers(world, first, "first"), ["sorry"]);
    assertEquals(await answers(world, second, "second"), []);
    const shutdown = fate(server.shutdown());
    await world.idle();
    assertEquals([began, shutdown.state], [["first"], "pending"]);
    cleaning.resolve();
    await world.idle();
    assertEquals([began, second.readText()], [["first", "second"], "fine"]);
    assertEquals(shutdown.value, { exchanges: 1, evicted: 0, dropped: 0 });
  },
);

inWorld("serve() asks nothing more of an async iterator whose next() has thrown", async (world) => {
  const asked: string[] = [];
  world.serve(() => ({
    [Symbol.asyncIterator]: () => ({
      next() {
        asked.push("next");
        return Promise.reject(new Error("broken"));
      },
      return() {
        asked.push("return");
        return Promise.resolve({ done: true, value: undefined });
      },
    }),
  }), { onError: () => "sorry" });
  const client = await world.arrived();
  assertEquals(await answers(world, client), ["sorry"]);
  assertEquals(asked, ["next"]);
});

inWorld(
  "a server goes on when not even the console can be told of what a hook throws",
  async (world) => {
    const console_ = mock.method(console, "error", () => {
      throw new Error("the disk is full");
    });
    try {
      const server = world.serve((_request, exchange) => {
        if (exchange.text() === "throw") throw new Error("by the responder");
        return "answer";
      }, {
        concurrency: 1,
        onDisconnect() {
          throw new Error("by the hook");
        },
      });
      for (let i = 0; i < 3; i++) {
        const client = await world.asking("throw");
        client.close();
      }
      const client = await world.arrived();
      assertEquals(await answers(world, client), ["answer"]);
      client.close();
      await server.shutdown();
      assertEquals(console_.mock.callCount(), 5);
    } finally {
      console_.mock.restore();
    }
  },
);

inWorld("what a user hands over is called without a this", async (world) => {
  const receivers: unknown[] = [];
  const note = <T>(result: T) =>
    function (this: unknown): T {
      receivers.push(this);
      return result;
    };
  const server = world.serve(
    function (this: unknown) {
      receivers.push(this);
      throw new Error("test: for onError");
    },
    { onError: note("answer"), authorize: note(true), onListen: note(undefined) },
  );
  const client = await world.arrived();
  assertEquals(await answers(world, client), ["answer"]);
  client.close();
  await server.shutdown();
  assertEquals(receivers, [undefined, undefined, undefined, undefined]);
});

// What keeps the program running

inWorld("a server keeps the program running until unref(), and serves on", async (world) => {
  const { kernel } = world;
  const server = world.serve(echo);
  const client = await world.arrived();
  assertEquals(kernel.keepsProgram, true);
  server.unref();
  server.unref();
  assertEquals(kernel.keepsProgram, false);
  assertEquals(await answers(world, client), ["question"]);
  await world.assertServed();
  assertEquals(kernel.keepsProgram, false);
  server.ref();
  server.ref();
  assertEquals(kernel.keepsProgram, true);
  assertEquals(await answers(world, client), ["question"]);
});

inWorld("unref() lets go of time limits, and of a responder that is at work", async (world) => {
  const work = Promise.withResolvers<void>();
  const server = world.serve(() => work.promise, {
    idleTimeout: 1_000,
    responderTimeout: 2_000,
  });
  server.unref();
  await world.arrived();
  await world.asking("question");
  assertEquals(world.kernel.leftovers().timers, 1);
  assertEquals(world.kernel.keepsProgram, false);
  // They run out as long as the program runs.
  await world.pass(2_000);
  assertEquals(world.reasons.toSorted(), ["idleTimeout", "responderTimeout"]);
  work.resolve();
});

inWorld("a server that is ref'd keeps the program for one that is not", async (world) => {
  const { kernel } = world;
  const server = world.serve(echo, { path: "other" });
  world.serve(echo).unref();
  await world.idle();
  assertEquals(kernel.keepsProgram, true);
  await server.shutdown();
  await world.idle();
  assertEquals(kernel.keepsProgram, false);
  await world.assertServed();
});

for (const way of ["shutdown", "abort"]) {
  inWorld(`a server that ends by ${way} keeps the program until it has ended`, async (world) => {
    const stop = new AbortController();
    const server = world.serve(() => "more than fits", {
      signal: stop.signal,
      writeBufferSize: 1,
      writeTimeout: 500,
    });
    server.unref();
    const client = await world.asking("question");
    assertEquals(world.kernel.keepsProgram, false);
    if (way === "abort") stop.abort();
    else server.shutdown();
    await world.idle();
    server.unref();
    assertEquals([world.running, world.kernel.keepsProgram], [true, true]);
    client.read();
    client.close();
    await server.finished;
    assertEquals(world.running, false);
    server.unref();
    server.ref();
  });
}

inWorld("ref() and unref() of a server that never listened do nothing", (world) => {
  const server = world.serve(echo, { signal: AbortSignal.abort() });
  server.unref();
  server.ref();
  assertEquals(world.running, false);
});
