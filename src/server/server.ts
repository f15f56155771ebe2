/**
 * One pipe and its phases: listening, draining, stopped; and the report of a shutdown.
 *
 * @module
 */

import type { PipeSecurity } from "../options/access.ts";
import { Deadline } from "../loop/deadlines.ts";
import { nameTaken, otherType, systemError } from "../kernel/errors.ts";
import { Status } from "../kernel/status.ts";
import type { LoopUser, WaitFailure, WaitLoop } from "../loop/wait_loop.ts";
import { verifiedFraming } from "../pipe/framing/framings.ts";
import { AccountNames } from "./account_names.ts";
import { Budget } from "./budget.ts";
import type { ServerClient } from "./client.ts";
import type { ServerContext } from "./context.ts";
import { securityDescriptor } from "./descriptor.ts";
import { Draining } from "./draining.ts";
import { ServerHooks } from "./hooks.ts";
import type { ServerOptions } from "./options.ts";
import { type CreationFailure, InstancePool } from "./pool.ts";
import { ProcessLimit } from "./process_limit.ts";
import type { Sessions } from "./session.ts";
import { ShutdownReports, type Work } from "./shutdown_reports.ts";
import { Counters, type ServerStats } from "./stats.ts";
import { type ShutdownReport, Tally } from "./tally.ts";

/** How long cancelled listens and reads may still take after the timeout, in milliseconds. */
const GRACE = 1_000;

/** See the module. */
export class Server implements LoopUser {
  readonly path: string;
  /** Resolves when the server has ended; rejects if it failed. Never an unhandled rejection. */
  readonly finished: Promise<void>;
  readonly #loop: WaitLoop;
  readonly #settings: ServerOptions;
  readonly #sessions: Sessions;
  readonly #hooks: ServerHooks;
  readonly #context: ServerContext;
  readonly #pool: InstancePool;
  #phase: "listening" | "draining" | "stopped" = "listening";
  #sddl: string | undefined = undefined;
  readonly #ended = Promise.withResolvers<void>();
  readonly #deadline = new Deadline(() => this.#timeOut());
  #timedOut = false;
  readonly #reports: ShutdownReports;
  #shuttingDown = false;
  #error: Error | undefined = undefined;
  #ending = false;

