/** What a program needs, and nothing else: one permission, whole or for the libraries it opens. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { ADVAPI32_PATH } from "../../ffi/advapi32.ts";
import { KERNEL32_PATH } from "../../ffi/kernel32.ts";
import { startClient } from "../win32/client.ts";
import { windowsTest } from "../win32/environment.ts";
import { Program, run, testProgram } from "./program.ts";
import { newPath, within } from "./support.ts";

const client = await startClient();
const PRINTED = "exchanges and call\n100000\nlistening\nfinished\n";

const KERNEL32 = "--allow-ffi=C:\\Windows\\System32\\kernel32.dll";
const BOTH = `${KERNEL32},C:\\Windows\\System32\\advapi32.dll`;

async function answersWith(permission: string): Promise<void> {
  const path = newPath();
  await using program = new Program([
    ...testProgram("whole_module", "--no-prompt", permission),
    path,
  ]);
  await program.printed("listening");
  await using pipe = await client.open(path, { messageMode: true });
  assertEquals(await pipe.ask("from outside"), "FROM OUTSIDE");
  assertEquals(await pipe.ask("stop"), "STOP");
  const { code, stdout, stderr } = await within("the end", program.ended);
  assertEquals([code, stdout.replaceAll("\r", ""), stderr], [0, PRINTED, ""]);
}

windowsTest("permissions: --allow-ffi is enough", async () => {
  await answersWith("--allow-ffi");
});

windowsTest("permissions: --allow-ffi for kernel32.dll and advapi32.dll is enough", async () => {
  assertEquals(KERNEL32_PATH, "C:\\Windows\\System32\\kernel32.dll");
  assertEquals(ADVAPI32_PATH, "C:\\Windows\\System32\\advapi32.dll");
  await answersWith(BOTH);
});

windowsTest("permissions: kernel32.dll alone is enough where nobody asks about users", async () => {
  const path = newPath();
  await using program = new Program([
    ...testProgram("permitted", "--no-prompt", KERNEL32),
    ...[path, "system-default"],
  ]);
  await program.printed("listening");
  await using pipe = await client.open(path, { messageMode: true });
  assertEquals(await pipe.ask("hello"), "hello");
  const { code, stdout, stderr } = await within("the end", program.ended);
  assertEquals([code, stdout.replaceAll("\r", ""), stderr], [0, "listening\nfinished\n", ""]);
});

windowsTest(
  "permissions: a stream for libraries of Node needs no other, and can let go",
  async () => {
    const { code, stdout, stderr } = await run([
      ...testProgram("node_stream", "--no-prompt", KERNEL32),
      newPath(),
    ]);
    assertEquals([code, stdout.replaceAll("\r", ""), stderr], [0, "echoed\n", ""]);
  },
);

windowsTest(
  "permissions: libraries are opened once, and found where Windows has them",
  async () => {
    // With the whole permission by name alone: no folder that somebody made can come first.
    const files = { "--allow-ffi": "kernel32.dll,advapi32.dll", [BOTH]: BOTH.split("=")[1] };
    for (const [permission, opened] of Object.entries(files)) {
      const ran = await run(testProgram("libraries", "--no-prompt", permission));
      const stdout = `${opened}\n2\nNotCapable\nNotCapable\n`;
      assertEquals(ran, { code: 0, stdout, stderr: "" });
    }
  },
);

windowsTest(
  "permissions: tests that use the module leave nothing to their sanitizers",
  async () => {
    const [, ...args] = testProgram("sanitized", "--no-prompt", "--allow-ffi");
    const { code, stdout } = await run(["test", "--no-check", ...args]);
    assertEquals(code, 0, stdout);
    assertStringIncludes(stdout, "2 passed");
  },
);

windowsTest("permissions: a missing one is named by the exact flag that is enough", async () => {
  const others = ["--allow-read", "--allow-write", "--allow-net", "--allow-env", "--allow-sys"];
  const elsewhere = "--allow-ffi=C:\\Windows\\System32\\user32.dll";
  const needsBoth = [["current-user"], ["system-default", "authorizes"]];
  for (const flags of [[], [...others, "--allow-run", "--allow-import"], [elsewhere], [KERNEL32]]) {
    for (const args of flags.includes(KERNEL32) ? needsBoth : needsBoth.slice(0, 1)) {
      await isRefused(flags, args, BOTH);
    }
  }
  await isRefused([], ["system-default"], KERNEL32);
});

async function isRefused(flags: string[], args: string[], named: string): Promise<void> {
  const program = testProgram("permitted", "--no-prompt", ...flags);
  const { code, stdout, stderr } = await run([...program, newPath(), ...args]);
  assertEquals([code, stdout], [1, ""], stderr);
  assertStringIncludes(stderr, "NotCapable");
  assertStringIncludes(`${stderr.replaceAll("\r", "")}\n`, `--allow-ffi or ${named}\n`);
}
