/**
 * The kernel of a program that is tested: its calls fail when the test says so, and whoever waits for
 * a pipe learns at once that it can be opened.
 *
 * @module
 */

import type { ClientAccess, Handle, Opened, PipeSpec, Timer } from "../kernel/kernel.ts";
import { nextTask } from "../kernel/scheduling.ts";
import { isEnd, Status } from "../kernel/status.ts";
import { show } from "../options/checks.ts";
import type { Failing } from "./memory/decisions.ts";
import { type KernelOptions, ProcessKernel } from "./memory/kernel.ts";
import { ServerEnd } from "./memory/server_end.ts";
import type { System } from "./memory/system.ts";
import type { MemoryCall, MemoryPipesOptions } from "./options.ts";

/** What the calls on a handle are called by Windows; the others cannot fail. */
const CALLS: Partial<Record<Failing, MemoryCall["call"]>> = {
  listen: "ConnectNamedPipe",
  read: "ReadFile",
  write: "WriteFile",
  openToken: "ImpersonateNamedPipeClient",
};

/** Codes that are no failures: more of the message follows, a client is there, it goes on. */
const NO_FAILURES: readonly number[] = [
  Status.MORE_DATA,
  Status.ALREADY_CONNECTED,
  Status.PENDING,
];

/** A pause between two attempts to open a pipe. */
interface Pause {
  readonly path: string;
  readonly forget: () => void;
}

/** What a program has left of one pipe. */
export interface Left {
  /** Instances of the pipe. */
  instances: number;
  /** Those with a client. */
  clients: number;
  /** Connections to it. */
  connections: number;
  /** Attempts to open it that go on. */
  attempts: number;
  /** Operations in flight. */
  operations: number;
}

/** See the module. */
export class ProgramKernel extends ProcessKernel {
  readonly #fault: MemoryPipesOptions["fault"];
  readonly #pauses = new Map<Timer, Pause>();
  readonly #unloads: (() => void)[] = [];
  /** Callbacks that are about to be called. */
  #called = 0;

  constructor(system: System, options: KernelOptions, fault: MemoryPipesOptions["fault"]) {
    super(system, options);
    this.#fault = fault;
  }

  override create(pipe: PipeSpec, first: boolean): Opened {
    const status = this.#failure("CreateNamedPipeW", pipe.path);
    return status === undefined ? super.create(pipe, first) : { status, handle: 0n };
  }

  override open(path: string, access: ClientAccess): Opened {
    const status = this.#failure("CreateFileW", path);
    return status === undefined ? super.open(path, access) : { status, handle: 0n };
  }

  override startTimer(milliseconds: number, callback: () => void, path?: string): Timer {
    if (path === undefined) return super.startTimer(milliseconds, callback);
    const end = () => {
      forget();
      if (this.#pauses.delete(timer)) callback();
    };
    const timer = super.startTimer(milliseconds, end);
    const forget = this.system.whenChanged(path, () => {
      super.stopTimer(timer);
      forget();
      this.#called++;
      nextTask(() => {
        this.#called--;
        end();
      });
    });
    this.#pauses.set(timer, { path, forget });
    return timer;
  }

  override stopTimer(timer: Timer): void {
    this.#pauses.get(timer)?.forget();
    this.#pauses.delete(timer);
    super.stopTimer(timer);
  }

  override onUnload(callback: () => void): void {
    this.#unloads.push(callback);
  }

  /** The program goes away, and with it everything that it has. */
  unload(): void {
    if (this.contract.state !== "running") return;
    this.contract.state = "unloading";
    for (const callback of this.#unloads) callback();
    for (const { forget } of this.#pauses.values()) forget();
    this.#pauses.clear();
    this.timers.stopAll();
  }

  /** Whether nothing happens until time passes, or somebody does something. */
  get rests(): boolean {
    return this.#called === 0 && this.turns.count === 0 && this.signals.state !== "over";
  }

  /** What is left, by the name of the pipe. */
  left(): Map<string, Left> {
    const all = new Map<string, Left>();
    const of = (path: string) => {
      const left = all.get(path) ??
        { instances: 0, clients: 0, connections: 0, attempts: 0, operations: 0 };
      all.set(path, left);
      return left;
    };
    for (const { end } of this.handles.all()) {
      const left = of(end.path);
      if (!(end instanceof ServerEnd)) left.connections++;
      else {
        left.instances++;
        if (end.state === "connected") left.clients++;
      }
    }
    for (const { handle } of this.flights.all()) {
      const path = this.handles.get(handle)?.end.path;
      if (path !== undefined) of(path).operations++;
    }
    for (const { path } of this.#pauses.values()) of(path).attempts++;
    return all;
  }

  protected override fails(call: Failing, handle?: Handle): number | undefined {
    const name = CALLS[call];
    const path = handle === undefined ? undefined : this.handles.get(handle)?.end.path;
    if (name === undefined || path === undefined) return undefined;
    return this.#failure(name, path);
  }

  #failure(call: MemoryCall["call"], path: string): number | undefined {
    const code = this.#fault?.(Object.freeze({ call, path, processId: this.process }));
    if (code === undefined) return undefined;
    const isCode = Number.isInteger(code) && code >= 1 && code <= 0xffff;
    // That the other end has left would be seen by its reads too, and not by this call alone.
    if (isCode && !NO_FAILURES.includes(code) && !isEnd(code)) return code;
    throw new TypeError(
      `Cannot use the result of "fault": must be the code of a Windows error, was ${show(code)}`,
    );
  }
}
