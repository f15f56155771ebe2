/**
 * Whether a user may open a pipe: as much of security descriptors as pipes need.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/secauthz/how-dacls-control-access-to-an-object}
 * @see {@link https://learn.microsoft.com/windows/win32/secauthz/ace-strings}
 *
 * @module
 */

import type { Identity } from "../../kernel/kernel.ts";

/** The rights that opening a pipe, or creating an instance of it, takes. */
export const Right = {
  /** FILE_READ_DATA */
  READ: 1,
  /** FILE_WRITE_DATA */
  WRITE: 2,
  /** FILE_CREATE_PIPE_INSTANCE */
  CREATE: 4,
} as const;

/** Who opens a pipe that somebody has created. */
export interface Attempt {
  /** The descriptor of the pipe, in SDDL; undefined: the system's default. */
  readonly security: string | undefined;
  /** Who has created it. */
  readonly creator: Identity;
  /** Who opens it. */
  readonly user: Identity;
  /** A sum of {@linkcode Right}. */
  readonly wanted: number;
}

const ADMINISTRATORS = "S-1-5-32-544";

/** The groups that every user of this machine is in: everyone, authenticated, interactive, users. */
const EVERYBODY = ["S-1-1-0", "S-1-5-11", "S-1-5-4", "S-1-5-32-545"];

/** The names of users and groups in SDDL. */
const ALIASES: Readonly<Record<string, string>> = {
  WD: "S-1-1-0",
  AU: "S-1-5-11",
  IU: "S-1-5-4",
  BU: "S-1-5-32-545",
  BA: ADMINISTRATORS,
  SY: "S-1-5-18",
  LS: "S-1-5-19",
  NS: "S-1-5-20",
  AN: "S-1-5-7",
  NU: "S-1-5-2",
};

/** The names of rights in SDDL, of those that count here. */
const RIGHTS: Readonly<Record<string, number>> = {
  GA: 7,
  FA: 7,
  GR: 1,
  FR: 1,
  GW: 6,
  FW: 6,
  CC: 1,
  DC: 2,
  LC: 4,
};

/** What a pipe has where nothing else was said: of others, only administrators may write. */
const DEFAULT = "D:(A;;FA;;;BA)(A;;FA;;;SY)(A;;FR;;;WD)(A;;FR;;;AN)";

/** Whether the access rights of a pipe give somebody what is wanted. */
export function admits({ security, creator, user, wanted }: Attempt): boolean {
  const descriptor = security ?? `${DEFAULT}(A;;FA;;;${creator.sid})`;
  const entries = /D:[A-Z_]*((?:\([^()]*\))*)/.exec(descriptor)?.[1];
  // A descriptor without a list protects nothing.
  if (entries === undefined || descriptor.includes("D:NO_ACCESS_CONTROL")) return true;
  const is = membership(user);
  let left = wanted;
  for (const [, entry = ""] of entries.matchAll(/\(([^()]*)\)/g)) {
    const [type, , rights = "", , , who = ""] = entry.split(";");
    if (!is.has(ALIASES[who] ?? who)) continue;
    if (type === "A") left &= ~mask(rights);
    if (type === "D" && (left & mask(rights)) !== 0) return false;
  }
  return left === 0;
}

/** The user itself, and its groups. */
function membership({ sid, elevated }: Identity): Set<string> {
  const administrators = elevated ? [ADMINISTRATORS] : [];
  return new Set([sid, ...EVERYBODY, ...administrators]);
}

function mask(rights: string): number {
  if (/^(?:0x[\da-f]+|\d+)$/i.test(rights)) return Number(rights) & 7;
  const names = rights.match(/../g) ?? [];
  return names.reduce((sum, name) => sum | (RIGHTS[name] ?? 0), 0);
}

/** The SID of the owner of a pipe: the one that was named, or whoever has created it. */
export function ownerOf(security: string | undefined, creator: Identity): string {
  const [, named] = /^(?:G:(?:S-[\d-]+|[A-Z]{2}))?O:(S-[\d-]+|[A-Z]{2})/.exec(security ?? "") ?? [];
  if (named !== undefined) return ALIASES[named] ?? named;
  return creator.elevated ? ADMINISTRATORS : creator.sid;
}
