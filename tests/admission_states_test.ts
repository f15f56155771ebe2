/** Whether a client is served, by its table, and what holds whatever is decided. */

import { assert, assertEquals } from "@std/assert";
import {
  ARRIVING,
  AUTHORIZING,
  DECIDED,
  EVENTS,
  STATES,
  transition,
} from "../src/server/admission_states.ts";
import { assertTable, stepsOf } from "./state_tables.ts";

const TABLE = `
arriving + message, partial          -> authorizing: authorize
arriving + ended                     -> decided: clientDisconnected
arriving + cancelled, finish         -> decided: sessionFinished
arriving + broken, evict             -> decided: sessionEvicted

authorizing + admitted               -> decided: admit
authorizing + refused                -> decided: sessionFinished
authorizing + finish                 -> decided: dropRequest sessionFinished
authorizing + evict                  -> decided: dropRequest sessionEvicted

decided + message, partial           -> same: dropRequest
decided + ended, cancelled           -> same
`;

const STEPS = stepsOf(STATES, EVENTS, transition);

Deno.test("an admission does what its table says, for every state and event", () => {
  assertTable(STEPS, TABLE);
  assertEquals([STATES.at(0), STATES.at(-1)], [ARRIVING, DECIDED]);
});

Deno.test("a client is served only when the program, asked about it, has admitted it", () => {
  for (const { state, event, step, pair } of STEPS) {
    assertEquals(step.commands.includes("admit"), state === AUTHORIZING && event === "admitted");
    assertEquals(step.commands.includes("authorize"), step.state === AUTHORIZING, pair);
  }
});

Deno.test("an admission ends once, from everywhere, and its end comes last", () => {
  for (const { state, pair, step } of STEPS) {
    const ends = step.commands.filter((command) => /^(session|client|admit)/.test(command));
    assertEquals(ends.length, step.state === DECIDED && state !== DECIDED ? 1 : 0, pair);
    assert(ends.length === 0 || step.commands.at(-1) === ends[0], pair);
  }
  for (const state of [ARRIVING, AUTHORIZING]) {
    for (const event of ["evict", "finish"] as const) {
      assertEquals(transition(state, event)?.state, DECIDED);
    }
  }
});
