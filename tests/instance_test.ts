/**
 * An instance and its session together: every world that the two state machines can get into.
 *
 * The model is what runs the machines, with Windows, the client, the program and the server around
 * it. What the machines decide is carried out, and watched.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import * as exchange from "../src/exchange/exchange_states.ts";
import * as lifecycle from "../src/server/lifecycle.ts";
import type { Step } from "../src/state_machine.ts";
import { nameOf } from "./state_tables.ts";

/** A mistake of a machine. */
class Violation extends Error {}

function demand(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Violation(what);
}

/** What is thrown by a mistake elsewhere, halfway. */
class Crash extends Error {}

/** The two machines, with what is wrong with them, as their tables would say it: "" is no step. */
class Machines {
  /** The pairs of a state and an event that came about. */
  readonly pairs = new Set<string>();

  constructor(readonly mistakes: Readonly<Record<string, string>> = {}) {}

  life(state: lifecycle.State, event: lifecycle.Event): Step<lifecycle.State, lifecycle.Command> {
    return this.#check(state, event, lifecycle.STATES, lifecycle.transition(state, event));
  }

  session(
    state: exchange.State,
    event: exchange.Event,
    last: boolean,
  ): Step<exchange.State, exchange.Command> {
    return this.#check(state, event, exchange.STATES, exchange.transition(state, event, last));
  }

  #check<S extends { readonly name: string }, C extends string>(
    state: S,
    event: string,
    states: readonly S[],
    right: Step<S, C> | undefined,
  ): Step<S, C> {
    const pair = `${nameOf(state)} + ${event}`;
    this.pairs.add(pair);
    const mistake = this.mistakes[pair];
    demand(right !== undefined && mistake !== "", `${pair} is not provided for`);
    if (mistake === undefined) return right;
    const [name, commands = ""] = mistake.split(": ");
    const next = states.find((state) => nameOf(state) === name);
    assert(next !== undefined, mistake);
    return { state: next, commands: commands.split(" ").filter(Boolean) as C[] };
  }
}

/** What is so around the machines. Of the promises and the memory, only what decides. */
class World {
  life: lifecycle.State = lifecycle.INITIAL;
  session: exchange.State | undefined = undefined;
  /** What is in flight inbound: "again" is what was kept, and "postponed" not submitted yet. */
  in: "nothing" | "listen" | "read" | "rest" | "again" | "postponed" | "rest postponed" = "nothing";
  /** How the last read ended, and how the one ended that is kept, or comes again. */
  outcome = "none";
  kept = "none";
  /** A request, or a part of one, is in memory that nobody has got. */
  request = false;
  /** A write is in flight. */
  out = false;
  exchange: "none" | "open" | "lost" = "none";
  /** What the program has done about it, and whether the next turn is still to begin. */
  taken = false;
  finished = false;
  turn = false;
  /** A question that is answered before anything else happens. */
  asked: "nothing" | "identity" | "reuse" = "nothing";
  /** "quiet" is to be raised. */
  quiet = false;
  handle: "open" | "closed" = "open";
  /** No further request is wanted, and the instance was told so. */
  last = false;
  drained = false;
  /** What is in flight inbound is cancelled. */
  cancelled = false;
  readonly #machines: Machines;
  #fuse = Infinity;

  constructor(machines: Machines, readonly who: exchange.Who) {
    this.#machines = machines;
  }

