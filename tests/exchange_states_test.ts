/** What happens with a client whose requests are answered: by its table, and what always holds. */

import { assert, assertEquals } from "@std/assert";
import { begin, transition } from "../src/exchange/exchange_machine.ts";
import {
  awaitsRequest,
  type Command,
  EVENTS,
  FINAL,
  isConnected,
  type State,
  STATES,
} from "../src/exchange/exchange_states.ts";
import { assertTable, stepsOf, textOf } from "./state_tables.ts";

const VARIABLES = {
  F: "-|first",
  R: "-|rest",
  D: "-|disconnected",
  A: "none|reading|kept",
  O: "free|busy|disconnected",
  OPEN: "free|busy",
};

const TABLE = `
reading F R - + message                  -> answering none free: deliver
reading F R disconnected + message       -> answering none disconnected: deliver abort
reading F - D + partial                  -> reading F rest D: readRest
reading - - D + partial (last)           -> reading - rest D: readRest cancelRead
reading F R D + ended                    -> over: clientDisconnected
reading F R D + cancelled, finish        -> over: sessionFinished
reading F R D + broken, evict            -> over: sessionEvicted
reading - R D + drain                    -> same: cancelRead
reading first R D + drain                -> same
reading F R - + written                  -> same
reading F R - + unwritten                -> reading F R disconnected: abort

answering A free + sent                  -> answering A busy: write
answering A free + replied               -> writing A: write
answering none free + settled            -> reading - - -: read
answering none free + settled (last)     -> over: sessionFinished
answering reading free + settled         -> reading - - -
answering kept free + settled            -> reading - - -: redeliver

answering A busy + sent                  -> same
answering A busy + replied, settled      -> writing A
answering A OPEN + written               -> answering A free
answering A OPEN + unwritten             -> answering A disconnected: abort

answering none disconnected + done       -> reading - - disconnected: forget read
answering none disconnected + done (last) -> over: forget sessionFinished
answering reading disconnected + done    -> reading - - disconnected: forget
answering kept disconnected + done       -> reading - - disconnected: forget redeliver

answering A disconnected + taken         -> same
answering none O + turnBegan             -> answering reading O: read
answering none O + turnBegan (last)      -> same
answering none O + drain                 -> same
answering none O + finish                -> over: abort withdraw sessionFinished
answering none O + evict                 -> over: abort withdraw sessionEvicted

answering reading O + message, partial   -> answering kept O: keep
answering reading O + cancelled          -> answering none O
answering reading O + drain              -> same: cancelRead
answering reading O + finish             -> over: abort withdraw sessionFinished
answering reading O + evict              -> over: abort withdraw sessionEvicted
answering reading free + ended, broken   -> aborted: abort
answering reading disconnected + ended, broken -> aborted: abort
answering reading busy + ended           -> over: abort withdraw clientDisconnected
answering reading busy + broken          -> over: abort withdraw sessionEvicted

answering kept O + drain                 -> same
answering kept O + finish                -> over: abort withdraw dropRequest sessionFinished
answering kept O + evict                 -> over: abort withdraw dropRequest sessionEvicted

writing none + written                   -> reading - - -: read
writing none + written (last)            -> over: sessionFinished
writing none + unwritten                 -> reading - - disconnected: abort read
writing none + unwritten (last)          -> over: abort sessionFinished
writing none + drain                     -> same
writing none + finish                    -> over: abort withdraw sessionFinished
writing none + evict                     -> over: abort withdraw sessionEvicted

writing reading + written                -> reading - - -
writing reading + unwritten              -> reading - - disconnected: abort
writing reading + message, partial       -> writing kept: keep
writing reading + ended                  -> over: abort clientDisconnected
writing reading + cancelled              -> writing none
writing reading + drain                  -> same: cancelRead
writing reading + finish                 -> over: abort withdraw sessionFinished
writing reading + broken, evict          -> over: abort withdraw sessionEvicted

writing kept + written                   -> reading - - -: redeliver
writing kept + unwritten                 -> reading - - disconnected: abort redeliver
writing kept + drain                     -> same
writing kept + finish                    -> over: abort withdraw dropRequest sessionFinished
writing kept + evict                     -> over: abort withdraw dropRequest sessionEvicted

aborted + taken, done                    -> over: forget clientDisconnected
aborted + drain, written, unwritten      -> same
aborted + finish, evict                  -> over: withdraw sessionFinished

over + message, partial                  -> same: dropRequest
over + ended, cancelled, taken, done, written, unwritten, turnBegan -> same
`;

const STEPS = stepsOf(STATES, EVENTS, transition);

Deno.test("a session does what its table says, for every state and event", () => {
  assertTable(STEPS, TABLE, VARIABLES);
  assertEquals(STATES.at(-1), FINAL);
});

Deno.test("a session begins with a read, and with the news that its client has disconnected", () => {
  assertEquals(textOf(begin(false)), "reading first - -: read");
  assertEquals(textOf(begin(true)), "reading first - disconnected: abort read");
  assert(awaitsRequest(begin(false).state));
});

Deno.test("a request is delivered when it is whole", () => {
  const delivering = STEPS.filter(({ step }) => step.commands.includes("deliver"));
  for (const { pair } of delivering) assert(/^reading .* message/.test(pair), pair);
  assertEquals(new Set(delivering.map(({ pair }) => pair)).size, 8);
});

Deno.test("a write of a pushed message ends where the client is connected", () => {
  for (const state of STATES) {
    for (const event of ["written", "unwritten"] as const) {
      const handled = transition(state, event, false) !== undefined;
      assertEquals(
        handled,
        isConnected(state) || state.name === "aborted" || state === FINAL,
        state.name,
      );
    }
  }
});

function isOpen(state: State): boolean {
  return state.name === "answering" && state.out !== "disconnected";
}

Deno.test("an exchange is answered where it is open, and aborted where it ends otherwise", () => {
  for (const { state, event, step, pair } of STEPS) {
    const answers = ["sent", "replied", "settled"].includes(event);
    if (answers) assert(isOpen(state), pair);
    else if (isOpen(state) && !isOpen(step.state)) assertEquals(step.commands[0], "abort", pair);
  }
});

Deno.test("a session ends with one command that says how, the last one, and does no more", () => {
  const ends: readonly Command[] = ["clientDisconnected", "sessionFinished", "sessionEvicted"];
  for (const { state, event, step, pair } of STEPS) {
    const found = step.commands.filter((command) => ends.includes(command));
    assertEquals(
      found,
      step.state === state || step.state !== FINAL ? [] : step.commands.slice(-1),
    );
    if (state === FINAL) assertEquals(step.state, FINAL, pair);
    // Nobody is left to be disconnected where the client was, or was not worth it.
    else if (event === "evict" && state.name !== "aborted") assertEquals(found, ["sessionEvicted"]);
  }
});
