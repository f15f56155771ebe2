/**
 * What is to be reached, and whether it is.
 *
 * @module
 */

import { CONNECTION_GOALS } from "./connection_goals.ts";
import type { Goal } from "./goal.ts";
import type { Compared, GoalResult, Loaded, Parts } from "./results.ts";
import type { ServerName } from "./server_names.ts";

const KIB = 1_024;

/** `readBufferSize` by default. */
const READ_BUFFER = 64 * KIB;

/** Whole clients of a real load; below, the responder waits for the client. */
const LOADED_CLIENTS = 8;

function versus(to: readonly ServerName[], clients: readonly number[]) {
  const counts = (row: Compared) => to.includes(row.to) && clients.includes(row.clients);
  return ({ throughput }: Parts) =>
    throughput.compared.filter((row) => counts(row) && row.size === SMALL)
      .map(({ exchangesPerSecond }) => exchangesPerSecond.median);
}

/** The size that goals about exchanges, not bytes, are about. */
const SMALL = 64;

function ours(rows: readonly Loaded[]): readonly Loaded[] {
  return rows.filter(({ server }) => server === "serve");
}

/** What an exchange may call, and what comes with a wait. */
const EXPECTED: readonly string[] = [
  "ReadFile",
  "WriteFile",
  "GetLastError",
  "copyIn",
  "copyOut",
  "parkForMultipleObjects",
  "ResetEvent",
  "SetEvent",
];

function otherCalls(calls: Readonly<Record<string, number>>): number {
  return Object.entries(calls).filter(([name]) => !EXPECTED.includes(name))
    .reduce((sum, [, each]) => sum + each, 0);
}

/** Every goal. */
const GOALS: readonly Goal[] = [
  {
    figure: "exchanges/s relative to Microsoft's sample in C, 8 and 32 clients",
    least: 1.3,
    unit: "×",
    digits: 2,
    values: versus(["events"], [8, 32]),
  },
  {
    figure: "exchanges/s relative to node.exe and bun.exe, 8 to 128 clients",
    least: 2,
    unit: "×",
    digits: 2,
    values: versus(["node", "bun"], [8, 32, 128]),
  },
  {
    figure: "exchanges/s relative to the completion port in C, 1 to 128 clients",
    least: 0.9,
    unit: "×",
    digits: 2,
    values: versus(["port"], [1, 8, 32, 128]),
  },
  {
    figure: "slowest client relative to the fastest, 32 and 128 clients",
    least: 0.9,
    unit: "",
    digits: 2,
    values: ({ throughput }) =>
      ours(throughput.loaded)
        .filter(({ clients, size }) => size === SMALL && (clients === 32 || clients === 128))
        .map(({ fairness }) => fairness.median),
  },
  {
    figure: "submissions per exchange",
    most: 2.01,
    label: "2",
    unit: "",
    digits: 2,
    values: ({ counted }) => counted.map(({ perExchange }) => perExchange.submissions),
  },
  {
    figure: "other system calls per exchange, except for waiting",
    most: 0.01,
    label: "0",
    unit: "",
    digits: 3,
    values: ({ counted }) => counted.map(({ perExchange: { calls } }) => otherCalls(calls)),
  },
  {
    figure: "parked waits per exchange, 8 clients or more",
    most: 0.02,
    unit: "",
    digits: 3,
    values: ({ counted }) =>
      counted.filter(({ clients }) => clients >= LOADED_CLIENTS)
        .map(({ perExchange }) => perExchange.waits),
  },
  {
    figure: "CPU time when idle, 0 and 100 clients",
    most: 10,
    unit: " ms in 10 s",
    digits: 1,
    values: ({ idle }) =>
      idle.filter(({ server }) => server === "serve")
        .map(({ processorMs, ofMs }) => 10_000 * processorMs / ofMs),
  },
  {
    figure: "CPU time at 100 exchanges/s, relative to both servers in C",
    most: 2,
    unit: "×",
    digits: 2,
    values: ({ trickle }) =>
      trickle.filter(({ server }) => server === "events" || server === "port")
        .map(({ ratio }) => ratio.median),
  },
  {
    figure: "p99 of 1,000 clients that pause for 1 s, relative to 100 that pause for 100 ms",
    most: 4,
    unit: "×",
    digits: 2,
    values: ({ resting: { few, many } }) =>
      ours(many).flatMap(({ p99 }) => ours(few).map((row) => p99.median / row.p99.median)),
  },
  {
    figure: "exchanges of the least served of those 1,000 clients",
    least: 1,
    unit: "",
    digits: 0,
    values: ({ resting: { many } }) =>
      ours(many).map(({ least, connected, clients }) => connected === clients ? least : 0),
  },
  {
    figure: "memory per silent client, up to 1,000 of them",
    most: 8 + READ_BUFFER / KIB,
    unit: " KiB",
    digits: 1,
    values: ({ memory }) =>
      memory.filter(({ server }) => server === "serve")
        .map(({ filled }) => (filled.at(-1)?.perClient ?? NaN) / KIB),
  },
  {
    figure: "bytes/s with 1 MiB requests, relative to both servers in C",
    least: 0.8,
    unit: "×",
    digits: 2,
    values: ({ large: { compared } }) =>
      compared.filter(({ to }) => to === "events" || to === "port")
        .map(({ exchangesPerSecond }) => exchangesPerSecond.median),
  },
];

function check(goal: Goal, parts: Parts): GoalResult {
  const { figure, least, most, unit, digits, label } = goal;
  const values = goal.values(parts);
  const show = (value: number) => `${value.toFixed(digits)}${unit}`;
  const bound = least ?? most ?? NaN;
  // Where nothing was measured, or too little for a quotient, nothing is reached.
  const value = values.length === 0 || !values.every(Number.isFinite)
    ? NaN
    : least === undefined
    ? Math.max(...values)
    : Math.min(...values);
  return {
    figure,
    goal: label ?? `${least === undefined ? "≤" : "≥"} ${bound}${unit}`,
    measured: Number.isNaN(value)
      ? "-"
      : values.length > 1
      ? `${show(Math.min(...values))} to ${show(Math.max(...values))}`
      : show(value),
    value,
    reached: least === undefined ? value <= bound : value >= bound,
  };
}

/** All goals, reached or not. */
export function checkGoals(parts: Parts): GoalResult[] {
  return [...GOALS, ...CONNECTION_GOALS].map((goal) => check(goal, parts));
}
