/**
 * An instance, the admission of its client and the session together: every world that the three state
 * machines can get into.
 *
 * The model is what runs the machines, with Windows, the client, the program and the server around
 * it. What the machines decide is carried out, and watched.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { begin, transition } from "../src/exchange/exchange_machine.ts";
import * as exchange from "../src/exchange/exchange_states.ts";
import * as admission from "../src/server/admission_states.ts";
import * as lifecycle from "../src/server/lifecycle.ts";
import type { Step } from "../src/server/state_machine.ts";
import { impossible, type State } from "./simulation/coverage.ts";
import { nameOf, stepsOf } from "./state_tables.ts";

const STATES: readonly State[] = [...lifecycle.STATES, ...admission.STATES, ...exchange.STATES];
const STEPS = [
  ...stepsOf(lifecycle.STATES, lifecycle.EVENTS, lifecycle.transition),
  ...stepsOf(admission.STATES, admission.EVENTS, admission.transition),
  ...stepsOf(exchange.STATES, exchange.EVENTS, transition),
];
const LIFE: ReadonlySet<string> = new Set(lifecycle.EVENTS);

/** The machines, right or wrong, by `state + event last`; and the pairs that came about. */
class Machines {
  readonly seen = new Set<string>();
  readonly steps: Map<string, Step<State, string>> = new Map(
    STEPS.map(({ pair, last, step }) => [`${pair} ${last}`, step]),
  );

  /** Makes a mistake, as the table would say it; undefined: there is no such step. */
  mistake(pair: string, text: string | undefined): this {
    const [name, commands = ""] = text?.split(": ") ?? [];
    const state = STATES.find((state) => nameOf(state) === name);
    for (const last of [false, true]) {
      assert(this.steps.delete(`${pair} ${last}`), pair);
      if (state === undefined) continue;
      this.steps.set(`${pair} ${last}`, { state, commands: commands.split(" ").filter(Boolean) });
    }
    return this;
  }
}

/** A mistake is found. */
class Violation extends Error {}

function demand(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Violation(what);
}

/** Something else of ours throws, halfway. */
class Crash extends Error {}

type Inbound =
  | "nothing"
  | "listen"
  | "listen again"
  | "read"
  | "rest"
  | "again"
  | "postponed"
  | "rest postponed";

/** What is done with a client before its requests are served. */
type Before = "nothing" | "identified" | "identified and authorized";

/** What is so around the machines: of memory and promises, only what decides. */
class World {
  life: State = lifecycle.INITIAL;
  session: State | undefined = undefined;
  /** What is in flight inbound: "again" is what comes once more, "postponed" not submitted yet. */
  in: Inbound = "nothing";
  /** It is cancelled. */
  cancelled = false;
  /** A write is in flight, and whether it is only one of a message that was pushed. */
  out = false;
  pushes = false;
  /** How the last read ended, and how the one ended that is kept, or comes again. */
  outcome = "none";
  kept = "none";
  /** A request, or a part of one, is in memory, and nobody has got it. */
  request = false;
  exchange: "none" | "open" | "aborted" = "none";
  /** What the program has done about it, and whether the next turn is still to begin. */
  taken = false;
  done = false;
  turn = false;
  /** A question that is answered before anything else happens. */
  asked: "nothing" | "use" | "client" = "use";
  /** The first data of the client has not arrived, and identifies it. */
  unidentified = false;
  /** A session begins with what was read before. */
  admitting = false;
  /** "quiet" is to be raised. */
  quiet = false;
  closed = false;
  /** The server is shutting down, and has told the instance so. */
  last = false;
  drained = false;
  /** The client that comes has disconnected already. */
  left = false;
  readonly #machines: Machines;
  #fuse = Infinity;

  constructor(machines: Machines, readonly before: Before) {
    this.#machines = machines;
  }

  get key(): string {
    return JSON.stringify(this);
  }

  get inFlight(): boolean {
    return this.in !== "nothing" && !this.in.endsWith("postponed");
  }

  get over(): boolean {
    const { session } = this;
    return session === undefined || session === exchange.FINAL || session === admission.DECIDED;
  }

  /** Everything that may happen now: the answer to a question before anything else. */
  get events(): string[] {
    const events = this.asked === "nothing" ? EVENTS : ANSWERS;
    return events.filter(([, when]) => when(this)).map(([name]) => name);
  }

