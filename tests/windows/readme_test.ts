/** The README's programs run as they are pasted, with the permissions that it names. */

import { assertEquals, assertMatch } from "@std/assert";
import { PackedCopy } from "../packed.ts";
import { windowsTest } from "../win32/environment.ts";
import { Program, run } from "./program.ts";

const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
const programs = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, source = ""]) => source);

/** The flags of the README's scoped permissions: for servers, and for clients. */
const [SERVER = "", CLIENT = ""] = [...readme.matchAll(/^deno run "(--allow-ffi=[^"]+)"/gm)]
  .map(([, flag = ""]) => flag);

/** A program of the README that has this in it, on a pipe that nobody else has. */
async function program(
  copy: PackedCopy,
  part: string,
  permission: string,
  pipe: string,
): Promise<string[]> {
  const found = programs.filter((source) => source.includes(part));
  assertEquals(found.length, 1, part);
  const source = found[0]?.replace(/"(?:shout|clock)"/, JSON.stringify(pipe)) ?? "";
  const written = await copy.write(`${crypto.randomUUID()}.ts`, source);
  return ["run", "--quiet", "--no-prompt", "--cached-only", permission, ...written];
}

windowsTest("readme: the server answers the client", async () => {
  await using copy = await PackedCopy.make();
  const pipe = `test-${crypto.randomUUID()}`;
  await using server = new Program(await program(copy, "serve({", SERVER, pipe));
  await server.printed(`Listening on \\\\.\\pipe\\${pipe}`);
  const { code, stdout, stderr } = await run(await program(copy, "call(", CLIENT, pipe));
  assertEquals([code, stdout.trimEnd(), stderr], [0, "HELLO", ""]);
});

windowsTest("readme: a connection is sent the time, unasked", async () => {
  await using copy = await PackedCopy.make();
  const pipe = `test-${crypto.randomUUID()}`;
  await using _server = new Program(await program(copy, "listen({", SERVER, pipe));
  await using client = new Program(await program(copy, "connect({", CLIENT, pipe));
  for (const line of await client.lines(2)) assertMatch(line, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
});
