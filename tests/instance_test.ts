/**
 * The state machine of an instance: every state, every event, and what must hold wherever it goes.
 *
 * The table is what the state machine is to do, written by hand from its description. A pair that
 * is not in it cannot happen.
 */

import { assert, assertEquals, assertExists, assertThrows } from "@std/assert";
import {
  type Command,
  type Event,
  EVENTS,
  FINAL,
  INITIAL,
  type State,
  STATES,
  type Step,
  transition,
} from "../src/instance.ts";

// Per state: events -> next state: commands. "(last)": no request after this one is wanted.
//
// | in flight | lane in                                 | lane out        |
// | --------- | --------------------------------------- | --------------- |
// | always    | connecting, reading                     | writing         |
// | if it says| "ahead reading", closing "reads"        | "busy", "writes"|
const TABLE = `
idle
  listen                                -> connecting: listen
  drain, finish, evict                  -> closed: retire

connecting
  connected                             -> reading: welcome read
  connectedGone                         -> reading gone: welcome lose read
  listenFailed                          -> closed: retire
  drain, finish, evict                  -> closing reads: cancelIn

reading
  message                               -> answering, ahead none, free: hand
  introduction                          -> authorizing: authorize
  partialIntroduction                   -> authorizing rest: authorize
  partial                               -> reading rest: readRest
  partial (last)                        -> reading rest: readRest cancelIn
  ended                                 -> idle: recycle
  cancelled                             -> closed: retire
  broken                                -> closed: disconnect retire
  turned                                -> reading
  drain                                 -> reading: cancelIn
  finish                                -> closing reads: cancelIn
  evict                                 -> closing reads: disconnect cancelIn

reading rest
  message                               -> answering, ahead none, free: hand
  ended                                 -> idle: recycle
  cancelled                             -> closed: retire
  broken                                -> closed: disconnect retire
  turned                                -> reading rest
  drain                                 -> reading rest: cancelIn
  finish                                -> closing reads: cancelIn
  evict                                 -> closing reads: disconnect cancelIn

reading gone
  message                               -> answering, ahead none, gone: hand
  introduction                          -> authorizing gone: authorize
  partialIntroduction                   -> authorizing rest gone: authorize
  partial                               -> reading rest gone: readRest
  partial (last)                        -> reading rest gone: readRest cancelIn
  ended                                 -> idle: recycle
  cancelled                             -> closed: retire
  broken                                -> closed: disconnect retire
  turned                                -> reading gone
  drain                                 -> reading gone: cancelIn
  finish                                -> closing reads: cancelIn
  evict                                 -> closing reads: disconnect cancelIn

reading rest gone
  message                               -> answering, ahead none, gone: hand
  ended                                 -> idle: recycle
  cancelled                             -> closed: retire
  broken                                -> closed: disconnect retire
  turned                                -> reading rest gone
  drain                                 -> reading rest gone: cancelIn
  finish                                -> closing reads: cancelIn
  evict                                 -> closing reads: disconnect cancelIn

authorizing
  admitted                              -> answering, ahead none, free: hand
  refused, finish                       -> closed: retire
  drain                                 -> authorizing
  evict                                 -> closed: disconnect retire

authorizing rest
  admitted                              -> reading rest: readRest
  admitted (last)                       -> reading rest: readRest cancelIn
  refused, finish                       -> closed: retire
  drain                                 -> authorizing rest
  evict                                 -> closed: disconnect retire

authorizing gone
  admitted                              -> answering, ahead none, gone: hand
  refused, finish                       -> closed: retire
  drain                                 -> authorizing gone
  evict                                 -> closed: disconnect retire

authorizing rest gone
  admitted                              -> reading rest gone: readRest
  admitted (last)                       -> reading rest gone: readRest cancelIn
  refused, finish                       -> closed: retire
  drain                                 -> authorizing rest gone
  evict                                 -> closed: disconnect retire

answering, ahead none, free
  sent                                  -> answering, ahead none, busy: write
  replied                               -> writing, ahead none: write
  settled                               -> reading: read
  settled (last)                        -> closed: retire
  turned                                -> answering, ahead reading, free: read
  turned (last)                         -> answering, ahead none, free
  drain                                 -> answering, ahead none, free
  finish                                -> closed: lose retire
  evict                                 -> closed: lose disconnect retire

answering, ahead none, busy
  sent                                  -> answering, ahead none, busy
  replied, settled                      -> writing, ahead none
  written                               -> answering, ahead none, free
  unwritten                             -> answering, ahead none, gone: lose
  turned                                -> answering, ahead reading, busy: read
  turned (last)                         -> answering, ahead none, busy
  drain                                 -> answering, ahead none, busy
  finish                                -> closing writes: lose
  evict                                 -> closing writes: lose cancelOut disconnect

answering, ahead none, gone
  settled                               -> reading gone: read
  settled (last)                        -> closed: retire
  turned                                -> answering, ahead reading, gone: read
  turned (last)                         -> answering, ahead none, gone
  drain                                 -> answering, ahead none, gone
  finish                                -> closed: lose retire
  evict                                 -> closed: lose disconnect retire

answering, ahead reading, free
  sent                                  -> answering, ahead reading, busy: write
  replied                               -> writing, ahead reading: write
  settled                               -> reading
  turned                                -> answering, ahead reading, free
  message, partial                      -> answering, ahead held, free: hold
  ended                                 -> ended: lose
  cancelled                             -> answering, ahead none, free
  broken                                -> ended: lose
  drain                                 -> answering, ahead reading, free: cancelIn
  finish                                -> closing reads: lose cancelIn
  evict                                 -> closing reads: lose disconnect cancelIn

answering, ahead reading, busy
  sent                                  -> answering, ahead reading, busy
  replied, settled                      -> writing, ahead reading
  written                               -> answering, ahead reading, free
  unwritten                             -> answering, ahead reading, gone: lose
  turned                                -> answering, ahead reading, busy
  message, partial                      -> answering, ahead held, busy: hold
  ended                                 -> closing writes reuse: lose cancelOut
  cancelled                             -> answering, ahead none, busy
  broken                                -> closing writes: lose cancelOut disconnect
  drain                                 -> answering, ahead reading, busy: cancelIn
  finish                                -> closing reads writes: lose cancelIn
  evict                                 -> closing reads writes: lose cancelOut disconnect cancelIn

answering, ahead reading, gone
  settled                               -> reading gone
  turned                                -> answering, ahead reading, gone
  message, partial                      -> answering, ahead held, gone: hold
  ended                                 -> ended: lose
  cancelled                             -> answering, ahead none, gone
  broken                                -> ended: lose
  drain                                 -> answering, ahead reading, gone: cancelIn
  finish                                -> closing reads: lose cancelIn
  evict                                 -> closing reads: lose disconnect cancelIn

answering, ahead held, free
  sent                                  -> answering, ahead held, busy: write
  replied                               -> writing, ahead held: write
  settled                               -> reading: unhold
  turned, drain                         -> answering, ahead held, free
  finish                                -> closed: lose retire
  evict                                 -> closed: lose disconnect retire

answering, ahead held, busy
  sent                                  -> answering, ahead held, busy
  replied, settled                      -> writing, ahead held
  written                               -> answering, ahead held, free
  unwritten                             -> answering, ahead held, gone: lose
  turned, drain                         -> answering, ahead held, busy
  finish                                -> closing writes: lose
  evict                                 -> closing writes: lose cancelOut disconnect

answering, ahead held, gone
  settled                               -> reading gone: unhold
  turned, drain                         -> answering, ahead held, gone
  finish                                -> closed: lose retire
  evict                                 -> closed: lose disconnect retire

writing, ahead none
  written                               -> reading: read
  written (last)                        -> closed: retire
  unwritten                             -> reading gone: lose read
  unwritten (last)                      -> closed: lose retire
  turned, drain                         -> writing, ahead none
  finish                                -> closing writes: lose
  evict                                 -> closing writes: lose cancelOut disconnect

writing, ahead reading
  written                               -> reading
  unwritten                             -> reading gone: lose
  turned                                -> writing, ahead reading
  message, partial                      -> writing, ahead held: hold
  ended                                 -> closing writes reuse: lose cancelOut
  cancelled                             -> writing, ahead none
  broken                                -> closing writes: lose cancelOut disconnect
  drain                                 -> writing, ahead reading: cancelIn
  finish                                -> closing reads writes: lose cancelIn
  evict                                 -> closing reads writes: lose cancelOut disconnect cancelIn

writing, ahead held
  written                               -> reading: unhold
  unwritten                             -> reading gone: lose unhold
  turned, drain                         -> writing, ahead held
  finish                                -> closing writes: lose
  evict                                 -> closing writes: lose cancelOut disconnect

ended
  settled                               -> idle: recycle
  turned, drain                         -> ended
  finish, evict                         -> closed: retire

closing reads
  connected, connectedGone              -> closed: retire
  listenFailed                          -> closed: retire
  message, partial                      -> closed: retire
  ended, cancelled, broken              -> closed: retire
  settled, turned, drain, finish        -> closing reads
  evict                                 -> closing reads: disconnect cancelIn

closing writes
  written, unwritten                    -> closed: retire
  settled, turned, drain, finish        -> closing writes
  evict                                 -> closing writes: cancelOut disconnect

closing writes reuse
  written, unwritten                    -> idle: recycle
  settled, turned, drain, finish        -> closing writes reuse
  evict                                 -> closing writes: cancelOut disconnect

closing reads writes
  connected, connectedGone              -> closing writes
  listenFailed                          -> closing writes
  message, partial                      -> closing writes
  ended, cancelled, broken              -> closing writes
  written, unwritten                    -> closing reads
  settled, turned, drain, finish        -> closing reads writes
  evict                                 -> closing reads writes: cancelOut disconnect cancelIn

closed
  settled, turned, drain, finish, evict -> closed
`;

