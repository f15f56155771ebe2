// Permissions: --allow-ffi --allow-env=XDG_RUNTIME_DIR (for the FFI also --allow-ffi=C:\Windows\System32\kernel32.dll)
//
// deno run --allow-ffi --allow-env=XDG_RUNTIME_DIR examples/language_server.ts --pipe=PATH
//
// A minimal language server: it underlines every TODO, and says at the mouse pointer how long a word
// is. An editor that listens on a pipe starts it with `--pipe` (VS Code: `TransportKind.pipe`), and it
// connects to the editor.

import { parseArgs } from "node:util";
import { connect } from "@overlapped/named-pipe";
import { toDuplex } from "@overlapped/named-pipe/node";
import * as rpc from "npm:vscode-jsonrpc@10.0.0/node";

interface Position {
  line: number;
  character: number;
}

interface Document {
  uri: string;
  text: string;
}

function parse(): string {
  try {
    // Editors add `--clientProcessId=…` and the like.
    const { values } = parseArgs({ strict: false, options: { pipe: { type: "string" } } });
    if (typeof values.pipe === "string") return values.pipe;
  } catch {
    // The usage says it.
  }
  console.error("Usage: language_server.ts --pipe=PATH");
  Deno.exit(2);
}

function diagnosticsOf(text: string) {
  return text.split("\n").flatMap((content, line) =>
    [...content.matchAll(/\bTODO\b/g)].map(({ index }) => ({
      range: { start: { line, character: index }, end: { line, character: index + 4 } },
      severity: 3,
      message: "Something is left to do",
    }))
  );
}

function wordAt(text: string, { line, character }: Position): string | undefined {
  for (const { index, 0: word } of text.split("\n")[line]?.matchAll(/\w+/g) ?? []) {
    if (index <= character && character <= index + word.length) return word;
  }
  return undefined;
}

const conn = await connect({ path: parse() });
const duplex = toDuplex(conn);
const connection = rpc.createMessageConnection(
  new rpc.StreamMessageReader(duplex),
  new rpc.StreamMessageWriter(duplex),
);
const texts = new Map<string, string>();
let exitCode = 1;

function changed({ uri, text }: Document): void {
  texts.set(uri, text);
  const diagnostics = diagnosticsOf(text);
  connection.sendNotification("textDocument/publishDiagnostics", { uri, diagnostics });
}

connection.onRequest("initialize", () => ({
  capabilities: { textDocumentSync: 1, hoverProvider: true },
  serverInfo: { name: "language_server.ts" },
}));
connection.onNotification(
  "textDocument/didOpen",
  (params: { textDocument: Document }) => changed(params.textDocument),
);
connection.onNotification(
  "textDocument/didChange",
  (params: { textDocument: { uri: string }; contentChanges: [{ text: string }] }) =>
    changed({ uri: params.textDocument.uri, text: params.contentChanges[0].text }),
);
connection.onNotification(
  "textDocument/didClose",
  (params: { textDocument: { uri: string } }) => void texts.delete(params.textDocument.uri),
);
connection.onRequest(
  "textDocument/hover",
  (params: { textDocument: { uri: string }; position: Position }) => {
    const word = wordAt(texts.get(params.textDocument.uri) ?? "", params.position);
    return word === undefined ? null : { contents: `${word.length} letters` };
  },
);
connection.onRequest("shutdown", () => {
  exitCode = 0;
  return null;
});
connection.onNotification("exit", () => connection.end());
// After "exit", and when the editor is gone.
connection.onClose(() => {
  connection.dispose();
  Deno.exitCode = exitCode;
});
connection.listen();
