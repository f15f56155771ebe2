/**
 * Where it is measured.
 *
 * @module
 */

import { isWine } from "../tests/win32/environment.ts";
import type { Environment } from "./results.ts";
import { versionOf } from "./servers.ts";

/** The first build of Windows 11, which calls itself Windows 10. */
const WINDOWS_11 = 22_000;

function wineVersion(): string {
  const ntdll = Deno.dlopen("C:\\Windows\\System32\\ntdll.dll", {
    wine_get_version: { parameters: [], result: "pointer" },
  });
  try {
    const version = ntdll.symbols.wine_get_version();
    return version === null ? "" : Deno.UnsafePointerView.getCString(version);
  } finally {
    ntdll.close();
  }
}

function system(): string {
  if (isWine()) return `under Wine ${wineVersion()}`;
  const build = Number(Deno.osRelease().split(".")[2]);
  return `on Windows ${build >= WINDOWS_11 ? 11 : 10} (${Deno.osRelease()})`;
}

/** Date, system and versions. */
export async function environment(): Promise<Environment> {
  return {
    date: new Date().toISOString().slice(0, 10),
    system: system(),
    processors: navigator.hardwareConcurrency,
    versions: {
      deno: Deno.version.deno,
      node: await versionOf("node"),
      bun: await versionOf("bun"),
    },
  };
}
