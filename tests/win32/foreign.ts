/**
 * Where the programs are that are not ours: `tools/foreign.ts` gets them.
 *
 * @module
 */

import type { ForeignPrograms } from "../../tools/foreign.ts";
import { isWine } from "./environment.ts";

const CHECKOUT = new URL("../../", import.meta.url);

async function readPrograms(): Promise<ForeignPrograms> {
  const text = await Deno.readTextFile(new URL(".cache/foreign.json", CHECKOUT));
  const windows = (path: string) => path.startsWith("/") ? `Z:${path.replaceAll("/", "\\")}` : path;
  return JSON.parse(text, (_, value) => typeof value === "string" ? windows(value) : value);
}

/** The paths of the programs, for this system. */
export async function foreignPrograms(): Promise<ForeignPrograms> {
  // Under Wine nothing can be downloaded or built: there the tool has run before.
  if (!isWine()) {
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", new URL("tools/foreign.ts", CHECKOUT).href],
    }).output();
    if (!success) throw new Error("tools/foreign.ts failed: run it to see why");
  }
  try {
    return await readPrograms();
  } catch (cause) {
    throw new Error("Run `deno run -A tools/foreign.ts` first", { cause });
  }
}
