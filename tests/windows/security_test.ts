/** Who may connect, who is calling and who is serving: with the security of Windows itself. */

import {
  assert,
  assertEquals,
  assertGreater,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { type Advapi32, openAdvapi32 } from "../../ffi/advapi32.ts";
import { WindowsKernel } from "../../ffi/windows_kernel.ts";
import { call, connect, type PipeClient, type Responder, serve } from "../../mod.ts";
import { connectOn } from "../../src/client/connect.ts";
import { serveOn } from "../../src/exchange/serve.ts";
import { WaitLoop } from "../../src/loop/wait_loop.ts";
import { rightsIn } from "../kernel_contract.ts";
import { startClient } from "../win32/client.ts";
import { windowsTest } from "../win32/environment.ts";
import * as raw from "../win32/raw.ts";
import { Program, testProgram } from "./program.ts";
import { newPath, rejectsWith, Tap, within } from "./support.ts";

const client = await startClient();
const decoder = new TextDecoder();

/** STATUS_FATAL_APP_EXIT, as a process's exit code. */
const FATAL_APP_EXIT = 0x40000015;

/** The SID of the group of everybody, whom nothing can belong to. */
const EVERYBODY = "S-1-1-0";

/** The real library with some functions replaced. */
function changed(change: (real: Advapi32["symbols"]) => Partial<Advapi32["symbols"]>): Advapi32 {
  const library = openAdvapi32();
  const symbols = { ...library.symbols, ...change(library.symbols) };
  return { symbols, close: () => library.close() };
}

/** Answers with the user of the client, or with why that is not known. */
const tellUser: Responder = (_request, { client }) => {
  try {
    return client.user().sid;
  } catch (error) {
    return error instanceof Error ? error.message : "?";
  }
};

async function ownSid(): Promise<string> {
  const path = newPath();
  await using server = serve({ path }, (_request, { client }) => client.user().sid);
  assert(server.security);
  return decoder.decode(await call(path, "who am I?"));
}

windowsTest("security: by default the pipe is the user's own, and nobody else's", async () => {
  const path = newPath();
  await using server = serve({ path }, (request) => request);
  const { sddl, ...others } = server.security ?? {};
  const own = await ownSid();
  assertEquals(others, { firstInstance: true, remote: false });
  assertEquals(rightsIn(sddl ?? "", own), `O:${own}D:P(A;;FA;;;${own})(A;;FA;;;SY)`);
});

windowsTest("security: local users are let in, but get no right to serve", async () => {
  const path = newPath();
  await using server = serve({ path, access: "local-users", instances: 2 }, (request) => request);
  const own = await ownSid();
  // The user's own rights come first: who is logged on over the network must be able to serve.
  assertEquals(
    rightsIn(server.security?.sddl ?? "", own),
    `O:${own}D:P(A;;FA;;;${own})(A;;FA;;;SY)(D;;FA;;;NU)(A;;0x12019b;;;AU)`,
  );
  assertEquals(decoder.decode(await call(path, "hello")), "hello");
});

windowsTest("security: a descriptor of one's own is in force", async () => {
  const path = newPath();
  const own = await ownSid();
  const wanted = `D:P(A;;FA;;;${own})(A;;0x12019b;;;BU)`;
  await using server = serve({ path, access: { sddl: wanted } }, (request) => request);
  assertMatch(server.security?.sddl ?? "", /\(A;;0x12019b;;;BU\)/);
  assertEquals(decoder.decode(await call(path, "hello")), "hello");
});

windowsTest("security: the longest of descriptors is in force, and read back", async () => {
  const own = await ownSid();
  // Nearly all the 64 KiB that an access control list can have, and twice as many characters.
  const group = `S-1-5${"-4294967295".repeat(14)}`;
  const users = Array.from({ length: 800 }, (_, i) => `(A;;0x12019b;;;${group}-${1e9 + i})`);
  const sddl = `D:P(A;;FA;;;${own})${users.join("")}`;
  await using server = serve({ path: newPath(), access: { sddl } }, (request) => request);
  assertEquals(server.security?.sddl?.match(/;0x12019b;/g)?.length, 800);
});

windowsTest(
  "security: handles are not inherited, and every instance has the descriptor",
  async () => {
    const path = newPath();
    const tap = new Tap();
    const server = serveOn(tap.open, { path, instances: 3 }, (request) => request);
    const attributes = tap.of("CreateNamedPipeW").map(({ args }) => args.at(-1));
    assertEquals(attributes.length, 3);
    for (const attribute of attributes) {
      assert(attribute instanceof Uint8Array);
      const view = new DataView(attribute.buffer);
      // nLength, lpSecurityDescriptor and bInheritHandle
      assertEquals([view.getUint32(0, true), view.getUint32(16, true)], [24, 0]);
      assertNotEquals(view.getBigUint64(8, true), 0n);
    }
    await server.shutdown();
  },
);

windowsTest("security: remote clients are refused by each instance, or taken by each", async () => {
  const PIPE_REJECT_REMOTE_CLIENTS = 8;
  for (const remote of [false, true]) {
    const path = newPath();
    const tap = new Tap();
    const server = serveOn(tap.open, { path, remote }, (_, { client }) => client.close());
    assertEquals(server.security?.remote, remote);
    // Another instance takes the place of the one that the server closes.
    await assertRejects(() => call(path, "hello"), Deno.errors.BrokenPipe);
    await server.shutdown();
    const created = tap.of("CreateNamedPipeW");
    assertGreater(created.length, 4);
    for (const { args: [, , mode] } of created) {
      assertEquals((Number(mode) & PIPE_REJECT_REMOTE_CLIENTS) !== 0, !remote);
    }
  }
});

windowsTest(
  "security: a client of another process is known by process, session and user",
  async () => {
    const path = newPath();
    const clients: PipeClient[] = [];
    await using server = serve({ path }, (request, exchange) => {
      clients.push(exchange.client);
      return request;
    });
    {
      await using pipe = await client.open(path, { messageMode: true });
      assertEquals(await pipe.ask("hello"), "hello");
    }
    await server.shutdown();
    const [known] = clients;
    assert(known !== undefined && known.processId !== Deno.pid);
    assertEquals(typeof known.processId, "number");
    assertEquals(typeof known.sessionId, "number");
    // It runs as the same user as this process.
    const { sid, integrity, elevated } = known.user();
    assertMatch(sid, /^S-1-5-/);
    assert(["medium", "high", "system"].includes(integrity), integrity);
    assertEquals(typeof elevated, "boolean");
  },
);

windowsTest("security: the name of an account is told, once the SID is known", async () => {
  const path = newPath();
  await using server = serve({ path }, (_request, { client }) => client.accountName());
  const name = decoder.decode(await call(path, "?"));
  assertMatch(name, /^[^\\]+\\[^\\]+$/);
  assertEquals(decoder.decode(await call(path, "?")), name);
  assertEquals(server.security?.firstInstance, true);
});

windowsTest(
  "security: a look-up that outlives its server keeps the library, and then lets go",
  async () => {
    const { promise: answer, resolve } = Promise.withResolvers<number>();
    let closed = 0;
    const { symbols, close } = changed(() => ({ LookupAccountSidW: () => answer }));
    const kernel = new WindowsKernel({
      security: true,
      advapi32: {
        symbols,
        close: () => {
          closed++;
          close();
        },
      },
    });
    const loop = new WaitLoop(kernel);
    const path = newPath();
    const server = serveOn(() => loop, { path }, async (_request, { client }) => {
      await assertRejects(() => client.accountName(), Deno.errors.Interrupted);
    });
    await using conn = await connect({ path });
    await conn.send("?");
    const ended = server.shutdown({ timeout: 200 });
    await within("the shutdown", ended);
    assertEquals(closed, 0);
    resolve(0);
    // The rest of the look-up is a microtask or two.
    await new Promise((resolve) => setTimeout(resolve, 0));
    assertEquals(closed, 1);
  },
);

windowsTest(
  "security: between impersonating and reverting nothing happens but the one call",
  async () => {
    const order: string[] = [];
    const noted =
      <A extends unknown[], R>(name: string, call: (...args: A) => R) => (...args: A) => {
        order.push(name);
        return call(...args);
      };
    const tap = new Tap({
      advapi32: changed((real) => ({
        ImpersonateNamedPipeClient: noted("impersonate", real.ImpersonateNamedPipeClient),
        OpenThreadToken: noted("token", real.OpenThreadToken),
        RevertToSelf: noted("revert", real.RevertToSelf),
        GetTokenInformation: noted("information", real.GetTokenInformation),
      })),
      change: (real) => ({
        ReadFile: noted("read", real.ReadFile),
        WriteFile: noted("write", real.WriteFile),
      }),
    });
    const path = newPath();
    const server = serveOn(tap.open, { path, instances: 1 }, (_request, exchange) => {
      order.push("responder");
      return exchange.client.user().sid;
    });
    order.length = 0;
    {
      await using pipe = await client.open(path, { messageMode: true });
      for (let i = 0; i < 2; i++) {
        assertMatch(await pipe.ask("?"), /^S-1-5-/);
      }
    }
    await server.shutdown();
    assertEquals(order.slice(0, 8), [
      ...["read", "impersonate", "token", "revert"],
      ...["responder", "information", "information", "information"],
    ]);
    assertEquals(order.filter((what) => what === "impersonate").length, 1);
  },
);

windowsTest("security: a thread that cannot get its token back reverts all the same", async () => {
  let reverted = 0;
  const tap = new Tap({
    advapi32: changed((real) => ({
      OpenThreadToken: () => 0,
      RevertToSelf: () => {
        reverted++;
        return real.RevertToSelf();
      },
    })),
  });
  const path = newPath();
  const server = serveOn(tap.open, { path }, tellUser);
  assertMatch(decoder.decode(await call(path, "?")), /^Cannot identify a client .*OpenThreadToken/);
  assertEquals(reverted, 1);
  await server.shutdown();
});

windowsTest("security: a process that cannot return to itself ends at once", async () => {
  const path = newPath();
  await using program = new Program([...testProgram("cannot_revert", "--allow-ffi"), path]);
  await program.printed("listening");
  await using pipe = await client.open(path, { messageMode: true });
  await pipe.write("who am I?");
  const { code, stdout, stderr } = await within("the end", program.ended, 30_000);
  // Neither the responder, nor a hook, nor an exit handler ran as somebody else.
  assertEquals([code, stdout.trim(), stderr], [FATAL_APP_EXIT, "listening", ""]);
});

windowsTest("security: authorize() by SID, with a real token", async () => {
  const own = await ownSid();
  const path = newPath();
  const reasons: string[] = [];
  for (const wanted of [own, EVERYBODY]) {
    const served: string[] = [];
    await using server = serve({
      path,
      authorize: (client) => client.user().sid === wanted,
      onDisconnect: (_client, reason) => void reasons.push(reason),
    }, (request, exchange) => {
      served.push(exchange.text());
      return request;
    });
    await using pipe = await client.open(path, { messageMode: true });
    await pipe.write("let me in");
    if (wanted === own) assertEquals((await pipe.read()).text, "let me in");
    else await rejectsWith(109, pipe.read());
    await server.shutdown();
    assertEquals(served, wanted === own ? ["let me in"] : []);
  }
  assertEquals(reasons, ["shutdown", "unauthorized"]);
});

windowsTest(
  "security: connect() goes on with the right server, and sends nothing to another",
  async () => {
    const path = newPath();
    const asked: string[] = [];
    await using server = serve({
      path,
    }, (request, exchange) => {
      asked.push(exchange.text());
      return request;
    });
    const own = await ownSid();
    assertEquals(decoder.decode(await call(path, "one", { owner: "current-user" })), "one");
    assertEquals(decoder.decode(await call(path, "two", { owner: { sid: own } })), "two");
    await assertRejects(
      () => call(path, "three", { owner: { sid: EVERYBODY } }),
      Deno.errors.PermissionDenied,
      `it is owned by ${own}, and not by ${EVERYBODY}`,
    );
    await server.shutdown();
    assertEquals(asked, ["one", "two"]);
  },
);

windowsTest("security: a client lets itself be identified, and nothing more", async () => {
  const SECURITY_SQOS_PRESENT = 0x0010_0000;
  const SECURITY_IDENTIFICATION = 0x0001_0000;
  const SECURITY_CONTEXT_TRACKING = 0x0004_0000;
  const path = newPath();
  await using server = serve({ path }, (request) => request);
  const flags: number[] = [];
  const tap = new Tap({
    change: (real) => ({
      CreateFileW: (...args) => {
        flags.push(args[5] & 0x001f_0000);
        return real.CreateFileW(...args);
      },
    }),
  });
  await using conn = await connectOn(tap.open, { path });
  assertEquals(decoder.decode(await conn.request("hello")), "hello");
  const expected = SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION | SECURITY_CONTEXT_TRACKING;
  assertEquals(flags, [expected]);
  assertEquals(server.path, path);
});

windowsTest.notUnderWine("security: who is not in the descriptor is refused", async () => {
  const path = newPath();
  const own = await ownSid();
  // Full rights for serving, but what a client asks for is denied to the same user.
  const sddl = `D:P(D;;0x1;;;${own})(A;;FA;;;${own})`;
  assertThrows(() => serve({ path, access: { sddl } }, () => {}), Deno.errors.PermissionDenied);
  const alone = serve({ path, access: { sddl }, instances: 1, maxInstances: 1 }, () => {});
  await assertRejects(() => call(path, "hello"), Deno.errors.PermissionDenied, "error 5");
  await alone.shutdown();
});

windowsTest.notUnderWine(
  "security: a client that is let in cannot serve the pipe",
  async () => {
    const path = newPath();
    await using server = serve({
      path,
      instances: 1,
      maxInstances: 1,
      // The one instance exists; for another, nobody has the right to create it.
      access: { sddl: "D:P(A;;0x12019b;;;AU)" },
    }, (request) => request);
    const tap = new WindowsKernel();
    const { status } = tap.create({
      path,
      type: "message",
      direction: "both",
      readBufferSize: 0,
      writeBufferSize: 0,
      waitTimeout: 50,
      security: undefined,
      remote: false,
    }, false);
    assertEquals(status, 5);
    tap.dispose();
    assertEquals(decoder.decode(await call(path, "hello")), "hello");
    assertEquals(server.security?.firstInstance, true);
  },
);

windowsTest.notUnderWine("security: AddrInUse names the process that has the name", async () => {
  const path = newPath();
  await using server = serve({ path }, (request) => request);
  assertThrows(
    () => serve({ path }, () => {}),
    Deno.errors.AddrInUse,
    `process ${Deno.pid} has the name`,
  );
  assertEquals(decoder.decode(await call(path, "hello")), "hello");
  assertEquals(server.path, path);
});

windowsTest.notUnderWine("security: the identity of an anonymous client is not told", async () => {
  const path = newPath();
  const options = { path, access: "system-default", authorize: () => true } as const;
  await using server = serve(options, tellUser);
  assertEquals(server.security?.sddl, undefined);
  await using pipe = await client.open(path, { messageMode: true, anonymous: true });
  assertMatch(await pipe.ask("?"), /^Cannot identify a client/);
});

windowsTest.notUnderWine(
  "security: a client that came before the listen is told to try again",
  async () => {
    const path = newPath();
    const answers: string[] = [];
    const kernel = new WindowsKernel({ security: true });
    const { create } = kernel;
    const early: raw.Handle[] = [];
    kernel.create = (pipe, first) => {
      const opened = create.call(kernel, pipe, first);
      if (first) early.push(raw.openPipe(path, { fixed: true }));
      return opened;
    };
    const loop = new WaitLoop(kernel);
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    const server = serveOn(() => loop, { path }, (_request, { client }) => {
      try {
        answers.push(client.user().sid);
      } catch (error) {
        answers.push(error instanceof Error ? error.message : "?");
      }
      if (answers.length === 2) resolve();
    });
    const next = raw.openPipe(path, { fixed: true });
    const handles = [...early, next];
    for (const handle of handles) raw.write(handle, new Uint8Array(1));
    await within("both requests", asked);
    for (const handle of handles) raw.closeHandle(handle);
    await server.shutdown();
    const [first = "", second = ""] = answers.toSorted();
    assertMatch(first, /connected before this instance listened, and may try again/);
    assertMatch(second, /^S-1-5-/);
  },
);
