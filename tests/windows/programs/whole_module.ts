/** Uses the whole module once, and then serves until it is asked to stop. */

import { call, connect, exchanges, serve } from "../../../mod.ts";

const [path = ""] = Deno.args;
const decoder = new TextDecoder();

{
  await using asked = exchanges({ path });
  const next = asked.next();
  const answer = call(path, "question");
  (await next).value?.reply("exchanges and call");
  console.log(decoder.decode(await answer));
}

const server = serve({ path }, (_, exchange) => {
  if (exchange.text() === "stop") server.shutdown();
  return exchange.text().toUpperCase();
});
{
  await using conn = await connect({ path });
  // Longer than any buffer, so all of the kernel's functions are called.
  console.log(decoder.decode(await conn.request("x".repeat(100_000))).length);
}
console.log("listening");
await server.finished;
console.log("finished");
