import { assertEquals, assertThrows } from "@std/assert";
import { listPipesOn } from "../src/client/list_pipes.ts";
import { WindowsError } from "../src/kernel/errors.ts";
import { memoryPipes } from "../src/testing/mod.ts";

Deno.test("listPipes() tells names without their prefix, and instances", async () => {
  await using pipes = memoryPipes();
  assertEquals(pipes.listPipes(), []);
  const server = pipes.serve({ path: "App\\Control", instances: 3 }, () => {});
  await using _other = pipes.serve({ path: "other", instances: 1 }, () => {});
  assertEquals(pipes.listPipes(), [
    { name: "App\\Control", instances: 3 },
    { name: "other", instances: 1 },
  ]);
  await server.shutdown();
  assertEquals(pipes.listPipes(), [{ name: "other", instances: 1 }]);
});

Deno.test("listPipes() throws the error of Windows as it is", () => {
  const listing = { status: 66, call: "FindFirstFileW", pipes: [] };
  const error = assertThrows(() => listPipesOn(() => listing), WindowsError);
  assertEquals([error.code, error.symbol, error.path], [66, "ERROR_BAD_DEV_TYPE", "\\\\.\\pipe\\"]);
});
