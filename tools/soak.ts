/**
 * `deno task soak [--minutes N] [--seed N]`: a server with every limit on, well-behaved and hostile
 * clients in several processes, and what has become of them all at the end.
 *
 * Exit code 1: a well-behaved client had no reply, or a wrong one, or the server holds more than at
 * the beginning.
 *
 * @module
 */

import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { ClientsQuestion, ClientsState } from "./soak/clients.ts";
import { KEPT_BYTES } from "../ffi/slab.ts";
import { Hostile } from "./soak/hostile.ts";
import { MOST_LISTENING } from "./soak/limits.ts";
import { Child } from "./soak/lines.ts";
import { Random } from "./soak/random.ts";
import type { ServerQuestion, ServerState } from "./soak/server.ts";

const MIB = 1024 * 1024;

/** Milliseconds between two lines about the progress. */
const PROGRESS = 5_000;

/** What the server may hold more at the end: handles of Deno's own, and garbage. */
const MORE_HANDLES = 8;
const MORE_HEAP = 8 * MIB;
/** Compiled code comes with use, and Deno's allocator keeps what it had at the busiest moment. */
const MORE_BYTES = 24 * MIB;
/** Halfway both have come: what is left is how full the pages of the allocator happen to be. */
const MORE_BYTES_SINCE_HALFWAY = 12 * MIB;
/** What each listening instance may use: its OVERLAPPEDs, and the pages of its next message. */
const INSTANCE_BYTES = 2 * 4096 + 2 * 32;
/** What the slab keeps of what nobody uses, of each of its two kinds; and its tables. */
const SPARE_BYTES = 2 * KEPT_BYTES + 64 * 1024;

const EXPECTED = [
  "peer",
  "maxMessage",
  "maxPerProcess",
  "idleTimeout",
  "writeTimeout",
  "responderTimeout",
] as const;

type ServerProcess = Child<ServerQuestion, ServerState>;
type ClientsProcess = Child<ClientsQuestion, ClientsState>;

function say(text: string): void {
  console.log(text);
}

function numberOf(name: string, text: string | undefined, least: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && value >= least) return value;
  return refuse(`Cannot use --${name}: must be a number from ${least}`);
}

function refuse(reason: string): never {
  say(`${reason}\nUsage: soak [--minutes N] [--seed N]`);
  Deno.exit(2);
}

function parse() {
  try {
    const option = { type: "string" } as const;
    const { values } = parseArgs({ options: { minutes: option, seed: option } });
    return {
      minutes: numberOf("minutes", values.minutes, 0.1) ?? 1,
      seed: numberOf("seed", values.seed, 0) ?? Math.floor(Math.random() * 1e9),
    };
  } catch (error) {
    return refuse(`${error instanceof Error ? error.message : error}`);
  }
}

/** All the processes. */
class Soak {
  readonly #server: ServerProcess;
  readonly #clients: readonly ClientsProcess[];
  readonly #hostile: readonly Hostile[];
  readonly #began = performance.now();

  constructor(
    server: ServerProcess,
    clients: readonly ClientsProcess[],
    hostile: readonly Hostile[],
  ) {
    this.#server = server;
    this.#clients = clients;
    this.#hostile = hostile;
  }

