/** When Windows is asked who a client is, and when it is too late: in the operating system in memory. */

import { mock } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Exchange } from "../src/exchange/exchange.ts";
import type { PipeServer } from "../src/exchange/serve.ts";
import { WindowsError } from "../src/kernel/errors.ts";
import { Status } from "../src/kernel/status.ts";
import { lines } from "../src/pipe/framing/lines.ts";
import type { PipeClient } from "../src/server/client.ts";
import { inWorld, NAME, PATH, type World } from "./fixture.ts";
import type { RawClient } from "./memory_kernel.ts";

const STRANGER = { sid: "S-1-5-21-9-9-9-500", integrity: 0x1000, elevated: false } as const;

const CALLS = ["clientProcess", "clientSession", "openToken", "identify", "closeToken"] as const;

/** How often a kernel is asked about clients from now on. */
function questions({ kernel }: World): () => Record<string, number> {
  const spies = CALLS.map((call) => [call, mock.method(kernel, call)] as const);
  return () => Object.fromEntries(spies.map(([call, spy]) => [call, spy.mock.callCount()]));
}

/** A client of another user and another process. */
async function stranger(world: World) {
  const process = world.system.newProcess(STRANGER);
  await world.idle();
  return { process, raw: world.system.connect(PATH, { process }) };
}

/** What is known of a client. */
function known(client: PipeClient | undefined): unknown[] {
  return [client?.processId, client?.sessionId, client?.user().sid];
}

const NOBODY_ASKED = {
  clientProcess: 0,
  clientSession: 0,
  openToken: 1,
  identify: 0,
  closeToken: 1,
};
const SOMEBODY_ASKED = {
  clientProcess: 1,
  clientSession: 1,
  openToken: 1,
  identify: 1,
  closeToken: 1,
};

inWorld(
  "nobody asks about the clients of a responder that does not want to know",
  async (world) => {
    const asked = questions(world);
    await using _server = world.pipes.serve({ path: NAME }, (request) => request);
    assertEquals(await world.visit("hello"), "hello");
    assertEquals(asked(), NOBODY_ASKED);
  },
);

inWorld("a responder that takes the client gets to know it, once", async (world) => {
  const asked = questions(world);
  const answers: unknown[] = [];
  await using _server = world.pipes.serve({ path: NAME }, (_request, { client }) => {
    answers.push(known(client));
    return "";
  });
  const { process, raw } = await stranger(world);
  raw.write("one");
  await world.write(raw, "two");
  assertEquals(answers, [[process, 1, STRANGER.sid], [process, 1, STRANGER.sid]]);
  assertEquals(asked(), SOMEBODY_ASKED);
  raw.close();
  await world.idle();
  assertEquals(asked(), SOMEBODY_ASKED);
});

/** A responder that takes its client late: what it then knows. */
function late() {
  const { promise, resolve: goOn } = Promise.withResolvers<void>();
  const answers: unknown[] = [];
  const responder = async (_request: unknown, exchange: Exchange) => {
    await promise;
    answers.push(known(exchange.client));
  };
  return { answers, goOn, responder };
}

/** How a connection ends before its responder does. */
const ENDS: Record<string, (world: World, raw: RawClient, server: PipeServer) => unknown> = {
  "its client has left": (_world, raw) => raw.close(),
  "its time is over": (world) => world.pass(1_000),
  "its client is thrown out": (world, _raw, server) => {
    server.shutdown({ timeout: 0 });
    return world.pass(0);
  },
};

for (const [ends, end] of Object.entries(ENDS)) {
  inWorld(`a responder that is still at work when ${ends} may ask then`, async (world) => {
    const { answers, goOn, responder } = late();
    await using server = world.pipes.serve({ path: NAME, responderTimeout: 1_000 }, responder);
    const { process, raw } = await stranger(world);
    await world.write(raw, "?");
    await end(world, raw, server);
    await world.idle();
    goOn();
    await world.idle();
    assertEquals(answers, [[process, 1, STRANGER.sid]]);
  });
}

/** How a server is left by its loop. */
const LOSSES: Record<string, (world: World) => void> = {
  "the program is unloaded": ({ kernel }) => kernel.unload(),
  "nothing completes any more": ({ kernel }) => {
    kernel.decisions.failsWait = () => Status.INVALID_HANDLE;
    kernel.wake();
  },
};

for (const [loss, lose] of Object.entries(LOSSES)) {
  inWorld(`a responder that is still at work when ${loss} may ask then`, async (world) => {
    const { answers, goOn, responder } = late();
    const server = world.pipes.serve({ path: NAME }, responder);
    const { process, raw } = await stranger(world);
    await world.write(raw, "?");
    lose(world);
    await server.finished.catch(() => {});
    world.abandonMemory();
    goOn();
    await world.idle();
    assertEquals(answers, [[process, 1, STRANGER.sid]]);
  });
}

