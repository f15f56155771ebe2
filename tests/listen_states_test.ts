/** What is done with a client of a listener, by its table, and what holds wherever it is. */

import { assert, assertEquals } from "@std/assert";
import { begin, EVENTS, FINAL, STATES, transition } from "../src/listen/session_states.ts";
import { assertTable, nameOf, stepsOf, textOf } from "./state_tables.ts";

const TABLE = `
unadmitted + message, partial        -> identifying asks: identify
unadmitted + ended                   -> over: clientDisconnected
unadmitted + broken, evict           -> over: sessionEvicted
unadmitted + cancelled, drain, finish  -> over: sessionFinished

unknown + message, partial           -> identifying -: identify

identifying A + message, partial     -> same: identify
identifying - + identified           -> open: pass
identifying asks + identified        -> authorizing: authorize
identifying asks + drain, finish     -> over: sessionFinished
identifying asks + evict             -> over: sessionEvicted

authorizing + admitted               -> open: show pass
authorizing + refused                -> over: sessionFinished
authorizing + drain, finish          -> over: dropRequest sessionFinished
authorizing + evict                  -> over: dropRequest sessionEvicted

open + message, partial              -> open: pass

SHOWN + ended, cancelled, broken     -> same: pass
SHOWN + peerClosed                   -> over: clientDisconnected
SHOWN + closed                       -> over: sessionClosed
SHOWN + failed, evict                -> over: sessionEvicted
SHOWN + finish                       -> over: sessionFinished
SHOWN + drain                        -> same

over + message, partial              -> over: dropRequest
over + ended, cancelled              -> over
`;

const STEPS = stepsOf(STATES, EVENTS, transition);

/** States in which the program has the connection. */
const SHOWN = ["unknown", "identifying -", "open"];

Deno.test("a session does what its table says, for every state and event", () => {
  assertTable(STEPS, TABLE, { A: "asks|-", SHOWN: SHOWN.join("|") });
  assertEquals(STATES.at(-1), FINAL);
});

Deno.test("a session begins with what is known of its client", () => {
  assertEquals(
    (["known", "unknown", "unadmitted", "excess"] as const).map((who) => textOf(begin(who))),
    ["open: show", "unknown: show", "unadmitted: read", "unadmitted"],
  );
});

Deno.test("the program gets a connection once, when its client is admitted", () => {
  for (const { state, event, step } of STEPS) {
    const shows = step.commands.includes("show");
    assertEquals(shows, event === "admitted");
    assert(!shows || !SHOWN.includes(nameOf(state)));
    const hidden = !SHOWN.includes(nameOf(state)) && state !== FINAL;
    if (SHOWN.includes(nameOf(step.state)) && hidden) assert(shows);
  }
});

Deno.test("a session ends once, from everywhere, and its end comes last", () => {
  for (const { state, pair, step } of STEPS) {
    const ends = step.commands.filter((command) => /^(session|client)/.test(command));
    assertEquals(ends.length, step.state === FINAL && state !== FINAL ? 1 : 0, pair);
    assert(ends.length === 0 || step.commands.at(-1) === ends[0], pair);
  }
  for (const state of STATES) {
    if (state === FINAL) continue;
    for (const event of ["evict", "finish"] as const) {
      assertEquals(transition(state, event)?.state, FINAL, nameOf(state));
    }
  }
});

Deno.test("what is read of a client that is not admitted reaches nobody", () => {
  for (const { state, pair, step } of STEPS) {
    if (!step.commands.includes("pass")) continue;
    assert(SHOWN.includes(nameOf(state)) || step.commands.includes("show"), pair);
  }
});