  /** Another one, to which something else may happen. */
  copy(): World {
    return Object.assign(new World(this.#machines, this.who), this);
  }

  get key(): string {
    return JSON.stringify(this);
  }

  get inFlight(): boolean {
    return !["nothing", "postponed", "rest postponed"].includes(this.in);
  }

  /** How what is in flight may complete. */
  completions(): string[] {
    const discards = this.session === exchange.FINAL;
    const inbound = {
      "nothing": [],
      "listen": ["connected", "came and left", "listenFailed"],
      "read": ["message", "ended", ...discards ? [] : ["partial", "broken"]],
      "rest": ["message", "ended", ...discards ? [] : ["broken"]],
      "again": [this.kept],
      "postponed": ["submitted"],
      "rest postponed": ["submitted"],
    }[this.in];
    const cancelled = this.cancelled && (this.in === "read" || this.in === "rest" && !discards);
    return [
      ...inbound,
      ...cancelled ? ["cancelled"] : [],
      ...this.out ? ["written", "unwritten", "writeFailed"] : [],
    ];
  }

  /** What the program may do with its client. */
  wishes(): string[] {
    if (this.session?.name === "authorizing") return ["admitted", "refused"];
    if (this.exchange === "none") return [];
    return [
      ...this.taken ? [] : ["taken"],
      ...this.taken && !this.finished ? ["finished"] : [],
      ...this.taken && this.exchange === "open" ? ["sent", "replied", "settled"] : [],
    ];
  }

  /** Everything that may happen now. */
  events(): string[] {
    if (this.asked === "identity") return ["identified", "shortage"];
    if (this.asked === "reuse") return this.last ? ["finish"] : ["listen", "finish"];
    if (this.life === lifecycle.INITIAL) return ["listen"];
    return [
      ...this.completions(),
      ...this.wishes(),
      ...this.turn && this.exchange !== "none" ? ["turnBegan"] : [],
      // The server begins to shut down, and then tells its instances one after the other.
      this.last ? "drain" : "shutdown",
      ...["finish", "stop", "evict"],
    ];
  }

  /** @param fuse After so many steps and commands something of ours throws. */
  happen(event: string, fuse = Infinity): this {
    const where = `${nameOf(this.life)}, ${this.session && nameOf(this.session)} + ${event}`;
    try {
      this.#fuse = fuse;
      try {
        this.#react(event);
      } catch (error) {
        if (!(error instanceof Crash)) throw error;
        this.#fuse = Infinity;
        this.#endSession();
        this.#raise("crashed");
      }
      this.#fuse = Infinity;
      this.#checkQuiet();
      if (this.asked === "nothing") inspect(this);
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      throw new Violation(`${where}: ${error.message}`);
    }
    return this;
  }

  #react(event: string): void {
    switch (event) {
      case "shutdown":
        this.last = true;
        return;
      case "drain":
        this.drained = true;
        return this.#raise(event);
      case "listen":
      case "finish":
      case "stop":
      case "evict":
        this.asked = "nothing";
        return this.#raise(event);
      case "connected":
      case "came and left":
        this.in = "nothing";
        return this.#raise("connected", event !== "connected");
      case "listenFailed":
        this.in = "nothing";
        return this.#raise(event);
      case "submitted":
        // Of the last request nothing is waited for.
        this.cancelled = this.in === "rest postponed" && this.last;
        this.in = this.in === "postponed" ? "read" : "rest";
        return;
      case "message":
      case "partial":
      case "ended":
      case "cancelled":
      case "broken":
        this.in = "nothing";
        this.kept = "none";
        this.cancelled = false;
        this.outcome = event;
        this.request = event === "message" || event === "partial";
        return this.#tell(event);
      case "identified":
        this.asked = "nothing";
        return this.#tell(event);
      case "shortage":
        this.asked = "nothing";
        this.in = "again";
        this.kept = this.outcome;
        return;
      case "written":
      case "unwritten":
        this.out = false;
        return this.#tell(event);
      case "writeFailed":
        this.out = false;
        this.#tell("unwritten");
        return this.#raise(event);
      case "replied":
      case "settled":
        this.exchange = "none";
        return this.#tell(event);
      case "taken":
      case "finished":
        this[event] = true;
        if (this.exchange === "lost") this.#tell(event);
        return;
      case "turnBegan":
        this.turn = false;
        return this.#tell(event);
      case "refused":
        this.request = false;
        return this.#tell(event);
      case "sent":
      case "admitted":
        return this.#tell(event);
      default:
        throw new Error(event);
    }
  }

  #burn(): void {
    if (this.#fuse-- === 0) throw new Crash();
  }

  #raise(event: lifecycle.Event, disconnected = false): void {
    this.#burn();
    const { state, commands } = this.#machines.life(this.life, event);
    this.life = state;
    for (const command of commands) this.#execute(command, disconnected);
    this.#burn();
  }

