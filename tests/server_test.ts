import { mock } from "node:test";
import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertLess,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { serveOn } from "../src/exchange/serve.ts";
import { WindowsError } from "../src/kernel/errors.ts";
import { Status } from "../src/kernel/status.ts";
import { WaitLoop } from "../src/loop/wait_loop.ts";
import { failing, fate, inWorld, NAME, PATH, type World } from "./fixture.ts";
import type { MemoryKernel, RawClient } from "./memory_kernel.ts";

const MIB = 1024 * 1024;

/** A failure that no call is known for. */
const STRANGE = 1117;

const echo = (request: Uint8Array<ArrayBuffer>) => request;

/** Has something happen right after the next instance was created, before it listens. */
function afterCreation(kernel: MemoryKernel, happen: () => void): void {
  const create = mock.method(kernel, "create", (...args: Parameters<MemoryKernel["create"]>) => {
    create.mock.restore();
    const opened = kernel.create(...args);
    happen();
    return opened;
  });
}

/** Checks after every call to the system that the name is there. */
function watchName(world: World): () => void {
  const { kernel } = world;
  let vanished = 0;
  const look = () => {
    if (!world.system.exists(PATH)) vanished++;
  };
  kernel.decisions.fails = () => {
    look();
    return undefined;
  };
  return () => {
    look();
    kernel.decisions.fails = () => undefined;
    assertEquals(vanished, 0);
  };
}

// As many instances as clients come

inWorld(
  "Server has `instances` that listen, more as clients come, and twice as many as they leave",
  async (world) => {
    world.serve(echo, { instances: 2 });
    await world.idle();
    assertEquals(world.kernel.leftovers().open, 2);
    const clients: RawClient[] = [];
    for (let count = 1; count <= 6; count++) {
      clients.push(world.connect());
      await world.idle();
      assertEquals(world.kernel.leftovers().open, count + 2);
      assertEquals(world.kernel.leftovers().inFlight, count + 2);
    }
    while (clients.length > 0) {
      clients.pop()?.close();
      await world.idle();
      const open = Math.min(8, clients.length + 4);
      assertEquals(world.kernel.leftovers().open, open);
      assertEquals(world.kernel.leftovers().slots, open);
    }
    // Clients that come and go find enough instances.
    const create = failing(world.kernel, "create", Status.NO_SYSTEM_RESOURCES);
    for (let visit = 0; visit < 10; visit++) await world.assertServed();
    assertEquals(create.calls, 0);
  },
);

for (const maxInstances of [1, 2, undefined]) {
  inWorld(
    `Server keeps its name, whatever happens (maxInstances: ${maxInstances})`,
    async (world) => {
      let end: "return" | "close" | "throw" = "return";
      world.serve((request, { client }) => {
        if (end === "close") client.close();
        if (end === "throw") throw new Error("test");
        return request;
      }, { instances: 1, maxInstances });
      const stopWatching = watchName(world);
      await world.idle();
      for (end of ["return", "close", "throw", "return"] as const) {
        const client = await world.asking("request");
        client.close();
        await world.idle();
        world.connect().close();
        const vandal = await world.asking(new Uint8Array(16 * MIB + 1));
        vandal.close();
        await world.idle();
      }
      stopWatching();
      assertEquals(world.reports.splice(0).length, 1);
      await world.assertServed();
    },
  );
}

inWorld(
  "Server numbers its instances from 0, densely, and its clients from 1, never twice",
  async (world) => {
    const questions = world.ask({ instances: 1 });
    const numbers: [number, number][] = [];
    for (let i = 0; i < 3; i++) {
      const client = await world.asking("x");
      const { instance, client: { id }, reply } = questions.at();
      numbers.push([instance.id, id]);
      reply();
      client.close();
    }
    await world.idle();
    assertEquals(numbers.map(([, client]) => client), [1, 2, 3]);
    assert(numbers.every(([instance]) => instance === 0 || instance === 1));
  },
);

