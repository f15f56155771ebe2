/**
 * State machines of the module as lists of steps, whatever their states, events and commands are.
 *
 * @module
 */

import type { Step } from "../../src/server/state_machine.ts";

/** A state: its name, and what else distinguishes it from others of this name. */
export interface Named {
  readonly name: string;
}

/** What an event leads to. */
export interface Row {
  readonly state: Named;
  readonly event: string;
  /** Whether this holds only once no further request is taken, instead of another step. */
  readonly last: boolean;
  readonly next: Named;
  readonly commands: readonly string[];
}

/** See the module. */
export interface Machine {
  readonly states: readonly Named[];
  readonly events: readonly string[];
  /** Where it may begin. */
  readonly initial: readonly Named[];
  readonly final: Named;
  readonly rows: readonly Row[];
}

/** What a module with a machine exports, and where the machine begins. */
interface Parts<S extends Named, E extends string, C extends string> {
  readonly STATES: readonly S[];
  readonly EVENTS: readonly E[];
  readonly FINAL: S;
  readonly initial: readonly S[];
  transition(state: S, event: E, last: boolean): Step<S, C> | undefined;
}

function isSame<S>(one: Step<S, string> | undefined, other: Step<S, string> | undefined): boolean {
  return one?.state === other?.state && `${one?.commands}` === `${other?.commands}`;
}

/** Lists the steps of a machine. */
export function machine<S extends Named, E extends string, C extends string>(
  { STATES, EVENTS, FINAL, initial, transition }: Parts<S, E, C>,
): Machine {
  const rows: Row[] = [];
  for (const state of STATES) {
    for (const event of EVENTS) {
      const usual = transition(state, event, false);
      const last = transition(state, event, true);
      if (usual !== undefined) {
        rows.push({ state, event, last: false, next: usual.state, commands: usual.commands });
      }
      if (last !== undefined && !isSame(usual, last)) {
        rows.push({ state, event, last: true, next: last.state, commands: last.commands });
      }
    }
  }
  return { states: STATES, events: EVENTS, initial, final: FINAL, rows };
}

/** What distinguishes a state from others of its name, in words. */
export function detailsOf(state: Named): string {
  return Object.entries<unknown>({ ...state })
    .filter(([key, value]) => key !== "name" && value !== false)
    .map(([key, value]) => value === true ? key : `${key}: ${value}`)
    .join(", ");
}

/** A state in words. */
export function labelOf(state: Named): string {
  const details = detailsOf(state);
  return details === "" ? state.name : `${state.name} (${details})`;
}
