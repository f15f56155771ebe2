/**
 * Many clients that only listen: each takes numbers, in order, until the server ends the connection.
 * It prints how many each has had. Arguments: the pipe, how many clients.
 */

import { connect } from "../../../mod.ts";

const [path = "", clients = ""] = Deno.args;

async function subscribe(): Promise<number> {
  await using conn = await connect({ path, connectTimeout: 20_000 });
  let next = 0;
  for await (const number of conn.messages({ as: "json" })) {
    if (number !== next++) throw new Error(`${number} came instead of ${next - 1}`);
  }
  return next;
}

const counts = await Promise.all(Array.from({ length: Number(clients) }, subscribe));
console.log(JSON.stringify(counts));