  /** This world after an event. @param fuse After so many steps and commands something throws. */
  after(name: string, fuse = Infinity): World {
    const world = Object.assign(new World(this.#machines, this.before), this);
    world.#fuse = fuse;
    try {
      world.#react(name);
      world.checkQuiet();
      if (world.asked === "nothing") inspect(world);
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      throw new Violation(`${this.key} + ${name}: ${error.message}`);
    }
    return world;
  }

  /** Tells a machine. */
  raise(event: string, machine: "life" | "session" = LIFE.has(event) ? "life" : "session"): void {
    this.#burn();
    const state = this[machine];
    demand(state !== undefined, `"${event}" without a session`);
    const pair = `${nameOf(state)} + ${event}`;
    this.#machines.seen.add(pair);
    const step = this.#machines.steps.get(`${pair} ${this.last}`);
    demand(step !== undefined, `${pair} is not provided for`);
    this.#take(machine, step);
  }

  beginSession(): void {
    demand(this.session === undefined, "a second session");
    this.unidentified = this.before !== "nothing";
    if (this.before !== "identified and authorized") return this.serve();
    this.#take("session", { state: admission.ARRIVING, commands: ["read"] });
  }

  serve(): void {
    this.#take("session", begin(this.left));
  }

  /** The session begins, and its first read completes at once. */
  admit(): void {
    this.admitting = true;
    this.serve();
    this.admitting = false;
    this.raise(this.outcome);
  }

  /** Nothing of a session is left but what is in flight. */
  endSession(): void {
    if (this.session !== undefined) {
      this.session = isAdmission(this.session) ? admission.DECIDED : exchange.FINAL;
    }
    Object.assign(this, NO_EXCHANGE, NOTHING_ASKED, { request: false, left: false });
    this.stopWaiting();
  }

  /** What is only postponed is given up. */
  stopWaiting(): void {
    if (this.in.endsWith("postponed")) this.in = "nothing";
  }

  leave(event: string): void {
    this.stopWaiting();
    this.raise(event);
  }

  checkQuiet(): void {
    if (!this.quiet || this.inFlight || this.out) return;
    this.quiet = false;
    this.raise("quiet");
  }

  /** A crash costs the connection: its session is over, whatever it was at. */
  #react(name: string): void {
    try {
      const event = [...EVENTS, ...ANSWERS].find(([other]) => other === name);
      const [, , set, ...events] = event ?? [];
      Object.assign(this, { asked: "nothing" }, set);
      for (const event of events) this.raise(event);
      this.#fuse = Infinity;
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      this.#fuse = Infinity;
      this.endSession();
      this.raise("crashed");
    }
  }

  #burn(): void {
    if (this.#fuse-- === 0) throw new Crash();
  }

  #take(machine: "life" | "session", { state, commands }: Step<State, string>): void {
    this[machine] = state;
    for (const command of commands) {
      demand(!this.closed, `"${command}" after the handle was closed`);
      if (command !== "close") this.#burn();
      COMMANDS[command]?.(this);
    }
    this.#burn();
  }
}

function isAdmission(session: State | undefined): boolean {
  return admission.STATES.some((state) => state === session);
}

const NOTHING_ASKED = { asked: "nothing", unidentified: false, admitting: false } as const;

const NO_EXCHANGE = { exchange: "none", taken: false, done: false, turn: false } as const;

