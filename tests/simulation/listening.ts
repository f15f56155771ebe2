/**
 * A program that listens, and talks on each connection that it accepts.
 *
 * @module
 */

import type { CloseReason } from "../../src/pipe/close_reason.ts";
import { listenOn, type PipeListener } from "../../src/listen/listen.ts";
import type { PipeConn } from "../../src/pipe/pipe_conn.ts";
import type { ClientInfo } from "../../src/server/client.ts";
import type { ShutdownReport } from "../../src/server/tally.ts";
import type { Limits, ListenerRecord } from "./sides.ts";
import { someLimits } from "./limits.ts";
import type { Random } from "./random.ts";
import { Planted } from "./planted.ts";
import { hasMessages, type Shape } from "./shape.ts";
import type { Stage } from "./stage.ts";
import { Talker } from "./talkers.ts";

/** How a listener is ended. */
export const ENDINGS = ["shutdown", "dispose", "close", "abort", "leave"] as const;

/** See {@linkcode ENDINGS}. */
export type Ending = (typeof ENDINGS)[number];

/** The reason for which those end that nobody has accepted. */
const REASONS: Readonly<Record<Ending, CloseReason>> = {
  shutdown: "shutdown",
  dispose: "shutdown",
  close: "self",
  abort: "stopped",
  leave: "self",
};

/** Milliseconds of a shutdown that is given no time. */
const DEFAULT_TIMEOUT = 10_000;

/** What a listener of a history is made with. */
export interface Plan {
  readonly instances: number;
  readonly maxInstances: number | undefined;
  readonly readBufferSize: number;
  readonly writeBufferSize: number;
  readonly authorizes: ListenerRecord["authorizes"];
  readonly limits: Partial<Limits>;
}

export function somePlan(random: Random, { direction }: Shape): Plan {
  const instances = random.between(1, 3);
  return {
    instances,
    maxInstances: random.pick([undefined, undefined, instances, instances + 2]),
    readBufferSize: random.pick([65_536, 4096, 64, 1, 0]),
    writeBufferSize: random.pick([65_536, 4096, 64, 64, 0, 0]),
    authorizes: direction === "write"
      ? undefined
      : random.pick([undefined, undefined, "all", "some"]),
    limits: random.chance(0.5) ? someLimits(random, 0.4) : {},
  };
}

/** See the module. */
export class Listening {
  readonly record: ListenerRecord;
  readonly #stage: Stage;
  readonly #listener: PipeListener;
  readonly #abort = new AbortController();
  readonly #iterates: boolean;
  /** The loop over connections is to be left. */
  #leaves = false;
  #accepted = 0;