// Nobody is forgotten, and nobody is preferred

inWorld("Server serves all clients alike during a flood", async (world) => {
  const served = new Map<number, number>();
  let widest = 0;
  world.serve((_request, { client: { id } }) => {
    served.set(id, (served.get(id) ?? 0) + 1);
    const counts = [...served.values()];
    if (counts.length === 8 && Math.max(...counts) < 100) {
      widest = Math.max(widest, Math.max(...counts) - Math.min(...counts));
    }
  }, { instances: 8 });
  const clients = Array.from({ length: 8 }, () => world.connect());
  for (const client of clients) {
    for (let i = 0; i < 100; i++) client.write("x");
  }
  await world.idle();
  assertEquals([...served.values()], Array(8).fill(100));
  assertLess(widest, 3);
});

// How clients come

inWorld("Server serves a client that came before the instance listened (535)", async (world) => {
  let client: RawClient | undefined;
  afterCreation(world.kernel, () => client = world.connect());
  world.serve(echo, { instances: 1 });
  client?.write("early");
  assertEquals(await client?.receiveText(), "early");
  client?.close();
  await world.assertServed();
  assertEquals(world.reasons, ["peer", "peer"]);
});

inWorld(
  "Server serves what a client left behind that had left before the instance listened (232)",
  async (world) => {
    afterCreation(world.kernel, () => {
      const client = world.connect();
      client.write("one");
      client.write("two");
      client.close();
    });
    const questions = world.ask({ instances: 1, maxInstances: 1 });
    await world.idle();
    assertEquals(questions.texts, ["one", "two"]);
    const exchange = questions.at();
    assert(exchange.signal.aborted);
    assertInstanceOf(exchange.signal.reason, Deno.errors.BrokenPipe);
    assert(exchange.client.signal.aborted);
    await assertRejects(() => exchange.reply("x"), Deno.errors.BrokenPipe);
    await world.idle();
    assertEquals(world.reasons, ["peer"]);
    const next = await world.asking("three");
    questions.at().reply("answer");
    assertEquals(next.readText(), "answer");
  },
);

// Beginning

inWorld("Server begins with all its instances or none", async (world) => {
  let creations = 0;
  world.kernel.decisions.fails = (call) =>
    call === "create" && ++creations === 3 ? Status.NO_SYSTEM_RESOURCES : undefined;
  const error = assertThrows(() => world.serve(echo), WindowsError, PATH);
  assertEquals([error.code, error.call], [1450, "CreateNamedPipeW"]);
  // One has come already.
  const early = world.connect();
  await world.idle();
  assertEquals(world.system.names, []);
  assertEquals(early.ended, Status.BROKEN);
  early.close();
  assertFalse(world.running);
  world.kernel.decisions.fails = () => undefined;
  world.serve(echo);
  await world.assertServed();
});

inWorld(
  "Server has each instance listen before it creates the next one, or asks anything",
  async (world) => {
    const calls: string[] = [];
    for (const name of ["create", "listen", "security"] as const) {
      const original = world.kernel[name].bind(world.kernel) as (...args: unknown[]) => unknown;
      Object.assign(world.kernel, {
        [name]: (...args: unknown[]) => {
          calls.push(name);
          return original(...args);
        },
      });
    }
    world.serve(echo, { instances: 2 });
    assertEquals(calls, ["create", "listen", "create", "listen", "security"]);
    await world.assertServed();
    // One for the client that came, and what it leaves listens too.
    assertEquals(calls.slice(5), ["create", "listen", "listen"]);
  },
);

for (const [most, code] of [[255, 5], [1, 231]] as const) {
  inWorld(`Server finds a name that is taken in use (${code})`, async (world) => {
    const other = world.system.serve(PATH.toUpperCase(), { most });
    const error = assertThrows(() => world.serve(echo), Deno.errors.AddrInUse, PATH);
    assertInstanceOf(error.cause, WindowsError);
    assertEquals(error.cause.code, code);
    await assertRejects(() => world.exchanges().next(), Deno.errors.AddrInUse);
    other.close();
    world.serve(echo);
    await world.assertServed();
  });
}

