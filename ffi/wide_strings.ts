/**
 * Strings as Windows reads and writes them: UTF-16, ended by a NUL.
 *
 * @module
 */

const decoder = new TextDecoder("utf-16le", { ignoreBOM: true });

/** A string for Windows. */
export function wide(text: string): Uint16Array<ArrayBuffer> {
  const units = new Uint16Array(text.length + 1);
  for (let i = 0; i < text.length; i++) units[i] = text.charCodeAt(i);
  return units;
}

/**
 * A string from Windows: the characters before the NUL. It is decoded, because there may be more of
 * them than `String.fromCharCode` takes arguments.
 */
export function narrow(units: Uint16Array<ArrayBuffer>): string {
  const end = units.indexOf(0);
  return decoder.decode(end === -1 ? units : units.subarray(0, end));
}
