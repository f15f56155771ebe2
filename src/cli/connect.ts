/**
 * `connect`: a terminal on a pipe.
 *
 * @module
 */

import type { PipeConn } from "../pipe/pipe_conn.ts";
import { MAX_TIME } from "./call.ts";
import { inHex, inJson, inLine } from "./bytes.ts";
import { type Args, type Command, type Environment, FRAMING } from "./command.ts";
import { linesOf } from "./input.ts";

/** See the module. */
export const connect: Command = {
  summary: "Sends what is typed, line by line, and prints what comes",
  usage: "PATH",
  count: [1, 1],
  options: {
    framing: FRAMING,
    hex: { type: "boolean", help: "print what comes in hexadecimal" },
    linger: {
      type: "string",
      value: "MS",
      help: "how long to print after the input has ended; until the end of the server",
    },
    wait: { type: "boolean", help: "wait up to 5 s for the pipe, if there is none" },
  },
  async run(args, environment) {
    const linger = args.integer("linger", 0, MAX_TIME, undefined);
    await using conn = await environment.pipes.connect({
      path: args.at(0),
      missing: args.flag("wait") ? "wait" : "fail",
      framing: args.framing(),
      signal: environment.stopped,
    });
    const raw = conn.type === "byte" && args.text("framing") === undefined;
    environment.stopped.addEventListener("abort", () => conn.close(), { once: true });
    let timer: ReturnType<typeof setTimeout> | undefined;
    const typing = type(conn, raw, environment).then(() => {
      if (linger !== undefined) timer = setTimeout(() => conn.close(), linger);
    });
    let failure: unknown;
    // Not awaited: input that goes on must not keep a connection that has ended.
    typing.catch((error) => {
      // That the server has gone is told by what is received.
      if (!(error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.Interrupted)) {
        failure = error;
      }
      conn.close();
    });
    try {
      for await (const message of received(conn, raw)) show(args, message, raw, environment);
    } finally {
      clearTimeout(timer);
    }
    const { reason, error } = await conn.closed;
    if (failure !== undefined || error !== undefined) throw failure ?? error;
    return reason === "self" || reason === "peer" ? 0 : 1;
  },
};

/** Sends lines: without their ends where there are messages. */
async function type(conn: PipeConn, raw: boolean, { input }: Environment): Promise<void> {
  if (raw) {
    for await (const chunk of input) await conn.write(chunk);
  } else {
    for await (const line of linesOf(input)) await conn.send(line);
  }
}

async function* received(
  conn: PipeConn,
  raw: boolean,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  if (!raw) return yield* conn;
  const memory = new Uint8Array(65_536);
  try {
    for (let read; (read = await conn.read(memory)) !== null;) yield memory.slice(0, read);
  } catch (error) {
    // Closing the connection ourselves ends the read.
    if (!(error instanceof Deno.errors.Interrupted)) throw error;
  }
}

function show(
  args: Args,
  message: Uint8Array<ArrayBuffer>,
  raw: boolean,
  { print }: Environment,
): void {
  if (args.flag("json")) print(`${JSON.stringify(inJson("message", message))}\n`);
  else if (args.flag("hex")) print(inHex(message));
  else print(raw ? message : inLine(message));
}
