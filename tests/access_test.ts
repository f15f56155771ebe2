/** Who may open a pipe, who is calling and who is let in: on the operating system in memory. */

import { mock } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { descriptor, type IntegrityLevel, integrityLevel } from "../src/options/access.ts";
import { connectOn } from "../src/client/connect.ts";
import { WindowsError } from "../src/kernel/errors.ts";
import type { PipeClient } from "../src/server/client.ts";
import { Status } from "../src/kernel/status.ts";
import { fate, inWorld, NAME, nextTask, PATH, text, type World } from "./fixture.ts";
import { USER } from "../src/testing/memory/processes.ts";
import type { RawClient } from "./memory_kernel.ts";

const SID = "S-1-5-21-1-2-3-1001";

const STRANGER = { sid: "S-1-5-21-9-9-9-500", integrity: 0x1000, elevated: false } as const;

// Security descriptors (51 to 54)

Deno.test("descriptor() lets the user and the system in, and names the owner", () => {
  assertEquals(descriptor("current-user", SID), `O:${SID}D:P(A;;FA;;;${SID})(A;;FA;;;SY)`);
  assertEquals(descriptor("system-default", SID), undefined);
  assertEquals(descriptor({ sddl: "D:P()" }, SID), "D:P()");
});

Deno.test("descriptor() never gives local users the right to create instances", () => {
  const sddl = descriptor("local-users", SID) ?? "";
  assertEquals(
    sddl,
    `O:${SID}D:P(A;;FA;;;${SID})(A;;FA;;;SY)(D;;FA;;;NU)(A;;0x12019b;;;AU)`,
  );
  const [, rights = ""] = /\(A;;(0x[0-9a-f]+);;;AU\)/.exec(sddl) ?? [];
  const FILE_CREATE_PIPE_INSTANCE = 4;
  const FILE_GENERIC_READ = 0x120089;
  const FILE_GENERIC_WRITE = 0x120116;
  assertEquals(Number(rights) & FILE_CREATE_PIPE_INSTANCE, 0);
  assertEquals(Number(rights) | FILE_CREATE_PIPE_INSTANCE, FILE_GENERIC_READ | FILE_GENERIC_WRITE);
});

Deno.test("integrityLevel() names each level, and what lies between two by the lower", () => {
  const levels: [number, IntegrityLevel][] = [
    [0, "untrusted"],
    [0xfff, "untrusted"],
    [0x1000, "low"],
    [0x2000, "medium"],
    [0x2100, "medium"],
    [0x3000, "high"],
    [0x4000, "system"],
    [0x5000, "system"],
  ];
  for (const [number, name] of levels) assertEquals(integrityLevel(number), name);
});

inWorld(
  "serve() creates every instance with the descriptor, and says what is in force",
  (world) => {
    const created: (string | undefined)[] = [];
    const { create } = world.kernel;
    world.kernel.create = (pipe, first) => {
      created.push(pipe.security);
      assertEquals(pipe.remote, true);
      return create.call(world.kernel, pipe, first);
    };
    const server = world.serve((request) => request, { remote: true, instances: 2 });
    const own = `O:${USER.sid}D:P(A;;FA;;;${USER.sid})(A;;FA;;;SY)`;
    assertEquals(created, [own, own]);
    assertEquals(server.security, { sddl: own, firstInstance: true, remote: true });
    assert(Object.isFrozen(server.security));
  },
);

inWorld('access "system-default" asks nothing about users', async (world) => {
  const refuse = () => {
    throw new Error("test: it was asked about users");
  };
  Object.assign(world.kernel, {
    ownUser: refuse,
    acceptsSecurity: refuse,
    security: refuse,
    openToken: refuse,
  });
  let asked = false;
  const server = world.serve((_request, { client }) => {
    asked = true;
    const error = assertThrows(() => client.user(), Deno.errors.NotSupported);
    assertEquals(
      error.message,
      `Cannot identify a client of "${PATH}": with access "system-default" this needs "authorize"`,
    );
    return "yes";
  }, { access: "system-default" });
  assertEquals(server.security, { sddl: undefined, firstInstance: true, remote: false });
  assertEquals(await world.visit("?"), "yes");
  assert(asked);
});