  #tell(event: exchange.Event): void {
    this.#burn();
    demand(this.session !== undefined, `"${event}" without a session`);
    this.#take(this.#machines.session(this.session, event, this.last));
  }

  #take({ state, commands }: Step<exchange.State, exchange.Command>): void {
    this.session = state;
    for (const command of commands) this.#executeForSession(command);
  }

  #execute(command: lifecycle.Command, disconnected: boolean): void {
    demand(this.handle === "open", `"${command}" after the handle was closed`);
    if (command !== "close") this.#burn();
    switch (command) {
      case "listen":
        demand(this.in === "nothing", "a second operation inbound");
        demand(this.session === undefined, "a listen while there is a client");
        this.in = "listen";
        return;
      case "cancelIn":
        this.cancelled = this.inFlight && this.in !== "again";
        return;
      case "beginSession":
        demand(this.session === undefined, "a second session");
        return this.#take(exchange.begin(this.who, disconnected));
      case "drainSession":
        return this.#tell("drain");
      case "finishSession":
        return this.#tell("finish");
      case "evictSession":
        return this.#tell("evict");
      case "awaitQuiet":
        this.quiet = true;
        return this.#checkQuiet();
      case "recycle":
      case "close":
        demand(!this.inFlight && !this.out, `"${command}" with something in flight`);
        demand((this.session ?? exchange.FINAL) === exchange.FINAL, `"${command}" in a session`);
        demand(this.in === "nothing", `"${command}" with a read that is postponed`);
        demand(!this.request, `"${command}", and a request is lost`);
        demand(this.exchange !== "open", `"${command}" with an open exchange`);
        this.#endSession();
        this.session = undefined;
        this.cancelled = false;
        this.outcome = this.kept = "none";
        if (command === "recycle") this.asked = "reuse";
        else this.handle = "closed";
    }
  }

  #executeForSession(command: exchange.Command): void {
    demand(this.handle === "open", `"${command}" after the handle was closed`);
    this.#burn();
    switch (command) {
      case "read":
      case "readRest":
        demand(this.in === "nothing", "a second operation inbound");
        demand(this.kept === "none", "the memory of a message that is kept is used again");
        demand((command === "readRest") === this.request, "a request is lost, or there is no rest");
        this.request = false;
        this.in = command === "read" ? "postponed" : "rest postponed";
        return;
      case "write":
        demand(!this.out, "a second operation outbound");
        demand(this.exchange !== "lost", "a write of an exchange that is aborted");
        this.out = true;
        return;
      case "cancelRead":
        demand(!["nothing", "listen"].includes(this.in), "a cancel of nothing");
        if (this.in === "postponed") [this.in, this.kept] = ["again", "cancelled"];
        else this.cancelled = this.in === "read" || this.in === "rest";
        return;
      case "identify":
        this.asked = "identity";
        return;
      case "deliver":
        demand(this.exchange === "none", "a second open exchange");
        demand(this.request && this.outcome === "message", "a request that is not whole");
        this.request = this.taken = this.finished = false;
        this.turn = true;
        this.exchange = "open";
        return;
      case "keep":
        demand(this.in === "nothing" && this.kept === "none", "nothing came that could be kept");
        this.kept = this.outcome;
        return;
      case "redeliver":
        demand(this.in === "nothing" && this.kept !== "none", "nothing is kept");
        this.in = "again";
        return;
      case "abort":
        if (this.exchange === "none") return;
        this.exchange = "lost";
        if (this.taken) this.#tell(this.finished ? "finished" : "taken");
        return;
      case "withdraw":
        if (!this.taken) this.exchange = "none";
        return;
      case "forget":
        this.exchange = "none";
        return;
      case "dropRequest":
        demand(this.request, "there is no request to drop");
        this.request = false;
        this.kept = "none";
        return;
      case "clientDisconnected":
      case "sessionFinished":
      case "sessionEvicted":
        this.#stopWaiting();
        return this.#raise(command);
    }
  }

  #checkQuiet(): void {
    if (!this.quiet || this.inFlight || this.out) return;
    this.quiet = false;
    this.#raise("quiet");
  }

  /** Whatever the session is at, nothing of it is left but what is in flight. */
  #endSession(): void {
    if (this.session !== undefined) this.session = exchange.FINAL;
    this.exchange = "none";
    this.asked = "nothing";
    this.request =
      this.turn =
      this.taken =
      this.finished =
        false;
    this.#stopWaiting();
  }

  #stopWaiting(): void {
    if (this.in.endsWith("postponed")) this.in = "nothing";
  }
}

