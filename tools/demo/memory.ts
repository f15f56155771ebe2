/**
 * The demonstration on pipes in memory.
 *
 * @module
 */

import { memoryPipes } from "@overlapped/named-pipe/testing";
import { demonstrate, runClients } from "./demonstration.ts";

/** Says whether all went well. */
export async function demonstrateInMemory(): Promise<boolean> {
  await using pipes = memoryPipes();
  const path = "named-pipe-demo";
  return await demonstrate(path, async () => {
    await runClients(path, () => pipes.as({}).connect);
    return true;
  }, pipes.serve);
}
