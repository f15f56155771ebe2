/**
 * Ends a Worker whose server still listens, and serves under another name itself until it is asked
 * to stop: what became of the Worker is for others to see.
 */

import { serve } from "../../../mod.ts";

const [own = "", workers = ""] = Deno.args;

const worker = new Worker(new URL("worker_server.ts", import.meta.url), { type: "module" });
const listening = Promise.withResolvers<void>();
worker.onmessage = () => listening.resolve();
worker.postMessage(workers);
await listening.promise;
worker.terminate();

const server = serve({ path: own }, (_, exchange) => {
  if (exchange.text() === "stop") server.shutdown();
  return exchange.text();
});
console.log("terminated");
