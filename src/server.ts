/**
 * All instances of one pipe: as many as clients come, some always listening, and their common end.
 *
 * @module
 */

import { descriptor, type PipeSecurity } from "./access.ts";
import { AccountNames } from "./account_names.ts";
import { Backoff } from "./backoff.ts";
import { Budget } from "./budget.ts";
import { Deadline } from "./deadlines.ts";
import { type DisconnectReason, type Host, PipeInstance } from "./driver.ts";
import { nameTaken, systemError, WindowsError } from "./errors.ts";
import { Draining, type PipeClient, type ServerClient, type ServerExchange } from "./exchange.ts";
import { askHook, callHook, HookReports } from "./hooks.ts";
import { isShortage, type PipeSpec, Status, type Timer } from "./kernel.ts";
import type { ServerSettings } from "./options.ts";
import type { LoopUser, WaitFailure, WaitLoop } from "./wait_loop.ts";

/** The longest pause before a further instance is tried again, in milliseconds. */
const LONGEST_PAUSE = 1_000;

/** How long cancelled listens and reads may still take when the time has run out, in milliseconds. */
const GRACE = 1_000;

const CONVERT = "ConvertStringSecurityDescriptorToSecurityDescriptorW";

/** What a shutdown came to. */
export interface ShutdownReport {
  /** Exchanges that were answered after the shutdown began. */
  readonly exchanges: number;
  /** Clients that were thrown out because the time ran out. */
  readonly evicted: number;
  /** Messages, either way, that were given up although their client was there. */
  readonly dropped: number;
}

/** What a server asks and tells its user. */
export interface ServerHooks {
  readonly authorize?: ((client: PipeClient) => boolean | Promise<boolean>) | undefined;
  readonly onListen?: ((address: { path: string }) => void) | undefined;
  readonly onDisconnect?:
    | ((client: PipeClient, reason: DisconnectReason, error?: unknown) => void)
    | undefined;
}

/** The end of a connection. */
interface End {
  readonly client: ServerClient;
  readonly reason: DisconnectReason;
  readonly error: Error | undefined;
}

/** Who answers. */
export interface Sink {
  /** How many exchanges somebody works on, or will; a shutdown waits for them. */
  readonly atWork: number;
  /** Whether exchanges wait only because the turn was too short for them. */
  readonly resuming: boolean;
  /** A request: to be taken, answered and finished. */
  deliver(exchange: ServerExchange): void;
  /** A request that is not to be taken any more. */
  withdraw(exchange: ServerExchange): void;
}

/** The instances of one pipe, as one server. */
export class Server implements Host, LoopUser {
  readonly path: string;
  /** Resolves when the server has ended; rejects when it could not go on. May be dropped. */
  readonly finished: Promise<void>;
  readonly #loop: WaitLoop;
  /** See {@linkcode Host}. */
  readonly settings: ServerSettings;
  /** See {@linkcode Host}. */
  readonly budget: Budget;
  /** See {@linkcode Host}. */
  readonly draining: Draining = new Draining();
  readonly #hooks: ServerHooks;
  readonly #sink: Sink;
  readonly #reports = new HookReports();
  readonly #accounts: AccountNames;
  /** What instances are created with. */
  #spec: PipeSpec;
  #sddl: string | undefined = undefined;
  readonly #instances = new Set<PipeInstance>();
  readonly #ids: boolean[] = [];
  readonly #ended = Promise.withResolvers<void>();
  #phase: "listening" | "draining" | "stopped" = "listening";
  /** Instances that listen. */
  #listening = 0;
  /** Instances that are not about to give their handle up. */
  #count = 0;
  #clients = 0;
  /** How many connections each process has. */
  readonly #processes = new Map<number, number>();
  #retry: Timer | undefined = undefined;
  readonly #backoff = new Backoff(LONGEST_PAUSE);
  readonly #deadline = new Deadline(() => this.#timeOut());
  #late = false;
  #settled = 0;
  #settledBefore = 0;
  /** Instances whose clients were thrown out. */
  readonly #evicted = new Set<PipeInstance>();
  #dropped = 0;
  /** Ends that `onDisconnect` is still to be told of. */
  readonly #untold: End[] = [];
  #report: Promise<ShutdownReport> | undefined = undefined;
  /** Exchanges whose responders may wait for a shutdown. */
  readonly #callers = new Set<ServerExchange>();
  /** What these are given: settles when nobody else is left. */
  #othersEnded: PromiseWithResolvers<ShutdownReport> | undefined = undefined;
  #error: Error | undefined = undefined;
  #leaving = false;

