/**
 * Streams of bytes: to the server, from it, and both at once.
 *
 * @module
 */

import type { Plan } from "../plan.ts";
import type { StreamRow } from "../results.ts";
import type { ServerName } from "../server_names.ts";
import { type RunningServer, RunningServers } from "../servers.ts";
import { spread } from "../statistics.ts";
import { streamLoad, type StreamOptions, type StreamReport } from "../stream_load.ts";
import { interleaved } from "./interleaved.ts";

const NAMES = ["streams", "readWrite", "byob", "port", "node", "bun"] as const;

const MIB = 1_048_576;

type Shape = Omit<StreamOptions, "path" | "warmUp">;

interface Sample extends StreamReport {
  /** Milliseconds of processor time that the server has used in all. */
  readonly used: number;
}

async function measure(server: RunningServer, shape: Shape, warmUp: number): Promise<Sample> {
  const before = server.meter.processorMs;
  const report = await streamLoad({ ...shape, warmUp, path: server.path });
  return { ...report, used: server.meter.processorMs - before };
}

function summary(server: ServerName, shape: Shape, samples: readonly Sample[]): StreamRow {
  const of = (figure: (sample: Sample) => number) => spread(samples.map(figure));
  const { connections, chunk, direction } = shape;
  return {
    server,
    connections,
    chunk,
    direction,
    bytesPerSecond: of(({ up, down, seconds }) => (up + down) / seconds),
    serverProcessor: of(({ used, all }) => 1_000 * used * MIB / all),
    loadProcessor: of(({ processorMs, up, down }) => 1_000 * processorMs * MIB / (up + down)),
    connected: Math.min(...samples.map(({ connected }) => connected)),
    failures: samples.reduce((sum, { failures }) => sum + failures, 0),
    failure: samples.find(({ failure }) => failure !== undefined)?.failure,
  };
}

/** All servers, in all directions, with each number of connections and length of chunks. */
export async function streamsPart(
  plan: Plan,
  progress: (text: string) => void,
): Promise<StreamRow[]> {
  const { streams: { connections, chunks, directions, measure: time } } = plan;
  const needs = { clients: Math.max(...connections), size: Math.max(...chunks) };
  await using running = new RunningServers(NAMES, { ...needs, work: "streams" });
  const rows: StreamRow[] = [];
  for (const count of connections) {
    for (const chunk of chunks) {
      for (const direction of directions) {
        progress(`${count} connections, chunks of ${chunk} bytes, ${direction}`);
        const shape = { connections: count, chunk, direction, measure: time };
        const samples = await interleaved(
          running.list,
          plan,
          (server) => measure(server, shape, plan.warmUp),
        );
        for (const [name, all] of samples) rows.push(summary(name, shape, all));
      }
    }
  }
  return rows;
}
