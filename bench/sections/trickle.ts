/**
 * One connection that asks a hundred times a second: what that costs.
 *
 * @module
 */

import type { Plan } from "../plan.ts";
import type { TrickleRow } from "../results.ts";
import { ratio, spread } from "../statistics.ts";
import { sideBySide } from "./side_by_side.ts";

/** Measures all servers that can be measured again and again. */
export async function tricklePart(
  plan: Plan,
  progress: (text: string) => void,
): Promise<TrickleRow[]> {
  const { rest, measure } = plan.trickle;
  const shape = { clients: 1, size: 64, rest, measure };
  const names = ["serve", "exchanges", "events", "port", "node", "bun"] as const;
  const { loaded } = await sideBySide(names, [shape], plan, progress);
  const failed = loaded.find(({ failures }) => failures > 0);
  if (failed !== undefined) throw new Error(`${failed.server}: ${failed.failure}`);
  const perSecond = loaded.map(({ server, exchangesPerSecond, serverProcessor }) => {
    const { rounds } = exchangesPerSecond;
    // Microseconds of an exchange by exchanges of a second.
    const used = serverProcessor.rounds.map((each, i) => each * (rounds[i] ?? NaN) / 1_000);
    return { server, exchangesPerSecond: exchangesPerSecond.median, used };
  });
  const ours = perSecond.find(({ server }) => server === "serve")?.used ?? [];
  return perSecond.map(({ server, exchangesPerSecond, used }) => ({
    server,
    exchangesPerSecond,
    processor: spread(used),
    ratio: ratio(ours, used),
  }));
}
