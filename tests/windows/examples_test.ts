/** Each example is run as its first lines say, and the demonstration as the README says. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { type ClientPipe, startClient } from "../win32/client.ts";
import { windowsTest } from "../win32/environment.ts";
import { Code } from "../win32/raw.ts";
import {
  EmptyCache,
  example,
  EXAMPLES,
  lines,
  permissionsOf,
  ROOT,
  sources,
  withEachPermission,
} from "./example.ts";
import { Program, type Ran, run, testProgram } from "./program.ts";
import { GONE, newPath, rejectsWith, within } from "./support.ts";

const client = await startClient();
/** What Microsoft's client sends, and prints when it comes back. */
const MESSAGE = "Default message from client.";
const ANSWER = "Default answer from server";

function utf16(text: string): Uint8Array<ArrayBuffer> {
  const units = Uint16Array.from(text, (character) => character.charCodeAt(0));
  return new Uint8Array(units.buffer);
}

function open(path: string): Promise<ClientPipe> {
  return client.open(path, { messageMode: true, wait: 5_000 });
}

windowsTest("examples: all of them are run", async () => {
  const names: string[] = [];
  for await (const { name, isFile } of Deno.readDir(new URL("examples/", ROOT))) {
    if (isFile) names.push(name);
  }
  assertEquals(names.toSorted(), [...EXAMPLES].toSorted());
  const tests: string[] = [];
  for await (const { name } of Deno.readDir(new URL("./", import.meta.url))) {
    if (!name.endsWith("_test.ts")) continue;
    tests.push(await Deno.readTextFile(new URL(name, import.meta.url)));
  }
  const idle = EXAMPLES.filter((name) => !tests.some((text) => text.includes(`"${name}"`)));
  assertEquals(idle, []);
});

