/** The examples of HTTP, each run as its first lines say. */

import { Buffer } from "node:buffer";
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { httpClient, type HttpServer, serveHttp } from "../../src/http/mod.ts";
import { windowsTest } from "../win32/environment.ts";
import { Program, run } from "./program.ts";
import { newPath } from "./support.ts";

/** The first version whose `node:http` takes any stream. */
const SINCE = "2.8.0";

const KERNEL32 = "--allow-ffi=C:\\Windows\\System32\\kernel32.dll";
const BOTH = `${KERNEL32},C:\\Windows\\System32\\advapi32.dll`;
const EXAMPLES = { "http_server.ts": BOTH, "docker.ts": KERNEL32 } as const;
type Example = keyof typeof EXAMPLES;

function fileOf(name: Example): string {
  return fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));
}

function example(name: Example, ffi: string, ...args: string[]): string[] {
  return ["run", "--quiet", "--no-prompt", "--cached-only", ffi, fileOf(name), ...args];
}

windowsTest.since(SINCE, "examples of HTTP: they name their permissions", async () => {
  for (const [name, scoped] of [["http_server.ts", BOTH], ["docker.ts", KERNEL32]] as const) {
    const [line] = (await Deno.readTextFile(fileOf(name))).split("\n");
    assertEquals(line, `// Permissions: --allow-ffi (or ${scoped})`);
  }
});

windowsTest.since(SINCE, "examples: http_server.ts answers", async () => {
  for (const ffi of ["--allow-ffi", BOTH]) {
    const path = newPath();
    await using program = new Program(example("http_server.ts", ffi, path));
    await program.printed("listening");
    using client = httpClient({ path });
    const who = await (await client.fetch("/")).json();
    assertEquals(who.processId, Deno.pid);
    const upper = await client.fetch("/upper", { method: "POST", body: "text" });
    assertEquals(await upper.text(), "TEXT");
    assertEquals((await client.fetch("/other")).status, 404);
    const reader = (await client.fetch("/time")).body?.getReader();
    for (let i = 0; i < 2; i++) {
      const event = await reader?.read();
      assertMatch(`${Buffer.from(event?.value ?? [])}`, /^data: \d{4}-.*Z\n\n$/);
    }
    await reader?.cancel();
    program.kill();
    assertEquals((await program.ended).stderr, "");
  }
});

/** A part of the output of a container. */
function part(output: 1 | 2, text: string): Uint8Array {
  const head = Buffer.alloc(8);
  head[0] = output;
  head.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([head, Buffer.from(text)]);
}

/** A stand-in for Docker Engine: messages, half-close by an empty one, chunks, and `101`. */
function engine(path: string): HttpServer {
  const commands: unknown[] = [];
  return serveHttp({
    path,
    type: "message",
    halfClose: "empty-message",
    onUpgrade(request, duplex, head) {
      assertEquals([request.method, request.url], ["POST", "/exec/0/start"]);
      assertEquals(request.headers.upgrade, "tcp");
      let received = head.toString();
      duplex.on("data", (chunk) => received += chunk);
      duplex.write(
        "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\n" +
          "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
      );
      duplex.write(part(2, "reading\n"));
      // The input has ended, and only then the answer comes.
      duplex.on("end", () => {
        const [options, input] = received.split(/(?<=\})/);
        assertEquals(options, '{"Detach":false,"Tty":false}');
        duplex.end(part(1, `got ${input} for ${JSON.stringify(commands)}\n`));
      });
    },
  }, async (request) => {
    const { pathname, search } = new URL(request.url);
    switch (`${request.method} ${pathname}`) {
      case "GET /version":
        return Response.json({ Version: "1.2.3" });
      case "GET /containers/json":
        return Response.json([{ Id: "0123456789abcdef", Names: ["/box"], Status: "Up" }]);
      case "GET /containers/box/logs": {
        assertEquals(search, "?stdout=1&stderr=1");
        const whole = Buffer.concat([part(1, "out\n"), part(2, "error\n"), part(1, "more\n")]);
        // Chunks that end anywhere.
        const chunks = Array.from(
          { length: Math.ceil(whole.length / 5) },
          (_, i) => whole.subarray(i * 5, i * 5 + 5),
        );
        return new Response(ReadableStream.from(chunks));
      }
      case "POST /containers/box/exec":
        commands.push((await request.json()).Cmd);
        return Response.json({ Id: "0" }, { status: 201 });
      case "GET /exec/0/json":
        return Response.json({ ExitCode: 3 });
    }
    return Response.json({ message: "No such container" }, { status: 404 });
  });
}

windowsTest.since(SINCE, "examples: docker.ts asks what behaves as Docker Engine", async () => {
  for (const ffi of ["--allow-ffi", KERNEL32]) {
    const path = newPath();
    await using _engine = engine(path);
    const docker = (...args: string[]) => run(example("docker.ts", ffi, `--pipe=${path}`, ...args));
    const printed = (stdout: string, stderr = "", code = 0) => ({ code, stdout, stderr });
    assertEquals(await docker("version"), printed("1.2.3\n"));
    assertEquals(await docker("ps"), printed("0123456789ab /box Up\n"));
    assertEquals(await docker("logs", "box"), printed("out\nmore\n", "error\n"));
    const missing = await docker("logs", "none");
    assertEquals(missing.code, 1);
    assertStringIncludes(missing.stderr, "404");
    await using program = new Program(
      example("docker.ts", ffi, `--pipe=${path}`, "exec", "box", "cat", "-"),
      { input: true },
    );
    await program.write("the input");
    await program.closeInput();
    const { code, stdout, stderr } = await program.ended;
    const output = 'got the input for [["cat","-"]]\n';
    assertEquals([code, stdout.replaceAll("\r", ""), stderr], [3, output, "reading\n"]);
  }
});
