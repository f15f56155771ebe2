/**
 * Runs histories of the simulation, one per seed, and says in a line each what it is at: what a
 * trial runs in its copy of the module. Arguments: the first seed, and how many.
 *
 * @module
 */

import { History } from "../../tests/simulation/history.ts";

// deno-lint-ignore no-console
const say = console.log;

const [from = NaN, seeds = NaN] = Deno.args.map(Number);

say("ready");
for (let seed = from; seed < from + seeds; seed++) {
  say(`seed ${seed}`);
  const { violation } = await new History(seed).run();
  if (violation === undefined) continue;
  say(`violation ${JSON.stringify(violation)}`);
  Deno.exit(0);
}
say("done");
// A planted fault may leave something behind that would keep the program.
Deno.exit(0);
