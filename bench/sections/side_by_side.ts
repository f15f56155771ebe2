/**
 * Servers under the same load, one after the other in each round, in an order that rotates.
 *
 * @module
 */

import { load, type LoadOptions, type LoadReport } from "../load.ts";
import type { Plan } from "../plan.ts";
import type { Compared, Loaded, SideBySide } from "../results.ts";
import type { ServerName } from "../server_names.ts";
import { DENO_NET_CLIENTS, RunningServer, RunningServers, type ServerNeeds } from "../servers.ts";
import { fairness, ratio, spread } from "../statistics.ts";
import { interleaved } from "./interleaved.ts";

/** What the clients do; each server has a path of its own. */
export type Shape = Omit<LoadOptions, "path" | "warmUp">;

interface Sample extends LoadReport {
  readonly serverProcessor: number;
}

/** How long one whose clients cannot all connect is tried, in milliseconds. */
const PATIENCE = 3_000;

/** Instances that listen while all clients are connected: clients that come anew need them. */
const SPARE = 4;

/** What a server has to be able to do for several loads. */
function needs(shapes: readonly Shape[]): ServerNeeds {
  const clients = Math.max(...shapes.map(({ clients }) => clients));
  return {
    clients: shapes.some(({ kind }) => kind === "visits") ? clients + SPARE : clients,
    size: Math.max(...shapes.map(({ size }) => size)),
    work: shapes.some(({ kind }) => kind === "lines") ? "lines" : "echo",
  };
}

async function measure(server: RunningServer, shape: Shape, warmUp: number): Promise<Sample> {
  const before = server.meter.processorMs;
  const report = await load({ ...shape, warmUp, path: server.path });
  const used = server.meter.processorMs - before;
  return { ...report, serverProcessor: 1_000 * used / report.all };
}

/**
 * Deno's server by `node:net` takes four clients in its life: each measurement has one of its own,
 * which gets warm for as long as it is measured, and if there are more clients, one tells enough.
 */
async function measureDenoNet(shape: Shape, { rounds }: Plan): Promise<Sample[]> {
  const samples: Sample[] = [];
  const times = shape.clients > DENO_NET_CLIENTS ? 1 : rounds;
  for (let round = 0; round < times; round++) {
    await using server = new RunningServer("deno", shape);
    samples.push(await measure(server, { ...shape, connect: PATIENCE }, shape.measure));
  }
  return samples;
}

function summary(server: ServerName, shape: Shape, samples: readonly Sample[]): Loaded {
  const of = (figure: (sample: Sample) => number) => spread(samples.map(figure));
  return {
    server,
    clients: shape.clients,
    size: shape.size,
    connected: Math.min(...samples.map(({ connected }) => connected)),
    exchangesPerSecond: of(({ exchanges, seconds }) => exchanges / seconds),
    p50: of(({ p50 }) => p50),
    p99: of(({ p99 }) => p99),
    fairness: of(({ counts }) => fairness(counts)),
    least: Math.min(...samples.flatMap(({ counts }) => counts)),
    serverProcessor: of(({ serverProcessor }) => serverProcessor),
    loadProcessor: of(({ processorMs, exchanges }) => 1_000 * processorMs / exchanges),
    failures: samples.reduce((sum, { failures }) => sum + failures, 0),
    failure: samples.find(({ failure }) => failure !== undefined)?.failure,
  };
}

/** The servers of this module that the others are compared to. */
const OURS: readonly ServerName[] = ["serve", "open", "framed", "http", "rpc"];

function compare(loaded: readonly Loaded[]): Compared[] {
  const compared: Compared[] = [];
  for (const ours of loaded.filter(({ server }) => OURS.includes(server))) {
    for (const { server, clients, size, exchangesPerSecond: theirs } of loaded) {
      if (OURS.includes(server) || server === "deno") continue;
      const quotients = ratio(ours.exchangesPerSecond.rounds, theirs.rounds);
      const { server: of } = ours;
      compared.push({ of, to: server, clients, size, exchangesPerSecond: quotients });
    }
  }
  return compared;
}

/** Measures some servers, which run all the time, under one load after the other. */
export async function sideBySide(
  names: readonly ServerName[],
  shapes: readonly Shape[],
  plan: Plan,
  progress: (text: string) => void,
): Promise<SideBySide> {
  await using running = new RunningServers(
    names.filter((name) => name !== "deno"),
    needs(shapes),
  );
  const loaded: Loaded[] = [];
  const compared: Compared[] = [];
  for (const shape of shapes) {
    progress(`${shape.clients} clients, ${shape.size} bytes`);
    const rows = await underOneLoad(running.list, shape, plan);
    compared.push(...compare(rows));
    loaded.push(...rows);
    if (names.includes("deno")) {
      loaded.push(summary("deno", shape, await measureDenoNet(shape, plan)));
    }
  }
  return { loaded, compared };
}

async function underOneLoad(
  servers: readonly RunningServer[],
  shape: Shape,
  plan: Plan,
): Promise<Loaded[]> {
  const samples = await interleaved(
    servers,
    plan,
    (server) => measure(server, shape, plan.warmUp),
  );
  return servers.map(({ name }) => summary(name, shape, samples.get(name) ?? []));
}

/** Several measurements as one. */
export function together(parts: readonly SideBySide[]): SideBySide {
  return {
    loaded: parts.flatMap(({ loaded }) => loaded),
    compared: parts.flatMap(({ compared }) => compared),
  };
}
