/**
 * A program of a system in memory: a process, and its loop.
 *
 * @module
 */

import { nameTaken, systemError } from "../kernel/errors.ts";
import { Status } from "../kernel/status.ts";
import type { OpenLoop } from "../loop/isolate.ts";
import { WaitLoop } from "../loop/wait_loop.ts";
import { checkOptions, direction, integer, oneOf } from "../options/checks.ts";
import { clientPath, serverPath } from "../options/path.ts";
import type { ProcessSettings } from "./options.ts";
import { type Left, ProgramKernel } from "./program_kernel.ts";
import {
  type RawClientOptions,
  RawConnection,
  type RawEnd,
  RawInstance,
  type RawServer,
  type RawServerOptions,
} from "./raw.ts";
import type { World } from "./world.ts";

const MAX_DWORD = 0xffff_ffff;

const CLIENT_CHECKS = {
  direction,
  impersonation: oneOf(
    ["anonymous", "identification", "impersonation", "delegation"],
    "identification",
  ),
};

const SERVER_CHECKS = {
  type: oneOf(["message", "byte"]),
  direction,
  readBufferSize: integer(0, MAX_DWORD, 65_536),
  writeBufferSize: integer(0, MAX_DWORD, 65_536),
};

/** The loop of a program, while it has one. */
interface Running {
  readonly kernel: ProgramKernel;
  readonly loop: WaitLoop;
  /** The pipes that it was opened for. */
  readonly paths: Set<string>;
}

/** See the module. */
export class Program {
  readonly process: number;
  readonly #world: World;
  #running: Running | undefined = undefined;

  /** @throws {RangeError} If another process has the id. */
  constructor(world: World, { identity, account, id, session, executable }: ProcessSettings) {
    const { processes } = world.system;
    if (id !== undefined && processes.has(id)) {
      throw new RangeError(`Cannot use "processId": ${id} is that of another process`);
    }
    const program = executable === undefined ? undefined : { path: executable, began: 0 };
    this.process = processes.add({ id, identity, program, session });
    if (account !== undefined) processes.nameAccount(identity.sid, account);
    this.#world = world;
  }

  /** Opens the loop of the program. */
  readonly open: OpenLoop = (path) => {
    this.#world.checkOpen(path);
    this.#running ??= this.#run();
    this.#running.paths.add(path);
    return this.#running.loop;
  };

  /** Whether nothing happens until time passes, or somebody does something. */
  get rests(): boolean {
    return this.#running?.kernel.rests ?? true;
  }

  /** Connects as a program that does not use this module. Waits while all instances are busy. */
  async rawClient(path: string, options: RawClientOptions): Promise<RawEnd> {
    const full = clientPath(path);
    const settings = checkOptions(options, CLIENT_CHECKS);
    for (;;) {
      this.#world.checkOpen(full);
      const { status, end } = this.#world.system.open(full, { ...settings, process: this.process });
      if (end !== undefined) return this.#world.keep(new RawConnection(end));
      if (status !== Status.BUSY) {
        throw systemError("Cannot connect to", "CreateFileW", full, status);
      }
      await this.#changed(full);
    }
  }

  /** Serves a name as a program that does not use this module. */
  rawServer(path: string, options: RawServerOptions): RawServer {
    const full = serverPath(path);
    const { type, ...terms } = checkOptions(options, SERVER_CHECKS);
    const { system } = this.#world;
    this.#world.checkOpen(full);
    const { status, end } = system.create(full, {
      ...terms,
      messages: type === "message",
      most: 255,
      process: this.process,
    }, true);
    if (end !== undefined) return this.#world.keep(new RawInstance(end));
    if (!system.exists(full)) {
      throw systemError("Cannot listen on", "CreateNamedPipeW", full, status);
    }
    throw nameTaken("CreateNamedPipeW", full, status, undefined);
  }

  /** What is left open, as text. */
  left(): string[] {
    if (this.#running === undefined) return [];
    const { kernel, paths } = this.#running;
    const parts = [...kernel.left()].flatMap(([path, left]) => describe(path, left));
    if (parts.length === 0) {
      // Such as a server that has no instance and tries to create one.
      const used = [...paths].map((path) => `"${path}"`).join(", ");
      parts.push(`${count(kernel.leftovers().timers, "timer")} for ${used}`);
    }
    return [`process ${this.process} still has ${parts.join(" and ")}`];
  }

  /** Ends, as when the program goes away. */
  end(): void {
    this.#running?.kernel.unload();
  }

  #run(): Running {
    const { system, clock, fault } = this.#world;
    const kernel = new ProgramKernel(system, { clock, process: this.process }, fault);
    const loop = new WaitLoop(kernel, () => this.#running = undefined);
    return { kernel, loop, paths: new Set() };
  }

  #changed(path: string): Promise<void> {
    return new Promise((resolve) => {
      const forget = this.#world.system.whenChanged(path, () => {
        forget();
        resolve();
      });
    });
  }
}

function describe(path: string, left: Left): string[] {
  const { instances, clients, connections, attempts, operations } = left;
  const server = `a server of "${path}" (${count(instances, "instance")}, ${
    count(clients, "client")
  })`;
  const inFlight = `${count(operations, "operation")} in flight on "${path}"`;
  return [
    ...(instances > 0 ? [server] : []),
    ...(connections > 0 ? [`${count(connections, "connection")} to "${path}"`] : []),
    ...(attempts > 0 ? [`${count(attempts, "call")} waiting for "${path}"`] : []),
    ...(operations > 0 ? [inFlight] : []),
  ];
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
