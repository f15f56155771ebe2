/**
 * A server on pipes in memory, whose clients make it answer, ask another server, and fail.
 *
 * The argument is a URL to ask.
 */

import { serveOn } from "../../src/exchange/serve.ts";
import { WaitLoop } from "../../src/loop/wait_loop.ts";
import { MemoryKernel, MemorySystem } from "../memory_kernel.ts";

const [url = ""] = Deno.args;
const system = new MemorySystem();
const tracer = Deno.telemetry.tracerProvider.getTracer("program");

const server = serveOn(
  () => new WaitLoop(new MemoryKernel(system)),
  {
    path: "traced",
    onError: (error) => `failed: ${error instanceof Error ? error.message : error}`,
  },
  async (_request, exchange) => {
    const question = exchange.text();
    if (question === "fail") throw new RangeError("out of range");
    const response = await fetch(url);
    await new Promise((resolve) => setTimeout(resolve, 1));
    tracer.startSpan("inner").end();
    return await response.text();
  },
);

for (const question of ["ask", "fail"]) {
  const client = system.connect(server.path);
  client.write(question);
  console.log(await client.receiveText());
  client.close();
}
await server.shutdown();