// What goes wrong with instances

for (const status of [Status.NO_SYSTEM_RESOURCES, Status.ACCESS_DENIED, Status.BUSY, STRANGE]) {
  inWorld(`Server tries again to create what it could not (${status})`, async (world) => {
    world.serve(echo, { instances: 1 });
    await world.idle();
    const creation = failing(world.kernel, "create", status);
    const client = world.connect();
    await world.pass(3_000);
    assertEquals(world.system.open(PATH).status, Status.BUSY);
    assertLess(creation.calls, 20);
    const pauses = creation.times.slice(1).map((time, i) => time - (creation.times[i] ?? 0));
    assertEquals(pauses, pauses.toSorted((a, b) => a - b));
    client.write("served meanwhile");
    assertEquals(await client.receiveText(), "served meanwhile");
    creation.on = false;
    await world.pass(1_000);
    await world.assertServed();
    assertEquals(world.kernel.leftovers().timers, 0);
    // It has passed: the next time it is tried as soon as the first time.
    const next = failing(world.kernel, "create", status);
    for (let clients = 0; clients < 2; clients++) world.connect();
    await world.pass(100);
    assertEquals(next.times.slice(0, 5).map((time) => time - (next.times[0] ?? 0)), [
      0,
      1,
      3,
      7,
      15,
    ]);
    next.on = false;
    await world.pass(1_000);
  });
}

inWorld("Server.shutdown() ends the attempts to create what was missing", async (world) => {
  const server = world.serve(echo, { instances: 1 });
  await world.idle();
  failing(world.kernel, "create", Status.NO_SYSTEM_RESOURCES);
  await world.asking("x");
  assertEquals(world.kernel.leftovers().timers, 1);
  await server.shutdown();
});

for (const status of [Status.UNKNOWN, STRANGE, Status.ACCESS_DENIED, Status.INVALID_HANDLE]) {
  inWorld(`Server replaces an instance that cannot listen (${status})`, async (world) => {
    world.kernel.failNext("listen", status);
    world.serve(echo, { instances: 2 });
    await world.pass(1_000);
    assertEquals(world.kernel.leftovers().open, 2);
    assertEquals(world.kernel.leftovers().inFlight, 2);
    await world.assertServed();
  });
}

inWorld(
  "Server tries ever more rarely while no instance can listen, and gets its name back",
  async (world) => {
    world.serve(echo, { instances: 1 });
    const listening = failing(world.kernel, "listen", STRANGE);
    world.connect().close();
    await world.pass(20_000);
    assertLess(listening.calls, 50);
    listening.on = false;
    await world.pass(1_000);
    await world.assertServed();
  },
);

inWorld(
  "Server does not give up when it has no instance left and cannot create one for now",
  async (world) => {
    const server = world.serve(echo, { instances: 1 });
    const finished = fate(server.finished);
    let short = true;
    world.kernel.decisions.fails = (call) => {
      if (!short) return undefined;
      if (call === "listen") return STRANGE;
      return call === "create" ? Status.NO_SYSTEM_RESOURCES : undefined;
    };
    world.connect().close();
    await world.pass(10_000);
    assertFalse(world.system.exists(PATH));
    assertEquals(finished.state, "pending");
    short = false;
    await world.pass(1_000);
    await world.assertServed();
  },
);

inWorld("Server gives up when it has lost its name to another", async (world) => {
  const { over } = world.ask({ instances: 1 });
  const listening = failing(world.kernel, "listen", STRANGE);
  world.connect().close();
  await world.idle();
  await world.idle();
  assertFalse(world.system.exists(PATH));
  world.system.serve(PATH);
  listening.on = false;
  await world.pass(1_000);
  assertInstanceOf(over.error, Deno.errors.AddrInUse);
  assertStringIncludes(over.error.message, PATH);
});

