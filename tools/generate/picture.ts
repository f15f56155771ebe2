/**
 * The picture of a machine: a diagram of its states by their names, in Mermaid's language.
 *
 * @module
 */

import type { Machine } from "./machine.ts";

/** Events that end the machine wherever it is. They would be an arrow from every state. */
function endsOf({ states, final, rows, events }: Machine): string[] {
  const names = new Set(states.filter((state) => state !== final).map(({ name }) => name));
  return events.filter((event) => {
    const steps = rows.filter((row) => row.event === event && row.state !== final);
    const from = new Set(steps.map(({ state }) => state.name));
    return from.size === names.size && steps.every(({ next }) => next === final);
  });
}

/** The events that lead from one name to another, in the order of the machine. */
function arrows(machine: Machine, left: readonly string[]): string[] {
  const events = new Map<string, Set<string>>();
  for (const { state, event, next } of machine.rows) {
    if (state.name === next.name || left.includes(event)) continue;
    const arrow = `${state.name} --> ${next.name}`;
    events.set(arrow, (events.get(arrow) ?? new Set()).add(event));
  }
  return [...events].map(([arrow, names]) => `${arrow}: ${[...names].join(", ")}`);
}

function listed(events: readonly string[]): string {
  return events.map((event) => `\`${event}\``).join(" and ");
}

/** See the module. Events that lead to a state of the same name are left to the table. */
export function picture(machine: Machine): string {
  const ends = endsOf(machine);
  const begins = new Set(machine.initial.map(({ name }) => `[*] --> ${name}`));
  const lines = [...begins, ...arrows(machine, ends), `${machine.final.name} --> [*]`];
  const diagram = ["```mermaid", "stateDiagram-v2", ...lines.map((line) => `  ${line}`), "```"];
  const rest = ends.length === 0 ? [] : [
    "",
    `From every state, ${listed(ends)} ${ends.length === 1 ? "leads" : "lead"} to ` +
    `\`${machine.final.name}\`.`,
  ];
  return [...diagram, ...rest].join("\n");
}
