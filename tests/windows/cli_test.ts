/** The command line as a program of its own, with the permission that it says it needs. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { serve } from "../../mod.ts";
import { isWine, windowsTest } from "../win32/environment.ts";
import { Program, run } from "./program.ts";
import { newPath } from "./support.ts";
import skipped from "./skipped_under_wine.json" with { type: "json" };

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
  const { code, stdout, stderr } = await run(commandLine(["serve", newPath(), "--", "cmd"]));
  assertEquals([code, stdout], [1, ""]);
  assertStringIncludes(stderr, "run again with --allow-run=cmd");
});

windowsTest("cli: without permission it says which is enough", async () => {
  const args = commandLine(["call", newPath(), "x"]).filter((arg) => arg !== "--allow-ffi");
  const { code, stdout, stderr } = await run(args);
  assertEquals([code, stdout], [1, ""]);
  assertStringIncludes(stderr, "run again with --allow-ffi");
});

windowsTest.notUnderWine(
  "list: the command line tells the process that serves a pipe",
  async () => {
    const path = newPath();
    const name = path.slice("\\\\.\\pipe\\".length);
    await using server = serve({ path, instances: 2 }, () => {});
    const { code, stdout } = await run(commandLine(["list", name, "--servers", "--json"]));
    const [pipe, another] = JSON.parse(stdout);
    assertEquals([code, pipe.name, pipe.instances, another], [0, name, 2, undefined]);
    assertEquals(pipe.server.processId, Deno.pid);
    assertMatch(pipe.server.executable, /\.exe$/i);
    await server.shutdown();
  },
);

/** What the doctor sees of what the tests that are skipped under Wine would show, if it looks. */
const FACTS_OF_SKIPS: Readonly<Record<keyof typeof skipped, string | undefined>> = {
  "server: a name that is taken is AddrInUse": "first-instance",
  "security: AddrInUse names the process that has the name": "first-instance",
  "security: who is not in the descriptor is refused": "access",
  "security: a client that is let in cannot serve the pipe": "no-second-server",
  "security: the identity of an anonymous client is not told": "anonymous",
  "list: a server is there, with its instances, until it ends": "list",
  "list: the command line tells the process that serves a pipe": "list",
  // By the same cause as "anonymous", with a client that the module itself never is.
  "security: a client that came before the listen is told to try again": undefined,
  // It would need a file server, and a console.
  "server: a client that comes by the network is refused": undefined,
  "examples: Ctrl-Break shuts a server down": undefined,
  // They are parts of Windows that the module does not use.
  "docs/clients.md: the client in PowerShell prints the answers": undefined,
  "docs/clients.md: the client in C# prints the answers": undefined,
};

windowsTest("cli: doctor finds what Wine lacks, and on Windows nothing", async () => {
  assertEquals(Object.keys(FACTS_OF_SKIPS).toSorted(), Object.keys(skipped).toSorted());
  const { code, stdout, stderr } = await run(commandLine(["doctor", "--json"]));
  assertEquals(stderr, "");
  const { ok, versions, wine, elevated, facts } = JSON.parse(stdout);
  const failed: string[] = facts.filter((fact: { ok: boolean }) => !fact.ok)
    .map(({ id }: { id: string }) => id);
  const lacking = Object.values(FACTS_OF_SKIPS).filter((id) => id !== undefined);
  const expected = isWine() ? [...new Set(lacking)] : [];
  assertEquals(failed.toSorted(), expected.toSorted());
  assertEquals([code, ok, wine], [isWine() ? 1 : 0, !isWine(), isWine()]);
  assertEquals(typeof elevated, "boolean");
  assertMatch(versions.windows, /^10\.0\.\d{5}$/);
  assertEquals(versions.deno, Deno.version.deno);
});
