/** Other processes, other users, and ends of pipes that the test works by hand. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { ClientInfo, ClientUser, PipeClient } from "../../mod.ts";
import { memoryPipes, type MemoryProcess, type Pipes } from "../../src/testing/mod.ts";
import { fate } from "../fixture.ts";

const OTHER = "S-1-5-21-1-2-3-1002";

/** Who the server says that a client is. */
interface Seen extends Pick<ClientInfo, "processId" | "sessionId"> {
  readonly user: ClientUser;
  readonly name: string;
  readonly executable: string | undefined;
}

async function seen(client: PipeClient): Promise<Seen> {
  const { processId, sessionId, user, accountName, executable } = client;
  return {
    processId,
    sessionId,
    user: user(),
    name: await accountName(),
    executable: executable(),
  };
}

/** What a server is told of a process that calls it. */
async function seenOf(process: MemoryProcess): Promise<unknown> {
  await using pipes = memoryPipes();
  await using _server = pipes.serve(
    { path: "who", access: "local-users" },
    async (_request, { client }) => JSON.stringify(await seen(client)),
  );
  return await pipes.as(process).call("who", "am I?", { as: "json" });
}

Deno.test("a server is told who calls", async () => {
  assertEquals(await seenOf({}), {
    processId: 8,
    sessionId: 1,
    user: { sid: "S-1-5-21-1-2-3-1001", integrity: "medium", elevated: false },
    name: "TEST\\1001",
    executable: "C:\\programs\\8.exe",
  });
  const process = {
    sid: OTHER,
    accountName: "OFFICE\\ada",
    integrity: "high",
    elevated: true,
    processId: 4242,
    sessionId: 2,
    executable: "C:\\tools\\ask.exe",
  } as const;
  assertEquals(await seenOf(process), {
    processId: 4242,
    sessionId: 2,
    user: { sid: OTHER, integrity: "high", elevated: true },
    name: "OFFICE\\ada",
    executable: "C:\\tools\\ask.exe",
  });
});

Deno.test("a process without a SID has the user of the pipes that were asked", async () => {
  await using pipes = memoryPipes({ as: { sid: OTHER, integrity: "low" } });
  await using _server = pipes.serve({ path: "who" }, (_request, { client }) => {
    return JSON.stringify(client.user());
  });
  const call = (process: MemoryProcess) => pipes.as(process).call("who", "am I?", { as: "json" });
  assertEquals(await call({}), { sid: OTHER, integrity: "low", elevated: false });
  const elevated = await call({ elevated: true });
  assertEquals(elevated, { sid: OTHER, integrity: "low", elevated: true });
});

Deno.test("a client is told who serves", async () => {
  await using pipes = memoryPipes();
  const other = pipes.as({ sid: OTHER, sessionId: 3, executable: "C:\\service.exe" });
  await using _server = other.serve({ path: "a", access: "local-users" }, () => {});
  using conn = await pipes.connect({ path: "a" });
  const { peer } = conn;
  assertEquals(
    [peer.processId, peer.sessionId, peer.executable(), peer.owner()],
    [other.processId, 3, "C:\\service.exe", OTHER],
  );
});

Deno.test("access decides who may connect", async () => {
  await using pipes = memoryPipes();
  const stranger = pipes.as({ sid: OTHER });
  const administrator = pipes.as({ sid: OTHER, elevated: true });
  await using _own = pipes.serve({ path: "own" }, () => "hello");
  await using _local = pipes.serve({ path: "local", access: "local-users" }, () => "hello");
  await using _default = pipes.serve({ path: "default", access: "system-default" }, () => "hello");
  const admitted = async ({ call }: Pipes, path: string) => {
    try {
      return await call(path, "x", { as: "text" }) === "hello";
    } catch (error) {
      if (error instanceof Deno.errors.PermissionDenied) return false;
      throw error;
    }
  };
  const table: Record<string, boolean[]> = {};
  for (const path of ["own", "local", "default"]) {
    table[path] = [];
    for (const who of [pipes, stranger, administrator]) {
      table[path].push(await admitted(who, path));
    }
  }
  assertEquals(table, {
    own: [true, false, false],
    local: [true, true, true],
    default: [true, false, true],
  });
  // Everybody can read a pipe with the system's rights.
  using reader = await stranger.connect({ path: "default", direction: "read" });
  assertEquals(reader.type, "message");
});

Deno.test("authorize is asked about each client, and owner is compared", async () => {
  await using pipes = memoryPipes();
  await using _server = pipes.serve({
    path: "a",
    access: "local-users",
    authorize: (client) => client.user().integrity !== "low",
  }, () => "hello");
  const low = pipes.as({ sid: OTHER, integrity: "low" });
  await assertRejects(() => low.call("a", "x"), Deno.errors.BrokenPipe);
  const other = pipes.as({ sid: OTHER });
  assertEquals(await other.call("a", "x", { as: "text" }), "hello");
  await assertRejects(
    () => other.call("a", "x", { owner: "current-user" }),
    Deno.errors.PermissionDenied,
  );
  await pipes.call("a", "x", { owner: "current-user" });
});

Deno.test("a name that another program serves is taken", async () => {
  await using pipes = memoryPipes();
  await using _server = pipes.as({ processId: 4242 }).serve({ path: "a" }, () => {});
  const error = assertThrows(() => pipes.serve({ path: "a" }, () => {}), Deno.errors.AddrInUse);
  assert(error.message.includes("process 4242 has the name"), error.message);
  using _raw = pipes.rawServer("b");
  assertThrows(() => pipes.serve({ path: "b" }, () => {}), Deno.errors.AddrInUse);
  assertThrows(() => pipes.rawServer("a"), Deno.errors.AddrInUse);
});

