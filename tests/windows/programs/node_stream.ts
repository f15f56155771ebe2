/** Two streams over a pipe, both of this program: it ends although neither does. */

import { connect, listen } from "../../../mod.ts";
import { toDuplex } from "../../../src/node/mod.ts";

const [path = ""] = Deno.args;
const listener = listen({ path, type: "byte", access: "system-default" });
const client = toDuplex(await connect({ path }));
const server = toDuplex(await listener.accept());
server.pipe(server);
client.setTimeout(600_000);
client.on("data", (data) => {
  console.log(String(data));
  listener.unref();
  client.unref();
  server.unref();
});
client.write("echoed");