inWorld(
  "serve() refuses a descriptor that Windows does not understand, before anything is created",
  async (world) => {
    const error = assertThrows(
      () => world.serve(() => {}, { access: { sddl: "everybody" } }),
      TypeError,
      'Cannot use "access.sddl" "everybody": Windows does not understand it',
    );
    assert(error.cause instanceof WindowsError);
    const { code, call, path } = error.cause;
    assertEquals([code, call, path], [
      Status.INVALID_PARAMETER,
      "ConvertStringSecurityDescriptorToSecurityDescriptorW",
      PATH,
    ]);
    assertEquals(world.system.names, []);
    const generator = world.exchanges({ access: { sddl: "everybody" } });
    await assertRejects(() => generator.next(), TypeError, "access.sddl");
  },
);

inWorld(
  "serve() fails when the system does not tell who its user is, or is short of something",
  (world) => {
    // Keeps the kernel, which goes away with its last user.
    world.serve(() => {}, { path: "other" });
    world.kernel.failNext("ownUser", Status.ACCESS_DENIED);
    assertThrows(
      () => world.serve(() => {}),
      Deno.errors.PermissionDenied,
      `Cannot determine the current user for "${PATH}": access is denied (OpenProcessToken, error 5)`,
    );
    world.kernel.failNext("acceptsSecurity", Status.OUT_OF_MEMORY);
    assertThrows(() => world.serve(() => {}), WindowsError, "there is not enough memory");
    // What is in force is told, or not; it holds all the same.
    world.kernel.failNext("security", Status.ACCESS_DENIED);
    const server = world.serve(() => {});
    assertEquals(server.security?.sddl, undefined);
  },
);

inWorld(
  "AddrInUse names the process that has the name, where the system tells it",
  async (world) => {
    world.system.serve(PATH, { process: 4711 });
    const message = (holder: string) =>
      `Cannot listen on "${PATH}": ${holder} has the name (CreateNamedPipeW, error 5)`;
    assertEquals(
      assertThrows(() => world.serve(() => {}), Deno.errors.AddrInUse).message,
      message("process 4711"),
    );
    await world.idle();
    // The question has taken the only instance, which is free no more: so nobody tells.
    assertEquals(
      assertThrows(() => world.serve(() => {}), Deno.errors.AddrInUse).message,
      message("another server"),
    );
  },
);

inWorld("a server that was never listening has no security to tell", async (world) => {
  const server = world.serve(() => {}, { signal: AbortSignal.abort() });
  assertEquals(server.security, undefined);
  await server.finished;
});

// Who is calling

inWorld(
  "a client's process, session and user are known, and stay known when it has left",
  async (world) => {
    let client: PipeClient | undefined;
    world.serve((request, exchange) => {
      client = exchange.client;
      return request;
    });
    const process = world.system.newProcess({ sid: "S-1-5-18", integrity: 0x4000, elevated: true });
    const raw = world.system.connect(PATH, { process });
    assertEquals(await world.visit("hello", raw), "hello");
    assertEquals([client?.processId, client?.sessionId], [process, 1]);
    // Works destructured, too.
    const { user } = client ?? {};
    const known = user?.();
    assertEquals(known, { sid: "S-1-5-18", integrity: "system", elevated: true });
    assert(Object.isFrozen(known));
    assert(user?.() === known);
    assertEquals(world.reasons, ["peer"]);
  },
);

inWorld(
  "a client is identified once, by its first request, before anything else is read",
  async (world) => {
    const order: string[] = [];
    const { kernel } = world;
    const { openToken, read } = kernel;
    kernel.openToken = (handle) => {
      order.push("openToken");
      return openToken.call(kernel, handle);
    };
    kernel.read = (...args) => {
      order.push("read");
      return read.apply(kernel, args);
    };
    world.serve((request) => `${request.length}`, { readBufferSize: 100_000 });
    const client = await world.arrived();
    client.write(new Uint8Array(20_000));
    assertEquals(await client.receiveText(), "20000");
    client.write("again");
    assertEquals(await client.receiveText(), "5");
    // The first piece, the rest; then the second request.
    assertEquals(order.slice(0, 4), ["read", "openToken", "read", "read"]);
    assertEquals(order.filter((what) => what === "openToken").length, 1);
    client.close();
    await world.idle();
    // The next client of the same instance is another one.
    assertEquals(await world.visit("hello"), "5");
    assertEquals(order.filter((what) => what === "openToken").length, 2);
  },
);