  /** @throws {Error} If it cannot listen. */
  constructor(stage: Stage, plan: Plan) {
    this.#stage = stage;
    const { limits, authorizes, instances } = plan;
    const { shape, random } = stage;
    this.#iterates = random.chance(0.5);
    this.record = {
      limits: {
        maxMessage: Infinity,
        maxPerProcess: Infinity,
        idleTimeout: Infinity,
        writeTimeout: 30_000,
        maxQueued: 16 * 1024 * 1024,
        maxBuffered: Infinity,
        ...limits,
      },
      instances,
      authorizes,
      closedAt: undefined,
      closedAs: undefined,
      refd: true,
      shutDownAt: undefined,
      shutdownTimeout: DEFAULT_TIMEOUT,
      stoppedAt: undefined,
      failed: false,
      over: false,
    };
    stage.hosts(this.record);
    this.#listener = listenOn(stage.open, {
      path: stage.path,
      ...plan.limits,
      ...(limits.maxMessage === undefined || !hasMessages(shape) ? { maxMessage: undefined } : {}),
      type: shape.type,
      direction: shape.direction,
      framing: shape.framing,
      halfClose: shape.halfClose,
      instances,
      maxInstances: plan.maxInstances,
      readBufferSize: plan.readBufferSize,
      writeBufferSize: plan.writeBufferSize,
      signal: this.#abort.signal,
      authorize: authorizes === undefined ? undefined : (client) => this.#decide(client),
      onDisconnect: (client, reason, error) => this.#disconnected(client, reason, error),
    });
    this.#listener.finished.then(() => this.#over(), (error) => this.#fails(error));
    this.#run().catch((error) => this.#fails(error));
  }

  /** Whether it takes clients. */
  get serving(): boolean {
    const { closedAt, failed, over } = this.record;
    return closedAt === undefined && !failed && !over;
  }

  end(how: Ending): void {
    if (!this.serving) return;
    this.#stage.tell?.(`— the listener ends: ${how}`);
    const { record } = this;
    const now = this.#now;
    record.closedAt = now;
    record.closedAs = REASONS[how];
    switch (how) {
      case "shutdown": {
        const timeout = this.#stage.random.pick([0, 5, 500, undefined]);
        this.#shutDown(timeout, () => this.#listener.shutdown({ timeout }));
        return;
      }
      case "dispose":
        this.#shutDown(undefined, () => this.#listener[Symbol.asyncDispose]());
        return;
      case "abort":
        record.stoppedAt = now;
        this.#abort.abort();
        return;
      case "close":
        return this.#listener.close();
      case "leave":
        this.#leaves = true;
        // Whoever iterates leaves with the next connection only.
        record.closedAt = this.#iterates ? undefined : now;
        if (!this.#iterates) this.#listener.close();
    }
  }

  /** Everything ends, also what a close has left. */
  endAll(): void {
    const { record } = this;
    if (record.over || record.failed) return;
    const now = this.#now;
    // Who was to leave the loop over connections may never have come to that.
    if (record.closedAt === undefined) record.closedAs = "shutdown";
    record.closedAt ??= now;
    if (record.shutDownAt === undefined && record.stoppedAt === undefined) {
      this.#shutDown(undefined, () => this.#listener.shutdown());
    }
  }

  /** Its program ends without its doing. */
  lose(): void {
    this.record.failed = true;
  }

  get #now(): number {
    return this.#stage.now;
  }

  #shutDown(
    timeout: number | undefined,
    shutDown: () => PromiseLike<ShutdownReport | void>,
  ): void {
    // Time passes within the call.
    this.record.shutDownAt = this.#now;
    this.record.shutdownTimeout = timeout ?? DEFAULT_TIMEOUT;
    shutDown().then((report) => {
      if (this.record.failed) return;
      if (report !== undefined) this.#stage.model.accounts.reported(report, this.record);
      if (!this.record.over) this.#over();
    }, (error) => this.#fails(error));
  }

  #over(): void {
    if (this.record.over) return;
    this.#stage.tell?.("the listener has ended");
    this.record.over = true;
    if (this.serving) this.#stage.violate("the listener ends by itself");
    // Whoever waits for the end of a connection hears of it in the same task.
    this.#stage.pause().then(() => {
      this.#stage.model.accounts.counted(this.#listener.stats(), this.record);
      this.#stage.model.atEnd(this.record);
    });
  }

  #fails(error: unknown): void {
    this.#stage.tell?.(`the listener fails: ${error}`);
    if (!this.record.failed && !this.#stage.nameLost) {
      this.#stage.violate(`the listener fails: ${error}`);
    }
    this.record.failed = true;
    this.record.over = true;
  }

  async #run(): Promise<void> {
    const { random } = this.#stage;
    if (random.chance(0.1)) await this.#stage.late();
    if (this.#iterates) {
      for await (const conn of this.#listener) {
        this.#accept(conn);
        if (random.chance(0.3)) await this.#stage.pause();
        if (this.#leaves) {
          this.record.closedAt ??= this.#now;
          break;
        }
      }
      return;
    }
    while (true) {
      const conn = await this.#acceptOne();
      if (conn === undefined) return;
      this.#accept(conn);
      if (random.chance(0.3)) await this.#stage.pause();
    }
  }

  /** Undefined: there is an end. */
  async #acceptOne(): Promise<PipeConn<ClientInfo> | undefined> {
    const { random, tidying } = this.#stage;
    const controller = new AbortController();
    const reason = new Planted("no patience");
    if (!tidying && random.chance(0.4)) this.#stage.pause().then(() => controller.abort(reason));
    try {
      return await this.#listener.accept(controller);
    } catch (error) {
      if (error === reason) return await this.#acceptOne();
      if (this.serving) throw error;
      if (!(error instanceof Deno.errors.Interrupted) && !this.record.failed) throw error;
      return undefined;
    }
  }

  #accept(conn: PipeConn<ClientInfo>): void {
    const wire = this.#stage.model.wireOf(conn.peer, this.record);
    if (wire === undefined) return;
    this.#stage.model.accepted(wire);
    const name = `server's end ${wire.id} of ${wire.owner}`;
    this.#stage.tell?.(`accepts ${name}`);
    const talker = new Talker(this.#stage, name, conn, wire.server);
    this.#stage.add(talker);
    talker.start();
    this.#accepted++;
    this.#look();
    this.#stage.mayEnd();
  }

  /** Looks at its clients, and may let its program end or keep it: neither changes what it does. */
  #look(): void {
    const { random, model } = this.#stage;
    model.listed(this.#listener.clients(), this.record);
    if (random.chance(0.8)) return;
    const refd = this.record.refd = random.chance(0.5);
    if (refd) this.#listener.ref();
    else this.#listener.unref();
  }

  #decide(client: ClientInfo): boolean | Promise<boolean> {
    const { random, model } = this.#stage;
    const wire = model.wireOf(client, this.record);
    if (wire === undefined) return false;
    model.asked(wire);
    const admits = this.record.authorizes === "all" || random.chance(0.6);
    const decide = () => {
      wire.verdict = admits ? "admitted" : "refused";
      if (!admits && random.chance(0.3)) throw new Planted("authorize throws");
      return admits;
    };
    const when = random.weighted({ now: 4, later: 4, late: 1 });
    if (when === "now") return decide();
    return (when === "later" ? this.#stage.pause() : this.#stage.late()).then(decide);
  }

  #disconnected(client: ClientInfo, reason: CloseReason, error: unknown): void {
    const wire = this.#stage.model.wireOf(client, this.record);
    if (wire === undefined) return;
    this.#stage.tell?.(`${wire.id} ended: ${reason} (${error ?? ""})`);
    this.#stage.model.disconnected(wire, reason, error);
  }
}
