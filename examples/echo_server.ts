// Permission: --allow-ffi (or --allow-ffi=C:\Windows\System32\kernel32.dll)
//
// deno run --allow-ffi examples/echo_server.ts PATH
//
// Sends every message back to the client that it came from. Ctrl-C shuts it down.

import { parseArgs } from "node:util";
import { serve } from "@overlapped/named-pipe";

const { positionals: [path] } = parseArgs({ allowPositionals: true });
if (path === undefined) {
  console.error("Usage: echo_server.ts PATH");
  Deno.exit(2);
}

const server = serve({
  path,
  onListen: ({ path }) => console.log(`listening on ${path}`),
}, (request) => request);

const stop = () => void server.shutdown();
Deno.addSignalListener("SIGINT", stop);
Deno.addSignalListener("SIGBREAK", stop);
await server.finished;
Deno.removeSignalListener("SIGINT", stop);
Deno.removeSignalListener("SIGBREAK", stop);
