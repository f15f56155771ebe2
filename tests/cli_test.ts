import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Environment, Ran } from "../src/cli/command.ts";
import { COMMANDS, run } from "../src/cli/main.ts";
import { FACTS } from "../src/cli/doctor/doctor.ts";
import type { Finding } from "../src/cli/doctor/fact.ts";
import { VERSION } from "../src/kernel/version.ts";
import type { PipeClient } from "../src/server/client.ts";
import { Status } from "../src/kernel/status.ts";
import { lines } from "../src/pipe/framing/lines.ts";
import { MemoryKernel, NOTHING_LEFT } from "./memory_kernel.ts";
import { fate, inWorld, NAME, nextTask, PATH, type World } from "./fixture.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

interface Surroundings {
  readonly input?: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly stopped?: AbortSignal;
  readonly ran?: (command: readonly string[], input: Uint8Array) => Ran;
  readonly printed?: (text: string) => void;
  /** What standard error gets if it is a terminal. */
  readonly draw?: (text: string) => void;
  /** The kernel that the doctor examines. */
  readonly kernel?: (security: boolean) => MemoryKernel;
}

/** What is typed before the input ends. */
function typed(...chunks: string[]): ReadableStream<Uint8Array<ArrayBuffer>> {
  return ReadableStream.from(chunks.map((chunk) => encoder.encode(chunk)));
}

/** Runs a command line on pipes in memory. */
async function cli(
  world: World,
  args: readonly string[],
  { input = typed(), stopped = new AbortController().signal, ran, printed, draw, kernel }:
    Surroundings = {},
): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const environment: Environment = {
    pipes: world.pipes,
    machine: {
      deno: "2.0.0",
      open: (security) => kernel?.(security) ?? new MemoryKernel(world.system),
      system: () => ({ windows: "10.0.19045", wine: false }),
    },
    input,
    stopped,
    print: (text) => {
      out += typeof text === "string" ? text : decoder.decode(text);
      printed?.(out);
    },
    complain: (text) => {
      err += `${text}\n`;
    },
    draw,
    permit: () => Promise.resolve(),
    run: (command, input) =>
      Promise.resolve(ran?.(command, input) ?? { code: 1, output: input.slice() }),
  };
  const code = await run(args, environment);
  return { code, out, err };
}

/** A server by the command, which is stopped when the body is over. */
async function serving(
  world: World,
  args: readonly string[],
  surroundings: Surroundings,
  body: () => Promise<void>,
): Promise<{ code: number; out: string; err: string }> {
  const stop = new AbortController();
  const listening = Promise.withResolvers<void>();
  const ended = cli(world, ["serve", NAME, ...args], {
    ...surroundings,
    stopped: stop.signal,
    printed: () => listening.resolve(),
  });
  await listening.promise;
  await body();
  stop.abort();
  return await ended;
}

const shout = (request: Uint8Array) => decoder.decode(request).toUpperCase();

inWorld("cli: call prints the answer, as text, in hexadecimal or as JSON", async (world) => {
  world.serve((request) => request.length > 3 ? shout(request) : new Uint8Array([255, 65]));
  assertEquals(await cli(world, ["call", NAME, "hello"]), { code: 0, out: "HELLO\n", err: "" });
  assertEquals((await cli(world, ["call", PATH, "hello", "--json"])).out, '{"reply":"HELLO"}\n');
  assertEquals((await cli(world, ["call", "--json", NAME, "x"])).out, '{"base64":"/0E="}\n');
  const { out } = await cli(world, ["call", "--hex", NAME, "x"]);
  assertMatch(out, /^00000000 {2}ff 41 + \.A\n$/);
});

inWorld("cli: call cuts messages out of a stream", async (world) => {
  world.serve(shout, { framing: lines() });
  const { out } = await cli(world, ["call", "--framing", "lines", NAME, "hello"]);
  assertEquals(out, "HELLO\n");
});

inWorld("cli: what fails says why and what to do, with exit code 1", async (world) => {
  const missing = await cli(world, ["call", NAME, "hello"]);
  assertEquals([missing.code, missing.out], [1, ""]);
  assertStringIncludes(missing.err, `error: Cannot connect to "${PATH}": there is no pipe`);
  assertStringIncludes(missing.err, "Is the server running?");
  world.serve((_request, { signal }) =>
    new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()))
  );
  const late = await cli(world, ["call", "--timeout", "1", NAME, "hello"]);
  assertEquals(late.code, 1);
  assertEquals(late.err, "error: There was no answer within 1 ms\n");
});

