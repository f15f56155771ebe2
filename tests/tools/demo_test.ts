/** The demonstration, where the Windows build of Deno cannot run. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";

const DEMO = fileURLToPath(new URL("../../tools/demo.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

Deno.test("the demonstration goes on in memory, and says so", async () => {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-lock", "--config", CONFIG, DEMO],
    // No such version has been built.
    env: { WINDOWS_DENO_VERSION: "0.0.0", NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  const [first, second, ...lines] = decoder.decode(stdout).trimEnd().split(/\r?\n/);
  assertEquals(code, 0);
  assertStringIncludes(decoder.decode(stderr), "Cannot use deno.exe 0.0.0");
  assertEquals(first, "The Windows build of Deno cannot run here: these are pipes in memory.");
  assertEquals(second, "listening on \\\\.\\pipe\\named-pipe-demo");
  const last = lines.pop();
  assertEquals(lines.length, 18);
  for (const line of lines) {
    assertMatch(line, /^\[[0-3]\] "request [1-3] of client [1-6]" -> "Default answer/);
  }
  assertEquals(last, "18 exchanges with 6 clients, served by 4 instances");
});
