/**
 * A contest: clients that all ask at the same moment, again and again. Each must be the first to be
 * served now and then, or the place that it happens to have would decide (I9).
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { serveOn } from "../../src/exchange/serve.ts";
import { WaitLoop } from "../../src/loop/wait_loop.ts";
import { MemoryKernel } from "../memory_kernel.ts";
import { Random } from "./random.ts";

const PATH = "\\\\.\\pipe\\contest";
const CLIENTS = 3;
const ROUNDS = 60;

/** How often each must be first; a third of the rounds would be even. */
const LEAST = ROUNDS / 10;

/** Steps in which all who ask at once must be served, idle turns and a wait included. */
const PATIENCE = 300;

/** Runs a contest. Says what should not have happened, if anything did. */
export async function contest(seed: number): Promise<string | undefined> {
  const random = new Random(seed);
  const kernel = new MemoryKernel();
  kernel.manual = true;
  const loop = new WaitLoop(kernel);
  const served: number[] = [];
  const server = serveOn(() => loop, {
    path: PATH,
    instances: CLIENTS,
    maxInstances: CLIENTS,
  }, (_request, { client }) => {
    served.push(client.id);
    return "served";
  });
  const clients = Array.from({ length: CLIENTS }, () => kernel.system.connect(PATH));
  const firsts = new Map<number, number>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const client of clients) client.write("serve me");
    for (let i = 0; served.length < CLIENTS; i++) {
      if (i > PATIENCE) return `I9: only ${served.length} of ${CLIENTS} who ask are served`;
      await step(kernel);
    }
    const [first = 0] = served.splice(0);
    firsts.set(first, (firsts.get(first) ?? 0) + 1);
    for (const client of clients) client.read();
    for (let i = random.below(4); i > 0; i--) await step(kernel);
  }
  server.shutdown();
  for (let i = 0; kernel.system.names.length > 0 && i < PATIENCE; i++) await step(kernel);
  if (kernel.system.names.length > 0) return "I8: the server of a contest never ends";
  const counts = [...firsts.values()];
  if (counts.length === CLIENTS && counts.every((count) => count >= LEAST)) return undefined;
  return `I9: in ${ROUNDS} rounds ${counts.length} of ${CLIENTS} clients were ever first: ${counts}`;
}

/** A turn, or else the wait comes back; and the microtasks after it. */
async function step(kernel: MemoryKernel): Promise<void> {
  if (kernel.runTurn() === 0) kernel.returnWait();
  await new Promise<void>((resolve) => setImmediate(resolve));
}
