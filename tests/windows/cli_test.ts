/** The command line as a program of its own, with the permission that it says it needs. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { serve } from "../../mod.ts";
import { windowsTest } from "../win32/environment.ts";
import { Program, run } from "./program.ts";
import { newPath } from "./support.ts";

/** The arguments of Deno for a command line. */
function commandLine(args: readonly string[], ...permissions: string[]): string[] {
  const file = new URL("../../src/cli/mod.ts", import.meta.url).href;
  const flags = ["--quiet", "--no-prompt", "--no-config", "--no-lock", "--cached-only"];
  return ["run", ...flags, "--allow-ffi", ...permissions, file, ...args];
}

windowsTest("cli: serve and call are two programs that need --allow-ffi alone", async () => {
  const path = newPath();
  await using server = new Program(commandLine(["serve", path]));
  await server.printed(`Listening on ${path}`);
  const { code, stdout, stderr } = await run(commandLine(["call", path, "h\u00e4llo", "--json"]));
  assertEquals([code, JSON.parse(stdout), stderr], [0, { reply: "h\u00e4llo" }, ""]);
});

windowsTest("cli: connect sends what is typed, and ends when its server does", async () => {
  const path = newPath();
  const server = serve({ path }, (request) => request);
  await using terminal = new Program(commandLine(["connect", path]), { input: true });
  await terminal.write("first\nsecond\n");
  await terminal.printed("first\nsecond\n");
  await server.shutdown({ timeout: 0 });
  const { code } = await terminal.ended;
  assertEquals(code, 0);
});

windowsTest("cli: serve runs a command for each request, if it may", async () => {
  const path = newPath();
  const program = [
    Deno.execPath(),
    "eval",
    "await Deno.stdin.readable.pipeTo(Deno.stdout.writable)",
  ];
  const args = ["serve", path, "--", ...program];
  await using server = new Program(commandLine(args, `--allow-run=${Deno.execPath()}`));
  await server.printed("Listening");
  const { code, stdout } = await run(commandLine(["call", path, "through a program"]));
  assertEquals([code, stdout], [0, "through a program\n"]);
});

windowsTest("cli: serve says which permission a command needs", async () => {
  const path = newPath();
  await using server = new Program(commandLine(["serve", path, "--", "cmd"]));
  await server.printed("Listening");
  const { code, stderr } = await run(commandLine(["call", path, "hello"]));
  assertEquals(code, 1);
  assertMatch(stderr, /^error: /);
  await server.complained("--allow-run=cmd");
});

windowsTest("cli: without permission it says which is enough", async () => {
  const args = commandLine(["call", newPath(), "x"]).filter((arg) => arg !== "--allow-ffi");
  const { code, stdout, stderr } = await run(args);
  assertEquals([code, stdout], [1, ""]);
  assertStringIncludes(stderr, "run again with --allow-ffi");
});
