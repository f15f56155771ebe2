/**
 * State machines as tables written by hand.
 *
 * A row is a state, and below it events with what they lead to: `event, event -> next state:
 * commands`. "same" is the state of the row, and "(last)" marks what differs when no further request
 * is wanted. A row may be for several states: `one; another`, or with variables, for each of whose
 * values the row is repeated. A pair of a state and an event that is in no row cannot happen.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { Step } from "../src/state_machine.ts";

/** A state as the tables call it: `reading known - disconnected`; "-" is what is not so. */
export function nameOf(state: { readonly name: string }): string {
  return Object.entries<unknown>({ ...state })
    .map(([key, value]) => value === true ? key : value === false ? "-" : value)
    .join(" ");
}

/** What an event leads to, as the tables say it. */
export function textOf<S extends { readonly name: string }, C>(
  step: Step<S, C> | undefined,
): string | undefined {
  return step && [nameOf(step.state), step.commands.join(" ")].filter(Boolean).join(": ");
}

/** Compares every pair of a machine with its table. */
export function assertTable<S extends { readonly name: string }, E extends string, C>(
  states: readonly S[],
  events: readonly E[],
  transition: (state: S, event: E, last: boolean) => Step<S, C> | undefined,
  table: string,
  variables: Readonly<Record<string, string>> = {},
): void {
  const actual: string[] = [];
  for (const state of states) {
    for (const event of events) {
      const [step, last] = [false, true].map((last) => transition(state, event, last));
      for (const { state: next } of [step, last].filter((step) => step !== undefined)) {
        assert(states.includes(next), `another object: ${nameOf(state)} + ${event}`);
      }
      const [text, lastText] = [textOf(step), textOf(last)];
      const pair = `${nameOf(state)} + ${event}`;
      if (text !== undefined) actual.push(`${pair} -> ${text}`);
      if (lastText !== text) actual.push(`${pair} (last) -> ${lastText}`);
    }
  }
  const expected = parse(table, variables);
  assertEquals(actual.filter((line) => !expected.includes(line)), [], "not in the table");
  assertEquals(expected.toSorted(), actual.toSorted());
}

/** The lines of a table, one a pair. */
function parse(table: string, variables: Readonly<Record<string, string>>): string[] {
  return table.trim().split(/\n+(?=\S)/).flatMap((row) => {
    const [head = "", ...lines] = row.split("\n").filter((line) => line !== "");
    return head.split("; ")
      .flatMap((state) => expand([state, ...lines].join("\n"), state, variables))
      .flatMap((row) => pairs(row.split("\n")));
  });
}

/** A row for each value of each variable that its state has. */
function expand(
  row: string,
  state: string,
  variables: Readonly<Record<string, string>>,
): string[] {
  let rows = [row];
  for (const [variable, values] of Object.entries(variables)) {
    const word = new RegExp(`\\b${variable}\\b`, "g");
    if (!word.test(state)) continue;
    rows = rows.flatMap((row) => values.split(" ").map((value) => row.replaceAll(word, value)));
  }
  return rows;
}

function pairs([state, ...lines]: string[]): string[] {
  return lines.flatMap((line) => {
    const [events = "", target = ""] = line.split("->").map((part) => part.trim());
    const text = target.replace(/^same\b/, `${state}`);
    return events.split(", ").map((event) => `${state} + ${event} -> ${text}`);
  });
}
