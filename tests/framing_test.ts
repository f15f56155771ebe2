/** Framings: what each takes and gives, what it refuses and how that is said. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { contentLength, type Framing, lengthPrefixed, lines } from "../mod.ts";
import { FrameTooLong } from "../src/pipe/framing/faults.ts";

const MAX = 100;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Bytes, from a text or as they are. */
function bytes(of: string | readonly number[]): Uint8Array<ArrayBuffer> {
  return typeof of === "string" ? encoder.encode(of) : Uint8Array.from(of);
}

/** What a program without types may pass. */
function untyped<T>(value: unknown): T {
  return value as T;
}

/** The messages of a whole stream, as texts. */
function decode(framing: Framing, stream: string | readonly number[], max = MAX): string[] {
  const { push, end } = framing.decoder(max);
  return [...push(bytes(stream)), ...end()].map((message) => decoder.decode(message));
}

/** Asserts that the stream is refused with exactly this text, and for its length or not. */
function assertBad(framing: Framing, stream: string | readonly number[], text: string, max = MAX) {
  const error = assertThrows(() => decode(framing, stream, max), Deno.errors.InvalidData);
  assertEquals(error.message, `Cannot decode a frame: ${text}`);
  assertEquals(error instanceof FrameTooLong, text.includes("longer than the limit"));
}

function assertThrown(
  body: () => unknown,
  ErrorClass: typeof TypeError | typeof RangeError,
  text: string,
): void {
  const error = assertThrows(body, ErrorClass);
  assertStrictEquals(error.constructor, ErrorClass);
  assertEquals(error.message, text);
}

const UNFINISHED = "the stream ended within it";

// Lines

const LINES: [stream: string, messages: string[]][] = [
  ["", []],
  ["a\n", ["a"]],
  ["a\r\n", ["a"]],
  ["a\nb\r\nc\n", ["a", "b", "c"]],
  ["\n", [""]],
  ["\r\n", [""]],
  ["\n\n\r\n", ["", "", ""]],
  ["a\r\r\n", ["a\r"]],
  ["\ra\rb\n", ["\ra\rb"]],
  ["a\0b\n", ["a\0b"]],
  ["é€𝄞\n", ["é€𝄞"]],
];

Deno.test("lines() splits at each line feed, and drops one carriage return before it", () => {
  for (const unfinished of [undefined, "error", "message"] as const) {
    for (const [stream, messages] of LINES) {
      assertEquals(decode(lines({ unfinished }), stream), messages, JSON.stringify(stream));
    }
  }
});

Deno.test("lines() puts characters together that were cut", () => {
  const { push } = lines().decoder(MAX);
  const received = [...bytes("é€𝄞\r\n")].flatMap((byte) => push(Uint8Array.of(byte)));
  assertEquals(received.map((message) => decoder.decode(message)), ["é€𝄞"]);
});

Deno.test("lines() refuses an unfinished last line, or takes it as if its end had come", () => {
  for (const [last, message] of [["b", "b"], ["b\r", "b"], ["\r", ""], ["b\r\r", "b\r"]] as const) {
    assertBad(lines(), last, UNFINISHED);
    assertEquals(decode(lines({ unfinished: "message" }), `a\n${last}`), ["a", message]);
  }
});

Deno.test("lines() appends a line feed", () => {
  for (
    const [message, line] of [["", "\n"], ["a", "a\n"], ["\ra", "\ra\n"], ["€", "€\n"]] as const
  ) {
    assertEquals(decoder.decode(lines().encode(bytes(message))), line);
  }
});

Deno.test("lines() refuses messages that would arrive as something else", () => {
  for (const message of ["\n", "a\nb", "a\n", "\r\n"]) {
    assertThrown(
      () => lines().encode(bytes(message)),
      TypeError,
      "Cannot frame a message as a line: it contains a line feed",
    );
  }
  for (const message of ["\r", "a\r"]) {
    assertThrown(
      () => lines().encode(bytes(message)),
      TypeError,
      "Cannot frame a message as a line: it ends in a carriage return",
    );
  }
});

