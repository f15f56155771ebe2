/**
 * Measures everything, in the Windows build of Deno: `measure.ts FOLDER full|smoke [PART ...]`.
 *
 * Each part that is done is a file of the folder, so that a measurement which was broken off can
 * go on. Started by `main.ts`.
 *
 * @module
 */

import { environment } from "./environment.ts";
import { FULL, type Plan, SMOKE } from "./plan.ts";
import type { Parts } from "./results.ts";
import { idlePart, memoryPart } from "./sections/at_rest.ts";
import { countedPart } from "./sections/counted.ts";
import {
  beforePart,
  framedPart,
  growthPart,
  httpGetPart,
  httpPostPart,
  jsonRpcPart,
  largePart,
  restingPart,
  throughputPart,
  visitsPart,
} from "./sections/loads.ts";
import { pushesPart } from "./sections/pushes.ts";
import { silentPart } from "./sections/silent.ts";
import { startPart } from "./sections/start.ts";
import { streamsPart } from "./sections/streams.ts";
import { tricklePart } from "./sections/trickle.ts";

type Progress = (text: string) => void;

/** What is measured here: `traced.ts` needs a system for each server, and `own_cost.ts` none. */
type Inner = Omit<Parts, "traced" | "tracedStreams" | "ownCost">;

const PARTS: { [Name in keyof Inner]: (plan: Plan, progress: Progress) => Promise<Inner[Name]> } = {
  start: startPart,
  idle: idlePart,
  memory: memoryPart,
  counted: countedPart,
  trickle: tricklePart,
  large: largePart,
  growth: growthPart,
  resting: restingPart,
  throughput: throughputPart,
  before: beforePart,
  streams: streamsPart,
  visits: visitsPart,
  framed: framedPart,
  httpGet: httpGetPart,
  httpPost: httpPostPart,
  jsonRpc: jsonRpcPart,
  pushes: pushesPart,
  silent: silentPart,
};

async function save(file: string, value: unknown): Promise<void> {
  await Deno.writeTextFile(`${file}.part`, JSON.stringify(value, null, 1));
  await Deno.rename(`${file}.part`, file);
}

async function isDone(file: string): Promise<boolean> {
  try {
    return (await Deno.stat(file)).isFile;
  } catch {
    return false;
  }
}

/** Saves what holds for all parts, and refuses to mix parts for which something else holds. */
async function saveShared(file: string, value: object): Promise<void> {
  if (await isDone(file) && !agree(JSON.parse(await Deno.readTextFile(file)), value)) {
    throw new Error(
      `The other parts were measured otherwise, see ${file}: measure all of them again`,
    );
  }
  await save(file, value);
}

/** Whether what held still holds. The date does not count, and more may hold by now. */
function agree(before: object, now: object): boolean {
  const those = Object.keys(before).filter((name) => name !== "date");
  const held = (of: object) =>
    JSON.stringify(Object.entries(of).filter(([name]) => those.includes(name)).sort());
  return held(before) === held(now);
}

async function measure(folder: string, plan: Plan, wanted: readonly string[]): Promise<void> {
  await saveShared(`${folder}/plan.json`, plan);
  await saveShared(`${folder}/environment.json`, await environment());
  for (const [name, part] of Object.entries(PARTS)) {
    const file = `${folder}/${name}.json`;
    if (wanted.length > 0 ? !wanted.includes(name) : await isDone(file)) continue;
    const began = performance.now();
    await save(file, await part(plan, (text) => console.log(`${name}: ${text}`)));
    console.log(`${name}: ${((performance.now() - began) / 1_000).toFixed(1)} s`);
  }
}

if (import.meta.main) {
  const [folder = ".", plan, ...wanted] = Deno.args;
  await measure(folder, plan === "smoke" ? SMOKE : FULL, wanted);
}
