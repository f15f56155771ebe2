/**
 * Who may open a pipe: what a user of this module says in words, as a security descriptor in SDDL.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/ipc/named-pipe-security-and-access-rights}
 * @see {@link https://learn.microsoft.com/windows/win32/secauthz/security-descriptor-string-format}
 *
 * @module
 */

/**
 * Who may open a server's pipe.
 *
 * - `"current-user"`: the user that the server runs as, and the system itself. Nobody else, not
 *   even to read, and no administrator as such.
 * - `"local-users"`: besides these, everybody who is logged on to this machine, to read and to
 *   write, but not to serve the pipe. Who is logged on over the network is refused.
 * - `"system-default"`: what Windows gives a pipe by itself. Administrators and the user have all
 *   rights, and everybody, anonymous users included, may read, and so occupy instances.
 * - `{ sddl }`: a security descriptor of your own. It must let the server's own user in with all
 *   rights (`FA`), since every further instance is checked against it. Give clients `0x12019b`, and
 *   never `GW`, `FW`, `GA` or `FA`: these hold the right to create instances, with which a client
 *   could serve the pipe itself, and get the next clients. Name the owner (`O:` and the SID of that
 *   user) if clients ask for it with `server`: otherwise an elevated process gives its pipe to the
 *   group of administrators.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/ipc/named-pipe-security-and-access-rights}
 * @see {@link https://learn.microsoft.com/windows/win32/secauthz/security-descriptor-string-format}
 */
export type PipeAccess =
  | "current-user"
  | "local-users"
  | "system-default"
  | { readonly sddl: string };

/** What is in force for a server's pipe. */
export interface PipeSecurity {
  /**
   * Owner and access rights, in SDDL, as Windows told them of the first instance. Undefined with
   * `access: "system-default"`, since kernel32 alone cannot ask, and if Windows did not tell.
   */
  readonly sddl: string | undefined;
  /** The name was free: no pipe of somebody else was joined. */
  readonly firstInstance: boolean;
  /** Whether clients of other machines are taken. */
  readonly remote: boolean;
}

/**
 * FILE_GENERIC_READ and FILE_GENERIC_WRITE without FILE_CREATE_PIPE_INSTANCE, which the latter
 * contains: with that a client could serve the pipe itself, and get the next clients.
 */
const CLIENT_RIGHTS = "0x12019b";

/**
 * The security descriptor of a server's pipe; undefined: what the system gives.
 *
 * The owner is named, since that of an elevated process would be the group of administrators. The
 * own user comes before the denial of network logons: a server that was started over the network
 * (by ssh, say) is logged on over the network itself, and could not create a second instance.
 *
 * @param user The SID of the user that the server runs as.
 */
export function descriptor(access: PipeAccess, user: string): string | undefined {
  if (typeof access === "object") return access.sddl;
  const own = `O:${user}D:P(A;;FA;;;${user})(A;;FA;;;SY)`;
  switch (access) {
    case "current-user":
      return own;
    case "local-users":
      return `${own}(D;;FA;;;NU)(A;;${CLIENT_RIGHTS};;;AU)`;
    case "system-default":
      return undefined;
  }
}

/** How much a process is trusted by Windows, from its integrity level. */
export type IntegrityLevel = "untrusted" | "low" | "medium" | "high" | "system";

/**
 * The level that a number stands for: levels lie 0x1000 apart, and what lies between two of them
 * is worth the lower one.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/secauthz/well-known-sids}
 */
export function integrityLevel(integrity: number): IntegrityLevel {
  if (integrity < 0x1000) return "untrusted";
  if (integrity < 0x2000) return "low";
  if (integrity < 0x3000) return "medium";
  if (integrity < 0x4000) return "high";
  return "system";
}
