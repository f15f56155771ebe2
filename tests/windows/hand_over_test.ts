/** Servers that take each other's place, among clients of another process that never stop asking. */

import { assertEquals, assertGreater } from "@std/assert";
import { type PipeServer, serve } from "../../mod.ts";
import { windowsTest } from "../win32/environment.ts";
import { Program, testProgram } from "./program.ts";
import { newPath } from "./support.ts";

const CLIENTS = 8;
const CALLS = 100;

/** Requests that a server answers before it is shut down. */
const SHIFT = 37;

/** Begins a server, which resolves `enough` when it has answered its share. */
function begin(path: string, join: boolean, answered: { count: number }) {
  const enough = Promise.withResolvers<void>();
  const end = Math.min(answered.count + SHIFT, CLIENTS * CALLS);
  const server = serve({ path, join }, (request) => {
    if (++answered.count >= end) enough.resolve();
    return request;
  });
  return { server, enough: enough.promise };
}

async function end(server: PipeServer | undefined): Promise<void> {
  const { evicted, dropped } = await server?.shutdown() ?? { evicted: 0, dropped: 0 };
  assertEquals([evicted, dropped], [0, 0]);
}

for (const join of [false, true]) {
  // Without `join`, clients find no pipe until the next server begins, and wait for it.
  const how = join ? "that its successor joins" : "before its successor begins";
  windowsTest(`hand-over: a server ${how} refuses no client that has connected`, async () => {
    const path = newPath();
    const program = testProgram("callers", "--allow-ffi");
    await using callers = new Program([...program, path, `${CLIENTS}`, `${CALLS}`], {
      limit: 120_000,
    });
    const answered = { count: 0 };
    let last: PipeServer | undefined;
    let servers = 0;
    while (answered.count < CLIENTS * CALLS) {
      if (!join) await end(last);
      const { server, enough } = begin(path, join, answered);
      if (join) await end(last);
      await Promise.race([enough, callers.ended]);
      last = server;
      servers++;
    }
    await end(last);
    const { stdout } = await callers.ended;
    assertEquals(JSON.parse(stdout), { answered: CLIENTS * CALLS, errors: [] });
    assertGreater(servers, 5);
  });
}
