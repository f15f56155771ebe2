/**
 * Which pairs of a state and an event happened, and which kinds of faults: an empty cell is a hole
 * in the proof.
 *
 * @module
 */

import * as exchange from "../../src/exchange/exchange_states.ts";
import * as lifecycle from "../../src/server/lifecycle.ts";
import { type Counts, everyKind } from "./faults.ts";

/** A state of either machine. */
export type State = exchange.State | lifecycle.State;

/** A state machine, whatever its states and events. */
interface Machine {
  readonly states: readonly State[];
  readonly events: readonly string[];
  step(state: State, event: string, last: boolean): State | undefined;
  /** Why a pair cannot come about, though the machine has a step for it. */
  reason(state: State, event: string): string | undefined;
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
  reason: lifecycleReason,
};

const EXCHANGE: Machine = {
  states: exchange.STATES,
  events: exchange.EVENTS,
  step(state, event, last) {
    const known = exchange.STATES.find((other) => other === state);
    const happened = exchange.EVENTS.find((other) => other === event);
    if (known === undefined || happened === undefined) return undefined;
    return exchange.transition(known, happened, last)?.state;
  },
  reason: exchangeReason,
};

const MACHINES: readonly Machine[] = [LIFECYCLE, EXCHANGE];

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

function lifecycleReason(_state: State, _event: string): string | undefined {
  return undefined;
}

function exchangeReason(_state: State, _event: string): string | undefined {
  return undefined;
}

/** Whether a pair can happen at all. */
function isPossible(machine: Machine, state: State, event: string): boolean {
  return [false, true].some((last) => machine.step(state, event, last) !== undefined);
}

/** Lines that show how often each pair happened; `-` is an impossible one. */
export function pairTable(coverage: Coverage): string[] {
  return MACHINES.flatMap((machine) => tableOf(machine, coverage));
}

function tableOf(machine: Machine, coverage: Coverage): string[] {
  const { states, events } = machine;
  const widths = events.map((event) => Math.max(event.length, 7));
  const first = Math.max(...states.map((state) => stateName(state).length));
  const row = (name: string, cells: readonly string[]) =>
    [name.padEnd(first), ...cells.map((cell, at) => cell.padStart(widths[at] ?? 0))].join(" ");
  const cell = (state: State, event: string) => {
    if (!isPossible(machine, state, event)) return "-";
    return `${
      coverage.get(state, event) || (machine.reason(state, event) === undefined ? 0 : "×")
    }`;
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
export function holes(coverage: Coverage, counts: Counts): string[] {
  const pairs = MACHINES.flatMap((machine) =>
    machine.states.flatMap((state) =>
      machine.events.filter((event) =>
        isPossible(machine, state, event) && coverage.get(state, event) === 0 &&
        machine.reason(state, event) === undefined
      ).map((event) => `${stateName(state)} + ${event}`)
    )
  );
  return [...pairs, ...everyKind().filter((kind) => counts.get(kind) === 0)];
}
