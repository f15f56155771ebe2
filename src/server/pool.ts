/**
 * The instances of one pipe: one for each client, and some that always listen.
 *
 * @module
 */

import { Backoff } from "../loop/backoff.ts";
import type { Handle, Opened, PipeSpec, PipeType, Timer } from "../kernel/kernel.ts";
import { isShortage, Status } from "../kernel/status.ts";
import type { WaitLoop } from "../loop/wait_loop.ts";
import type { ServerContext } from "./context.ts";
import { PipeInstance } from "./instance.ts";
import type { Present } from "./stats.ts";

/** The longest pause before retrying to create an instance, in milliseconds. */
const LONGEST_PAUSE = 1_000;

/**
 * An instance whose client has disconnected listens again while fewer than this multiple of the
 * configured number do, or have a client that waits to be accepted: clients that come and go need no
 * new instances.
 */
const SPARE = 2;

/** Why an instance could not be created. */
export interface CreationFailure {
  readonly status: number;
  /** Whether there was no other instance of this pool. */
  readonly first: boolean;
  /** The type that the name has, if it is another than that of the pool. */
  readonly type: PipeType | undefined;
}

/** How often an instance is tried to be occupied, since others may share the name. */
const TRIES = 4;

/** The events that a pool reports to its server. */
export interface PoolEvents {
  /** An instance is closed. */
  readonly closed: () => void;
  /** The name is lost: no instance was left, and the first new one could not be created. */
  readonly nameLost: (failure: CreationFailure) => void;
}

/** See the module. */
export class InstancePool {
  readonly #loop: WaitLoop;
  readonly #context: ServerContext;
  readonly #events: PoolEvents;
  readonly #instances = new Set<PipeInstance>();
  readonly #ids: boolean[] = [];
  #spec: PipeSpec | undefined = undefined;
  #joined = false;
  /** Whether the pool creates instances and lets them listen again. */
  #replenishes = false;
  /** Instances that listen. */
  #listening = 0;
  /** Instances that are not closing their handle. */
  #count = 0;
  #retry: Timer | undefined = undefined;
  readonly #backoff = new Backoff(LONGEST_PAUSE);

  constructor(loop: WaitLoop, context: ServerContext, events: PoolEvents) {
    this.#loop = loop;
    this.#context = context;
    this.#events = events;
  }

