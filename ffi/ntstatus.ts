/**
 * The NTSTATUS values with which operations on pipes end.
 *
 * @module
 */

import { Status } from "../src/kernel/status.ts";

/**
 * The system error for each NTSTATUS of an operation. Windows translates a value that is missing
 * here, at the cost of two calls.
 *
 * @see {@link https://learn.microsoft.com/openspecs/windows_protocols/ms-erref/596a1078-e883-4972-9bbc-49e60bebca55}
 */
export const STATUS_OF_NTSTATUS: ReadonlyMap<number, number> = new Map<number, number>([
  [0x00000000, Status.SUCCESS],
  [0x00000103, Status.PENDING],
  [0x80000005, Status.MORE_DATA], // STATUS_BUFFER_OVERFLOW
  [0xc000009a, Status.NO_SYSTEM_RESOURCES], // STATUS_INSUFFICIENT_RESOURCES
  [0xc00000b0, Status.DISCONNECTED], // STATUS_PIPE_DISCONNECTED
  [0xc00000b1, Status.NO_DATA], // STATUS_PIPE_CLOSING
  [0xc00000b2, Status.ALREADY_CONNECTED], // STATUS_PIPE_CONNECTED
  [0xc00000d9, Status.NO_DATA], // STATUS_PIPE_EMPTY
  [0xc0000120, Status.CANCELLED], // STATUS_CANCELLED
  [0xc000014b, Status.BROKEN], // STATUS_PIPE_BROKEN
]);
