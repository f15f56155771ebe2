/**
 * Which pairs of a state and an event happened, and which kinds of faults: an empty cell is a hole
 * in the proof.
 *
 * @module
 */

import { type Event, EVENTS, type State, STATES, transition } from "../../src/instance.ts";
import { type Counts, everyKind } from "./faults.ts";

/** Counts of pairs. */
export class Coverage {
  readonly #counts = new Map<State, Map<Event, number>>();

  /** The state that follows; undefined: the pair is impossible. */
  add(state: { readonly name: string }, event: string, last: boolean): State | undefined {
    const known = STATES.find((other) => other === state);
    const happened = EVENTS.find((other) => other === event);
    if (known === undefined || happened === undefined) return undefined;
    this.#add(known, happened, 1);
    return transition(known, happened, last)?.state;
  }

  addAll(others: Coverage): void {
    for (const [state, events] of others.#counts) {
      for (const [event, times] of events) this.#add(state, event, times);
    }
  }

  get(state: State, event: Event): number {
    return this.#counts.get(state)?.get(event) ?? 0;
  }

  #add(state: State, event: Event, times: number): void {
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

/** Whether a pair can happen at all. */
function isPossible(state: State, event: Event): boolean {
  return transition(state, event, false) !== undefined ||
    transition(state, event, true) !== undefined;
}

/** Why a pair cannot come about, though the state machine has a step for it. */
export function reasonFor(state: State, event: Event): string | undefined {
  const ending = state.name === "closing" || state.name === "closed";
  switch (event) {
    case "turned": {
      const first = state.name === "answering" && state.ahead === "none" ||
        state.name === "closing" && !state.reads && !state.reuse;
      return first ? undefined : "it comes once to an exchange, before anything is read ahead";
    }
    case "settled":
      return ending ? "an exchange is lost before, and is not settled then" : undefined;
    case "finish":
      return ending ? "the driver does not say it to one that ends" : undefined;
    case "evict":
      if (state.name === "closed") return "the driver does not say it to one that has ended";
      if (state.name === "connecting") return "a shutdown closes who listens before it evicts";
      if (state.name === "reading" && state.rest) {
        return "who owes the rest of a request is finished";
      }
      return state.name === "idle" ? BRIEF : undefined;
    case "drain":
      return state.name === "idle" ? BRIEF : undefined;
    case "partial":
    case "broken":
      return state.name === "closing"
        ? "of what is read in vain, nothing more is asked"
        : undefined;
    case "connected":
    case "connectedGone":
    case "listenFailed":
      if (state.name !== "closing" || !state.writes) return undefined;
      return "nothing is written while an instance listens";
    default:
      return undefined;
  }
}

const BRIEF = "it is idle only within one call, in which it is told to listen or to finish";

/** Lines that show how often each pair happened; `-` is an impossible one. */
export function pairTable(coverage: Coverage): string[] {
  const widths = EVENTS.map((event) => Math.max(event.length, 7));
  const first = Math.max(...STATES.map((state) => stateName(state).length));
  const row = (name: string, cells: readonly string[]) =>
    [name.padEnd(first), ...cells.map((cell, at) => cell.padStart(widths[at] ?? 0))].join(" ");
  return [
    row("", EVENTS),
    ...STATES.map((state) =>
      row(
        stateName(state),
        EVENTS.map((event) =>
          isPossible(state, event)
            ? `${coverage.get(state, event) || (reasonFor(state, event) === undefined ? 0 : "×")}`
            : "-"
        ),
      )
    ),
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
  const pairs = STATES.flatMap((state) =>
    EVENTS.filter((event) =>
      isPossible(state, event) && coverage.get(state, event) === 0 &&
      reasonFor(state, event) === undefined
    ).map((event) => `${stateName(state)} + ${event}`)
  );
  return [...pairs, ...everyKind().filter((kind) => counts.get(kind) === 0)];
}
