/** What a server reports to OpenTelemetry, to Deno's own and to any other. */

import { AsyncLocalStorage } from "node:async_hooks";
import { assert, assertEquals, assertMatch, assertStrictEquals } from "@std/assert";
import { exchangeTelemetry } from "../src/exchange/telemetry.ts";
import { inWorld, PATH, type World } from "./fixture.ts";
import { Collector } from "./telemetry/collector.ts";

const REGISTRY = Symbol.for("opentelemetry.js.api.1");

interface Options {
  readonly kind: number;
  readonly root: boolean;
  readonly startTime?: number;
  readonly attributes: Record<string, string>;
}

/** A span, and what became of it. */
class Span {
  readonly name: string;
  readonly options: Options;
  readonly attributes: Record<string, string>;
  status: { code: number; message?: string } | undefined = undefined;
  ends = 0;

  constructor(name: string, options: Options) {
    this.name = name;
    this.options = options;
    this.attributes = { ...options.attributes };
  }

  setAttributes(attributes: Record<string, string>): void {
    Object.assign(this.attributes, attributes);
  }

  setStatus(status: { code: number; message?: string }): void {
    this.status = status;
  }

  end(): void {
    this.ends++;
  }
}

/** Providers of an SDK that is not Deno's. */
class Providers {
  readonly spans: Span[] = [];
  readonly durations: [value: number, attributes: Record<string, string>][] = [];
  readonly #active = new AsyncLocalStorage<Span>();
  readonly trace = {
    getTracer: () => ({
      startActiveSpan: (name: string, options: Options, call: (span: Span) => void) => {
        const span = new Span(name, options);
        this.spans.push(span);
        this.#active.run(span, call, span);
      },
    }),
  };
  readonly metrics = {
    getMeter: () => ({
      createHistogram: () => ({
        record: (value: number, attributes: Record<string, string>) => {
          this.durations.push([value, attributes]);
        },
      }),
    }),
  };

  /** The span that the running code belongs to. */
  get active(): Span | undefined {
    return this.#active.getStore();
  }
}

/** A test in a world in which these are registered; others than `Providers` as they are. */
function withProviders(
  name: string,
  body: (world: World, providers: Providers) => Promise<void>,
  choose: (providers: Providers) => unknown = (providers) => providers,
): void {
  inWorld(name, async (world) => {
    const providers = new Providers();
    Reflect.set(globalThis, REGISTRY, choose(providers));
    try {
      await body(world, providers);
      await world.close();
    } finally {
      Reflect.deleteProperty(globalThis, REGISTRY);
    }
  });
}

const COMMON = { "rpc.system.name": "named_pipe", "server.address": PATH };

Deno.test("telemetry: there is none unless providers are registered", () => {
  const some = () => exchangeTelemetry(PATH, () => 0);
  try {
    assertEquals(some(), undefined);
    for (const registry of [null, 1, {}, { trace: null, metrics: {} }, { propagation: {} }]) {
      Reflect.set(globalThis, REGISTRY, registry);
      assertEquals(some(), undefined);
    }
  } finally {
    Reflect.deleteProperty(globalThis, REGISTRY);
  }
});

withProviders("telemetry: an exchange is a span and a duration", async (world, providers) => {
  world.serve((request) => request);
  await world.visit("hello");
  const [span, another] = providers.spans;
  assertEquals([span?.name, span?.ends, span?.status, another], [
    "named_pipe",
    1,
    undefined,
    undefined,
  ]);
  assertEquals(span?.options, {
    kind: 1,
    root: true,
    attributes: { ...COMMON, "network.transport": "pipe" },
  });
  assertEquals(span?.attributes, span?.options.attributes);
  assertEquals(providers.durations, [[0, COMMON]]);
});

withProviders(
  "telemetry: the responder belongs to its span, whatever it awaits or yields",
  async (world, providers) => {
    const seen: (Span | undefined)[] = [];
    const pause = Promise.withResolvers<void>();
    world.serve(async function* (_request) {
      seen.push(providers.active);
      await pause.promise;
      seen.push(providers.active);
      yield "one";
      seen.push(providers.active);
    });
    const client = await world.asking("hello");
    assertEquals(providers.spans.map(({ ends }) => ends), [0]);
    await world.pass(2_000);
    pause.resolve();
    await world.idle();
    const [span] = providers.spans;
    assert(span !== undefined);
    assertEquals(seen, [span, span, span]);
    assertEquals([span.ends, providers.durations], [1, [[2, COMMON]]]);
    client.close();
  },
);

withProviders(
  "telemetry: what the server does otherwise belongs to no span",
  async (world, providers) => {
    const seen: (Span | undefined)[] = [];
    const see = () => void seen.push(providers.active);
    world.serve((request, { client }) => {
      // Both queue a turn, which serves everybody.
      client.send("pushed");
      return request;
    }, { onConnect: see, onDisconnect: see, authorize: () => (see(), true) });
    await world.visit("first");
    await world.visit("second");
    assertEquals(seen, Array(6).fill(undefined));
  },
);