for (const status of [Status.UNKNOWN, STRANGE]) {
  inWorld(
    `Server goes on when the status of a listen in flight cannot be believed (${status})`,
    async (world) => {
      let once = true;
      world.kernel.decisions.answers = ({ call }, truth) => {
        if (call !== "listen" || !once) return truth;
        once = false;
        return status;
      };
      world.serve(echo, { instances: 1 });
      await world.pass(1_000);
      await world.assertServed();
    },
  );
}

inWorld("Server goes on when a disconnect fails", async (world) => {
  world.serve(echo, { instances: 1, maxInstances: 1 });
  const client = await world.arrived();
  world.kernel.failNext("disconnect", STRANGE);
  client.close();
  await world.idle();
  await world.assertServed();
});

// Clients that vanish

const MOMENTS: Record<string, (world: World, client: RawClient) => Promise<void> | void> = {
  "before anybody saw it come": () => {},
  "when it has come": (world) => world.idle(),
  "right after its request": (_world, client) => {
    client.write("request");
  },
  "with a request that is partly in the pipe": (_world, client) => {
    assertEquals(client.write(new Uint8Array(20_000)), "pending");
  },
  "with a request that is partly read": async (world, client) => {
    await world.idle();
    world.kernel.holdCompletions = true;
    assertEquals(client.write(new Uint8Array(20_000)), "pending");
    await world.idle();
  },
  "with two requests, the second partly in the pipe": (_world, client) => {
    client.write("request");
    client.write(new Uint8Array(20_000));
  },
  "while it is answered": async (world, client) => {
    await world.write(client, "work");
  },
  "while it is answered, with a request that was read ahead": async (world, client) => {
    await world.write(client, "work");
    await world.write(client, "request");
  },
  "while it is answered, with the first piece of a request that was read ahead": async (
    world,
    client,
  ) => {
    await world.write(client, "work");
    await world.write(client, new Uint8Array(20_000));
  },
  "while it is answered, with many requests": async (world, client) => {
    await world.write(client, "work");
    for (let i = 0; i < 50; i++) client.write("request");
    await world.idle();
  },
  "with an answer that it has not read": async (world, client) => {
    await world.write(client, "request");
  },
  "with an answer that is partly written": async (world, client) => {
    await world.write(client, "long");
    assertEquals(client.read(10)?.length, 10);
  },
  "with an answer that is partly written, and another request": async (world, client) => {
    await world.write(client, "long");
    await world.write(client, "long");
  },
  "between the messages of an answer": async (world, client) => {
    await world.write(client, "several");
    client.read();
  },
  "when it has read its answer": async (_world, client) => {
    client.write("request");
    assertEquals(await client.receiveText(), "request");
  },
};

for (const [moment, lead] of Object.entries(MOMENTS)) {
  for (const kill of [false, true]) {
    const how = kill ? "dies" : "leaves";
    inWorld(
      `Server serves the next client by the same instance when one ${how} ${moment}`,
      async (world) => {
        const works: (() => void)[] = [];
        const server = world.serve((request, exchange) => {
          if (request.length > 100) return;
          switch (exchange.text()) {
            case "work":
              return new Promise<string>((resolve) => works.push(() => resolve("late")));
            case "long":
              return new Uint8Array(20_000);
            case "several":
              return (async function* () {
                for (let i = 0; i < 100; i++) yield new Uint8Array(20_000);
              })();
            default:
              return request;
          }
        }, { instances: 1, maxInstances: 1, readBufferSize: 10_000, writeBufferSize: 10_000 });
        const client = world.connect();
        await lead(world, client);
        if (kill) client.kill();
        else client.close();
        world.kernel.holdCompletions = false;
        while (world.kernel.deliver());
        await world.idle();
        for (const end of works) end();
        await world.idle();
        assertEquals(world.reasons, ["peer"]);
        assertEquals(world.ends[0]?.error, undefined);
        await world.assertServed();
        assertEquals(await server.shutdown(), { exchanges: 0, evicted: 0, dropped: 0 });
      },
    );
  }
}

