/**
 * The instances of one pipe: one for each client, and some that always listen.
 *
 * @module
 */

import { Backoff } from "../loop/backoff.ts";
import type { PipeSpec, Timer } from "../kernel/kernel.ts";
import { isShortage, Status } from "../kernel/status.ts";
import type { WaitLoop } from "../loop/wait_loop.ts";
import type { ServerContext } from "./context.ts";
import { PipeInstance } from "./instance.ts";

/** The longest pause before retrying to create an instance, in milliseconds. */
const LONGEST_PAUSE = 1_000;

/** The events that a pool reports to its server. */
export interface PoolEvents {
  /** An instance is closed. */
  readonly closed: () => void;
  /** The name is lost: no instance was left, and the first new one could not be created. */
  readonly nameLost: (status: number) => void;
}

/** See the module. */
export class InstancePool {
  readonly #loop: WaitLoop;
  readonly #context: ServerContext;
  readonly #events: PoolEvents;
  readonly #instances = new Set<PipeInstance>();
  readonly #ids: boolean[] = [];
  #spec: PipeSpec | undefined = undefined;
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
  open(spec: PipeSpec): { readonly status: number; readonly first: boolean } | undefined {
    this.#spec = spec;
    while (this.#count < this.#context.settings.instances) {
      const first = this.empty;
      const status = this.#create(spec, first);
      if (status !== Status.SUCCESS) return { status, first };
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

  /** Creates no further instances, and lets none listen again. */
  close(): void {
    this.#replenishes = false;
    if (this.#retry !== undefined) this.#loop.kernel.stopTimer(this.#retry);
    this.#retry = undefined;
  }

  /** Nothing completes any more: closes every handle now. */
  abandon(error?: Error): void {
    this.close();
    for (const instance of this.#instances) instance.abandon(error);
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
    this.#replenish();
  }

  /** Whether an instance whose client has disconnected should listen again; counts it if so. */
  takesBack(): boolean {
    const wanted = this.#replenishes && this.#listening < this.#context.settings.instances;
    if (wanted) this.#listening++;
    return wanted;
  }

  /** An instance is about to close its handle: creates another in its place. */
  closing(): void {
    this.#count--;
    this.#replenish();
  }

  /** An instance is closed. */
  closed(instance: PipeInstance): void {
    this.#instances.delete(instance);
    this.#ids[instance.shown.id] = false;
    this.#events.closed();
  }

  #create(spec: PipeSpec, first: boolean): number {
    const { status, handle } = this.#loop.kernel.create(spec, first);
    if (status === Status.SUCCESS) this.#add(handle);
    return status;
  }

  #add(handle: bigint): void {
    const free = this.#ids.indexOf(false);
    const id = free === -1 ? this.#ids.length : free;
    this.#ids[id] = true;
    const instance = new PipeInstance(this, this.#context, this.#loop, id, handle);
    this.#instances.add(instance);
    this.#count++;
    this.#listening++;
    instance.raise("listen");
  }

  /** Creates instances until the configured number listens. */
  #replenish(): void {
    const { instances, maxInstances } = this.#context.settings;
    while (
      this.#replenishes && this.#retry === undefined &&
      this.#listening < instances && this.#count < maxInstances
    ) {
      const first = this.empty;
      const status = this.#spec === undefined ? Status.UNKNOWN : this.#create(this.#spec, first);
      if (status !== Status.SUCCESS) return this.#creationFailed(status, first);
    }
  }

  /** A missing instance is no reason to end; a lost name is. */
  #creationFailed(status: number, first: boolean): void {
    if (first && !isShortage(status)) this.#events.nameLost(status);
    else this.#retryLater();
  }

  #retryLater(): void {
    if (!this.#replenishes || this.#retry !== undefined) return;
    this.#retry = this.#loop.kernel.startTimer(this.#backoff.next(), () => {
      this.#retry = undefined;
      this.#replenish();
    });
  }
}
