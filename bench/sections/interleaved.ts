/**
 * Rounds in which servers take turns, in an order that rotates.
 *
 * @module
 */

import type { Plan } from "../plan.ts";
import type { ServerName } from "../server_names.ts";
import type { RunningServer } from "../servers.ts";
import { rotated } from "../statistics.ts";

/** What was measured of each server, in the rounds that count. */
export async function interleaved<Sample>(
  servers: readonly RunningServer[],
  { rounds, warmUpRounds }: Plan,
  measure: (server: RunningServer) => Promise<Sample>,
): Promise<Map<ServerName, Sample[]>> {
  const samples = new Map<ServerName, Sample[]>(servers.map(({ name }) => [name, []]));
  for (let round = -warmUpRounds; round < rounds; round++) {
    for (const server of rotated(servers, round + warmUpRounds)) {
      const sample = await measure(server);
      if (round >= 0) samples.get(server.name)?.push(sample);
    }
  }
  return samples;
}