inWorld("cli: a wrong command line is exit code 2, and names the help", async (world) => {
  for (
    const [args, text] of [
      [["nonsense"], 'There is no command "nonsense"'],
      [["call", NAME], "Missing arguments: PATH MESSAGE"],
      [["list", "a", "b"], "Too many arguments: b"],
      [["list", "--nonsense"], "--nonsense"],
      [["list", "--servers"], "--servers needs TEXT"],
      [["call", "a/b", "hello"], "slash"],
      [["bench", NAME, "--clients", "0"], "--clients must be an integer from 1 to 256"],
      [["call", NAME, "x", "--framing", "tar"], "--framing must be one of lines, length"],
      [["serve", NAME, "--type", "byte"], "needs --framing"],
    ] as const
  ) {
    const { code, out, err } = await cli(world, args);
    assertEquals([code, out], [2, ""], err);
    assertStringIncludes(err, text);
    assertMatch(err, /--help\n/);
  }
  assertEquals((await cli(world, [])).code, 2);
});

inWorld("cli: --help tells every command, and every option of one", async (world) => {
  const all = await cli(world, ["--help"]);
  assertEquals([all.code, all.err], [0, ""]);
  for (const [name, { usage, options }] of COMMANDS) {
    assertStringIncludes(all.out, `  ${name} ${usage}`.trimEnd());
    const { code, out } = await cli(world, [name, "--help"]);
    assertEquals(code, 0);
    for (const option of [...Object.keys(options), "json", "help"]) {
      assertStringIncludes(out, `--${option}`);
    }
    for (const line of out.split("\n")) assertEquals(line.length <= 100, true, line);
  }
});

inWorld("cli: list tells names and instances", async (world) => {
  world.serve(() => {}, { path: "zebra", instances: 2 });
  world.serve(() => {}, { path: "App" });
  assertEquals((await cli(world, ["list"])).out, "    4  App\n    2  zebra\n");
  assertEquals((await cli(world, ["list", "ZEB"])).out, "    2  zebra\n");
  const { out } = await cli(world, ["list", "--json"]);
  assertEquals(JSON.parse(out), [{ name: "App", instances: 4 }, { name: "zebra", instances: 2 }]);
});

inWorld(
  "cli: list tells servers only if asked, by a connection that sends nothing",
  async (world) => {
    const clients: PipeClient[] = [];
    world.serve(() => {}, { path: "server", onConnect: (client) => void clients.push(client) });
    world.listen({ path: "server.reader", direction: "read", instances: 1, maxInstances: 1 });
    world.listen({ path: "server.writer", direction: "write", instances: 1 });
    const processId = world.kernel.process;
    world.system.processes.setProgram(processId, { path: "C:\\server.exe", began: 0 });
    const told = `       process ${processId}, C:\\server.exe\n`;

    await cli(world, ["list", "server"]);
    assertEquals([world.ends, clients.length], [[], 0]);
    const { out } = await cli(world, ["list", "server", "--servers"]);
    assertEquals(
      out,
      `    4  server\n${told}    1  server.reader\n${told}    1  server.writer\n${told}`,
    );
    await world.idle();
    assertEquals(clients.length, 1);
    // A listener that only writes learns it with its next write.
    assertEquals(world.reasons, ["peer", "peer"]);
    const { out: json } = await cli(world, ["list", "server.r", "--servers", "--json"]);
    assertEquals(JSON.parse(json), [
      { name: "server.reader", instances: 1, server: { processId, executable: "C:\\server.exe" } },
    ]);
  },
);

inWorld("cli: list tells that a server cannot be asked", async (world) => {
  world.listen({ path: "busy", instances: 1, maxInstances: 1 });
  world.system.connect("\\\\.\\pipe\\busy");
  world.serve(() => {}, { path: "busy.not", instances: 1, maxInstances: 1 });
  const processId = world.kernel.process;
  world.system.processes.setProgram(processId, undefined);
  await world.idle();
  const { code, out } = await cli(world, ["list", "busy", "--servers"]);
  assertEquals(code, 0);
  const [, unknown, , known] = out.split("\n");
  assertMatch(unknown ?? "", /^ {7}unknown: no instance is free/);
  assertEquals(known, `       process ${processId}, another user's, or ended`);
  await world.idle();
  const { out: json } = await cli(world, ["list", "busy", "--servers", "--json"]);
  assertEquals(JSON.parse(json), [
    { name: "busy", instances: 1, server: null },
    { name: "busy.not", instances: 1, server: { processId } },
  ]);
});