inWorld("a client that cannot be identified is served, and user() says why", async (world) => {
  world.serve((_request, { client }) => {
    const error = assertThrows(() => client.user(), WindowsError);
    return `${error.call} ${error.code}: ${error.message}`;
  });
  world.kernel.failNext("openToken", 1368);
  assertEquals(
    await world.visit("?"),
    'ImpersonateNamedPipeClient 1368: Cannot identify a client of "\\\\.\\pipe\\test": the ' +
      "client does not allow identification (ImpersonateNamedPipeClient, error 1368)",
  );
});

/** A client that connects before the first instance listens, and would be known by its opening. */
function early(world: World): { client?: RawClient } {
  const found: { client?: RawClient } = {};
  const { create } = world.kernel;
  world.kernel.create = (pipe, first) => {
    const opened = create.call(world.kernel, pipe, first);
    if (first) found.client = world.system.connect(PATH, { tracking: "static" });
    return opened;
  };
  return found;
}

const TOO_EARLY = "it connected before this instance listened, and may try again";

inWorld(
  "user() of a client that came before the listen says that it may try again",
  async (world) => {
    const found = early(world);
    world.serve((_request, { client }) => {
      try {
        return client.user().sid;
      } catch (error) {
        assert(error instanceof WindowsError);
        assertEquals([error.code, error.call], [1368, "ImpersonateNamedPipeClient"]);
        return error.message;
      }
    });
    assertEquals(
      await world.visit("?", found.client),
      `Cannot identify a client of "${PATH}": ${TOO_EARLY} (ImpersonateNamedPipeClient, error 1368)`,
    );
    // On its next try.
    const next = world.system.connect(PATH, { tracking: "static", identity: STRANGER });
    assertEquals(await world.visit("?", next), STRANGER.sid);
  },
);

for (const how of ["user() throws", "it is a no"]) {
  inWorld(
    `authorize() that refuses a client that came before the listen: ${how}, and it may try again`,
    async (world) => {
      const found = early(world);
      world.serve(() => "served", {
        authorize: (client) => how === "it is a no" ? false : client.user().elevated,
      });
      await world.visit("?", found.client);
      const [{ reason, error } = {}] = world.ends;
      assertEquals(reason, "unauthorized");
      assert(error instanceof Deno.errors.PermissionDenied);
      assertEquals(
        error.message,
        `Cannot admit a client of "${PATH}": it was not authorized, and cannot be identified: ` +
          TOO_EARLY,
      );
      assertEquals(world.reports.splice(0).length, how === "it is a no" ? 0 : 1);
    },
  );
}

inWorld(
  "identifying waits for a shortage to pass, and nothing is read meanwhile",
  async (world) => {
    world.serve((_request, { client }) => client.user().sid);
    world.kernel.failNext("openToken", Status.NO_SYSTEM_RESOURCES);
    const client = await world.arrived();
    client.write("?");
    const answer = fate(client.receiveText());
    await world.idle();
    assertEquals(answer.state, "pending");
    await world.pass(1);
    assertEquals(answer.value, USER.sid);
  },
);

inWorld(
  "a client that leaves, or is sent away, while identifying waits for a shortage to pass",
  async (world) => {
    for (const how of ["leaves", "shutdown"] as const) {
      const served: string[] = [];
      const server = world.serve((_request, exchange) => void served.push(exchange.text()));
      world.kernel.failNext("openToken", Status.NO_SYSTEM_RESOURCES);
      const client = await world.asking(how);
      if (how === "leaves") client.close();
      const ended = server.shutdown({ timeout: 1_000 });
      await world.pass(1);
      await world.pass(1_000);
      await world.pass(1_000);
      await ended;
      // The request had been read, so it is served.
      assertEquals(served, [how]);
      if (how === "shutdown") client.close();
    }
  },
);

inWorld("user() of a client that sent nothing says so", async (world) => {
  let problem: unknown;
  world.serve(() => {}, {
    onDisconnect: (client) => {
      problem = assertThrows(() => client.user(), Deno.errors.NotFound, "it has sent nothing");
      assertEquals(typeof client.processId, "number");
    },
  });
  const client = await world.arrived();
  client.close();
  await world.idle();
  assert(problem instanceof Deno.errors.NotFound);
});

