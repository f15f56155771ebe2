/**
 * This module as a server that echoes lines: `our_lines.ts PIPE`.
 *
 * @module
 */

import { lines, listen, type PipeConn } from "../../mod.ts";

async function answer(conn: PipeConn): Promise<void> {
  for await (const line of conn) await conn.send(line);
}

const [path = ""] = Deno.args;
for await (const conn of listen({ path, framing: lines() })) answer(conn).catch(() => {});
