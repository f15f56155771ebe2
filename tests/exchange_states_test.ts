/** What happens with a client whose requests are answered: by its table, and what always holds. */

import { assert, assertEquals } from "@std/assert";
import { begin, transition } from "../src/exchange/exchange_machine.ts";
import {
  awaitsRequest,
  type Command,
  EVENTS,
  FINAL,
  isAdmitted,
  isConnected,
  type State,
  STATES,
} from "../src/exchange/exchange_states.ts";
import { assertTable, stepsOf, textOf } from "./state_tables.ts";

const VARIABLES = {
  READ: "known -|known rest|new -|new rest|unknown -|unadmitted -",
  FIRST: "new|unknown|unadmitted",
  K: "known|new",
  W: "-|asks",
  R: "-|rest",
  D: "-|disconnected",
  A: "none|reading|kept",
  O: "free|busy|disconnected",
  OPEN: "free|busy",
  PUSH: "known -|known rest|new -|new rest|unknown -",
};

const TABLE = `
reading known R - + message              -> answering none free: deliver
reading known R disconnected + message   -> answering none disconnected: deliver abort
reading new R - + message                -> answering none free: deliver
reading new R disconnected + message     -> answering none disconnected: deliver abort
reading K - D + partial                  -> reading K rest D: readRest
reading known - D + partial (last)       -> reading known rest D: readRest cancelRead
reading unknown - D + message            -> identifying - - D: identify
reading unknown - D + partial            -> identifying - rest D: identify
reading unadmitted - D + message         -> identifying asks - D: identify
reading unadmitted - D + partial         -> identifying asks rest D: identify
reading READ D + ended                   -> over: clientDisconnected
reading READ D + cancelled, finish       -> over: sessionFinished
reading READ D + broken, evict           -> over: sessionEvicted
reading known R D + drain                -> same: cancelRead
reading FIRST - D + drain                -> same
reading new rest D + drain               -> same
reading PUSH - + written                 -> same
reading PUSH - + unwritten               -> reading PUSH disconnected: abort

identifying - - - + identified           -> answering none free: deliver
identifying - - disconnected + identified -> answering none disconnected: deliver abort
identifying - rest D + identified        -> reading new rest D: readRest
identifying asks R D + identified        -> authorizing R D: authorize
identifying W - D + message            -> same: identify
identifying W rest D + partial         -> same: identify
identifying W R D + drain              -> same
identifying - R - + written              -> same
identifying - R - + unwritten            -> identifying - R disconnected: abort
identifying W R D + finish             -> over: sessionFinished
identifying W R D + evict              -> over: sessionEvicted

authorizing - - + admitted               -> answering none free: deliver
authorizing - disconnected + admitted    -> answering none disconnected: deliver abort
authorizing rest D + admitted            -> reading new rest D: readRest
authorizing R D + refused                -> over: sessionFinished
authorizing R D + drain                  -> same
authorizing R D + finish                 -> over: dropRequest sessionFinished
authorizing R D + evict                  -> over: dropRequest sessionEvicted

answering A free + sent                  -> answering A busy: write
answering A free + replied               -> writing A: write
answering none free + settled            -> reading known - -: read
answering none free + settled (last)     -> over: sessionFinished
answering reading free + settled         -> reading known - -
answering kept free + settled            -> reading known - -: redeliver

answering A busy + sent                  -> same
answering A busy + replied, settled      -> writing A
answering A OPEN + written               -> answering A free
answering A OPEN + unwritten             -> answering A disconnected: abort

answering none disconnected + done       -> reading known - disconnected: forget read
answering none disconnected + done (last) -> over: forget sessionFinished
answering reading disconnected + done    -> reading known - disconnected: forget
answering kept disconnected + done       -> reading known - disconnected: forget redeliver

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

writing none + written                   -> reading known - -: read
writing none + written (last)            -> over: sessionFinished
writing none + unwritten                 -> reading known - disconnected: abort read
writing none + unwritten (last)          -> over: abort sessionFinished
writing none + drain                     -> same
writing none + finish                    -> over: abort withdraw sessionFinished
writing none + evict                     -> over: abort withdraw sessionEvicted

writing reading + written                -> reading known - -
writing reading + unwritten              -> reading known - disconnected: abort
writing reading + message, partial       -> writing kept: keep
writing reading + ended                  -> over: abort clientDisconnected
writing reading + cancelled              -> writing none
writing reading + drain                  -> same: cancelRead
writing reading + finish                 -> over: abort withdraw sessionFinished
writing reading + broken, evict          -> over: abort withdraw sessionEvicted

writing kept + written                   -> reading known - -: redeliver
writing kept + unwritten                 -> reading known - disconnected: abort redeliver
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
  for (const who of ["new", "unknown", "unadmitted"] as const) {
    assertEquals(textOf(begin(who, false)), `reading ${who} - -: read`);
    assertEquals(textOf(begin(who, true)), `reading ${who} - disconnected: abort read`);
    assert(awaitsRequest(begin(who, false).state));
  }
});

Deno.test("a request is delivered when it is whole, and its client identified and admitted", () => {
  const delivering = STEPS.filter(({ step }) => step.commands.includes("deliver"));
  for (const { pair } of delivering) {
    assert(
      /^reading (known|new) .* message|^identifying - - .*|^authorizing - .* admitted/.test(pair),
      pair,
    );
  }
  assertEquals(new Set(delivering.map(({ pair }) => pair)).size, 12);
});

Deno.test("a write of a pushed message ends where the client is admitted and connected", () => {
  for (const state of STATES) {
    const reached = isAdmitted(state) && isConnected(state);
    for (const event of ["written", "unwritten"] as const) {
      const handled = transition(state, event, false) !== undefined;
      assertEquals(handled, reached || state.name === "aborted" || state === FINAL, state.name);
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
