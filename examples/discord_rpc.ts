// Permission: --allow-ffi (or --allow-ffi=C:\Windows\System32\kernel32.dll,C:\Windows\System32\advapi32.dll)
//
// deno run --allow-ffi examples/discord_rpc.ts serve [PATH]
// deno run --allow-ffi examples/discord_rpc.ts show CLIENT_ID TEXT [PATH]
//
// The protocol between Discord and the programs that show in it what their user is doing. `show`
// talks to Discord, or to `serve`, which prints what it is told. PATH is discord-ipc-0 by default.

import { connect, type Framing, listen, type PipeConn } from "@overlapped/named-pipe";

const USAGE = `Usage: discord_rpc.ts serve [PATH]
       discord_rpc.ts show CLIENT_ID TEXT [PATH]`;

function refuse(): never {
  console.error(USAGE);
  Deno.exit(2);
}

enum Operation {
  Handshake,
  Frame,
  Close,
  Ping,
  Pong,
}

/** Bytes of the operation code and of the length, 32-bit little-endian each. */
const HEAD = 8;

/** Discord's frames. A message is the operation code in one byte, and the JSON. */
const frames: Framing = {
  encode(message) {
    const [operation] = message;
    if (operation === undefined) throw new TypeError("A message begins with an operation code");
    const frame = new Uint8Array(HEAD + message.length - 1);
    const head = new DataView(frame.buffer);
    head.setUint32(0, operation, true);
    head.setUint32(4, message.length - 1, true);
    frame.set(message.subarray(1), HEAD);
    return frame;
  },
  decoder: (max) => new FrameDecoder(max),
};

class FrameDecoder {
  readonly #max: number;
  readonly #head = new Uint8Array(HEAD);
  /** What is being filled, the head or a message, and how much of it is. */
  #part = this.#head;
  #filled = 0;

  constructor(max: number) {
    this.#max = max;
  }

  push(chunk: Uint8Array): Uint8Array[] {
    const messages: Uint8Array[] = [];
    for (let at = 0; at < chunk.length;) {
      const piece = chunk.subarray(at, at + this.#part.length - this.#filled);
      this.#part.set(piece, this.#filled);
      this.#filled += piece.length;
      at += piece.length;
      if (this.#part === this.#head && this.#filled === HEAD) this.#begin();
      if (this.#part !== this.#head && this.#filled === this.#part.length) {
        messages.push(this.#part);
        this.#part = this.#head;
        this.#filled = 0;
      }
    }
    return messages;
  }

  end(): Uint8Array[] {
    if (this.#filled > 0) throw new Deno.errors.InvalidData("The stream ended within a frame");
    return [];
  }

  /** The head is complete: its message follows. */
  #begin(): void {
    const head = new DataView(this.#head.buffer);
    const operation = head.getUint32(0, true);
    const length = 1 + head.getUint32(4, true);
    if (!(operation in Operation)) throw new Deno.errors.InvalidData("No such operation");
    if (length > this.#max) throw new Deno.errors.InvalidData("The message is too long");
    this.#part = new Uint8Array(length);
    this.#part[0] = operation;
    this.#filled = 1;
  }
}

/** What both ends put into their messages. */
interface Payload {
  readonly client_id?: string;
  readonly cmd?: string;
  readonly evt?: string | null;
  readonly nonce?: string | null;
  readonly args?: { readonly activity?: { readonly state?: string } };
  readonly data?: unknown;
  readonly message?: string;
}

function encode(operation: Operation, payload: Payload & { readonly v?: number }): Uint8Array {
  return new TextEncoder().encode(String.fromCharCode(operation) + JSON.stringify(payload));
}

function decode(message: Uint8Array): { operation: Operation; payload: Payload } {
  const payload: Payload = JSON.parse(new TextDecoder().decode(message.subarray(1)));
  return { operation: message[0] ?? Operation.Close, payload };
}

// Discord's end

async function talk(conn: PipeConn): Promise<void> {
  let program = "unknown";
  for await (const message of conn) {
    const { operation, payload } = decode(message);
    switch (operation) {
      case Operation.Handshake:
        program = payload.client_id ?? program;
        await conn.send(encode(Operation.Frame, { cmd: "DISPATCH", evt: "READY", data: { v: 1 } }));
        break;
      case Operation.Frame: {
        const { cmd = "", nonce = null, args } = payload;
        if (cmd === "SET_ACTIVITY") console.log(`${program}: ${args?.activity?.state ?? ""}`);
        await conn.send(encode(Operation.Frame, { cmd, evt: null, nonce, data: {} }));
        break;
      }
      case Operation.Ping:
        await conn.send(encode(Operation.Pong, payload));
        break;
      case Operation.Close:
        return conn.close();
    }
  }
}

async function serve(path: string): Promise<void> {
  const stop = () => void listener.shutdown({ timeout: 2_000 });
  Deno.addSignalListener("SIGINT", stop);
  Deno.addSignalListener("SIGBREAK", stop);
  const listener = listen({
    path,
    framing: frames,
    maxMessage: 65_536,
    onListen: ({ path }) => console.log(`listening on ${path}`),
  });
  for await (const conn of listener) {
    talk(conn).catch((error) => {
      console.error(`client ${conn.peer.id}: ${error.message}`);
      conn.close();
    });
  }
  Deno.removeSignalListener("SIGINT", stop);
  Deno.removeSignalListener("SIGBREAK", stop);
}

// The other end

async function exchange(conn: PipeConn, message: Uint8Array): Promise<Payload> {
  const { operation, payload } = decode(await conn.request(message));
  if (operation === Operation.Close) throw new Error(`Refused: ${payload.message}`);
  return payload;
}

async function show(clientId: string, text: string, path: string): Promise<void> {
  await using conn = await connect({ path, framing: frames, missing: "fail" });
  await exchange(conn, encode(Operation.Handshake, { v: 1, client_id: clientId }));
  const nonce = crypto.randomUUID();
  const args = { pid: Deno.pid, activity: { state: text } };
  const answer = await exchange(
    conn,
    encode(Operation.Frame, { cmd: "SET_ACTIVITY", args, nonce }),
  );
  if (answer.nonce !== nonce) throw new Error("The answer belongs to another request");
  console.log(`Showing "${text}". Press Ctrl-C to stop`);
  // It is shown for as long as the connection exists.
  for await (const message of conn) {
    const { operation, payload } = decode(message);
    if (operation === Operation.Ping) await conn.send(encode(Operation.Pong, payload));
    else if (operation === Operation.Close) break;
  }
  console.log("The connection has ended");
}

const [command, ...args] = Deno.args;
if (command === "serve" && args.length <= 1) await serve(args[0] ?? "discord-ipc-0");
else if (command === "show") {
  const [clientId, text, path = "discord-ipc-0", ...others] = args;
  if (clientId === undefined || text === undefined || others.length > 0) refuse();
  await show(clientId, text, path);
} else refuse();
