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
import { Status } from "../src/kernel/status.ts";
import { type PipeServer, serveOn } from "../src/exchange/serve.ts";
import type { Responder } from "../src/exchange/responders.ts";
import { fate, inWorld, nextTask, PATH, text, type World } from "./fixture.ts";
import type { RawClient } from "./memory_kernel.ts";

const echo = (request: Uint8Array<ArrayBuffer>) => request;

/** A client that has come. */
async function arrived(world: World): Promise<RawClient> {
  await world.idle();
  const client = world.connect();
  await world.idle();
  return client;
}

/** Asks, and gives all the messages that are the answer. */
async function answers(world: World, client: RawClient, question = "question"): Promise<string[]> {
  client.write(question);
  await world.idle();
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
  const first = await arrived(world);
  first.write("first");
  const second = await arrived(world);
  second.write("second");
  await world.idle();
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

Deno.test(
  "serve() checks everything at the call, and begins nothing then",
  inWorld(async (world) => {
    const wrong: [Record<string, unknown>, typeof TypeError | typeof RangeError][] = [
      [{ path: "a/b" }, TypeError],
      [{ concurrency: 0 }, RangeError],
      [{ concurrency: 1.5 }, RangeError],
      [{ concurrency: "1" }, TypeError],
      [{ onError: 1 }, TypeError],
      [{ onListen: 1 }, TypeError],
      [{ onDisconnect: 1 }, TypeError],
      [{ signal: 1 }, TypeError],
      [{ instances: -1 }, RangeError],
    ];
    for (const [options, Class] of wrong) {
      const all = Object.assign({ path: "test" }, options);
      assertThrows(() => serveOn(world.open, all, echo), Class, "Cannot use");
    }
    const { responder } = Object.assign({ responder: echo }, { responder: "no" });
    assertThrows(
      () => serveOn(world.open, { path: "test" }, responder as unknown as Responder),
      TypeError,
    );
    await nextTask();
    assertEquals(world.loops, 0);
  }),
);

Deno.test(
  "serve() listens when it returns",
  inWorld(async (world) => {
    const onListen = mock.fn((_address: { path: string }) => {});
    const server = world.serve(echo, { onListen });
    assertEquals(server.path, PATH);
    assertEquals(onListen.mock.calls.map((call) => call.arguments), [[{ path: PATH }]]);
    const client = world.connect();
    client.write("hello");
    assertEquals(await client.receiveText(), "hello");
    client.close();
    await server.shutdown();
  }),
);

Deno.test(
  "serve() throws what prevents listening",
  inWorld(async (world) => {
    const other = world.system.serve(PATH);
    assertThrows(() => world.serve(echo), Deno.errors.AddrInUse, PATH);
    await world.idle();
    assertFalse(world.running);
    other.close();
  }),
);

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
  Deno.test(
    `serve() answers with ${what}`,
    inWorld(async (world) => {
      const server = world.serve(responder);
      const client = await arrived(world);
      // Twice, since the exchange must be settled.
      assertEquals(await answers(world, client), expected);
      assertEquals(await answers(world, client), expected);
      assertEquals(client.ended, undefined);
      client.close();
      await world.idle();
      assertEquals(world.reasons, ["client"]);
      await server.shutdown();
    }),
  );
}

