/**
 * What a connection needs of the end of a pipe that it uses, and of the owner of that end.
 *
 * @module
 */

import type { WaitLoop } from "../loop/wait_loop.ts";
import type { BuiltInFraming } from "../options/framing.ts";
import type { CloseReason } from "./close_reason.ts";
import type { ConnectionErrors } from "./connection_errors.ts";
import type { PipeEnd } from "./pipe_end.ts";
import type { WriteQueue } from "./write_queue.ts";

/** The settings of a connection. */
export interface ConnectionSettings {
  readonly path: string;
  readonly type: "message" | "byte";
  readonly direction: "both" | "read" | "write";
  readonly framing: BuiltInFraming | undefined;
  readonly halfClose: "none" | "empty-message";
  readonly maxMessage: number;
  readonly maxQueued: number;
  readonly writeTimeout: number;
}

/** The end of a pipe that a connection uses, and its owner. */
export interface Link {
  readonly loop: WaitLoop;
  readonly pipeEnd: PipeEnd;
  readonly queue: WriteQueue;
  readonly errors: ConnectionErrors;
  /** Whether a message is read before the program asks for it. */
  readonly readsAhead: boolean;
  /** Whether a read waits until others have received what they have. */
  readonly blocked: boolean;
  /** Aborts when the server has begun to shut down. */
  readonly draining: AbortSignal;
  /** Resolves when everything is released. */
  readonly released: Promise<void>;
  /** Reads the next message, or the rest of one: `readCompleted` of the connection follows. */
  read(): void;
  readRest(): void;
  /** Cancels the read that no call needs. It completes all the same. */
  cancelRead(): void;
  /** Bytes of the message that was read. */
  readonly length: number;
  /** Takes the message that was read, into this memory if there is some and it fits. */
  take(into?: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>;
  /** The error of a read that was "broken", and the reason to end the connection with. */
  readError(): { readonly reason: CloseReason; readonly error: Error };
  /** More is queued than the limit allows. */
  overflowed(queued: number): void;
  /** A write has found that the other end has closed, though what it sent is not all received. */
  endSeen(): void;
  /** Ends the connection: `ended` of it follows at once. */
  close(reason: CloseReason, error?: Error): void;
}
