// Permission: --allow-ffi (or --allow-ffi=C:\Windows\System32\kernel32.dll,C:\Windows\System32\advapi32.dll)
//
// deno run --allow-ffi examples/notes.ts serve
// deno run --allow-ffi examples/notes.ts write "Buy milk"
// deno run --allow-ffi examples/notes.ts read
//
// Keeps a note for each user of this machine. --pipe NAME: another name than "notes".
//
// Its functions take their pipes as a parameter, so that docs/testing.md can test them without
// Windows.

import { parseArgs } from "node:util";
import * as pipes from "@overlapped/named-pipe";
import type { PipeServer } from "@overlapped/named-pipe";
import type { Pipes } from "@overlapped/named-pipe/testing";

/** Serves the notes of all users. Sandboxed programs are refused. */
export function serveNotes({ serve }: Pipes, path = "notes"): PipeServer {
  const notes = new Map<string, string>();
  return serve({
    path,
    access: "local-users",
    authorize: (client) => client.user().integrity !== "low",
    idleTimeout: 60_000,
  }, (_request, exchange) => {
    const { sid } = exchange.client.user();
    const [, command, note = ""] = /^(read|write) ?(.*)$/s.exec(exchange.text()) ?? [];
    if (command === "write") notes.set(sid, note);
    return notes.get(sid) ?? "";
  });
}

/** Keeps a note. */
export async function writeNote({ call }: Pipes, note: string, path = "notes"): Promise<void> {
  await call(path, `write ${note}`, { missing: "fail" });
}

/** The note that was kept last. */
export async function readNote({ call }: Pipes, path = "notes"): Promise<string> {
  return await call(path, "read", { missing: "fail", as: "text" });
}

function refuse(): never {
  console.error("Usage: notes.ts [--pipe NAME] serve | write NOTE | read");
  Deno.exit(2);
}

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { pipe: { type: "string", default: "notes" } },
    });
  } catch {
    return refuse();
  }
}

if (import.meta.main) {
  const { values: { pipe }, positionals: [command, note, ...more] } = parse();
  if (more.length > 0) refuse();
  if (command === "serve" && note === undefined) {
    const server = serveNotes(pipes, pipe);
    console.log(`listening on ${server.path}`);
    await server.finished;
  } else if (command === "write" && note !== undefined) {
    await writeNote(pipes, note, pipe);
  } else if (command === "read" && note === undefined) {
    console.log(await readNote(pipes, pipe));
  } else refuse();
}
