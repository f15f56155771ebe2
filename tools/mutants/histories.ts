/**
 * Runs the simulation, its scenarios and then one history per seed, and says in a line each what it is
 * at: what a trial runs in its copy of the module. Arguments: the first seed, and how many.
 *
 * @module
 */

import { clientCalls } from "../../tests/simulation/client_calls.ts";
import { ConnectionHistory } from "../../tests/simulation/connections.ts";
import { contest } from "../../tests/simulation/contest.ts";
import { crowd } from "../../tests/simulation/crowd.ts";
import { History } from "../../tests/simulation/history.ts";
import { SCENARIOS } from "../../tests/simulation/stranded.ts";

// deno-lint-ignore no-console
const say = console.log;

const [from = NaN, seeds = NaN] = Deno.args.map(Number);

/** Each takes no more than a millisecond or two. */
const CROWDS = 200;

/** Stories of the calls of one client. */
const CALL_SEEDS = 1_000;

/** Histories of connections. */
const CONNECTION_SEEDS = 2_000;

/** Ends the program if there is something to tell. */
function judge(violation: string | undefined): void {
  if (violation === undefined) return;
  say(`violation ${JSON.stringify(violation)}`);
  Deno.exit(0);
}

say("ready");
say("at the contest");
judge(await contest(from));
for (const [shows, play] of SCENARIOS) {
  say(`at the scenario: ${shows}`);
  judge(await play());
}
for (let seed = from; seed < from + CROWDS; seed++) {
  say(`at crowd ${seed}`);
  judge(crowd(seed));
}
say("at the calls of clients");
for (let seed = from; seed < from + Math.min(seeds, CALL_SEEDS); seed++) {
  judge(await clientCalls(seed));
}
for (let seed = from; seed < from + seeds; seed++) {
  say(`at seed ${seed}`);
  judge((await new History(seed).run()).violation);
  if (seed - from >= CONNECTION_SEEDS) continue;
  say(`at connections ${seed}`);
  judge((await new ConnectionHistory(seed).run()).violation);
}
say("done");
// A planted fault may leave something behind that would keep the program.
Deno.exit(0);
