/** The benchmark's own reckoning: figures of rounds, goals, tables and traces. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { perExchange } from "../bench/counters.ts";
import { checkGoals } from "../bench/goals.ts";
import { NO_PARTS } from "../bench/no_parts.ts";
import { goalsPart, withPart } from "../bench/readme.ts";
import type { Parts, StreamRow } from "../bench/results.ts";
import { fairness, median, ratio, rotated, spread } from "../bench/statistics.ts";
import { table } from "../bench/table.ts";
import { TraceReader } from "../bench/trace.ts";

Deno.test("median is the middle figure, or the mean of the middle two", () => {
  assertEquals(median([3]), 3);
  assertEquals(median([9, 1, 5]), 5);
  assertEquals(median([4, 1, 10, 2]), 3);
  // By value, not by digits.
  assertEquals(median([10, 9, 100]), 10);
  assertThrows(() => median([]), RangeError);
});

Deno.test("spread and ratio keep every round, and compare a round with the same round", () => {
  assertEquals(spread([2, 8, 4]), { median: 4, min: 2, max: 8, rounds: [2, 8, 4] });
  // The medians, 2 and 2, would be equal.
  assertEquals(ratio([1, 2, 30], [2, 1, 10]).rounds, [0.5, 2, 3]);
  assertThrows(() => ratio([1, 2], [1]), RangeError);
});

Deno.test("rotated begins with another one each round, and keeps the order", () => {
  assertEquals([0, 1, 2, 3].map((round) => rotated(["a", "b", "c"], round).join("")), [
    "abc",
    "bca",
    "cab",
    "abc",
  ]);
  assertEquals(rotated([], 5), []);
});

Deno.test("fairness is the slowest over the fastest, and nothing if nobody is served", () => {
  assertEquals(fairness([8, 10, 9]), 0.8);
  assertEquals(fairness([0, 10]), 0);
  assertEquals(fairness([0, 0]), 0);
});

const COUNTED = {
  exchanges: 10,
  submissions: 24,
  waits: 3,
  copies: 50,
  bytesCopied: 1_000,
  otherCalls: 7,
  calls: { ReadFile: 12 },
};

Deno.test("what a server has done is reckoned between two looks", () => {
  const later = {
    exchanges: 110,
    submissions: 224,
    waits: 4,
    copies: 450,
    bytesCopied: 14_000,
    otherCalls: 7,
    calls: { ReadFile: 112, SetEvent: 50 },
  };
  assertEquals(perExchange(COUNTED, later), {
    exchanges: 100,
    submissions: 2,
    waits: 0.01,
    copies: 4,
    bytesCopied: 130,
    otherCalls: 0,
    calls: { ReadFile: 1, SetEvent: 0.5 },
  });
});

function versusNode(figures: Record<number, number>): Parts {
  const compared = Object.entries(figures).map(([clients, figure]) => ({
    of: "serve" as const,
    to: "node" as const,
    clients: Number(clients),
    size: 64,
    exchangesPerSecond: spread([figure]),
  }));
  return { ...NO_PARTS, throughput: { loaded: [], compared } };
}

function nodeGoal(parts: Parts) {
  const goal = checkGoals(parts).find(({ figure }) => figure.includes("node.exe and bun.exe"));
  assert(goal !== undefined);
  return goal;
}

Deno.test("goals: the worst figure decides, and what was not measured is not reached", () => {
  assertEquals(checkGoals(NO_PARTS).filter(({ reached }) => reached), []);
  const reached = nodeGoal(versusNode({ 8: 2, 32: 3.5 }));
  assertEquals([reached.goal, reached.measured, reached.reached], [
    "≥ 2×",
    "2.00× to 3.50×",
    true,
  ]);
  assertEquals(nodeGoal(versusNode({ 8: 1.99, 32: 3.5 })).reached, false);
  // One client is not among those that this goal is about.
  assertEquals(nodeGoal(versusNode({ 1: 1, 8: 2 })).reached, true);
});

function streamRow(
  server: "streams" | "node",
  direction: "up" | "down",
  rounds: readonly number[],
): StreamRow {
  return {
    server,
    connections: 1,
    chunk: 65_536,
    direction,
    bytesPerSecond: spread(rounds),
    serverProcessor: spread(rounds),
    loadProcessor: spread(rounds),
    connected: 1,
    failures: 0,
  };
}

Deno.test("goals: a stream is compared to those under the same load, round by round", () => {
  const streams = [
    streamRow("streams", "up", [12, 24]),
    streamRow("streams", "down", [30, 30]),
    streamRow("node", "up", [10, 20]),
    streamRow("node", "down", [20, 20]),
  ];
  const goal = (rows: readonly StreamRow[]) =>
    checkGoals({ ...NO_PARTS, streams: rows })
      .find(({ figure }) => figure === "streams, 64 KiB chunks, relative to node.exe");
  assertEquals(goal(streams)?.measured, "1.20× to 1.50×");
  assertEquals(goal(streams)?.reached, true);
  assertEquals(goal([...streams, streamRow("streams", "up", [1, 1])])?.reached, false);
});

Deno.test("goals: calls that are no part of an exchange or a wait count as others", () => {
  const counted = (calls: Record<string, number>) => {
    const row = perExchange({ ...COUNTED, exchanges: 0 }, { ...COUNTED, exchanges: 1 });
    const each = { ...row, calls };
    const rows = [{ server: "serve" as const, clients: 8, size: 64, perExchange: each }];
    const goal = checkGoals({ ...NO_PARTS, counted: rows })
      .find(({ figure }) => figure.startsWith("other system calls"));
    return goal?.reached;
  };
  assertEquals(counted({ ReadFile: 1, WriteFile: 1, copyOut: 3, ResetEvent: 0.1 }), true);
  assertEquals(counted({ ReadFile: 1, WriteFile: 1, PeekNamedPipe: 1 }), false);
});

Deno.test("a table aligns columns of figures at the right, and no others", () => {
  assertEquals(
    table(["server", "1 client"], [["C", "1,234 (5)"], ["bun", "-"]]),
    "| server | 1 client |\n| --- | ---: |\n| C | 1,234 (5) |\n| bun | - |",
  );
  assertEquals(table(["a"], [["x"], ["1"]]), "| a |\n| --- |\n| x |\n| 1 |");
});

Deno.test("the README's part is replaced, and nothing else of it", () => {
  const readme = "before\n<!-- bench -->old<!-- /bench -->\nafter\n";
  const replaced = "before\n<!-- bench -->\n\nnew\n\n<!-- /bench -->\nafter\n";
  assertEquals(withPart(readme, "new"), replaced);
  assertEquals(withPart(replaced, "new"), replaced);
  assertThrows(() => withPart("no marks", "new"), Error, "no <!-- bench -->");
});

Deno.test("the README counts the goals that are reached", () => {
  const goal = (reached: boolean) => ({
    figure: "a",
    goal: "≥ 2×",
    measured: "1×",
    value: 1,
    reached,
  });
  assertEquals(goalsPart([goal(true), goal(false), goal(false)]), [
    "1 of 3 [goals](bench/RESULTS.md) are reached.",
  ]);
  assertEquals(goalsPart([goal(true)]), ["All 1 [goals](bench/RESULTS.md) are reached."]);
});

Deno.test("a trace is counted by process, between the marks only, replies left out", () => {
  const reader = new TraceReader();
  const trace = `0024: init_first_thread( unix_pid=1 )
0024: init_first_thread() = 0 { pid=0020, tid=0024 }
0024: new_thread( process=ffffffff, flags=00000000 )
0024: new_thread() = 0 { tid=0030, handle=0018 }
00f4: init_first_thread() = 0 { pid=00f0, tid=00f4 }
00f4: write( async={} )
0024: create_event( name=L"bench-begin" )
00f4: write( async={} )
00f4: write() = 0 { wait=0000 }
00f4: select( flags=2 )
00f4: select() = PENDING { signaled=0 }
0030: read( async={} )
0099: read( async={} )
0024: create_event( name=L"bench-end" )
00f4: read( async={} )`;
  for (const line of trace.split("\n")) reader.line(line);
  assertEquals(reader.of(0xf0), { all: 2, byName: new Map([["write", 1], ["select", 1]]) });
  // The mark itself, and what a thread asked for that this process had made.
  assertEquals(reader.of(0x20).byName, new Map([["create_event", 1], ["read", 1]]));
  assertEquals(reader.of(0x99).all, 0);
});
