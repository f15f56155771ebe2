/** What connections cost that nobody uses: one wait, no processor time, little memory. */

import { assertEquals, assertGreaterOrEqual, assertLessOrEqual } from "@std/assert";
import { setTimeout as pause } from "node:timers/promises";
import { startClient } from "../win32/client.ts";
import { isWine, windowsTest } from "../win32/environment.ts";
import * as raw from "../win32/raw.ts";
import { Program, testProgram } from "./program.ts";
import type { Report } from "./programs/idle_listener.ts";
import { newPath } from "./support.ts";

const client = await startClient();

/** How long processor time is measured, and how much of it may be used, in ms: see loop_test.ts. */
const REST = 5_000;
const REST_LIMIT = isWine() ? 10 : 16;

/** Bytes that each connection may cost, and those of its first read. */
const CONNECTION = 8_192;
const FIRST_READ = 4_096;

/** A listener in a process of its own. */
class IdleListener implements AsyncDisposable {
  readonly path = newPath();
  readonly #program = new Program([
    ...testProgram("idle_listener", "--allow-ffi", "--v8-flags=--expose-gc"),
    this.path,
  ], { input: true, limit: 120_000 });
  readonly #process = raw.openProcess(this.#program.processId);
  #reports = 0;

  /** Resolves when it has so many clients. */
  async report(clients: number): Promise<Report> {
    await this.#program.write(`${clients}\n`);
    return JSON.parse((await this.#program.lines(++this.#reports)).at(-1) ?? "");
  }

  /** Milliseconds of processor time that it has used. */
  get used(): number {
    const { kernel, user } = raw.processTimes(this.#process);
    return kernel + user;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    raw.closeHandle(this.#process);
    await this.#program.closeInput();
    const { code, stderr } = await this.#program.ended;
    assertEquals([code, stderr], [0, ""]);
  }
}

windowsTest("0, 100 and 1,000 idle connections: one wait, no processor time", async () => {
  await using listener = new IdleListener();
  const { path } = listener;
  const reports: Report[] = [];
  for (const clients of [0, 100, 1_000]) {
    const before = reports.at(-1)?.clients ?? 0;
    const opening = Array.from(
      { length: clients - before },
      () => client.open(path, { wait: 10_000 }),
    );
    const report = await listener.report(clients);
    await Promise.all(opening);
    assertEquals(report.waiting, 1);
    reports.push(report);
    // What V8 still has to do counts as well, so there is a second and a third chance.
    let least = Infinity;
    for (let i = 0; i < 3 && least > REST_LIMIT; i++) {
      const used = listener.used;
      await pause(REST);
      least = Math.min(least, listener.used - used);
    }
    assertLessOrEqual(least, REST_LIMIT, `${clients} clients`);
    const after = await listener.report(clients);
    assertEquals([after.waits, after.waiting], [report.waits, 1]);
  }
  const [none, , many] = reports;
  const cost = (of: (report: Report) => number) =>
    many && none ? (of(many) - of(none)) / 1_000 : NaN;
  const native = cost((report) => report.native);
  const heap = cost((report) => report.heap);
  assertGreaterOrEqual(native, FIRST_READ);
  assertLessOrEqual(native + heap, CONNECTION + FIRST_READ, `${native} and ${heap} bytes`);
});