Deno.test("lines() counts a line without its end against the limit", () => {
  assertEquals(decode(lines(), "abc\r\nabc\n", 3), ["abc", "abc"]);
  assertEquals(decode(lines(), "\r\n\n", 0), ["", ""]);
  assertEquals(decode(lines({ unfinished: "message" }), "abc\r", 3), ["abc"]);
  const text = (length: string, max: number) =>
    `a message of ${length} bytes is longer than the limit of ${max} (maxMessage)`;
  assertBad(lines(), "abcd\n", text("4", 3), 3);
  assertBad(lines(), "abc\r\r\n", text("4", 3), 3);
  assertBad(lines(), "a\n", text("1", 0), 0);
  assertBad(lines(), "abcd", text("at least 4", 3), 3);
  assertBad(lines(), "abc\r\r", text("at least 4", 3), 3);
});

// Length prefixes

const PREFIXES: [bytes: 1 | 2 | 4 | 8, littleEndian: boolean, frame: number[]][] = [
  [1, false, [3]],
  [1, true, [3]],
  [2, false, [0, 3]],
  [2, true, [3, 0]],
  [4, false, [0, 0, 0, 3]],
  [4, true, [3, 0, 0, 0]],
  [8, false, [0, 0, 0, 0, 0, 0, 0, 3]],
  [8, true, [3, 0, 0, 0, 0, 0, 0, 0]],
];

Deno.test("lengthPrefixed() puts the length before the message, in each size and order", () => {
  for (const [size, littleEndian, prefix] of PREFIXES) {
    const framing = lengthPrefixed({ bytes: size, littleEndian });
    const frame = [...prefix, ...bytes("abc")];
    assertEquals([...framing.encode(bytes("abc"))], frame);
    const empty = new Array<number>(size).fill(0);
    assertEquals([...framing.encode(bytes(""))], empty);
    assertEquals(decode(framing, [...frame, ...empty, ...frame]), ["abc", "", "abc"]);
  }
});

Deno.test("lengthPrefixed() has 4 bytes by default, the most significant first", () => {
  for (const framing of [lengthPrefixed(), lengthPrefixed({ bytes: undefined })]) {
    assertEquals([...framing.encode(new Uint8Array(0x01_02_03)).subarray(0, 4)], [0, 1, 2, 3]);
  }
});

Deno.test("lengthPrefixed() refuses a message whose length does not fit", () => {
  const one = lengthPrefixed({ bytes: 1 });
  assertEquals(one.encode(new Uint8Array(255)).length, 256);
  assertThrown(
    () => one.encode(new Uint8Array(256)),
    RangeError,
    "Cannot frame a message of 256 bytes: its length does not fit into 1 byte",
  );
  const two = lengthPrefixed({ bytes: 2, littleEndian: true });
  assertEquals([...two.encode(new Uint8Array(65_535)).subarray(0, 2)], [255, 255]);
  assertThrown(
    () => two.encode(new Uint8Array(65_536)),
    RangeError,
    "Cannot frame a message of 65536 bytes: its length does not fit into 2 bytes",
  );
});

Deno.test("lengthPrefixed() refuses a length beyond the limit at its prefix", () => {
  const text = (length: number | string) =>
    `a message of ${length} bytes is longer than the limit of ${MAX} (maxMessage)`;
  assertBad(lengthPrefixed({ bytes: 1 }), [101], text(101));
  assertBad(lengthPrefixed({ bytes: 2 }), [1, 0], text(256));
  assertBad(lengthPrefixed(), [255, 255, 255, 255], text(4_294_967_295));
  const eight = lengthPrefixed({ bytes: 8, littleEndian: true });
  assertBad(eight, [1, 0, 0, 0, 1, 0, 0, 0], text(4_294_967_297));
  assertBad(eight, [1, 0, 0, 0, 0, 0, 0x20, 0], text(2 ** 53));
  assertBad(eight, new Array<number>(8).fill(255), text(2 ** 64));
  assertEquals(decode(lengthPrefixed({ bytes: 1 }), [0], 0), [""]);
});

Deno.test("lengthPrefixed() refuses a stream that ends within a frame", () => {
  for (const stream of [[0], [0, 0, 0], [0, 0, 0, 3], [0, 0, 0, 3, 1, 2]]) {
    assertBad(lengthPrefixed(), stream, UNFINISHED);
  }
});

// Content-Length

