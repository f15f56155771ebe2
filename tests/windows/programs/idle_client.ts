/** Leaves a connection open that is not in use, in the way that the argument names. */

import { connect } from "../../../mod.ts";

const [path = "", way] = Deno.args;
const conn = await connect({ path });

switch (way) {
  case "idle":
    break;
  case "sent":
    await conn.request("one");
    await conn.send("two");
    break;
  case "loop":
    // The server ends the connection, and so the loop.
    await conn.send("end");
    for await (const _message of conn);
    break;
  case "rejected":
    await conn.request("end").then(() => Deno.exit(4), () => {});
    break;
  case "aborted": {
    const giveUp = new AbortController();
    const received = conn.receive({ signal: giveUp.signal });
    giveUp.abort();
    await received.then(() => Deno.exit(5), () => {});
    break;
  }
  default:
    Deno.exit(3);
}
console.log("nothing is left to do");
