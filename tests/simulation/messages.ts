/**
 * Messages that say whose they are: each byte follows from the sender, the number and the length,
 * so that a piece of one is never taken for another.
 *
 * @module
 */

/** Bytes that a message needs to say whose it is. */
export const IDENTITY = 5;

const HEADER = 9;
const REQUEST = 0x51;
const REPLY = 0x41;
const LONGEST_PATTERN = 1 << 16;

const pattern = new Uint8Array(LONGEST_PATTERN + 4096);
for (let i = 0, state = 1; i < pattern.length; i++) {
  state = Math.imul(state, 0x6c07_8965) + 1 | 0;
  pattern[i] = state >>> 24;
}

function compose(kind: number, sender: number, number: number, length: number): Uint8Array<
  ArrayBuffer
> {
  const bytes = new Uint8Array(length);
  const header = [
    kind,
    sender & 0xff,
    sender >> 8,
    number & 0xff,
    number >> 8,
    length & 0xff,
    length >> 8 & 0xff,
    length >> 16 & 0xff,
    length >> 24,
  ];
  bytes.set(header.slice(0, length));
  for (let at = HEADER; at < length; at += LONGEST_PATTERN) {
    const begin = Math.imul(sender * 37 + number + 1, 0x9e37_79b1) >>> 20;
    bytes.set(pattern.subarray(begin, begin + Math.min(LONGEST_PATTERN, length - at)), at);
  }
  return bytes;
}

/** The request with this number of this connection. */
export function requestOf(link: number, number: number, length: number): Uint8Array<ArrayBuffer> {
  return compose(REQUEST, link, number, length);
}

/** The answer with this number to this client of the server. */
export function replyTo(client: number, number: number, length: number): Uint8Array<ArrayBuffer> {
  return compose(REPLY, client, number, length);
}

/** Who sent a message, and its number; undefined if it is too short to say so, or is nobody's. */
export function senderOf(message: Uint8Array): { sender: number; number: number } | undefined {
  const [kind, low = 0, high = 0, numberLow = 0, numberHigh = 0] = message;
  if (message.length < IDENTITY || (kind !== REQUEST && kind !== REPLY)) return undefined;
  return { sender: low | high << 8, number: numberLow | numberHigh << 8 };
}

/** Whether two messages have the same bytes. */
export function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i++) if (one[i] !== other[i]) return false;
  return true;
}

/** What can be said of a message in one line. */
export function describe(message: Uint8Array): string {
  const sender = senderOf(message);
  const from = sender === undefined
    ? ""
    : ` ${message[0] === REQUEST ? "request" : "reply"} ${sender.sender}#${sender.number}`;
  return `${message.length} B${from}`;
}
