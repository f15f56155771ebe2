/**
 * State machines as tables written by hand, one line a step:
 * `state + event, event -> next state: commands`. "same" is the state that it was, and "(last)" marks
 * what differs when no further request is wanted. A line with variables stands for one line for each
 * of their values. A pair of a state and an event that is in no line cannot happen.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { Step } from "../src/server/state_machine.ts";

/** What the tables need to know of a state. */
export interface Named {
  readonly name: string;
}

/** The values of variables, separated by "|". */
export type Variables = Readonly<Record<string, string>>;

/** A state as the tables call it: `reading known - disconnected`; "-" is what is not so. */
export function nameOf(state: Named): string {
  return Object.entries<unknown>({ ...state })
    .map(([key, value]) => value === true ? key : value === false ? "-" : value)
    .join(" ");
}

/** What an event leads to, as the tables say it. */
export function textOf<S extends Named, C>({ state, commands }: Step<S, C>): string {
  return [nameOf(state), commands.join(" ")].filter(Boolean).join(": ");
}

/** Every pair of a state and an event for which a machine provides, and what it leads to. */
export function stepsOf<S extends Named, E extends string, C>(
  states: readonly S[],
  events: readonly E[],
  transition: (state: S, event: E, last: boolean) => Step<S, C> | undefined,
): { pair: string; state: S; event: E; last: boolean; step: Step<S, C> }[] {
  return states.flatMap((state) =>
    events.flatMap((event) =>
      [false, true].flatMap((last) => {
        const step = transition(state, event, last);
        assert(
          step === undefined || states.includes(step.state),
          "a state that is not in the list",
        );
        const pair = `${nameOf(state)} + ${event}`;
        return step === undefined ? [] : [{ pair, state, event, last, step }];
      })
    )
  );
}

/** Compares a machine's steps with its table. */
export function assertTable(
  steps: readonly { pair: string; last: boolean; step: Step<Named, string> }[],
  table: string,
  variables: Variables = {},
): void {
  const lines = steps.map(({ pair, last, step }) => [pair, last, textOf(step)] as const);
  const usual = new Map(lines.filter(([, last]) => !last).map(([pair, , text]) => [pair, text]));
  const actual = lines.filter(([pair, last, text]) => !last || usual.get(pair) !== text)
    .map(([pair, last, text]) => `${pair}${last ? " (last)" : ""} -> ${text}`);
  const expected = table.trim().split(/\n+/).flatMap((line) => expand(line, variables));
  assertEquals(actual.filter((line) => !expected.includes(line)), [], "not in the table");
  assertEquals(expected.toSorted(), actual.toSorted());
}

/** The pairs of a line, one a line. */
function expand(line: string, variables: Variables): string[] {
  const [state = "", events = "", target = ""] = line.split(/\+|->/).map((part) => part.trim());
  for (const [variable, values] of Object.entries(variables)) {
    const word = new RegExp(`\\b${variable}\\b`, "g");
    if (!word.test(state)) continue;
    return values.split("|").flatMap((value) => expand(line.replaceAll(word, value), variables));
  }
  const text = target.replace(/^same\b/, state);
  return events.split(", ").map((event) => `${state} + ${event} -> ${text}`);
}