const HEADS: [head: string, length: number][] = [
  ["Content-Length: 3", 3],
  ["content-length: 3", 3],
  ["CONTENT-LENGTH:3", 3],
  ["Content-Length: \t 3 \t", 3],
  ["Content-Length: 003", 3],
  ["Content-Length: 0", 0],
  ["Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: 3", 3],
  ["Content-Length: 3\r\nContent-Type: x\r\nX-Content-Length: 9", 3],
  ["Content-Length: 3\r\nX-Empty:\r\nX: a: b\r\nX: \u20ac", 3],
];

Deno.test("contentLength() finds the length, whatever else is in the head", () => {
  for (const [head, length] of HEADS) {
    const frame = `${head}\r\n\r\n${"abc".slice(0, length)}`;
    const message = "abc".slice(0, length);
    assertEquals(decode(contentLength(), frame + frame), [message, message], head);
  }
});

Deno.test("contentLength() takes messages that look like heads", () => {
  const message = "\r\n\r\nContent-Length: 1\r\n\r\n";
  const frame = contentLength().encode(bytes(message));
  assertEquals(decoder.decode(frame), `Content-Length: 25\r\n\r\n${message}`);
  assertEquals(decode(contentLength(), [...frame, ...frame]), [message, message]);
  assertEquals(decoder.decode(contentLength().encode(bytes(""))), "Content-Length: 0\r\n\r\n");
});

const BAD_HEADS: [head: string, reason: string][] = [
  ["Content-Length: 3\r\nContent-Length: 3", "its head has two Content-Length headers"],
  ["Content-Length: 3\r\ncontent-length: 4", "its head has two Content-Length headers"],
  ["Content-Type: text/plain", "its head has no Content-Length header"],
  ["X-Content-Length: 3", "its head has no Content-Length header"],
  ...["", "x", "-3", "+3", "3.0", "3e0", "0x3", "3, 3", "3 3", "\u0663"].map((
    value,
  ): [string, string] => [
    `Content-Length: ${value}`,
    "its Content-Length is not a decimal number",
  ]),
  ...[
    "",
    "Content-Length",
    ": 3",
    "Content-Length : 3",
    " Content-Length: 3",
    "X: a\n b\r\nContent-Length: 3",
    "X: a\nContent-Length: 3",
    "X: a\rContent-Length: 3",
    "X: a\r\n folded\r\nContent-Length: 3",
    "X: \0\r\nContent-Length: 3",
    "GET / HTTP/1.1\r\nContent-Length: 3",
  ].map((head): [string, string] => [head, "its head has a malformed header"]),
];

Deno.test("contentLength() refuses heads that are wrong or ambiguous", () => {
  for (const [head, reason] of BAD_HEADS) assertBad(contentLength(), `${head}\r\n\r\nabc`, reason);
});

Deno.test("contentLength() takes nothing but CR LF CR LF for the end of a head", () => {
  let ends = [""];
  for (let i = 0; i < 4; i++) ends = ends.flatMap((end) => ["\r", "\n", "x"].map((c) => end + c));
  const taken = ends.filter((end) => {
    const { push } = contentLength().decoder(MAX);
    try {
      return push(bytes(`Content-Length: 1${end}a\r\n\r\n`)).length > 0;
    } catch (error) {
      assert(error instanceof Deno.errors.InvalidData);
      return false;
    }
  });
  assertEquals(taken, ["\r\n\r\n"]);
});

Deno.test("contentLength() refuses a length beyond the limit at its head", () => {
  for (const [digits, length] of [["101", "101"], ["9".repeat(20), "100000000000000000000"]]) {
    assertBad(
      contentLength(),
      `Content-Length: ${digits}\r\n\r\n`,
      `a message of ${length} bytes is longer than the limit of ${MAX} (maxMessage)`,
    );
  }
});

Deno.test("contentLength() takes a head of 8 KiB, and refuses a longer one before its end", () => {
  const rest = "X: \r\nContent-Length: 1\r\n\r\n";
  const head = rest.replace("X: ", `X: ${"x".repeat(8192 - rest.length)}`);
  assertEquals(decode(contentLength(), `${head}a${head}b`), ["a", "b"]);
  for (const tooLong of [`x${head}a`, "x".repeat(8193), "x".repeat(100_000)]) {
    assertBad(contentLength(), tooLong, "its head is longer than 8192 bytes");
  }
  assertBad(contentLength(), "x".repeat(8192), UNFINISHED);
});

