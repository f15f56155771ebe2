/** Framings that a program has written: the check of the option, and how they are verified. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { contentLength, type Framing, lengthPrefixed, lines } from "../mod.ts";
import { framing as checkFraming, isBuiltIn } from "../src/options/framing.ts";
import { FrameTooLong } from "../src/pipe/framing/faults.ts";
import { verifiedFraming } from "../src/pipe/framing/framings.ts";

const BUILT_IN = [lines(), lengthPrefixed(), contentLength()];

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

/** What a program without types may pass. */
function untyped<T>(value: unknown): T {
  return value as T;
}

function assertRefused(body: () => unknown, text: string): void {
  const error = assertThrows(body, TypeError);
  assertEquals(error.message, `Cannot use ${text}`);
}

Deno.test("the option takes none, one of this module, or an object with two functions", () => {
  const check = (value: unknown) => checkFraming(value, "framing");
  assertStrictEquals(check(undefined), undefined);
  for (const framing of BUILT_IN) assertStrictEquals(check(framing), framing);
  const wrong: [unknown, string][] = [
    [null, '"framing": must be an object with encode() and decoder(), was null'],
    ["lines", '"framing": must be an object with encode() and decoder(), was "lines"'],
    [lines, '"framing": must be an object with encode() and decoder(), was a function'],
    [{ decoder() {} }, '"framing.encode": must be a function, was undefined'],
    [{ encode() {}, decoder: {} }, '"framing.decoder": must be a function, was an object'],
  ];
  for (const [value, text] of wrong) {
    assertRefused(() => check(value), text);
  }
});

Deno.test("a program's framing is read once, and called on its object", () => {
  const reads: string[] = [];
  const own = {
    name: "own",
    get encode() {
      reads.push("encode");
      return function (this: { name: string }, message: Uint8Array) {
        return bytes(`${this.name} ${decoder.decode(message)}`);
      };
    },
    get decoder() {
      reads.push("decoder");
      return function (this: { name: string }, max: number) {
        return { push: () => [bytes(`${this.name} ${max}`)], end: () => [] };
      };
    },
  };
  const framing = checkFraming(own, "framing");
  assert(framing !== undefined && Object.isFrozen(framing) && !isBuiltIn(framing));
  for (let i = 0; i < 2; i++) {
    assertEquals(decoder.decode(framing.encode(bytes("a"))), "own a");
    assertEquals(framing.decoder(100).push(bytes("x")), [bytes("own 100")]);
  }
  assertEquals(reads, ["encode", "decoder"]);
});

/** A framing whose decoder returns what it should not. */
function returning(messages: unknown): Framing {
  return {
    encode: (message) => message,
    decoder: () => ({ push: () => untyped<Uint8Array[]>(messages), end: () => untyped(messages) }),
  };
}

Deno.test("a verified framing says what a program's framing does wrong", () => {
  const detached = bytes("abc");
  structuredClone(detached, { transfer: [detached.buffer] });
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const messages = "of a decoder must return an array of Uint8Array";
  const wrong: [framing: unknown, use: (framing: Framing) => unknown, text: string][] = [
    [
      { encode: () => "text" },
      (framing) => framing.encode(bytes("")),
      'encode() must return a Uint8Array, was "text"',
    ],
    [
      { encode: () => Promise.resolve() },
      (framing) => framing.encode(bytes("")),
      "encode() must return a Uint8Array, was an object",
    ],
    [
      { encode: () => detached },
      (framing) => framing.encode(bytes("")),
      "encode() must return a Uint8Array, returned one whose memory is detached",
    ],
    [
      { decoder: () => undefined },
      (framing) => framing.decoder(1),
      "decoder() must return an object with push() and end(), was undefined",
    ],
    [
      { decoder: () => ({ end() {} }) },
      (framing) => framing.decoder(1),
      "push of a decoder must be a function, was undefined",
    ],
    [
      { decoder: () => ({ push() {}, end: 1 }) },
      (framing) => framing.decoder(1),
      "end of a decoder must be a function, was 1",
    ],
    ...[undefined, null, bytes("abc"), Promise.resolve([]), new Set()].map((
      value,
    ): [unknown, (framing: Framing) => unknown, string] => [
      returning(value),
      (framing) => framing.decoder(1).push(bytes("")),
      `push() ${messages}, was ${value === undefined || value === null ? value : "an object"}`,
    ]),
    [
      returning(["text"]),
      (framing) => framing.decoder(1).end(),
      `end() ${messages}, was "text"`,
    ],
    [
      returning(new Array(1)),
      (framing) => framing.decoder(1).push(bytes("")),
      `push() ${messages}, was undefined`,
    ],
    [
      returning([proxy]),
      (framing) => framing.decoder(1).push(bytes("")),
      `push() ${messages}, was an object`,
    ],
    [
      returning([new Uint16Array(1)]),
      (framing) => framing.decoder(1).push(bytes("")),
      `push() ${messages}, was an object`,
    ],
    [
      returning([detached]),
      (framing) => framing.decoder(1).push(bytes("")),
      `push() ${messages}, returned one whose memory is detached`,
    ],
  ];
  for (const [framing, use, text] of wrong) {
    assertRefused(() => use(verifiedFraming(untyped(framing))), `"framing": ${text}`);
  }
});

Deno.test("a verified framing passes on what a program's framing throws", () => {
  const error = new Error("own");
  const fail = () => {
    throw error;
  };
  const failing = verifiedFraming({ encode: fail, decoder: fail });
  assertStrictEquals(assertThrows(() => failing.encode(bytes(""))), error);
  assertStrictEquals(assertThrows(() => failing.decoder(1)), error);
  const late = verifiedFraming({ encode: fail, decoder: () => ({ push: fail, end: fail }) });
  assertStrictEquals(assertThrows(() => late.decoder(1).push(bytes(""))), error);
  assertStrictEquals(assertThrows(() => late.decoder(1).end()), error);
});

Deno.test("a verified framing holds the limit, after the messages before", () => {
  const { push, end } = verifiedFraming(returning([bytes("abc"), bytes("abcd")])).decoder(3);
  assertEquals(push(bytes("")), [bytes("abc")]);
  assertThrows(end, FrameTooLong);
});

Deno.test("a verified framing copies chunks and messages, and returns built-in ones as they are", () => {
  for (const framing of BUILT_IN) assertStrictEquals(verifiedFraming(framing), framing);
  let kept: Uint8Array = new Uint8Array(0);
  const { push } = verifiedFraming({
    encode: (message) => message,
    decoder: () => ({
      push(chunk) {
        const before = kept;
        kept = new Uint8Array(chunk.buffer, chunk.byteOffset);
        return [before, kept.subarray(1)];
      },
      end: () => [],
    }),
  }).decoder(100);
  const chunk = bytes("abc");
  assertEquals(push(chunk), [bytes(""), bytes("bc")]);
  chunk.fill(0xff);
  const messages = push(bytes("def"));
  kept.fill(0xff);
  assertEquals(messages, [bytes("abc"), bytes("ef")]);
});