  /** A snapshot of the instances. */
  get instances(): PipeInstance[] {
    return [...this.#instances];
  }

  /** Whether the name existed when the pool was opened. */
  get joined(): boolean {
    return this.#joined;
  }

  /** Whether there are no instances. */
  get empty(): boolean {
    return this.#instances.size === 0;
  }

  /**
   * Creates the first instances, each of which listens at once: a client that connects before its
   * instance listens may not be identifiable. If one fails, the caller ends those created so far.
   *
   * @returns The failure, if there was one.
   */
  open(spec: PipeSpec): CreationFailure | undefined {
    this.#spec = spec;
    while (this.#count < this.#context.settings.instances) {
      const failure = this.#create(spec);
      if (failure !== undefined) return failure;
    }
    this.#replenishes = true;
    return undefined;
  }

  /** The security descriptor in force, in SDDL; undefined if Windows does not report it. */
  security(): string | undefined {
    const [instance] = this.#instances;
    if (instance === undefined) return undefined;
    const { status, text } = this.#loop.kernel.security(instance.end.handle);
    return status === Status.SUCCESS ? text : undefined;
  }

  /**
   * Keeps further clients from the instances that listen, by connecting to each for a moment: one that
   * was closed instead would break a client that connects just then. Clients that were faster are
   * served. An instance of another server that has joined the name may be met, which does no harm.
   */
  occupy(): void {
    const { path } = this.#context;
    for (let tries = TRIES * this.#listening; tries > 0; tries--) {
      if (!this.instances.some(({ listening }) => listening)) return;
      if (this.#loop.kernel.serverProcess(path) === undefined) return;
    }
  }

  /** What the instances do now, for {@linkcode ServerStats}. */
  load(): Omit<Present, "clients" | "buffered"> {
    const { instances } = this;
    const sessions = instances.flatMap(({ session }) => session ?? []);
    const inStage = (wanted: string) => sessions.filter(({ stage }) => stage === wanted).length;
    return {
      listening: this.#replenishes ? this.#listening : 0,
      open: inStage("open"),
      waiting: inStage("waiting"),
      queued: sessions.reduce((sum, { queued }) => sum + queued, 0),
      shortages: instances.reduce((sum, { end }) => sum + end.shortages, 0),
      transfers: instances.flatMap(({ connection }) => connection ?? []),
    };
  }

  /** Creates no further instances, and lets none listen again. */
  close(): void {
    this.#replenishes = false;
    if (this.#retry !== undefined) this.#loop.kernel.stopTimer(this.#retry);
    this.#retry = undefined;
  }

  /** Nothing completes any more: closes every handle now. */
  abandon(error?: Error): void {
    this.close();
    for (const instance of this.#instances) {
      instance.abandon(error);
      this.#context.counters.shortages += instance.end.shortages;
    }
    this.#instances.clear();
  }

  /** A listen completed: a client connected, or the listen was cancelled, or it failed. */
  listened(status: number): void {
    if (!this.#replenishes) return;
    this.#listening--;
    const connected = status === Status.SUCCESS || status === Status.ALREADY_CONNECTED ||
      status === Status.NO_DATA;
    if (!connected) return this.#retryLater();
    // Only a client that arrived proves that listening works again.
    this.#backoff.reset();
    this.replenish();
  }

  /** Whether an instance whose client has disconnected should listen again; counts it if so. */
  takesBack(): boolean {
    const { settings: { instances }, sessions: { backlog } } = this.#context;
    const wanted = this.#replenishes && this.#listening + backlog < SPARE * instances;
    if (wanted) this.#listening++;
    return wanted;
  }

  /** Creates instances until the configured number listens. */
  replenish(): void {
    const { maxInstances } = this.#context.settings;
    const spec = this.#spec;
    while (
      spec !== undefined && this.#replenishes && this.#retry === undefined && this.#lacking &&
      this.#count < maxInstances
    ) {
      const failure = this.#create(spec);
      if (failure !== undefined) return this.#creationFailed(failure);
    }
  }

  /** An instance is about to close its handle: creates another in its place. */
  closing(): void {
    this.#count--;
    this.replenish();
  }

  /** An instance is closed. */
  closed(instance: PipeInstance): void {
    this.#instances.delete(instance);
    this.#context.counters.shortages += instance.end.shortages;
    this.#ids[instance.shown.id] = false;
    this.#events.closed();
  }

  #create(spec: PipeSpec): CreationFailure | undefined {
    const first = this.empty;
    const { status, handle } = first
      ? this.#createFirst(spec)
      : this.#loop.kernel.create(spec, false);
    if (status !== Status.SUCCESS) return { status, first, type: undefined };
    const type = first ? this.#otherType(spec, handle) : undefined;
    if (type === undefined) {
      this.#add(handle);
      return undefined;
    }
    this.#loop.kernel.close(handle);
    return { status, first, type };
  }

  /** The first instance of this pool, which is the first of the name unless the pool may join one. */
  #createFirst(spec: PipeSpec): Opened {
    const { kernel } = this.#loop;
    const { join } = this.#context.settings;
    if (!join || !kernel.exists(spec.path)) {
      const opened = kernel.create(spec, true);
      if (!join || opened.status === Status.SUCCESS || isShortage(opened.status)) return opened;
    }
    this.#joined = true;
    return kernel.create(spec, false);
  }

  /** The type of a name that was joined, if it is not the one asked for: Windows does not compare. */
  #otherType(spec: PipeSpec, handle: Handle): PipeType | undefined {
    if (!this.#context.settings.join) return undefined;
    const type = this.#loop.kernel.type(handle);
    return type === spec.type ? undefined : type;
  }

  #add(handle: Handle): void {
    const free = this.#ids.indexOf(false);
    const id = free === -1 ? this.#ids.length : free;
    this.#ids[id] = true;
    const instance = new PipeInstance(this, this.#context, this.#loop, id, handle);
    this.#instances.add(instance);
    this.#count++;
    this.#listening++;
    instance.raise("listen");
  }

  /** Whether fewer instances listen than configured, although enough clients are taken. */
  get #lacking(): boolean {
    const { settings, sessions } = this.#context;
    return this.#listening < settings.instances && sessions.backlog < settings.instances;
  }

  /** A missing instance is no reason to end; a lost name is. */
  #creationFailed(failure: CreationFailure): void {
    const short = isShortage(failure.status);
    if (short) this.#context.counters.shortages++;
    if (failure.first && !short) this.#events.nameLost(failure);
    else this.#retryLater();
  }

  #retryLater(): void {
    if (!this.#replenishes || this.#retry !== undefined) return;
    this.#retry = this.#loop.kernel.startTimer(this.#backoff.next(), () => {
      this.#retry = undefined;
      this.replenish();
    });
  }
}
