/**
 * What a server holds after many clients is what it held after some. The server is a process of its
 * own, so that the handles and the memory of the tests do not count.
 */

import { assertEquals, assertLessOrEqual } from "@std/assert";
import { startClient } from "../win32/client.ts";
import { windowsTest } from "../win32/environment.ts";
import * as raw from "../win32/raw.ts";
import { testProgram } from "./program.ts";
import type { Report } from "./programs/measured_server.ts";
import { newPath, within } from "./support.ts";

const MIB = 1_048_576;

/** The server process, as the tests see it. */
class ServerProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #output: ReadableStreamDefaultReader<string>;

  constructor(path: string) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [
        ...testProgram(
          "measured_server",
          "--allow-ffi",
          // A young generation of one size: it would grow with use, as no leak does.
          "--v8-flags=--expose-gc,--min-semi-space-size=4,--max-semi-space-size=4",
        ),
        path,
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#output = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** What it holds when so many connections have ended. */
  async measure(ends: number): Promise<Report & { handles: number; privateBytes: number }> {
    await this.#input.write(new TextEncoder().encode(`${ends}\n`));
    const { value } = await within("the report of the server", this.#output.read(), 60_000);
    const report: Report = JSON.parse(value ?? "");
    const process = raw.openProcess(this.#child.pid);
    try {
      const handles = raw.processHandleCount(process);
      return { ...report, handles, privateBytes: raw.privateBytes(process) };
    } finally {
      raw.closeHandle(process);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close();
    await within("the end of the server", Promise.all([this.#output.read(), this.#child.status]))
      .catch((error: unknown) => {
        this.#child.kill("SIGKILL");
        throw error;
      });
  }
}

const CLIENTS = 4;

/** What V8 keeps of compiling what is used much, some 8 MiB in older Denos, comes once. */
const WARM_UP = 2_000;

windowsTest("10,000 rounds and 10,000 exchanges leave nothing behind", async () => {
  const path = newPath();
  await using client = await startClient();
  await using server = new ServerProcess(path);
  await server.measure(0);
  let rounds = 0;
  let loads = 0;
  const measureAfter = async (times: number) => {
    await client.visit({ path, rounds: times });
    const load = { path, clients: CLIENTS, exchanges: times / CLIENTS };
    assertEquals((await client.load(load)).errors, []);
    rounds += times;
    return await server.measure(rounds + CLIENTS * ++loads);
  };
  // Threads of Deno's pool come and go, with their handles: what counts is the range.
  const handles: number[] = [];
  const measured = async (total: number) => {
    let last = await measureAfter(total / 10);
    for (let i = 1; i < 10; i++) {
      handles.push(last.handles);
      last = await measureAfter(total / 10);
    }
    return last;
  };
  await measureAfter(WARM_UP);
  const before = await measured(1_000);
  const first = handles.splice(0);
  for (let i = 0; i < 4; i++) await measureAfter(2_000);
  const after = await measured(1_000);
  assertEquals(after.exchanges, WARM_UP + 10_000);
  const { inUse, ...pages } = after.memory;
  const { inUse: inUseBefore, ...pagesBefore } = before.memory;
  assertEquals(pages, pagesBefore);
  // Four to eight instances listen, with 96 bytes each.
  assertLessOrEqual(inUse - inUseBefore, 1_024);
  assertLessOrEqual(Math.min(...handles), Math.max(...first) + 2);
  assertLessOrEqual(Math.min(...first), Math.max(...handles) + 2);
  assertLessOrEqual(after.privateBytes - before.privateBytes, 8 * MIB);
  assertLessOrEqual(after.heap - before.heap, MIB / 2);
});
