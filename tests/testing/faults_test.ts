/** Calls to Windows that fail because the test says so. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { WindowsError } from "../../mod.ts";
import { type MemoryCall, memoryPipes } from "../../src/testing/mod.ts";

Deno.test("calls fail with the code that the test wants", async () => {
  let code = 5;
  let failing = "CreateNamedPipeW";
  await using pipes = memoryPipes({
    fault: ({ call }) => call === failing ? code : undefined,
  });
  assertThrows(() => pipes.serve({ path: "a" }, () => {}), Deno.errors.PermissionDenied);
  code = 1450;
  const error = assertThrows(() => pipes.serve({ path: "a" }, () => {}), WindowsError);
  assertEquals([error.code, error.call], [1450, "CreateNamedPipeW"]);
  failing = "CreateFileW";
  code = 5;
  await using _server = pipes.serve({ path: "a" }, () => "hello");
  await assertRejects(() => pipes.call("a", "x"), Deno.errors.PermissionDenied);
  failing = "WriteFile";
  code = 1450;
  await assertRejects(() => pipes.call("a", "x"), WindowsError);
});

Deno.test("a shortage is waited out", async () => {
  let times = 3;
  await using pipes = memoryPipes({
    time: "manual",
    fault: ({ call }) => call === "CreateFileW" && times-- > 0 ? 8 : undefined,
  });
  await using _server = pipes.serve({ path: "a" }, () => "hello");
  const answer = pipes.call("a", "x", { as: "text" });
  await pipes.advance(1_000);
  assertEquals([await answer, times], ["hello", -1]);
});

Deno.test("an instance that listens again waits for memory", async () => {
  let short = false;
  await using pipes = memoryPipes({
    time: "manual",
    fault: ({ call }) => short && /^C(?:reate|onnect)Named/.test(call) ? 1450 : undefined,
  });
  await using _server = pipes.serve({ path: "a", instances: 1 }, (_request, { client }) => {
    client.close();
  });
  short = true;
  await assertRejects(() => pipes.call("a", "x"), Deno.errors.BrokenPipe);
  const answer = assertRejects(
    () => pipes.call("a", "x", { connectTimeout: 60_000 }),
    Deno.errors.BrokenPipe,
  );
  await pipes.advance(10_000);
  short = false;
  await pipes.advance(10_000);
  await answer;
});

Deno.test("the test is told which call it is, of which pipe and process", async () => {
  const calls: MemoryCall[] = [];
  await using pipes = memoryPipes({ fault: (call) => void calls.push(call) });
  await using _server = pipes.serve({ path: "a", instances: 1 }, () => "hello");
  const other = pipes.as({});
  await other.call("a", "x");
  const of = (process: number) => {
    const own = calls.filter(({ processId }) => processId === process);
    assert(own.every(({ path }) => path === "\\\\.\\pipe\\a"));
    return new Set(own.map(({ call }) => call));
  };
  assertEquals(
    of(pipes.processId),
    new Set([
      "CreateNamedPipeW",
      "ConnectNamedPipe",
      "ReadFile",
      "ImpersonateNamedPipeClient",
      "WriteFile",
    ]),
  );
  assertEquals(of(other.processId), new Set(["CreateFileW", "WriteFile", "ReadFile"]));
});

Deno.test("a client that Windows does not identify has no user", async () => {
  await using pipes = memoryPipes({
    fault: ({ call }) => call === "ImpersonateNamedPipeClient" ? 1368 : undefined,
  });
  await using _server = pipes.serve({ path: "a" }, (_request, { client }) => {
    try {
      return client.user().sid;
    } catch (error) {
      return error instanceof WindowsError ? error.symbol : "";
    }
  });
  assertEquals(await pipes.call("a", "x", { as: "text" }), "ERROR_CANNOT_IMPERSONATE");
});

Deno.test("a result that is no code of a failure is refused", () => {
  for (const code of [0, 109, 232, 233, 234, 535, 997, 1.5, 65_536, Number("x")]) {
    const pipes = memoryPipes({ fault: () => code });
    const error = assertThrows(() => pipes.serve({ path: "a" }, () => {}), TypeError);
    assertEquals(
      error.message,
      `Cannot use the result of "fault": must be the code of a Windows error, was ${code}`,
    );
  }
});