/** A state as the table calls it. */
function nameOf(state: State): string {
  switch (state.name) {
    case "reading":
      return words("reading", state.rest && "rest", state.gone && "gone");
    case "authorizing":
      return words("authorizing", state.rest && "rest", state.gone && "gone");
    case "answering":
      return `answering, ahead ${state.ahead}, ${state.out}`;
    case "writing":
      return `writing, ahead ${state.ahead}`;
    case "closing":
      return words(
        "closing",
        state.reads && "reads",
        state.writes && "writes",
        state.reuse && "reuse",
      );
    default:
      return state.name;
  }
}

function words(...parts: (string | false)[]): string {
  return parts.filter((part) => part !== false).join(" ");
}

/** What an event leads to, as the table says it. */
function told(step: Step | undefined): string | undefined {
  if (step === undefined) return undefined;
  const name = nameOf(step.state);
  return step.commands.length === 0 ? name : `${name}: ${step.commands.join(" ")}`;
}

/** The table by state, event and whether the request is the last one. */
function parse(table: string): Map<string, Map<string, string>> {
  const rows = new Map<string, Map<string, string>>();
  let row = new Map<string, string>();
  for (const line of table.split("\n").filter((line) => line.trim() !== "")) {
    if (!line.startsWith(" ")) {
      assert(!rows.has(line), `two rows of "${line}"`);
      row = new Map();
      rows.set(line, row);
      continue;
    }
    const [events, target, ...rest] = line.split("->").map((part) => part.trim());
    assertExists(events, line);
    assertExists(target, line);
    assertEquals(rest, [], line);
    for (const event of events.split(", ")) {
      const [, name, last] = /^(\w+)( \(last\))?$/.exec(event) ?? [];
      assert(EVENTS.some((known) => known === name), `"${event}" is no event`);
      const key = `${name} ${last !== undefined}`;
      // A line with "(last)" overrides the one without, which comes first.
      assert(last !== undefined || !row.has(`${name} false`), `"${event}" twice: ${line}`);
      row.set(key, target);
      if (last === undefined) row.set(`${name} true`, target);
    }
  }
  return rows;
}