inWorld(
  "Server never writes a late reply to the next client of the instance",
  async (world) => {
    const { questions, client: first } = await world.asked("first", {
      instances: 1,
      maxInstances: 1,
    });
    const late = questions.at();
    first.close();
    const second = await world.asking("second");
    const current = questions.at();
    assertStrictEquals(current.instance.id, late.instance.id);
    await assertRejects(() => late.send("secret"), Deno.errors.BrokenPipe);
    await assertRejects(() => late.reply("secret"), Deno.errors.BrokenPipe);
    late.client.close();
    await world.idle();
    assertEquals(second.readText(), undefined);
    await current.reply("yours");
    assertEquals(second.readText(), "yours");
    assertEquals(second.readText(), undefined);
    assertEquals(second.ended, undefined);
  },
);

// Requests

inWorld(
  "Server ends a connection where another message takes the place of a withdrawn rest",
  async (world) => {
    const asked: number[] = [];
    world.serve((request) => void asked.push(request.length), { readBufferSize: 10 });
    const client = await world.arrived();
    const peek = mock.method(world.kernel, "peek", (handle: bigint) => {
      peek.mock.restore();
      const peeked = world.kernel.peek(handle);
      assert(client.cancelWrite());
      client.write(new Uint8Array(3));
      return peeked;
    });
    await world.write(client, new Uint8Array(20_000));
    assertEquals([asked, world.reasons], [[], ["error"]]);
    assertInstanceOf(world.ends[0]?.error, Deno.errors.InvalidData);
  },
);

inWorld(
  "Server answers pipelined requests in order, and reads one ahead at most",
  async (world) => {
    const questions = world.ask({ readBufferSize: 1, instances: 1 });
    const client = await world.arrived();
    for (const request of ["1", "2", "3", "4", "5"]) client.write(request);
    await world.idle();
    assertEquals(questions.texts, ["1"]);
    // Of five, one is asked, one is read ahead, and one is in the pipe.
    assertEquals(client.writing, 2);
    for (let i = 1; i <= 5; i++) {
      assertEquals(questions.texts.length, i);
      questions.at().reply(`answer ${i}`);
      await world.idle();
    }
    assertEquals(questions.texts, ["1", "2", "3", "4", "5"]);
    for (let i = 1; i <= 5; i++) assertEquals(client.readText(), `answer ${i}`);
    assertEquals(client.readText(), undefined);
  },
);

inWorld(
  "Server reads of a long request that comes early only the first piece, until it is its turn",
  async (world) => {
    const { questions, client } = await world.asked("first", { readBufferSize: 10 });
    const long = new Uint8Array(100_000).map((_, i) => i);
    await world.write(client, long);
    await world.idle();
    assertEquals(client.written, "pending");
    assertEquals(questions.all.length, 1);
    questions.at().reply("1");
    await world.idle();
    assertEquals(client.written, "done");
    assertEquals(questions.all.length, 2);
    assertEquals(questions.at().request, long);
    questions.at().reply("2");
    assertEquals([client.readText(), client.readText()], ["1", "2"]);
  },
);

// Replies

inWorld("Server sends replies of any size, and none for none", async (world) => {
  const questions = world.ask();
  const client = await world.arrived();
  for (const size of [0, 1, 4096, 65_536, 65_537, 20 * MIB]) {
    await world.write(client, "x");
    const reply = fate(questions.at().reply(new Uint8Array(size).fill(7)));
    await world.idle();
    assertEquals(reply.state, size > 65_536 ? "pending" : "resolved");
    const message = client.read();
    assertEquals(message?.length, size);
    assert(message?.every((byte) => byte === 7));
    await world.idle();
    assertEquals(reply.state, "resolved");
  }
  await world.write(client, "x");
  await questions.at().reply();
  await world.idle();
  assertEquals(client.readText(), undefined);
});

