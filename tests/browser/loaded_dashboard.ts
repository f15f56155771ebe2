/**
 * The example of a dashboard with a load on it, for a test outside of the Windows build, in which
 * this runs: pipes of one system are not those of another.
 *
 * The arguments are those of the example. Prints the address of the page. Each line of its input has
 * the arguments of a `bench` of the command line, whose result is printed. Ends with its input.
 */

import { createInterface } from "node:readline";
import process from "node:process";
import { fileURLToPath } from "node:url";

const RUN = ["run", "--quiet", "--no-prompt", "--cached-only", "--allow-ffi"];
const path = Deno.args.at(-1) ?? "";

function file(name: string): string {
  return fileURLToPath(new URL(`../../${name}`, import.meta.url));
}

const dashboard = new Deno.Command(Deno.execPath(), {
  args: [...RUN, "--allow-net=127.0.0.1", file("examples/dashboard.ts"), ...Deno.args],
  stdin: "null",
}).spawn();

for await (const line of createInterface({ input: process.stdin })) {
  const args = ["bench", path, ...line.split(" "), "--json"];
  await new Deno.Command(Deno.execPath(), {
    args: [...RUN, file("src/cli/mod.ts"), ...args],
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).output();
}
dashboard.kill("SIGKILL");
await dashboard.status;
