/**
 * The load of streams: connections of bytes, in a process of their own. See `native/stream_load.c`.
 *
 * @module
 */

import { runLoad, type Served, StayingLoad } from "./load_process.ts";

/** Where bytes go: to the server, from it, or both at once. */
export type StreamDirection = "up" | "down" | "both";

/** What the connections do. Times are in milliseconds. */
export interface StreamOptions {
  readonly path: string;
  readonly connections: number;
  /** Bytes of each write of either end, a power of two up to 65,536. */
  readonly chunk: number;
  readonly direction: StreamDirection;
  readonly warmUp: number;
  readonly measure: number;
}

/** What became of it. */
export interface StreamReport extends Served {
  /** Bytes while it measured, and seconds that it did. */
  readonly up: number;
  readonly down: number;
  readonly seconds: number;
  /** Bytes of all its time. */
  readonly all: number;
  /** Processor time of the load itself while it measured, in milliseconds. */
  readonly processorMs: number;
}

/** How long all together may take to connect, in milliseconds. */
const CONNECT = 20_000;

function args(options: StreamOptions): (string | number)[] {
  const { path, connections, chunk, direction, warmUp, measure } = options;
  return [path, connections, chunk, direction, warmUp, measure, CONNECT];
}

/** Connections that stay, and over which nothing more is sent. */
export async function silentStreams(path: string, connections: number): Promise<StayingLoad> {
  const silence = { chunk: 1, direction: "up", warmUp: 0, measure: 0 } as const;
  return await StayingLoad.start(
    "stream_load",
    args({ path, connections, ...silence }),
    connections,
  );
}

/** Runs the connections to their end. */
export async function streamLoad(options: StreamOptions): Promise<StreamReport> {
  return await runLoad("stream_load", args(options));
}