inWorld("what the system does not tell of a process is undefined", async (world) => {
  world.serve((_request, { client }) => `${client.processId} ${client.sessionId}`);
  world.kernel.failNext("clientProcess", 1);
  world.kernel.failNext("clientSession", 1);
  assertEquals(await world.visit("?"), "undefined undefined");
});

// The names of accounts

inWorld("accountName() asks once per SID, one after the other", async (world) => {
  const asked: string[] = [];
  const answers: ((name: string | undefined) => void)[] = [];
  world.kernel.accounts = (sid) => {
    asked.push(sid);
    return new Promise((resolve) => answers.push(resolve));
  };
  world.serve((_request, { client: { accountName } }) => accountName());
  const first = world.visit("?");
  const again = world.visit("?");
  const other = world.visit("?", world.system.connect(PATH, { identity: STRANGER }));
  await world.idle();
  assertEquals(asked, [USER.sid]);
  answers[0]?.("TEST\\user");
  assertEquals([await first, await again], ["TEST\\user", "TEST\\user"]);
  await nextTask();
  assertEquals(asked, [USER.sid, STRANGER.sid]);
  answers[1]?.("TEST\\stranger");
  assertEquals(await other, "TEST\\stranger");
  assertEquals(await world.visit("?"), "TEST\\user");
  assertEquals(asked.length, 2);
});

inWorld(
  "accountName() fails where there is no name, after 5,000 ms, and at the end of the server",
  async (world) => {
    const failures: unknown[] = [];
    let answer = (_name: string | undefined) => {};
    let asked = 0;
    world.kernel.accounts = () => {
      asked++;
      return new Promise((resolve) => answer = resolve);
    };
    const server = world.serve(async (_request, { client }) => {
      try {
        return await client.accountName();
      } catch (error) {
        failures.push(error);
        return "no";
      }
    });
    const none = world.visit("?");
    await world.idle();
    answer(undefined);
    assertEquals(await none, "no");

    // A failure is not remembered, and a time limit has nothing to wait for afterwards.
    const late = world.visit("?");
    await world.pass(4_999);
    assertEquals(failures.length, 1);
    await world.pass(1);
    assertEquals(await late, "no");
    // The next waits for the thread that is still held, and is not asked when it has no time left.
    const behind = world.visit("?");
    await world.pass(5_000);
    assertEquals(await behind, "no");
    assertEquals(asked, 2);
    answer("TEST\\too late");
    assertEquals(
      await (async () => {
        const name = world.visit("?");
        await world.idle();
        answer("TEST\\user");
        return await name;
      })(),
      "TEST\\user",
    );

    const stranger = world.system.connect(PATH, { identity: STRANGER });
    await world.idle();
    await world.write(stranger, "?");
    const ended = server.shutdown({ timeout: 0 });
    await world.pass(0);
    await ended;
    await world.idle();
    stranger.close();
    answer("TEST\\nobody asks any more");

    const messages = failures.map((error) => error instanceof Error && error.message);
    const about = `Cannot look up the account of a client of "${PATH}"`;
    assertEquals(messages, [
      `${about}: Windows has no name for ${USER.sid}`,
      `${about}: Windows did not find the name of ${USER.sid} within 5000 ms`,
      `${about}: Windows did not find the name of ${USER.sid} within 5000 ms`,
      `${about}: the server has ended`,
    ]);
    assert(failures[0] instanceof Deno.errors.NotFound);
    assert(failures[1] instanceof Deno.errors.TimedOut);
    assert(failures[3] instanceof Deno.errors.Interrupted);
  },
);

inWorld("accountName() fails as user() does, and after the server's end at once", async (world) => {
  let client: PipeClient | undefined;
  const server = world.serve((_request, exchange) => void (client = exchange.client));
  world.kernel.failNext("openToken", 1347);
  const raw = await world.asking("?");
  await assertRejects(async () => await client?.accountName(), WindowsError, "is anonymous");
  raw.close();
  const other = await world.asking("?");
  other.close();
  await server.shutdown();
  await assertRejects(async () => await client?.accountName(), Deno.errors.Interrupted);
});

// Who is let in