  constructor(loop: WaitLoop, settings: ServerOptions, sessions: Sessions) {
    this.path = settings.path;
    this.#loop = loop;
    this.#settings = settings;
    this.#sessions = sessions;
    this.#hooks = new ServerHooks(settings, loop, () => this.endIfDone());
    this.#context = {
      path: settings.path,
      settings,
      hooks: this.#hooks,
      framing: settings.framing && verifiedFraming(settings.framing),
      budget: new Budget(settings.maxBuffered),
      processes: new ProcessLimit(settings.maxPerProcess),
      accounts: new AccountNames(loop.kernel, loop.deadlines, settings.path),
      tally: new Tally(),
      sessions,
      counters: new Counters(settings.measure),
      draining: false,
      drain: new Draining(),
      onBlocked: () => this.endIfDone(),
      clients: 0,
    };
    this.#pool = new InstancePool(loop, this.#context, {
      closed: () => this.endIfDone(),
      nameLost: (failure) => this.#fail(this.#creationError(failure)),
    });
    this.finished = this.#ended.promise;
    this.finished.catch(() => {});
    this.#reports = new ShutdownReports(this.#context.tally, this.finished);
  }

  /**
   * Creates the instances, which listen at once: all of them or none. After a failure, those that
   * already listen are closed, each once its listen has ended.
   *
   * @throws {Error} If an instance cannot be created, or the security descriptor is refused.
   */
  open(): void {
    this.#loop.enter(this);
    try {
      const security = securityDescriptor(this.#loop.kernel, this.#settings);
      const failure = this.#pool.open({ ...this.#settings, security });
      if (failure !== undefined) throw this.#creationError(failure);
      if (security !== undefined) this.#sddl = this.#pool.security();
    } catch (error) {
      this.stop();
      throw error;
    }
    this.#context.counters.since = Date.now();
    this.#hooks.listening(this.path);
  }

  /** What is in force, read back from the first instance. */
  get security(): PipeSecurity {
    return Object.freeze({
      sddl: this.#sddl,
      firstInstance: !this.#pool.joined,
      remote: this.#settings.remote,
    });
  }

  /** Keeps the program running until the server has ended, as it does from the start. */
  ref(): void {
    if (this.#phase === "listening") this.#loop.hold(this);
  }

  /** Serves on, but lets the program end, until the server is to end itself. */
  unref(): void {
    if (this.#phase === "listening") this.#loop.release(this);
  }

  /** The clients that are connected and admitted, in the order in which they connected. */
  clients(): ServerClient[] {
    const clients = this.#clients.toSorted((one, other) => one.id - other.id);
    for (const client of clients) client.show();
    return clients;
  }

  /** What the server has counted, and its state now. */
  stats(): ServerStats {
    return this.#context.counters.stats({
      ...this.#pool.load(),
      clients: this.#clients.length,
      buffered: this.#context.budget.held,
    });
  }

  /**
   * Accepts no new clients, waits for open exchanges and for the first request of each client that
   * is there, and ends; evicts the remaining clients at the timeout.
   *
   * @param caller The work that calls this and may await it: its report does not wait for that work.
   */
  shutdown(timeout: number, caller?: Work): Promise<ShutdownReport> {
    if (this.#phase !== "stopped" && !this.#shuttingDown && !this.#ending) {
      this.#drain();
      this.#shuttingDown = true;
      this.#loop.hold(this);
      this.#context.tally.begin();
      this.#loop.deadlines.set(this.#deadline, timeout);
      this.#abortDraining();
      this.endIfDone();
    } else if (!this.#shuttingDown && !this.#pool.empty) {
      // The server was stopped, and its last writes may take longer than this.
      this.#loop.deadlines.set(this.#deadline, timeout);
    }
    this.#shuttingDown = true;
    const report = this.#reports.for(caller);
    if (caller !== undefined) this.endIfDone();
    return report;
  }

  /** Accepts no new clients, and ends when the present ones have left. */
  close(): void {
    if (this.#phase !== "listening") return;
    this.#drain();
    this.endIfDone();
    this.#leaveItToClients();
  }

  /** Why the server cannot keep listening, if it has failed. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** More clients can be taken: see {@linkcode Sessions.backlog}. */
  replenish(): void {
    this.#pool.replenish();
  }

  /** Ends now: waits only for writes in flight. */
  stop(): void {
    if (this.#phase === "stopped") return;
    this.#enter("stopped");
    for (const instance of this.#pool.instances) instance.stop("stopped");
    this.#abortDraining();
    this.endIfDone();
  }

  /** Ends if it is draining and nothing is left: no instance, and no responder at work. */
  endIfDone(): void {
    if (!this.#context.draining || this.#hooks.busy) return;
    const { atWork, blocked } = this.#sessions;
    if (this.#pool.empty && (this.#phase === "stopped" || atWork === 0)) return this.#end();
    const sessions = this.#pool.instances.map(({ session }) => session);
    this.#reports.resolveCallers(sessions, atWork - blocked);
    this.#leaveItToClients();
  }

  get #clients(): ServerClient[] {
    return this.#pool.instances.flatMap(({ session }) => session?.client ?? []);
  }

  /** A server that was only closed does not keep the program running for its clients: they may. */
  #leaveItToClients(): void {
    if (this.#phase !== "draining" || this.#shuttingDown) return;
    if (this.#pool.instances.every(({ session }) => session !== undefined)) {
      this.#loop.release(this);
    }
  }

  /** See {@linkcode LoopUser}. */
  failed({ call, status }: WaitFailure): void {
    this.#fail(systemError("Cannot keep listening on", call, this.path, status));
  }

  /** See {@linkcode LoopUser}. */
  abandoned(): void {
    this.#fail();
  }

  #drain(): void {
    if (this.#phase !== "listening") return;
    this.#enter("draining");
    this.#pool.occupy();
    for (const instance of this.#pool.instances) instance.drain();
  }

  #enter(phase: "draining" | "stopped"): void {
    if (this.#phase === "listening") this.#context.tally.begin();
    this.#phase = phase;
    // Somebody may wait for the end.
    this.#loop.hold(this);
    this.#context.draining = true;
    this.#pool.close();
  }

  /** Aborts the `draining` signals, which runs the user's abort listeners. */
  #abortDraining(): void {
    this.#context.drain.begin(
      new Deno.errors.Interrupted(`Cannot keep serving "${this.path}": it is being shut down`),
    );
  }

  #creationError({ status, first, type }: CreationFailure): Error {
    const { kernel } = this.#loop;
    if (type !== undefined) return otherType(this.path, type);
    const taken = first && (status === Status.BUSY ||
      status === Status.ACCESS_DENIED && kernel.exists(this.path));
    if (!taken) return systemError("Cannot listen on", "CreateNamedPipeW", this.path, status);
    const process = kernel.serverProcess(this.path);
    return nameTaken("CreateNamedPipeW", this.path, status, process, this.#whyTaken(status));
  }

  /** Why a name cannot be joined; for ACCESS_DENIED, Windows does not tell which it is. */
  #whyTaken(status: number): string | undefined {
    if (!this.#settings.join) return undefined;
    return status === Status.BUSY
      ? "has the name, with as many instances as it allows"
      : "serves it in another direction, or allows no other user to serve it";
  }

  /**
   * An instance that only waits for a cancelled read ends by itself; disconnecting would destroy
   * what its client has not read.
   */
  #timeOut(): void {
    const again = this.#timedOut;
    this.#enter("stopped");
    this.#timedOut = true;
    if (!again) this.#loop.deadlines.set(this.#deadline, GRACE);
    for (const instance of this.#pool.instances) {
      const { connection, busy } = instance;
      const connected = connection?.connected === true;
      if (connected && (busy || again)) this.#context.tally.evicted(instance);
      if (connected && !busy && !again) instance.finish("shutdown");
      else instance.evict("shutdown");
    }
    this.endIfDone();
  }

  /** Nothing completes any more: closes everything, and ends, with the error if there is one. */
  #fail(error?: Error): void {
    this.#error ??= error;
    this.#enter("stopped");
    this.#context.budget.close();
    this.#pool.abandon(this.#error);
    this.#abortDraining();
    this.#hooks.flush();
    this.#end();
  }

  #end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#loop.deadlines.lift(this.#deadline);
    this.#context.accounts.close();
    this.#hooks.close();
    this.#loop.leave(this).then(() => {
      if (this.#error === undefined) this.#ended.resolve();
      else this.#ended.reject(this.#error);
    });
  }
}
