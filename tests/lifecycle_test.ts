/** The life of an instance by its table, and what holds wherever it is. */

import { assert, assertEquals } from "@std/assert";
import { EVENTS, FINAL, INITIAL, STATES, transition } from "../src/server/lifecycle.ts";
import { assertTable, nameOf, stepsOf } from "./state_tables.ts";

const TABLE = `
idle + listen                                             -> connecting -: listen
idle + drain, finish, stop, evict, crashed                -> closed: close

connecting - + connected                         -> open: beginSession
connecting draining + connected                  -> same: findClient
connecting draining + clientFound                -> open: beginSession
connecting - + listenFailed                      -> closed: close
connecting draining + listenFailed               -> same: findClient
connecting draining + clientMissing              -> closed: close
connecting - + drain                             -> connecting draining: cancelIn
connecting L + finish, stop                      -> closing -: cancelIn awaitQuiet
connecting - + evict, crashed                    -> closing -: cancelIn awaitQuiet
connecting draining + evict, crashed             -> closing -: dropUnsent EVICT

open + drain                     -> open: drainSession
open + finish                    -> open: finishSession
open + stop                      -> open: dropUnsent finishSession
open + evict, writeFailed        -> open: evictSession
open + clientDisconnected        -> closing reuse: dropUnsent cancelOut limitWrite awaitQuiet
open + sessionFinished           -> closing -: cancelIn limitWrite awaitQuiet
open + sessionClosed             -> closing -: dropUnsent cancelOut cancelIn limitWrite awaitQuiet
open + sessionEvicted, crashed   -> closing -: dropUnsent EVICT

closing - + connected, listenFailed -> same
closing R + drain, finish, writeFailed  -> same
closing R + stop                 -> same: dropUnsent
closing R + evict, crashed       -> closing -: dropUnsent EVICT
closing reuse + quiet            -> idle: recycle
closing - + quiet                -> closed: close

closed + drain, finish, stop, evict, writeFailed, crashed        -> closed
`.replaceAll("EVICT", "cancelOut disconnect cancelIn limitWrite awaitQuiet");

const STEPS = stepsOf(STATES, EVENTS, transition);

Deno.test("the life of an instance does what its table says, for every state and event", () => {
  assertTable(STEPS, TABLE, { L: "draining|-", R: "reuse|-" });
  assertEquals([STATES[0], STATES.at(-1)], [INITIAL, FINAL]);
});

Deno.test("evict and crashed lead to closed from everywhere, as soon as it is quiet", () => {
  for (const state of STATES) {
    for (const event of ["evict", "crashed"] as const) {
      let step = transition(state, event);
      // An open one asks its session, which is over then.
      if (step?.commands.includes("evictSession")) step = transition(step.state, "sessionEvicted");
      const waits = step?.commands.at(-1) === "awaitQuiet";
      const end = waits && step !== undefined ? transition(step.state, "quiet") : step;
      assertEquals(end?.state, FINAL, `${nameOf(state)} + ${event}`);
    }
  }
});

Deno.test("a client is disconnected after its write is cancelled, unless it did so by itself", () => {
  const disconnecting = STEPS.filter(({ step }) => step.commands.includes("disconnect"));
  assert(disconnecting.length > 0);
  for (const { event, pair, step: { commands } } of disconnecting) {
    assert(commands.indexOf("cancelOut") < commands.indexOf("disconnect"), pair);
    assert(event !== "clientDisconnected");
  }
});

Deno.test("the commands after which all may be over come last", () => {
  for (const { pair, step: { commands } } of STEPS) {
    for (const command of ["findClient", "awaitQuiet", "recycle", "close"] as const) {
      assert(!commands.slice(0, -1).includes(command), pair);
    }
  }
});

Deno.test("a session begins when a client comes, and is told nothing when it is not open", () => {
  for (const { state, pair, step: { commands } } of STEPS) {
    assertEquals(
      commands.includes("beginSession"),
      /^connecting (- \+ connected|draining \+ clientFound)/.test(pair),
      pair,
    );
    const tells = commands.some((command) => /(drain|finish|evict)Session/.test(command));
    assert(state.name === "open" || !tells, pair);
  }
});
