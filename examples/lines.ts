// Permission: --allow-ffi (or --allow-ffi=C:\Windows\System32\kernel32.dll,C:\Windows\System32\advapi32.dll)
//
// deno run --allow-ffi examples/lines.ts serve PATH
// deno run --allow-ffi examples/lines.ts call PATH METHOD [PARAM]...
//
// Newline-delimited JSON, for clients of any language that can open a file. In Python:
//
//     import json
//     with open(r"\\.\pipe\NAME", "r+b", 0) as pipe:
//         pipe.write(json.dumps({"id": 1, "method": "upper", "params": ["hello"]}).encode() + b"\n")
//         print(json.loads(pipe.readline()))   # {'id': 1, 'result': 'HELLO'}

import { connect, lines, listen, type PipeConn } from "@overlapped/named-pipe";

const USAGE = `Usage: lines.ts serve PATH
       lines.ts call PATH METHOD [PARAM]...

  upper TEXT      the text in capital letters
  add NUMBER...   the sum
  wait MS         nothing, after so many milliseconds`;

interface Request {
  id: unknown;
  method: string;
  params: unknown[];
}

type Response = { id: unknown; result: unknown } | { id: unknown; error: string };

function refuse(): never {
  console.error(USAGE);
  Deno.exit(2);
}

const METHODS = new Map<string, (...params: unknown[]) => unknown>([
  ["upper", (text) => String(text).toUpperCase()],
  ["add", (...numbers) => numbers.reduce<number>((sum, number) => sum + Number(number), 0)],
  ["wait", (ms) => new Promise((resolve) => setTimeout(resolve, Number(ms), null))],
]);

function isRequest(value: unknown): value is Request {
  return typeof value === "object" && value !== null && "id" in value && "method" in value &&
    typeof value.method === "string" && "params" in value && Array.isArray(value.params);
}

async function answer(line: string): Promise<Response> {
  let id: unknown = null;
  try {
    const request: unknown = JSON.parse(line);
    if (!isRequest(request)) throw new TypeError("A request has an id, a method and params");
    id = request.id;
    const method = METHODS.get(request.method);
    if (method === undefined) throw new TypeError(`There is no method "${request.method}"`);
    return { id, result: await method(...request.params) };
  } catch (error) {
    return { id, error: error instanceof Error ? error.message : String(error) };
  }
}

/** Answers the requests of one client, each when it is done: `id` says what an answer belongs to. */
async function talk(conn: PipeConn): Promise<void> {
  for await (const line of conn.messages({ as: "text" })) {
    answer(line)
      .then((response) => conn.send(JSON.stringify(response)))
      // The client has left, and the loop ends.
      .catch(() => {});
  }
}

async function serve(path: string): Promise<void> {
  // Clients have so long to leave.
  const stop = () => void listener.shutdown({ timeout: 2_000 });
  Deno.addSignalListener("SIGINT", stop);
  Deno.addSignalListener("SIGBREAK", stop);
  const listener = listen({
    path,
    framing: lines(),
    onListen: ({ path }) => console.log(`listening on ${path}`),
  });
  for await (const conn of listener) {
    talk(conn).catch((error) => console.error(`client ${conn.peer.id}: ${error.message}`));
  }
  Deno.removeSignalListener("SIGINT", stop);
  Deno.removeSignalListener("SIGBREAK", stop);
}

async function call(path: string, method: string, params: string[]): Promise<void> {
  await using conn = await connect({ path, framing: lines() });
  const request: Request = { id: 1, method, params };
  const response = await conn.request(JSON.stringify(request), { as: "json" }) as Response;
  if ("error" in response) {
    console.error(response.error);
    Deno.exitCode = 1;
  } else {
    console.log(response.result);
  }
}

const [command, path, method, ...params] = Deno.args;
if (command === "serve" && path !== undefined && method === undefined) await serve(path);
else if (command === "call" && path !== undefined && method !== undefined) {
  await call(path, method, params);
} else refuse();
