/**
 * The clients that `docs/clients.md` has in other languages are run as they stand there. Those whose
 * language is a part of Windows run there; others were only tried by hand, and the page says so.
 */

import { assertEquals } from "@std/assert";
import { type Framing, lines, serve } from "../../mod.ts";
import { readPage } from "../docs/page.ts";
import { foreignPrograms } from "../win32/foreign.ts";
import { windowsTest } from "../win32/environment.ts";
import { newPath, within } from "./support.ts";

const { docs, node, bun } = await foreignPrograms();
const page = await readPage("docs/clients.md");

/** What each of them prints. */
const ANSWERS = "HELLO\nWORLD\n";

/** Runs a client, which returns what it has printed, against the server of the page. */
async function answers(
  client: (path: string, name: string) => Promise<string>,
  framing?: Framing,
): Promise<string> {
  const name = newPath().replace("\\\\.\\pipe\\", "");
  await using server = serve({ path: name, framing }, (_request, exchange) => {
    return exchange.text().toUpperCase();
  });
  const printed = await within("the client", client(server.path, name), 60_000);
  assertEquals(server.stats().requests, 2);
  return printed.replaceAll("\r\n", "\n");
}

/** A folder with a file in it, as long as it is used. */
class Folder implements AsyncDisposable {
  readonly path: string = Deno.makeTempDirSync();

  constructor(file: string, text: string) {
    this.write(file, text);
  }

  write(file: string, text: string): void {
    Deno.writeTextFileSync(`${this.path}\\${file}`, text);
  }

  /** Runs a program in the folder, and returns what it has printed. */
  async run(program: string, ...args: string[]): Promise<string> {
    const options = { args, cwd: this.path, stdin: "null" } as const;
    const { code, stdout, stderr } = await new Deno.Command(program, options).output();
    const decoder = new TextDecoder();
    assertEquals([code, decoder.decode(stderr)], [0, ""]);
    return decoder.decode(stdout);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

windowsTest("docs/clients.md: the client in C prints the answers", async () => {
  await using folder = new Folder("client.c", page.snippet("c", "int main"));
  assertEquals(await answers((path) => folder.run(`${docs}\\client.exe`, path)), ANSWERS);
});

for (const [name, program] of Object.entries({ Node: node, Bun: bun })) {
  windowsTest(`docs/clients.md: the client in ${name} prints the answers`, async () => {
    await using folder = new Folder("client.mjs", page.snippet("js", "node:net"));
    // node.exe cannot write to every stdout.
    folder.write(
      "console.mjs",
      `import { appendFileSync } from "node:fs";
       console.log = (text) => appendFileSync("printed.txt", text + "\\n");`,
    );
    const run = async (path: string) => {
      await folder.run(program, "--import", "./console.mjs", "client.mjs", path);
      return await Deno.readTextFile(`${folder.path}\\printed.txt`);
    };
    assertEquals(await answers(run, lines()), ANSWERS);
  });
}

windowsTest.notUnderWine(
  "docs/clients.md: the client in PowerShell prints the answers",
  async () => {
    await using folder = new Folder("client.ps1", page.snippet("powershell", "PipeClient"));
    const args = ["-NoProfile", "-ExecutionPolicy", "Bypass", "-File", "client.ps1"];
    const run = (_path: string, name: string) => folder.run("powershell.exe", ...args, name);
    assertEquals(await answers(run, lines()), ANSWERS);
  },
);

windowsTest.notUnderWine("docs/clients.md: the client in C# prints the answers", async () => {
  await using folder = new Folder("client.cs", page.snippet("csharp", "static class Client"));
  // The compiler of the .NET Framework, which is a part of Windows.
  const compiler = "C:\\Windows\\Microsoft.NET\\Framework64\\v4.0.30319\\csc.exe";
  await folder.run(compiler, "/nologo", "/reference:System.Core.dll", "client.cs");
  const run = (_path: string, name: string) => folder.run(`${folder.path}\\client.exe`, name);
  assertEquals(await answers(run), ANSWERS);
});
