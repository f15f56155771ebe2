/**
 * `deno task simulate [--from N] [--seeds N]`: histories in a simulated world, one per seed.
 * `--seed N` runs one, and with `--trace` tells it step by step.
 *
 * @module
 */

import { simulate, trace } from "../tests/simulation/run.ts";

// deno-lint-ignore no-console
const say = console.log;

function numberOf(name: string): number | undefined {
  const at = Deno.args.indexOf(`--${name}`);
  if (at === -1) return undefined;
  const value = Number(Deno.args[at + 1]);
  if (!Number.isSafeInteger(value) || value < 0) {
    say(`Cannot use --${name}: must be a number from 0`);
    Deno.exit(2);
  }
  return value;
}

const seed = numberOf("seed");
const failed = seed !== undefined
  ? await trace(seed, say, Deno.args.includes("--trace"))
  : await simulate({ from: numberOf("from") ?? 1, seeds: numberOf("seeds") ?? 10_000, say });
Deno.exit(failed ? 1 : 0);