inWorld("Server copies a reply at the call, even one that has to wait", async (world) => {
  const { questions, client } = await world.asked("x", { writeBufferSize: 4 });
  const { send, reply } = questions.at();
  const bytes = new Uint8Array([1, 2, 3, 4, 5]);
  send(bytes);
  bytes.fill(8);
  send(bytes);
  bytes.fill(9);
  reply(bytes);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  assertEquals(client.read(), new Uint8Array([1, 2, 3, 4, 5]));
  await world.idle();
  assertEquals(client.read(), new Uint8Array(5).fill(8));
  await world.idle();
  assertEquals(client.read(), new Uint8Array(5).fill(9));
});

inWorld(
  "Server takes a write that fails since the client has left as its leaving",
  async (world) => {
    const { questions, client } = await world.asked("x", { instances: 1, maxInstances: 1 });
    const { reply, client: { signal } } = questions.at();
    // In the same task, so that nobody knows yet.
    client.close();
    await assertRejects(() => reply("late"), Deno.errors.BrokenPipe, PATH);
    await world.idle();
    assert(signal.aborted);
    assertEquals(world.reasons, ["peer"]);
    await world.asking("next");
    assertEquals(questions.texts, ["x", "next"]);
  },
);

for (
  const [call, status] of [
    ["send", STRANGE],
    ["reply", STRANGE],
    // A part of it may have arrived: it is not written again.
    ["reply", Status.NOT_ENOUGH_QUOTA],
  ] as const
) {
  inWorld(
    `Server ends a connection where ${call}() fails for an unexpected reason (${status})`,
    async (world) => {
      const { questions, client } = await world.asked("x", { instances: 1, maxInstances: 1 });
      world.kernel.failNext("write", status);
      const exchange = questions.at();
      const error = await assertRejects(() => exchange[call]("y"), WindowsError, PATH);
      assertEquals([error.code, error.call], [status, "WriteFile"]);
      await world.idle();
      assertEquals(world.reasons, ["error"]);
      assertStrictEquals(world.ends[0]?.error, error);
      assert(client.ended !== undefined);
      client.close();
      await world.asking("next");
      assertEquals(questions.texts, ["x", "next"]);
    },
  );
}

for (const kind of ["read", "write"] as const) {
  inWorld(`Server can end while a shortage holds up a ${kind}`, async (world) => {
    const server = world.serve(echo, { instances: 1 });
    failing(world.kernel, kind, Status.NOT_SUBMITTED);
    const client = world.connect();
    client.write("x");
    await world.pass(10);
    const shutdown = server.shutdown({ timeout: 100 });
    await world.pass(100);
    await shutdown;
  });
}

// What cannot be believed

