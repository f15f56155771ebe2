/** The programs of the documentation run as they stand there, and do what it says. */

import { assertEquals, assertMatch } from "@std/assert";
import { call, type Framing, lines, serve } from "../../mod.ts";
import { readPage } from "../docs/page.ts";
import { Play } from "../docs/programs.ts";
import { foreignPrograms } from "../win32/foreign.ts";
import { windowsTest } from "../win32/environment.ts";
import { Program, run } from "./program.ts";
import { newPath, within } from "./support.ts";

const { docs, node, bun } = await foreignPrograms();
const clients = await readPage("docs/clients.md");

// Programs that print what their comments say

/** A page, and programs that run together, each by some of its words: servers, and then a client. */
const TALKS: readonly (readonly [page: string, ...words: string[]])[] = [
  ["getting_started", "Listening on", 'call("shout"'],
  ["getting_started", "Listening on", "notify("],
  ["messages", "function talk", "something"],
  ["messages", "function talk", "const reading"],
  ["service", "3`).unref()"],
  ["troubleshooting", "nobody-listens-here"],
];

for (const [name, ...words] of TALKS) {
  windowsTest(`docs/${name}.md: ${words.at(-1)} prints what its comments say`, async () => {
    await using play = new Play(await readPage(`docs/${name}.md`), words);
    const { code, stdout, stderr } = await run(play.args);
    assertEquals([code, stderr], [0, ""]);
    assertEquals(
      stdout.split(/\r?\n/).filter((line) => line !== "").toSorted(),
      play.prints.toSorted(),
    );
  });
}

// Servers

/** A server of a page, by some of its words, the name of its pipe, and what it answers to whom. */
const SERVERS: readonly {
  readonly page: string;
  readonly words: string;
  readonly pipe: string;
  readonly framing?: Framing;
  readonly asked?: string;
  readonly answer: RegExp;
}[] = [
  { page: "getting_started", words: "[${instance.id}]", pipe: "echo", answer: /^hello$/ },
  { page: "messages", words: "welcome", pipe: "builds", answer: /^welcome$/ },
  { page: "messages", words: "lines()", pipe: "lines", framing: lines(), answer: /^HELLO$/ },
  { page: "limits", words: "careful", pipe: "careful", answer: /^hello$/ },
  { page: "security_guide", words: "authorize", pipe: "status", answer: /^S-1-5-\S+ \(.+\)$/ },
  { page: "service", words: "SIGINT", pipe: "echo", answer: /^hello$/ },
  { page: "service", words: "function*", pipe: "clock", answer: /^\d{4}-\d\d-\d\dT/ },
  { page: "service", words: "measure", pipe: "shout", answer: /^HELLO$/ },
  { page: "service", words: "join", pipe: "service", asked: "stop", answer: /^stopped$/ },
  { page: "troubleshooting", words: "onDisconnect", pipe: "shout", answer: /^HELLO$/ },
  {
    page: "from_microsofts_sample",
    words: "serve(",
    pipe: "mynamedpipe",
    answer: /^Default .+\0$/,
  },
  {
    page: "from_microsofts_sample",
    words: "for await",
    pipe: "mynamedpipe",
    answer: /^Default .+\0$/,
  },
  { page: "from_node_net", words: "serve(", pipe: "lines", framing: lines(), answer: /^HELLO$/ },
  { page: "from_dotnet", words: "serve(", pipe: "shout", answer: /^HELLO$/ },
  { page: "clients", words: "streams", pipe: "shout", answer: /^HELLO$/ },
  { page: "clients", words: "streams", pipe: "lines", framing: lines(), answer: /^HELLO$/ },
];

for (const { page, words, pipe, framing, asked = "hello", answer } of SERVERS) {
  windowsTest(`docs/${page}.md: the server with ${words} answers at ${pipe}`, async () => {
    await using play = new Play(await readPage(`docs/${page}.md`), [words]);
    await using _server = new Program(play.args);
    const options = { framing, as: "text", connectTimeout: 30_000 } as const;
    assertMatch(await call(play.nameOf(pipe), asked, options), answer);
  });
}

// Clients in other languages

const PRINTED = "HELLO\nWORLD\n";

/** Serves what the clients of the page ask, and returns what one of them prints. */
async function printed(client: (path: string) => Promise<string>, framing?: Framing) {
  const path = newPath();
  await using server = serve({ path, framing }, (_request, exchange) => {
    return exchange.text().toUpperCase();
  });
  const text = await within("the client", client(path), 60_000);
  assertEquals(server.stats().requests, 2);
  return text.replaceAll("\r\n", "\n");
}

/** Runs a program of another make, and returns what it has printed. */
async function output(program: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(program, { args, stdin: "null" })
    .output();
  const decoder = new TextDecoder();
  assertEquals([code, decoder.decode(stderr)], [0, ""]);
  return decoder.decode(stdout);
}

windowsTest("docs/clients.md: the client in C prints the answers", async () => {
  assertEquals(await printed((path) => output(`${docs}\\client.exe`, path)), PRINTED);
});

for (const [name, program, preload] of [["Node", node, "--import"], ["Bun", bun, "--preload"]]) {
  windowsTest(`docs/clients.md: the client in ${name} prints the answers`, async () => {
    const folder = await Deno.makeTempDir();
    const told = `${folder}/printed.txt`;
    await Deno.writeTextFile(`${folder}/client.mjs`, clients.snippet("js", "node:net"));
    // node.exe cannot write to every stdout.
    await Deno.writeTextFile(
      `${folder}/console.mjs`,
      `import { appendFileSync } from "node:fs";
       console.log = (text) => appendFileSync(${JSON.stringify(told)}, text + "\\n");`,
    );
    const url = new URL(`file:///${folder.replaceAll("\\", "/")}/console.mjs`).href;
    const loaded = preload === "--import" ? url : `${folder}/console.mjs`;
    const text = await printed(async (path) => {
      const child = new Deno.Command(program ?? "", {
        args: [preload ?? "", loaded, `${folder}/client.mjs`, path],
        stdin: "null",
        stdout: "null",
        stderr: "inherit",
      }).spawn();
      assertEquals((await child.status).code, 0);
      return await Deno.readTextFile(told);
    }, lines());
    assertEquals(text, PRINTED);
    await Deno.remove(folder, { recursive: true });
  });
}

windowsTest.notUnderWine(
  "docs/clients.md: the client in PowerShell prints the answers",
  async () => {
    const file = await Deno.makeTempFile({ suffix: ".ps1" });
    await Deno.writeTextFile(file, clients.snippet("powershell", "NamedPipeClientStream"));
    const args = ["-NoProfile", "-ExecutionPolicy", "Bypass", "-File", file];
    const text = await printed(
      (path) => output("powershell.exe", ...args, path.replace("\\\\.\\pipe\\", "")),
      lines(),
    );
    await Deno.remove(file);
    assertEquals(text, PRINTED);
  },
);
