/**
 * One pipe and its phases: listening, draining, stopped; and the report of a shutdown.
 *
 * @module
 */

import type { PipeSecurity } from "../options/access.ts";
import { Deadline } from "../loop/deadlines.ts";
import { nameTaken, systemError } from "../kernel/errors.ts";
import { Status } from "../kernel/status.ts";
import type { LoopUser, WaitFailure, WaitLoop } from "../loop/wait_loop.ts";
import { AccountNames } from "./account_names.ts";
import { Budget } from "./budget.ts";
import type { ServerContext } from "./context.ts";
import { securityDescriptor } from "./descriptor.ts";
import { Draining } from "./draining.ts";
import { ServerHooks } from "./hooks.ts";
import type { ServerOptions } from "./options.ts";
import { InstancePool } from "./pool.ts";
import { ProcessLimit } from "./process_limit.ts";
import type { Sessions } from "./session.ts";
import { ShutdownReports, type Work } from "./shutdown_reports.ts";
import { type ShutdownReport, Tally } from "./tally.ts";

/** How long cancelled listens and reads may still take when the time has run out, in milliseconds. */
const GRACE = 1_000;

/** See the module. */
export class Server implements LoopUser {
  readonly path: string;
  /** Resolves when the server has ended; rejects when it could not go on. May be dropped. */
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
  #late = false;
  readonly #reports: ShutdownReports;
  #reported = false;
  #error: Error | undefined = undefined;
  #leaving = false;

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
      budget: new Budget(settings.maxBuffered),
      processes: new ProcessLimit(settings.maxPerProcess),
      accounts: new AccountNames(loop.kernel, loop.deadlines, settings.path),
      tally: new Tally(),
      sessions,
      draining: false,
      drain: new Draining(),
      onBlocked: () => this.endIfDone(),
      clients: 0,
    };
    this.#pool = new InstancePool(loop, this.#context, {
      closed: () => this.endIfDone(),
      lost: (status) => this.#giveUp(this.#creationError(status, true)),
    });
    this.finished = this.#ended.promise;
    this.finished.catch(() => {});
    this.#reports = new ShutdownReports(this.#context.tally, this.finished);
  }

  /**
   * Creates the instances, which listen at once: all of them or none. After a failure those that
   * listen already are closed, each when its listen has ended.
   *
   * @throws {Error} If an instance cannot be created, or nobody may have one.
   */
  open(): void {
    this.#loop.enter(this);
    try {
      const security = securityDescriptor(this.#loop.kernel, this.#settings);
      const failure = this.#pool.open({ ...this.#settings, security });
      if (failure !== undefined) throw this.#creationError(failure.status, failure.first);
      if (security !== undefined) this.#sddl = this.#pool.security();
    } catch (error) {
      this.stop();
      throw error;
    }
    this.#hooks.listening(this.path);
  }

  /** What is in force, as the first instance told when it was created. */
  get security(): PipeSecurity {
    return Object.freeze({
      sddl: this.#sddl,
      firstInstance: true,
      remote: this.#settings.remote,
    });
  }

  /**
   * Takes no new clients, lets open exchanges finish, and ends; evicts the rest at the timeout.
   *
   * @param caller The work that calls, and may wait: it is not waited for.
   */
  shutdown(timeout: number, caller?: Work): Promise<ShutdownReport> {
    if (this.#phase === "listening") {
      this.#enter("draining");
      this.#loop.deadlines.set(this.#deadline, timeout);
      for (const instance of this.#pool.instances) instance.drain();
      this.#tellDraining();
      this.endIfDone();
    } else if (!this.#reported && !this.#pool.empty) {
      // It was stopped, and what is being written may take longer than this.
      this.#loop.deadlines.set(this.#deadline, timeout);
    }
    this.#reported = true;
    const report = this.#reports.for(caller);
    if (caller !== undefined) this.endIfDone();
    return report;
  }

  /** Ends now: waits only for what is being written. */
  stop(): void {
    if (this.#phase === "stopped") return;
    this.#enter("stopped");
    for (const instance of this.#pool.instances) instance.stop("server");
    this.#tellDraining();
    this.endIfDone();
  }

  /** Ends when that is wanted and nothing is left: no instance, and no responder at work. */
  endIfDone(): void {
    if (!this.#context.draining || this.#hooks.busy) return;
    const { atWork, blocked } = this.#sessions;
    if (this.#pool.empty && (this.#phase === "stopped" || atWork === 0)) return this.#end();
    this.#reports.look(this.#pool.instances.map(({ session }) => session), atWork - blocked);
  }

  /** See {@linkcode LoopUser}. */
  failed({ call, status }: WaitFailure): void {
    this.#giveUp(systemError("Cannot keep listening on", call, this.path, status));
  }

  /** See {@linkcode LoopUser}. */
  abandoned(): void {
    this.#giveUp();
  }

  #enter(phase: "draining" | "stopped"): void {
    if (this.#phase === "listening") this.#context.tally.begin();
    this.#phase = phase;
    this.#context.draining = true;
    this.#pool.close();
  }

  /** Runs the user's abort listeners. */
  #tellDraining(): void {
    this.#context.drain.begin(
      new Deno.errors.Interrupted(`Cannot keep serving "${this.path}": it is being shut down`),
    );
  }

  #creationError(status: number, first: boolean): Error {
    const { kernel } = this.#loop;
    const taken = first && (status === Status.BUSY ||
      status === Status.ACCESS_DENIED && kernel.exists(this.path));
    return taken
      ? nameTaken("CreateNamedPipeW", this.path, status, kernel.serverProcess(this.path))
      : systemError("Cannot listen on", "CreateNamedPipeW", this.path, status);
  }

  /**
   * Who is only waiting for the end of a read ends by itself, and keeps what it has not read yet,
   * which a disconnect would destroy.
   */
  #timeOut(): void {
    const late = this.#late;
    this.#enter("stopped");
    this.#late = true;
    if (!late) this.#loop.deadlines.set(this.#deadline, GRACE);
    for (const instance of this.#pool.instances) {
      const { connection, busy } = instance;
      const connected = connection?.connected === true;
      if (connected && (busy || late)) this.#context.tally.evicted(instance);
      if (connected && !busy && !late) instance.finish("shutdown");
      else instance.evict("shutdown");
    }
    this.endIfDone();
  }

  /** Nothing completes any more: closes everything, and ends, with the reason if there is one. */
  #giveUp(error?: Error): void {
    this.#error ??= error;
    this.#enter("stopped");
    this.#context.budget.close();
    this.#pool.abandon(this.#error);
    this.#tellDraining();
    this.#hooks.flush();
    this.#end();
  }

  #end(): void {
    if (this.#leaving) return;
    this.#leaving = true;
    this.#loop.deadlines.lift(this.#deadline);
    this.#context.accounts.close();
    this.#hooks.close();
    this.#loop.leave(this).then(() => {
      if (this.#error === undefined) this.#ended.resolve();
      else this.#ended.reject(this.#error);
    });
  }
}
