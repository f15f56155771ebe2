/** Uses everything and closes it, in the way that the argument names; then nothing is left to do. */

import { call, connect, exchanges, serve } from "../../../mod.ts";

const path = `ends-${crypto.randomUUID()}`;

async function talk(): Promise<void> {
  const conn = await connect({ path });
  await conn.request("over a connection");
  conn.close();
  await call(path, "in one call");
}

switch (Deno.args[0]) {
  case "shutdown": {
    const server = serve({ path }, (request) => request);
    await talk();
    await server.shutdown();
    break;
  }
  case "dispose": {
    await using _server = serve({ path }, (request) => request);
    await talk();
    break;
  }
  case "abort": {
    const stop = new AbortController();
    serve({ path, signal: stop.signal }, (request) => request);
    await talk();
    stop.abort();
    break;
  }
  case "return": {
    const asked = exchanges({ path });
    const talking = asked.next();
    const client = talk();
    (await talking).value?.reply("first");
    (await asked.next()).value?.reply("second");
    await client;
    await asked.return();
    break;
  }
  case "never": {
    // Nothing comes into being before the first next().
    exchanges({ path });
    break;
  }
  default:
    Deno.exit(3);
}
console.log("closed");
