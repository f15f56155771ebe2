/** The command line and the environment of deno.exe. */

/** The subcommands that load modules and know `--cached-only`. */
const LOADING = new Set([
  "bench",
  "check",
  "compile",
  "eval",
  "install",
  "repl",
  "run",
  "serve",
  "test",
  "x",
]);

/**
 * Adds `--cached-only`: deno.exe does not know the certificates of this machine, so what it needs is
 * downloaded before. A caller who wants a download all the same says `--reload`.
 */
export function cachedOnly(args: string[]): string[] {
  const [subcommand, ...rest] = args;
  if (subcommand === undefined || !LOADING.has(subcommand)) return args;
  const own = rest.some((arg) =>
    arg === "--cached-only" || arg === "-r" || /^--reload(=|$)/.test(arg)
  );
  return own ? args : [subcommand, "--cached-only", ...rest];
}

/** The path under Wine, whose drive Z: is the root folder. */
export function windowsPath(path: string): string {
  return `Z:${path.replaceAll("/", "\\")}`;
}

/** The variables of a run on top of the caller's own. */
export function runtimeVariables(denoDir: string): Record<string, string> {
  return {
    DENO_DIR: windowsPath(denoDir),
    DENO_NO_UPDATE_CHECK: "1",
    NO_COLOR: "1",
    WINEDEBUG: Deno.env.get("WINEDEBUG") ?? "-all",
  };
}