/** Carries the commands out, and watches that it may be done; the others change nothing here. */
const COMMANDS: Readonly<Record<string, (world: World) => unknown>> = {
  listen: (w) => submit(w, "listen"),
  cancelIn: (w) => void (w.cancelled = w.inFlight && w.in !== "again"),
  findClient: (w) => void (w.asked = "client"),
  beginSession: (w) => w.beginSession(),
  drainSession: (w) => isAdmission(w.session) || w.raise("drain", "session"),
  finishSession: (w) => w.raise("finish", "session"),
  evictSession: (w) => w.raise("evict", "session"),
  awaitQuiet(w) {
    w.quiet = true;
    w.checkQuiet();
  },
  recycle: (w) => end(w, { asked: "use" }),
  close: (w) => end(w, { closed: true }),
  read: (w) => w.admitting || submit(w, "postponed"),
  readRest(w) {
    demand(w.outcome === "partial" && w.request, "there is no rest");
    w.request = false;
    submit(w, "rest postponed");
  },
  cancelRead(w) {
    demand(w.in !== "nothing", "a cancel of nothing");
    if (w.in === "postponed") Object.assign(w, { in: "again", kept: "cancelled" });
    else w.cancelled = w.in === "read" || w.in === "rest";
  },
  keep(w) {
    demand(w.in === "nothing" && w.kept === "none", "nothing came that could be kept");
    w.kept = w.outcome;
  },
  redeliver(w) {
    demand(w.in === "nothing" && w.kept !== "none", "nothing is kept");
    w.in = "again";
  },
  write(w) {
    // A write of a message that was pushed goes on with what is queued.
    demand(!w.out || w.pushes, "a second operation outbound");
    demand(w.exchange !== "aborted", "a write of an exchange that is aborted");
    Object.assign(w, { out: true, pushes: false });
  },
  admit: (w) => w.admit(),
  deliver(w) {
    demand(w.exchange === "none", "a second open exchange");
    demand(w.request && w.outcome === "message", "a request that is not whole");
    Object.assign(w, NO_EXCHANGE, { exchange: "open", turn: true, request: false });
  },
  abort(w) {
    if (w.exchange === "none") return;
    w.exchange = "aborted";
    if (w.taken) w.raise(w.done ? "done" : "taken");
  },
  withdraw: (w) => void (w.exchange = w.taken ? w.exchange : "none"),
  forget: (w) => void (w.exchange = "none"),
  dropRequest(w) {
    demand(w.request, "there is no request to drop");
    Object.assign(w, { request: false, kept: "none" });
  },
  clientDisconnected: (w) => w.leave("clientDisconnected"),
  sessionFinished: (w) => w.leave("sessionFinished"),
  sessionEvicted: (w) => w.leave("sessionEvicted"),
};

function submit(world: World, inbound: Inbound): void {
  demand(world.in === "nothing", "a second operation inbound");
  demand(world.kept === "none", "the memory of a message that is kept is used again");
  demand(!world.request, "a request is lost");
  world.in = inbound;
}

/** The connection is over. */
function end(world: World, then: Partial<World>): void {
  demand(world.over && world.exchange !== "open", "an end in a session");
  demand(world.in === "nothing" && !world.out, "an end with something in flight");
  demand(!world.request, "a request is lost");
  world.endSession();
  Object.assign(world, { session: undefined, cancelled: false, outcome: "none", kept: "none" });
  Object.assign(world, then);
}

/** What may happen: when, what it changes by itself, and what the machines are told then. */
type Happening = readonly [
  name: string,
  when: (world: World) => boolean,
  set?: Partial<World>,
  ...events: string[],
];

const LISTENED = { in: "nothing", cancelled: false } as const;
const NO_WRITE = { out: false, pushes: false } as const;
const listens = (w: World) => w.in === "listen";
const reads = (w: World) => w.in === "read" || w.in === "rest";
const writes = (w: World) => w.out;
const waitsForRest = (w: World) => w.in === "rest postponed";
const authorizes = (w: World) => w.session?.name === "authorizing";
const opened = (w: World) => w.exchange === "open";
const answers = (w: World) => opened(w) && w.taken;
const aborted = (w: World) => w.exchange === "aborted";
const reaches = (w: World) => {
  const state = exchange.STATES.find((state) => state === w.session);
  return state !== undefined && exchange.isConnected(state);
};
const identifies = (w: World) => w.unidentified && reads(w) && !w.over;
const looks = (w: World) => w.asked === "client";

const ignoresRest = (w: World) => {
  const state = exchange.STATES.find((state) => state === w.session);
  return w.last && (state === undefined || !exchange.isFirst(state));
};

/** How what is in flight may complete. What nobody wants any more is only classified. */
const COMPLETIONS: readonly Happening[] = [
  ["connected", listens, LISTENED, "connected"],
  ["came and left", listens, { ...LISTENED, left: true }, "connected"],
  ["listenFailed again", (w) => w.in === "listen again", LISTENED, "listenFailed"],
  ["listenFailed", listens, LISTENED, "listenFailed"],
  ["submitted", (w) => w.in === "postponed", { in: "read", cancelled: false }],
  ["rest submitted", (w) => waitsForRest(w) && !ignoresRest(w), { in: "rest", cancelled: false }],
  // Of the last request nothing is waited for, unless it is the first.
  ["last rest submitted", (w) => waitsForRest(w) && ignoresRest(w), {
    in: "rest",
    cancelled: true,
  }],
  // The outcome comes again, when the client can be identified.
  ["shortage", identifies, { in: "again", kept: "message", cancelled: false, request: true }],
  ["another", identifies, { in: "again", kept: "partial", cancelled: false, request: true }],
  read("message", reads),
  read("partial", (w) => w.in === "read" && !w.over),
  read("ended", reads),
  read("broken", (w) => reads(w) && !w.over),
  // A read may end so by itself.
  read("cancelled", (w) => w.in === "read" || w.in === "rest" && !w.over),
  ["written", writes, NO_WRITE, "written"],
  ["unwritten", writes, NO_WRITE, "unwritten"],
  ["failed", writes, NO_WRITE, "unwritten", "writeFailed"],
];