  constructor(loop: WaitLoop, settings: ServerSettings, hooks: ServerHooks, sink: Sink) {
    this.path = settings.path;
    this.#loop = loop;
    this.settings = settings;
    this.budget = new Budget(settings.maxBuffered, loop.deadlines);
    this.#accounts = new AccountNames(loop.kernel, loop.deadlines, this.path);
    this.#spec = { ...settings, security: undefined };
    this.#hooks = hooks;
    this.#sink = sink;
    this.finished = this.#ended.promise;
    this.finished.catch(() => {});
  }

  /** Creates the instances, all of them or none, and lets them listen. */
  open(): void {
    const { kernel } = this.#loop;
    this.#loop.enter(this);
    const handles: bigint[] = [];
    try {
      this.#spec = { ...this.settings, security: this.#descriptor() };
      while (handles.length < this.settings.instances) {
        const { status, handle } = kernel.create(this.#spec, handles.length === 0);
        if (status !== Status.SUCCESS) throw this.#creationError(status, handles.length === 0);
        handles.push(handle);
      }
    } catch (error) {
      for (const created of handles) kernel.close(created);
      this.#loop.leave(this);
      throw error;
    }
    this.#readSecurity(handles[0]);
    for (const handle of handles) this.#add(handle);
    callHook((error) => this.#reports.add("onListen", error), this.#hooks.onListen, {
      path: this.path,
    });
  }

  /** What is in force, as the first instance told when it was created. */
  get security(): PipeSecurity {
    return Object.freeze({
      sddl: this.#sddl,
      firstInstance: true,
      remote: this.settings.remote,
    });
  }

