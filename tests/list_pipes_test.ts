import { assertEquals, assertThrows } from "@std/assert";
import { listPipesOn } from "../src/client/list_pipes.ts";
import { WindowsError } from "../src/kernel/errors.ts";
import { inWorld } from "./fixture.ts";

inWorld("listPipes() tells names without their prefix, and instances", async (world) => {
  assertEquals(listPipesOn(world.system.list), []);
  const server = world.serve(() => {}, { path: "App\\Control", instances: 3 });
  world.serve(() => {}, { path: "other", instances: 1 });
  assertEquals(listPipesOn(world.system.list), [
    { name: "App\\Control", instances: 3 },
    { name: "other", instances: 1 },
  ]);
  await server.shutdown();
  assertEquals(listPipesOn(world.system.list), [{ name: "other", instances: 1 }]);
});

Deno.test("listPipes() throws the error of Windows as it is", () => {
  const listing = { status: 66, call: "FindFirstFileW", pipes: [] };
  const error = assertThrows(() => listPipesOn(() => listing), WindowsError);
  assertEquals([error.code, error.symbol, error.path], [66, "ERROR_BAD_DEV_TYPE", "\\\\.\\pipe\\"]);
});