withProviders(
  "telemetry: what a responder throws is the error of its span, answered or not",
  async (world, providers) => {
    world.serve((_request, exchange) => {
      const question = exchange.text();
      if (question === "later") return Promise.reject(new Deno.errors.NotFound("not here"));
      if (question === "anything") throw question;
      throw new RangeError("out of range");
    }, { onError: () => "sorry" });
    for (const question of ["at once", "later", "anything"]) {
      assertEquals(await world.visit(question), "sorry");
    }
    assertEquals(providers.spans.map(({ status, ends }) => [status, ends]), [
      [{ code: 2, message: "out of range" }, 1],
      [{ code: 2, message: "not here" }, 1],
      [{ code: 2, message: "" }, 1],
    ]);
    const types = ["RangeError", "NotFound", "_OTHER"];
    assertEquals(providers.spans.map(({ attributes }) => attributes["error.type"]), types);
    assertEquals(
      providers.durations,
      types.map((type) => [0, { ...COMMON, "error.type": type }]),
    );
    assertEquals(providers.spans[0]?.attributes["exception.message"], "out of range");
    assertMatch(providers.spans[0]?.attributes["exception.stacktrace"] ?? "", /telemetry_test/);
  },
);

withProviders(
  "telemetry: a limit that ends an exchange is an error, a client that leaves is none",
  async (world, providers) => {
    const aborted = (signal: AbortSignal) =>
      new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    world.serve((_request, { signal }) => aborted(signal), { responderTimeout: 1_000 });
    const slow = await world.asking("too slow");
    await world.pass(1_000);
    const gone = await world.asking("too fast");
    gone.close();
    await world.idle();
    slow.close();
    assertEquals(
      providers.spans.map(({ status, attributes }) => [
        status?.code,
        attributes["error.type"],
      ]),
      [[2, "TimedOut"], [undefined, undefined]],
    );
    assertEquals(providers.spans.map(({ ends }) => ends), [1, 1]);
  },
);

withProviders(
  "telemetry: the time that a request waits for a responder counts",
  async (world, providers) => {
    const pauses: (() => void)[] = [];
    world.serve(() => new Promise<void>((resolve) => pauses.push(resolve)), { concurrency: 1 });
    const before = Date.now();
    const clients = [await world.asking("first"), await world.asking("second")];
    for (let i = 0; i < clients.length; i++) {
      await world.pass(3_000);
      pauses[i]?.();
      await world.idle();
    }
    assertEquals(providers.durations.map(([seconds]) => seconds), [3, 6]);
    const [first, second] = providers.spans.map(({ options }) => options.startTime);
    assertEquals(first, undefined);
    assert(second !== undefined && second >= before && second <= Date.now());
    for (const client of clients) client.close();
  },
);

withProviders("telemetry: durations alone are enough", async (world, providers) => {
  world.serve((request) => request);
  await world.assertServed();
  assertEquals([providers.spans, providers.durations], [[], [[0, COMMON]]]);
}, ({ metrics }) => ({ metrics }));

const broken = new Error("broken");
const fail = () => {
  throw broken;
};

for (
  const [what, choose] of [
    ["that has no tracer", () => ({ trace: { getTracer: fail } })],
    ["whose spans do not start", () => ({
      trace: { getTracer: () => ({ startActiveSpan: fail }) },
    })],
    ["that records nothing", ({ trace }: Providers) => ({
      trace,
      metrics: { getMeter: () => ({ createHistogram: () => ({ record: fail }) }) },
    })],
  ] as const
) {
  withProviders(
    `telemetry: a provider ${what} is reported once, and disturbs nothing`,
    async (world) => {
      world.serve((request) => request);
      for (let i = 0; i < 3; i++) await world.assertServed();
      assertEquals(world.reports.length, 1);
      assertStrictEquals(world.reports.pop(), broken);
    },
    choose,
  );
}

Deno.test("telemetry: with OTEL_DENO=true spans nest, requests carry them on, and durations are sent", async () => {
  await using collector = new Collector();
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--allow-net=127.0.0.1",
      new URL("telemetry/program.ts", import.meta.url).href,
      `${collector.url}/asked`,
    ],
    env: { NO_COLOR: "1", ...collector.env },
  }).output();
  const decoder = new TextDecoder();
  assertEquals(decoder.decode(stderr), "");
  assertEquals([code, decoder.decode(stdout)], [0, "yes\nfailed: out of range\n"]);

  const exchanges = collector.spans.filter(({ name }) => name === "named_pipe");
  const path = "\\\\.\\pipe\\traced";
  for (const { kind, parentSpanId, attributes, scope } of exchanges) {
    assertEquals([kind, parentSpanId, scope], [2, undefined, "@overlapped/named-pipe"]);
    assertEquals(attributes["server.address"], path);
    assertEquals(attributes["network.transport"], "pipe");
  }
  const failed = exchanges.filter(({ status }) => status === 2);
  assertEquals(failed.map(({ message }) => message), ["out of range"]);
  const answered = exchanges.filter(({ status }) => status !== 2);
  assertEquals(answered.length, 1);
  const { traceId, spanId } = answered[0] ?? {};

  const inner = collector.span("inner");
  assertEquals([inner.traceId, inner.parentSpanId], [traceId, spanId]);
  const fetched = collector.span("GET");
  assertEquals([fetched.traceId, fetched.parentSpanId], [traceId, spanId]);
  assertEquals(collector.parents, [`00-${traceId}-${fetched.spanId}-01`]);

  const durations = collector.histograms.get("rpc.server.call.duration");
  assertEquals(durations?.unit, "s");
  const points = durations?.points ?? [];
  assertEquals(points.map(({ count }) => count), [1, 1]);
  for (const { attributes, bounds, sum } of points) {
    assertEquals(attributes["server.address"], path);
    assertEquals(bounds.length, 14);
    assert(sum >= 0 && sum < 60);
  }
  const types = points.map(({ attributes }) => attributes["error.type"]);
  assertEquals(types.toSorted(), ["RangeError", undefined]);
});
