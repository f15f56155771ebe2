/**
 * JavaScript's own share of an exchange: `serve` over a kernel that answers every call at once.
 *
 * What is left is this module's work and the event loop's turns; no system call is made. Needs no
 * Windows: `deno task bench:own-cost` measures only this.
 *
 * @module
 */

import { serveOn } from "../src/exchange/serve.ts";
import type { Responder } from "../src/exchange/responders.ts";
import { WaitLoop } from "../src/loop/wait_loop.ts";
import { FULL, type Plan } from "./plan.ts";
import { PromptKernel } from "./prompt_kernel.ts";
import type { OwnCostRow } from "./results.ts";
import { spread } from "./statistics.ts";

/** Runs so many exchanges, and gives the milliseconds that they took. */
export async function exchangeAll(
  kernel: PromptKernel,
  exchanges: number,
  answer: Responder,
): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = exchanges;
  const server = serveOn(
    () => new WaitLoop(kernel),
    { path: "own-cost" },
    (request, exchange) => {
      if (--left === 0) {
        kernel.end();
        resolve();
      }
      return answer(request, exchange);
    },
  );
  const start = performance.now();
  await promise;
  const time = performance.now() - start;
  await server.shutdown();
  return time;
}

/** The responders that are measured. */
export const RESPONDERS: Readonly<Record<"sync" | "async", Responder>> = {
  sync: (request) => request,
  async: async (request) => await Promise.resolve(request),
};

/** Both responders, with each number of clients. */
export async function ownCostPart(
  { ownCost: { clients, exchanges, rounds } }: Plan,
): Promise<OwnCostRow[]> {
  const shapes = Object.entries(RESPONDERS).flatMap(([name, responder]) =>
    clients.map((count) => ({ name, responder, count, figures: [] as number[] }))
  );
  for (let round = 0; round <= rounds; round++) {
    for (const { responder, count, figures } of shapes) {
      const time = await exchangeAll(new PromptKernel(count), exchanges, responder);
      // The first round is for the compiler.
      if (round > 0) figures.push(time * 1e6 / exchanges);
    }
  }
  return shapes.map(({ name, count, figures }) => ({
    responder: name,
    clients: count,
    nanoseconds: spread(figures),
  }));
}

if (import.meta.main) {
  for (const { responder, clients, nanoseconds } of await ownCostPart(FULL)) {
    const { median, min, max } = nanoseconds;
    const [middle, low, high] = [median, min, max].map((figure) => figure.toFixed(0));
    const key = `${responder.padEnd(6)} ${`${clients}`.padStart(4)} clients`;
    console.log(`${key}: ${middle} ns (${low} to ${high})`);
  }
}
