/** What happens with a client whose requests are answered: by its table, and what always holds. */

import { assert, assertEquals } from "@std/assert";
import {
  awaitsRequest,
  begin,
  type Command,
  type Event,
  EVENTS,
  FINAL,
  type State,
  STATES,
  transition,
} from "../src/exchange/exchange_states.ts";
import type { Step } from "../src/state_machine.ts";
import { assertTable, nameOf, textOf } from "./state_tables.ts";

const VARIABLES = {
  K: "known unknown",
  R: "- rest",
  D: "- disconnected",
  A: "none reading kept",
  O: "free busy disconnected",
};

const TABLE = `
reading K R D; reading unadmitted - D
  ended                   -> over: clientDisconnected
  cancelled, finish       -> over: sessionFinished
  broken, evict           -> over: sessionEvicted
  turnBegan               -> same
  drain                   -> same: cancelRead

reading known R -
  message                 -> answering none free: deliver

reading known R disconnected
  message                 -> answering none disconnected: deliver abort

reading unknown R D
  message                 -> identifying - - D: identify

reading K - D
  partial                 -> reading K rest D: readRest
  partial (last)          -> reading K rest D: readRest cancelRead

reading unadmitted - D
  message                 -> identifying asks - D: identify
  partial                 -> identifying asks rest D: identify

identifying - - D; identifying asks R D
  message, partial        -> same: identify
  drain                   -> same
  finish                  -> over: sessionFinished
  evict                   -> over: sessionEvicted

identifying - - -
  identified              -> answering none free: deliver

identifying - - disconnected
  identified              -> answering none disconnected: deliver abort

identifying asks R D
  identified              -> authorizing R D: authorize

authorizing R D
  refused                 -> over: sessionFinished
  drain                   -> same
  finish                  -> over: dropRequest sessionFinished
  evict                   -> over: dropRequest sessionEvicted

authorizing - -
  admitted                -> answering none free: deliver

authorizing - disconnected
  admitted                -> answering none disconnected: deliver abort

authorizing rest D
  admitted                -> reading known rest D: readRest
  admitted (last)         -> reading known rest D: readRest cancelRead

answering A free
  sent                    -> answering A busy: write
  replied                 -> writing A: write

answering A busy
  sent                    -> same
  replied, settled        -> writing A
  written                 -> answering A free
  unwritten               -> answering A disconnected: abort

answering none free
  settled                 -> reading known - -: read
  settled (last)          -> over: sessionFinished

answering reading free
  settled                 -> reading known - -

answering kept free
  settled                 -> reading known - -: redeliver

answering none disconnected
  finished                -> reading known - disconnected: forget read
  finished (last)         -> over: forget sessionFinished

answering reading disconnected
  finished                -> reading known - disconnected: forget

answering kept disconnected
  finished                -> reading known - disconnected: forget redeliver

answering A O
  taken                   -> same

answering none O
  turnBegan               -> answering reading O: read
  turnBegan (last)        -> same
  drain                   -> same
  finish                  -> over: abort withdraw sessionFinished
  evict                   -> over: abort withdraw sessionEvicted

answering reading O
  message, partial        -> answering kept O: keep
  cancelled               -> answering none O
  turnBegan               -> same
  drain                   -> same: cancelRead
  finish                  -> over: abort withdraw sessionFinished
  evict                   -> over: abort withdraw sessionEvicted

answering reading free; answering reading disconnected
  ended, broken           -> aborted: abort

answering reading busy
  ended                   -> over: abort withdraw clientDisconnected
  broken                  -> over: abort withdraw sessionEvicted

answering kept O
  turnBegan, drain        -> same
  finish                  -> over: abort withdraw dropRequest sessionFinished
  evict                   -> over: abort withdraw dropRequest sessionEvicted

writing none
  written                 -> reading known - -: read
  written (last)          -> over: sessionFinished
  unwritten               -> reading known - disconnected: abort read
  unwritten (last)        -> over: abort sessionFinished
  turnBegan, drain        -> same
  finish                  -> over: abort withdraw sessionFinished
  evict                   -> over: abort withdraw sessionEvicted

writing reading
  written                 -> reading known - -
  unwritten               -> reading known - disconnected: abort
  message, partial        -> writing kept: keep
  ended                   -> over: abort clientDisconnected
  cancelled               -> writing none
  turnBegan               -> same
  drain                   -> same: cancelRead
  finish                  -> over: abort withdraw sessionFinished
  broken, evict           -> over: abort withdraw sessionEvicted

writing kept
  written                 -> reading known - -: redeliver
  unwritten               -> reading known - disconnected: abort redeliver
  turnBegan, drain        -> same
  finish                  -> over: abort withdraw dropRequest sessionFinished
  evict                   -> over: abort withdraw dropRequest sessionEvicted

aborted
  taken, finished         -> over: forget clientDisconnected
  turnBegan, drain        -> same
  finish, evict           -> over: withdraw sessionFinished

over
  message, partial        -> over: dropRequest
  ended, cancelled        -> over
  taken, finished         -> over
  written, unwritten      -> over
  turnBegan               -> over
`;

