/**
 * How messages are shown.
 *
 * @module
 */

import { Buffer } from "node:buffer";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder();

/** Bytes in one line of a dump. */
const LINE = 16;

/** A message in JSON: as text, or in base64 if it is no UTF-8. */
export function inJson(name: string, bytes: Uint8Array<ArrayBuffer>): Record<string, string> {
  try {
    return { [name]: strict.decode(bytes) };
  } catch {
    return { base64: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64") };
  }
}

/** A message as text that ends with the end of a line. */
export function inLine(bytes: Uint8Array): string {
  const text = lenient.decode(bytes);
  return text.endsWith("\n") ? text : `${text}\n`;
}

/** A dump in lines: offsets, bytes in hexadecimal, and as ASCII. */
export function inHex(bytes: Uint8Array): string {
  let dump = "";
  for (let offset = 0; offset === 0 || offset < bytes.length; offset += LINE) {
    const line = [...bytes.subarray(offset, offset + LINE)];
    const hex = line.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const ascii = line.map((byte) => byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")
      .join("");
    dump += `${offset.toString(16).padStart(8, "0")}  ${hex.padEnd(3 * LINE)} ${ascii}\n`;
  }
  return dump;
}
