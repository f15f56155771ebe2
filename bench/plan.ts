/**
 * What is measured, how long and how often.
 *
 * @module
 */

import type { ServerName } from "./server_names.ts";
import type { StreamDirection } from "./stream_load.ts";

/** Times are in milliseconds. */
export interface Plan {
  /** Rounds that count, and rounds before them that do not. */
  readonly rounds: number;
  readonly warmUpRounds: number;
  /** How long each load runs before it counts. */
  readonly warmUp: number;
  /** How long what has just happened may go on. */
  readonly settle: number;
  readonly throughput: {
    readonly clients: readonly number[];
    readonly sizes: readonly number[];
    readonly measure: number;
    /** So much longer for each client, or few exchanges of each would look like unfairness. */
    readonly measureMore: number;
  };
  readonly counted: {
    readonly clients: readonly number[];
    readonly sizes: readonly number[];
    readonly measure: number;
    /** So much longer for each client: what each has begun and not ended counts by half. */
    readonly measureMore: number;
  };
  readonly idle: { readonly clients: number; readonly measure: number };
  readonly memory: { readonly clients: readonly number[] };
  readonly start: { readonly rounds: number };
  readonly growth: { readonly clients: readonly number[]; readonly measure: number };
  readonly resting: {
    readonly few: { readonly clients: number; readonly rest: number };
    readonly many: { readonly clients: number; readonly rest: number };
    readonly measure: number;
  };
  readonly trickle: { readonly rest: number; readonly measure: number };
  /** Clients of the servers whose calls are traced. */
  readonly traced: {
    readonly clients: readonly number[];
    /** Servers of streams, and directions. */
    readonly streams: readonly ServerName[];
    readonly directions: readonly StreamDirection[];
    /** Before and after what is measured. */
    readonly settle: number;
    readonly measure: number;
  };
  readonly large: { readonly clients: number; readonly size: number; readonly measure: number };
  readonly streams: {
    readonly connections: readonly number[];
    readonly chunks: readonly number[];
    readonly directions: readonly StreamDirection[];
    readonly measure: number;
  };
  readonly before: { readonly clients: readonly number[]; readonly measure: number };
  readonly visits: { readonly clients: readonly number[]; readonly measure: number };
  readonly framed: { readonly clients: readonly number[]; readonly measure: number };
  /** HTTP and JSON-RPC: much code, which takes a while to get warm. */
  readonly protocols: {
    readonly clients: readonly number[];
    readonly warmUp: number;
    readonly measure: number;
  };
  /** Pushes are counted for each round. */
  readonly pushes: {
    readonly subscribers: number;
    readonly warmUp: number;
    readonly pushes: number;
  };
  readonly silent: { readonly connections: number; readonly measure: number };
  readonly ownCost: {
    readonly clients: readonly number[];
    readonly exchanges: number;
    readonly rounds: number;
  };
}

/** The measurement whose results are shown: about 45 minutes. */
export const FULL: Plan = {
  rounds: 5,
  warmUpRounds: 1,
  warmUp: 150,
  settle: 1_000,
  throughput: {
    clients: [1, 8, 32, 128],
    sizes: [64, 4_096, 65_536],
    measure: 600,
    measureMore: 20,
  },
  counted: {
    clients: [1, 8, 32, 128],
    sizes: [64, 4_096, 65_536],
    measure: 1_500,
    measureMore: 40,
  },
  idle: { clients: 100, measure: 10_000 },
  memory: { clients: [100, 1_000] },
  start: { rounds: 7 },
  growth: { clients: [1, 10, 100, 1_000], measure: 800 },
  resting: {
    few: { clients: 100, rest: 100 },
    many: { clients: 1_000, rest: 1_000 },
    measure: 4_000,
  },
  trickle: { rest: 10, measure: 3_000 },
  traced: {
    clients: [1, 8],
    streams: ["streams", "readWrite", "port"],
    directions: ["up", "down"],
    settle: 1_500,
    measure: 1_000,
  },
  large: { clients: 4, size: 1_048_576, measure: 800 },
  streams: {
    connections: [1, 8],
    chunks: [4_096, 65_536],
    directions: ["up", "down", "both"],
    measure: 500,
  },
  before: { clients: [1, 8, 32, 128], measure: 1_000 },
  visits: { clients: [1, 8], measure: 800 },
  framed: { clients: [1, 8, 32], measure: 600 },
  protocols: { clients: [1, 8, 32], warmUp: 500, measure: 800 },
  pushes: { subscribers: 1_000, warmUp: 3, pushes: 15 },
  silent: { connections: 1_000, measure: 10_000 },
  ownCost: { clients: [1, 8, 32, 128], exchanges: 200_000, rounds: 7 },
};

/** Whether the benchmark itself works: some seconds, and no figure of it means anything. */
export const SMOKE: Plan = {
  rounds: 1,
  warmUpRounds: 0,
  warmUp: 50,
  settle: 100,
  throughput: { clients: [8], sizes: [64], measure: 100, measureMore: 0 },
  counted: { clients: [8], sizes: [65_536], measure: 150, measureMore: 0 },
  idle: { clients: 4, measure: 100 },
  memory: { clients: [4, 8] },
  start: { rounds: 1 },
  growth: { clients: [1, 4], measure: 50 },
  resting: { few: { clients: 4, rest: 10 }, many: { clients: 8, rest: 20 }, measure: 200 },
  trickle: { rest: 10, measure: 100 },
  traced: { clients: [1], streams: ["streams"], directions: ["up"], settle: 300, measure: 200 },
  large: { clients: 2, size: 1_048_576, measure: 100 },
  streams: { connections: [2], chunks: [65_536], directions: ["both"], measure: 50 },
  before: { clients: [2], measure: 50 },
  visits: { clients: [2], measure: 100 },
  framed: { clients: [2], measure: 50 },
  protocols: { clients: [2], warmUp: 50, measure: 100 },
  pushes: { subscribers: 8, warmUp: 1, pushes: 2 },
  silent: { connections: 8, measure: 100 },
  ownCost: { clients: [8], exchanges: 2_000, rounds: 1 },
};
