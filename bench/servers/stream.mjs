/**
 * What the ends of a stream agree on: its first two bytes, which come from the load, and what it
 * consists of. See `native/stream.h`.
 *
 * @module
 */

/**
 * What the load wants of a connection.
 *
 * @param {Uint8Array} bytes What it sent first.
 */
export function headerOf(bytes) {
  const direction = String.fromCharCode(bytes[0] ?? 0);
  return { down: direction === "d" || direction === "b", chunk: 2 ** (bytes[1] ?? 0) };
}

/**
 * The bytes of a chunk.
 *
 * @param {number} length How many.
 */
export function chunkOf(length) {
  return Uint8Array.from({ length }, (_, at) => at * 31 + Math.floor(at / 251));
}
