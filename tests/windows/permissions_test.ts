/** What a server needs, and nothing else: one permission, whole or for one library. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { KERNEL32_PATH } from "../../ffi/kernel32.ts";
import { startClient } from "../win32/client.ts";
import { windowsTest } from "../win32/environment.ts";
import { Program, run, testProgram } from "./program.ts";
import { newPath, within } from "./support.ts";

const client = await startClient();
const PRINTED = "exchanges and call\n100000\nlistening\nfinished\n";

async function answersWith(permission: string): Promise<void> {
  const path = newPath();
  await using program = new Program([
    ...testProgram("whole_module", "--no-prompt", permission),
    path,
  ]);
  await program.printed("listening");
  await using pipe = await client.open(path, { messageMode: true });
  await pipe.write("from outside");
  assertEquals((await pipe.read()).text, "FROM OUTSIDE");
  await pipe.write("stop");
  assertEquals((await pipe.read()).text, "STOP");
  const { code, stdout, stderr } = await within("the end", program.ended);
  assertEquals([code, stdout.replaceAll("\r", ""), stderr], [0, PRINTED, ""]);
}

windowsTest("permissions: --allow-ffi is enough", async () => {
  await answersWith("--allow-ffi");
});

windowsTest("permissions: --allow-ffi for kernel32.dll alone is enough", async () => {
  assertEquals(KERNEL32_PATH, "C:\\Windows\\System32\\kernel32.dll");
  await answersWith("--allow-ffi=C:\\Windows\\System32\\kernel32.dll");
});

windowsTest("permissions: without it the error names the flag", async () => {
  const others = ["--allow-read", "--allow-write", "--allow-net", "--allow-env", "--allow-sys"];
  const elsewhere = "--allow-ffi=C:\\Windows\\System32\\user32.dll";
  for (const flags of [[], [...others, "--allow-run", "--allow-import"], [elsewhere]]) {
    const args = testProgram("whole_module", "--no-prompt", ...flags);
    const { code, stderr } = await run([...args, newPath()]);
    assertEquals(code, 1);
    assertStringIncludes(stderr, "NotCapable");
    assertStringIncludes(stderr, "--allow-ffi");
    assertStringIncludes(stderr, `--allow-ffi=${KERNEL32_PATH}`);
  }
});
