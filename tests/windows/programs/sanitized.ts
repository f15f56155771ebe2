/** Tests of a user, with sanitizers: nothing that they use is left over. */

import { call, connect, serve } from "../../../mod.ts";

for (const name of ["one test", "another test"]) {
  Deno.test({ name, sanitizeOps: true, sanitizeResources: true }, async () => {
    const path = `sanitized-${crypto.randomUUID()}`;
    await using _server = serve({ path }, (request) => request);
    await using conn = await connect({ path, owner: "current-user" });
    await conn.request("hello");
    await call(path, "hello");
  });
}