inWorld("cli: connect sends lines as messages, and prints those that come", async (world) => {
  const left = Promise.withResolvers<void>();
  world.serve((request, { client }) => {
    if (decoder.decode(request) === "bye") client.close();
    return shout(request);
  }, { onDisconnect: () => left.resolve() });
  const input = typed("he", "llo\r\nwor", "ld\n", "bye");
  const { code, out, err } = await cli(world, ["connect", NAME], { input });
  assertEquals([code, out, err], [0, "HELLO\nWORLD\n", ""]);
  await left.promise;
});

inWorld("cli: connect ends some time after its input, if it is to", async (world) => {
  world.serve(shout);
  const { code, out } = await cli(world, ["connect", NAME, "--linger", "50", "--json"], {
    input: typed("hello\n"),
  });
  assertEquals([code, out], [0, '{"message":"HELLO"}\n']);
});

inWorld("cli: connect fails if its input does", async (world) => {
  world.serve(shout);
  const input = new ReadableStream({ start: (control) => control.error(new Error("no input")) });
  const { code, err } = await cli(world, ["connect", NAME], { input });
  assertEquals([code, err], [1, "error: no input\n"]);
});

inWorld("cli: connect passes bytes of a byte pipe as they are", async (world) => {
  const listener = world.listen({ type: "byte" });
  const ended = cli(world, ["connect", NAME], { input: typed("a\nb") });
  const conn = await listener.accept();
  world.conns.push(conn);
  const memory = new Uint8Array(10);
  let text = "";
  while (text.length < 3) {
    const read = await conn.read(memory);
    if (read === null) break;
    text += decoder.decode(memory.subarray(0, read));
  }
  assertEquals(text, "a\nb");
  await conn.write(encoder.encode("no end"));
  conn.close();
  assertEquals(await ended, { code: 0, out: "no end", err: "" });
});

inWorld("cli: serve echoes until it is stopped, and tells requests", async (world) => {
  const { code, out } = await serving(world, [], {}, async () => {
    assertEquals(await world.visit("hello"), "hello");
  });
  assertEquals([code, out], [0, `Listening on ${PATH}\n`]);
  const told = await serving(world, ["--json"], {}, async () => {
    await world.visit("hello");
  });
  assertMatch(told.out, /^\{"path":.*\}\n\{"client":1,"processId":\d+,"request":"hello"\}\n$/);
});

inWorld("cli: serve passes each request to a command, and its output back", async (world) => {
  const commands: string[] = [];
  const ran = (command: readonly string[], input: Uint8Array): Ran => {
    commands.push(command.join(" "));
    return { code: input.length > 5 ? 3 : 0, output: input.subarray(0, input.length - 1).slice() };
  };
  const { err } = await serving(world, ["--", "cut", "--help"], { ran }, async () => {
    assertEquals(await world.visit("hello"), "hell");
    assertEquals(await world.visit("x"), "");
    assertEquals(await world.visit("failing"), undefined);
  });
  assertEquals(commands, ["cut --help", "cut --help", "cut --help"]);
  assertEquals(err, "cut ended with exit code 3\n");
});

inWorld("cli: bench asks until the time is up", async (world) => {
  world.serve((request) => request);
  const { code, out } = await cli(world, [
    "bench",
    NAME,
    "--clients",
    "2",
    "--seconds",
    "1",
    "--json",
  ]);
  const { clients, requests, perSecond, p50, p99, max } = JSON.parse(out);
  assertEquals([code, clients], [0, 2]);
  assertEquals(requests > 0 && perSecond > 0 && p50 <= p99 && p99 <= max, true, out);
});

