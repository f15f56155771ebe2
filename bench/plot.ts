/**
 * The plot of the results.
 *
 * @module
 */

import { parse, View } from "npm:vega@6.4.0";
import { compile, type TopLevelSpec } from "npm:vega-lite@6.5.0";
import type { Results } from "./results.ts";
import { SERVER_TITLES, type ServerName } from "./server_names.ts";

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
  events: "written in C",
  port: "written in C",
  node: "other runtimes",
  bun: "other runtimes",
  deno: "other runtimes",
};

const KIND_COLOURS = { "this module": OURS, "written in C": NATIVE, "other runtimes": OTHERS };

const FONT = "system-ui, -apple-system, 'Segoe UI', sans-serif";

/** Bytes of the messages whose exchanges are drawn. */
const SIZE = 64;

function rows({ throughput }: Results): Record<string, unknown>[] {
  return throughput.loaded
    .filter(({ size, connected, clients }) => size === SIZE && connected === clients)
    .map(({ server, clients, exchangesPerSecond: { median, min, max } }) => ({
      server: SERVER_TITLES[server],
      kind: KINDS[server],
      clients: `${clients} ${clients === 1 ? "client" : "clients"}`,
      median,
      min,
      max,
    }));
}

function specification(results: Results): TopLevelSpec {
  const { date, system } = results.environment;
  const y = {
    field: "server",
    sort: Object.values(SERVER_TITLES),
    title: null,
    axis: { labelLimit: 300 },
  } as const;
  const x = { type: "quantitative", title: "exchanges per second" } as const;
  const kinds = Object.keys(KIND_COLOURS);
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: {
      text: `Echo of ${SIZE} bytes, ${system}`,
      subtitle: `medians and ranges of ${results.plan.rounds} interleaved rounds, ${date}`,
      anchor: "start",
    },
    data: { values: rows(results) },
    facet: {
      field: "clients",
      type: "nominal",
      sort: results.plan.throughput.clients.map((n) => `${n} ${n === 1 ? "client" : "clients"}`),
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

/** An image in SVG that follows the reader's choice of light or dark. */
export async function plot(results: Results): Promise<string> {
  const view = new View(parse(compile(specification(results)).spec), { renderer: "none" });
  const svg = await view.toSVG();
  view.finalize();
  return svg.replace(/<svg[^>]*>/, (tag) => tag + nightStyle()) + "\n";
}
