/**
 * Reports exchanges to OpenTelemetry: a span for each, and how long it took.
 *
 * The providers are those that are registered for `@opentelemetry/api`, which keeps them in the
 * global object: Deno's own with `OTEL_DENO=true`, or those of an SDK that the program has set up.
 * That needs neither a dependency nor a permission. Names follow the semantic conventions for RPC.
 *
 * @see {@link https://docs.deno.com/runtime/fundamentals/open_telemetry/}
 * @see {@link https://opentelemetry.io/docs/specs/semconv/rpc/rpc-spans/}
 *
 * @module
 */

import { VERSION } from "../kernel/version.ts";
import { report } from "../server/user_code.ts";
import type { ServerExchange } from "./exchange.ts";

/** Where every 1.x version of `@opentelemetry/api` looks for what is registered. */
const REGISTRY = Symbol.for("opentelemetry.js.api.1");

const SCOPE = "@overlapped/named-pipe";
const SCHEMA = { schemaUrl: "https://opentelemetry.io/schemas/1.44.0" };

/** `rpc.system.name`. As the method of a request is unknown, the span has this name too. */
const SYSTEM = "named_pipe";

/** `SpanKind.SERVER` and `SpanStatusCode.ERROR` of the API. */
const SERVER = 1;
const ERROR = 2;

/** The boundaries that the conventions ask for, in seconds. */
const BOUNDARIES = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

type Attributes = Readonly<Record<string, string>>;

/** What is used of the API's interfaces of the same names. */
interface Span {
  setAttributes(attributes: Attributes): unknown;
  setStatus(status: { code: number; message?: string }): unknown;
  end(): void;
}

interface Tracer {
  startActiveSpan(
    name: string,
    options: { kind: number; root: boolean; startTime?: number; attributes: Attributes },
    call: (span: Span) => void,
  ): void;
}

interface Histogram {
  record(value: number, attributes: Attributes): void;
}

interface Meter {
  createHistogram(name: string, options: {
    description: string;
    unit: string;
    advice: { explicitBucketBoundaries: number[] };
  }): Histogram;
}

interface TracerProvider {
  getTracer(name: string, version: string, options: typeof SCHEMA): Tracer;
}

interface MeterProvider {
  getMeter(name: string, version: string, options: typeof SCHEMA): Meter;
}

/** Answers an exchange; gives what must be awaited, if anything. Never throws. */
type Respond = (exchange: ServerExchange) => Promise<void> | undefined;

/** When a request arrived. */
interface Arrival {
  /** By the clock of the kernel, and in milliseconds since the epoch. */
  readonly at: number;
  readonly date: number;
}

/**
 * The telemetry of a server; undefined if nobody has asked for it.
 *
 * @param path The full name of the pipe.
 * @param now The clock of the kernel.
 */
export function exchangeTelemetry(
  path: string,
  now: () => number,
): ExchangeTelemetry | undefined {
  const registered: unknown = Reflect.get(globalThis, REGISTRY);
  if (typeof registered !== "object" || registered === null) return undefined;
  try {
    const tracer = tracerOf(Reflect.get(registered, "trace"));
    const durations = durationsOf(Reflect.get(registered, "metrics"));
    if (tracer === undefined && durations === undefined) return undefined;
    return new ExchangeTelemetry(path, now, tracer, durations);
  } catch (error) {
    report(error);
    return undefined;
  }
}

/** See the module. */
export class ExchangeTelemetry {
  readonly #now: () => number;
  readonly #attributes: { readonly span: Attributes; readonly duration: Attributes };
  #tracer: Tracer | undefined;
  #durations: Histogram | undefined;
  /** Of the requests that had to wait for a responder. */
  readonly #arrivals = new WeakMap<ServerExchange, Arrival>();
  /** What responders threw. */
  readonly #thrown = new WeakMap<ServerExchange, { readonly error: unknown }>();

  constructor(
    path: string,
    now: () => number,
    tracer: Tracer | undefined,
    durations: Histogram | undefined,
  ) {
    this.#now = now;
    this.#tracer = tracer;
    this.#durations = durations;
    const duration = { "rpc.system.name": SYSTEM, "server.address": path };
    this.#attributes = { duration, span: { ...duration, "network.transport": "pipe" } };
  }

  /** A request has to wait for a responder: that time counts. */
  waits(exchange: ServerExchange): void {
    this.#arrivals.set(exchange, { at: this.#now(), date: Date.now() });
  }

