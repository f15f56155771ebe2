/**
 * Bytes that both processes can make, so that they need not travel between them.
 *
 * @module
 */

/** The same bytes for the same numbers. */
export interface Pattern {
  readonly length: number;
  readonly seed: number;
}

/** The byte of a pattern at an offset. */
function patternByte(seed: number, offset: number): number {
  const mixed = Math.imul(offset ^ Math.imul(seed, 0x9e37_79b1), 0x85eb_ca6b);
  return Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35) >>> 24;
}

/** The bytes of a pattern. */
export function patternBytes({ length, seed }: Pattern): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = patternByte(seed, i);
  return bytes;
}

/** The offset of the first byte that is not the pattern's, or -1. */
export function patternMismatch(bytes: Uint8Array, seed: number): number {
  return bytes.findIndex((byte, i) => byte !== patternByte(seed, i));
}
