/**
 * What people read of the results: `RESULTS.md`, `results.svg`, and a part of the README.
 *
 * @module
 */

import { byClients, bytes, KIB, MIB, perSecond, range, ratioTable, whole } from "./cells.ts";
import { drawPlots } from "./plot.ts";
import { goalsPart, withPart } from "./readme.ts";
import { connectionSections } from "./report_connections.ts";
import type { CountedRow, Results } from "./results.ts";
import { SERVER_TITLES } from "./server_names.ts";
import { type Cell, table } from "./table.ts";

function where({ environment: { date, system, processors, versions } }: Results): string {
  const { deno, node, bun } = versions;
  return `Measured ${system} on ${processors} processors, ${date}, with Deno ${deno}, Node ${node} ` +
    `and Bun ${bun}.`;
}

function goalTable({ goals }: Results): string {
  return table(
    ["figure", "goal", "measured", "reached"],
    goals.map(({ figure, goal, measured, reached }) => [
      figure,
      goal,
      measured,
      reached ? "yes" : "**no**",
    ]),
  );
}

function throughputSections({ throughput, plan }: Results): string[] {
  const { clients, sizes } = plan.throughput;
  return sizes.flatMap((size) => {
    const rows = throughput.loaded.filter((row) => row.size === size);
    const compared = throughput.compared.filter((row) => row.size === size);
    return [
      `## ${bytes(size)}`,
      "Exchanges per second (median):",
      byClients(rows, clients, perSecond),
      "Throughput of `serve` relative to the others, by number of clients: the median of the ratios " +
      "of each round, and their range:",
      ratioTable(compared, clients),
      "Latency of an exchange in microseconds, p50 / p99:",
      byClients(rows, clients, ({ p50, p99 }) => `${whole(p50.median)} / ${whole(p99.median)}`),
      "Fairness: the exchanges of the slowest client divided by those of the fastest:",
      byClients(rows, clients, ({ fairness }) => fairness.median.toFixed(2)),
      "CPU time of the server per exchange in microseconds, with that of the load generator in " +
      "parentheses:",
      byClients(
        rows,
        clients,
        (row) => `${whole(row.serverProcessor.median)} (${whole(row.loadProcessor.median)})`,
      ),
    ];
  });
}

const NOT_SUBMITTED = ["ConnectNamedPipe", "ReadFile", "WriteFile"];

function callList({ perExchange: { calls } }: CountedRow): string {
  return Object.entries(calls)
    .filter(([name, each]) => !NOT_SUBMITTED.includes(name) && each >= 0.005)
    .map(([name, each]) => `${name} ${each.toFixed(2)}`).join(", ");
}

function beforeSections({ before, plan: { before: { clients } } }: Results): string[] {
  if (before.loaded.length === 0) return [];
  return [
    "## Before connections",
    "Exchanges of 64 bytes per second of this module, and as it was before it had connections:",
    byClients(before.loaded, clients, perSecond),
    ratioTable(before.compared, clients),
  ];
}

function countedTable({ counted }: Results): string {
  return table(
    ["server", "clients", "size", "submissions", "parked waits", "bytes copied", "other calls"],
    counted.map((row) => [
      row.server,
      whole(row.clients),
      bytes(row.size),
      row.perExchange.submissions.toFixed(3),
      row.perExchange.waits.toFixed(4),
      whole(row.perExchange.bytesCopied),
      callList(row),
    ]),
  );
}

function restSections({ idle, memory, start }: Results): string[] {
  return [
    "## Idle",
    "CPU time in milliseconds, all servers measured at the same time:",
    table(
      ["server", "clients", "milliseconds", "measured for"],
      idle.map(({ server, clients, processorMs, ofMs }) => [
        SERVER_TITLES[server],
        whole(clients),
        processorMs.toFixed(1),
        `${(ofMs / 1_000).toFixed(1)} s`,
      ]),
    ),
    "Private memory:",
    table(
      ["server", "clients", "MiB", "KiB per client"],
      memory.flatMap(({ server, empty, filled }) => [
        [SERVER_TITLES[server], "0", (empty / MIB).toFixed(1), "-"],
        ...filled.map(({ clients, bytes, perClient }) => [
          SERVER_TITLES[server],
          whole(clients),
          (bytes / MIB).toFixed(1),
          (perClient / KIB).toFixed(1),
        ]),
      ]),
    ),
    "Time from the start of the process to the first reply, in milliseconds:",
    table(
      ["server", "milliseconds"],
      start.map(({ server, firstExchange }) => [SERVER_TITLES[server], range(firstExchange, 0)]),
    ),
  ];
}

function restingRows({ few, many }: Results["resting"]): Cell[][] {
  return [...few, ...many].map((row) => [
    SERVER_TITLES[row.server],
    whole(row.clients),
    perSecond(row),
    `${whole(row.p50.median)} / ${whole(row.p99.median)}`,
    whole(row.least),
    whole(row.serverProcessor.median),
  ]);
}

