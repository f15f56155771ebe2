/**
 * Names of pipes: their spellings, and the full name that Windows is given.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/ipc/pipe-names}
 *
 * @module
 */

import { refuse, show } from "./checks.ts";

const PREFIX = "\\\\.\\pipe\\";

/** Its other spellings. With slashes, as Node.js and Docker write it, the name has slashes too. */
const LOCAL_PREFIX = /^\\\\[.?]\\pipe\\/i;
const SLASHED_PREFIX = /^(?:npipe:\/\/)?\/\/[.?]\/pipe\//i;

const REMOTE_PREFIX = /^\\\\[^\\/.?][^\\/]*\\pipe\\/i;

/** Windows takes names of up to 256 characters, prefix included. */
const LONGEST_PATH = 256;

/** The full name of a pipe that a server can have: always one of this machine. */
export function serverPath(path: unknown): string {
  const full = clientPath(path);
  if (full.startsWith(PREFIX)) return full;
  throw unusable(path, "a server can only listen on this machine");
}

/** The full name of a pipe that a client can open, on this machine or another. */
export function clientPath(path: unknown): string {
  if (typeof path !== "string") refuse("path", "a string", path);
  const [prefix, name] = splitPath(path);
  if (name === "") throw unusable(path, "the name is empty");
  if (name.includes("/")) throw unusable(path, "a name cannot contain a slash");
  if (name.includes("\0")) throw unusable(path, "a name cannot contain a NUL character");
  if (name.startsWith("\\")) throw unusable(path, "a name cannot start with a backslash");
  // Windows drops these, and ".." together with the part before it, even if that is "pipe": the
  // name would become that of a file, or of another machine.
  if (/[. ](\\|$)/.test(name)) {
    throw unusable(path, "no part of a name can end with a dot or a space");
  }
  const full = prefix + name;
  if (full.length <= LONGEST_PATH) return full;
  throw unusable(path, `it is longer than ${LONGEST_PATH} characters`);
}

function splitPath(path: string): [prefix: string, name: string] {
  const [local] = LOCAL_PREFIX.exec(path) ?? [];
  if (local !== undefined) return [PREFIX, path.slice(local.length)];
  const [slashed] = SLASHED_PREFIX.exec(path) ?? [];
  if (slashed !== undefined) return [PREFIX, path.slice(slashed.length).replaceAll("/", "\\")];
  const [remote] = REMOTE_PREFIX.exec(path) ?? [];
  if (remote !== undefined) return [remote, path.slice(remote.length)];
  if (!/^[\\/]/.test(path)) return [PREFIX, path];
  throw unusable(path, `it must be a name, or start with ${PREFIX}`);
}

function unusable(path: unknown, reason: string): TypeError {
  return new TypeError(`Cannot use "path" ${show(path)}: ${reason}`);
}
