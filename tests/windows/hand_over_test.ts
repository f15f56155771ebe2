/** Servers that take each other's place, among clients of another process that never stop asking. */

import { assertEquals, assertGreater } from "@std/assert";
import { serve } from "../../mod.ts";
import { windowsTest } from "../win32/environment.ts";
import { Program, testProgram } from "./program.ts";
import { newPath } from "./support.ts";

const CLIENTS = 8;
const CALLS = 100;

/** Requests that a server answers before it is shut down. */
const SHIFT = 37;

windowsTest(
  "hand-over: a server that shuts down refuses no client that has connected",
  async () => {
    const path = newPath();
    const program = testProgram("callers", "--allow-ffi");
    await using callers = new Program([...program, path, `${CLIENTS}`, `${CALLS}`], {
      limit: 120_000,
    });
    let served = 0;
    let servers = 0;
    while (served < CLIENTS * CALLS) {
      const { promise: enough, resolve } = Promise.withResolvers<void>();
      const end = Math.min(served + SHIFT, CLIENTS * CALLS);
      const server = serve({ path }, (request) => {
        if (++served >= end) resolve();
        return request;
      });
      await Promise.race([enough, callers.ended]);
      // Clients find no pipe until the next server begins, and wait for it.
      const { evicted, dropped } = await server.shutdown();
      assertEquals([evicted, dropped], [0, 0]);
      servers++;
    }
    const { stdout } = await callers.ended;
    assertEquals(JSON.parse(stdout), { answered: CLIENTS * CALLS, errors: [] });
    assertGreater(servers, 5);
  },
);
