/**
 * Runs the command that a command line names.
 *
 * @module
 */

import { bench } from "./bench.ts";
import { call } from "./call.ts";
import { Args, type Command, type Environment, helpOf, UsageError } from "./command.ts";
import { connect } from "./connect.ts";
import { doctor } from "./doctor/doctor.ts";
import { list } from "./list.ts";
import { serve } from "./serve.ts";

/** Every command. */
export const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ["list", list],
  ["call", call],
  ["connect", connect],
  ["serve", serve],
  ["bench", bench],
  ["doctor", doctor],
]);

/** How the program is called, in its help. */
const PROGRAM = "named-pipe";

/** Exit codes. */
const FAILED = 1;
const USAGE = 2;

/** What to do about an error, by its class. */
const ADVICE: readonly [new () => Error, string][] = [
  [
    Deno.errors.NotFound,
    'Is the server running? "list" shows the pipes of this machine, and --wait waits.',
  ],
  [
    Deno.errors.PermissionDenied,
    "The server does not let this user in, or the pipe goes in one direction only.",
  ],
  [Deno.errors.Busy, "All instances have a client. Try again."],
  [Deno.errors.AddrInUse, "Another server has the name: end it, or choose another name."],
];

/** Runs a command line, and gives the exit code: 0, 1 if it failed, 2 if it is wrong. */
export async function run(args: readonly string[], environment: Environment): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === "--help") {
    environment.print(help());
    return name === undefined ? USAGE : 0;
  }
  const command = COMMANDS.get(name);
  try {
    if (command === undefined) throw new UsageError(`There is no command "${name}"`);
    const parsed = new Args(command, rest);
    if (!parsed.flag("help")) return await command.run(parsed, environment);
    environment.print(helpOf(`${PROGRAM} ${name}`, command));
    return 0;
  } catch (error) {
    return failed(error, command === undefined ? "--help" : `${name} --help`, environment);
  }
}

function failed(error: unknown, usage: string, { complain, stopped }: Environment): number {
  // The program was ended with Ctrl-C.
  if (stopped.aborted && error === stopped.reason) return FAILED;
  complain(`error: ${error instanceof Error ? error.message : error}`);
  if (isUsage(error)) complain(`See: ${PROGRAM} ${usage}`);
  const advice = ADVICE.find(([Class]) => error instanceof Class)?.[1];
  if (advice !== undefined) complain(advice);
  return isUsage(error) ? USAGE : FAILED;
}

/** A name or a message that the module refuses is a wrong argument, too. */
function isUsage(error: unknown): boolean {
  return error instanceof UsageError || error instanceof TypeError || error instanceof RangeError;
}

function help(): string {
  const commands = [...COMMANDS].map(([name, { usage, summary }]) =>
    `  ${name} ${usage}`.trimEnd() + `\n      ${summary.replaceAll("\n", "\n      ")}\n`
  );
  return `Usage: ${PROGRAM} COMMAND [OPTION]...\n\n${commands.join("")}\n` +
    `"${PROGRAM} COMMAND --help" shows the options of a command. Exit codes: 0, 1 if it failed, 2 if\n` +
    "the command line is wrong.\n";
}
