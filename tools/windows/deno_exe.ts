/** deno.exe, from npm. */

import { SetupError } from "./host.ts";
import { npmProgram, type Registry, registry } from "./npm.ts";

const PACKAGE = "@deno/win32-x64";
const DEFAULT_VERSION = "2.9.5";

/** npm's integrity of each version: `npm view @deno/win32-x64@VERSION dist.integrity`. */
const INTEGRITY: Record<string, string> = {
  "2.7.7":
    "sha512-jUl9jtK6LWDF3emMuN2Y4kXYBa5hC1KKIBqLgrcu4lO+WFNNH7TKrZ7xVq0WWmc4EZmaj35tker96t78belJiQ==",
  "2.9.4":
    "sha512-u69MJjnr/4ttQ1a/lMVch57LJJgzplEIDiHepZX+yHOw9Q4FdWinr9Gj0oZ/hpEnTvVtih/CZc3IvYagBqQBag==",
  "2.9.5":
    "sha512-LkcERsH0olOgevg9L9eootSr1U8ydyfnX1bS3mFqU+lGBeTYtlec5b/QF473WUOGVgPlWECrkxi4As5kEaFOzg==",
};

/** The version to use and its integrity. */
export function pinned(version = DEFAULT_VERSION): { version: string; integrity: string } {
  const integrity = INTEGRITY[version];
  if (integrity === undefined) {
    const known = Object.keys(INTEGRITY).join(", ");
    throw new SetupError(
      `Cannot use deno.exe ${version}: WINDOWS_DENO_VERSION must be one of ${known}`,
    );
  }
  return { version, integrity };
}

/** Where deno.exe comes from. */
export interface Source extends Registry {
  version: string;
  integrity: string;
}

export async function source(): Promise<Source> {
  return {
    ...pinned(Deno.env.get("WINDOWS_DENO_VERSION") || undefined),
    ...await registry(),
  };
}

/** The path of deno.exe in the cache, downloaded if it is missing. */
export async function denoExe(cache: string, from: Source): Promise<string> {
  const { version, integrity } = from;
  const packed = { package: PACKAGE, version, integrity, file: "deno.exe", size: "42 MB" };
  return await npmProgram(cache, `deno-${version}`, packed, from);
}
