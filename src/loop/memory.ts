/**
 * Memory of this program.
 *
 * @module
 */

/** Memory for a message; undefined if the program can have no more of it. */
export function allocate(bytes: number): Uint8Array<ArrayBuffer> | undefined {
  try {
    return new Uint8Array(bytes);
  } catch {
    return undefined;
  }
}
