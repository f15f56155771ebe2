/** Messages as users hand them over: what is taken, as which bytes, and what is refused. */

import {
  assert,
  assertEquals,
  assertNotEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { Buffer } from "node:buffer";
import { decodeMessage, encodeMessage } from "../src/message.ts";
import { LONGEST_MESSAGE } from "../src/options.ts";

const TEXTS: [text: string, bytes: number[]][] = [
  ["", []],
  ["a", [0x61]],
  ["\0", [0]],
  ["a\r\nb", [0x61, 0x0d, 0x0a, 0x62]],
  ["é", [0xc3, 0xa9]],
  ["€", [0xe2, 0x82, 0xac]],
  ["𝄞", [0xf0, 0x9d, 0x84, 0x9e]],
];

Deno.test("a string is sent as UTF-8, and read back as it was", () => {
  for (const [text, bytes] of TEXTS) {
    assertEquals([...encodeMessage(text)], bytes, text);
    assertEquals(decodeMessage(Uint8Array.from(bytes)), text);
  }
});

Deno.test("half of a surrogate pair is sent as the replacement character", () => {
  assertEquals([...encodeMessage("\ud834")], [0xef, 0xbf, 0xbd]);
});

Deno.test("bytes that are no UTF-8 are read as replacement characters, and spoil nothing", () => {
  assertEquals(decodeMessage(Uint8Array.of(0x61, 0xff, 0x62)), "a\ufffdb");
  // The decoder does not wait for the rest of a character.
  assertEquals(decodeMessage(Uint8Array.of(0xe2, 0x82)), "\ufffd");
  assertEquals(decodeMessage(Uint8Array.of(0xac, 0x61)), "\ufffda");
});

Deno.test("bytes in ordinary memory are taken as they are, without a copy", () => {
  const bytes = Uint8Array.of(1, 2, 3, 4);
  assertStrictEquals(encodeMessage(bytes), bytes);
  const part = bytes.subarray(1, 3);
  assertStrictEquals(encodeMessage(part), part);
  const empty = new Uint8Array(0);
  assertStrictEquals(encodeMessage(empty), empty);
  const ofSubclass = new (class extends Uint8Array {})([5]);
  assertEquals([...encodeMessage(ofSubclass)], [5]);
});

Deno.test("bytes in shared or resizable memory are copied, just those of the view", () => {
  const memories = [new SharedArrayBuffer(8), new ArrayBuffer(8, { maxByteLength: 16 })];
  for (const memory of memories) {
    const view = new Uint8Array(memory, 2, 3);
    view.set([1, 2, 3]);
    const bytes = encodeMessage(view);
    assertEquals([...bytes], [1, 2, 3]);
    assert(bytes.buffer instanceof ArrayBuffer);
    assert(!bytes.buffer.resizable);
    assertNotEquals<unknown>(bytes.buffer, memory);
    view[0] = 9;
    assertEquals(bytes[0], 1);
  }
});

Deno.test("a Buffer of Node.js is taken as its bytes, which a slice then copies", () => {
  const buffer = Buffer.from("-one-").subarray(1, 4);
  const bytes = encodeMessage(buffer);
  assertStrictEquals(Object.getPrototypeOf(bytes), Uint8Array.prototype);
  assertEquals(decodeMessage(bytes), "one");
  const copy = bytes.slice();
  buffer.write("two");
  assertEquals(decodeMessage(copy), "one");
  assertEquals(decodeMessage(bytes), "two");
});

Deno.test("what is neither a string nor bytes is refused", () => {
  const refused: [value: unknown, type: string][] = [
    [undefined, "undefined"],
    [null, "null"],
    [0, "number"],
    [1n, "bigint"],
    [true, "boolean"],
    [Symbol("x"), "symbol"],
    [() => "x", "function"],
    [{}, "object"],
    [["x"], "object"],
    [[1, 2, 3], "object"],
    [new ArrayBuffer(3), "object"],
    [new DataView(new ArrayBuffer(3)), "object"],
    [new Uint16Array(3), "object"],
    [new Int8Array(3), "object"],
    [new Uint8ClampedArray(3), "object"],
    [new String("x"), "object"],
    [Promise.resolve("x"), "object"],
    [{ length: 1, 0: 1, byteLength: 1 }, "object"],
  ];
  for (const [value, type] of refused) {
    const error = assertThrows(() => encodeMessage(value), TypeError);
    assertEquals(
      error.message,
      `Cannot send a message of type ${type}: must be a string or a Uint8Array`,
    );
  }
});

Deno.test("a message is at most as long as one write", () => {
  assertEquals(LONGEST_MESSAGE, 2_147_483_647);
  // So much memory is not needed to ask.
  const long = new Uint8Array(1);
  let length = LONGEST_MESSAGE;
  Object.defineProperty(long, "byteLength", { get: () => length });
  assertStrictEquals<unknown>(encodeMessage(long), long);
  length++;
  const error = assertThrows(() => encodeMessage(long), RangeError);
  assertEquals(
    error.message,
    "Cannot send a message of 2147483648 bytes: the longest has 2147483647",
  );
});
