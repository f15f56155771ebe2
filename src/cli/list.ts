/**
 * `list`: the pipes of this machine.
 *
 * @module
 */

import type { Kernel, PipeEntry } from "../kernel/kernel.ts";
import { type Command, type Machine, UsageError } from "./command.ts";

/** The process that serves a pipe, and its image if this user may see it. */
interface ServerProcess {
  readonly processId: number;
  readonly executable?: string;
}

/** A pipe, with its server if that was asked; null if Windows does not tell it. */
interface Listed extends PipeEntry {
  readonly server?: ServerProcess | null;
}

/** See the module. */
export const list: Command = {
  summary: "Lists the pipes of this machine, with the number of their instances",
  usage: "[TEXT]",
  count: [0, 1],
  options: {
    servers: {
      type: "boolean",
      help: "tell the process of each server, connecting to it for a moment; needs TEXT",
    },
  },
  run(args, { pipes, machine, print }) {
    const text = args.at(0).toLowerCase();
    const servers = args.flag("servers");
    if (servers && text === "") {
      throw new UsageError("--servers needs TEXT: it connects to each pipe that is listed");
    }
    const found = pipes.listPipes()
      .filter(({ name }) => name.toLowerCase().includes(text))
      .toSorted((one, other) => one.name < other.name ? -1 : 1);
    const listed = servers ? withServers(found, machine) : found;
    if (args.flag("json")) print(`${JSON.stringify(listed)}\n`);
    else for (const pipe of listed) print(lineOf(pipe));
    return 0;
  },
};

/** Windows tells the process of a server only to who is connected to it. */
function withServers(pipes: readonly PipeEntry[], machine: Machine): Listed[] {
  const kernel = machine.open(false);
  try {
    return pipes.map((pipe) => ({ ...pipe, server: serverOf(pipe.name, kernel) }));
  } finally {
    kernel.dispose();
  }
}

function serverOf(name: string, kernel: Kernel): ServerProcess | null {
  const processId = kernel.serverProcess(`\\\\.\\pipe\\${name}`);
  if (processId === undefined) return null;
  const executable = kernel.executable(processId);
  return executable === undefined ? { processId } : { processId, executable };
}

function lineOf({ name, instances, server }: Listed): string {
  const line = `${`${instances ?? "?"}`.padStart(5)}  ${name}\n`;
  if (server === undefined) return line;
  if (server === null) {
    return `${line}       unknown: no instance is free, or this user is not let in\n`;
  }
  const program = server.executable ?? "another user's, or ended";
  return `${line}       process ${server.processId}, ${program}\n`;
}