inWorld(
  "cli: bench shows how far it is on a terminal, and leaves no trace there",
  async (world) => {
    world.serve((request) => request);
    const drawn: string[] = [];
    const { out, err } = await cli(world, ["bench", NAME, "--seconds", "1"], {
      draw: (text) => drawn.push(text),
    });
    assertMatch(out, /^\d+ requests by 4 clients/);
    assertEquals(err, "");
    assertEquals(drawn[0], `\r[${"-".repeat(24)}]   0 %  0 requests, 0 per second`);
    const last = drawn.pop() ?? "";
    assertMatch(last, /^\r +\r$/);
    const lengths = drawn.map((line) => line.length);
    assertEquals(last.length, Math.max(...lengths) + 1);
    // Each line covers the one before, and none wraps.
    assertEquals(lengths, lengths.toSorted((one, other) => one - other));
    assertEquals(Math.max(...lengths) <= 80, true);
    assertMatch(drawn.at(-1) ?? "", /^\r\[#{15,24}-*\] +\d+ % {2}\d+ requests, \d+ per second *$/);
  },
);

/** What the doctor says does not hold: the name of each fact, and what was seen. */
function failures(facts: readonly Finding[]): [string, string][] {
  return facts.filter(({ ok }) => !ok).map(({ id, seen }) => [id, seen]);
}

/** Lets time pass until the doctor is done. */
async function patiently<T>(kernel: MemoryKernel, done: Promise<T>): Promise<T> {
  const over = fate(done);
  while (over.state === "pending") {
    await nextTask();
    if (kernel.waitState === "entered") await kernel.advance(1_000);
  }
  return await done;
}

/** What the memory does not do: it enforces no access rights. */
const UNENFORCED: [string, string][] = [["access", "success"], ["no-second-server", "success"]];

inWorld("cli: doctor tries every fact, and leaves nothing behind", async (world) => {
  const kernel = new MemoryKernel(world.system);
  const { code, out } = await cli(world, ["doctor", "--json"], { kernel: () => kernel });
  const { ok, versions, wine, elevated, facts } = JSON.parse(out);
  assertEquals(failures(facts), UNENFORCED);
  assertEquals(facts.length, FACTS.length + 3);
  assertEquals(new Set(FACTS.map(({ id }) => id)).size, FACTS.length);
  assertEquals([code, ok, wine, elevated], [1, false, false, false]);
  assertEquals(versions, { windows: "10.0.19045", deno: "2.0.0", module: VERSION });
  assertEquals(kernel.leftovers(), NOTHING_LEFT);
});

inWorld("cli: doctor tells what was expected and what was seen", async (world) => {
  const kernel = new MemoryKernel(world.system);
  kernel.decisions.fails = (call) => call === "write" ? Status.NO_SYSTEM_RESOURCES : undefined;
  const { code, out } = await patiently(kernel, cli(world, ["doctor"], { kernel: () => kernel }));
  assertEquals(code, 1);
  assertStringIncludes(out, "Windows 10.0.19045, Deno 2.0.0, module ");
  assertStringIncludes(
    out,
    "though nobody reads\n      expected success\n      seen     error 1450\n",
  );
  assertMatch(out, /\n\d+ of \d+ facts hold\.\n$/);
});

inWorld("cli: doctor does not wait for ever", async (world) => {
  const kernel = new MemoryKernel(world.system);
  const { write } = kernel;
  // A write that nobody has seen, so that whoever reads waits in vain.
  kernel.write = (handle, slot, message) =>
    message.length === 5 ? Status.SUCCESS : write.call(kernel, handle, slot, message);
  const examined = cli(world, ["doctor", "--json"], { kernel: () => kernel });
  const { facts } = JSON.parse((await patiently(kernel, examined)).out);
  const [id, seen] = failures(facts).find(([id]) => id === "zero-read") ?? [];
  assertEquals([id, seen], ["zero-read", "nothing completed within 5000 ms"]);
});

inWorld(
  "cli: without advapi32.dll doctor tells what it needs, and tries the rest",
  async (world) => {
    const kernel = (security: boolean) => {
      if (security) throw new Deno.errors.NotCapable("run again with --allow-ffi");
      return new MemoryKernel(world.system);
    };
    const { code, out } = await cli(world, ["doctor", "--json"], { kernel });
    const { elevated, facts } = JSON.parse(out);
    assertEquals(failures(facts), [["advapi32", "run again with --allow-ffi"]]);
    assertEquals([code, elevated], [1, undefined]);
  },
);

Deno.test("cli: the version is that of deno.json", async () => {
  const file = new URL("../deno.json", import.meta.url);
  assertEquals(VERSION, JSON.parse(await Deno.readTextFile(file)).version);
});