inWorld(
  "authorize() decides once per client, with its identity, before anything is handed out",
  async (world) => {
    const order: string[] = [];
    world.serve((_request, exchange) => {
      order.push(`served ${exchange.text()}`);
      return "yes";
    }, {
      authorize: (client) => {
        order.push(`asked about ${client.user().sid}`);
        return client.user().sid === USER.sid;
      },
    });
    const client = await world.arrived();
    for (const message of ["one", "two"]) {
      client.write(message);
      assertEquals(await client.receiveText(), "yes");
    }
    client.close();
    await world.idle();
    const stranger = world.system.connect(PATH, { identity: STRANGER });
    assertEquals(await world.visit("three", stranger), undefined);
    assertEquals(order, [
      `asked about ${USER.sid}`,
      "served one",
      "served two",
      `asked about ${STRANGER.sid}`,
    ]);
    assertEquals(world.reasons, ["peer", "unauthorized"]);
    assertEquals(await world.visit("four"), "yes");
  },
);

inWorld(
  "authorize() that throws at every connection does not flood the console, and is counted",
  async (world) => {
    const planted = new Error("the directory is down");
    const server = world.serve(() => "yes", {
      authorize() {
        throw planted;
      },
      onDisconnect: () => Promise.reject("no error"),
    });
    for (let i = 1; i <= 25; i++) {
      await world.visit("let me in");
      if (i === 1) assertEquals(world.reports.splice(0), [planted, "no error"]);
    }
    const reported = (kind: string, count: number) =>
      `${kind} has been thrown ${count} times so far, most recently:`;
    const kinds = ['"authorize": Error: the directory is down', '"onDisconnect": an error'];
    const errors = [planted, "no error"];
    const by = (count: number) => kinds.flatMap((kind, i) => [reported(kind, count), errors[i]]);
    assertEquals(world.reports.splice(0), by(10));
    await server.shutdown();
    assertEquals(world.reports.splice(0), by(25));
  },
);

inWorld(
  "authorize() refuses by false, a throw, a rejection and anything that is no boolean",
  async (world) => {
    const planted = (what: string) => new Error(`planted: ${what}`);
    const verdicts: [() => unknown, reported: boolean][] = [
      [() => false, false],
      [() => Promise.resolve(false), false],
      [() => {
        throw planted("thrown");
      }, true],
      [() => Promise.reject(planted("rejected")), true],
      [() => undefined, true],
      [() => Promise.resolve("yes"), true],
      [() => 1, true],
      [() => Symbol("yes"), true],
      [() => Object.create(null), true],
      [() => Promise.resolve([]), true],
      [() => ({
        get then() {
          throw planted("then");
        },
      }), true],
    ];
    let verdict: () => unknown = () => true;
    const served: string[] = [];
    const server = world.serve((_request, exchange) => {
      served.push(exchange.text());
      return "yes";
    }, { authorize: () => verdict() as boolean });
    for (const [next, reported] of verdicts) {
      verdict = next;
      assertEquals(await world.visit("let me in"), undefined);
      const { reason, error } = world.ends.at(-1) ?? {};
      assertEquals(reason, "unauthorized");
      assert(error instanceof Deno.errors.PermissionDenied);
      assertEquals(error.message, `Cannot admit a client of "${PATH}": it was not authorized`);
      assertEquals(error.cause !== undefined, reported);
      assertEquals(world.reports.splice(0).length, reported ? 1 : 0);
    }
    assertEquals(served, []);
    verdict = () => true;
    assertEquals(await world.visit("let me in"), "yes");
    assertEquals(server.security?.firstInstance, true);
  },
);

inWorld("a decision counts once, even if what gives it answers twice", async (world) => {
  world.serve((request) => request, {
    authorize: () => ({
      then(settle: (yes: boolean) => void) {
        settle(true);
        settle(false);
      },
    } as unknown as Promise<boolean>),
  });
  assertEquals(await world.visit("hello"), "hello");
  assertEquals(world.reasons, ["peer"]);
});

inWorld("a decision that takes time holds up its own client only", async (world) => {
  const decide = Promise.withResolvers<boolean>();
  let first = true;
  world.serve((request) => request, {
    authorize: () => {
      if (!first) return true;
      first = false;
      return decide.promise;
    },
  });
  const slow = await world.arrived();
  slow.write("slow");
  const answer = fate(slow.receiveText());
  await world.idle();
  assertEquals(await world.visit("quick"), "quick");
  assertEquals(answer.state, "pending");
  decide.resolve(true);
  await world.idle();
  assertEquals(answer.value, "slow");
});