Deno.test(
  "serve() gives the responder the request and its exchange",
  inWorld(async (world) => {
    let seen: [Uint8Array, Exchange] | undefined;
    const server = world.serve((request, exchange) => {
      seen = [request, exchange];
    });
    const client = await arrived(world);
    await answers(world, client, "hello");
    const [request, exchange] = seen ?? [];
    assertStrictEquals(request, exchange?.request);
    assertEquals(exchange?.text(), "hello");
    client.close();
    await server.shutdown();
  }),
);

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
    "answered already",
    ["mine"],
  ],
  [
    "yields after its own reply",
    async function* (_request, { reply }) {
      reply("mine");
      yield "again";
    },
    "answered already",
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

for (const [what, responder, message, messages] of FAILURES) {
  Deno.test(
    `serve() reports a responder that ${what} once, and ends that connection`,
    inWorld(async (world) => {
      const server = world.serve((request, exchange) =>
        exchange.text() === "fine" ? request : responder(request, exchange)
      );
      const other = await arrived(world);
      const client = await arrived(world);
      assertEquals(await answers(world, client), messages);
      assertEquals(client.ended, Status.BROKEN);
      const [reported, ...more] = world.reports.splice(0);
      assertInstanceOf(reported, Error);
      assert(reported.message.includes(message), reported.message);
      assertEquals(more, []);
      assertEquals(world.reasons, ["responder"]);
      assertEquals(await answers(world, other, "fine"), ["fine"]);
      client.close();
      other.close();
      await server.shutdown();
    }),
  );

  Deno.test(
    `serve() lets onError answer for a responder that ${what}`,
    inWorld(async (world) => {
      const caught: unknown[] = [];
      const server = world.serve(responder, {
        onError: (error, exchange) => {
          caught.push(error);
          return `sorry about ${exchange.text()}`;
        },
      });
      const client = await arrived(world);
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
      client.close();
      await server.shutdown();
    }),
  );
}

Deno.test(
  "serve() takes from onError what a responder may give",
  inWorld(async (world) => {
    const results = [
      "text",
      new TextEncoder().encode("bytes"),
      undefined,
      Promise.resolve("promised"),
      Promise.resolve(),
    ];
    const server = world.serve(() => Promise.reject(error), { onError: () => results.shift() });
    const client = await arrived(world);
    assertEquals(await answers(world, client), ["text"]);
    assertEquals(await answers(world, client), ["bytes"]);
    assertEquals(await answers(world, client), []);
    assertEquals(await answers(world, client), ["promised"]);
    assertEquals(await answers(world, client), []);
    assertEquals(client.ended, undefined);
    client.close();
    await server.shutdown();
  }),
);

Deno.test(
  "serve() lets onError use the exchange",
  inWorld(async (world) => {
    const server = world.serve(() => {
      throw error;
    }, { onError: (_error, exchange) => void exchange.reply("by itself") });
    const client = await arrived(world);
    assertEquals(await answers(world, client), ["by itself"]);
    assertEquals(client.ended, undefined);
    client.close();
    await server.shutdown();
  }),
);

for (
  const [what, onError] of [
    ["throws", () => {
      throw new Error("thrown by onError");
    }],
    ["rejects", () => Promise.reject(new Error("thrown by onError"))],
    ["gives a number", () => mistyped(7)],
  ] as const
) {
  Deno.test(
    `serve() reports an onError that ${what}, after what it got, and ends that connection`,
    inWorld(async (world) => {
      const server = world.serve(() => {
        throw error;
      }, { onError });
      const client = await arrived(world);
      assertEquals(await answers(world, client), []);
      assertEquals(client.ended, Status.BROKEN);
      const [first, reported, ...more] = world.reports.splice(0);
      assertStrictEquals(first, error);
      assertInstanceOf(reported, Error);
      assert(reported !== error);
      assertEquals(more, []);
      client.close();
      await server.shutdown();
    }),
  );
}

Deno.test(
  "serve() finds no fault in an answer that comes after the client has left",
  inWorld(async (world) => {
    const works: ((value: string) => void)[] = [];
    const onError = mock.fn();
    const server = world.serve(() => new Promise<string>((resolve) => works.push(resolve)), {
      onError,
    });
    const client = await arrived(world);
    client.write("work");
    await world.idle();
    client.close();
    await world.idle();
    works[0]?.("late");
    await world.idle();
    assertEquals(onError.mock.callCount(), 0);
    await server.shutdown();
  }),
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
    Deno.test(
      `serve() contains what ${whose} gives when it is ${what}`,
      inWorld(async (world) => {
        let hostile = true;
        const responder = () => {
          if (hostile && whose === "onError") throw new Error("the responder failed");
          return hostile ? mistyped(value) : "fine";
        };
        const server = world.serve(
          responder,
          whose === "onError"
            ? { concurrency: 1, onError: () => mistyped(value) }
            : { concurrency: 1 },
        );
        const client = await arrived(world);
        assertEquals(await answers(world, client), []);
        assertEquals(client.ended, Status.BROKEN);
        assert(world.reports.splice(0).length > 0);
        hostile = false;
        const next = await arrived(world);
        assertEquals(await answers(world, next), ["fine"]);
        assertEquals(world.reasons, ["responder"]);
        client.close();
        next.close();
        await server.shutdown();
      }),
    );
  }

  Deno.test(
    `serve() contains what authorize and onDisconnect give when it is ${what}`,
    inWorld(async (world) => {
      const server = world.serve(echo, {
        authorize: () => mistyped(value) as unknown as boolean,
        onDisconnect: () => mistyped(value),
      });
      const client = await arrived(world);
      assertEquals(await answers(world, client), []);
      assertEquals(client.ended, Status.BROKEN);
      assertEquals(world.reasons, ["unauthorized"]);
      assert(world.reports.splice(0).length > 0);
      client.close();
      await server.shutdown();
    }),
  );
}

Deno.test(
  "a mistake of the module costs one connection, and is told",
  inWorld(async (world) => {
    const server = world.serve(echo, { instances: 2 });
    const [first, second] = [await arrived(world), await arrived(world)];
    const mistake = new Error("a mistake");
    const identify = mock.method(world.kernel, "identify", () => {
      identify.mock.restore();
      throw mistake;
    });
    first.write("meets it");
    await world.idle();
    assertEquals([first.ended, second.ended], [Status.DISCONNECTED, undefined]);
    assertEquals(await answers(world, second), ["question"]);
    const [end, ...more] = world.ends;
    assertEquals([end?.reason, more], ["error", []]);
    assertInstanceOf(end?.error, Error);
    assertStrictEquals(end.error.cause, mistake);
    const third = await arrived(world);
    assertEquals(await answers(world, third), ["question"]);
    for (const client of [first, second, third]) client.close();
    await server.shutdown();
  }),
);

