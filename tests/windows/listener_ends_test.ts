/** A program that has listened ends by itself. */

import { assertEquals } from "@std/assert";
import { windowsTest } from "../win32/environment.ts";
import { run, testProgram } from "./program.ts";

windowsTest("a program whose listeners are closed ends by itself", async () => {
  const ways = ["shutdown", "dispose", "close", "break", "abort", "streams"];
  const programs = ways.map((way) => run([...testProgram("listener_ends", "--allow-ffi"), way]));
  for (const [i, { code, stdout, stderr }] of (await Promise.all(programs)).entries()) {
    assertEquals([ways[i], code, stdout.trim(), stderr], [ways[i], 0, "closed", ""]);
  }
});
