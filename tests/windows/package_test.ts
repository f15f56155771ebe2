/** The package as a user gets it: each entry does its work, away from the repository. */

import { assertEquals } from "@std/assert";
import { ADVAPI32_PATH } from "../../ffi/advapi32.ts";
import { KERNEL32_PATH } from "../../ffi/kernel32.ts";
import { ENTRIES, PackedCopy } from "../packed.ts";
import { windowsTest } from "../win32/environment.ts";
import { run } from "./program.ts";
import { newPath } from "./support.ts";

const FFI = `--allow-ffi=${KERNEL32_PATH},${ADVAPI32_PATH}`;

interface Use {
  readonly permissions: readonly string[];
  /** The version of Deno that it needs, if not every one will do. */
  readonly since?: string;
  /** A program that prints HELLO. Its argument is the name of a pipe. */
  readonly source: string;
}

/** What a program does with each entry. */
const USES: Readonly<Record<string, Use>> = {
  "@overlapped/named-pipe": {
    permissions: [FFI],
    source: `
      import { call, serve } from "@overlapped/named-pipe";
      const [path = ""] = Deno.args;
      await using server = serve({ path }, (_request, exchange) => exchange.text().toUpperCase());
      console.log(await call(server.path, "hello", { as: "text" }));
    `,
  },
  "@overlapped/named-pipe/cli": {
    permissions: [FFI],
    source: `
      import { serve } from "@overlapped/named-pipe";
      import { main } from "@overlapped/named-pipe/cli";
      const [path = ""] = Deno.args;
      serve({ path }, (_request, exchange) => exchange.text().toUpperCase());
      Deno.exit(await main(["call", path, "hello"]));
    `,
  },
  "@overlapped/named-pipe/http": {
    permissions: [FFI],
    since: "2.8.0",
    source: `
      import { httpClient, serveHttp } from "@overlapped/named-pipe/http";
      const [path = ""] = Deno.args;
      await using _server = serveHttp({ path }, async (request) => {
        return new Response((await request.text()).toUpperCase());
      });
      using client = httpClient({ path });
      const response = await client.fetch("/", { method: "POST", body: "hello" });
      console.log(await response.text());
    `,
  },
  "@overlapped/named-pipe/node": {
    permissions: [FFI],
    source: `
      import { connect, listen } from "@overlapped/named-pipe";
      import { toDuplex } from "@overlapped/named-pipe/node";
      const [path = ""] = Deno.args;
      await using listener = listen({ path, type: "byte" });
      const client = toDuplex(await connect({ path }));
      const server = toDuplex(await listener.accept());
      server.on("data", (data) => server.end(String(data).toUpperCase()));
      client.on("data", (data) => console.log(String(data)));
      client.write("hello");
      await new Promise((resolve) => client.once("close", resolve));
    `,
  },
  "@overlapped/named-pipe/testing": {
    permissions: [],
    source: `
      import { memoryPipes } from "@overlapped/named-pipe/testing";
      await using pipes = memoryPipes();
      await using _server = pipes.serve({ path: "shout" }, (_request, exchange) => {
        return exchange.text().toUpperCase();
      });
      console.log(await pipes.call("shout", "hello", { as: "text" }));
    `,
  },
};

for (const entry of ENTRIES.keys()) {
  const name = `package: ${entry} works with the permissions that it names`;
  const { permissions, since = "2.0.0", source } = USES[entry] ??
    { permissions: [], source: `throw new Error("Nothing is done with this entry");` };
  windowsTest.since(since, name, async () => {
    await using copy = await PackedCopy.make();
    const program = await copy.write("main.ts", source);
    const flags = ["--quiet", "--no-prompt", "--cached-only", ...permissions];
    const { code, stdout, stderr } = await run(["run", ...flags, ...program, newPath()]);
    assertEquals([code, stdout.replaceAll("\r", ""), stderr], [0, "HELLO\n", ""]);
  });
}