Deno.test("contentLength() refuses a stream that ends within a frame", () => {
  const frame = "Content-Length: 3\r\n\r\nabc";
  for (let length = 1; length < frame.length; length++) {
    assertBad(contentLength(), frame.slice(0, length), UNFINISHED);
  }
});

// What they have in common

const ALL: [name: string, framing: Framing, good: string, bad: string][] = [
  ["lines", lines(), "abc\n", `${"x".repeat(MAX + 1)}\n`],
  ["lengthPrefixed", lengthPrefixed({ bytes: 1 }), "\x03abc", "\x7f"],
  ["contentLength", contentLength(), "Content-Length: 3\r\n\r\nabc", "X\r\n\r\n"],
];

Deno.test("messages before a bad frame are returned, and every later call throws", () => {
  for (const [name, framing, good, bad] of ALL) {
    const { push, end } = framing.decoder(MAX);
    assertEquals(push(bytes(good + bad + good)), [bytes("abc")], name);
    const error = assertThrows(() => push(bytes("")), Deno.errors.InvalidData);
    assertStrictEquals(assertThrows(end, Deno.errors.InvalidData), error);
    assertStrictEquals(assertThrows(() => push(bytes(good))), error);
  }
});

Deno.test("messages have memory of their own", () => {
  for (const [name, framing, good] of ALL) {
    const { push } = framing.decoder(MAX);
    const frame = bytes(good);
    const chunk = new Uint8Array(frame.length);
    const received: Uint8Array[] = [];
    for (const part of [frame, frame, frame.subarray(0, -2), frame.subarray(-2), frame]) {
      chunk.set(part);
      received.push(...push(chunk.subarray(0, part.length)));
      chunk.fill(0xff);
    }
    assertEquals(received, new Array(4).fill(bytes("abc")), name);
    for (const message of received) assertEquals(message.buffer.byteLength, 3);
    const message = bytes("abc");
    const encoded = framing.encode(message);
    message.fill(0xff);
    assertEquals(encoded, frame);
    assert(encoded.buffer !== message.buffer);
  }
});

Deno.test("programs without types are told what they passed wrongly", () => {
  for (const [, framing] of ALL) {
    assert(Object.isFrozen(framing));
    assertThrown(
      () => framing.encode(untyped("text")),
      TypeError,
      'Cannot frame a message: must be a Uint8Array, was "text"',
    );
    assertThrown(
      () => framing.decoder(untyped("1")),
      TypeError,
      'Cannot use "max": must be a number, was "1"',
    );
    assertThrown(
      () => framing.decoder(-1),
      RangeError,
      'Cannot use "max": must be an integer from 0 to 2147483647, was -1',
    );
  }
});

Deno.test("options are checked, and read once", () => {
  const wrong: [() => unknown, typeof TypeError | typeof RangeError, string][] = [
    [() => lines(untyped(null)), TypeError, '"options": must be an object, was null'],
    [
      () => lines(untyped({ unfinished: true })),
      TypeError,
      '"unfinished": must be "error" or "message", was true',
    ],
    [() => lengthPrefixed(untyped(4)), TypeError, '"options": must be an object, was 4'],
    [
      () => lengthPrefixed(untyped({ bytes: "4" })),
      TypeError,
      '"bytes": must be a number, was "4"',
    ],
    [
      () => lengthPrefixed(untyped({ bytes: 3 })),
      RangeError,
      '"bytes": must be 1, 2, 4 or 8, was 3',
    ],
    [
      () => lengthPrefixed(untyped({ littleEndian: 1 })),
      TypeError,
      '"littleEndian": must be a boolean, was 1',
    ],
  ];
  for (const [body, ErrorClass, text] of wrong) {
    assertThrown(body, ErrorClass, `Cannot use ${text}`);
  }
  const reads: string[] = [];
  const options = {
    get bytes(): 2 {
      reads.push("bytes");
      return 2;
    },
    get littleEndian() {
      reads.push("littleEndian");
      return true;
    },
  };
  const framing = lengthPrefixed(options);
  assertEquals(decode(framing, [...framing.encode(bytes("a"))]), ["a"]);
  assertEquals(reads, ["bytes", "littleEndian"]);
});