Deno.test("join adds to a name, which another user may not", async () => {
  await using pipes = memoryPipes();
  await using _server = pipes.serve({ path: "a", access: "local-users" }, () => {});
  await using joined = pipes.as({}).serve({ path: "a", join: true }, () => {});
  assertEquals(joined.security?.firstInstance, false);
  const stranger = pipes.as({ sid: OTHER });
  assertThrows(() => stranger.serve({ path: "a", join: true }, () => {}), Deno.errors.AddrInUse);
});

// Raw ends

Deno.test("a raw client can vanish in the middle of its request", async () => {
  await using pipes = memoryPipes();
  const aborted = Promise.withResolvers<unknown>();
  await using _server = pipes.serve({ path: "a" }, (_request, { signal }) => {
    signal.addEventListener("abort", () => aborted.resolve(signal.reason));
    return aborted.promise.then(() => {});
  });
  const client = await pipes.rawClient("a");
  await client.write("a question");
  client.close();
  assert(await aborted.promise instanceof Deno.errors.BrokenPipe);
  client.close();
  assertEquals(await client.read(), null);
  await assertRejects(() => client.write("x"), Deno.errors.Interrupted);
});

Deno.test("a raw client that never reads fills its pipe", async () => {
  await using pipes = memoryPipes();
  await using listener = pipes.listen({ path: "a", writeBufferSize: 1_000 });
  using client = await pipes.rawClient("a");
  await client.write("first");
  const conn = await listener.accept();
  await conn.send(new Uint8Array(1_000));
  const sent = fate(conn.send(new Uint8Array(500)));
  await conn.receive();
  assertEquals([sent.state, conn.queued], ["pending", 500]);
  assertEquals((await client.read())?.length, 1_000);
  assertEquals((await client.read())?.length, 500);
  conn.close();
  assertEquals(await client.read(), null);
  await assertRejects(() => client.write("x"), Deno.errors.BrokenPipe);
});

Deno.test("a raw client waits while all instances are busy", async () => {
  await using pipes = memoryPipes({ time: "manual" });
  await using _server = pipes.serve({ path: "a", instances: 1, maxInstances: 1 }, () => {});
  using first = await pipes.rawClient("a");
  const second = pipes.rawClient("a");
  await pipes.advance(1_000);
  first.close();
  using client = await second;
  assertEquals(client.path, "\\\\.\\pipe\\a");
});

Deno.test("a raw client that waits is told when there is no pipe any more", async () => {
  const pipes = memoryPipes();
  const server = pipes.rawServer("a");
  using _first = await pipes.rawClient("a");
  const second = pipes.rawClient("a");
  server.close();
  await assertRejects(() => second, Deno.errors.NotFound);
  pipes.rawServer("a");
  using _third = await pipes.rawClient("a");
  const fourth = pipes.rawClient("a");
  await pipes[Symbol.asyncDispose]();
  await assertRejects(() => fourth, Deno.errors.Interrupted);
});

Deno.test("a raw client may be anonymous, or go in one direction", async () => {
  await using pipes = memoryPipes();
  await using _server = pipes.serve({ path: "a" }, (_request, { client }) => {
    try {
      return client.user().sid;
    } catch (error) {
      return error instanceof Error ? error.message : "";
    }
  });
  using anonymous = await pipes.rawClient("a", { impersonation: "anonymous" });
  await anonymous.write("who am I?");
  const answer = new TextDecoder().decode(await anonymous.read() ?? undefined);
  assert(answer.includes("OpenThreadToken, error 1347"), answer);
  using writer = await pipes.rawClient("a", { direction: "write" });
  await assertRejects(() => writer.read(), Deno.errors.PermissionDenied);
});

Deno.test("a raw server answers what it likes, reads when asked, and disconnects", async () => {
  await using pipes = memoryPipes();
  using server = pipes.rawServer("a", { readBufferSize: 10 });
  const question = server.read();
  server.disconnect();
  using conn = await pipes.connect({ path: "a" });
  const answer = conn.request("hello");
  assertEquals(await question, new TextEncoder().encode("hello"));
  await server.write("not what you asked for");
  assertEquals((await answer).length, 22);
  // It does not read.
  const long = fate(conn.send("longer than ten"));
  await pipes.connect({ path: "b", connectTimeout: 1 }).catch(() => {});
  assertEquals(long.state, "pending");
  server.disconnect();
  assertEquals((await conn.closed).reason, "peer");
  // The next one.
  using next = await pipes.connect({ path: "a" });
  await next.send("again");
  assertEquals(await server.read(), new TextEncoder().encode("again"));
  server.close();
  assertEquals(await next.receive(), null);
});

Deno.test("raw servers have byte pipes, too, and raw ends tell what is pending", async () => {
  await using pipes = memoryPipes();
  using server = pipes.rawServer("a", { type: "byte", writeBufferSize: 5 });
  const written = server.write("hello world");
  using client = await pipes.rawClient("a");
  const more = fate(server.write("!"));
  await Promise.resolve();
  assertEquals([server.pending, client.pending], [12, 0]);
  assertEquals((await client.read())?.length, 12);
  await written;
  await Promise.resolve();
  assertEquals([more.state, server.pending], ["resolved", 0]);
});