const ROWS = parse(TABLE);

Deno.test("the table has a row for every state, and no other", () => {
  assertEquals(STATES.map(nameOf).toSorted(), [...ROWS.keys()].toSorted());
  assertEquals(new Set(STATES).size, STATES.length);
  assertEquals(new Set(EVENTS).size, EVENTS.length);
  const numbers = [STATES.length, EVENTS.length];
  assertEquals(numbers, [28, 22]);
});

Deno.test("the parser of the table refuses what it does not understand", () => {
  for (
    const row of ["  lisen -> b", "  listen -> b\n  listen -> c", "  listen", "  drain -> a -> b"]
  ) {
    assertThrows(() => parse(`a\n${row}`), Error, "", row);
  }
  assertThrows(() => parse("a\n\na\n"));
  assertEquals(
    parse("a\n  drain, evict -> b: c\n  evict (last) -> d").get("a"),
    new Map([["drain false", "b: c"], ["drain true", "b: c"], ["evict false", "b: c"], [
      "evict true",
      "d",
    ]]),
  );
});

for (const state of STATES) {
  const name = nameOf(state);
  Deno.test(`transition() does from "${name}" what the table says, for every event`, () => {
    for (const event of EVENTS) {
      for (const last of [false, true]) {
        const expected = ROWS.get(name)?.get(`${event} ${last}`);
        const actual = told(transition(state, event, last));
        assertEquals(actual, expected, `${name} + ${event}${last ? " (last)" : ""}`);
      }
    }
  });
}

