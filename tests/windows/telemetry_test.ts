/** OpenTelemetry with the permissions that a server needs anyway: see `tests/telemetry_test.ts`. */

import { assertEquals } from "@std/assert";
import { Collector } from "../telemetry/collector.ts";
import { windowsTest } from "../win32/environment.ts";
import { run, testProgram } from "./program.ts";
import { newPath } from "./support.ts";

windowsTest("telemetry: with OTEL_DENO=true a server reports what it answers", async () => {
  await using collector = new Collector();
  const path = newPath();
  const program = testProgram("traced_server", "--no-prompt", "--allow-ffi");
  const ran = await run([...program, path], { env: collector.env });
  assertEquals(ran, { code: 0, stdout: "HELLO\n", stderr: "" });
  const { kind, status, attributes } = collector.span("named_pipe");
  assertEquals([kind, status, attributes["server.address"]], [2, 0, path]);
  const { points = [] } = collector.histograms.get("rpc.server.call.duration") ?? {};
  assertEquals(points.map(({ count }) => count), [1]);
});
