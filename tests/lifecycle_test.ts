/** The life of an instance by its table, and what holds wherever it is. */

import { assert, assertEquals } from "@std/assert";
import {
  type Command,
  type Event,
  EVENTS,
  FINAL,
  INITIAL,
  STATES,
  transition,
} from "../src/server/lifecycle.ts";
import { assertTable, nameOf } from "./state_tables.ts";

const TABLE = `
idle
  listen                                    -> connecting: listen
  drain, finish, stop, evict, crashed       -> closed: close

connecting
  connected                                 -> open: beginSession
  listenFailed                              -> closed: close
  drain, finish, stop, evict, crashed       -> closing -: cancelIn awaitQuiet

open
  drain                                     -> open: drainSession
  finish                                    -> open: finishSession
  stop                                      -> open: dropUnsent finishSession
  evict, writeFailed                        -> open: evictSession
  clientDisconnected                        -> closing reuse: dropUnsent cancelOut awaitQuiet
  sessionFinished                           -> closing -: cancelIn limitWrite awaitQuiet
  sessionEvicted, crashed                   -> closing -: EVICT

closing reuse
  quiet                                     -> idle: recycle

closing -
  quiet                                     -> closed: close

closing reuse; closing -
  connected, listenFailed                   -> same
  drain, finish, writeFailed                -> same
  stop                                      -> same: dropUnsent
  evict, crashed                            -> closing -: EVICT

closed
  drain, finish, stop, evict                -> closed
  writeFailed, crashed                      -> closed
`.replaceAll("EVICT", "dropUnsent cancelOut disconnect cancelIn awaitQuiet");

Deno.test("the life of an instance does what its table says, for every state and event", () => {
  assertTable(STATES, EVENTS, transition, TABLE);
  assertEquals([STATES[0], STATES.at(-1)], [INITIAL, FINAL]);
});

/** Every pair of a state and an event that leads to a command. */
function pairsThat(
  command: Command,
): [state: string, event: Event, commands: readonly Command[]][] {
  return STATES.flatMap((state) =>
    EVENTS.flatMap((event): ReturnType<typeof pairsThat> => {
      const commands = transition(state, event)?.commands ?? [];
      return commands.includes(command) ? [[nameOf(state), event, commands]] : [];
    })
  );
}

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
  const pairs = pairsThat("disconnect");
  assert(pairs.length > 0);
  for (const [state, event, commands] of pairs) {
    assert(commands.indexOf("cancelOut") < commands.indexOf("disconnect"), `${state} + ${event}`);
    assert(event !== "clientDisconnected");
  }
});

Deno.test("the commands after which nothing is the same come last", () => {
  for (const command of ["awaitQuiet", "recycle", "close"] as const) {
    for (const [state, event, commands] of pairsThat(command)) {
      assertEquals(commands.indexOf(command), commands.length - 1, `${state} + ${event}`);
    }
  }
});

Deno.test("a session begins when a client comes, and is told nothing when it is not open", () => {
  assertEquals(pairsThat("beginSession").map(([state, event]) => [state, event]), [
    ["connecting", "connected"],
  ]);
  for (const command of ["drainSession", "finishSession", "evictSession"] as const) {
    assertEquals(pairsThat(command).filter(([state]) => state !== "open"), []);
  }
});
