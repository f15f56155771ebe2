/**
 * Serves, and lets the program end: in the way that the second argument names; with a third, in a
 * Deno that lacks what lets go of a call on another thread.
 */

const [path = "", way, polls] = Deno.args;
const symbol: unknown = Reflect.get(Deno, "internal");
if (polls !== undefined && (typeof symbol !== "symbol" || !Reflect.deleteProperty(Deno, symbol))) {
  Deno.exit(4);
}
const { serve } = await import("../../../mod.ts");

let last = () => {};
let requests = 0;
const work = way === "busy" ? 1 : 0;
const server = serve({ path, idleTimeout: 60_000 }, (request, exchange) => {
  if (exchange.text() === "last" || ++requests === 1_000) last();
  // Meanwhile other clients ask again, and the server is never without work.
  for (const until = performance.now() + work; performance.now() < until;);
  return request;
});
server.unref();

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 100));
}

switch (way) {
  case "alone":
    break;
  case "busy":
  case "beside a timer": {
    const timer = setInterval(() => {}, 60_000);
    last = () => clearInterval(timer);
    break;
  }
  case "shutdown": {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setInterval(() => {}, 60_000);
    last = resolve;
    // The loop waits by then.
    console.log("serving");
    await promise;
    clearInterval(timer);
    console.log(await server.shutdown());
    break;
  }
  case "ref":
    // Most likely the loop waits, each time.
    await pause();
    server.ref();
    last = () => void pause().then(() => server.unref());
    break;
  default:
    Deno.exit(3);
}
console.log("nothing is left to do");