Deno.test("transition() gives one and the same object for each state", () => {
  for (const state of STATES) {
    for (const event of EVENTS) {
      for (const last of [false, true]) {
        const next = transition(state, event, last)?.state;
        assert(next === undefined || STATES.includes(next), `${nameOf(state)} + ${event}`);
      }
    }
  }
  assertEquals(transition({ ...INITIAL }, "listen", false), undefined);
  assert(STATES.includes(INITIAL));
  assert(STATES.includes(FINAL));
});

// A small model of everything around an instance: Windows, the client and the responder.

type In = "nothing" | "listen" | "read" | "readRest" | "held" | "kept message" | "kept partial";

/** What is so outside of the state machine. */
interface World {
  readonly state: State;
  /** What is in flight on lane in, or comes again ("kept"), or is held. */
  readonly in: In;
  /** Which outcome a held read has. */
  readonly outcome: "message" | "partial";
  /** A write is in flight. */
  readonly out: boolean;
  /** The exchange that the responder has, or that waits for its client to be admitted. */
  readonly exchange: "none" | "asked" | "open" | "lost";
  /** Whether the instance has a client. */
  readonly client: boolean;
  readonly handle: "open" | "closed";
  /** No further request is wanted. */
  readonly last: boolean;
  /** The instance was told so. */
  readonly drained: boolean;
  /** Somebody asked for the end of what is in flight on lane in. */
  readonly cancelled: boolean;
}

const BEGINNING: World = {
  state: INITIAL,
  in: "nothing",
  outcome: "message",
  out: false,
  exchange: "none",
  client: false,
  handle: "open",
  last: false,
  drained: false,
  cancelled: false,
};

/** A mistake of the state machine. */
class Violation extends Error {}

function demand(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Violation(what);
}

type Machine = typeof transition;

function inFlight(world: World): boolean {
  return world.in !== "nothing" && world.in !== "held";
}

