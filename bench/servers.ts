/**
 * The echo servers that are compared, as processes.
 *
 * @module
 */

import { foreignPrograms } from "../tests/win32/foreign.ts";
import { ProcessMeter } from "./process_meter.ts";
import type { ServerName } from "./server_names.ts";

/** WaitForMultipleObjects takes no more. */
const MOST_EVENTS = 64;

/** Deno's server by `node:net` has so many instances, and makes no more. */
export const DENO_NET_CLIENTS = 4;

const programs = await foreignPrograms();

/** What servers do: each program has its own for each. */
export type Work = "echo" | "lines" | "streams" | "pushes";

/** The scripts by `node:net`, where they differ from the one that echoes. */
const NET_SCRIPTS: Partial<Record<Work, string>> = {
  lines: "net_lines.mjs",
  streams: "net_streams.mjs",
};

/** What it has to cope with. */
export interface ServerNeeds {
  /** Clients at once. */
  readonly clients: number;
  /** Bytes of a message at most. */
  readonly size: number;
  /** What it does for them. @default {"echo"} */
  readonly work?: Work | undefined;
  /** Whether it is asked what it has done: see `ours.ts`. */
  readonly look?: "counters" | "calls" | undefined;
}

/** Whether it can serve so many clients at all, and is there. */
export function canServe(name: ServerName, clients: number): boolean {
  if (name === "before") return programs.before !== undefined;
  return name !== "events" || clients <= MOST_EVENTS;
}

/** The path of a program in C. */
export function native(name: string): string {
  return `${programs.bench}\\${name}.exe`;
}

function script(name: string): string {
  return decodeURIComponent(new URL(`servers/${name}`, import.meta.url).pathname.slice(1));
}

function deno(...args: string[]): string[] {
  const flags = ["--quiet", "--no-config", "--no-lock", "--cached-only", "--no-check"];
  return [Deno.execPath(), "run", "-A", ...flags, ...args];
}

function portCommand(path: string, { clients, size, work }: ServerNeeds): string[] {
  switch (work) {
    case "streams":
      return [native("streams"), path, `${clients}`];
    case "pushes":
      return [native("pushes"), path, `${clients}`, `${size}`];
    default:
      return [native("completion_port"), path, `${clients}`, `${size}`];
  }
}

function command(name: ServerName, path: string, needs: ServerNeeds): string[] {
  const { clients, size, look, work = "echo" } = needs;
  const net = script(NET_SCRIPTS[work] ?? "net_echo.mjs");
  switch (name) {
    case "serve":
    case "exchanges":
    case "open":
      return deno(script("ours.ts"), path, name, ...(look === undefined ? [] : [look]));
    case "before":
      return deno(`${programs.before}/bench/servers/ours.ts`, path, "serve");
    case "framed":
      return deno(script("our_lines.ts"), path);
    case "streams":
    case "readWrite":
    case "byob":
      return deno(script("our_streams.ts"), path, name);
    case "listen":
      return deno(script("our_pushes.ts"), path, `${size}`);
    case "events":
      return [native("events"), path, `${clients}`, `${size}`];
    case "port":
      return portCommand(path, needs);
    case "node":
      return [programs.node, net, path];
    case "bun":
      return [programs.bun, net, path];
    case "deno":
      return deno(net, path);
    case "http":
      return deno(script("our_http.ts"), path);
    case "nodeHttp":
      return [programs.node, script("node_http.mjs"), path];
    case "rpc":
      return deno(script("our_rpc.ts"), path);
    case "nodeRpc":
      return [programs.node, script("net_rpc.mjs"), path, programs.libraries];
  }
}

/** What `node.exe --version` and the like say. */
export async function versionOf(name: "node" | "bun"): Promise<string> {
  const { stdout } = await new Deno.Command(programs[name], { args: ["--version"] }).output();
  return new TextDecoder().decode(stdout).trim().replace(/^v/, "");
}

/** A server that runs. */
export class RunningServer implements AsyncDisposable {
  readonly name: ServerName;
  readonly path: string;
  readonly #child: Deno.ChildProcess;
  readonly processId: number;
  /** What it uses. */
  readonly meter: ProcessMeter;
  readonly #unload = () => this.#kill();

  /** Starts it. That it listens is for its clients to find out. */
  constructor(name: ServerName, needs: ServerNeeds) {
    this.name = name;
    this.path = `\\\\.\\pipe\\bench-${name}-${crypto.randomUUID()}`;
    const [program = "", ...args] = command(name, this.path, needs);
    const quiet = { stdin: "null", stdout: "null", stderr: "null" } as const;
    this.#child = new Deno.Command(program, { args, ...quiet }).spawn();
    this.processId = this.#child.pid;
    this.meter = new ProcessMeter(this.processId, this.path);
    addEventListener("unload", this.#unload);
  }

  #kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    removeEventListener("unload", this.#unload);
    this.#kill();
    await this.#child.status;
    this.meter[Symbol.dispose]();
  }
}

/** Several servers at once. */
export class RunningServers implements AsyncDisposable {
  readonly list: readonly RunningServer[];

  constructor(names: readonly ServerName[], needs: ServerNeeds) {
    this.list = names.filter((name) => canServe(name, needs.clients))
      .map((name) => new RunningServer(name, needs));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.list) await server[Symbol.asyncDispose]();
  }
}
