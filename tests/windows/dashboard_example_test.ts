/** The dashboard of the examples, as far as it needs no browser: see `tests/browser` for that. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { connect } from "../../mod.ts";
import type { Snapshot } from "../../examples/dashboard/observer.ts";
import { windowsTest } from "../win32/environment.ts";
import { example, permissionsOf } from "./example.ts";
import { Program } from "./program.ts";
import { newPath } from "./support.ts";

/** The first version that imports texts without a flag. */
const SINCE = "2.8.0";

windowsTest.since(SINCE, "examples: dashboard.ts tells who is connected", async () => {
  for (const permissions of permissionsOf("dashboard.ts")) {
    assertEquals(permissions.at(-1), "--allow-net=127.0.0.1");
    const path = newPath();
    await using program = new Program(example("dashboard.ts", permissions, path));
    const [listening, see = ""] = await program.lines(2);
    assertEquals(listening, `listening on ${path}`);
    const url = see.replace(/^see /, "");
    assertStringIncludes(await (await fetch(url)).text(), "<title>Named pipe</title>");
    using conn = await connect({ path });
    assertEquals(await conn.request("hello", { as: "text" }), "HELLO");
    const { stats, clients }: Snapshot = await (await fetch(`${url}snapshot`)).json();
    assertEquals([stats.requests, stats.latency?.count], [1, 1]);
    const [client, another] = clients;
    assertEquals([client?.processId, client?.requests, another], [Deno.pid, 1, undefined]);
    assertMatch(client?.executable ?? "", /\.exe$/i);
    program.kill();
    assertEquals((await program.ended).stderr, "");
  }
});
