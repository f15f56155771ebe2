/**
 * `doctor`: whether this machine is as the module needs it.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import type { Command, Environment, Machine, Pipes } from "../command.ts";
import { VERSION } from "../../kernel/version.ts";
import { type Fact, type Finding, finding } from "./fact.ts";
import { Lab } from "./lab.ts";
import { MESSAGE_FACTS } from "./message_facts.ts";
import { PIPE_FACTS } from "./pipe_facts.ts";
import { SECURITY_FACTS } from "./security_facts.ts";

/** What was found on a machine. */
export interface Report {
  /** Whether everything is as the module needs it. */
  readonly ok: boolean;
  readonly versions: { readonly windows: string; readonly deno: string; readonly module: string };
  /** Whether this is Wine; no fact depends on it. */
  readonly wine: boolean;
  /** Whether this process has administrator rights; undefined if Windows does not tell. */
  readonly elevated: boolean | undefined;
  readonly facts: readonly Finding[];
}

/** Both libraries, as facts. */
const KERNEL32 = { id: "kernel32", text: "kernel32.dll can be used", expected: "opened" };
const ADVAPI32 = { id: "advapi32", text: "advapi32.dll can be used", expected: "opened" };

/** Every fact that is tried on pipes, for tests and documentation. */
export const FACTS: readonly Fact[] = [...PIPE_FACTS, ...MESSAGE_FACTS, ...SECURITY_FACTS];

/** See the module. */
export const doctor: Command = {
  summary: "Checks that this machine is as the module needs it, on pipes with random names",
  usage: "",
  count: [0, 0],
  options: {},
  async run(args, environment) {
    const report = await examine(environment);
    const { print } = environment;
    print(args.flag("json") ? `${JSON.stringify(report)}\n` : inText(report));
    return report.ok ? 0 : 1;
  },
};

/** Examines the machine. */
async function examine({ machine, pipes }: Environment): Promise<Report> {
  const { windows, wine } = machine.system();
  const { kernel, libraries } = open(machine);
  const facts = [...libraries];
  let elevated: boolean | undefined;
  try {
    for (const fact of FACTS) {
      if (kernel.security || !SECURITY_FACTS.includes(fact)) {
        facts.push(await tried(fact, kernel.calls));
      }
    }
    facts.push(await tried(listing(pipes), kernel.calls));
    if (kernel.security) elevated = await isElevated(kernel.calls);
  } finally {
    kernel.calls.dispose();
  }
  const ok = facts.every((fact) => fact.ok);
  const versions = { windows, deno: machine.deno, module: VERSION };
  return { ok, versions, wine, elevated, facts };
}

/** Opens what the permissions allow. */
function open(machine: Machine): {
  readonly kernel: { readonly calls: Kernel; readonly security: boolean };
  readonly libraries: readonly Finding[];
} {
  const kernel32 = finding(KERNEL32, "opened");
  try {
    const kernel = { calls: machine.open(true), security: true };
    return { kernel, libraries: [kernel32, finding(ADVAPI32, "opened")] };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    // Without kernel32.dll this throws: there is nothing to examine.
    const kernel = { calls: machine.open(false), security: false };
    return { kernel, libraries: [kernel32, finding(ADVAPI32, error.message)] };
  }
}

async function tried(fact: Fact, kernel: Kernel): Promise<Finding> {
  const lab = new Lab(kernel);
  let seen: string;
  try {
    seen = await fact.see(lab);
  } catch (error) {
    seen = error instanceof Error ? error.message : String(error);
  }
  await lab.close();
  return finding(fact, seen);
}

/** Only `listPipes()` relies on this one. */
function listing(pipes: Pipes): Fact {
  return {
    id: "list",
    text: "the pipes of this machine can be listed",
    expected: "1 instance",
    see(lab) {
      lab.server();
      const found = pipes.listPipes().find(({ name }) => lab.path.endsWith(`\\${name}`));
      return found?.instances === 1 ? "1 instance" : "missing";
    },
  };
}

async function isElevated(kernel: Kernel): Promise<boolean | undefined> {
  const lab = new Lab(kernel);
  try {
    const { server, client } = await lab.pair();
    await client.writes("hello");
    await server.reads();
    return server.identified().identity?.elevated;
  } catch {
    return undefined;
  } finally {
    await lab.close();
  }
}

/** A text to read, and to paste into an issue. */
function inText({ versions, wine, elevated, facts }: Report): string {
  const { windows, deno, module } = versions;
  const state = elevated === undefined ? "unknown" : elevated ? "yes" : "no";
  const lines = facts.flatMap(({ id, text, ok, expected, seen }) => [
    `${ok ? "ok  " : "FAIL"}  ${id}: ${text}`,
    ...(ok ? [] : [`      expected ${expected}`, `      seen     ${seen}`]),
  ]);
  const held = facts.filter(({ ok }) => ok).length;
  const machine = [
    `Windows ${windows}${wine ? " (Wine)" : ""}`,
    ["Deno", deno].join(" "),
    `module ${module}`,
    `elevated: ${state}`,
  ];
  return `${machine.join(", ")}\n${lines.join("\n")}\n${held} of ${facts.length} facts hold.\n`;
}