windowsTest("examples: they import this module by its name, and else little", () => {
  for (const [name, source] of sources) {
    const imports = [...source.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*["'`]([^"'`]+)["'`]/g)]
      .map(([, specifier = ""]) => specifier);
    assert(imports.some((specifier) => specifier.startsWith("@overlapped/named-pipe")), name);
    for (const specifier of imports) {
      // What Deno has built in, libraries of npm with their versions, and parts of its own.
      assertMatch(
        specifier,
        /^(@overlapped\/named-pipe(\/(http|node|testing))?|node:[a-z/]+|npm:(@\w+\/)?[\w-]+@[\d.]+(\/\w+)?|\.\/dashboard\/\w+\.ts)$/,
        name,
      );
    }
  }
});

windowsTest(
  "examples: without their permission they fail, and say which one is missing",
  async () => {
    const runs = [
      run(example("named_pipe_server.ts", [], "--path", newPath())),
      run(example("echo_server.ts", [], newPath())),
      run(example("client.ts", [], newPath(), "hello")),
      run(example("authenticated_server.ts", [], newPath())),
    ];
    for (const { code, stderr } of await Promise.all(runs)) {
      assertEquals(code, 1);
      assertStringIncludes(stderr, "NotCapable");
      assertStringIncludes(stderr, "--allow-ffi");
    }
  },
);

windowsTest("examples: named_pipe_server answers Microsoft's client, built for ANSI", async () => {
  await withEachPermission("named_pipe_server.ts", async (permissions, env) => {
    const path = newPath();
    await using server = new Program(
      example("named_pipe_server.ts", permissions, "--path", path),
      { env },
    );
    await server.printed("listening");
    await using pipe = await open(path);
    for (const text of [MESSAGE, "and another"]) {
      assertEquals(await pipe.ask(`${text}\0`), `${ANSWER}\0`);
      await server.printed(`[0] ${text}`);
    }
    const others = [await open(path), await open(path), await open(path)];
    await rejectsWith(Code.PIPE_BUSY, client.open(path));
    for (const [i, other] of others.entries()) {
      assertEquals(await other.ask(`other ${i}\0`), `${ANSWER}\0`);
      await server.printed(`[${i + 1}] other ${i}`);
      await other.close();
    }
    server.kill();
    const { stdout } = await server.ended;
    assertEquals(lines(stdout), [
      `listening on ${path}`,
      `[0] ${MESSAGE}`,
      "[0] and another",
      "[1] other 0",
      "[2] other 1",
      "[3] other 2",
    ]);
  });
});

windowsTest(
  "examples: named_pipe_server answers Microsoft's client, built for Unicode",
  async () => {
    const path = newPath();
    await using server = new Program(
      example("named_pipe_server.ts", ["--allow-ffi"], "--path", path, "--encoding", "utf-16le"),
    );
    await server.printed("listening");
    await using pipe = await open(path);
    for (const text of [MESSAGE, "Grüße, 管道"]) {
      await pipe.write(utf16(`${text}\0`));
      assertEquals((await pipe.read()).bytes, utf16(`${ANSWER}\0`));
      await server.printed(`[0] ${text}`);
    }
  },
);

windowsTest("examples: echo_server echoes, and client prints what comes back", async () => {
  await withEachPermission("echo_server.ts", async (permissions, env) => {
    const path = newPath();
    await using server = new Program(example("echo_server.ts", permissions, path), { env });
    await server.printed("listening");
    await using pipe = await open(path);
    const message = { length: 100_000, seed: 1 };
    await pipe.write(message);
    assert(await pipe.readPattern(message));
    await pipe.write("");
    assertEquals((await pipe.read()).bytes.length, 0);
    for (const permissions of permissionsOf("client.ts")) {
      const messages = ["one", "two words", "Grüße"];
      const ran = await run(example("client.ts", permissions, path, ...messages), { env });
      assertEquals([ran.code, lines(ran.stdout), ran.stderr], [0, messages, ""]);
    }
    server.kill();
    assertEquals(lines((await server.ended).stdout), [`listening on ${path}`]);
  });
});

windowsTest("examples: echo_server keeps the limits that it is given", async () => {
  const path = newPath();
  await using server = new Program(
    example("echo_server.ts", ["--allow-ffi"], "--max-request=10", "--max-instances=1", path),
  );
  await server.printed("listening");
  await using pipe = await open(path);
  assertEquals(await pipe.ask("0123456789"), "0123456789");
  await rejectsWith(Code.PIPE_BUSY, client.open(path));
  await pipe.write("0123456789+").catch(() => {});
  await rejectsWith(GONE, pipe.read());
  await server.complained("longer than the limit of 10");
});

windowsTest("examples: authenticated_server tells each caller about itself", async () => {
  await withEachPermission("authenticated_server.ts", async (permissions, env) => {
    const path = newPath();
    await using server = new Program(
      example("authenticated_server.ts", permissions, path),
      { env },
    );
    await server.printed("listening");
    await using pipe = await open(path);
    await pipe.write("who am I?");
    const told = JSON.parse((await pipe.read()).text);
    assertMatch(told.sid, /^S-1-5-/);
    assertMatch(told.account, /^[^\\]+\\[^\\]+$/);
    const { integrity, elevated, processId, sessionId } = told;
    const types = [integrity, elevated, processId, sessionId].map((value) => typeof value);
    assertEquals(types, ["string", "boolean", "number", "number"]);
  });
});

windowsTest("examples: authenticated_server refuses whom it was not told to let in", async () => {
  const path = newPath();
  const allowed = ["--allow", "S-1-5-32-544", "--allow", "S-1-1-0"];
  const args = example("authenticated_server.ts", ["--allow-ffi"], ...allowed, path);
  await using server = new Program(args);
  await server.printed("listening");
  await using pipe = await open(path);
  await pipe.write("who am I?");
  await rejectsWith(Code.BROKEN_PIPE, pipe.read());
  await server.printed("refused process");
});

/** Runs a server in a console of its own, and presses a key combination when it listens. */
async function pressed(key: "ctrl-c" | "ctrl-break", args: readonly string[]): Promise<Ran> {
  const file = await Deno.makeTempFile();
  try {
    const program = testProgram("in_console", "--allow-ffi", "--allow-run", "--allow-write");
    const { code } = await within("the console", run([...program, file, key, ...args]), 30_000);
    assertEquals(code, 0);
    return JSON.parse(await Deno.readTextFile(file));
  } finally {
    await Deno.remove(file);
  }
}

windowsTest("examples: Ctrl-C shuts the servers down", async () => {
  const path = newPath();
  for (
    const args of [
      example("echo_server.ts", ["--allow-ffi"], path),
      example("named_pipe_server.ts", ["--allow-ffi"], "--path", path),
      example("lines.ts", ["--allow-ffi"], "serve", path),
      example("discord_rpc.ts", ["--allow-ffi"], "serve", path),
      example("tail.ts", ["--allow-ffi", "--allow-read"], path, fileURLToPath(import.meta.url)),
      example("json_rpc_server.ts", ["--allow-ffi", "--allow-env"], path),
      example("grpc_server.ts", ["--allow-ffi", "--allow-env"], path),
    ]
  ) {
    const { code, stdout, stderr } = await pressed("ctrl-c", args);
    assertEquals([code, lines(stdout), stderr], [0, [`listening on ${path}`], ""]);
  }
});

windowsTest("examples: Ctrl-C ends all Workers, and the proxy", async () => {
  const path = newPath();
  const permissions = ["--allow-ffi", "--allow-read", "--allow-net"];
  for (
    const [args, printed] of [
      [example("workers.ts", permissions, "--workers=1", path), `worker 1 is listening on ${path}`],
      [
        example("proxy.ts", permissions, `pipe:${path}`, "tcp:127.0.0.1:1"),
        `listening at pipe:${path}`,
      ],
    ] as const
  ) {
    const { code, stdout, stderr } = await pressed("ctrl-c", args);
    assertEquals([code, lines(stdout), stderr], [0, [printed], ""]);
  }
});

windowsTest.since("2.8.0", "examples: Ctrl-C ends the dashboard, and its page", async () => {
  const path = newPath();
  const args = example("dashboard.ts", ["--allow-ffi", "--allow-net=127.0.0.1"], path);
  const { code, stdout, stderr } = await pressed("ctrl-c", args);
  const [listening, see] = lines(stdout);
  assertEquals([code, listening, stderr], [0, `listening on ${path}`, ""]);
  assertMatch(see ?? "", /^see http:/);
});

windowsTest.notUnderWine("examples: Ctrl-Break shuts a server down", async () => {
  const path = newPath();
  const args = example("echo_server.ts", ["--allow-ffi"], path);
  const { code, stdout, stderr } = await pressed("ctrl-break", args);
  assertEquals([code, lines(stdout), stderr], [0, [`listening on ${path}`], ""]);
});

windowsTest("examples: notes keeps a note for each user", async () => {
  await withEachPermission("notes.ts", async (permissions, env) => {
    const notes = (...args: string[]) =>
      example("notes.ts", permissions, `--pipe=${path}`, ...args);
    const path = newPath();
    await using server = new Program(notes("serve"), { env });
    await server.printed("listening");
    for (const args of [["write", "Buy milk"], ["read"]]) {
      const { code, stdout, stderr } = await run(notes(...args), { env });
      assertEquals([code, lines(stdout), stderr], [0, args[1] ? [] : ["Buy milk"], ""]);
    }
  });
});

windowsTest("examples: the demonstration shows 18 exchanges, and ends by itself", async () => {
  await using cache = new EmptyCache();
  const { code, stdout, stderr } = await run([
    "run",
    "--quiet",
    "--no-prompt",
    "--no-remote",
    "--cached-only",
    "--allow-ffi",
    "--allow-run",
    "--allow-read",
    fileURLToPath(new URL("tools/demo/windows.ts", ROOT)),
  ], { env: cache.env, limit: 60_000 });
  assertEquals([code, stderr], [0, ""]);
  const exchange =
    /^\[([0-3])\] "(request [1-3] of client [1-6])" -> "Default answer from server"$/;
  const shown = lines(stdout).map((line) => exchange.exec(line)).filter((match) => match !== null);
  assertEquals(shown.length, 18);
  assertEquals(new Set(shown.map(([, , request]) => request)).size, 18);
  // Four instances, and six clients.
  assertEquals(new Set(shown.map(([, instance]) => instance)).size, 4);
  assertEquals(cache.downloads(), []);
});
