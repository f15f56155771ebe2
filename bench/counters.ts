/**
 * What a server of this module has done, told by itself.
 *
 * @module
 */

import type { Counters } from "../ffi/counters.ts";

/** What it has done so far. */
export interface Counted extends Readonly<Counters> {
  /** Exchanges, without those that asked for this. */
  readonly exchanges: number;
  /** Calls of each function, if it counts them. */
  readonly calls: Readonly<Record<string, number>>;
}

/** What it has done for each exchange between two looks. */
export interface PerExchange {
  readonly exchanges: number;
  readonly submissions: number;
  readonly waits: number;
  readonly copies: number;
  readonly bytesCopied: number;
  readonly otherCalls: number;
  readonly calls: Readonly<Record<string, number>>;
}

/** The difference of two looks, for each exchange between them. */
export function perExchange(before: Counted, after: Counted): PerExchange {
  const exchanges = after.exchanges - before.exchanges;
  const each = (of: (counted: Counted) => number | undefined) =>
    ((of(after) ?? 0) - (of(before) ?? 0)) / exchanges;
  const names = Object.keys(after.calls);
  return {
    exchanges,
    submissions: each(({ submissions }) => submissions),
    waits: each(({ waits }) => waits),
    copies: each(({ copies }) => copies),
    bytesCopied: each(({ bytesCopied }) => bytesCopied),
    otherCalls: each(({ otherCalls }) => otherCalls),
    calls: Object.fromEntries(names.map((name) => [name, each(({ calls }) => calls[name])])),
  };
}
