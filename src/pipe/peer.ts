/**
 * What Windows reports about the process at the other end of a pipe.
 *
 * @module
 */

/** The process at the other end of a connection, as Windows reports it. */
export interface PipePeer {
  /**
   * The id of the process; undefined if Windows does not report it. For logs and statistics only: it
   * can be forged, and Windows reuses the id once the process has ended.
   */
  readonly processId: number | undefined;
  /** The session that the process is in; undefined if Windows does not report it. */
  readonly sessionId: number | undefined;
  /**
   * The path of the program that the process runs, from `QueryFullProcessImageNameW`. Determined when
   * this is first called, and the result is kept.
   *
   * For logs, and for lists of allowed programs that guard against mistakes. It proves nothing: a
   * process can pass its end of a pipe on to another, and any program of the same user can run code
   * in another's process.
   *
   * @returns The path; undefined if the process has ended, may not be queried, or began after the
   *   connection, which means that the id was given to another process. Undefined too if this is first
   *   called when all servers and connections of this program have ended.
   * @see {@link https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-queryfullprocessimagenamew}
   */
  executable(): string | undefined;
}