for (const status of [STRANGE, Status.UNKNOWN, Status.INVALID_PARAMETER]) {
  inWorld(
    `Server ends a connection whose read fails with ${status}, and serves the next client`,
    async (world) => {
      world.serve(echo, { instances: 1, maxInstances: 1 });
      await world.idle();
      world.kernel.failNext("read", status);
      const client = await world.arrived();
      assertEquals(world.reasons, ["error"]);
      assertInstanceOf(world.ends[0]?.error, WindowsError);
      assert(client.ended !== undefined);
      client.close();
      await world.assertServed();
    },
  );

  inWorld(
    `Server ends a connection where the length of a rest cannot be told (${status})`,
    async (world) => {
      world.serve(echo, { instances: 1, maxInstances: 1 });
      await world.idle();
      world.kernel.failNext("peek", status);
      const client = await world.asking(new Uint8Array(10_000));
      assertEquals(world.reasons, ["error"]);
      const { error } = world.ends[0] ?? {};
      assertInstanceOf(error, WindowsError);
      assertEquals(error.call, "PeekNamedPipe");
      client.close();
      await world.assertServed();
    },
  );

  for (const call of ["read", "write"] as const) {
    inWorld(`Server survives ${status} for a ${call} that is in flight`, async (world) => {
      let once = true;
      world.serve(
        (request) => request.length === 1 ? new Uint8Array(1000) : request,
        { instances: 1, maxInstances: 1, writeBufferSize: 100 },
      );
      await world.idle();
      world.kernel.decisions.answers = (submission, truth) => {
        if (submission.call !== call || truth !== Status.PENDING || !once) return truth;
        once = false;
        return status;
      };
      const client = await world.arrived();
      if (client.ended === undefined) client.write("x");
      await world.idle();
      assertFalse(once);
      assertEquals(world.reasons, ["error"]);
      assert(client.ended !== undefined);
      client.close();
      await world.assertServed();
    });
  }
}

// Ends that the server makes

inWorld("Server lets a client read what was written when it ends the connection", async (world) => {
  const { questions, client } = await world.asked("x", { instances: 1, writeBufferSize: 4 });
  const { send, reply, client: { close, signal } } = questions.at();
  const sent = fate(send("a long message"));
  const replied = fate(reply("the last message"));
  close();
  close();
  await world.pass(9_000);
  assertEquals([sent.state, replied.state], ["pending", "pending"]);
  assertEquals(client.readText(), "a long message");
  await world.idle();
  assertEquals([sent.state, replied.state], ["resolved", "pending"]);
  assertEquals(await client.receiveText(), "the last message");
  await world.idle();
  assertEquals(replied.state, "resolved");
  assertEquals(client.ended, Status.BROKEN);
  assert(signal.aborted);
  assertInstanceOf(signal.reason, Deno.errors.Interrupted);
  assertEquals(world.reasons, ["self"]);
  assertEquals(world.kernel.leftovers().timers, 0);
});

inWorld(
  "Server settles an open exchange as lost when the program closes the connection",
  async (world) => {
    const { questions, client } = await world.asked("x");
    const { client: { close }, signal, reply } = questions.at();
    close();
    assert(signal.aborted);
    assertInstanceOf(signal.reason, Deno.errors.Interrupted);
    await assertRejects(() => reply("late"), Deno.errors.Interrupted);
    await world.idle();
    assertEquals(client.ended, Status.BROKEN);
  },
);

inWorld(
  "Server.finished rejects when the loop cannot wait any more, and nothing is left open",
  async (world) => {
    const { questions, client } = await world.asked("x", { instances: 2, writeBufferSize: 4 });
    const reply = fate(questions.at().reply("a long message"));
    await world.idle();
    world.kernel.decisions.failsWait = () => Status.INVALID_HANDLE;
    await world.write(client, "y");
    assertEquals(questions.over.state, "rejected");
    assertInstanceOf(questions.over.error, WindowsError);
    assertEquals(questions.over.error.call, "WaitForMultipleObjects");
    assertEquals(reply.state, "rejected");
    assertEquals(world.reasons, ["error"]);
    assertEquals(world.system.names, []);
    world.abandonMemory();
    client.close();
    world.ask();
    await world.idle();
    assertEquals(world.loops, 2);
  },
);

inWorld("Server closes every handle when the program goes away, in every state", async (world) => {
  const server = world.serve((request, exchange) => {
    if (request.length === 0) return new Promise<string>(() => {});
    return exchange.text() === "long" ? new Uint8Array(1000) : request;
  }, { instances: 2, writeBufferSize: 4 });
  await world.idle();
  const clients = [world.connect(), world.connect()];
  await world.idle();
  clients.push(world.connect(), world.connect());
  clients[1]?.write("");
  clients[2]?.write("long");
  clients[3]?.write("");
  await world.write(clients[3], "early");
  world.kernel.unload();
  assertEquals(world.system.names, []);
  for (const client of clients) {
    assert(client.ended !== undefined);
    client.close();
  }
  await world.idle();
  world.abandonMemory();
  await server.finished;
  // Somebody else has dispatched the event: what is started now works.
  const again = world.serve(echo);
  await world.assertServed();
  await again.shutdown();
  assertEquals(world.loops, 2);
});