/** How what is in flight may end. */
function completions(world: World): Event[] {
  const events: Event[] = [];
  if (world.in === "listen") events.push("connected", "connectedGone", "listenFailed");
  if (world.in === "read") events.push("message", "partial", "ended", "cancelled", "broken");
  if (world.in === "readRest") events.push("message", "ended", "cancelled", "broken");
  if (world.in === "kept message") events.push("message");
  if (world.in === "kept partial") events.push("partial");
  const first = world.in === "read" && world.state.name === "reading";
  if (first) events.push("introduction", "partialIntroduction");
  if (world.out) events.push("written", "unwritten");
  return events;
}

/** Everything that may happen now. */
function possible(world: World): Event[] {
  const events = [...completions(world)];
  if (world.state.name === "idle" && !world.last) events.push("listen");
  if (world.exchange === "open") events.push("sent", "replied", "settled");
  // The user lets go of an exchange that is lost.
  if (world.exchange === "lost") events.push("settled");
  if (world.exchange === "open" || world.exchange === "lost") events.push("turned");
  if (world.exchange === "asked") events.push("admitted", "refused");
  events.push("finish", "evict");
  if (world.last) events.push("drain");
  return events;
}

/** What an event itself changes, before anybody reacts. */
function happen(world: World, event: Event): World {
  switch (event) {
    case "message":
    case "partial":
      return { ...world, in: "nothing", cancelled: false, outcome: event };
    case "introduction":
      return { ...world, in: "nothing", cancelled: false, outcome: "message" };
    case "partialIntroduction":
      return { ...world, in: "nothing", cancelled: false, outcome: "partial" };
    case "admitted":
      return { ...world, exchange: world.outcome === "partial" ? "none" : world.exchange };
    case "connected":
    case "connectedGone":
    case "listenFailed":
    case "ended":
    case "cancelled":
    case "broken":
      return { ...world, in: "nothing", cancelled: false };
    case "written":
    case "unwritten":
      return { ...world, out: false };
    case "replied":
    case "settled":
    case "refused":
      return { ...world, exchange: "none" };
    case "drain":
      return { ...world, drained: true };
    default:
      return world;
  }
}

/** Does what the state machine wants, and watches that it may be done. */
function execute(before: World, world: World, command: Command): World {
  demand(world.handle === "open", `"${command}" after the handle was closed`);
  switch (command) {
    case "listen":
      demand(!inFlight(world), "I1: a second operation on lane in");
      demand(!world.client, "a listen while there is a client");
      return { ...world, in: "listen", cancelled: false };
    case "read":
    case "readRest":
      demand(!inFlight(world), "I1: a second operation on lane in");
      demand(world.in !== "held", "I2: the memory of a message that is held is used again");
      demand(world.client, "a read while there is no client");
      demand(
        command === "read" || before.in === "read" || before.in === "kept partial" ||
          before.exchange === "asked" && before.outcome === "partial",
        "the rest is read of what has none",
      );
      return { ...world, in: command, cancelled: false };
    case "unhold":
      demand(world.in === "held", "nothing is held");
      return { ...world, in: world.outcome === "message" ? "kept message" : "kept partial" };
    case "hold":
      demand(world.in === "nothing" && before.in === "read", "nothing came that could be held");
      return { ...world, in: "held" };
    case "write":
      demand(!world.out, "I1: a second operation on lane out");
      demand(world.client, "a write while there is no client");
      demand(world.exchange !== "lost", "I5: a write of an exchange that is lost");
      return { ...world, out: true };
    case "cancelIn":
      demand(inFlight(world), "a cancel of nothing on lane in");
      // What was kept comes again all the same.
      return { ...world, cancelled: !world.in.startsWith("kept") };
    case "cancelOut":
      demand(world.out, "a cancel of nothing on lane out");
      return world;
    case "welcome":
      demand(!world.client, "a second client");
      return { ...world, client: true };
    case "authorize":
      demand(world.exchange === "none", "a client is asked about with an exchange open");
      return { ...world, exchange: "asked" };
    case "hand":
      demand(
        before.state.name === "reading" || before.state.name === "authorizing",
        `a request is handed from "${before.state.name}"`,
      );
      demand(world.exchange !== "open" && world.exchange !== "lost", "a second open exchange");
      demand(world.outcome === "message", "a part of a request is handed over");
      demand(
        (before.state.name === "authorizing") === (world.exchange === "asked"),
        "a request is handed over whose client was not admitted",
      );
      return { ...world, exchange: before.state.gone ? "lost" : "open" };
    case "lose":
      return { ...world, exchange: world.exchange === "open" ? "lost" : world.exchange };
    case "disconnect":
      return world;
    case "recycle":
    case "retire":
      demand(!inFlight(world), `"${command}" with something in flight on lane in`);
      demand(!world.out, `"${command}" with something in flight on lane out`);
      demand(world.exchange !== "open", `"${command}" without "lose", and an exchange is open`);
      return {
        ...world,
        in: "nothing",
        exchange: "none",
        client: false,
        handle: command === "retire" ? "closed" : "open",
      };
  }
}

