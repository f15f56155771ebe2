/**
 * The parts that compare servers under load.
 *
 * @module
 */

import type { Plan } from "../plan.ts";
import type { Parts, SideBySide } from "../results.ts";
import { SERVER_NAMES } from "../server_names.ts";
import { canServe } from "../servers.ts";
import { sideBySide, together } from "./side_by_side.ts";

type Progress = (text: string) => void;

/** All servers, with so many clients and messages so long. Those for more clients are new ones. */
export async function throughputPart(plan: Plan, progress: Progress): Promise<SideBySide> {
  const parts: SideBySide[] = [];
  const { clients, sizes, ...times } = plan.throughput;
  for (const count of clients) {
    const measure = times.measure + count * times.measureMore;
    const shapes = sizes.map((size) => ({ clients: count, size, measure }));
    parts.push(await sideBySide(SERVER_NAMES, shapes, plan, progress));
  }
  return together(parts);
}

/** What an exchange costs as clients grow, in servers that keep running. */
export async function growthPart(plan: Plan, progress: Progress): Promise<SideBySide> {
  const { clients, measure } = plan.growth;
  const shapes = clients.map((count) => ({ clients: count, size: 64, measure }));
  return await sideBySide(["serve", "port", "node", "bun"], shapes, plan, progress);
}

/** Few clients that ask often, and many that ask seldom. */
export async function restingPart(plan: Plan, progress: Progress): Promise<Parts["resting"]> {
  const { few, many, measure } = plan.resting;
  const shapes = [{ ...few, size: 64, measure }, { ...many, size: 64, measure }];
  // At first all ask at the same time, and are identified.
  const warmUp = 3 * many.rest;
  const once = { ...plan, rounds: Math.min(plan.rounds, 3), warmUp };
  const { loaded } = await sideBySide(["serve", "port", "node"], shapes, once, progress);
  return {
    few: loaded.filter(({ clients }) => clients === few.clients),
    many: loaded.filter(({ clients }) => clients === many.clients),
  };
}

/** Long messages. */
export async function largePart(plan: Plan, progress: Progress): Promise<SideBySide> {
  const names = ["serve", "events", "port", "node", "bun"] as const;
  return await sideBySide(names, [plan.large], plan, progress);
}

/** This module and an earlier state of it; nothing where that is not there. */
export async function beforePart(plan: Plan, progress: Progress): Promise<SideBySide> {
  if (!canServe("before", 1)) return { loaded: [], compared: [] };
  const { clients, measure } = plan.before;
  const shapes = clients.map((count) => ({ clients: count, size: 64, measure }));
  return await sideBySide(["serve", "before"], shapes, plan, progress);
}

/** Clients that connect, make one exchange, and leave. */
export async function visitsPart(plan: Plan, progress: Progress): Promise<SideBySide> {
  const { clients, measure } = plan.visits;
  const shapes = clients.map((count) =>
    ({ clients: count, size: 64, measure, kind: "visits" }) as const
  );
  return await sideBySide(["serve", "open", "port", "node"], shapes, plan, progress);
}

/** Requests of a protocol to two servers of it. */
async function protocolPart(
  kind: "get" | "post" | "rpc",
  plan: Plan,
  progress: Progress,
): Promise<SideBySide> {
  const { clients, warmUp, measure } = plan.protocols;
  const shapes = clients.map((count) => ({ clients: count, size: 64, measure, kind }));
  const names = kind === "rpc" ? ["rpc", "nodeRpc"] as const : ["http", "nodeHttp"] as const;
  return await sideBySide(names, shapes, { ...plan, warmUp }, progress);
}

/** HTTP requests without a body. */
export async function httpGetPart(plan: Plan, progress: Progress): Promise<SideBySide> {
  return await protocolPart("get", plan, progress);
}

/** HTTP requests with a body. */
export async function httpPostPart(plan: Plan, progress: Progress): Promise<SideBySide> {
  return await protocolPart("post", plan, progress);
}

/** JSON-RPC requests. */
export async function jsonRpcPart(plan: Plan, progress: Progress): Promise<SideBySide> {
  return await protocolPart("rpc", plan, progress);
}

/** Exchanges of lines over a pipe of bytes. */
export async function framedPart(plan: Plan, progress: Progress): Promise<SideBySide> {
  const { clients, measure } = plan.framed;
  const shapes = clients.map((count) =>
    ({ clients: count, size: 64, measure, kind: "lines" }) as const
  );
  return await sideBySide(["framed", "node"], shapes, plan, progress);
}
