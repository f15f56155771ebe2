/** What is left open when the pipes in memory are closed. */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type MemoryPipes, memoryPipes } from "../../src/testing/mod.ts";
import { fate } from "../fixture.ts";

/** The text of the error with which pipes are closed. */
async function leaksOf(pipes: MemoryPipes): Promise<string> {
  const { message } = await assertRejects(() => pipes[Symbol.asyncDispose](), Error);
  return message.replaceAll("\\\\.\\pipe\\", "").replace("Cannot close the pipes in memory: ", "");
}

Deno.test("a server that was not shut down is told, and ended", async () => {
  const pipes = memoryPipes();
  const server = pipes.serve({ path: "a", instances: 2 }, () => {});
  assertEquals(
    await leaksOf(pipes),
    'process 4 still has a server of "a" (2 instances, 0 clients) and ' +
      '2 operations in flight on "a"',
  );
  await server.finished;
});

Deno.test("connections that were not closed are told, and ended, at both ends", async () => {
  const pipes = memoryPipes();
  const listener = pipes.listen({ path: "a", instances: 1 });
  const other = pipes.as({});
  const near = await other.connect({ path: "a" });
  await other.connect({ path: "a" });
  const far = await listener.accept();
  listener.close();
  const received = fate(near.receive());
  const leaks = await leaksOf(pipes);
  assertEquals(
    leaks,
    'process 4 still has a server of "a" (1 instance, 1 client) and 1 operation in flight on "a"; ' +
      'process 8 still has 2 connections to "a" and 1 operation in flight on "a"',
  );
  assertEquals([(await near.closed).reason, (await far.closed).reason], ["stopped", "stopped"]);
  assertEquals(received.state, "rejected");
});

Deno.test("a call that still tries to connect is told, and ends", async () => {
  const pipes = memoryPipes();
  const waiting = assertRejects(() => pipes.call("a", "x"), Deno.errors.Interrupted);
  assertEquals(await leaksOf(pipes), 'process 4 still has 1 call waiting for "a"');
  await waiting;
});

Deno.test("a server that waits for memory to listen again is told", async () => {
  let short = false;
  const pipes = memoryPipes({
    time: "manual",
    fault: ({ call }) => short && call === "CreateNamedPipeW" ? 8 : undefined,
  });
  pipes.serve({ path: "a", instances: 1 }, (_request, { client }) => client.close());
  short = true;
  using client = await pipes.rawClient("a");
  await client.write("leave me");
  assertEquals(await client.read(), null);
  assertEquals(await leaksOf(pipes), 'process 4 still has 1 timer for "a"');
});

Deno.test("nothing is left where everything was closed, and raw ends are no leak", async () => {
  const pipes = memoryPipes({ time: "manual" });
  const server = pipes.serve({ path: "a" }, (request) => request);
  const client = await pipes.rawClient("a");
  await client.write("x");
  const requests = pipes.exchanges({ path: "never iterated" });
  await pipes.call("a", "x");
  pipes.rawServer("b");
  await Promise.all([server.shutdown(), pipes.advance(10_000)]);
  // What ends just now is waited for.
  const last = pipes.serve({ path: "c" }, () => {});
  last.shutdown();
  await pipes[Symbol.asyncDispose]();
  await pipes[Symbol.asyncDispose]();
  assertEquals(pipes.listPipes(), []);
  await requests.return();
});

Deno.test("closed pipes cannot be used any more", async () => {
  const pipes = memoryPipes();
  await pipes[Symbol.asyncDispose]();
  const error = assertThrows(() => pipes.serve({ path: "a" }, () => {}), Deno.errors.Interrupted);
  assertEquals(error.message, 'Cannot use "\\\\.\\pipe\\a": the pipes in memory are closed');
  assertThrows(() => pipes.rawServer("a"), Deno.errors.Interrupted);
  await assertRejects(() => pipes.call("a", "x"), Deno.errors.Interrupted);
  await assertRejects(() => pipes.rawClient("a"), Deno.errors.Interrupted);
});
