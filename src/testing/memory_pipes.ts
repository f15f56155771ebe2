/**
 * memoryPipes(): the functions of the module on pipes in memory.
 *
 * @module
 */

import { integer } from "../options/checks.ts";
import {
  type MemoryPipesOptions,
  type MemoryProcess,
  memorySettings,
  type ProcessSettings,
  processSettings,
} from "./options.ts";
import type { Pipes } from "./pipes.ts";
import { pipesOn } from "./pipes_on.ts";
import type { Program } from "./program.ts";
import type { RawClientOptions, RawEnd, RawServer, RawServerOptions } from "./raw.ts";
import { World } from "./world.ts";

/**
 * The pipes of a system in memory, as one of its processes sees them.
 *
 * @example Two processes of the same user
 * ```ts
 * import { memoryPipes } from "@overlapped/named-pipe/testing";
 *
 * await using pipes = memoryPipes();
 * await using _server = pipes.serve({ path: "who" }, (_request, { client }) => {
 *   return `process ${client.processId}`;
 * });
 * const other = pipes.as({ processId: 4242 });
 * console.assert(await other.call("who", "am I?", { as: "text" }) === "process 4242");
 * ```
 */
export interface MemoryProgram extends Pipes {
  /** The id of the process. */
  readonly processId: number;
  /**
   * The same pipes as another process sees them, of this user or another.
   *
   * @param process The process, which is new, and the user that runs it.
   * @throws {TypeError} If something has a wrong type.
   * @throws {RangeError} If a number is out of its range, or another process has the id.
   *
   * @example Somebody else is refused
   * ```ts
   * import { memoryPipes } from "@overlapped/named-pipe/testing";
   *
   * await using pipes = memoryPipes();
   * await using _server = pipes.serve({ path: "mine" }, () => "secret");
   * const other = pipes.as({ sid: "S-1-5-21-1-2-3-1002" });
   * await other.call("mine", "hello").catch((error) => {
   *   console.log(error.message); // Cannot connect to "\\.\pipe\mine": access is denied …
   * });
   * ```
   */
  readonly as: (process: MemoryProcess) => MemoryProgram;
  /**
   * Connects to a pipe as a program that knows nothing of this module: it reads only when asked, and
   * can vanish at any time. It runs in this process. If all instances are busy, it waits until one is
   * free.
   *
   * @param path The name of the pipe, as for `connect`.
   * @param options What it opens the pipe with.
   * @returns The client's end. It is no leak to leave it open.
   * @throws {TypeError} If the name cannot be used or an option has a wrong type.
   * @throws {Deno.errors.NotFound} If there is no pipe of this name.
   * @throws {Deno.errors.PermissionDenied} If the access rights of the pipe do not admit this user, or
   *   the pipe does not go in that direction.
   */
  readonly rawClient: (path: string, options?: RawClientOptions) => Promise<RawEnd>;
  /**
   * Serves a pipe as a program that knows nothing of this module: it reads only when asked, and can
   * vanish at any time. The name is then taken: nobody else can serve it.
   *
   * @param path The name of the pipe, as for `serve`.
   * @param options What the pipe is like.
   * @returns The server's end, which takes one client at a time. It is no leak to leave it open.
   * @throws {TypeError} If the name cannot be used or an option has a wrong type.
   * @throws {RangeError} If a number is out of its range.
   * @throws {Deno.errors.AddrInUse} If a pipe of this name exists.
   */
  readonly rawServer: (path: string, options?: RawServerOptions) => RawServer;
}

/**
 * What {@linkcode memoryPipes} returns. All members work when destructured.
 *
 * `await using` closes everything, and throws an `Error` if something is left open: a server that was
 * not shut down, a connection that was not closed, a client that still tries to connect. The error names
 * the pipe of each. What is left is ended as when the program goes away.
 *
 * @example A client gives up
 * ```ts
 * import { memoryPipes } from "@overlapped/named-pipe/testing";
 *
 * await using pipes = memoryPipes({ time: "manual" });
 * let given = false;
 * pipes.connect({ path: "nobody", connectTimeout: 5_000 }).catch(() => given = true);
 * await pipes.advance(4_999);
 * console.assert(!given);
 * await pipes.advance(1);
 * console.assert(given);
 * ```
 */
export interface MemoryPipes extends MemoryProgram, AsyncDisposable {
  /**
   * Lets time pass, with `time: "manual"`: the timers of servers, listeners, connections and clients
   * that are due fire in the order of their time.
   *
   * @param milliseconds How much, an integer from 0 to 2,147,483,647.
   * @returns Resolves when everything has happened that the time has caused, and that was under way
   *   before. What your own code waits for elsewhere, such as a file or a timer of its own, is not
   *   waited for.
   * @throws {TypeError} Without `time: "manual"`, or if it is not a number.
   * @throws {RangeError} If the number is out of its range.
   */
  readonly advance: (milliseconds: number) => Promise<void>;
}

const passing = integer(0, 0x7fff_ffff, 0);

/**
 * The functions of the module on pipes in memory, which nobody else can see. They work on every
 * system, and need no permission.
 *
 * Servers, listeners, connections and clients are those of the module, and behave as they do on
 * Windows, with all their options. Nothing but their timers keeps the program running.
 *
 * Of access rights, those to read, to write and to create instances are heeded, as `access` and SDDL
 * give them to users and to the usual groups. Not simulated are other machines (`remote`,
 * `\\host\pipe\…`), integrity labels of pipes, and processes that end.
 *
 * @param options Settings that have defaults.
 * @returns The functions, on a system of their own.
 * @throws {TypeError} If an option has a wrong type.
 * @throws {RangeError} If a number is out of its range.
 *
 * @example A limit is tested
 * ```ts
 * import { memoryPipes } from "@overlapped/named-pipe/testing";
 *
 * await using pipes = memoryPipes({ time: "manual" });
 * const reasons: string[] = [];
 * await using _server = pipes.serve({
 *   path: "idle",
 *   idleTimeout: 60_000,
 *   onDisconnect: (_client, reason) => reasons.push(reason),
 * }, () => "hello");
 * using _client = await pipes.rawClient("idle");
 * await pipes.advance(60_000);
 * console.assert(reasons[0] === "idleTimeout");
 * ```
 */
export function memoryPipes(options: MemoryPipesOptions = {}): MemoryPipes {
  const settings = memorySettings(options);
  return pipesIn(new World(settings), settings.process);
}

/** The functions on a system of their own, for a first program. */
export function pipesIn(world: World, process: ProcessSettings): MemoryPipes {
  return {
    ...programPipes(world, world.start(process)),
    advance: async (milliseconds) => {
      await world.advance(passing(milliseconds, "milliseconds"));
    },
    [Symbol.asyncDispose]: () => world.close(),
  };
}

function programPipes(world: World, program: Program): MemoryProgram {
  const { system } = world;
  return {
    ...pipesOn(program.open, system.list),
    processId: program.process,
    as: (process) => {
      const user = system.processes.identityOf(program.process);
      return programPipes(world, world.start(processSettings(process, user)));
    },
    rawClient: (path, options = {}) => program.rawClient(path, options),
    rawServer: (path, options = {}) => program.rawServer(path, options),
  };
}
