/**
 * Security identifiers, as bytes and as text.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/secauthz/sid-components}
 *
 * @module
 */

/** Revision, number of subauthorities, and the authority in 6 bytes. */
const HEADER_SIZE = 8;
const SUBAUTHORITY_SIZE = 4;

/** The bytes of the longest SID: 15 subauthorities. */
export const MAX_SID_SIZE: number = HEADER_SIZE + 15 * SUBAUTHORITY_SIZE;

/** The text of a SID, `S-1-…`; undefined if the bytes are not a SID. */
export function sidText(bytes: Uint8Array): string | undefined {
  const [revision, count = 0] = bytes;
  if (revision !== 1 || bytes.length < HEADER_SIZE + count * SUBAUTHORITY_SIZE) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // The authority is the only part in network byte order.
  const authority = view.getUint16(2) * 2 ** 32 + view.getUint32(4);
  const shown = authority < 2 ** 32
    ? `${authority}`
    : `0x${authority.toString(16).padStart(12, "0")}`;
  let text = `S-1-${shown}`;
  for (let i = 0; i < count; i++) {
    text += `-${view.getUint32(HEADER_SIZE + i * SUBAUTHORITY_SIZE, true)}`;
  }
  return text;
}

/** The bytes of a SID; undefined if the text is not a SID. */
export function sidBytes(text: string): Uint8Array<ArrayBuffer> | undefined {
  const match = /^S-1-(0x[0-9a-f]{1,12}|\d{1,10})((?:-\d{1,10}){0,15})$/i.exec(text);
  if (match === null) return undefined;
  const [, shown = "", rest = ""] = match;
  const authority = Number(shown);
  const subauthorities = rest.split("-").slice(1).map(Number);
  if (subauthorities.some((part) => part > 0xffff_ffff)) return undefined;
  const bytes = new Uint8Array(HEADER_SIZE + subauthorities.length * SUBAUTHORITY_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 1);
  view.setUint8(1, subauthorities.length);
  view.setUint16(2, Math.floor(authority / 2 ** 32));
  view.setUint32(4, authority % 2 ** 32);
  for (const [i, part] of subauthorities.entries()) {
    view.setUint32(HEADER_SIZE + i * SUBAUTHORITY_SIZE, part, true);
  }
  return bytes;
}

/** The last number of a SID, which is a level in some SIDs, such as those of integrity. */
export function lastSubauthority(text: string): number {
  return Number(text.slice(text.lastIndexOf("-") + 1));
}