inWorld(
  "a decision that comes when its client is gone, and the instance has another, is nobody's",
  async (world) => {
    const decisions: PromiseWithResolvers<boolean>[] = [];
    const served: string[] = [];
    world.serve((_request, exchange) => void served.push(exchange.text()), {
      instances: 1,
      maxInstances: 1,
      responderTimeout: 100,
      authorize: () => {
        const decision = Promise.withResolvers<boolean>();
        decisions.push(decision);
        return decision.promise;
      },
    });
    for (const name of ["first", "second"]) {
      await world.asking(name);
      if (name === "first") await world.pass(100);
    }
    // The time of a responder is that of the decision too.
    assertEquals(world.reasons, ["responderTimeout"]);
    decisions[0]?.resolve(true);
    await world.idle();
    assertEquals(served, []);
    decisions[1]?.resolve(true);
    await world.idle();
    assertEquals(served, ["second"]);
  },
);

inWorld(
  "a client that leaves during the decision is noticed after it, and its request served",
  async (world) => {
    const decision = Promise.withResolvers<boolean>();
    const served: string[] = [];
    world.serve((_request, exchange) => void served.push(exchange.text()), {
      authorize: () => decision.promise,
    });
    const client = await world.asking("one way");
    client.close();
    await world.idle();
    assertEquals(world.reasons, []);
    decision.resolve(true);
    await world.idle();
    assertEquals(served, ["one way"]);
    assertEquals(world.reasons, ["peer"]);
  },
);

for (const admitted of [true, false]) {
  inWorld(
    `no more than the first piece of a long request is read before authorize() says ${admitted}`,
    async (world) => {
      const decision = Promise.withResolvers<boolean>();
      world.serve((request) => `${request.length}`, {
        maxBuffered: 10_000,
        authorize: () => decision.promise,
      });
      const read = mock.method(world.kernel, "read");
      const clients = [world.connect(), world.connect()];
      await world.idle();
      for (const client of clients) client.write(new Uint8Array(10_000));
      await world.idle();
      assertEquals(read.mock.calls.map(({ arguments: [, , size] }) => size), [4096, 4096]);
      assertEquals(world.held, 0);
      decision.resolve(admitted);
      await world.idle();
      for (const client of clients) {
        assertEquals(client.readText(), admitted ? "10000" : undefined);
        client.close();
      }
      assertEquals(read.mock.calls.some(({ arguments: [, , size] }) => size > 4096), admitted);
      await world.idle();
      const reason = admitted ? "peer" : "unauthorized";
      assertEquals(world.reasons, [reason, reason]);
    },
  );
}

for (const what of ["leaves", "withdraws it", "withdraws it and sends another"]) {
  inWorld(`a client with a long request ${what} while it is decided about`, async (world) => {
    // What is being written when its writer leaves may stay, or go with it.
    world.system.ways.keepsPending = false;
    const decision = Promise.withResolvers<boolean>();
    const served: number[] = [];
    world.serve((request) => void served.push(request.length), {
      readBufferSize: 0,
      authorize: () => decision.promise,
    });
    const client = await world.asking(new Uint8Array(10_000));
    if (what === "leaves") client.close();
    else assert(client.cancelWrite());
    if (what === "withdraws it and sends another") client.write(new Uint8Array(9_999));
    await world.idle();
    decision.resolve(true);
    await world.idle();
    assertEquals(served, []);
    if (what === "withdraws it") client.close();
    await world.idle();
    const glued = what === "withdraws it and sends another";
    assertEquals(world.reasons, [glued ? "error" : "peer"]);
    assertEquals(world.held, 0);
    if (glued) client.close();
  });
}

inWorld("a shutdown waits for a decision, and for the answer after it", async (world) => {
  const decision = Promise.withResolvers<boolean>();
  const server = world.serve((request) => request, { authorize: () => decision.promise });
  const client = await world.asking("last");
  const report = fate(server.shutdown());
  await world.idle();
  assertEquals(report.state, "pending");
  decision.resolve(true);
  await world.idle();
  assertEquals(report.value, { exchanges: 1, evicted: 0, dropped: 0 });
  assertEquals(client.readText(), "last");
});

