/**
 * {@linkcode Kernel} on Windows: overlapped I/O on named pipes, through kernel32.dll.
 *
 * @module
 */

import type {
  ClientAccess,
  Handle,
  Identified,
  Kernel,
  Lane,
  Opened,
  OpenedToken,
  Peeked,
  PipeSpec,
  PipeType,
  Timer,
  Told,
} from "../src/kernel/kernel.ts";
import { Status } from "../src/kernel/status.ts";
import {
  nextTask,
  now,
  refTimer,
  startTimer,
  stopTimer,
  unrefTimer,
} from "../src/kernel/scheduling.ts";
import { type Advapi32, BOTH_LIBRARIES } from "./advapi32.ts";
import { type Counters, newCounters } from "./counters.ts";
import { type Kernel32, openKernel32 } from "./kernel32.ts";
import { type MemoryUsage, viewOf } from "./native_memory.ts";
import { OverlappedIo } from "./overlapped_io.ts";
import { Pipes } from "./pipes.ts";
import { Processes } from "./processes.ts";
import { Security } from "./security.ts";
import { Slab } from "./slab.ts";
import { PAUSE, Waiter } from "./waiter.ts";

/** The answer about users and access rights while advapi32.dll is not open. */
const NOT_OPEN: Told = { status: Status.UNKNOWN, call: "advapi32.dll", text: "" };

/** Options of a {@linkcode WindowsKernel}. */
export interface WindowsKernelOptions {
  /** Whether to call {@linkcode WindowsKernel.openSecurity} at once. */
  readonly security?: boolean;
  /** For tests: kernel32.dll, which the kernel closes when it is disposed of. Default: opens it. */
  readonly kernel32?: Kernel32;
  /** For tests: advapi32.dll, likewise. */
  readonly advapi32?: Advapi32;
  /** For tests: whether touching a freed block of memory is a fault. */
  readonly decommit?: boolean;
}

/** {@linkcode Kernel} on Windows; its parts do the work. */
export class WindowsKernel implements Kernel {
  readonly #counters = newCounters();
  readonly #calls: Kernel32["symbols"];
  readonly #slab: Slab;
  readonly #waiter: Waiter;
  readonly #io: OverlappedIo;
  readonly #pipes: Pipes;
  readonly #processes: Processes;
  readonly #advapi32: Advapi32 | undefined;
  #security: Security | undefined = undefined;
  #keepsAlive = true;
  /** The timers that run. */
  readonly #timers = new Map<Timer, ReturnType<typeof startTimer>>();
  /** Frees what this kernel holds, the last first. */
  readonly #undo: (() => void)[] = [];
  readonly #unloadListeners: (() => void)[] = [];
  #abandoned = false;

  /**
   * Opens the library, and allocates three events and native memory.
   *
   * @throws {KernelError} If Windows has none of it.
   * @throws {Deno.errors.NotCapable} If the FFI permission is missing.
   */
  constructor(options: WindowsKernelOptions = {}) {
    this.#advapi32 = options.advapi32;
    try {
      const library = options.kernel32 ??
        openKernel32(options.security ? BOTH_LIBRARIES : undefined);
      this.#undo.push(() => library.close());
      const calls = this.#calls = library.symbols;
      const slab = this.#slab = new Slab(calls, { decommit: options.decommit, viewOf });
      this.#undo.push(() => slab.dispose());
      const waiter = this.#waiter = new Waiter(calls, slab, this.#counters);
      this.#undo.push(() => waiter.close());
      this.#io = new OverlappedIo(calls, slab, waiter, this.#counters);
      this.#pipes = new Pipes(calls, this.#counters);
      this.#processes = new Processes(calls, this.#counters);
      if (options.security) this.openSecurity();
    } catch (error) {
      this.#freeAll();
      throw error;
    }
  }