  /** A responder threw. */
  threw(exchange: ServerExchange, error: unknown): void {
    this.#thrown.set(exchange, { error });
  }

  /** Answers an exchange within a span, which spans and requests of the responder belong to. */
  answer(exchange: ServerExchange, respond: Respond): Promise<void> | undefined {
    const arrival = this.#arrivals.get(exchange);
    const start = arrival?.at ?? this.#now();
    const tracer = this.#tracer;
    if (tracer === undefined) return this.#measure(exchange, respond, start);
    let answering: { readonly done: Promise<void> | undefined } | undefined;
    this.#safely(() => {
      const options = { kind: SERVER, root: true, attributes: this.#attributes.span };
      const from = arrival === undefined ? options : { ...options, startTime: arrival.date };
      tracer.startActiveSpan(SYSTEM, from, (span) => {
        answering ??= { done: this.#measure(exchange, respond, start, span) };
      });
    });
    answering ??= { done: respond(exchange) };
    return answering.done;
  }

  #measure(
    exchange: ServerExchange,
    respond: Respond,
    start: number,
    span?: Span,
  ): Promise<void> | undefined {
    const done = respond(exchange);
    const end = () => this.#safely(() => this.#end(exchange, start, span));
    if (done === undefined) end();
    else done.then(end, end);
    return done;
  }

  #end(exchange: ServerExchange, start: number, span: Span | undefined): void {
    const seconds = (this.#now() - start) / 1_000;
    const failure = this.#failureOf(exchange);
    if (failure !== undefined) {
      span?.setAttributes(failure.attributes);
      span?.setStatus({ code: ERROR, message: failure.message });
    }
    span?.end();
    const { duration } = this.#attributes;
    this.#durations?.record(
      seconds,
      failure === undefined ? duration : { ...duration, "error.type": failure.type },
    );
  }

  /** What the responder threw, or the limit that ended the exchange. That a client left is none. */
  #failureOf(exchange: ServerExchange): Failure | undefined {
    const thrown = this.#thrown.get(exchange);
    if (thrown !== undefined) return failureBy(thrown.error);
    const { aborted } = exchange;
    const byEither = aborted === undefined || aborted instanceof Deno.errors.BrokenPipe ||
      aborted instanceof Deno.errors.Interrupted;
    return byEither ? undefined : failureBy(aborted);
  }

  /** A provider must not throw. If one does, it is reported once, and not used any more. */
  #safely(call: () => void): void {
    try {
      call();
    } catch (error) {
      if (this.#tracer !== undefined || this.#durations !== undefined) report(error);
      this.#tracer = undefined;
      this.#durations = undefined;
    }
  }
}

/** How a failed exchange is described. */
interface Failure {
  readonly type: string;
  readonly message: string;
  readonly attributes: Attributes;
}

/** The attributes are those with which Deno describes what a handler of its own server threw. */
function failureBy(error: unknown): Failure {
  if (!(error instanceof Error)) {
    return { type: "_OTHER", message: "", attributes: { "error.type": "_OTHER" } };
  }
  const { name, message, stack = "" } = error;
  const attributes = {
    "error.type": name,
    "exception.type": name,
    "exception.message": message,
    "exception.stacktrace": stack,
  };
  return { type: name, message, attributes };
}

function tracerOf(provider: unknown): Tracer | undefined {
  return isTracerProvider(provider) ? provider.getTracer(SCOPE, VERSION, SCHEMA) : undefined;
}

function durationsOf(provider: unknown): Histogram | undefined {
  if (!isMeterProvider(provider)) return undefined;
  return provider.getMeter(SCOPE, VERSION, SCHEMA).createHistogram("rpc.server.call.duration", {
    description: "Measures the duration of an incoming Remote Procedure Call (RPC).",
    unit: "s",
    advice: { explicitBucketBoundaries: BOUNDARIES },
  });
}

function isTracerProvider(provider: unknown): provider is TracerProvider {
  return hasMethod(provider, "getTracer");
}

function isMeterProvider(provider: unknown): provider is MeterProvider {
  return hasMethod(provider, "getMeter");
}

/** Deno's providers are classes with static methods. */
function hasMethod(provider: unknown, name: string): boolean {
  return (typeof provider === "object" && provider !== null || typeof provider === "function") &&
    typeof Reflect.get(provider, name) === "function";
}
