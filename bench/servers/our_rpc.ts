/**
 * This module as a JSON-RPC server, with `vscode-jsonrpc`: `our_rpc.ts PIPE`.
 *
 * @module
 */

import * as rpc from "npm:vscode-jsonrpc@10.0.0/node";
import { listen } from "../../mod.ts";
import { toDuplex } from "../../src/node/mod.ts";

const [path = ""] = Deno.args;
for await (const conn of listen({ path, type: "byte" })) {
  const duplex = toDuplex(conn);
  duplex.on("error", () => {});
  const connection = rpc.createMessageConnection(
    new rpc.StreamMessageReader(duplex),
    new rpc.StreamMessageWriter(duplex),
  );
  connection.onRequest("echo", (text: string) => text);
  connection.listen();
}
