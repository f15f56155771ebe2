/**
 * The environment of a program that runs: its input, its output, its signals.
 *
 * @module
 */

import { listPipes } from "../client/list_pipes.ts";
import { connect } from "../client/connect.ts";
import { serve } from "../exchange/serve.ts";
import { openKernel, systemInfo } from "../loop/isolate.ts";
import type { Environment, Ran } from "./command.ts";

const encoder = new TextEncoder();

/** The environment of this program. Ctrl-C ends it from now on as the commands say. */
export function terminal(): Environment {
  const stop = new AbortController();
  Deno.addSignalListener("SIGINT", () => {
    // What does not end by itself ends with the second one.
    if (stop.signal.aborted) Deno.exit(1);
    stop.abort(new Deno.errors.Interrupted("Ctrl-C"));
  });
  return {
    pipes: { serve, connect, listPipes },
    machine: { deno: Deno.version.deno, open: openKernel, system: systemInfo },
    input: Deno.stdin.readable,
    stopped: stop.signal,
    print: (text) => write(Deno.stdout, text),
    complain: (text) => write(Deno.stderr, `${text}\n`),
    draw: Deno.stderr.isTerminal() ? (text) => write(Deno.stderr, text) : undefined,
    permit,
    run,
  };
}

async function permit(program: string): Promise<void> {
  const { state } = await Deno.permissions.request({ name: "run", command: program });
  if (state === "granted") return;
  throw new Deno.errors.NotCapable(`Cannot run ${program}: run again with --allow-run=${program}`);
}

function write(
  to: { writeSync(bytes: Uint8Array): number },
  text: string | Uint8Array,
): void {
  let rest = typeof text === "string" ? encoder.encode(text) : text;
  while (rest.length > 0) rest = rest.subarray(to.writeSync(rest));
}

async function run([program = "", ...args]: readonly string[], input: Uint8Array): Promise<Ran> {
  const child = new Deno.Command(program, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const writer = child.stdin.getWriter();
  // It need not read its input.
  const written = writer.write(input.slice()).then(() => writer.close()).catch(() => {});
  const { code, stdout } = await child.output();
  await written;
  return { code, output: stdout };
}
