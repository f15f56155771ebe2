/**
 * `deno task bench`: this module side by side with other servers.
 *
 * - Without options: measures everything, which takes about 45 minutes, and writes `RESULTS.md`, the
 *   plot and the README's part. The figures themselves stay in `.cache/bench/full`.
 * - `--resume`: continues a measurement that was interrupted.
 * - `--only PART,PART`: measures these parts again, and keeps the others of the last measurement.
 * - `--smoke`: checks in a few seconds that all of this works. Changes neither page nor README.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { removeAll } from "../tools/windows/cache.ts";
import { exists } from "../tools/windows/host.ts";
import { checkGoals } from "./goals.ts";
import type { GoalResult, Results } from "./results.ts";
import { NO_PARTS, PART_NAMES } from "./no_parts.ts";
import { ownCostPart } from "./own_cost.ts";
import { FULL, type Plan, SMOKE } from "./plan.ts";
import { writeReport } from "./report.ts";
import { tracedPart, tracedStreamsPart } from "./traced.ts";

const checkout = fileURLToPath(new URL("..", import.meta.url)).replace(/[\\/]$/, "");
const WINDOWS = Deno.build.os === "windows";

type Progress = (text: string) => void;

async function run(...args: string[]): Promise<void> {
  const { code } = await new Deno.Command(Deno.execPath(), { args, cwd: checkout }).spawn().status;
  if (code !== 0) Deno.exit(code);
}

async function readPart(folder: string, name: string): Promise<unknown> {
  const file = `${folder}/${name}.json`;
  return await exists(file) ? JSON.parse(await Deno.readTextFile(file)) : undefined;
}

/** All that was measured, and the names of the parts that were not. */
async function gather(folder: string): Promise<{ results: Results; missing: string[] }> {
  const names = ["environment", "plan", ...PART_NAMES];
  const entries = await Promise.all(
    names.map(async (name) => [name, await readPart(folder, name)] as const),
  );
  const measured = entries.filter(([, part]) => part !== undefined);
  const parts = { ...NO_PARTS, ...Object.fromEntries(measured) } as Results;
  const missing = entries.filter(([, part]) => part === undefined).map(([name]) => name);
  return { results: { ...parts, goals: checkGoals(parts) }, missing };
}

function show({ figure, goal, measured, reached }: GoalResult): string {
  return `${reached ? "reached" : "MISSED "}  ${figure}: ${measured} (${goal})`;
}

/** What went wrong under the loads. Deno's `node:net` is known to leave clients out. */
function faults(results: Results): string[] {
  const { throughput, before, growth, resting: { few, many }, large, visits, framed, streams } =
    results;
  const { httpGet, httpPost, jsonRpc } = results;
  const exchanges = [throughput, before, growth, large, visits, framed, httpGet, httpPost, jsonRpc];
  const parts = exchanges.map(({ loaded }) => loaded);
  const streaming = streams.map((row) => ({ ...row, clients: row.connections, size: row.chunk }));
  return [...parts.flat(), ...few, ...many, ...streaming].filter(
    ({ server, failures, connected, clients }) =>
      server !== "deno" && (failures > 0 || connected < clients),
  ).map(({ server, clients, size, connected, failures, failure }) =>
    `${server}, ${clients} clients, ${size} bytes: ${connected} connected, ${failures} failures` +
    (failure === undefined ? "" : ` (${failure})`)
  );
}

/** What is measured from outside the system that the others are measured in. */
const OUTER_PARTS: Record<string, (plan: Plan, progress: Progress) => Promise<unknown>> = {
  ownCost: ownCostPart,
  traced: async (...args) => WINDOWS ? [] : await tracedPart(...args),
  tracedStreams: async (...args) => WINDOWS ? [] : await tracedStreamsPart(...args),
};

async function measureOuter(plan: Plan, folder: string, only: readonly string[]): Promise<void> {
  for (const [name, part] of Object.entries(OUTER_PARTS)) {
    const file = `${folder}/${name}.json`;
    if (only.length > 0 ? !only.includes(name) : await exists(file)) continue;
    await Deno.writeTextFile(
      file,
      JSON.stringify(await part(plan, (text) => console.log(`${name}: ${text}`)), null, 1),
    );
  }
}

/** Where nobody looks, if it was only to see whether it works, or not all was measured. */
async function reportAside(results: Results, folder: string): Promise<void> {
  await Deno.copyFile(`${checkout}/README.md`, `${folder}/README.md`);
  await writeReport(results, folder, `${folder}/README.md`);
  console.log(`See ${folder}/RESULTS.md`);
}

async function reportAll(results: Results): Promise<void> {
  const shown = `${checkout}/bench`;
  const names = await writeReport(results, shown, `${checkout}/README.md`);
  const files = names.map((name) => `${shown}/${name}`);
  await run("fmt", "--quiet", ...files, "README.md");
}

async function report(results: Results, smoke: boolean, missing: string[], folder: string) {
  if (missing.length > 0) console.log(`Not measured: ${missing.join(", ")}`);
  await (smoke || missing.length > 0 ? reportAside(results, folder) : reportAll(results));
  if (smoke) return;
  for (const goal of results.goals) {
    if (!Number.isNaN(goal.value)) console.log(show(goal));
  }
}

async function bench(smoke: boolean, resume: boolean, only: readonly string[]): Promise<number> {
  const plan = smoke ? "smoke" : "full";
  const folder = `${checkout}/.cache/bench/${plan}`;
  if (!resume && only.length === 0) await removeAll(folder);
  await Deno.mkdir(folder, { recursive: true });
  await run("run", "-A", "tools/foreign.ts");
  const measure = ["run", "-A", "bench/measure.ts", folder, plan, ...only];
  await run("run", "-A", "tools/windows.ts", ...measure);
  await measureOuter(smoke ? SMOKE : FULL, folder, only);
  const { results, missing } = await gather(folder);
  await report(results, smoke, missing, folder);
  const found = faults(results);
  for (const fault of found) console.log(`FAULT: ${fault}`);
  return found.length === 0 ? 0 : 1;
}

function refuse(reason: string): never {
  console.error(`${reason}\nUsage: bench [--smoke] [--resume] [--only PART,PART]`);
  Deno.exit(2);
}

function parse(): { smoke: boolean; resume: boolean; only: string[] } {
  try {
    const { values } = parseArgs({
      options: {
        smoke: { type: "boolean", default: false },
        resume: { type: "boolean", default: false },
        only: { type: "string" },
      },
    });
    const only = values.only?.split(",") ?? [];
    const unknown = only.find((name) => !(PART_NAMES as readonly string[]).includes(name));
    if (unknown !== undefined) refuse(`Cannot measure "${unknown}": use ${PART_NAMES.join(", ")}`);
    return { ...values, only };
  } catch (error) {
    return refuse(`${error instanceof Error ? error.message : error}`);
  }
}

if (import.meta.main) {
  const { smoke, resume, only } = parse();
  Deno.exitCode = await bench(smoke, resume, only);
}
