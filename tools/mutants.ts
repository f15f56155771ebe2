/**
 * `deno task mutants [--seeds N] [--only WORDS]`: plants faults in copies of the module, and sees
 * whether the simulation catches each, or the tests that it names. `--only` tries those whose file or
 * name has these words.
 *
 * Exit code 1: a fault was not caught, or could not be planted, or the module as it is does not
 * pass.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { campaign } from "./mutants/campaign.ts";
import { FAULTS } from "./mutants/faults.ts";

/** Histories that each fault may need; nearly all need a few dozen. */
const SEEDS = 5_000;

// deno-lint-ignore no-console
const say = console.log;

function refuse(reason: string): never {
  say(`${reason}\nUsage: mutants [--seeds N] [--only WORDS]`);
  Deno.exit(2);
}

function parse(): { seeds: number; only: string } {
  try {
    const option = { type: "string" } as const;
    const { values } = parseArgs({ options: { seeds: option, only: option } });
    const seeds = Number(values.seeds ?? SEEDS);
    if (!Number.isSafeInteger(seeds) || seeds < 1) {
      return refuse("Cannot use --seeds: must be an integer from 1");
    }
    return { seeds, only: values.only ?? "" };
  } catch (error) {
    return refuse(`${error instanceof Error ? error.message : error}`);
  }
}

const { seeds, only } = parse();
const mutants = FAULTS.filter(({ name, file }) => `${file}: ${name}`.includes(only));
if (mutants.length === 0) refuse(`Cannot use --only: no fault has "${only}" in its name`);
if (!await campaign({ mutants, span: { from: 1, seeds }, say })) Deno.exit(1);
