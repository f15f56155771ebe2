/**
 * JavaScript memory for messages.
 *
 * @module
 */

/** Allocates memory for a message; undefined if there is not enough. */
export function allocate(bytes: number): Uint8Array<ArrayBuffer> | undefined {
  try {
    return new Uint8Array(bytes);
  } catch {
    return undefined;
  }
}