inWorld("a request whose client has left before its responder begins", async (world) => {
  const { answers, goOn, responder } = late();
  // The connection of the second ends when its responder begins.
  await using _server = world.pipes.serve({ path: NAME, concurrency: 1 }, responder);
  const processes = [];
  for (let i = 0; i < 2; i++) {
    const { process, raw } = await stranger(world);
    await world.write(raw, "?");
    raw.close();
    await world.idle();
    processes.push(process);
  }
  goOn();
  await world.idle();
  assertEquals(answers, processes.map((process) => [process, 1, STRANGER.sid]));
});

inWorld("whoever takes the client when everything is over is too late", async (world) => {
  let kept: Exchange | undefined;
  const options = { path: NAME, instances: 1, maxInstances: 1 };
  await using _server = world.pipes.serve(options, (_request, exchange) => {
    kept = exchange;
    return "done";
  });
  await world.visit("?");
  // The next client has the same instance.
  const next = await world.arrived();
  assertEquals([kept?.client.processId, kept?.client.sessionId], [undefined, undefined]);
  const error = assertThrows(() => kept?.client.user(), Deno.errors.NotFound);
  assertEquals(
    error.message,
    `Cannot identify a client of "${PATH}": its connection has ended, and nobody had asked for it before`,
  );
  next.close();
});

inWorld(
  "what a loop, clients() and hooks give away may be asked about at any time",
  async (world) => {
    const found: (PipeClient | undefined)[] = [];
    /** Somebody asks and leaves; what is found in the end is asked about. */
    const visit = async (during = () => {}, after = () => {}) => {
      const { process, raw } = await stranger(world);
      await world.write(raw, "?");
      during();
      raw.close();
      await world.idle();
      after();
      assertEquals(known(found.pop()), [process, 1, STRANGER.sid]);
    };
    {
      const generator = world.pipes.exchanges({ path: NAME });
      let kept: Exchange | void;
      generator.next().then(({ value }) => kept = value);
      await visit(undefined, () => found.push(kept?.client));
      await generator.return();
    }
    {
      await using server = world.pipes.serve({ path: NAME }, () => {});
      await visit(() => found.push(...server.clients()));
    }
    for (const hook of ["onConnect", "onDisconnect"] as const) {
      const options = { path: NAME, [hook]: (client: PipeClient) => void found.push(client) };
      await using _server = world.pipes.serve(options, () => {});
      await visit();
    }
  },
);

inWorld("a shortage while a token is read passes, and user() can be asked again", async (world) => {
  const answers: unknown[] = [];
  await using _server = world.pipes.serve({ path: NAME }, (_request, { client }) => {
    world.kernel.failNext("identify", Status.NO_SYSTEM_RESOURCES);
    const error = assertThrows(() => client.user(), WindowsError);
    answers.push(error.code, error.call, client.user().sid);
    return "";
  });
  const { raw } = await stranger(world);
  // It is short of memory when it shows the client, too.
  world.kernel.failNext("identify", Status.NO_SYSTEM_RESOURCES);
  await world.visit("?", raw);
  const { NO_SYSTEM_RESOURCES } = Status;
  assertEquals(answers, [NO_SYSTEM_RESOURCES, "GetTokenInformation", STRANGER.sid]);
});

inWorld("a shortage while a token is read may have passed at the end", async (world) => {
  let kept: PipeClient | undefined;
  await using _server = world.pipes.serve({ path: NAME }, (_request, { client }) => {
    kept = client;
    return "";
  });
  const { process, raw } = await stranger(world);
  world.kernel.failNext("identify", Status.NO_SYSTEM_RESOURCES);
  await world.visit("?", raw);
  assertEquals(known(kept), [process, 1, STRANGER.sid]);
});

inWorld("authorize() waits until the token can be read", async (world) => {
  const asked = questions(world);
  await using _server = world.pipes.serve({
    path: NAME,
    authorize: (client) => client.user().sid === STRANGER.sid,
  }, () => "admitted");
  const { raw } = await stranger(world);
  world.kernel.failNext("identify", Status.NO_SYSTEM_RESOURCES);
  const answer = world.visit("?", raw);
  await world.pass(1);
  assertEquals(await answer, "admitted");
  assertEquals(asked(), { ...SOMEBODY_ASKED, identify: 2 });
});

inWorld("a client is identified by the beginning of its first frame", async (world) => {
  const asked = Promise.withResolvers<string>();
  await using _server = world.pipes.serve({
    path: NAME,
    framing: lines(),
    authorize: (client) => {
      asked.resolve(client.user().sid);
      return true;
    },
  }, (request) => request);
  const { raw } = await stranger(world);
  await world.write(raw, "the rest ");
  // Nothing more comes before that.
  assertEquals(await asked.promise, STRANGER.sid);
  await world.write(raw, "follows\n");
  assertEquals(raw.readText(), "the rest follows\n");
});

inWorld("the limit for each process reads no token", async (world) => {
  const asked = questions(world);
  const options = { path: NAME, maxPerProcess: 1 };
  await using _server = world.pipes.serve(options, (request) => request);
  assertEquals(await world.visit("hello"), "hello");
  const { clientProcess, identify } = asked();
  assert(clientProcess === 1 && identify === 0);
});
