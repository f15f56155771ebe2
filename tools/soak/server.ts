/**
 * The server of the soak, in a process of its own.
 *
 * @module
 */

import { setTimeout as pause } from "node:timers/promises";
import { WindowsKernel } from "../../ffi/windows_kernel.ts";
import type { CloseReason } from "../../src/pipe/close_reason.ts";
import type { Exchange } from "../../src/exchange/exchange.ts";
import { DEFINITE_STATUSES, Status } from "../../src/kernel/status.ts";
import { serveOn } from "../../src/exchange/serve.ts";
import type { ShutdownReport } from "../../src/server/tally.ts";
import { WaitLoop } from "../../src/loop/wait_loop.ts";
import { privateBytes, processHandleCount } from "../../tests/win32/raw.ts";
import { LIMITS, MOST_LISTENING, WELL_BEHAVED } from "./limits.ts";
import { tell, values } from "./lines.ts";

/** What the server can be asked. */
export type ServerQuestion = "state" | "measure" | "shutdown";

/** How the server is. */
export interface ServerState {
  /** Requests that were answered. */
  readonly served: number;
  /** Ends of connections. */
  readonly ends: Partial<Record<CloseReason, number>>;
  /** Errors that nobody should see. */
  readonly errors: readonly string[];
  /** Submissions whose outcome Windows did not tell, by call and status: see `Kernel`. */
  readonly doubts: Readonly<Record<string, number>>;
  readonly privateBytes: number;
  /** Whether nobody is connected, and nothing is left of who was. */
  readonly atRest: boolean;
  /** When it was asked to measure. */
  readonly handles: number;
  /** Bytes of native memory that somebody uses, and all that is held. */
  readonly slabInUse: number;
  readonly slabBytes: number;
  /** Bytes of JavaScript's heap, and of the memory of typed arrays. */
  readonly heapBytes: number;
  /** When it was shut down. */
  readonly report: ShutdownReport | undefined;
}

/** Never answers: only the end of the connection ends it. */
function never({ signal }: Exchange): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Counts the submissions after which the last error was lost. */
function watchDoubts(kernel: WindowsKernel): Record<string, number> {
  const doubts: Record<string, number> = {};
  function watch<A extends unknown[]>(
    call: keyof typeof DEFINITE_STATUSES,
    submit: (...args: A) => number,
  ): (...args: A) => number {
    return (...args) => {
      const status = submit.apply(kernel, args);
      if (status !== Status.PENDING && !DEFINITE_STATUSES[call].has(status)) {
        doubts[`${call} ${status}`] = (doubts[`${call} ${status}`] ?? 0) + 1;
      }
      return status;
    };
  }
  kernel.listen = watch("listen", kernel.listen);
  kernel.read = watch("read", kernel.read);
  kernel.write = watch("write", kernel.write);
  return doubts;
}

async function soakServer(path: string): Promise<void> {
  const kernel = new WindowsKernel({ security: true });
  const doubts = watchDoubts(kernel);
  const loop = new WaitLoop(kernel);
  const ends: Partial<Record<CloseReason, number>> = {};
  const errors: string[] = [];
  const note = (error: unknown) => {
    // A request that was withdrawn while it was read, and what was then sent in its place.
    if (!(error instanceof Deno.errors.InvalidData)) errors.push(`${error}`);
  };
  let served = 0;
  const server = serveOn(() => loop, {
    path,
    ...LIMITS,
    onDisconnect(_client, reason, error) {
      ends[reason] = (ends[reason] ?? 0) + 1;
      if (reason === "error") note(error);
    },
    onError: note,
  }, (request, exchange) => {
    served++;
    if (request[0] === WELL_BEHAVED) {
      const delay = request[1] ?? 0;
      return delay === 0 ? request : pause(delay).then(() => request);
    }
    if (request.length > 100) return;
    const [what, size] = exchange.text().split(" ");
    if (what === "work") return never(exchange);
    if (what === "reply") return new Uint8Array(Number(size));
    if (what === "stream") return stream(Number(size));
    return request;
  });

  function state(report?: ShutdownReport): ServerState {
    const { operations, deadlines } = loop;
    const onlyListens = operations >= LIMITS.instances && operations <= MOST_LISTENING;
    const atRest = onlyListens && deadlines.size === 0;
    return {
      served,
      ends,
      errors,
      doubts,
      atRest,
      handles: 0,
      slabInUse: 0,
      slabBytes: 0,
      privateBytes: privateBytes(),
      heapBytes: 0,
      report,
    };
  }

  for await (const question of values<ServerQuestion>(Deno.stdin.readable)) {
    if (question === "measure") {
      const { gc } = globalThis as { gc?: () => void };
      gc?.();
      await pause(100);
      gc?.();
      const { inUse: slabInUse, committed: slabBytes } = kernel.memory;
      const { heapUsed, external } = Deno.memoryUsage();
      const heapBytes = heapUsed + external;
      const memory = { slabInUse, slabBytes, heapBytes };
      tell({ ...state(), handles: processHandleCount(), ...memory } satisfies ServerState);
    } else {
      tell(state(question === "shutdown" ? await server.shutdown() : undefined));
    }
  }
  await server.shutdown({ timeout: 0 });
}

async function* stream(messages: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < messages; i++) {
    await pause(1);
    yield new Uint8Array(10_000);
  }
}

const [path] = Deno.args;
if (import.meta.main && path !== undefined) await soakServer(path);