  /**
   * Takes no new clients, lets open exchanges finish, and ends; evicts the rest at the timeout.
   *
   * @param caller The exchange whose responder calls, and may wait: it is not waited for.
   */
  shutdown(timeout: number, caller?: ServerExchange): Promise<ShutdownReport> {
    if (this.#phase === "listening") {
      this.#phase = "draining";
      this.#beginReport();
      this.#stopRetrying();
      this.#loop.deadlines.set(this.#deadline, timeout);
      for (const instance of [...this.#instances]) instance.drain();
      this.#beginDraining();
      this.endIfDone();
    } else if (this.#report === undefined && this.#instances.size > 0) {
      // It was stopped, and what is being written may take longer than this.
      this.#loop.deadlines.set(this.#deadline, timeout);
    }
    if (this.#report === undefined) {
      this.#report = this.finished.then(() => this.#outcome());
      // It may be dropped, as `finished` may.
      this.#report.catch(() => {});
    }
    return caller === undefined ? this.#report : this.#reportTo(caller, this.#report);
  }

  #reportTo(caller: ServerExchange, report: Promise<ShutdownReport>): Promise<ShutdownReport> {
    this.#callers.add(caller);
    if (this.#othersEnded === undefined) {
      this.#othersEnded = Promise.withResolvers<ShutdownReport>();
      this.#othersEnded.promise.catch(() => {});
      report.then(this.#othersEnded.resolve, this.#othersEnded.reject);
    }
    this.endIfDone();
    return this.#othersEnded.promise;
  }

  #outcome(): ShutdownReport {
    return {
      exchanges: this.#settled - this.#settledBefore,
      evicted: this.#evicted.size,
      dropped: this.#dropped,
    };
  }

  /** Ends now: waits only for what is being written. */
  stop(): void {
    if (this.#phase === "stopped") return;
    if (this.#phase === "listening") this.#beginReport();
    this.#phase = "stopped";
    this.#stopRetrying();
    for (const instance of [...this.#instances]) instance.finish("server", false);
    this.#beginDraining();
    this.endIfDone();
  }

  /** See {@linkcode Host}. */
  get ending(): boolean {
    return this.#phase !== "listening";
  }

  /** See {@linkcode Host}. */
  get resuming(): boolean {
    return this.#sink.resuming;
  }

  /** See {@linkcode Host}. */
  nextClientId(): number {
    return ++this.#clients;
  }

  /** See {@linkcode Host}. */
  admit(processId: number): boolean {
    const connections = this.#processes.get(processId) ?? 0;
    if (connections >= this.settings.maxPerProcess) return false;
    this.#processes.set(processId, connections + 1);
    return true;
  }

  /** See {@linkcode Host}. */
  discount(processId: number): void {
    const connections = this.#processes.get(processId) ?? 0;
    if (connections > 1) this.#processes.set(processId, connections - 1);
    else this.#processes.delete(processId);
  }

  /** See {@linkcode Host}. */
  get authorizes(): boolean {
    return this.#hooks.authorize !== undefined;
  }

  /** See {@linkcode Host}. */
  authorize(client: ServerClient, answered: (yes: boolean, error?: unknown) => void): void {
    const told = (error: unknown) => this.#reports.add("authorize", error);
    askHook("authorize", told, (asked) => this.#hooks.authorize?.(asked), answered, client);
  }

  /** See {@linkcode Host}. */
  accountName(sid: string): Promise<string> {
    return this.#accounts.of(sid);
  }

  /** See {@linkcode Host}. */
  listened(_instance: PipeInstance, status: number): void {
    this.#listening--;
    const came = status === Status.SUCCESS || status === Status.ALREADY_CONNECTED ||
      status === Status.NO_DATA;
    if (!came) return this.#retryLater();
    // Only who gets as far as a client has nothing to wait for.
    this.#backoff.reset();
    this.#replenish();
  }

  /** See {@linkcode Host}. */
  deliver(exchange: ServerExchange): void {
    this.#sink.deliver(exchange);
  }

  /** See {@linkcode Host}. */
  withdraw(exchange: ServerExchange): void {
    this.#sink.withdraw(exchange);
  }

  /** See {@linkcode Host}. */
  settled(): void {
    this.#settled++;
  }

  /** See {@linkcode Host}. */
  dropped(): void {
    this.#dropped++;
  }

  /** See {@linkcode Host}. */
  disconnected(client: ServerClient, reason: DisconnectReason, error: Error | undefined): void {
    if (this.#hooks.onDisconnect === undefined) return;
    this.#untold.push({ client, reason, error });
    this.#loop.atNextTurn(() => this.#tellEnd());
  }

  /**
   * In a turn of its own: the last request of a client may be on its way to whoever answers it, and
   * is there by then.
   */
  #tellEnd(): void {
    const end = this.#untold.shift();
    if (end === undefined) return;
    const fail = (error: unknown) => this.#reports.add("onDisconnect", error);
    callHook(fail, this.#hooks.onDisconnect, end.client, end.reason, end.error);
    this.endIfDone();
  }

  /** There are no further turns. */
  #tellEnds(): void {
    while (this.#untold.length > 0) this.#tellEnd();
  }

  /** See {@linkcode Host}. */
  recycled(instance: PipeInstance): void {
    if (this.#phase === "listening" && this.#listening < this.settings.instances) {
      this.#listen(instance);
    } else {
      instance.finish("server", false);
    }
  }

  /** See {@linkcode Host}. */
  retiring(_instance: PipeInstance): void {
    this.#count--;
    this.#replenish();
  }

  /** See {@linkcode Host}. */
  retired(instance: PipeInstance): void {
    this.#instances.delete(instance);
    this.#ids[instance.shown.id] = false;
    this.endIfDone();
  }

  /** Ends when that is wanted and nothing is left: no instance, and no responder at work. */
  endIfDone(): void {
    if (!this.ending) return;
    if (this.#untold.length > 0) return;
    const idle = this.#phase === "stopped" || this.#sink.atWork === 0;
    if (this.#instances.size === 0 && idle) this.#end();
    else if (this.#onlyCallersLeft()) this.#othersEnded?.resolve(this.#outcome());
  }

  /** Whether all that the server still waits for are responders that may wait for its end. */
  #onlyCallersLeft(): boolean {
    if (this.#othersEnded === undefined) return false;
    for (const { exchange } of this.#instances) {
      if (exchange === undefined || !this.#callers.has(exchange)) return false;
    }
    return this.#sink.atWork === [...this.#callers].filter(({ finished }) => !finished).length;
  }

  /** See {@linkcode LoopUser}. */
  failed({ call, status }: WaitFailure): void {
    this.#giveUp(systemError("Cannot go on listening on", call, this.path, status));
  }

  /** See {@linkcode LoopUser}. */
  abandoned(): void {
    this.#phase = "stopped";
    this.budget.close();
    for (const instance of this.#instances) instance.abandon();
    this.#instances.clear();
    this.#tellEnds();
  }

  #add(handle: bigint): void {
    const free = this.#ids.indexOf(false);
    const id = free === -1 ? this.#ids.length : free;
    this.#ids[id] = true;
    const instance = new PipeInstance(this, this.#loop, id, handle);
    this.#instances.add(instance);
    this.#count++;
    this.#listen(instance);
  }

  #listen(instance: PipeInstance): void {
    this.#listening++;
    instance.listen();
  }

  /** Creates what is missing for the wanted number of instances to listen. */
  #replenish(): void {
    const { instances, maxInstances } = this.settings;
    while (
      this.#phase === "listening" && this.#retry === undefined &&
      this.#listening < instances && this.#count < maxInstances
    ) {
      const first = this.#instances.size === 0;
      const { status, handle } = this.#loop.kernel.create(this.#spec, first);
      if (status !== Status.SUCCESS) return this.#creationFailed(status, first);
      this.#add(handle);
    }
  }

  /** One instance less is no reason to end, but a name that is lost is. */
  #creationFailed(status: number, first: boolean): void {
    if (first && !isShortage(status)) this.#giveUp(this.#creationError(status, first));
    else this.#retryLater();
  }

  /** The security descriptor that the user's words mean; undefined: what Windows gives. */
  #descriptor(): string | undefined {
    const { access } = this.settings;
    if (access === "system-default") return undefined;
    const { kernel } = this.#loop;
    const { status, call, text } = kernel.ownUser();
    if (status !== Status.SUCCESS) {
      throw systemError("Cannot determine the current user for", call, this.path, status);
    }
    const sddl = descriptor(access, text);
    if (sddl === undefined) return undefined;
    const accepted = kernel.acceptsSecurity(sddl);
    if (accepted === Status.SUCCESS) return sddl;
    if (isShortage(accepted)) {
      throw systemError("Cannot listen on", CONVERT, this.path, accepted);
    }
    throw new TypeError(`Cannot use "access.sddl" "${sddl}": Windows does not understand it`, {
      cause: new WindowsError("Cannot listen on", {
        code: Math.max(0, accepted),
        call: CONVERT,
        path: this.path,
      }),
    });
  }

  #readSecurity(handle: bigint | undefined): void {
    if (handle === undefined || this.#spec.security === undefined) return;
    const { status, text } = this.#loop.kernel.security(handle);
    if (status === Status.SUCCESS) this.#sddl = text;
  }

  #creationError(status: number, first: boolean): Error {
    const { kernel } = this.#loop;
    const taken = first && (status === Status.BUSY ||
      status === Status.ACCESS_DENIED && kernel.exists(this.path));
    return taken
      ? nameTaken("CreateNamedPipeW", this.path, status, kernel.serverProcess(this.path))
      : systemError("Cannot listen on", "CreateNamedPipeW", this.path, status);
  }

  #retryLater(): void {
    if (this.#phase !== "listening" || this.#retry !== undefined) return;
    this.#retry = this.#loop.kernel.startTimer(this.#backoff.next(), () => {
      this.#retry = undefined;
      this.#replenish();
    });
  }

  #stopRetrying(): void {
    if (this.#retry !== undefined) this.#loop.kernel.stopTimer(this.#retry);
    this.#retry = undefined;
  }

  /** Runs the user's abort listeners. */
  #beginDraining(): void {
    this.draining.begin(
      new Deno.errors.Interrupted(`Cannot go on for long: "${this.path}" is being shut down`),
    );
  }

  #beginReport(): void {
    this.#settledBefore = this.#settled;
    this.#dropped = 0;
  }

  /**
   * Who is only waiting for the end of a read ends by itself, and keeps what it has not read yet,
   * which a disconnect would destroy.
   */
  #timeOut(): void {
    const late = this.#late;
    this.#phase = "stopped";
    this.#late = true;
    if (!late) this.#loop.deadlines.set(this.#deadline, GRACE);
    for (const instance of [...this.#instances]) {
      const { connected, busy } = instance;
      if (connected && (busy || late)) this.#evicted.add(instance);
      if (connected && !busy && !late) instance.finish("shutdown", true);
      else instance.evict("shutdown");
    }
    this.endIfDone();
  }

  /** The server cannot listen any more, and says so when everything is closed. */
  #giveUp(error: Error): void {
    this.#error ??= error;
    this.#phase = "stopped";
    this.#stopRetrying();
    this.budget.close();
    for (const instance of this.#instances) instance.abandon(this.#error);
    this.#instances.clear();
    this.#tellEnds();
    this.#end();
  }

  #end(): void {
    if (this.#leaving) return;
    this.#leaving = true;
    this.#loop.deadlines.lift(this.#deadline);
    this.#accounts.close();
    this.#reports.close();
    this.#loop.leave(this).then(() => {
      if (this.#error === undefined) this.#ended.resolve();
      else this.#ended.reject(this.#error);
    });
  }
}