/** What the states promise of the world. */
function inspect(world: World): void {
  const { state } = world;
  const reads = inFlight(world);
  const expected = {
    idle: [false, false],
    connecting: [true, false],
    reading: [true, false],
    authorizing: [false, false],
    answering: state.name === "answering" ? [state.ahead === "reading", state.out === "busy"] : [],
    writing: state.name === "writing" ? [state.ahead === "reading", true] : [],
    ended: [false, false],
    closing: state.name === "closing" ? [state.reads, state.writes] : [],
    closed: [false, false],
  }[state.name];
  assertEquals([reads, world.out], expected, `${nameOf(state)} and what is in flight`);
  const listens = world.in === "listen";
  demand(state.name !== "connecting" || listens, `a read in "${nameOf(state)}"`);
  const mayListen = state.name === "connecting" || state.name === "closing";
  demand(!listens || mayListen, `a listen in "${nameOf(state)}"`);
  if (state.name === "answering") {
    demand(world.exchange !== "none", `"${nameOf(state)}" without an exchange`);
    demand(
      (state.out === "gone") === (world.exchange === "lost"),
      `"${nameOf(state)}" and the exchange is ${world.exchange}`,
    );
    demand((state.ahead === "held") === (world.in === "held"), "what is held");
  } else {
    demand(world.exchange !== "open", `an open exchange in "${nameOf(state)}"`);
  }
  demand(
    (state.name === "authorizing") === (world.exchange === "asked"),
    `the exchange is ${world.exchange} in "${nameOf(state)}"`,
  );
  demand(
    (state === FINAL) === (world.handle === "closed"),
    `the handle is ${world.handle} in "${nameOf(state)}"`,
  );
  const atRest = state.name === "idle" || state.name === "connecting" || state === FINAL;
  demand(!atRest || !world.client, `a client in "${nameOf(state)}"`);
  // The rest of a message is there already: it completes by itself.
  const waits = listens || world.in === "read";
  const ends = !world.drained || !waits || world.cancelled;
  demand(ends, `"${nameOf(state)}" waits for a client although no request is wanted`);
}

/** The world after an event, if all is well in it. */
function follow(machine: Machine, world: World, event: Event): World {
  const step = machine(world.state, event, world.last);
  const where = `${nameOf(world.state)} + ${event}`;
  if (step === undefined) throw new Violation(`${where} is not provided for`);
  try {
    let next = happen(world, event);
    for (const command of step.commands) next = execute(world, next, command);
    next = { ...next, state: step.state };
    // What nobody wants any more: the message that was held when everything ends.
    if (next.in === "held" && next.state.name === "closing") next = { ...next, in: "nothing" };
    inspect(next);
    return next;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new Violation(`${where}: ${error.message}`);
  }
}

function keyOf(world: World): string {
  return JSON.stringify({ ...world, state: nameOf(world.state) });
}

