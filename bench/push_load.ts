/**
 * The load of pushes: subscribers, in a process of their own. See `native/push_load.c`.
 *
 * @module
 */

import { runLoad, type Served } from "./load_process.ts";

/** What the subscribers do. */
export interface PushOptions {
  readonly path: string;
  readonly subscribers: number;
  /** Bytes of a message. */
  readonly size: number;
  /** Pushes that do not count, and those that do. */
  readonly warmUp: number;
  readonly pushes: number;
}

/** What became of it. */
export interface PushReport extends Served {
  /** Microseconds from the request of each push until the first, and the last, had the message. */
  readonly first: readonly number[];
  readonly last: readonly number[];
}

/** How long all together may take to connect, in milliseconds. */
const CONNECT = 30_000;

/** Runs the subscribers to their end. */
export async function pushLoad(options: PushOptions): Promise<PushReport> {
  const { path, subscribers, size, warmUp, pushes } = options;
  return await runLoad("push_load", [path, subscribers, size, warmUp, pushes, CONNECT]);
}
