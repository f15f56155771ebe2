/** Messages as users hand them over: what is taken, as which bytes, and what is refused. */

import {
  assert,
  assertEquals,
  assertNotEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { Buffer } from "node:buffer";
import { runInNewContext } from "node:vm";
import { decodeMessage, encodeMessage, isBytes } from "../src/pipe/message.ts";
import { LONGEST_MESSAGE } from "../src/options/checks.ts";

const { proxy: REVOKED, revoke } = Proxy.revocable({}, {});
revoke();

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
  for (const part of [bytes, bytes.subarray(1, 3), bytes.subarray(4)]) {
    const taken = encodeMessage(part);
    assertStrictEquals(taken.buffer, bytes.buffer);
    assertEquals(taken, part);
  }
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

Deno.test("what an array says of itself is not believed", () => {
  const lies = { length: Number.NaN, byteLength: 4_096, byteOffset: 1, buffer: new ArrayBuffer(9) };
  const methods = { constructor: Object, slice: () => lies, subarray: () => lies, set: () => {} };
  const never = () => {
    throw new Error("test: code of the message's runs");
  };
  const liars = [
    Object.defineProperties(
      Uint8Array.of(1, 2, 3),
      Object.getOwnPropertyDescriptors({ ...lies, ...methods }),
    ),
    Object.defineProperties(
      Uint8Array.of(1, 2, 3),
      Object.fromEntries(
        [...Object.keys({ ...lies, ...methods }), Symbol.iterator, Symbol.toStringTag]
          .map((name) => [name, { get: never }]),
      ),
    ),
    new (class extends Uint8Array {
      override get byteLength(): number {
        return 4_096;
      }
      static get [Symbol.species](): never {
        return never();
      }
    })([1, 2, 3]),
    Object.setPrototypeOf(Uint8Array.of(1, 2, 3), null),
  ];
  for (const liar of liars) {
    const bytes = encodeMessage(liar);
    assertEquals(bytes, Uint8Array.of(1, 2, 3));
    assertEquals(bytes.slice(), Uint8Array.of(1, 2, 3));
    assert(isBytes(liar));
  }
});

Deno.test("bytes of another realm are copied into this one", () => {
  const foreign = runInNewContext("Uint8Array.of(1, 2, 3)");
  assert(!(foreign instanceof Uint8Array));
  const bytes = encodeMessage(foreign);
  assertEquals(bytes, Uint8Array.of(1, 2, 3));
  assert(bytes.buffer instanceof ArrayBuffer);
});

Deno.test("a view that follows its memory gives what it has at the call", () => {
  const memory = new ArrayBuffer(2, { maxByteLength: 8 });
  const view = new Uint8Array(memory);
  memory.resize(5);
  const bytes = encodeMessage(view);
  memory.resize(1);
  assertEquals(bytes, new Uint8Array(5));
});

Deno.test("bytes whose memory is gone are refused, which an empty message is not", () => {
  const detached = Uint8Array.of(1, 2);
  detached.buffer.transfer();
  const memory = new ArrayBuffer(4, { maxByteLength: 8 });
  const outside = new Uint8Array(memory, 2, 2);
  memory.resize(1);
  for (const bytes of [detached, outside]) {
    assertThrows(
      () => encodeMessage(bytes),
      TypeError,
      "Cannot send a message whose memory is detached or out of bounds",
    );
  }
  assertEquals(encodeMessage(new Uint8Array(0)), new Uint8Array(0));
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
    [Object.create(Uint8Array.prototype), "object"],
    [{ [Symbol.toStringTag]: "Uint8Array" }, "object"],
    [new Proxy(new Uint8Array(1), {}), "object"],
    [REVOKED, "object"],
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
  // No page of it is touched.
  const long = new Uint8Array(LONGEST_MESSAGE + 1);
  assertEquals(encodeMessage(long.subarray(1)).length, LONGEST_MESSAGE);
  const error = assertThrows(() => encodeMessage(long), RangeError);
  assertEquals(
    error.message,
    "Cannot send a message of 2147483648 bytes: the longest has 2147483647",
  );
});