// Async generators

Deno.test(
  "serve() asks an async generator for a message when Windows has taken the one before",
  inWorld(async (world) => {
    let pulled = 0;
    const server = world.serve(async function* () {
      for (; pulled < 10; pulled++) yield `message ${pulled}`;
    }, { writeBufferSize: 20 });
    const client = await arrived(world);
    client.write("x");
    await world.idle();
    // Two fit into the pipe's buffer; the third is pending.
    assertEquals(pulled, 2);
    await world.idle();
    assertEquals(pulled, 2);
    for (let i = 0; i < 10; i++) {
      assertEquals(client.readText(), `message ${i}`);
      await world.idle();
      assertEquals(pulled, Math.min(i + 3, 10));
    }
    client.close();
    await server.shutdown();
  }),
);

Deno.test(
  "serve() returns an async generator early when the client leaves while it writes",
  inWorld(async (world) => {
    let ended = 0;
    let pulled = 0;
    const server = world.serve(async function* () {
      try {
        for (;; pulled++) yield "a message that does not fit";
      } finally {
        ended++;
      }
    }, { writeBufferSize: 4 });
    const client = await arrived(world);
    client.write("x");
    await world.idle();
    client.close();
    await world.idle();
    assertEquals([pulled, ended], [0, 1]);
    assertEquals(world.reasons, ["client"]);
    await server.shutdown();
  }),
);

