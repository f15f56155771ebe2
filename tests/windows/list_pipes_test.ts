/** The list of all pipes, which is the same whoever asks. */

import { assertEquals } from "@std/assert";
import { listPipes, serve } from "../../mod.ts";
import { windowsTest } from "../win32/environment.ts";
import { newPath } from "./support.ts";

windowsTest.notUnderWine("list: a server is there, with its instances, until it ends", async () => {
  const path = newPath();
  const name = path.slice("\\\\.\\pipe\\".length);
  const found = () => listPipes().filter((pipe) => pipe.name === name);
  assertEquals(found(), []);
  const server = serve({ path, instances: 3 }, () => {});
  assertEquals(found(), [{ name, instances: 3 }]);
  await server.shutdown();
  assertEquals(found(), []);
});
