import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { connectOn } from "../src/client/connect.ts";
import { listPipesOn } from "../src/client/list_pipes.ts";
import type { Environment, Ran } from "../src/cli/command.ts";
import { COMMANDS, run } from "../src/cli/main.ts";
import { serveOn } from "../src/exchange/serve.ts";
import { lines } from "../src/pipe/framing/lines.ts";
import { inWorld, NAME, PATH, type World } from "./fixture.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

interface Surroundings {
  readonly input?: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly stopped?: AbortSignal;
  readonly ran?: (command: readonly string[], input: Uint8Array) => Ran;
  readonly printed?: (text: string) => void;
}

/** What is typed before the input ends. */
function typed(...chunks: string[]): ReadableStream<Uint8Array<ArrayBuffer>> {
  return ReadableStream.from(chunks.map((chunk) => encoder.encode(chunk)));
}

/** Runs a command line on pipes in memory. */
async function cli(
  world: World,
  args: readonly string[],
  { input = typed(), stopped = new AbortController().signal, ran, printed }: Surroundings = {},
): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const environment: Environment = {
    pipes: {
      serve: (options, responder) => serveOn(world.open, options, responder),
      connect: (options) => connectOn(world.open, options),
      listPipes: () => listPipesOn(world.system.list),
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
