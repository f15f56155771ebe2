/**
 * What passes between a test and its foreign client: lines of JSON, with bytes in them.
 *
 * @module
 */

import type { Functions } from "./client_process.ts";

/** A line to the process. */
export interface Call {
  id: number;
  name: keyof Functions;
  args: unknown[];
}

/** A line from the process: what the call returned, or the error that it ended with. */
export type Answer =
  | { id: number; value: unknown }
  | { id: number; message: string; code?: number };

/** JSON of something that may hold bytes. */
export function toJson(value: unknown): string {
  return JSON.stringify(
    value,
    (_, item) => item instanceof Uint8Array ? { base64: item.toBase64() } : item,
  );
}

/** What {@linkcode toJson} was given. */
export function fromJson<T>(text: string): T {
  return JSON.parse(
    text,
    (_, item) => typeof item?.base64 === "string" ? Uint8Array.fromBase64(item.base64) : item,
  );
}
