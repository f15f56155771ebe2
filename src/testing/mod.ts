/**
 * Pipes in memory, to test programs that use `@overlapped/named-pipe`: on every system, without
 * permissions, in milliseconds.
 *
 * {@linkcode memoryPipes} gives the functions of the module on pipes that exist only in the program.
 * Servers, clients and connections behave as they do on Windows. A test can let time pass, call as
 * another user, be a client that vanishes, and let Windows fail. `docs/testing.md` goes through the
 * tests of one program.
 *
 * **Permissions:** none.
 *
 * @example A responder is tested
 * ```ts
 * import { memoryPipes } from "@overlapped/named-pipe/testing";
 *
 * Deno.test("shouts", async () => {
 *   await using pipes = memoryPipes();
 *   const { serve, call } = pipes;
 *   await using _server = serve({ path: "shout" }, (_request, exchange) => {
 *     return exchange.text().toUpperCase();
 *   });
 *   const answer = await call("shout", "hello", { as: "text" });
 *   if (answer !== "HELLO") throw new Error(`was ${answer}`);
 * });
 * ```
 *
 * @module
 */

export { type MemoryPipes, memoryPipes, type MemoryProgram } from "./memory_pipes.ts";
export type { MemoryCall, MemoryPipesOptions, MemoryProcess } from "./options.ts";
export type { Pipes } from "./pipes.ts";
export type { RawClientOptions, RawEnd, RawServer, RawServerOptions } from "./raw.ts";
