/**
 * This module as a server that echoes lines: `our_lines.ts PIPE`.
 *
 * @module
 */

import { lines, serve } from "../../mod.ts";

const [path = ""] = Deno.args;
await serve({ path, framing: lines() }, (line) => line).finished;
