// Permission: --allow-ffi (or --allow-ffi=C:\Windows\System32\kernel32.dll)
//
// deno run --allow-ffi examples/client.ts PATH MESSAGE...
//
// Sends each message to the server and prints the answer to each on a line of its own.

import { parseArgs } from "node:util";
import { connect } from "@overlapped/named-pipe";

const { positionals: [path, ...messages] } = parseArgs({ allowPositionals: true });
if (path === undefined || messages.length === 0) {
  console.error("Usage: client.ts PATH MESSAGE...");
  Deno.exit(2);
}

await using conn = await connect({ path });
for (const message of messages) {
  console.log(await conn.request(message, { as: "text" }));
}
