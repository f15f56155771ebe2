/**
 * What a server of a history is made with, and what its callbacks do.
 *
 * @module
 */

import type { ServeOptions } from "../../src/exchange/serve.ts";
import type { BuiltInFraming } from "../../src/options/framing.ts";
import { verifiedFraming } from "../../src/pipe/framing/framings.ts";
import { lengthPrefixed } from "../../src/pipe/framing/length_prefixed.ts";
import type { PipeClient } from "../../src/server/client.ts";
import { someLimits } from "./limits.ts";
import type { Limits, ServerRecord } from "./records.ts";
import { Planted } from "./planted.ts";
import { push } from "./pushes.ts";
import type { Random } from "./random.ts";
import type { World } from "./world.ts";

/** How messages are framed where they are, and the length of what comes before each. */
export const PREFIX = 4;
const FRAMING = verifiedFraming(lengthPrefixed({ bytes: PREFIX }));

/** What a server of a history is made with. */
export interface Plan {
  readonly instances: number;
  readonly maxInstances: number | undefined;
  readonly readBufferSize: number;
  readonly writeBufferSize: number;
  readonly concurrency: number | undefined;
  readonly hooked: boolean;
  /** How likely a message is pushed where one may be. */
  readonly pushes: number;
  readonly framing: BuiltInFraming | undefined;
  readonly authorizes: ServerRecord["authorizes"];
  /** Whether its clients are identified even if nobody is asked about them. */
  readonly identifies: boolean;
  readonly limits: Partial<Limits> & { readonly maxBuffered?: number };
  /** How likely a responder does something out of the ordinary. */
  readonly odd: number;
}

export function somePlan(random: Random, quotas: World["quotas"]): Plan {
  const instances = random.between(1, 3);
  const limits = random.chance(0.4) ? exchangeLimits(random) : undefined;
  return {
    instances,
    maxInstances: random.pick([undefined, undefined, instances, instances + 1, instances + 3]),
    readBufferSize: quotas.read,
    writeBufferSize: quotas.write,
    concurrency: random.pick([undefined, undefined, 1, 2]),
    hooked: limits !== undefined || random.chance(0.8),
    limits: limits ?? {},
    odd: random.pick([0, 0.5, 1]),
    authorizes: random.pick([undefined, undefined, "all", "some"]),
    identifies: random.chance(0.7),
    pushes: random.pick([0, 0, 0.1, 0.4]),
    framing: random.chance(0.15) ? FRAMING : undefined,
  };
}

function exchangeLimits(random: Random): Plan["limits"] {
  return {
    ...someLimits(random, 0.3),
    ...(random.chance(0.3) ? { responderTimeout: random.pick([5, 500]) } : {}),
  };
}

/** How a user decides about a client, when some are refused. */
const DECISIONS = {
  yes: 6,
  laterYes: 4,
  never: 2,
  no: 1,
  laterNo: 1,
  throws: 1,
  rejects: 1,
  notBoolean: 1,
  closes: 1,
  ends: 1,
} as const;

function howToDecide(
  random: Random,
  client: PipeClient,
  record: ServerRecord,
): keyof typeof DECISIONS {
  // One that has left is seldom asked about, and shall meet every end of its server.
  if (client.signal.aborted && random.chance(0.7)) return "never";
  if (record.authorizes === "some") return random.weighted(DECISIONS) ?? "yes";
  return random.pick(["yes", "laterYes"]);
}

/** Whether a client is let in. */
function decide(
  world: World,
  client: PipeClient,
  record: ServerRecord,
): boolean | Promise<boolean> {
  const { random, model } = world;
  const session = model.asked(client, record);
  const how = howToDecide(random, client, record);
  world.tell?.(`client ${client.id} is to be admitted: ${how}`);
  const now = (admitted: boolean) => {
    model.decided(session, admitted);
    return admitted;
  };
  switch (how) {
    case "yes":
      return now(true);
    case "no":
      return now(false);
    case "laterYes":
      return world.pause().then(() => now(true));
    case "never":
      return world.late().then(() => now(true));
    case "laterNo":
      return world.pause().then(() => now(false));
    case "throws":
      now(false);
      throw new Planted("authorize throws");
    case "rejects":
      return world.pause().then(() => {
        now(false);
        throw new Planted("authorize rejects");
      });
    case "notBoolean":
      now(false);
      return "yes" as unknown as boolean;
    case "closes":
      session.closedAt ??= world.now;
      client.close();
      return now(true);
    case "ends":
      world.mayEnd(0.5);
      return now(true);
  }
}

/** What a user passes to serve() or exchanges(). */
export function optionsOf(world: World, plan: Plan, record: ServerRecord): ServeOptions {
  return {
    path: world.path,
    instances: plan.instances,
    maxInstances: plan.maxInstances,
    readBufferSize: plan.readBufferSize,
    writeBufferSize: plan.writeBufferSize,
    concurrency: plan.concurrency,
    ...(plan.identifies ? {} : { access: "system-default" as const }),
    framing: plan.framing,
    // Raw clients tell answers apart by their messages.
    type: "message" as const,
    ...plan.limits,
    ...(plan.authorizes === undefined
      ? {}
      : { authorize: (client: PipeClient) => decide(world, client, record) }),
    onListen: () => {
      if (world.random.chance(0.1)) throw new Planted("onListen throws");
    },
    ...(plan.hooked
      ? {
        onConnect: (client: PipeClient) => {
          world.tell?.(`client ${client.id} is there`);
          world.model.arrived(client, record);
          if (world.random.chance(plan.pushes)) push(world, client, record);
          world.mayEnd();
          if (world.random.chance(0.05)) throw new Planted("onConnect throws");
        },
        onDisconnect: (client: PipeClient, reason: string, error: unknown) => {
          world.tell?.(
            `client ${client.id} ends: ${reason}${error === undefined ? "" : `, ${error}`}`,
          );
          world.model.disconnected(client, reason, error, record);
          world.mayEnd();
          if (world.random.chance(0.05)) throw new Planted("onDisconnect throws");
        },
      }
      : {}),
  };
}

/** The options are the user's: once they were read, nobody looks at them again. */
export function takeAway(world: World, options: object): void {
  for (const name of Object.keys(options)) {
    const get = () => world.violate(`the option "${name}" is read after the call`);
    Object.defineProperty(options, name, { get });
  }
}

/** What is known of a server that is about to be made. */
export function newRecord(world: World, plan: Plan, queues: boolean): ServerRecord {
  return {
    path: world.path,
    stoppedAt: undefined,
    shutDownAt: undefined,
    shutdownTimeout: Infinity,
    failed: false,
    limits: {
      maxMessage: world.maxMessage,
      maxPerProcess: Infinity,
      idleTimeout: Infinity,
      writeTimeout: 30_000,
      maxQueued: 16 * 1024 * 1024,
      responderTimeout: Infinity,
      ...plan.limits,
    },
    queues,
    hooked: plan.hooked,
    authorizes: plan.authorizes,
    identifies: plan.identifies || plan.authorizes !== undefined,
  };
}
