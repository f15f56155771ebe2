/**
 * Which pairs of a state and an event happened, and which kinds of faults: an empty cell is a hole
 * in the proof.
 *
 * @module
 */

import { transition } from "../../src/exchange/exchange_machine.ts";
import * as exchange from "../../src/exchange/exchange_states.ts";
import * as admission from "../../src/server/admission_states.ts";
import * as lifecycle from "../../src/server/lifecycle.ts";
import { type Counts, everyKind } from "./faults.ts";

/** A state of any machine. */
export type State = admission.State | exchange.State | lifecycle.State;

/** What histories are about. */
export type Subject = "exchanges" | "connections";

/** A state machine, whatever its states and events. */
interface Machine {
  readonly states: readonly State[];
  readonly events: readonly string[];
  step(state: State, event: string, last: boolean): State | undefined;
}

const LIFECYCLE: Machine = {
  states: lifecycle.STATES,
  events: lifecycle.EVENTS,
  step(state, event) {
    const known = lifecycle.STATES.find((other) => other === state);
    const happened = lifecycle.EVENTS.find((other) => other === event);
    if (known === undefined || happened === undefined) return undefined;
    return lifecycle.transition(known, happened)?.state;
  },
};

const EXCHANGE: Machine = {
  states: exchange.STATES,
  events: exchange.EVENTS,
  step(state, event, last) {
    const known = exchange.STATES.find((other) => other === state);
    const happened = exchange.EVENTS.find((other) => other === event);
    if (known === undefined || happened === undefined) return undefined;
    return transition(known, happened, last)?.state;
  },
};

const ADMISSION: Machine = {
  states: admission.STATES,
  events: admission.EVENTS,
  step(state, event) {
    const known = admission.STATES.find((other) => other === state);
    const happened = admission.EVENTS.find((other) => other === event);
    if (known === undefined || happened === undefined) return undefined;
    return admission.transition(known, happened)?.state;
  },
};

/** The event of an instance that only a connection raises. */
const CLOSED_BY_PROGRAM = "sessionClosed";

const MACHINES: readonly Machine[] = [LIFECYCLE, ADMISSION, EXCHANGE];

/** The machines that histories must run through, one kind of history or the other. */
const OF: Readonly<Record<Subject, readonly Machine[]>> = {
  exchanges: [
    { ...LIFECYCLE, events: LIFECYCLE.events.filter((event) => event !== CLOSED_BY_PROGRAM) },
    ADMISSION,
    EXCHANGE,
  ],
  connections: [
    { ...LIFECYCLE, events: [CLOSED_BY_PROGRAM] },
    // Where the program decides about a client, a listener has no limit but time.
    { ...ADMISSION, events: ADMISSION.events.filter((event) => event !== "evict") },
  ],
};

/** Counts of pairs. */
export class Coverage {
  readonly #counts = new Map<State, Map<string, number>>();

  /** The state that follows; undefined: the pair is impossible. */
  add(state: { readonly name: string }, event: string, last: boolean): State | undefined {
    for (const machine of MACHINES) {
      const known = machine.states.find((other) => other === state);
      if (known === undefined) continue;
      this.#add(known, event, 1);
      return machine.step(known, event, last);
    }
    return undefined;
  }

  addAll(others: Coverage): void {
    for (const [state, events] of others.#counts) {
      for (const [event, times] of events) this.#add(state, event, times);
    }
  }

  get(state: State, event: string): number {
    return this.#counts.get(state)?.get(event) ?? 0;
  }

  #add(state: State, event: string, times: number): void {
    let events = this.#counts.get(state);
    if (events === undefined) this.#counts.set(state, events = new Map());
    events.set(event, (events.get(event) ?? 0) + times);
  }
}

/** How a state is shown. */
export function stateName(state: { readonly name: string }): string {
  const parts = Object.entries<unknown>({ ...state })
    .filter(([key, value]) => key !== "name" && value !== false && value !== "none")
    .map(([key, value]) => value === true ? key : `${key} ${value}`);
  return parts.length === 0 ? state.name : `${state.name} (${parts.join(", ")})`;
}

/** Why a pair cannot come about at all, though its machine has a step for it. */
export function impossible(state: State, event: string): string | undefined {
  switch (event) {
    case "drain":
    case "stop":
    case "evict":
      return state.name === "idle" ? BRIEF : undefined;
    case "sessionClosed":
      return "only the connections of a listener withdraw what is being written";
    default:
      return undefined;
  }
}

const BRIEF = "it is idle only within one call, in which it is told to listen or to finish";

/** Why a pair does not come about in a history. */
function reasonFor(state: State, event: string): string | undefined {
  if (state.name === "reading" && state.rest && state.disconnected && event === "cancelled") {
    return "what a client that has left has written is there to be read: too rare to wait for";
  }
  const listens = state.name === "connecting";
  switch (event) {
    case "writeFailed":
      return state.name === "closing" && state.reuse
        ? "a write whose client has disconnected ends with that: too rare to wait for"
        : undefined;
    case "crashed":
      return state.name === "open" ? undefined : "only what asks about a client is made to throw";
    case "finish":
      if (listens) return "who listens is drained or stopped";
      return state.name === "closed" ? "it has no connection that could be finished" : undefined;
    case "evict": {
      if (state.name === "connecting" && !state.draining || state.name === "closed") {
        return "it has no connection that could be evicted";
      }
      return state.name === "reading" && !state.disconnected
        ? "a client that is there and not being answered is finished"
        : impossible(state, event);
    }
    default:
      return impossible(state, event);
  }
}

/** Whether a pair can happen at all. */
function isPossible(machine: Machine, state: State, event: string): boolean {
  return [false, true].some((last) => machine.step(state, event, last) !== undefined);
}

/** Lines that show how often each pair happened; `-` is an impossible one. */
export function pairTable(coverage: Coverage, subject: Subject): string[] {
  return OF[subject].flatMap((machine) => tableOf(machine, coverage));
}

function tableOf(machine: Machine, coverage: Coverage): string[] {
  const { states, events } = machine;
  const widths = events.map((event) => Math.max(event.length, 7));
  const first = Math.max(...states.map((state) => stateName(state).length));
  const row = (name: string, cells: readonly string[]) =>
    [name.padEnd(first), ...cells.map((cell, at) => cell.padStart(widths[at] ?? 0))].join(" ");
  const cell = (state: State, event: string) => {
    if (!isPossible(machine, state, event)) return "-";
    return `${coverage.get(state, event) || (reasonFor(state, event) === undefined ? 0 : "×")}`;
  };
  return [
    row("", events),
    ...states.map((state) => row(stateName(state), events.map((event) => cell(state, event)))),
  ];
}

/** Lines that show how often each kind of fault happened. */
export function faultTable(counts: Counts): string[] {
  const kinds = everyKind();
  const width = Math.max(...kinds.map((kind) => kind.length));
  return kinds.map((kind) => `${kind.padEnd(width)} ${`${counts.get(kind)}`.padStart(9)}`);
}

/** What never happened, though it should have. */
export function holes(coverage: Coverage, counts: Counts, subject: Subject): string[] {
  const pairs = OF[subject].flatMap((machine) =>
    machine.states.flatMap((state) =>
      machine.events.filter((event) =>
        isPossible(machine, state, event) && coverage.get(state, event) === 0 &&
        reasonFor(state, event) === undefined
      ).map((event) => `${stateName(state)} + ${event}`)
    )
  );
  // The faults are the same, and most are looked for in what answers requests.
  if (subject === "connections") return pairs;
  return [...pairs, ...everyKind().filter((kind) => counts.get(kind) === 0)];
}
