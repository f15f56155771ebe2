/**
 * Runs the examples, as their first lines say.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { ADVAPI32_PATH } from "../../ffi/advapi32.ts";
import { KERNEL32_PATH } from "../../ffi/kernel32.ts";

/** The repository. */
export const ROOT = new URL("../../", import.meta.url);
/** Their files. */
export const EXAMPLES = [
  "authenticated_server.ts",
  "client.ts",
  "dashboard.ts",
  "discord_rpc.ts",
  "docker.ts",
  "echo_server.ts",
  "grpc_server.ts",
  "http_server.ts",
  "json_rpc_server.ts",
  "language_server.ts",
  "lines.ts",
  "named_pipe_server.ts",
  "notes.ts",
  "proxy.ts",
  "push.ts",
  "tail.ts",
  "workers.ts",
] as const;
/** One of {@linkcode EXAMPLES}. */
export type Example = typeof EXAMPLES[number];

/** Their texts. */
export const sources = new Map<Example, string>();
for (const name of EXAMPLES) {
  sources.set(name, await Deno.readTextFile(new URL(`examples/${name}`, ROOT)));
}

/** The permissions that its first line names: the FFI permission in two forms, and what it needs else. */
export function permissionsOf(name: Example): [string[], string[]] {
  const [line = ""] = sources.get(name)?.split("\n") ?? [];
  assertMatch(line, /^\/\/ Permissions?: /);
  const [whole = "", scoped = "", ...others] = [...line.matchAll(/--allow-[a-z]+(?:=[^\s)]+)?/g)]
    .map(([flag]) => flag);
  return [[whole, ...others], [scoped, ...others]];
}

/** A cache with nothing in it. */
export class EmptyCache implements AsyncDisposable {
  readonly path: string = Deno.makeTempDirSync();

  get env(): Record<string, string> {
    return { DENO_DIR: this.path };
  }

  /** What a program has downloaded into it. */
  downloads(): string[] {
    const found: string[] = [];
    for (const { name } of Deno.readDirSync(this.path)) {
      if (!["npm", "remote", "deps", "registries"].includes(name)) continue;
      for (const { name: item } of Deno.readDirSync(`${this.path}/${name}`)) {
        found.push(`${name}/${item}`);
      }
    }
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

/** The arguments that run an example. */
export function example(name: Example, permissions: string[], ...args: string[]): string[] {
  const file = fileURLToPath(new URL(`examples/${name}`, ROOT));
  return [
    "run",
    "--quiet",
    "--no-prompt",
    "--no-remote",
    "--cached-only",
    ...permissions,
    file,
    ...args,
  ];
}

/** Runs a test with each form of the permissions that the example names. */
export async function withEachPermission(
  name: Example,
  test: (permissions: string[], env: Record<string, string>) => Promise<void>,
): Promise<void> {
  const forms = permissionsOf(name);
  const libraries = name === "client.ts" ? [KERNEL32_PATH] : [KERNEL32_PATH, ADVAPI32_PATH];
  assertEquals(forms.map(([ffi]) => ffi), ["--allow-ffi", `--allow-ffi=${libraries}`]);
  for (const permissions of forms) {
    await using cache = new EmptyCache();
    await test(permissions, cache.env);
    assertEquals(cache.downloads(), []);
  }
}

/** The lines of a text that are not empty. */
export function lines(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => line !== "");
}
