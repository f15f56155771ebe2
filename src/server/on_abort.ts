/**
 * The `signal` of a server.
 *
 * @module
 */

import type { Server } from "./server.ts";

/**
 * Calls `stop` when the signal aborts, until the server has ended.
 *
 * @throws {unknown} What the signal throws, which need not be an ordinary one: the server ends then.
 */
export function onAbort(
  server: Server,
  signal: AbortSignal | undefined,
  stop: () => void,
): void {
  if (signal === undefined) return;
  try {
    // onListen may have aborted it.
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: true });
  } catch (error) {
    stop();
    throw error;
  }
  const forget = () => signal.removeEventListener("abort", stop);
  server.finished.finally(forget).catch(() => {});
}
