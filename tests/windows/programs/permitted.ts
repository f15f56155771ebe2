/** Serves one request, the way it is told to. */

import { serve, type ServeOptions } from "../../../mod.ts";

const [path = "", access = "current-user", authorizes] = Deno.args;
const options: ServeOptions = {
  path,
  access: access === "system-default" ? access : "current-user",
  authorize: authorizes === undefined ? undefined : (client) => client.user().sid !== "",
};
await using server = serve(options, (_request, exchange) => {
  server.shutdown();
  return exchange.text();
});
console.log("listening");
await server.finished;
console.log("finished");
