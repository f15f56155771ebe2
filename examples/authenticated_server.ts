// Permission: --allow-ffi (or --allow-ffi=C:\Windows\System32\kernel32.dll,C:\Windows\System32\advapi32.dll)
//
// deno run --allow-ffi examples/authenticated_server.ts [--allow SID]... PATH
//
// Answers each client with its identity. Without --allow, only the user running the server can
// connect. With it, all users of this machine can, but only those with one of the SIDs are answered.

import { parseArgs } from "node:util";
import { type PipeClient, serve } from "@overlapped/named-pipe";

function refuse(): never {
  console.error("Usage: authenticated_server.ts [--allow SID]... PATH");
  Deno.exit(2);
}

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { allow: { type: "string", multiple: true } },
    });
  } catch {
    return refuse();
  }
}

async function describe(client: PipeClient): Promise<string> {
  const { processId, sessionId } = client;
  // The name is for display only, and may be unavailable.
  const account = await client.accountName().catch(() => "unknown");
  return JSON.stringify({ account, ...client.user(), processId, sessionId });
}

const { values: { allow = [] }, positionals: [path, ...others] } = parse();
if (path === undefined || others.length > 0) refuse();

await using server = serve({
  path,
  access: allow.length === 0 ? "current-user" : "local-users",
  authorize: (client) => allow.length === 0 || allow.includes(client.user().sid),
  onListen: ({ path }) => console.log(`listening on ${path}`),
  onDisconnect: (client, reason) => {
    if (reason === "unauthorized") console.log(`refused process ${client.processId}`);
  },
}, (_request, { client }) => describe(client));

const stop = () => void server.shutdown();
Deno.addSignalListener("SIGINT", stop);
Deno.addSignalListener("SIGBREAK", stop);
await server.finished;
Deno.removeSignalListener("SIGINT", stop);
Deno.removeSignalListener("SIGBREAK", stop);