inWorld("a mistake of ours costs one connection, whose session is over at once", async (world) => {
  const mistakes: unknown[] = [];
  const mistake = new Error("test: a mistake");
  const loop = new WaitLoop(world.kernel, undefined, {
    transition(_state, event) {
      if (event === "written" && mistakes.length === 0) throw mistake;
    },
    crashed: (error) => void mistakes.push(error),
  });
  const server = serveOn(() => loop, { path: NAME, writeBufferSize: 4 }, (request, exchange) => {
    if (request.length === 0) return "answer";
    exchange.send("longer than four bytes").catch(() => {});
    return new Promise<void>((resolve) => {
      exchange.signal.addEventListener("abort", () => resolve());
    });
  });
  const client = await world.asking("x");
  client.readText();
  await world.idle();
  assertEquals(mistakes, [mistake]);
  assertEquals(client.ended, Status.DISCONNECTED);
  client.close();
  const other = await world.asking("");
  assertEquals(other.readText(), "answer");
  other.close();
  await server.shutdown();
});

inWorld("Server closes what it created whatever throws before it listens", async (world) => {
  mock.method(world.open().kernel, "security", () => {
    throw new RangeError("test: no stack left");
  });
  assertThrows(() => world.serve(echo), RangeError, "test: no stack left");
  await world.idle();
  assertFalse(world.running);
});

inWorld(
  "Server says that a part of its name is a pipe itself, which may come later",
  async (world) => {
    const app = world.serve(echo, { path: "app" });
    const path = "app\\control";
    const error = assertThrows(() => world.serve(echo, { path }), WindowsError);
    assertEquals(error.code, Status.INVALID_NAME);
    assertEquals(
      error.message,
      'Cannot listen on "\\\\.\\pipe\\app\\control": a part of the name is a pipe itself ' +
        "(CreateNamedPipeW, error 123)",
    );
    await app.shutdown();
    const control = world.serve(echo, { path });
    const again = world.serve(echo, { path: "app" });
    await world.idle();
    // Its further instances are no new name.
    const clients = [1, 2, 3, 4].map(() => world.system.connect(control.path));
    await world.idle();
    for (const client of clients) client.close();
    await Promise.all([control.shutdown(), again.shutdown()]);
  },
);

inWorld("Server takes names in any of their spellings", async (world) => {
  const spellings = ["\\\\.\\PIPE\\test", "\\\\?\\pipe\\test", "//./pipe/test", "//?/pipe/test"];
  for (const path of [NAME, PATH, ...spellings, "npipe:////./pipe/test"]) {
    const server = world.serve(echo, { path });
    await world.assertServed();
    await server.shutdown();
  }
});

for (const name of ["addEventListener", "aborted"]) {
  inWorld(
    `a server does not listen whose signal throws at "${name}" when it does already`,
    async (world) => {
      const { signal } = new AbortController();
      const error = new Error("test");
      const options = {
        signal,
        onListen: () =>
          void Object.defineProperty(signal, name, {
            get() {
              throw error;
            },
            configurable: true,
          }),
      };
      assertStrictEquals(assertThrows(() => world.serve(echo, options)), error);
      await world.idle();
      assertEquals(world.system.names, []);
      Reflect.deleteProperty(signal, name);
      const generator = world.exchanges(options);
      assertStrictEquals(await assertRejects(() => generator.next()), error);
      await world.idle();
      assertEquals(world.system.names, []);
      assertEquals(await generator.next(), { done: true, value: undefined });
    },
  );
}
