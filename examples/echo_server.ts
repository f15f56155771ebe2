// Permission: --allow-ffi (or --allow-ffi=C:\Windows\System32\kernel32.dll,C:\Windows\System32\advapi32.dll)
//
// deno run --allow-ffi examples/echo_server.ts [options] PATH
//
// Sends every message back to its client, within limits. Ctrl-C shuts the server down.

import { parseArgs } from "node:util";
import { type PipeServer, serve } from "@overlapped/named-pipe";

const USAGE = `Usage: echo_server.ts [options] PATH

  --max-request BYTES        ends the connection of a client that sends a longer message
  --read-buffer-size BYTES   how much a client can write before the server reads it
  --idle-timeout MS          ends the connection of a client that sends nothing for so long
  --reply-timeout MS         ... of one that leaves a reply unread for so long
  --max-instances N          lets further clients wait when there are so many`;

function refuse(): never {
  console.error(USAGE);
  Deno.exit(2);
}

function parse() {
  try {
    const option = { type: "string" } as const;
    return parseArgs({
      allowPositionals: true,
      options: {
        "max-request": option,
        "read-buffer-size": option,
        "idle-timeout": option,
        "reply-timeout": option,
        "max-instances": option,
      },
    });
  } catch {
    return refuse();
  }
}

function number(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return /^\d+$/.test(text) ? Number(text) : refuse();
}

function start(): PipeServer {
  const { values, positionals: [path, ...others] } = parse();
  if (path === undefined || others.length > 0) refuse();
  const maxInstances = number(values["max-instances"]);
  try {
    return serve({
      path,
      instances: Math.min(4, maxInstances ?? 4),
      maxInstances,
      maxMessage: number(values["max-request"]),
      readBufferSize: number(values["read-buffer-size"]),
      idleTimeout: number(values["idle-timeout"]),
      writeTimeout: number(values["reply-timeout"]),
      onDisconnect: ({ id }, _reason, error) => {
        if (error instanceof Error) console.error(`client ${id}: ${error.message}`);
      },
    }, (request) => request);
  } catch (error) {
    // A number is out of its range.
    if (error instanceof RangeError) refuse();
    throw error;
  }
}

const server = start();
const stop = () => void server.shutdown();
Deno.addSignalListener("SIGINT", stop);
Deno.addSignalListener("SIGBREAK", stop);
console.log(`listening on ${server.path}`);
await server.finished;
Deno.removeSignalListener("SIGINT", stop);
Deno.removeSignalListener("SIGBREAK", stop);
