/**
 * The demonstration on Windows: the clients are in another process.
 *
 * @module
 */

import { connect } from "@overlapped/named-pipe";
import { demonstrate, runClients } from "./demonstration.ts";

async function otherProcess(path: string): Promise<boolean> {
  const clients = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-ffi", import.meta.filename ?? "", path],
  }).spawn();
  return (await clients.status).success;
}

const [given] = Deno.args;
if (given !== undefined) await runClients(given, () => connect);
else {
  const path = `named-pipe-demo-${Deno.pid}`;
  if (!await demonstrate(path, () => otherProcess(path))) Deno.exitCode = 1;
}
