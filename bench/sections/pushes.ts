/**
 * One message to all clients of a server: when the last one has it.
 *
 * @module
 */

import { allServed } from "../load_process.ts";
import type { Plan } from "../plan.ts";
import { pushLoad } from "../push_load.ts";
import type { PushRow } from "../results.ts";
import { type RunningServer, RunningServers } from "../servers.ts";
import { median, spread } from "../statistics.ts";
import { interleaved } from "./interleaved.ts";

const SIZE = 64;

/** Milliseconds of a push in the middle. */
async function measure({ path }: RunningServer, { pushes: { subscribers, ...rest } }: Plan) {
  const report = await pushLoad({ path, subscribers, size: SIZE, ...rest });
  const { first, last } = allServed(report, subscribers);
  return { first: median(first) / 1_000, last: median(last) / 1_000 };
}

/** This module and a loop of WriteFile in C, by turns, with new subscribers each time. */
export async function pushesPart(plan: Plan): Promise<PushRow[]> {
  const { subscribers } = plan.pushes;
  const needs = { clients: subscribers, size: SIZE, work: "pushes" } as const;
  await using running = new RunningServers(["listen", "port"], needs);
  const samples = await interleaved(running.list, plan, (server) => measure(server, plan));
  return [...samples].map(([server, all]) => ({
    server,
    subscribers,
    first: spread(all.map(({ first }) => first)),
    last: spread(all.map(({ last }) => last)),
  }));
}
