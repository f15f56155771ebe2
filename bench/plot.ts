/**
 * The plots of the results.
 *
 * @module
 */

import { parse, View } from "npm:vega@6.4.0";
import { compile, type TopLevelSpec } from "npm:vega-lite@6.5.0";
import type { Results, SideBySide } from "./results.ts";
import { SERVER_TITLES, type ServerName } from "./server_names.ts";
import type { Spread } from "./statistics.ts";

/** Colours by day, and those that take their place by night. */
const TEXT = { day: "#1f2328", night: "#e6edf3" };
const RULE = { day: "#d1d9e0", night: "#3d444d" };
const WHISKER = { day: "#59636e", night: "#9198a1" };
const OURS = { day: "#0969da", night: "#4493f8" };
const NATIVE = { day: "#818b98", night: "#656c76" };
const OTHERS = { day: "#c8ced5", night: "#454c54" };

const COLOURS = [TEXT, RULE, WHISKER, OURS, NATIVE, OTHERS];

const KINDS: Record<ServerName, keyof typeof KIND_COLOURS> = {
  serve: "this module",
  exchanges: "this module",
  open: "this module",
  before: "this module",
  framed: "this module",
  streams: "this module",
  readWrite: "this module",
  byob: "this module",
  listen: "this module",
  http: "this module",
  rpc: "this module",
  events: "written in C",
  port: "written in C",
  node: "other runtimes",
  bun: "other runtimes",
  deno: "other runtimes",
  nodeHttp: "other runtimes",
  nodeRpc: "other runtimes",
};

const KIND_COLOURS = { "this module": OURS, "written in C": NATIVE, "other runtimes": OTHERS };

const FONT = "system-ui, -apple-system, 'Segoe UI', sans-serif";

/** Bytes of the messages whose exchanges are drawn, and of the chunks. */
const SIZE = 64;
const CHUNK = 65_536;

const MIB = 1_048_576;

/** A bar, with its range. */
interface Bar {
  readonly server: ServerName;
  /** The group that it belongs to. */
  readonly group: string;
  readonly figure: Spread;
}

interface Plot {
  readonly title: string;
  /** What the figures are. */
  readonly unit: string;
  readonly bars: readonly Bar[];
}

function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

function loadedBars({ loaded }: SideBySide, size: number): Bar[] {
  return loaded
    .filter((row) => row.size === size && row.connected === row.clients)
    .map(({ server, clients, exchangesPerSecond }) => ({
      server,
      group: counted(clients, "client"),
      figure: exchangesPerSecond,
    }));
}

const WAYS = { up: "to the server", down: "from the server", both: "both ways at once" };

function streamBars({ streams }: Results): Bar[] {
  return streams.filter(({ chunk }) => chunk === CHUNK)
    .map(({ server, connections, direction, bytesPerSecond: { median, min, max, rounds } }) => ({
      server,
      group: `${counted(connections, "connection")}, ${WAYS[direction]}`,
      figure: { median: median / MIB, min: min / MIB, max: max / MIB, rounds },
    }));
}

/** The plots, by the names of their files. */
function plots(results: Results): Record<string, Plot> {
  return {
    results: {
      title: `Echo of ${SIZE} bytes`,
      unit: "exchanges per second",
      bars: loadedBars(results.throughput, SIZE),
    },
    streams: {
      title: `Streams, chunks of ${CHUNK / 1_024} KiB`,
      unit: "MiB per second",
      bars: streamBars(results),
    },
    visits: {
      title: "Connect, one exchange, leave",
      unit: "connections per second",
      bars: loadedBars(results.visits, SIZE),
    },
    framed: {
      title: `Echo of lines of ${SIZE} bytes`,
      unit: "exchanges per second",
      bars: loadedBars(results.framed, SIZE),
    },
  };
}

function specification({ title, unit, bars }: Plot, { environment, plan }: Results): TopLevelSpec {
  const { date, system } = environment;
  const y = {
    field: "server",
    sort: Object.values(SERVER_TITLES),
    title: null,
    axis: { labelLimit: 300 },
  } as const;
  const x = { type: "quantitative", title: unit } as const;
  const values = bars.map(({ server, group, figure: { median, min, max } }) => ({
    server: SERVER_TITLES[server],
    kind: KINDS[server],
    group,
    median,
    min,
    max,
  }));
  const kinds = Object.keys(KIND_COLOURS);
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: {
      text: `${title}, ${system}`,
      subtitle: `medians and ranges of ${plan.rounds} interleaved rounds, ${date}`,
      anchor: "start",
    },
    data: { values },
    facet: {
      field: "group",
      type: "nominal",
      sort: [...new Set(bars.map(({ group }) => group))],
      header: { title: null },
    },
    columns: 2,
    spec: {
      width: 260,
      height: { step: 18 },
      layer: [
        {
          mark: { type: "bar", height: { band: 0.75 } },
          encoding: {
            y,
            x: { ...x, field: "median" },
            color: {
              field: "kind",
              type: "nominal",
              title: null,
              sort: kinds,
              scale: {
                domain: kinds,
                range: Object.values(KIND_COLOURS).map(({ day }) => day),
              },
              legend: { orient: "bottom" },
            },
          },
        },
        {
          mark: { type: "rule", color: WHISKER.day, strokeWidth: 1.5 },
          encoding: { y, x: { ...x, field: "min" }, x2: { field: "max" } },
        },
      ],
    },
    config: {
      background: "transparent",
      font: FONT,
      view: { stroke: null },
      title: { color: TEXT.day, subtitleColor: TEXT.day },
      axis: {
        labelColor: TEXT.day,
        titleColor: TEXT.day,
        titleFontWeight: "normal",
        gridColor: RULE.day,
        domainColor: RULE.day,
        tickColor: RULE.day,
      },
      header: { labelColor: TEXT.day, labelFontWeight: "bold", labelAnchor: "start" },
      legend: { labelColor: TEXT.day },
    },
  };
}

/** Attributes of SVG give way to any rule of CSS, so each colour is replaced where it stands. */
function nightStyle(): string {
  const rules = COLOURS.map(({ day, night }) =>
    `[fill="${day}"]{fill:${night}}[stroke="${day}"]{stroke:${night}}`
  );
  return `<style>@media (prefers-color-scheme:dark){${rules.join("")}}</style>`;
}

async function draw(specification: TopLevelSpec): Promise<string> {
  const view = new View(parse(compile(specification).spec), { renderer: "none" });
  const svg = await view.toSVG();
  view.finalize();
  return svg.replace(/<svg[^>]*>/, (tag) => tag + nightStyle()) + "\n";
}

/** Images in SVG that follow the reader's choice of light or dark, by the names of their files. */
export async function drawPlots(results: Results): Promise<Map<string, string>> {
  const images = new Map<string, string>();
  for (const [name, plot] of Object.entries(plots(results))) {
    images.set(`${name}.svg`, await draw(specification(plot, results)));
  }
  return images;
}
