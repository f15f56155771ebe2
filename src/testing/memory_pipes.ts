/**
 * memoryPipes(): the functions of the module on pipes in memory.
 *
 * @module
 */

import { WaitLoop } from "../loop/wait_loop.ts";
import { ProcessKernel } from "./memory/kernel.ts";
import { MemorySystem } from "./memory/system.ts";
import type { Pipes } from "./pipes.ts";
import { pipesOn } from "./pipes_on.ts";

/**
 * The functions of the module on pipes in memory, which nobody else can see: on every system, without
 * permissions, and with everything of Windows that a program can notice.
 *
 * @returns The functions, on a system of their own.
 *
 * @example A responder is tested
 * ```ts
 * import { memoryPipes } from "@overlapped/named-pipe/testing";
 *
 * const { serve, call } = memoryPipes();
 * await using _server = serve({ path: "shout" }, (_request, exchange) => {
 *   return exchange.text().toUpperCase();
 * });
 * console.assert(await call("shout", "hello", { as: "text" }) === "HELLO");
 * ```
 */
export function memoryPipes(): Pipes {
  const system = new MemorySystem();
  let loop: WaitLoop | undefined;
  return pipesOn(
    () => loop ??= new WaitLoop(new ProcessKernel(system), () => loop = undefined),
    system.list,
  );
}