/** Every world that there may be. */
function explore(machine: Machine): World[] {
  const seen = new Map<string, World>([[keyOf(BEGINNING), BEGINNING]]);
  // A map goes on to what is added while it is iterated.
  for (const world of seen.values()) {
    const next = possible(world).map((event) => follow(machine, world, event));
    // The server begins to shut down, and tells its instances one after the other.
    next.push({ ...world, last: true });
    for (const other of next) {
      const key = keyOf(other);
      if (!seen.has(key)) seen.set(key, other);
    }
  }
  return [...seen.values()];
}

/** Whether all that is in flight, however and in whatever order it ends, leads to one state. */
function leadsTo(machine: Machine, goal: State, world: World): boolean {
  if (world.state === goal) return true;
  const events = completions(world);
  return events.length > 0 &&
    events.every((event) => leadsTo(machine, goal, follow(machine, world, event)));
}

Deno.test("no way through the states breaks an invariant (I1, I2, I3, I5, I8)", () => {
  const worlds = explore(transition);
  // All of them were gone; a model that leads nowhere would show nothing.
  assert(worlds.length > 100, `${worlds.length} worlds`);
});

Deno.test("every state but the unreachable ones is reached", () => {
  const reached = new Set(explore(transition).map(({ state }) => state));
  const unreached = STATES.filter((state) => !reached.has(state)).map(nameOf);
  assertEquals(unreached, []);
});

Deno.test("evict, and the ends of what is in flight, lead to closed from everywhere (I3, I8)", () => {
  for (const world of explore(transition)) {
    const evicted = follow(transition, world, "evict");
    assert(leadsTo(transition, FINAL, evicted), keyOf(world));
  }
});

Deno.test("finish, and the ends of what is in flight, lead to closed or to a client's place", () => {
  for (const world of explore(transition)) {
    const finished = follow(transition, world, "finish");
    const reuse = finished.state.name === "closing" && finished.state.reuse;
    assert(leadsTo(transition, reuse ? INITIAL : FINAL, finished), keyOf(world));
  }
});

Deno.test("evict throws every client out that may still be there, before it waits", () => {
  for (const { state, client } of explore(transition)) {
    // In "ended" the client has left.
    if (!client || state.name === "ended") continue;
    const commands = transition(state, "evict", false)?.commands ?? [];
    assert(commands.includes("disconnect"), nameOf(state));
  }
});

Deno.test("drain ends an instance when its exchanges are settled and written", () => {
  for (const world of explore(transition).filter(({ last, drained }) => last && drained)) {
    let now = world;
    // The user settles what is open, what is held is served, and reads end as they were asked to.
    for (let steps = 0; now.state !== FINAL && steps < 20; steps++) {
      const open = now.exchange !== "none" && now.state.name !== "closing";
      const [first = "finish"] = completions(now);
      const event: Event = now.exchange === "asked"
        ? "admitted"
        : open
        ? "settled"
        : now.cancelled
        ? endOf(now)
        : first;
      // What comes after the end of a client: the server has no use for the instance.
      now = follow(transition, now, now.state.name === "idle" ? "finish" : event);
    }
    assertEquals(nameOf(now.state), "closed", keyOf(world));
  }
});

function endOf(world: World): Event {
  return world.in === "listen" ? "listenFailed" : "cancelled";
}

Deno.test("a request is handed over when it is read, or its client admitted, and whole (I4)", () => {
  const pairs = new Set<string>();
  for (const state of STATES) {
    for (const event of EVENTS) {
      const step = transition(state, event, false);
      if (!step?.commands.includes("hand")) continue;
      pairs.add(`${state.name} + ${event}`);
    }
  }
  assertEquals([...pairs], ["reading + message", "authorizing + admitted"]);
});

Deno.test("nothing is sent and nothing settled where no exchange is open", () => {
  for (const state of STATES) {
    for (const event of ["sent", "replied"] as const) {
      const open = state.name === "answering" && state.out !== "gone";
      assertEquals(transition(state, event, false) !== undefined, open, nameOf(state));
    }
  }
  for (const name of ["idle", "connecting", "reading", "authorizing", "writing"]) {
    for (const state of STATES.filter((state) => state.name === name)) {
      assertEquals(transition(state, "settled", false), undefined, nameOf(state));
    }
  }
});