Deno.test("a session does what its table says, for every state and event", () => {
  assertTable(STATES, EVENTS, transition, TABLE, VARIABLES);
  assertEquals(STATES.at(-1), FINAL);
});

Deno.test("a session begins with a read, and with the news that its client has disconnected", () => {
  for (const who of ["known", "unknown", "unadmitted"] as const) {
    assertEquals(textOf(begin(who, false)), `reading ${who} - -: read`);
    assertEquals(textOf(begin(who, true)), `reading ${who} - disconnected: abort read`);
    assert(awaitsRequest(begin(who, false).state));
  }
});

/** Every step there is. */
function steps(): { state: State; event: Event; step: Step<State, Command>; pair: string }[] {
  return STATES.flatMap((state) =>
    EVENTS.flatMap((event) =>
      [false, true].flatMap((last) => {
        const step = transition(state, event, last);
        const pair = `${nameOf(state)} + ${event}`;
        return step === undefined ? [] : [{ state, event, step, pair }];
      })
    )
  );
}

Deno.test("a request is delivered when it is whole, and its client identified and admitted", () => {
  const delivering = steps().filter(({ step }) => step.commands.includes("deliver"));
  assertEquals([...new Set(delivering.map(({ pair }) => pair))], [
    "reading known - - + message",
    "reading known - disconnected + message",
    "reading known rest - + message",
    "reading known rest disconnected + message",
    "identifying - - - + identified",
    "identifying - - disconnected + identified",
    "authorizing - - + admitted",
    "authorizing - disconnected + admitted",
  ]);
});

Deno.test("nothing is sent and nothing settled where no exchange is open", () => {
  for (const state of STATES) {
    const open = state.name === "answering" && state.out !== "disconnected";
    for (const event of ["sent", "replied", "settled"] as const) {
      assertEquals(transition(state, event, false) !== undefined, open, nameOf(state));
    }
  }
});

Deno.test("an open exchange that ends otherwise than by an answer is aborted first", () => {
  const isOpen = (state: State) => state.name === "answering" && state.out !== "disconnected";
  for (const { state, event, step, pair } of steps()) {
    if (!isOpen(state) || isOpen(step.state) || ["replied", "settled"].includes(event)) continue;
    assertEquals(step.commands[0], "abort", pair);
  }
});

Deno.test("a session ends with one command that says how, the last one, and does no more", () => {
  const ends: Command[] = ["clientDisconnected", "sessionFinished", "sessionEvicted"];
  for (const { state, step, pair } of steps()) {
    const found = step.commands.filter((command) => ends.includes(command));
    const over = step.state === FINAL && state !== FINAL;
    assertEquals(found, over ? step.commands.slice(-1) : [], pair);
    if (state === FINAL) assertEquals(step.state, FINAL, pair);
  }
});

Deno.test("an evicted session says so, so that its client is disconnected, if it is still there", () => {
  for (const state of STATES.filter((state) => state !== FINAL && state.name !== "aborted")) {
    assertEquals(transition(state, "evict", false)?.commands.at(-1), "sessionEvicted");
  }
});
