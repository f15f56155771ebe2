/**
 * `deno task simulate [--connections] [--from N] [--seeds N]`: histories in a simulated world, one
 * per seed, until one goes wrong: of servers that answer requests, or of connections. `--seed N` runs
 * one only, and with `--trace` tells it step by step.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { replay, simulate } from "../tests/simulation/run.ts";

// deno-lint-ignore no-console
const say = console.log;

function refuse(reason: string): never {
  say(
    `${reason}\nUsage: simulate [--connections] [--from N] [--seeds N], ` +
      "or simulate [--connections] --seed N [--trace]",
  );
  Deno.exit(2);
}

function numberOf(name: string, text: string | undefined, least: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
  return refuse(`Cannot use --${name}: must be an integer from ${least}`);
}

function parse() {
  try {
    const option = { type: "string" } as const;
    const flag = { type: "boolean" } as const;
    const { values } = parseArgs({
      options: { connections: flag, from: option, seeds: option, seed: option, trace: flag },
    });
    return {
      subject: values.connections ? "connections" as const : "exchanges" as const,
      from: numberOf("from", values.from, 0) ?? 1,
      seeds: numberOf("seeds", values.seeds, 1) ?? 10_000,
      seed: numberOf("seed", values.seed, 0),
      trace: values.trace ?? false,
    };
  } catch (error) {
    return refuse(`${error instanceof Error ? error.message : error}`);
  }
}

const { subject, from, seeds, seed, trace } = parse();
const well = seed === undefined
  ? await simulate({ subject, from, seeds, say })
  : await replay(subject, seed, say, trace);
if (!well) Deno.exit(1);
