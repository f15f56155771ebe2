/**
 * The example of a dashboard with a load on it, for a test outside of the Windows build, in which
 * this runs: pipes of one system are not those of another.
 *
 * Prints the address of the page. Each line of its input is a number of seconds, for which the
 * command line's `bench` asks; its result is printed. Ends with its input.
 */

import { createInterface } from "node:readline";
import process from "node:process";
import { fileURLToPath } from "node:url";

const RUN = ["run", "--quiet", "--no-prompt", "--cached-only", "--allow-ffi"];
const path = `dashboard-${crypto.randomUUID()}`;

function file(name: string): string {
  return fileURLToPath(new URL(`../../${name}`, import.meta.url));
}

const dashboard = new Deno.Command(Deno.execPath(), {
  args: [...RUN, "--allow-net=127.0.0.1", file("examples/dashboard.ts"), path],
  stdin: "null",
}).spawn();

for await (const seconds of createInterface({ input: process.stdin })) {
  const args = ["bench", path, "--clients", "3", "--seconds", seconds, "--json"];
  await new Deno.Command(Deno.execPath(), {
    args: [...RUN, file("src/cli/mod.ts"), ...args],
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).output();
}
dashboard.kill("SIGKILL");
await dashboard.status;
