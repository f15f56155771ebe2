/** A server that shares its name: to each request it answers with the number of its process. */

import { serve } from "../../../mod.ts";

const [path = ""] = Deno.args;

const server = serve({ path, join: true }, () => `${Deno.pid}`);
console.log(server.security?.firstInstance === true ? "first" : "joined");