function otherSections({ growth, resting, trickle, large, plan }: Results): string[] {
  const { few, many } = plan.resting;
  return [
    "## Growing numbers of clients",
    "CPU time of the server per exchange of 64 bytes, in microseconds, and exchanges per second:",
    byClients(
      growth.loaded,
      plan.growth.clients,
      (row) => `${whole(row.serverProcessor.median)}, ${perSecond(row)}/s`,
    ),
    "## Clients that pause",
    `${whole(few.clients)} clients that pause for ${whole(few.rest)} ms after each reply, and ` +
    `${whole(many.clients)} that pause for ${whole(many.rest)} ms:`,
    table(
      ["server", "clients", "exchanges/s", "p50 / p99, µs", "fewest of a client", "CPU, µs"],
      restingRows(resting),
    ),
    "## One connection, 100 exchanges per second",
    table(
      ["server", "exchanges/s", "CPU, ms in 1 s", "serve relative to it"],
      trickle.map(({ server, exchangesPerSecond, processor, ratio }) => [
        SERVER_TITLES[server],
        exchangesPerSecond.toFixed(0),
        range(processor, 1),
        range(ratio, 2),
      ]),
    ),
    `## ${bytes(plan.large.size)}`,
    `${plan.large.clients} clients:`,
    table(
      ["server", "MiB/s in each direction", "serve relative to it"],
      large.loaded.map(({ server, exchangesPerSecond, size }) => {
        const row = large.compared.find(({ to }) => to === server);
        return [
          SERVER_TITLES[server],
          whole(exchangesPerSecond.median * size / MIB),
          row === undefined ? "-" : range(row.exchangesPerSecond, 2),
        ];
      }),
    ),
  ];
}

function callsOf(byName: Readonly<Record<string, number>>): string {
  return Object.entries(byName).map(([name, each]) => `${name} ${each.toFixed(2)}`).join(", ");
}

function tracedSections({ traced, tracedStreams }: Results): string[] {
  if (traced.length === 0) return [];
  return [
    "## Requests to the Wine server",
    "Under Wine, the Wine server takes the place of the Windows kernel. These are the requests that " +
    "the process of each server made to it, per exchange of 64 bytes:",
    table(
      ["server", "clients", "requests", "of which"],
      traced.map(({ server, clients, requests, byName }) => [
        SERVER_TITLES[server],
        whole(clients),
        requests.toFixed(2),
        callsOf(byName),
      ]),
    ),
    "And per chunk of 64 KiB over one connection:",
    table(
      ["server", "direction", "requests", "of which"],
      tracedStreams.map(({ server, direction, requests, byName }) => [
        SERVER_TITLES[server],
        direction,
        requests.toFixed(2),
        callsOf(byName),
      ]),
    ),
  ];
}

function results(all: Results): string {
  return [
    "<!-- Written by `deno task bench`. -->",
    "# This module side by side with other servers",
    `${
      where(all)
    } Every server echoes messages for the same load generator, a program in C. Each of ` +
    "its clients sends the next request as soon as the reply has arrived. The servers take turns, in " +
    `rotating order, for ${all.plan.rounds} rounds after ${all.plan.warmUpRounds} to warm up. Under ` +
    "Wine, every system call is a request to another process, so use these figures for comparison " +
    "only. To measure on Windows, run `deno task bench` there.",
    "Microsoft's sample is rebuilt as an echo server with one instance per client, up to its limit of " +
    "64. Deno's `node:net` stops accepting after four connections, so it is measured after the " +
    "others, with a new server each time.",
    "![Exchanges per second](results.svg)",
    goalTable(all),
    ...throughputSections(all),
    ...beforeSections(all),
    "## Calls per exchange",
    countedTable(all),
    ...tracedSections(all),
    ...restSections(all),
    ...otherSections(all),
    ...connectionSections(all),
  ].join("\n\n") + "\n";
}

function readmePart(all: Results): string {
  return [
    where(all),
    "![Exchanges per second, side by side](bench/results.svg)",
    ...goalsPart(all.goals),
  ].join("\n\n");
}

/**
 * Writes the page and the plots into a folder, and updates the README's part.
 *
 * @returns The files in the folder.
 */
export async function writeReport(all: Results, folder: string, readme: string): Promise<string[]> {
  const files = new Map([...await drawPlots(all), ["RESULTS.md", results(all)]]);
  for (const [name, text] of files) await Deno.writeTextFile(`${folder}/${name}`, text);
  const text = await Deno.readTextFile(readme);
  await Deno.writeTextFile(readme, withPart(text, readmePart(all)));
  return [...files.keys()];
}