inWorld("a shutdown whose time is up does not wait for a decision any longer", async (world) => {
  for (const stops of [false, true]) {
    const abort = new AbortController();
    const decision = Promise.withResolvers<boolean>();
    const served: string[] = [];
    const server = world.serve((_request, exchange) => void served.push(exchange.text()), {
      authorize: () => decision.promise,
      signal: abort.signal,
    });
    const client = await world.asking("too late");
    if (stops) abort.abort();
    const report = fate(server.shutdown({ timeout: 50 }));
    await world.pass(50);
    assertEquals(report.value?.dropped, 1);
    assertEquals(report.value?.evicted, stops ? 0 : 1);
    decision.resolve(true);
    await world.idle();
    assertEquals(served, []);
    assertEquals(world.reasons.at(-1), stops ? "stopped" : "shutdown");
    client.close();
  }
});

inWorld("a decision that comes when the program has gone away delivers nothing", async (world) => {
  const decision = Promise.withResolvers<boolean>();
  const served: string[] = [];
  world.serve((_request, exchange) => void served.push(exchange.text()), {
    authorize: () => decision.promise,
  });
  const client = world.connect();
  await world.idle();
  await world.write(client, "too late");
  world.kernel.unload();
  world.abandonMemory();
  decision.resolve(true);
  await world.idle();
  assertEquals(served, []);
});

inWorld("authorize() may end the connection itself, or the server", async (world) => {
  const served: string[] = [];
  const abort = new AbortController();
  const server = world.serve((_request, exchange) => void served.push(exchange.text()), {
    signal: abort.signal,
    authorize: (client) => {
      if (client.id === 1) client.close();
      else abort.abort();
      return true;
    },
  });
  assertEquals(await world.visit("one"), undefined);
  assertEquals(await world.visit("two"), undefined);
  await server.finished;
  assertEquals(served, []);
  assertEquals(world.reasons, ["self", "stopped"]);
});

inWorld("exchanges() yields only what was authorized", async (world) => {
  const questions = world.ask({ authorize: (client) => client.id !== 1 });
  questions.generator.next();
  await world.idle();
  assertEquals(await world.visit("one"), undefined);
  const client = await world.asking("two");
  assertEquals(questions.texts, ["two"]);
  questions.at().reply("yes");
  assertEquals(await client.receiveText(), "yes");
});

// Who is serving

inWorld("connect() goes on only with a server that its owner is asked for", async (world) => {
  world.serve((request) => request);
  for (const who of ["current-user", { sid: USER.sid }] as const) {
    const conn = await connectOn(world.open, { path: NAME, owner: who });
    assertEquals(text(await conn.request("hello")), "hello");
    await conn.release();
  }
  await assertRejects(
    () => connectOn(world.open, { path: NAME, owner: { sid: STRANGER.sid } }),
    Deno.errors.PermissionDenied,
    `Cannot connect to "${PATH}": it is owned by ${USER.sid}, and not by ${STRANGER.sid}`,
  );
  await world.idle();
});

inWorld("connect() sends nothing to a false server, and does not try again", async (world) => {
  const process = world.system.newProcess(STRANGER);
  const squatter = world.system.serve(PATH, { process });
  await assertRejects(
    () => connectOn(world.open, { path: NAME, owner: "current-user" }),
    Deno.errors.PermissionDenied,
    `it is owned by ${STRANGER.sid}, and not by ${USER.sid}`,
  );
  assertEquals(squatter.state, "closing");
  assertEquals(squatter.read(), undefined);
});

inWorld(
  "connect() tells why it could not find out, and waits for a shortage to pass",
  async (world) => {
    world.serve((request) => request);
    world.kernel.failNext("ownUser", Status.ACCESS_DENIED);
    await assertRejects(
      () => connectOn(world.open, { path: NAME, owner: "current-user" }),
      Deno.errors.PermissionDenied,
      "Cannot determine the current user",
    );
    world.kernel.failNext("owner", Status.ACCESS_DENIED);
    await assertRejects(
      () => connectOn(world.open, { path: NAME, owner: "current-user" }),
      Deno.errors.PermissionDenied,
      "(GetKernelObjectSecurity, error 5)",
    );
    world.kernel.failNext("owner", Status.NO_SYSTEM_RESOURCES);
    const connecting = connectOn(world.open, { path: NAME, owner: "current-user" });
    await world.pass(1);
    await (await connecting).release();
    await world.idle();
  },
);
