/**
 * A command line for named pipes: look at them, talk to them, serve them.
 *
 * ```sh
 * deno run --allow-ffi jsr:@overlapped/named-pipe/cli list
 * deno run --allow-ffi jsr:@overlapped/named-pipe/cli call docker_engine "GET /_ping HTTP/1.0"
 * ```
 *
 * `--help` tells the commands and their options; `docs/cli.md` of the repository has examples.
 *
 * @module
 */

import { run } from "./main.ts";
import { terminal } from "./terminal.ts";

/**
 * Runs a command line. Takes over Ctrl-C, standard input and the output of the program.
 *
 * @param args The command, its options and its arguments; by default those of this program.
 * @returns The exit code: 0, 1 if the command failed, 2 if the command line is wrong.
 *
 * @example A command line of one's own name
 * ```ts ignore
 * import { main } from "@overlapped/named-pipe/cli";
 *
 * Deno.exit(await main());
 * ```
 */
export async function main(args: readonly string[] = Deno.args): Promise<number> {
  return await run(args, terminal());
}

// A read of standard input may still wait.
if (import.meta.main) Deno.exit(await main());
