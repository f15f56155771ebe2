/** A server that is asked once by a client of the same program, and ends. The argument is a path. */

import { call, serve } from "../../../mod.ts";

const [path = ""] = Deno.args;
const server = serve({ path }, (_request, exchange) => exchange.text().toUpperCase());
console.log(await call(path, "hello", { as: "text" }));
await server.shutdown();