/** What the states promise of the world. */
function inspect(world: World): void {
  const { life, session } = world;
  const say = (condition: boolean, what: string) => demand(condition, `${what} in ${world.key}`);
  const client = session !== undefined;
  const over = (session ?? exchange.FINAL) === exchange.FINAL;
  say((life.name === "open") === !over, "a session that is not over, or an instance not open");
  say(life.name !== "connecting" || world.in === "listen", "no listen");
  say(world.in !== "listen" || !client, "a listen with a client");
  say((life.name === "closing") === (world.quiet && (world.inFlight || world.out)), "no end");
  say((life === lifecycle.FINAL) === (world.handle === "closed"), "the handle");
  say(world.handle === "open" || !world.inFlight && !world.out && !client, "something is left");
  say((session?.name === "answering") || world.exchange !== "open", "an open exchange");
  const promised = promisedBy(session);
  if (promised !== undefined) {
    const { in: inbound, out, exchange } = world;
    const really = [inbound !== "nothing", world.kept !== "none" && inbound === "nothing", out];
    say(promised.rest === undefined || promised.rest === /rest/.test(inbound), "a rest, or none");
    say(`${promised.operations}` === `${really}`, "what is in flight");
    say(promised.exchange === exchange, "the exchange");
  }
  // The rest of a message is there already: it completes by itself.
  const waits = ["listen", "read", "postponed"].includes(world.in);
  say(!world.drained || !waits || world.cancelled, "waits for a client that is not wanted");
}

/** What is in flight inbound, or kept, and outbound; and the exchange. */
function promisedBy(state: exchange.State | undefined) {
  switch (state?.name) {
    case "reading":
      return { operations: [true, false, false], exchange: "none", rest: state.rest };
    case "identifying":
      // After a shortage.
      return { operations: [true, false, false], exchange: "none" };
    case "authorizing":
      return { operations: [false, false, false], exchange: "none" };
    case "answering":
      return {
        operations: [state.ahead === "reading", state.ahead === "kept", state.out === "busy"],
        exchange: state.out === "disconnected" ? "lost" : "open",
      };
    case "writing":
      return {
        operations: [state.ahead === "reading", state.ahead === "kept", true],
        exchange: "none",
      };
    case "aborted":
      return { operations: [false, false, false], exchange: "lost" };
    default:
      return undefined;
  }
}

/** Every world that there may be. */
function explore(machines: Machines): World[] {
  const seen = new Map<string, World>();
  const add = (world: World) => seen.has(world.key) || seen.set(world.key, world);
  for (const who of ["known", "unknown", "unadmitted"] as const) add(new World(machines, who));
  // A map goes on to what is added while it is iterated.
  for (const world of seen.values()) {
    for (const event of world.events()) add(world.copy().happen(event));
    for (const event of world.asked === "nothing" ? world.completions() : []) {
      for (let fuse = 0; fuse < 8; fuse++) add(world.copy().happen(event, fuse));
    }
  }
  return [...seen.values()];
}

const MACHINES = new Machines();
const WORLDS = explore(MACHINES);

/** Whether there is an end to it, however and in whatever order everything happens. */
function ends(world: World, events: (world: World) => string[], steps = 20): boolean {
  if (world.life === lifecycle.FINAL) return true;
  const next = events(world);
  return next.length > 0 && steps > 0 &&
    next.every((event) => ends(world.copy().happen(event), events, steps - 1));
}

Deno.test("no way through the states breaks an invariant, and every state is reached", () => {
  const reached = new Set(WORLDS.flatMap(({ life, session }) => [life, session]));
  const states = [...lifecycle.STATES, ...exchange.STATES];
  assertEquals(states.filter((state) => !reached.has(state)).map(nameOf), []);
});

