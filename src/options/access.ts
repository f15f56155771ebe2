/**
 * Who may open a pipe, and the security descriptor (in SDDL) that says so to Windows.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/ipc/named-pipe-security-and-access-rights}
 * @see {@link https://learn.microsoft.com/windows/win32/secauthz/security-descriptor-string-format}
 *
 * @module
 */

/**
 * Who may open a server's pipe.
 *
 * - `"current-user"`: only the user running the server, and SYSTEM. Nobody else can even read, and
 *   being an administrator is not enough.
 * - `"local-users"`: also every user logged on to this machine, to read and write, but not to serve
 *   the pipe. Users logged on over the network are refused.
 * - `"system-default"`: the rights that Windows gives a pipe by default. Administrators and the user
 *   have all rights; everyone, anonymous users included, can read, and can thus occupy instances.
 * - `{ sddl }`: a security descriptor of your own. It must give the server's own user all rights
 *   (`FA`), since every further instance is checked against it. Give clients `0x12019b`, and never
 *   `GW`, `FW`, `GA` or `FA`: these include the right to create instances, with which a client could
 *   serve the pipe itself and capture other clients. Name the owner (`O:` and the SID of that user)
 *   if clients check it with `owner`: otherwise the pipe of an elevated process is owned by the
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

/** The security in force for a server's pipe. */
export interface PipeSecurity {
  /**
   * Owner and access rights of the first instance, in SDDL, as Windows reports them. Undefined with
   * `access: "system-default"`, since kernel32 alone cannot read them, and if reading them failed.
   */
  readonly sddl: string | undefined;
  /**
   * Whether the server created the first instance, rather than joining a pipe that existed, which
   * takes {@linkcode ExchangesOptions.join}.
   */
  readonly firstInstance: boolean;
  /** Whether clients on other machines are accepted. */
  readonly remote: boolean;
}

/**
 * FILE_GENERIC_READ and FILE_GENERIC_WRITE without FILE_CREATE_PIPE_INSTANCE, which the latter
 * includes: with that right a client could serve the pipe itself and capture other clients.
 */
const CLIENT_RIGHTS = "0x12019b";

/**
 * The security descriptor of a server's pipe; undefined: the system's default.
 *
 * It names the owner, since that of an elevated process would be the group of administrators. The
 * server's user comes before the denial of network logons: a server that was started over the
 * network (with ssh, say) is a network logon itself, and could not create a second instance.
 *
 * @param user The SID of the user running the server.
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

/** The integrity level of a process: how much Windows trusts it. */
export type IntegrityLevel = "untrusted" | "low" | "medium" | "high" | "system";

/**
 * The name of an integrity level. Levels are 0x1000 apart; a number between two of them counts as
 * the lower one.
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