  /**
   * Opens advapi32.dll, which the calls about users and access rights need.
   *
   * @throws {KernelError} If there is no memory.
   * @throws {Deno.errors.NotCapable} If the FFI permission is missing.
   */
  openSecurity(): void {
    if (this.#security !== undefined) return;
    const security = new Security(this.#calls, this.#slab, this.#advapi32);
    this.#security = security;
    this.#undo.push(() => security.close());
  }

  /** Native memory held now, for tests and statistics. */
  get memory(): Readonly<MemoryUsage> {
    return this.#slab.usage;
  }

  /** What was done so far, for measurements. */
  get counters(): Readonly<Counters> {
    return { ...this.#counters };
  }

  create(pipe: PipeSpec, first: boolean): Opened {
    const attributes = pipe.security === undefined
      ? null
      : this.#security?.descriptors.attributes(pipe.security);
    // Never the default descriptor in place of the one that was asked for.
    if (attributes === undefined) return { status: Status.INVALID_PARAMETER, handle: 0n };
    return this.#pipes.create(pipe, first, attributes);
  }

  open(path: string, access: ClientAccess): Opened {
    return this.#pipes.open(path, access);
  }

  keepMessages(handle: Handle): number {
    return this.#pipes.keepMessages(handle);
  }

  type(handle: Handle): PipeType | undefined {
    return this.#pipes.type(handle);
  }

  exists(path: string): boolean {
    return this.#pipes.exists(path);
  }

  listen(handle: Handle, slot: number): number {
    return this.#io.listen(handle, slot);
  }

  read(handle: Handle, slot: number, size: number): number {
    return this.#io.read(handle, slot, size);
  }

  write(handle: Handle, slot: number, message: Uint8Array<ArrayBuffer>): number {
    return this.#io.write(handle, slot, message);
  }

  cancel(handle: Handle, lane: Lane, slot: number): number {
    return this.#io.cancel(handle, lane, slot);
  }

  peek(handle: Handle): Peeked {
    return this.#pipes.peek(handle);
  }

  clientProcess(handle: Handle): number | undefined {
    return this.#pipes.clientProcess(handle);
  }

  clientSession(handle: Handle): number | undefined {
    return this.#pipes.clientSession(handle);
  }

  hostProcess(handle: Handle): number | undefined {
    return this.#pipes.hostProcess(handle);
  }

  hostSession(handle: Handle): number | undefined {
    return this.#pipes.hostSession(handle);
  }

  executable(process: number, since?: number): string | undefined {
    return this.#processes.executable(process, since);
  }

  serverProcess(path: string): number | undefined {
    return this.#pipes.serverProcess(path);
  }

  ownUser(): Told {
    return this.#security?.tokens.ownUser() ?? NOT_OPEN;
  }

  acceptsSecurity(sddl: string): number {
    return this.#security?.descriptors.accepts(sddl) ?? NOT_OPEN.status;
  }

  security(handle: Handle): Told {
    return this.#security?.descriptors.inForce(handle) ?? NOT_OPEN;
  }

  owner(handle: Handle): Told {
    return this.#security?.descriptors.owner(handle) ?? NOT_OPEN;
  }

  openToken(handle: Handle): OpenedToken {
    return this.#security?.tokens.open(handle) ?? { ...NOT_OPEN, token: 0n };
  }

  identify(token: Handle): Identified {
    return this.#security?.tokens.identify(token) ?? { ...NOT_OPEN, identity: undefined };
  }

  closeToken(token: Handle): void {
    this.#security?.tokens.close(token);
  }

  async accountName(sid: string): Promise<string | undefined> {
    return await this.#security?.accounts.name(sid);
  }

  disconnect(handle: Handle): number {
    return this.#pipes.disconnect(handle);
  }

  close(handle: Handle): number {
    return this.#pipes.close(handle);
  }

  snapshot(lane: Lane): void {
    this.#io.snapshot(lane);
  }

  seemsPending(lane: Lane, slot: number): boolean {
    return this.#io.seemsPending(lane, slot);
  }

  status(lane: Lane, slot: number): number {
    return this.#io.status(lane, slot);
  }

  transferred(lane: Lane, slot: number): number {
    return this.#io.transferred(lane, slot);
  }

  take(slot: number, target: Uint8Array<ArrayBuffer>): void {
    this.#io.take(slot, target);
  }

  takeNew(slot: number, size: number): Uint8Array<ArrayBuffer> {
    return this.#io.takeNew(slot, size);
  }

  release(slot: number): void {
    this.#io.release(slot);
  }

  rearm(drained: boolean): void {
    this.#waiter.rearm(drained);
  }

  wait(drained: boolean): Promise<boolean> {
    return this.#waiter.wait(drained);
  }

  waitStatus(drained: boolean): number {
    return this.#waiter.waitStatus(drained);
  }

  wake(): void {
    this.#waiter.wake();
  }

  keepAlive(on: boolean): void {
    this.#keepsAlive = on;
    this.#waiter.keepAlive(on);
    for (const timer of this.#timers.values()) {
      if (on) refTimer(timer);
      else unrefTimer(timer);
    }
  }

  nextTurn(callback: () => void): void {
    nextTask(callback);
  }

  nextTurnIfRunning(callback: () => void): void {
    this.startTimer(PAUSE, callback);
  }

  now(): number {
    return now();
  }

  startTimer(milliseconds: number, callback: () => void): Timer {
    const started = startTimer(() => {
      this.#timers.delete(timer);
      callback();
    }, milliseconds);
    if (!this.#keepsAlive) unrefTimer(started);
    // Some versions of Deno return an object, others a number; both convert to the timer's number.
    const timer = Number(started);
    this.#timers.set(timer, started);
    return timer;
  }

  stopTimer(timer: Timer): void {
    stopTimer(timer);
    this.#timers.delete(timer);
  }

  dispose(): void {
    if (!this.#abandoned) this.#freeAll();
  }

  onUnload(callback: () => void): void {
    this.#unloadListeners.push(callback);
    globalThis.addEventListener("unload", callback);
  }

  abandon(): void {
    this.#abandoned = true;
    this.#waiter.abandon();
    this.#removeUnloadListeners();
  }

  #freeAll(): void {
    for (const undo of this.#undo.splice(0).reverse()) undo();
    this.#removeUnloadListeners();
  }

  #removeUnloadListeners(): void {
    for (const callback of this.#unloadListeners.splice(0)) {
      globalThis.removeEventListener("unload", callback);
    }
  }
}
