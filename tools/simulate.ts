/**
 * `deno task simulate [--from N] [--seeds N]`: histories in a simulated world, one per seed, until
 * one goes wrong. `--seed N` runs one only, and with `--trace` tells it step by step.
 *
 * @module
 */

import { replay, simulate } from "../tests/simulation/run.ts";

// deno-lint-ignore no-console
const say = console.log;

function numberOf(name: string): number | undefined {
  const at = Deno.args.indexOf(`--${name}`);
  if (at === -1) return undefined;
  const value = Number(Deno.args[at + 1]);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  say(`Cannot use --${name}: must be a number from 0`);
  Deno.exit(2);
}

const seed = numberOf("seed");
const well = seed === undefined
  ? await simulate({ from: numberOf("from") ?? 1, seeds: numberOf("seeds") ?? 10_000, say })
  : await replay(seed, say, Deno.args.includes("--trace"));
if (!well) Deno.exit(1);
