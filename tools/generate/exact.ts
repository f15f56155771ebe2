/**
 * The exact table of a machine: every step, those with the same outcome in one row.
 *
 * @module
 */

import { detailsOf, labelOf, type Machine, type Row } from "./machine.ts";

/** What a step does, as the table says it. */
function outcomeOf({ state, next, commands }: Row): string {
  const target = next === state ? "the same" : labelOf(next);
  return `| ${target} | ${commands.map((command) => `\`${command}\``).join(", ")} |`;
}

/** Rows of one name: the details of each state once, in its first row, if there are several. */
function rowsOf(rows: readonly Row[]): string[] {
  const lines: string[] = [];
  const states = new Set(rows.map(({ state }) => state));
  for (const state of states) {
    const events = new Map<string, string[]>();
    for (const row of rows.filter((row) => row.state === state)) {
      const outcome = outcomeOf(row);
      const event = `\`${row.event}\`${row.last ? " (last)" : ""}`;
      events.set(outcome, [...events.get(outcome) ?? [], event]);
    }
    let shown = `${detailsOf(state) || "-"} `;
    for (const [outcome, names] of events) {
      lines.push(`| ${states.size > 1 ? `${shown}| ` : ""}${names.join(", ")} ${outcome}`);
      shown = "";
    }
  }
  return lines;
}

/** See the module. */
export function exact({ states, rows }: Machine): string {
  const parts: string[] = [];
  for (const name of new Set(states.map(({ name }) => name))) {
    const head = states.filter((state) => state.name === name).length > 1 ? "| state " : "";
    parts.push(
      "<details>",
      `<summary><code>${name}</code></summary>\n`,
      `${head}| event | next state | commands |`,
      `${head && "| --- "}| --- | --- | --- |`,
      ...rowsOf(rows.filter(({ state }) => state.name === name)),
      "\n</details>\n",
    );
  }
  return parts.join("\n");
}
