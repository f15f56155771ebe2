/**
 * The status of a call or an operation, and what each one says about it.
 *
 * @module
 */

/**
 * How a call or an operation ended. The values are the codes of Windows system errors, so that a
 * status without a name here can still be passed on and shown.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/debug/system-error-codes}
 */
export const Status = {
  /** Not from Windows: this program had no memory for the operation, and nothing was submitted. */
  NOT_SUBMITTED: -2,
  /** A call returned FALSE and the reason was lost: never a success. */
  UNKNOWN: -1,
  /** Done. */
  SUCCESS: 0,
  /** There is no pipe of this name. */
  NOT_FOUND: 2,
  /** The security descriptor of the pipe, or of its name, forbids it, or the pipe's direction. */
  ACCESS_DENIED: 5,
  /** The handle is not that of an open pipe, or no longer. */
  INVALID_HANDLE: 6,
  /** Not enough memory. */
  OUT_OF_MEMORY: 8,
  /** The end of a list. */
  NO_MORE_FILES: 18,
  /** An argument that this kind of pipe does not accept, such as message mode for a byte pipe. */
  INVALID_PARAMETER: 87,
  /** The other end is closed, and everything that it wrote has been read. */
  BROKEN: 109,
  /** The result is longer than the memory given for it. */
  INSUFFICIENT_BUFFER: 122,
  /** The pipe's name is malformed, or a part of it is a pipe itself. */
  INVALID_NAME: 123,
  /** A peek at an instance that has no client. */
  BAD_PIPE: 230,
  /** No instance of the pipe is free, or the name has all its instances. */
  BUSY: 231,
  /** The other end is closed. */
  NO_DATA: 232,
  /** The server disconnected this connection. */
  DISCONNECTED: 233,
  /** The message is longer than the memory given: what fits was read, the rest remains. */
  MORE_DATA: 234,
  /** A client had connected before the server listened. */
  ALREADY_CONNECTED: 535,
  /** Input or output, or a peek, before a client has connected. */
  LISTENING: 536,
  /** The operation was cancelled. */
  CANCELLED: 995,
  /** In flight: exactly one completion follows. */
  PENDING: 997,
  /** Nothing is in flight that could be cancelled. */
  NOTHING_TO_CANCEL: 1168,
  /** The client is anonymous, so it cannot be identified. */
  ANONYMOUS: 1347,
  /** The client cannot be impersonated, so it cannot be identified. */
  CANNOT_IMPERSONATE: 1368,
  /** Not enough of some system resource. */
  NO_SYSTEM_RESOURCES: 1450,
  /** A buffer could not be locked: another sign of a shortage. */
  INVALID_USER_BUFFER: 1784,
  /** The quota of the process is used up. */
  NOT_ENOUGH_QUOTA: 1816,
} as const;

const SHORTAGES: readonly number[] = [
  Status.NOT_SUBMITTED,
  Status.OUT_OF_MEMORY,
  Status.NO_SYSTEM_RESOURCES,
  Status.INVALID_USER_BUFFER,
  Status.NOT_ENOUGH_QUOTA,
];

const ENDS: readonly number[] = [Status.BROKEN, Status.NO_DATA, Status.DISCONNECTED];

/**
 * Whether a status reports a shortage, which may pass.
 *
 * A listen, a read or a peek can then be tried again: a listen moves no data, and a read that fails
 * has taken none. A write cannot, unless the status is NOT_SUBMITTED: Windows fills a waiting read
 * with the beginning of the message before it allocates memory for the rest, so a part may have
 * been delivered.
 */
export function isShortage(status: number): boolean {
  return SHORTAGES.includes(status);
}

/** Whether a status says that the other end has disconnected. */
export function isEnd(status: number): boolean {
  return ENDS.includes(status);
}

/**
 * The statuses with which a submission is certainly over. Any other status that comes with FALSE is
 * a last error that may have been overwritten, and says nothing about the operation.
 */
export const DEFINITE_STATUSES: {
  readonly listen: ReadonlySet<number>;
  readonly read: ReadonlySet<number>;
  readonly write: ReadonlySet<number>;
} = {
  listen: new Set<number>([
    Status.SUCCESS,
    Status.ALREADY_CONNECTED,
    Status.NO_DATA,
    Status.INVALID_HANDLE,
    ...SHORTAGES,
  ]),
  read: new Set<number>([
    Status.SUCCESS,
    Status.MORE_DATA,
    Status.INVALID_HANDLE,
    ...ENDS,
    ...SHORTAGES,
  ]),
  write: new Set<number>([Status.SUCCESS, Status.INVALID_HANDLE, ...ENDS, ...SHORTAGES]),
};