function read(outcome: string, when: (world: World) => boolean): Happening {
  const request = outcome === "message" || outcome === "partial";
  const mayBe = (w: World) => when(w) || w.in === "again" && w.kept === outcome;
  const identified = request ? { unidentified: false } : {};
  return [outcome, mayBe, { ...LISTENED, outcome, kept: "none", request, ...identified }, outcome];
}

/** What the program may do in the end. */
const WISHES: readonly Happening[] = [
  ["admitted", authorizes, {}, "admitted"],
  ["refused", authorizes, { request: false }, "refused"],
  ["take", (w) => opened(w) && !w.taken, { taken: true }],
  ["taken", (w) => aborted(w) && !w.taken, { taken: true }, "taken"],
  ["replied", answers, { exchange: "none" }, "replied"],
  ["settled", answers, { exchange: "none" }, "settled"],
  ["done while open", (w) => answers(w) && !w.done, { done: true }],
  ["done", (w) => aborted(w) && w.taken && !w.done, { done: true }, "done"],
];

const EVENTS: readonly Happening[] = [
  ...COMPLETIONS,
  ...WISHES,
  ["sent", answers, {}, "sent"],
  ["push", (w) => reaches(w) && !w.out, { out: true, pushes: true }],
  ["turnBegan", (w) => w.turn && w.exchange !== "none", { turn: false }, "turnBegan"],
  // The server begins to shut down, and then tells its instances, one after the other.
  ["shutdown", (w) => !w.last, { last: true }],
  ["drain", (w) => w.last && !w.drained, { drained: true }, "drain"],
  ["finish", () => true, {}, "finish"],
  ["stop", () => true, {}, "stop"],
  ["evict", () => true, {}, "evict"],
];

const ANSWERS: readonly Happening[] = [
  ["found", looks, {}, "clientFound"],
  ["nobody", looks, {}, "clientMissing"],
  ["shortage while looking", looks, { in: "listen again" }],
  ["listen", (w) => w.asked === "use" && !w.last, {}, "listen"],
  ["no use", (w) => w.asked === "use", {}, "finish"],
];

/** What the states promise of the world. */
function inspect(world: World): void {
  const { life, session, in: inbound, out, inFlight, over } = world;
  demand((life.name === "open") === !over, "a session that is not over, or an instance not open");
  demand(life.name !== "connecting" || /listen/.test(inbound), "no listen");
  demand((life.name === "closing") === (world.quiet && (inFlight || out)), "no end");
  demand((life === lifecycle.FINAL) === world.closed, "the handle");
  demand(!/listen/.test(inbound) && !world.closed || session === undefined, "a client is left");
  demand(!world.closed || !inFlight && !out, "something is left");
  demand(session?.name === "answering" || world.exchange !== "open", "an open exchange");
  demand(session?.name !== "reading" || session.rest === /rest/.test(inbound), "a rest, or none");
  const kept = inbound === "nothing" && world.kept !== "none";
  const answers = out && !world.pushes;
  const there = `${[inbound !== "nothing", kept, answers, world.exchange]}`;
  demand(session === undefined || over || promisedBy(session) === there, `${there} is there`);
  // The rest of a message is there already: it completes by itself.
  const waits = inbound === "listen" || inbound === "read" || inbound === "postponed";
  const first = session?.name === "arriving" || session?.name === "reading" && session.first;
  const wanted = first || world.cancelled;
  demand(!world.drained || !waits || wanted, "waits for a client that is not wanted");
  const refused = first && (world.cancelled || world.kept === "cancelled");
  demand(!refused, "the first request of a client is not waited for");
}

/** What is in flight or kept inbound, and outbound, and the exchange. */
function promisedBy(state: State): string {
  const { name, ahead, out } = { ahead: "none", out: "none", ...state };
  const inbound = name === "arriving" || name === "reading" || ahead === "reading";
  const aborted = name === "aborted" || out === "disconnected";
  const exchange = aborted ? "aborted" : name === "answering" ? "open" : "none";
  return `${[inbound, ahead === "kept", name === "writing" || out === "busy", exchange]}`;
}

