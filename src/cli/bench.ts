/**
 * `bench`: a load in a closed loop. Each client asks again when it is answered.
 *
 * @module
 */

import { Histogram } from "../server/histogram.ts";
import type { Framing } from "../options/framing.ts";
import { type Command, type Environment, FRAMING } from "./command.ts";
import { Progress } from "./progress.ts";

/** See the module. */
export const bench: Command = {
  summary: "Measures a server that answers every request: clients that ask again when answered",
  usage: "PATH",
  count: [1, 1],
  options: {
    framing: FRAMING,
    clients: { type: "string", value: "N", help: "how many, 1 to 256; 4" },
    seconds: { type: "string", value: "N", help: "how long, 1 to 60; 3" },
    size: { type: "string", value: "BYTES", help: "the length of a request, up to 1048576; 64" },
  },
  async run(args, environment) {
    const clients = args.integer("clients", 1, 256, 4);
    const seconds = args.integer("seconds", 1, 60, 3);
    const message = "x".repeat(args.integer("size", 0, 1_048_576, 64));
    const histogram = new Histogram();
    const time = AbortSignal.any([
      environment.stopped,
      AbortSignal.timeout(1_000 * seconds),
    ]);
    const begin = performance.now();
    const passed = () => (performance.now() - begin) / 1_000;
    const load = { path: args.at(0), framing: args.framing(), message, time };
    {
      using _progress = environment.draw && new Progress(environment.draw, () => {
        const { count } = histogram;
        return [passed() / seconds, `${count} requests, ${perSecond(count, passed())} per second`];
      });
      await Promise.all(
        Array.from(
          { length: clients },
          () => ask(load, environment, (time) => histogram.record(time)),
        ),
      );
    }
    const elapsed = passed();
    const { count, max } = histogram;
    const result = {
      clients,
      requests: count,
      perSecond: perSecond(count, elapsed),
      p50: rounded(histogram.percentile(50)),
      p99: rounded(histogram.percentile(99)),
      max: rounded(max),
    };
    environment.print(args.flag("json") ? `${JSON.stringify(result)}\n` : report(result));
    return 0;
  },
};

/** What each client asks, and until when. */
interface Load {
  readonly path: string;
  readonly framing: Framing | undefined;
  readonly message: string;
  readonly time: AbortSignal;
}

/** One client: asks until the time is up, and tells how many milliseconds each answer took. */
async function ask(
  { path, framing, message, time }: Load,
  { pipes }: Environment,
  took: (milliseconds: number) => void,
): Promise<void> {
  try {
    await using conn = await pipes.connect({ path, framing, missing: "fail", signal: time });
    while (!time.aborted) {
      const begin = performance.now();
      await conn.request(message, { signal: time });
      took(performance.now() - begin);
    }
  } catch (error) {
    // The last request of each client is cut off.
    if (!time.aborted) throw error;
  }
}

function perSecond(count: number, seconds: number): number {
  return seconds > 0 ? Math.round(count / seconds) : 0;
}

/** To the microsecond. */
function rounded(milliseconds: number): number {
  return Math.round(1_000 * milliseconds) / 1_000;
}

function report({ clients, requests, perSecond, p50, p99, max }: Record<string, number>): string {
  return `${requests} requests by ${clients} clients, ${perSecond} per second\n` +
    `p50 ${p50} ms, p99 ${p99} ms, max ${max} ms\n`;
}