Deno.test(
  "serve() returns an async generator early when the client leaves while it works",
  inWorld(async (world) => {
    const gate = Promise.withResolvers<void>();
    const seen: string[] = [];
    const server = world.serve(async function* (_request, { signal }) {
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
    const client = await arrived(world);
    client.write("x");
    assertEquals(await client.receiveText(), "first");
    await world.idle();
    client.close();
    await world.idle();
    assertEquals(seen, ["went on", "ended"]);
    await server.shutdown();
  }),
);

Deno.test(
  "serve() returns an async iterator once, while it is waiting for its next message",
  inWorld(async (world) => {
    const next = Promise.withResolvers<IteratorResult<string>>();
    const returned = mock.fn(() => {
      next.resolve({ done: true, value: undefined });
      return Promise.resolve<IteratorResult<string>>({ done: true, value: undefined });
    });
    const server = world.serve(() => ({
      [Symbol.asyncIterator]: () => ({ next: () => next.promise, return: returned }),
    }));
    const client = await arrived(world);
    client.write("x");
    await world.idle();
    assertEquals(returned.mock.callCount(), 0);
    client.close();
    await world.idle();
    assertEquals(returned.mock.callCount(), 1);
    await server.shutdown();
  }),
);

Deno.test(
  "serve() reports what an async generator throws at its early end",
  inWorld(async (world) => {
    const server = world.serve(async function* () {
      try {
        for (;;) yield "a message that does not fit";
      } finally {
        // deno-lint-ignore no-unsafe-finally
        throw error;
      }
    }, { writeBufferSize: 4 });
    const client = await arrived(world);
    client.write("x");
    await world.idle();
    client.close();
    await world.idle();
    assertEquals(world.reports.splice(0), [error]);
    await server.shutdown();
  }),
);

Deno.test(
  "serve() lets other clients be served while an async generator never ends",
  inWorld(async (world) => {
    let stop = false;
    const server = world.serve(async function* (_request, exchange) {
      if (exchange.text() === "one") yield "one";
      else while (!stop) yield "more";
    });
    const flooded = await arrived(world);
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
    await server.shutdown();
  }),
);

Deno.test(
  "serve() returns an async generator early when its message cannot be sent",
  inWorld(async (world) => {
    let ended = 0;
    const server = world.serve(async function* () {
      try {
        for (;;) yield mistyped(7);
      } finally {
        ended++;
      }
    }, { onError: () => "sorry" });
    const client = await arrived(world);
    assertEquals(await answers(world, client), ["sorry"]);
    assertEquals(ended, 1);
    client.close();
    await server.shutdown();
  }),
);

// Concurrency

for (const concurrency of [1, 2, 3]) {
  Deno.test(
    `serve() has at most ${concurrency} responders at work at once, in the order of the requests`,
    inWorld(async (world) => {
      const gates: (() => void)[] = [];
      const began: string[] = [];
      let working = 0;
      let most = 0;
      const server = world.serve(async (request) => {
        began.push(text(request));
        most = Math.max(most, ++working);
        await new Promise<void>((resolve) => gates.push(resolve));
        working--;
        return request;
      }, { concurrency, instances: 6 });
      await world.idle();
      const clients = Array.from({ length: 6 }, () => world.connect());
      for (const [i, client] of clients.entries()) {
        client.write(`${i}`);
        await world.idle();
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
      await server.shutdown();
    }),
  );
}

for (
  const [what, responder] of [
    ["answers at once", echo],
    ["throws", () => {
      throw error;
    }],
    ["rejects", () => Promise.reject(error)],
    ["throws between messages", async function* () {
      yield "one";
      throw error;
    }],
  ] as [string, Responder][]
) {
  Deno.test(
    `serve() gives back the place of a responder that ${what}`,
    inWorld(async (world) => {
      const server = world.serve(responder, { concurrency: 1, onError: () => "sorry" });
      await world.idle();
      const clients = Array.from({ length: 4 }, () => world.connect());
      for (let round = 0; round < 3; round++) {
        for (const client of clients) client.write("x");
        await world.idle();
        for (const client of clients) {
          let messages = 0;
          while (client.read() !== undefined) messages++;
          assert(messages >= 1);
        }
      }
      for (const client of clients) client.close();
      await server.shutdown();
    }),
  );
}

Deno.test(
  "serve() keeps waiting requests of clients that leave, and serves them with an aborted signal",
  inWorld(async (world) => {
    const gates: (() => void)[] = [];
    const aborted: boolean[] = [];
    const server = world.serve(async (_request, { signal }) => {
      aborted.push(signal.aborted);
      await new Promise<void>((resolve) => gates.push(resolve));
    }, { concurrency: 1 });
    const first = await arrived(world);
    first.write("x");
    await world.idle();
    const second = world.connect();
    second.write("y");
    await world.idle();
    second.close();
    await world.idle();
    gates[0]?.();
    await world.idle();
    gates[1]?.();
    await world.idle();
    assertEquals(aborted, [false, true]);
    first.close();
    await server.shutdown();
  }),
);

Deno.test(
  "onDisconnect is told after the last request of a client that waited for a responder",
  inWorld(async (world) => {
    const told: string[] = [];
    const gates: (() => void)[] = [];
    const server = world.serve(async (_request, { client }) => {
      told.push(`request of ${client.id}`);
      await new Promise<void>((resolve) => gates.push(resolve));
    }, {
      concurrency: 1,
      onDisconnect: ({ id }) => void told.push(`end of ${id}`),
    });
    for (let i = 0; i < 3; i++) {
      const client = await arrived(world);
      client.write("x");
      await world.idle();
      client.close();
      await world.idle();
    }
    for (let i = 0; i < 3; i++) {
      gates[i]?.();
      await world.idle();
    }
    assertEquals(told, [1, 2, 3].flatMap((id) => [`request of ${id}`, `end of ${id}`]));
    await server.shutdown();
  }),
);

Deno.test(
  "serve() starts no responder for what waits when the server is stopped",
  inWorld(async (world) => {
    const controller = new AbortController();
    const other = world.serve(echo, { path: "other" });
    const began: string[] = [];
    const server = world.serve(async (_request, exchange) => {
      began.push(exchange.text());
      const { promise, resolve } = Promise.withResolvers<void>();
      exchange.signal.addEventListener("abort", () => resolve());
      await promise;
    }, { concurrency: 1, signal: controller.signal });
    const clients: RawClient[] = [];
    for (let i = 0; i < 3; i++) {
      clients.push(await arrived(world));
      clients[i]?.write(`${i}`);
      await world.idle();
    }
    controller.abort();
    await server.finished;
    await world.idle();
    assertEquals(began, ["0"]);
    for (const client of clients) client.close();
    await other.shutdown();
  }),
);

Deno.test(
  "serve() starts no responder for a client that left, when the server is stopped meanwhile",
  inWorld(async (world) => {
    const controller = new AbortController();
    // The loop lives on.
    const other = world.serve(echo, { path: "other" });
    const began: string[] = [];
    const gate = Promise.withResolvers<void>();
    const server = world.serve(async (_request, exchange) => {
      began.push(exchange.text());
      await gate.promise;
    }, { concurrency: 1, signal: controller.signal });
    const first = await arrived(world);
    first.write("first");
    const second = await arrived(world);
    second.write("second");
    await world.idle();
    second.close();
    await world.idle();
    controller.abort();
    gate.resolve();
    await server.finished;
    await world.idle();
    assertEquals(began, ["first"]);
    assertEquals(world.held, 0);
    first.close();
    await other.shutdown();
  }),
);

Deno.test(
  "serve() keeps the instance of a client whose request waits, whatever else it sends",
  inWorld(async (world) => {
    const gates: (() => void)[] = [];
    const began: string[] = [];
    const server = world.serve(async (_request, exchange) => {
      began.push(exchange.text());
      await new Promise<void>((resolve) => gates.push(resolve));
    }, { concurrency: 1, maxRequest: 100, maxInstances: 4 });
    const first = await arrived(world);
    first.write("first");
    await world.idle();
    const clients: RawClient[] = [];
    for (let i = 0; i < 3; i++) {
      const client = await arrived(world);
      client.write(`early ${i}`);
      await world.idle();
      client.write("x".repeat(101));
      await world.idle();
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
    assertEquals(world.reasons, ["maxRequest", "maxRequest", "maxRequest"]);
    for (const client of clients) {
      assert(client.ended !== undefined);
      client.close();
    }
    first.close();
    await server.shutdown();
  }),
);

Deno.test(
  "a server that is stopped submits nothing more of a connection that is ending already",
  inWorld(async (world) => {
    const controller = new AbortController();
    const sent: ReturnType<typeof fate<void>>[] = [];
    const server = world.serve((_request, exchange) => {
      for (let i = 0; i < 3; i++) sent.push(fate(exchange.send("0123456789")));
      exchange.client.close();
    }, { writeBufferSize: 5, signal: controller.signal });
    const client = await arrived(world);
    client.write("x");
    await world.idle();
    controller.abort();
    await world.idle();
    assertEquals(sent.map(({ state }) => state), ["pending", "rejected", "rejected"]);
    assertEquals(client.readText(), "0123456789");
    await server.finished;
    assertEquals(client.readText(), undefined);
    assertEquals(sent[0]?.state, "resolved");
    client.close();
  }),
);

Deno.test(
  "serve() gives the place of an async generator back when it has cleaned up",
  inWorld(async (world) => {
    const [work, cleaning] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const began: string[] = [];
    const server = world.serve(async function* (_request, exchange) {
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
    await server.shutdown();
  }),
);

Deno.test(
  "serve() gives the place of an async iterator back when its return() is over",
  inWorld(async (world) => {
    const cleaning = Promise.withResolvers<void>();
    const began: string[] = [];
    const end = { done: true, value: undefined } as const;
    const server = world.serve((_request, exchange) => {
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
    await server.shutdown();
  }),
);

Deno.test(
  "serve() gives the place of a generator back whose client does not read, when it is aborted",
  inWorld(async (world) => {
    const server = world.serve(async function* (request) {
      yield request;
      yield request;
    }, { concurrency: 1, writeBufferSize: 2, responderTimeout: 500, replyTimeout: 30_000 });
    const lazy = await arrived(world);
    lazy.write("is not read");
    await world.pass(500);
    const client = await arrived(world);
    client.write("question");
    await world.idle();
    assertEquals(client.readText(), "question");
    await world.idle();
    assertEquals(client.readText(), "question");
    assertEquals(lazy.readText(), "is not read");
    await world.idle();
    assertEquals(world.reasons, ["responderTimeout"]);
    client.close();
    lazy.close();
    await server.shutdown();
  }),
);

Deno.test(
  "serve() answers for a generator that gave what is no message, and lets it clean up",
  inWorld(async (world) => {
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
    const first = await arrived(world);
    const second = await arrived(world);
    assertEquals(await answers(world, first, "first"), ["sorry"]);
    assertEquals(await answers(world, second, "second"), []);
    const shutdown = fate(server.shutdown());
    await world.idle();
    assertEquals([began, shutdown.state], [["first"], "pending"]);
    cleaning.resolve();
    await world.idle();
    assertEquals([began, second.readText()], [["first", "second"], "fine"]);
    assertEquals(shutdown.value, { exchanges: 1, evicted: 0, dropped: 0 });
    first.close();
    second.close();
  }),
);

Deno.test(
  "serve() asks nothing more of an async iterator whose next() has thrown",
  inWorld(async (world) => {
    const asked: string[] = [];
    const server = world.serve(() => ({
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
    const client = await arrived(world);
    assertEquals(await answers(world, client), ["sorry"]);
    assertEquals(asked, ["next"]);
    client.close();
    await server.shutdown();
  }),
);

Deno.test(
  "a server goes on when not even the console can be told of what a hook throws",
  inWorld(async (world) => {
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
        const client = await arrived(world);
        client.write("throw");
        await world.idle();
        client.close();
      }
      const client = await arrived(world);
      assertEquals(await answers(world, client), ["answer"]);
      client.close();
      await server.shutdown();
      assertEquals(console_.mock.callCount(), 5);
    } finally {
      console_.mock.restore();
    }
  }),
);

Deno.test(
  "shutdown() serves what waits for a responder",
  inWorld(async (world) => {
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
    for (const client of clients) client.close();
  }),
);

// Shutdown

Deno.test(
  "shutdown() lets open exchanges finish, takes no new clients, and reports",
  inWorld(async (world) => {
    const gates: (() => void)[] = [];
    const server = world.serve(async (request) => {
      await new Promise<void>((resolve) => gates.push(resolve));
      return request;
    }, { instances: 2 });
    const before = await arrived(world);
    before.write("before");
    await world.idle();
    gates.shift()?.();
    await world.idle();
    const idle = await arrived(world);
    const clients = [await arrived(world), await arrived(world)];
    clients.forEach((client, i) => client.write(`request ${i}`));
    await world.idle();
    const shutdown = fate(server.shutdown());
    const finished = fate(server.finished);
    await world.idle();
    assertEquals([shutdown.state, finished.state], ["pending", "pending"]);
    assertEquals(before.readText(), "before");
    assertEquals([before.ended, idle.ended], [Status.BROKEN, Status.BROKEN]);
    assertEquals(world.system.open(PATH).status, Status.BUSY);
    gates.shift()?.();
    await world.idle();
    assertEquals(shutdown.state, "pending");
    gates.shift()?.();
    await world.idle();
    assertEquals(shutdown.value, { exchanges: 2, evicted: 0, dropped: 0 });
    assertEquals(finished.state, "resolved");
    assertEquals(world.system.open(PATH).status, Status.NOT_FOUND);
    clients.forEach((client, i) => {
      assertEquals(client.readText(), `request ${i}`);
      assertEquals(client.ended, Status.BROKEN);
    });
    assertEquals(world.reasons, Array(4).fill("shutdown"));
    for (const client of [before, idle, ...clients]) client.close();
  }),
);

Deno.test(
  "shutdown() throws out at its timeout what does not finish, and counts it",
  inWorld(async (world) => {
    const signals: AbortSignal[] = [];
    const server = world.serve((request, { signal }) => {
      signals.push(signal);
      return request.length === 1 ? new Promise<string>(() => {}) : new Uint8Array(100);
    }, { writeBufferSize: 4 });
    const waiting = await arrived(world);
    waiting.write("x");
    const lazy = await arrived(world);
    lazy.write("long");
    await world.idle();
    const shutdown = fate(server.shutdown({ timeout: 500 }));
    await world.pass(499);
    assertEquals(shutdown.state, "pending");
    assertEquals(signals.map(({ aborted }) => aborted), [false, false]);
    await world.pass(1);
    assertEquals(shutdown.value, { exchanges: 0, evicted: 2, dropped: 1 });
    assertEquals([waiting.ended, lazy.ended], [Status.DISCONNECTED, Status.DISCONNECTED]);
    assert(signals[0]?.aborted);
    assertEquals(world.reasons, ["shutdown", "shutdown"]);
    waiting.close();
    lazy.close();
  }),
);

Deno.test(
  "shutdown() waits 10 s by default, and not at all with a timeout of 0",
  inWorld(async (world) => {
    for (const [options, timeout] of [[undefined, 10_000], [{ timeout: 0 }, 0]] as const) {
      const server = world.serve(() => new Promise<void>(() => {}));
      const client = await arrived(world);
      client.write("x");
      await world.idle();
      const shutdown = fate(server.shutdown(options));
      if (timeout > 0) {
        await world.pass(timeout - 1);
        assertEquals(shutdown.state, "pending");
      }
      await world.pass(1);
      assertEquals(shutdown.value, { exchanges: 0, evicted: 1, dropped: 0 });
      client.close();
    }
  }),
);

Deno.test(
  "shutdown() refuses a timeout that is none",
  inWorld(async (world) => {
    const server = world.serve(echo);
    assertThrows(() => server.shutdown({ timeout: -1 }), RangeError);
    assertThrows(() => server.shutdown({ timeout: NaN }), RangeError);
    const { timeout } = Object.assign({ timeout: 0 }, { timeout: "1" });
    assertThrows(() => server.shutdown({ timeout: timeout as unknown as number }), TypeError);
    const client = await arrived(world);
    assertEquals(await answers(world, client, "still there"), ["still there"]);
    client.close();
    await server.shutdown({ timeout: Infinity });
  }),
);

Deno.test(
  "shutdown() gives the same report to all who ask, also afterwards",
  inWorld(async (world) => {
    const server = world.serve(() => new Promise<void>(() => {}));
    const client = await arrived(world);
    client.write("x");
    await world.idle();
    const reports = [server.shutdown({ timeout: 100 }), server.shutdown({ timeout: 5_000 })];
    await world.pass(100);
    reports.push(server.shutdown());
    const expected = { exchanges: 0, evicted: 1, dropped: 0 };
    assertEquals(await Promise.all(reports), [expected, expected, expected]);
    client.close();
  }),
);

Deno.test(
  "shutdown() of a server that nobody ever connected to",
  inWorld(async (world) => {
    const early = world.serve(echo);
    assertEquals(await early.shutdown(), { exchanges: 0, evicted: 0, dropped: 0 });
    const late = world.serve(echo);
    await world.idle();
    assertEquals(await late.shutdown(), { exchanges: 0, evicted: 0, dropped: 0 });
    assertFalse(world.running);
  }),
);

Deno.test(
  "shutdown() can be called from a hook and from a responder",
  inWorld(async (world) => {
    const servers: PipeServer[] = [];
    const reports: Promise<unknown>[] = [];
    servers.push(world.serve(echo, {
      onDisconnect: () => {
        for (const server of servers) reports.push(server.shutdown());
      },
    }));
    world.connect().close();
    await world.idle();
    await reports[0];
    assertFalse(world.running);
    servers.length = 0;
    servers.push(world.serve((request) => {
      for (const server of servers) reports.push(server.shutdown());
      return request;
    }));
    const client = world.connect();
    client.write("the last");
    await world.idle();
    assertEquals(client.readText(), "the last");
    assertEquals(await reports[1], { exchanges: 1, evicted: 0, dropped: 0 });
    client.close();
  }),
);

Deno.test(
  "shutdown() keeps replies readable, and waits for those that are pending",
  inWorld(async (world) => {
    const server = world.serve((request) => new Uint8Array(request.length === 1 ? 4 : 100), {
      writeBufferSize: 10,
    });
    const taken = await arrived(world);
    taken.write("x");
    const pending = await arrived(world);
    pending.write("long");
    await world.idle();
    const shutdown = fate(server.shutdown());
    await world.pass(5_000);
    assertEquals(shutdown.state, "pending");
    assertEquals(taken.read()?.length, 4);
    assertEquals(taken.ended, Status.BROKEN);
    assertEquals(pending.read()?.length, 100);
    await world.idle();
    assertEquals(shutdown.value, { exchanges: 0, evicted: 0, dropped: 0 });
    taken.close();
    pending.close();
  }),
);

Deno.test(
  "shutdown() serves a request that was read already, and one that its cancel came too late for",
  inWorld(async (world) => {
    const gates: (() => void)[] = [];
    const server = world.serve(async (request) => {
      await new Promise<void>((resolve) => gates.push(resolve));
      return request;
    });
    const early = await arrived(world);
    early.write("first");
    await world.idle();
    early.write("second");
    await world.idle();
    const late = await arrived(world);
    late.write("just in time");
    const shutdown = fate(server.shutdown());
    await world.idle();
    while (gates.length > 0) {
      gates.shift()?.();
      await world.idle();
    }
    assertEquals([early.readText(), early.readText()], ["first", "second"]);
    assertEquals(late.readText(), "just in time");
    assertEquals(shutdown.value, { exchanges: 3, evicted: 0, dropped: 0 });
    early.close();
    late.close();
  }),
);

Deno.test(
  "shutdown() counts a request that it cannot serve any more",
  inWorld(async (world) => {
    const server = world.serve(() => new Promise<void>(() => {}));
    const client = await arrived(world);
    client.write("first");
    await world.idle();
    client.write("second");
    await world.idle();
    const shutdown = fate(server.shutdown({ timeout: 10 }));
    await world.pass(10);
    assertEquals(shutdown.value, { exchanges: 0, evicted: 1, dropped: 1 });
    client.close();
  }),
);

Deno.test(
  "shutdown() counts clients only, and ends listens that could not be cancelled",
  inWorld(async (world) => {
    const server = world.serve(echo);
    const client = await arrived(world);
    world.kernel.decisions.cancels = ({ call }) => call !== "listen";
    const shutdown = fate(server.shutdown({ timeout: 100 }));
    await world.pass(99);
    assertEquals(shutdown.state, "pending");
    assertEquals(client.ended, Status.BROKEN);
    await world.pass(1);
    assertEquals(shutdown.value, { exchanges: 0, evicted: 0, dropped: 0 });
    client.close();
  }),
);

const STATES: Record<string, string[]> = {
  "fresh": [],
  "with a client": [""],
  "answering": ["work"],
  "answering, with an early request": ["work", "request"],
  "answering, with an early long request": ["work", "x".repeat(20_000)],
  "answering, with many requests": ["work", ...Array(20).fill("request")],
  "sending": ["stream"],
  "writing": ["long"],
  "writing, with another request": ["long", "long"],
  "closing": ["close"],
  "done": ["request"],
};

for (const [state, requests] of Object.entries(STATES)) {
  for (const how of ["shutdown", "signal", "signal during shutdown", "unread shutdown"]) {
    for (const client of ["stays", "leaves"]) {
      Deno.test(
        `serve() ends by ${how} while an instance is ${state}, and its client ${client}`,
        inWorld(async (world) => {
          const controller = new AbortController();
          const server = world.serve((_request, exchange) => {
            switch (exchange.text()) {
              case "work":
                return new Promise<string>(() => {});
              case "stream":
                return (async function* () {
                  for (;;) yield "more than the buffer takes";
                })();
              case "long":
                return new Uint8Array(20_000);
              case "close":
                exchange.reply(new Uint8Array(20_000));
                exchange.client.close();
                return;
              default:
                return "answer";
            }
          }, {
            instances: 1,
            signal: controller.signal,
            readBufferSize: 10_000,
            writeBufferSize: 10,
            replyTimeout: 10_000,
          });
          const clients: RawClient[] = [];
          if (state !== "fresh") {
            clients.push(await arrived(world));
            for (const request of requests) {
              if (request !== "") clients[0]?.write(request);
              await world.idle();
            }
          }
          if (how !== "signal") server.shutdown({ timeout: 100 });
          if (how.startsWith("signal")) controller.abort();
          if (client === "leaves") { for (const each of clients) each.close(); }
          await world.pass(10_000);
          await server.finished;
          assertFalse(world.running);
          assertEquals(world.ends.length, clients.length);
          if (client === "stays") {
            for (const each of clients) {
              assert(each.ended !== undefined || each.read() !== undefined);
              each.close();
            }
          }
        }),
      );
    }
  }
}

// The end

Deno.test(
  "await using shuts a server down",
  inWorld(async (world) => {
    const gate = Promise.withResolvers<string>();
    let client: RawClient | undefined;
    {
      await using server = world.serve(() => gate.promise);
      assertEquals(server.path, PATH);
      client = await arrived(world);
      client.write("x");
      await world.idle();
      setTimeout(() => gate.resolve("answer"), 0);
    }
    assertFalse(world.running);
    assertEquals(client.readText(), "answer");
    client.close();
  }),
);

Deno.test(
  "a signal stops a server at once, and what Windows has taken stays readable",
  inWorld(async (world) => {
    const controller = new AbortController();
    const signals: AbortSignal[] = [];
    const server = world.serve((request, { signal }) => {
      signals.push(signal);
      return request.length === 1 ? new Promise<string>(() => {}) : request;
    }, { signal: controller.signal });
    const open = await arrived(world);
    open.write("x");
    await world.idle();
    const answered = await arrived(world);
    answered.write("answered");
    await world.idle();
    controller.abort();
    assert(signals[0]?.aborted);
    assertInstanceOf(signals[0]?.reason, Deno.errors.Interrupted);
    assertFalse(signals[1]?.aborted);
    await server.finished;
    assertEquals(answered.readText(), "answered");
    assertEquals(world.reasons, ["server", "server"]);
    assertEquals(await server.shutdown(), { exchanges: 0, evicted: 0, dropped: 0 });
    open.close();
    answered.close();
  }),
);

Deno.test(
  "serve() never listens with a signal that is aborted already",
  inWorld(async (world) => {
    const onListen = mock.fn();
    const server = world.serve(echo, { signal: AbortSignal.abort(), onListen });
    assertEquals(server.path, PATH);
    await server.finished;
    assertEquals(await server.shutdown(), { exchanges: 0, evicted: 0, dropped: 0 });
    assertThrows(() => server.shutdown({ timeout: -1 }), RangeError);
    await server[Symbol.asyncDispose]();
    assertEquals(onListen.mock.callCount(), 0);
    assertEquals(world.loops, 0);
  }),
);

Deno.test(
  "serve() ends when onListen aborts its signal",
  inWorld(async (world) => {
    const controller = new AbortController();
    const server = world.serve(echo, {
      signal: controller.signal,
      onListen: () => controller.abort(),
    });
    await world.idle();
    await server.finished;
    assertFalse(world.running);
  }),
);

Deno.test(
  "finished rejects when the server can listen no longer, and needs no handler",
  inWorld(async (world) => {
    const server = world.serve(echo);
    await world.idle();
    world.kernel.decisions.failsWait = () => Status.INVALID_HANDLE;
    world.connect().close();
    await world.idle();
    // An unhandled rejection would have ended this test run by now.
    await nextTask();
    await assertRejects(() => server.finished, Error, "WaitForMultipleObjects");
    await assertRejects(() => server.shutdown(), Error, "WaitForMultipleObjects");
    world.abandonMemory();
  }),
);

Deno.test(
  "serve() can have the name of a server that has just ended",
  inWorld(async (world) => {
    for (let i = 0; i < 5; i++) {
      const server = world.serve(() => `server ${i}`);
      const client = world.connect();
      client.write("x");
      assertEquals(await client.receiveText(), `server ${i}`);
      client.close();
      await server.shutdown();
    }
    assertEquals(world.loops, 5);
  }),
);

Deno.test(
  "two servers share one loop, and end by themselves",
  inWorld(async (world) => {
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
    atA?.close();
    atB?.close();
  }),
);

Deno.test(
  "a server that begins while the last one ends goes on with its loop",
  inWorld(async (world) => {
    const first = world.serve(() => "first", { path: "first" });
    await world.idle();
    const ended = first.shutdown();
    const second = world.serve(() => "second");
    await ended;
    const client = world.connect();
    client.write("x");
    assertEquals(await client.receiveText(), "second");
    client.close();
    await second.shutdown();
  }),
);

Deno.test(
  "what a user hands over is called without a this",
  inWorld(async (world) => {
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
    const client = await arrived(world);
    assertEquals(await answers(world, client), ["answer"]);
    client.close();
    await server.shutdown();
    assertEquals(receivers, [undefined, undefined, undefined, undefined]);
  }),
);