/** Every world that there may be. @param crashes How far what throws may have come. */
function explore(machines: Machines, crashes = 0): World[] {
  const seen = new Map<string, World>();
  const add = (world: World) => seen.has(world.key) || seen.set(world.key, world);
  for (const before of ["nothing", "identified", "identified and authorized"] as const) {
    add(new World(machines, before));
  }
  // A map goes on to what is added while it is iterated.
  for (const world of seen.values()) {
    for (const event of world.events) {
      add(world.after(event));
      const fuses = COMPLETIONS.some(([name]) => name === event) ? crashes : 0;
      for (let fuse = 0; fuse < fuses; fuse++) add(world.after(event, fuse));
    }
  }
  return [...seen.values()];
}

const MACHINES = new Machines();
const WORLDS = explore(MACHINES, 12);

/** Whether it comes to an end by these events, in whatever order they happen. */
function ends(world: World, events: readonly string[], steps = 20): boolean {
  if (world.life === lifecycle.FINAL) return true;
  const next = world.events.filter((event) => events.includes(event));
  return next.length > 0 && steps > 0 &&
    next.every((event) => ends(world.after(event), events, steps - 1));
}

/** What happens without anybody's wish. */
const BY_ITSELF = [...COMPLETIONS.map(([name]) => name), "found", "nobody", "no use"];

Deno.test("no way through the states breaks an invariant, and every state is reached", () => {
  const reached = new Set(WORLDS.flatMap(({ life, session }) => [life, session]));
  assertEquals(STATES.filter((state) => !reached.has(state)).map(nameOf), []);
});

Deno.test("every pair that the machines provide for comes about, but those that cannot", () => {
  const unseen = STEPS.filter(({ pair }) => !MACHINES.seen.has(pair));
  const expected = STEPS.filter(({ state, event }) => impossible(state, event) !== undefined);
  assertEquals(unseen.map(({ pair }) => pair), expected.map(({ pair }) => pair));
});

for (const event of ["evict", "stop", "finish"]) {
  Deno.test(`${event} ends an instance, however what is in flight completes`, () => {
    for (const world of WORLDS.filter(({ asked }) => asked === "nothing")) {
      assert(ends(world.after(event), BY_ITSELF), world.key);
    }
  });
}

Deno.test("drain ends an instance when its exchanges are settled and written", () => {
  const events = [...BY_ITSELF, ...WISHES.map(([name]) => name)];
  for (const world of WORLDS.filter(({ drained }) => drained)) {
    assert(ends(world, events), world.key);
  }
});

// The model itself: machines with a mistake are found.

const MISTAKES: [pair: string, mistake: string | undefined, words: string][] = [
  ["answering none free + turnBegan", "answering reading free: read read", "second operation in"],
  ["answering none busy + sent", "answering none busy: write", "second operation outbound"],
  ["answering reading free + message", "answering none free: keep read", "is used again"],
  ["writing kept + written", "reading - - -", "is there"],
  ["open + clientDisconnected", "idle: recycle", "with something in flight"],
  ["closing - + quiet", "closed", "the handle"],
  ["closed + evict", "closed: disconnect", "after the handle was closed"],
  ["connecting - + connected", "open", "not open"],
  ["connecting draining + listenFailed", "closed: findClient", "not provided for"],
  ["open + evict", "closing -: disconnect cancelIn awaitQuiet", "an end in a session"],
  ["open + sessionFinished", "closing -: cancelIn", "no end"],
  ["answering reading free + ended", "over: clientDisconnected", "an end in a session"],
  ["answering reading free + drain", "answering reading free", "a client that is not wanted"],
  ["reading - - - + drain", "reading - - -", "a client that is not wanted"],
  ["reading first - - + drain", "reading first - -: cancelRead", "is not waited for"],
  ["reading first - - + partial", "answering none free: deliver", "not whole"],
  ["authorizing + finish", "decided: sessionFinished", "a request is lost"],
  ["answering kept free + finish", "over: abort withdraw sessionFinished", "a request is lost"],
  ["answering none busy + unwritten", "answering none disconnected", "is there"],
  ["writing none + unwritten", undefined, "not provided for"],
];

Deno.test("the model finds mistakes", () => {
  for (const [pair, mistake, words] of MISTAKES) {
    assertThrows(() => explore(new Machines().mistake(pair, mistake)), Violation, words, pair);
  }
});
