/** Goes on after an `unload` event that the program itself has dispatched. */

import { call, connect, serve } from "../../../mod.ts";

const path = `unloads-${crypto.randomUUID()}`;
const server = serve({ path }, (request) => request);
const conn = await connect({ path });
await conn.request("before");
const waiting = connect({ path: `${path}-missing` });
const pending = conn.receive();
globalThis.dispatchEvent(new Event("unload"));
await server.finished;
for (const promise of [waiting, pending, conn.send("after")]) {
  const [result] = await Promise.allSettled([promise]);
  console.log(result?.status === "rejected" ? result.reason.name : "resolved");
}
{
  await using _again = serve({ path }, (request) => request);
  console.log(new TextDecoder().decode(await call(path, "after")));
}
console.log("closed");
