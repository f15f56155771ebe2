/**
 * A collector of OpenTelemetry on loopback: what programs send to it by OTLP, as JSON.
 *
 * @module
 */

/** Names and values. */
export type Attributes = Record<string, string>;

/** A span, as it was sent. */
export interface Span {
  readonly name: string;
  /** 1: internal, 2: server, 3: client. */
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  /** 0: unset, 1: ok, 2: error. */
  readonly status: number;
  readonly message: string | undefined;
  readonly attributes: Attributes;
  readonly scope: string;
}

/** What a histogram has for some attributes. */
export interface Point {
  readonly count: number;
  readonly sum: number;
  readonly bounds: readonly number[];
  readonly attributes: Attributes;
}

/** A histogram. */
export interface Histogram {
  readonly unit: string;
  readonly points: readonly Point[];
}

interface RawAttribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string };
}

interface RawSpan {
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly status?: { readonly code?: number; readonly message?: string };
  readonly attributes?: readonly RawAttribute[];
}

interface RawPoint {
  readonly count: string | number;
  readonly sum: number;
  readonly explicitBounds: readonly number[];
  readonly attributes: readonly RawAttribute[];
}

interface RawMetric {
  readonly name: string;
  readonly unit: string;
  readonly histogram?: { readonly dataPoints: readonly RawPoint[] };
}

interface Request {
  readonly resourceSpans?: readonly {
    readonly scopeSpans: readonly {
      readonly scope: { readonly name: string };
      readonly spans: readonly RawSpan[];
    }[];
  }[];
  readonly resourceMetrics?: readonly {
    readonly scopeMetrics: readonly { readonly metrics: readonly RawMetric[] }[];
  }[];
}

function record(attributes: readonly RawAttribute[] = []): Attributes {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? ""]));
}

/** See the module. */
export class Collector implements AsyncDisposable {
  readonly spans: Span[] = [];
  /** The latest state of each. */
  readonly histograms = new Map<string, Histogram>();
  /** `traceparent` of the requests for `/asked`, which is no part of a collector. */
  readonly parents: (string | null)[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#handle(request),
    );
  }

  /** Its URL, without a slash at its end. */
  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** The environment of a program that sends here what it has. */
  get env(): Record<string, string> {
    return {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_ENDPOINT: this.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_DENO_CONSOLE: "ignore",
    };
  }

  /** The only span of this name. */
  span(name: string): Span {
    const [span, another] = this.spans.filter((span) => span.name === name);
    if (span !== undefined && another === undefined) return span;
    throw new Error(`There is no span "${name}", or more than one: ${JSON.stringify(this.spans)}`);
  }

  async #handle(request: globalThis.Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/asked") {
      this.parents.push(request.headers.get("traceparent"));
      return new Response("yes");
    }
    this.#take(await request.json());
    return Response.json({});
  }

  #take({ resourceSpans = [], resourceMetrics = [] }: Request): void {
    for (const { scope, spans } of resourceSpans.flatMap(({ scopeSpans }) => scopeSpans)) {
      for (const { status = {}, attributes, parentSpanId, ...span } of spans) {
        this.spans.push({
          ...span,
          parentSpanId: parentSpanId || undefined,
          status: status.code ?? 0,
          message: status.message,
          attributes: record(attributes),
          scope: scope.name,
        });
      }
    }
    for (const { metrics } of resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics)) {
      for (const { name, unit, histogram } of metrics) {
        if (histogram === undefined) continue;
        const points = histogram.dataPoints.map(({ count, sum, explicitBounds, attributes }) => ({
          count: Number(count),
          sum,
          bounds: explicitBounds,
          attributes: record(attributes),
        }));
        this.histograms.set(name, { unit, points });
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}
