/** The examples, as far as they need no Windows. */

import { assertEquals, assertStringIncludes } from "@std/assert";

const decoder = new TextDecoder();

async function run(example: string, ...args: string[]) {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--cached-only",
      "--config",
      new URL("../deno.json", import.meta.url).pathname.replace(/^\/(?=[A-Z]:)/i, ""),
      new URL(`../examples/${example}`, import.meta.url).href,
      ...args,
    ],
    env: { NO_COLOR: "1" },
    stdout: "null",
  }).output();
  return { code, stderr: decoder.decode(stderr) };
}

/** Arguments that examples cannot use. */
const REFUSED: Record<string, string[][]> = {
  "client.ts": [[], ["a"]],
  "authenticated_server.ts": [["--allow"]],
  "echo_server.ts": [
    [],
    ["a", "b"],
    ["a", "--unknown"],
    ["a", "--max-request"],
    ["a", "--max-request="],
    ["a", "--max-request=-1"],
    ["a", "--read-buffer-size=99999999999"],
    ["a", "--idle-timeout", "1s"],
    ["a", "--reply-timeout", "0"],
    ["a", "--max-instances", "0x10"],
  ],
  "push.ts": [[], ["a", "b"], ["a", "--max-queued=0"], ["a", "--write-timeout=1s"], ["--what"]],
  "lines.ts": [[], ["serve"], ["serve", "a", "b"], ["call", "a"], ["sing", "a"]],
  "discord_rpc.ts": [[], ["serve", "a", "b"], ["show", "1"], ["show", "1", "a", "b", "c"], ["x"]],
  "tail.ts": [[], ["a"], ["a", "b", "c"], ["a", "b", "--interval=0"], ["a", "b", "--what"]],
  "proxy.ts": [[], ["pipe:a"], ["pipe:a", "b"], ["pipe:a", "tcp:b"], ["pipe:a", "pipe:b", "c"]],
  "http_server.ts": [[], ["a", "b"]],
  "dashboard.ts": [[], ["a", "b"], ["a", "--port=x"], ["a", "--port=65536"], ["a", "--delay=1s"], [
    "a",
    "--concurrency=0",
  ], ["a", "--what"]],
  "notes.ts": [[], ["write"], ["erase"], ["--pipe=a"], ["serve", "a"], ["read", "--what"]],
  "docker.ts": [[], ["--pipe=a"], ["version", "a"], ["logs"], ["logs", "a", "b"], ["exec", "a"]],
  "workers.ts": [[], ["a", "b"], ["a", "--workers=0"], ["a", "--workers=many"], ["a", "--what"]],
};

for (const [example, refused] of Object.entries(REFUSED)) {
  Deno.test(`${example} says how it is used when it cannot use what it is given`, async () => {
    await Promise.all(refused.map(async (args) => {
      const { code, stderr } = await run(example, ...args);
      assertEquals(code, 2, `${args}: ${stderr}`);
      assertStringIncludes(stderr, `Usage: ${example} `);
    }));
  });
}

const ignore = Deno.build.os === "windows";

Deno.test("echo_server.ts takes its limits", { ignore }, async () => {
  const limits = ["--max-request=0", "--read-buffer-size=0", "--idle-timeout=1"];
  const { code, stderr } = await run("echo_server.ts", "a", ...limits, "--reply-timeout", "1");
  assertEquals(code, 1);
  assertStringIncludes(stderr, "NotSupported");
});
