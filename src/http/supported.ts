/**
 * Whether `node:http` of this version of Deno takes connections of any kind.
 *
 * @module
 */

/**
 * Earlier versions have no server for them, or answer requests to upgrade wrongly.
 *
 * @throws {Deno.errors.NotSupported} If this version is too old.
 */
export function checkVersion(version: string = Deno.version.deno): void {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > 2 || major === 2 && minor >= 8) return;
  throw new Deno.errors.NotSupported("Deno 2.8 or newer is needed for HTTP on a pipe");
}
