/** Serves on while a test's fake timers stand still, as those of `FakeTime` and others do. */

import { connect, serve } from "../../../mod.ts";

const { performance: clock } = globalThis;
const never = (name: string) => () => {
  console.log(`${name} is called`);
  return 0;
};
for (const name of ["setTimeout", "clearTimeout", "setImmediate", "queueMicrotask"]) {
  Object.defineProperty(globalThis, name, { value: never(name) });
}
Object.defineProperty(clock, "now", { value: never("performance.now") });

const path = `fake-timers-${crypto.randomUUID()}`;
const ends: string[] = [];
await using server = serve({
  path,
  instances: 1,
  idleTimeout: 200,
  onDisconnect: (_client, reason) => ends.push(reason),
}, (request) => request);
{
  await using first = await connect({ path });
  for (let i = 0; i < 100; i++) await first.request(new Uint8Array(i * 1000));
  // Its time runs on the real clock.
  console.log(await first.receive(), ends.join());
}
await server.shutdown();
console.log("closed");
