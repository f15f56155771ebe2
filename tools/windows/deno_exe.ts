/** deno.exe, from npm. */

import { SetupError } from "./host.ts";
import { npmProgram, type Registry, registry } from "./npm.ts";

const PACKAGE = "@deno/win32-x64";

/** What is used unless something else is asked for: the newest there is. */
export const NEWEST_VERSION = "2.9.6";

/** The oldest that the README promises: the tests need 2.7, and npm has no older build of that. */
export const OLDEST_VERSION = "2.7.7";

/** The environment variable that asks for a version. */
export const VERSION_VARIABLE = "WINDOWS_DENO_VERSION";

/** npm's integrity of each version: `npm view @deno/win32-x64@VERSION dist.integrity`. */
const INTEGRITY: Record<string, string> = {
  "2.7.7":
    "sha512-jUl9jtK6LWDF3emMuN2Y4kXYBa5hC1KKIBqLgrcu4lO+WFNNH7TKrZ7xVq0WWmc4EZmaj35tker96t78belJiQ==",
  "2.9.5":
    "sha512-LkcERsH0olOgevg9L9eootSr1U8ydyfnX1bS3mFqU+lGBeTYtlec5b/QF473WUOGVgPlWECrkxi4As5kEaFOzg==",
  "2.9.6":
    "sha512-qRGnmVz/Ea6UWPht/S3xFRK17UZ/ls38DSVfgGB17fpASLxPkksqzWUI/BzL9YYoOknYzfc94mySGyInZu/JXw==",
};

/** The version to use, which can be called `oldest`, and its integrity. */
export function pinned(wanted = NEWEST_VERSION): { version: string; integrity: string } {
  const version = wanted === "oldest" ? OLDEST_VERSION : wanted;
  const integrity = INTEGRITY[version];
  if (integrity === undefined) {
    const known = Object.keys(INTEGRITY).join(", ");
    throw new SetupError(
      `Cannot use deno.exe ${version}: ${VERSION_VARIABLE} must be oldest or one of ${known}`,
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
    ...pinned(Deno.env.get(VERSION_VARIABLE) || undefined),
    ...await registry(),
  };
}

/** The path of deno.exe in the cache, downloaded if it is missing. */
export async function denoExe(cache: string, from: Source): Promise<string> {
  const { version, integrity } = from;
  const packed = { package: PACKAGE, version, integrity, file: "deno.exe", size: "42 MB" };
  return await npmProgram(cache, `deno-${version}`, packed, from);
}
