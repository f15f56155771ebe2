/** HTTP, both ends in this program: it ends although neither does. */

import { httpClient, serveHttp } from "../../../src/http/mod.ts";

const [path = ""] = Deno.args;
const server = serveHttp({ path, access: "system-default" }, async (request) => {
  return new Response(`${request.method}: ${await request.text()}`);
});
const client = httpClient({ path });
const response = await client.fetch("/", { method: "POST", body: "body" });
console.log(await response.text());
server.unref();
