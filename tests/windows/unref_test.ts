/** Servers that let their program end. */

import { assertEquals, assertGreater } from "@std/assert";
import { startClient } from "../win32/client.ts";
import { windowsTest } from "../win32/environment.ts";
import { Program, run, testProgram } from "./program.ts";
import { newPath } from "./support.ts";

const client = await startClient();

function program(path: string, way: string, polls: boolean): string[] {
  return [...testProgram("unrefs", "--allow-ffi"), path, way, ...(polls ? ["polls"] : [])];
}

for (
  const [how, polls] of [["", false], [", in a Deno that cannot let go of a call", true]] as const
) {
  windowsTest(`unref: a program that only serves ends${how}`, async () => {
    const { code, stdout, stderr } = await run(program(newPath(), "alone", polls));
    assertEquals([code, stdout.trim(), stderr], [0, "nothing is left to do", ""]);
  });

  windowsTest(`unref: a server serves on beside a timer, and ends with it${how}`, async () => {
    const path = newPath();
    await using running = new Program(program(path, "beside a timer", polls));
    await running.printed("nothing is left to do");
    await using _idle = await client.open(path, { messageMode: true });
    await using pipe = await client.open(path, { messageMode: true });
    for (const text of ["one", "two", "last"]) assertEquals(await pipe.ask(text), text);
    // Both connections are open.
    const { code, stderr } = await running.ended;
    assertEquals([code, stderr], [0, ""]);
  });

  windowsTest(`unref: clients that are always busy do not keep a program${how}`, async () => {
    const path = newPath();
    await using running = new Program(program(path, "busy", polls));
    await running.printed("nothing is left to do");
    const load = await client.load({ path, clients: 8, exchanges: 1_000_000, pipeline: 8 });
    assertEquals(load.errors.length, 8);
    assertGreater(load.counts.reduce((sum, count) => sum + count), 900);
    const { code, stderr } = await running.ended;
    assertEquals([code, stderr], [0, ""]);
  });

  windowsTest(`unref: a server that is shut down is waited for${how}`, async () => {
    const path = newPath();
    await using running = new Program(program(path, "shutdown", polls));
    await running.printed("serving");
    await using pipe = await client.open(path, { messageMode: true });
    assertEquals(await pipe.ask("last"), "last");
    const { code, stdout, stderr } = await running.ended;
    assertEquals([code, stderr], [0, ""]);
    assertEquals(stdout.includes("evicted: 0"), true, stdout);
  });

  windowsTest(`unref: a server that is ref'd again keeps its program${how}`, async () => {
    const path = newPath();
    await using running = new Program(program(path, "ref", polls));
    await running.printed("nothing is left to do");
    await using pipe = await client.open(path, { messageMode: true });
    for (const text of ["one", "last"]) assertEquals(await pipe.ask(text), text);
    const { code, stderr } = await running.ended;
    assertEquals([code, stderr], [0, ""]);
  });
}
