/**
 * What both ends of a pipe have in common, and what they are created with.
 *
 * @module
 */

import type { Direction, Impersonation, Peeked } from "../../kernel/kernel.ts";
import type { Operation } from "./operation.ts";

/** Statuses of Windows that the seam has no name for. */
export const Code = {
  /** A server's call on a client's end. */
  INVALID_FUNCTION: 1,
} as const;

/** The direction of the other end: what one writes, the other reads. */
export const OPPOSITE: Readonly<Record<Direction, Direction>> = {
  both: "both",
  read: "write",
  write: "read",
};

/** What one end of a pipe can be asked. */
export interface End {
  /** The name, as its first instance spells it. */
  readonly path: string;
  /** What the name was created with. */
  readonly terms: Terms;
  /** The process that created the instance. */
  readonly host: number;
  listen(operation: Operation): void;
  read(operation: Operation, size: number): void;
  write(operation: Operation, bytes: Uint8Array): void;
  /** What a write does that fails for want of memory. */
  writeInPart(bytes: Uint8Array): void;
  /** Whether the other end reads, and has less room than the message needs. */
  takesPart(bytes: Uint8Array): boolean;
  peek(): Peeked;
  /** Message read mode or byte read mode. */
  keepMessages(on: boolean): number;
  disconnect(): number;
  close(): void;
}

/** What a client's end is opened with. */
export interface Opening {
  /** The process that opens it; one that nobody knows unless told. */
  readonly process?: number;
  /** What the end can do; nothing but ask, for `"none"`, and both unless told. */
  readonly direction?: Direction | "none";
  /** What the server may do with the client's identity; identify it unless told. */
  readonly impersonation?: Impersonation;
  /** When the client's identity is taken; with each message unless told. */
  readonly tracking?: Tracking;
}

/** When the system takes a client's identity: once, at its opening, or anew with each message. */
export type Tracking = (typeof TRACKING)[number];

/** See {@linkcode Tracking}. */
export const TRACKING = ["static", "dynamic"] as const;

/** What a pipe is created with. */
export interface Terms {
  /** Message type, or byte type: the first one's word counts. */
  readonly messages: boolean;
  /** What the server's end can do; both unless told. */
  readonly direction?: Direction;
  /** Most server handles of the name: the first one's word counts. */
  readonly most: number;
  /** Quota of what clients write. */
  readonly readBufferSize: number;
  /** Quota of what the server writes. */
  readonly writeBufferSize: number;
  /** The security descriptor, in SDDL: the first one's word counts. */
  readonly security?: string;
  /** The process that creates it. */
  readonly process?: number;
}
