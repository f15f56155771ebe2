/** The examples with libraries of Node, each met by node.exe. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { windowsTest } from "../win32/environment.ts";
import { NodePeer } from "./node_peer.ts";
import { Program, run } from "./program.ts";
import { newPath } from "./support.ts";

const KERNEL32 = "--allow-ffi=C:\\Windows\\System32\\kernel32.dll";
const BOTH = `${KERNEL32},C:\\Windows\\System32\\advapi32.dll`;

const EXAMPLES = {
  "json_rpc_server.ts": { ffi: BOTH, env: "XDG_RUNTIME_DIR", role: "callsServer" },
  "language_server.ts": { ffi: KERNEL32, env: "XDG_RUNTIME_DIR", role: "editorListens" },
  "grpc_server.ts": { ffi: BOTH, env: "GRPC_*", role: "grpcConnects" },
} as const;
type Example = keyof typeof EXAMPLES;
const NAMES = ["json_rpc_server.ts", "language_server.ts", "grpc_server.ts"] as const;

function fileOf(name: Example): string {
  return fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));
}

function example(name: Example, ffi: string, ...args: string[]): string[] {
  const env = `--allow-env=${EXAMPLES[name].env}`;
  return ["run", "--quiet", "--no-prompt", "--cached-only", ffi, env, fileOf(name), ...args];
}

for (const name of ["json_rpc_server.ts", "grpc_server.ts"] as const) {
  const since = name === "grpc_server.ts" ? "2.7.14" : "0";
  windowsTest.since(
    since,
    `examples: ${name} answers node.exe with the permissions that it names`,
    async () => {
      const { ffi: scoped, role } = EXAMPLES[name];
      for (const ffi of ["--allow-ffi", scoped]) {
        const path = newPath();
        await using server = new Program(example(name, ffi, path), { limit: 300_000 });
        await server.printed("listening");
        await using peer = new NodePeer(role, path);
        await peer.succeeded();
        server.kill();
        assertEquals((await server.ended).stderr, "");
      }
    },
  );
}

windowsTest("examples: language_server.ts connects to an editor, and ends with it", async () => {
  const { ffi: scoped, role } = EXAMPLES["language_server.ts"];
  for (const ffi of ["--allow-ffi", scoped]) {
    const path = newPath();
    await using editor = new NodePeer(role, path);
    // As editors start it.
    const args = [`--pipe=${path}`, "--clientProcessId=1"];
    const ran = await run(example("language_server.ts", ffi, ...args), { limit: 300_000 });
    assertEquals(ran, { code: 0, stdout: "", stderr: "" });
    await editor.succeeded();
  }
});

windowsTest("examples: those with libraries of Node name their permissions and usage", async () => {
  for (const name of NAMES) {
    const { ffi, env } = EXAMPLES[name];
    const [line] = (await Deno.readTextFile(fileOf(name))).split("\n");
    assertEquals(line, `// Permissions: --allow-ffi (or ${ffi}) --allow-env=${env}`);
    const { code, stderr } = await run(example(name, "--allow-ffi"));
    assertEquals(code, 2);
    assertMatch(stderr, /^Usage: \w+\.ts (--pipe=)?PATH/);
    const refused = await run(example(name, "--deny-ffi", ...usable(name)));
    assertEquals(refused.code, 1);
    assertStringIncludes(refused.stderr, "--allow-ffi");
  }
});

function usable(name: Example): string[] {
  return name === "language_server.ts" ? [`--pipe=${newPath()}`] : [newPath()];
}
