/**
 * Runs a program under Wine so that nothing of it outlives the run.
 *
 * The program lives in a PID and a mount namespace of its own. When their first process ends, the
 * kernel kills every process in them and drops every mount, whatever state they are in. That first
 * process is the script session.sh, and it ends as soon as the program does or the tool is gone.
 */

import { fileURLToPath } from "node:url";
import { lines, output, type Privilege } from "./host.ts";
import type { Run } from "./run_folder.ts";

/**
 * - `root`: namespaces made by root.
 * - `user`: namespaces in a user namespace, where the kernel lets everybody be root.
 * - `none`: no namespaces. The script ends Wine's server and removes the prefix itself.
 */
export type Isolation = "root" | "user" | "none";

export interface Wine {
  /** The program that loads Windows programs. */
  path: string;
  server: string;
  /** What tells this Wine from others, for the names of its files. */
  id: string;
  isolation: Isolation;
  /** How `root` becomes root. */
  privilege: string[];
  /** The folder in the cache with the root that holds this Wine, unless it is the machine's own. */
  image?: string;
}

export interface SessionOptions {
  cache: string;
  run: Run;
  wine: Wine;
  /** Wine's prefix: a name in the cache to work on a private copy of, or a path to work on. */
  prefix: { template: string } | { path: string };
  /** Folders the program needs beside the usual ones. */
  shown: string[];
  variables: Record<string, string>;
  program: string[];
  /** Whether the program's output is collected instead of shown. */
  quiet?: boolean;
}

export interface Session extends Disposable {
  child: Deno.ChildProcess;
  /** Sends a signal to the program. */
  signal: (name: "INT" | "KILL") => void;
}

/** No menus in the user's home, no questions about .NET and HTML. */
const NO_DESKTOP = "mscoree=;mshtml=;winemenubuilder.exe=";

const PATH_IN_IMAGE = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const SCRIPT = fileURLToPath(new URL("session.sh", import.meta.url));

const NAMESPACE_FLAGS: Record<Isolation, string[]> = {
  none: [],
  root: ["unshare", "--mount", "--pid", "--fork", "--kill-child"],
  user: ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child"],
};

/** Starts a program under Wine. */
export async function session(options: SessionOptions): Promise<Session> {
  const { cache, run, wine, prefix } = options;
  const template = "template" in prefix ? prefix.template : "";
  const prefixPath = "path" in prefix
    ? prefix.path
    : `${run.path}/${wine.isolation === "none" ? "prefix" : "fs/prefix"}`;
  const variables = {
    // The name of the user's folder in the prefix. sudo changes it, and Wine believes it.
    USER: "user",
    LOGNAME: "user",
    WINEPREFIX: prefixPath,
    WINEDLLOVERRIDES: Deno.env.get("WINEDLLOVERRIDES") ?? NO_DESKTOP,
    XDG_RUNTIME_DIR: `${run.path}/fs`,
    ...(wine.image === undefined ? {} : { PATH: PATH_IN_IMAGE }),
    ...options.variables,
  };
  const control = await Deno.open(`${run.path}/control`, { read: true, write: true });
  // A session of its own: a Ctrl-C of the terminal reaches the tool alone, which passes it on.
  const child = new Deno.Command("setsid", {
    args: [
      ...(wine.isolation === "root" ? wine.privilege : []),
      ...NAMESPACE_FLAGS[wine.isolation],
      ...["bash", SCRIPT],
      ...[wine.isolation, run.path, cache, wine.image ?? "", template, wine.server],
      ...[`${Deno.uid()}`, `${Deno.gid()}`, Deno.cwd()],
      ...[cache, Deno.cwd(), ...options.shown, "--"],
      ...Object.entries(variables).map(([name, value]) => `${name}=${value}`),
      ...options.program,
    ],
    env: { WINEPREFIX: prefixPath },
    stdin: options.quiet ? "null" : "inherit",
    stdout: options.quiet ? "null" : "inherit",
    stderr: options.quiet ? "piped" : "inherit",
  }).spawn();
  return {
    child,
    signal: (name) => void control.writeSync(new TextEncoder().encode(`${name}\n`)),
    [Symbol.dispose]: () => control.close(),
  };
}

/** Whether `session` can work with this isolation here. */
export async function canIsolate(isolation: "root" | "user", run: Run): Promise<boolean> {
  const probe = `
    mount -t tmpfs tmpfs "$1" && cd "$1" && mkdir lower upper work merged &&
    mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged &&
    mount -t proc proc /proc && { [ "$2" = root ] || unshare --user --map-user="$3" true; }`;
  const [unshare = "", ...flags] = NAMESPACE_FLAGS[isolation];
  const args = [
    ...flags,
    "bash",
    "-c",
    probe,
    "bash",
    `${run.path}/fs`,
    isolation,
    `${Deno.uid()}`,
  ];
  return await output(unshare, ...args) !== undefined;
}

/** Runs a step of the setup as root, ended with all its processes and mounts if the tool is. */
export async function asRoot(
  privilege: NonNullable<Privilege>,
  run: Run,
  command: string[],
  onLine: (line: string) => void = () => {},
): Promise<boolean> {
  const script = `alive=$1; shift
    "$@" & program=$!
    flock "$alive" bash -c "kill -KILL $program" > /dev/null 2>&1 &
    wait "$program"`;
  const [program = "", ...args] = [
    ...privilege,
    ...NAMESPACE_FLAGS.root,
    "--mount-proc",
    ...["bash", "-c", script, "bash", run.alive, ...command],
  ];
  const child = new Deno.Command(program, {
    args,
    env: { DEBIAN_FRONTEND: "noninteractive" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  for await (const line of lines(child.stderr)) onLine(line);
  return (await child.status).success;
}