Deno.test("an open exchange that ends otherwise than by an answer is lost first", () => {
  for (const world of explore(transition).filter(({ exchange }) => exchange === "open")) {
    for (const event of possible(world)) {
      if (["replied", "settled"].includes(event)) continue;
      const next = follow(transition, world, event);
      if (next.state.name === "answering" && next.exchange === "open") continue;
      const commands = transition(world.state, event, world.last)?.commands ?? [];
      assert(commands.includes("lose"), `${nameOf(world.state)} + ${event}`);
    }
  }
});

Deno.test("nothing is submitted after retire, and nothing follows recycle but another listen", () => {
  for (const state of STATES) {
    for (const event of EVENTS) {
      const { commands = [], state: next } = transition(state, event, false) ?? {};
      for (const [command, goal] of [["retire", FINAL], ["recycle", INITIAL]] as const) {
        if (!commands.includes(command)) continue;
        assertEquals(commands.indexOf(command), commands.length - 1, nameOf(state));
        assertEquals(next, goal);
      }
    }
  }
  assertEquals(EVENTS.flatMap((event) => transition(FINAL, event, false)?.commands ?? []), []);
});

// The model itself: a state machine with a mistake is found.

/** The real one but for one pair. */
function withMistake(at: string, on: Event, commands: Command[], next?: string): Machine {
  return (state, event, last) => {
    const step = transition(state, event, last);
    if (nameOf(state) !== at || event !== on || step === undefined) return step;
    const target = STATES.find((other) => nameOf(other) === next) ?? step.state;
    return { state: target, commands };
  };
}

Deno.test("the model finds mistakes", () => {
  const mistakes: [Machine, string][] = [
    [withMistake("answering, ahead none, free", "turned", ["read", "read"]), "I1"],
    [withMistake("answering, ahead held, free", "turned", ["read"]), "I2"],
    [withMistake("answering, ahead none, busy", "sent", ["write"]), "I1"],
    [
      withMistake("answering, ahead reading, free", "finish", ["lose", "retire"], "closed"),
      '"retire" with something in flight on lane in',
    ],
    [
      withMistake("writing, ahead none", "evict", ["disconnect", "recycle"], "idle"),
      '"recycle" with something in flight on lane out',
    ],
    [withMistake("answering, ahead none, free", "finish", ["retire"]), "an exchange is open"],
    [withMistake("connecting", "connected", ["welcome"]), "what is in flight"],
    [withMistake("connecting", "connected", ["read"]), "no client"],
    [withMistake("closed", "evict", ["disconnect"]), '"disconnect" after the handle was closed'],
    [withMistake("answering, ahead reading, free", "drain", []), "waits for a client"],
    [withMistake("answering, ahead none, free", "replied", [], "reading"), "what is in flight"],
    [withMistake("writing, ahead held", "written", [], "reading"), "what is in flight"],
    [withMistake("reading", "ended", [], "closed"), "the handle is open"],
    [withMistake("reading", "introduction", ["authorize", "hand"]), "was not admitted"],
    [
      withMistake("authorizing", "refused", ["hand"], "answering, ahead none, free"),
      "not admitted",
    ],
    [withMistake("authorizing", "drain", ["read"]), "what is in flight"],
    [
      withMistake("authorizing rest", "admitted", ["hand"], "answering, ahead none, free"),
      "a part of a request",
    ],
    [
      withMistake("reading", "partialIntroduction", ["authorize", "readRest"]),
      "what is in flight",
    ],
    [(...args) => args[1] === "unwritten" ? undefined : transition(...args), "not provided for"],
  ];
  for (const [machine, words] of mistakes) {
    assertThrows(() => explore(machine), Violation, words);
  }
});
