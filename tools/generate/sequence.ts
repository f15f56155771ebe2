/**
 * The picture of one exchange: the machines are given the events of it, and what they command is
 * drawn, in Mermaid's language.
 *
 * @module
 */

import { labelOf, type Machine, type Named } from "./machine.ts";
import { BEGIN, EXCHANGES, INSTANCE } from "./machines.ts";

type Who = "client" | "windows" | "instance" | "session" | "program";

/** Who carries out a command; the machine's own class does, unless named here. */
const CARRIED_OUT: Readonly<Record<string, Who>> = {
  listen: "windows",
  findClient: "windows",
  read: "windows",
  readRest: "windows",
  write: "windows",
  cancelRead: "windows",
  cancelIn: "windows",
  cancelOut: "windows",
  disconnect: "windows",
  deliver: "program",
  abort: "program",
};

/** What happens, in order: what the client does, and the events that follow. */
const STORY: readonly (readonly [from: Who, to: Who, what: string])[] = [
  ["program", "instance", "listen"],
  ["client", "windows", "CreateFile"],
  ["windows", "instance", "connected"],
  ["client", "windows", "WriteFile: the request"],
  ["windows", "session", "message"],
  ["program", "session", "replied"],
  ["client", "windows", "ReadFile: the reply"],
  ["windows", "session", "written"],
  ["client", "windows", "CloseHandle"],
  ["windows", "session", "ended"],
  ["windows", "instance", "quiet"],
  ["instance", "instance", "listen"],
];

/** See the module. */
class Drawing {
  readonly #lines: string[] = [];
  readonly #machines: Record<"instance" | "session", Machine> = {
    instance: INSTANCE,
    session: EXCHANGES,
  };
  readonly #states: Record<"instance" | "session", Named | undefined> = {
    instance: INSTANCE.initial[0],
    session: undefined,
  };

  get text(): string {
    return this.#lines.join("\n");
  }

  arrow(from: Who, to: Who, what: string): void {
    this.#lines.push(`  ${from}->>${to}: ${what}`);
  }

  /** Gives a machine an event, and carries out what it commands. */
  raise(who: "instance" | "session", event: string): void {
    const now = this.#states[who];
    const step = this.#machines[who].rows.find((row) =>
      row.state === now && row.event === event && !row.last
    );
    if (step === undefined) throw new Error(`The ${who} has no step for "${event}"`);
    this.#enter(who, step.next);
    this.#execute(who, step.commands);
  }

  #enter(who: "instance" | "session", state: Named): void {
    if (this.#states[who] === state) return;
    this.#states[who] = state;
    this.#lines.push(`  Note over ${who}: ${labelOf(state)}`);
  }

  #execute(who: "instance" | "session", commands: readonly string[]): void {
    let together: { to: Who; names: string[] } | undefined;
    for (const name of commands) {
      const to = this.#carriedOut(who, name);
      if (together?.to === to) together.names.push(name);
      else {
        this.#show(who, together);
        together = { to, names: [name] };
      }
    }
    this.#show(who, together);
    for (const name of commands) this.#passOn(who, name);
  }

  #show(who: Who, together: { to: Who; names: string[] } | undefined): void {
    if (together !== undefined) this.arrow(who, together.to, together.names.join(", "));
  }

  #carriedOut(who: "instance" | "session", command: string): Who {
    if (who === "instance" && command === "beginSession") return "session";
    if (who === "session" && INSTANCE.events.includes(command)) return "instance";
    return CARRIED_OUT[command] ?? who;
  }

  /** What one machine commands can be an event of the other one. */
  #passOn(who: "instance" | "session", command: string): void {
    const to = this.#carriedOut(who, command);
    if (who === "instance" && to === "session") {
      this.#enter("session", BEGIN.state);
      this.#execute("session", BEGIN.commands);
    } else if (who === "session" && to === "instance") {
      this.raise("instance", command);
    }
  }
}

/** See the module. */
export function sequence(): string {
  const drawing = new Drawing();
  for (const [from, to, what] of STORY) {
    drawing.arrow(from, to, what);
    if (to === "instance" || to === "session") drawing.raise(to, what);
  }
  return [
    "```mermaid",
    "sequenceDiagram",
    "  participant client",
    "  participant windows as Windows",
    "  participant instance",
    "  participant session",
    "  participant program",
    drawing.text,
    "```",
  ].join("\n");
}