/** What the machines provide for, though it cannot come about. */
const NEVER = [
  // An instance listens as soon as it is created, or given back, before anything else happens.
  /^idle \+ (drain|stop|evict)$/,
  // The client that has disconnected was not waited for by a listen.
  /^closing reuse \+ (connected|listenFailed)$/,
  // A turn begins once for each exchange, and it is what first reads ahead.
  /^(reading|writing|aborted|answering reading|answering kept).* \+ turnBegan$/,
  // What comes again is what came.
  /^identifying \S+ (- \S+ \+ partial|rest \S+ \+ message)$/,
  // It makes no difference that an exchange is taken as long as it is not aborted.
  /^answering \w+ (free|busy) \+ taken$/,
];

Deno.test("every pair that the machines provide for comes about, but those that cannot", () => {
  const provided = [
    ...lifecycle.STATES.flatMap((state) =>
      lifecycle.EVENTS.filter((event) => lifecycle.transition(state, event) !== undefined)
        .map((event) => `${nameOf(state)} + ${event}`)
    ),
    ...exchange.STATES.flatMap((state) =>
      exchange.EVENTS.filter((event) => exchange.transition(state, event, false) !== undefined)
        .map((event) => `${nameOf(state)} + ${event}`)
    ),
  ];
  assertEquals(
    provided.filter((pair) => !MACHINES.pairs.has(pair)),
    provided.filter((pair) => NEVER.some((never) => never.test(pair))),
  );
});

/** What happens without anybody's wish, as far as it ends. */
function byItself(world: World): string[] {
  if (world.asked === "nothing") return world.completions();
  return [world.asked === "identity" ? "identified" : "finish"];
}

for (const event of ["evict", "stop", "finish"] as const) {
  Deno.test(`${event} ends an instance, however what is in flight completes`, () => {
    for (const world of WORLDS.filter(({ asked }) => asked === "nothing")) {
      if (world.life === lifecycle.INITIAL) continue;
      assert(ends(world.copy().happen(event), byItself), world.key);
    }
  });
}

Deno.test("drain ends an instance when its exchanges are settled and written", () => {
  const withProgram = (world: World) => {
    const events = byItself(world);
    return events.length > 0 ? events : world.wishes().filter((event) => event !== "sent");
  };
  for (const world of WORLDS.filter(({ drained }) => drained)) {
    assert(ends(world, withProgram), world.key);
  }
});

// The model itself: machines with a mistake are found.

const MISTAKES: [pair: string, mistake: string, words: string][] = [
  ["answering none free + turnBegan", "answering reading free: read read", "second operation in"],
  ["answering none busy + sent", "answering none busy: write", "second operation outbound"],
  ["connecting + evict", "closing -: listen awaitQuiet", "second operation inbound"],
  ["answering reading free + message", "answering none free: keep read", "is used again"],
  ["writing kept + written", "reading known - -", "what is in flight"],
  ["writing none + evict", "over: sessionFinished sessionEvicted", "is not provided for"],
  ["open + clientDisconnected", "idle: recycle", "with something in flight"],
  ["closing - + quiet", "closed", "the handle"],
  ["closed + evict", "closed: disconnect", "after the handle was closed"],
  ["connecting + connected", "open", "not open"],
  ["open + evict", "closing -: disconnect cancelIn awaitQuiet", "in a session"],
  ["open + sessionFinished", "closing -: cancelIn", "no end"],
  ["answering reading free + ended", "over: clientDisconnected", "with an open exchange"],
  ["answering reading free + drain", "answering reading free", "a client that is not wanted"],
  ["connecting + drain", "closing -: awaitQuiet", "a client that is not wanted"],
  ["reading unknown - - + partial", "answering none free: deliver", "not whole"],
  ["authorizing rest - + admitted", "answering none free: deliver", "not whole"],
  ["authorizing - - + evict", "over: sessionEvicted", "a request is lost"],
  ["answering kept free + finish", "over: abort withdraw sessionFinished", "a request is lost"],
  ["answering none busy + unwritten", "answering none disconnected", "the exchange"],
  ["writing none + unwritten", "", "not provided for"],
];

Deno.test("the model finds mistakes", () => {
  for (const [pair, mistake, words] of MISTAKES) {
    assertThrows(() => explore(new Machines({ [pair]: mistake })), Violation, words, pair);
  }
});