  /** Lets all clients do what they do, for so long, and then come to rest. */
  async run(milliseconds: number): Promise<ServerState> {
    for (const clients of this.#clients) await clients.ask("go");
    for (const hostile of this.#hostile) hostile.go();
    const until = performance.now() + milliseconds;
    for (let left = milliseconds; left > 0; left = until - performance.now()) {
      await pause(Math.min(left, PROGRESS));
      await this.#tellProgress();
    }
    await Promise.all([
      ...this.#clients.map((clients) => clients.ask("rest")),
      ...this.#hostile.map((hostile) => hostile.rest()),
    ]);
    return await this.#measureAtRest();
  }

  async #tellProgress(): Promise<void> {
    const { served, ends, privateBytes } = await this.#server.ask("state");
    const seconds = Math.round((performance.now() - this.#began) / 1_000);
    const parts = Object.entries(ends).map(([reason, count]) => `${reason} ${count}`);
    const memory = Math.round(privateBytes / MIB);
    say(`${seconds} s: ${served} requests; ${memory} MiB; ends: ${parts.join(", ")}`);
  }

  async #measureAtRest(): Promise<ServerState> {
    for (let i = 0; i < 300; i++) {
      if ((await this.#server.ask("state")).atRest) break;
      await pause(100);
    }
    return await this.#server.ask("measure");
  }

  /** How often all instances were busy, how often a process was killed, and what else happened. */
  get hostility(): { busy: number; killed: number; surprises: string[] } {
    return {
      busy: this.#hostile.reduce((sum, { busy }) => sum + busy, 0),
      killed: this.#hostile.reduce((sum, { killed }) => sum + killed, 0),
      surprises: this.#hostile.flatMap(({ surprises }) => surprises),
    };
  }

  /** The well-behaved clients, together. */
  async clients(): Promise<ClientsState> {
    const states = await Promise.all(this.#clients.map((clients) => clients.ask("state")));
    return {
      right: states.reduce((sum, { right }) => sum + right, 0),
      wrong: states.reduce((sum, { wrong }) => sum + wrong, 0),
      lost: states.flatMap(({ lost }) => lost),
    };
  }

  /** Ends the server, when everybody else has left. */
  shutdown(): Promise<ServerState> {
    return this.#server.ask("shutdown");
  }
}

function figures(state: ServerState): string {
  const [heap, bytes] = [state.heapBytes, state.privateBytes].map((size) =>
    (size / MIB).toFixed(1)
  );
  return `${state.handles} handles, ${state.slabInUse} of ${state.slabBytes} bytes of the slab in ` +
    `use, ${heap} MiB of JavaScript, ${bytes} MiB private`;
}

/** How the server was with nobody connected, at three times. */
interface Measured {
  readonly first: ServerState;
  readonly halfway: ServerState;
  readonly last: ServerState;
}

/** What the server holds more and more of. */
function growth({ first, halfway, last }: Measured): string[] {
  const faults: string[] = [];
  if (last.handles > first.handles + MORE_HANDLES) faults.push("more handles");
  if (last.slabInUse > MOST_LISTENING * INSTANCE_BYTES) faults.push("the slab is in use");
  if (last.slabBytes > last.slabInUse + SPARE_BYTES) faults.push("the slab holds too much");
  if (last.heapBytes > first.heapBytes + MORE_HEAP) faults.push("more of JavaScript's heap");
  if (last.privateBytes > first.privateBytes + MORE_BYTES) faults.push("more private bytes");
  if (last.privateBytes > halfway.privateBytes + MORE_BYTES_SINCE_HALFWAY) {
    faults.push("more private bytes than halfway");
  }
  return faults;
}

/** What is not as it should be. */
function faults(measured: Measured, clients: ClientsState, end: ServerState): string[] {
  const { first, halfway, last } = measured;
  const faults = growth(measured);
  if (clients.right === 0) faults.push("no reply at all");
  if (clients.wrong > 0) faults.push(`${clients.wrong} wrong replies`);
  if (clients.lost.length > 0) faults.push(`${clients.lost.length} lost: ${clients.lost[0]}`);
  if (![first, halfway, last].every(({ atRest }) => atRest)) {
    faults.push("the server did not come to rest");
  }
  for (const error of new Set(last.errors)) faults.push(`an error: ${error}`);
  for (const reason of EXPECTED) {
    if (last.ends[reason] === undefined) faults.push(`nobody was ended by ${reason}`);
  }
  const { exchanges, evicted, dropped } = end.report ?? { exchanges: 1, evicted: 0, dropped: 0 };
  if (exchanges + evicted + dropped > 0) faults.push("something was left for the shutdown");
  return faults;
}

async function soak(minutes: number, seed: number): Promise<number> {
  const random = new Random(seed);
  const path = `\\\\.\\pipe\\soak-${Deno.pid}-${seed}`;
  say(`seed ${seed}, ${minutes} minutes`);
  await using server: ServerProcess = new Child("./server.ts", path);
  await server.ask("state");
  await using one: ClientsProcess = new Child("./clients.ts", path, `${random.between(0, 1e9)}`);
  await using two: ClientsProcess = new Child("./clients.ts", path, `${random.between(0, 1e9)}`);
  await using three = await Hostile.start(path, random.fork());
  await using four = await Hostile.start(path, random.fork());
  const all = new Soak(server, [one, two], [three, four]);
  const time = minutes * 60_000;
  // What grows only once has grown before it is measured.
  const beginning = Math.min(time / 3, 60_000);
  const first = await all.run(beginning);
  say(`at the beginning: ${figures(first)}`);
  const halfway = await all.run((time - beginning) / 2);
  say(`halfway:          ${figures(halfway)}`);
  const last = await all.run((time - beginning) / 2);
  const clients = await all.clients();
  const end = await all.shutdown();
  const { busy, killed, surprises } = all.hostility;
  say(`at the beginning: ${figures(first)}`);
  say(`halfway:          ${figures(halfway)}`);
  say(`at the end:       ${figures(last)}`);
  say(`requests served:  ${last.served}`);
  say(`ends:             ${JSON.stringify(last.ends)}`);
  say(`all busy:         ${busy} times; hostile processes killed: ${killed}`);
  say(
    `well-behaved:     ${clients.right} replies, ${clients.wrong} wrong, ${clients.lost.length} lost`,
  );
  say(`last errors lost: ${JSON.stringify(last.doubts)}`);
  const found = faults({ first, halfway, last }, clients, end);
  for (const surprise of new Set(surprises)) found.push(surprise);
  for (const fault of found) say(`FAULT: ${fault}`);
  return found.length === 0 ? 0 : 1;
}

if (import.meta.main) {
  const { minutes, seed } = parse();
  Deno.exitCode = await soak(minutes, seed);
}
