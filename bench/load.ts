/**
 * The load of exchanges: clients in closed loops, in a process of their own. See `native/load.c` and
 * `native/connection_load.c`.
 *
 * @module
 */

import { runLoad, type Served, StayingLoad } from "./load_process.ts";

/**
 * `"visits"`: each client connects for each exchange, and leaves after it. `"lines"`: each message is a
 * line. `"get"` and `"post"`: requests of HTTP whose path, or body, is the message. `"rpc"`: JSON-RPC
 * requests. See `native/protocol.h`.
 */
export type LoadKind = "exchanges" | "lines" | "get" | "post" | "rpc" | "visits";

/** What the clients do. Times are in milliseconds. */
export interface LoadOptions {
  readonly path: string;
  readonly clients: number;
  /** Bytes of a message. */
  readonly size: number;
  readonly warmUp: number;
  readonly measure: number;
  /** How long each client rests after a reply. @default {0} */
  readonly rest?: number | undefined;
  /** How long all clients together may take to connect. @default {20_000} */
  readonly connect?: number | undefined;
  /** @default {"exchanges"} */
  readonly kind?: LoadKind | undefined;
}

/** What became of it. */
export interface LoadReport extends Served {
  /** Exchanges while it measured, and seconds that it did. */
  readonly exchanges: number;
  readonly seconds: number;
  /** Exchanges of all its time. */
  readonly all: number;
  /** Microseconds of an exchange. */
  readonly p50: number;
  readonly p99: number;
  /** Processor time of the load itself while it measured, in milliseconds. */
  readonly processorMs: number;
  /** Exchanges of each client while it measured. */
  readonly counts: readonly number[];
}

function args(options: LoadOptions): (string | number)[] {
  const { path, clients, size, warmUp, measure, rest = 0, connect = 20_000 } = options;
  const { kind = "exchanges" } = options;
  const shared = [path, clients, size, warmUp, measure, rest, connect];
  return kind === "visits" ? shared : [...shared, kind];
}

/** Clients that have made one exchange each, and stay connected. */
export async function silentClients(
  path: string,
  clients: number,
  kind?: "lines",
): Promise<StayingLoad> {
  const options = { path, clients, size: 64, warmUp: 0, measure: 0, kind };
  return await StayingLoad.start("load", args(options), clients);
}

/** Runs the clients to their end. */
export async function load(options: LoadOptions): Promise<LoadReport> {
  return await runLoad(options.kind === "visits" ? "connection_load" : "load", args(options));
}
