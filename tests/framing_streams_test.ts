/** Framings on streams that are cut anywhere, on garbage, and within their limits. */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { Buffer } from "node:buffer";
import { contentLength, type FrameDecoder, type Framing, lengthPrefixed, lines } from "../mod.ts";
import { FrameTooLong } from "../src/pipe/framing/faults.ts";
import { verifiedFraming } from "../src/pipe/framing/framings.ts";
import { Random } from "./simulation/random.ts";

const MAX = 300;
const STREAMS = 200;

const encoder = new TextEncoder();

/** One framing, with frames and garbage that are made without it. */
interface Subject {
  readonly framing: Framing;
  /** A message that it can carry. */
  message(random: Random): Uint8Array;
  /** One of the frames of a message. */
  frame(message: Uint8Array, random: Random): Uint8Array;
  /** Bytes that its garbage mostly consists of. */
  readonly garbage: string;
}

function randomBytes(random: Random, of: () => number): Uint8Array {
  const length = random.chance(0.2) ? random.between(MAX - 2, MAX) : random.below(12);
  return Uint8Array.from({ length }, of);
}

function joined(...parts: (Uint8Array | string)[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts.map((part) => Buffer.from(part))));
}

function linesSubject(unfinished: "error" | "message"): Subject {
  return {
    framing: lines({ unfinished }),
    message(random) {
      const message = randomBytes(random, () => random.pick([0, 9, 13, 65, 0xe2, 0x82, 0xac]));
      return message.at(-1) === 13 ? message.fill(65, -1) : message;
    },
    frame: (message, random) => joined(message, random.pick(["\n", "\r\n"])),
    garbage: "\r\n\r\nab",
  };
}

function prefixedSubject(bytes: 1 | 2 | 4 | 8, littleEndian: boolean): Subject {
  return {
    framing: lengthPrefixed({ bytes, littleEndian }),
    message: (random) =>
      randomBytes(random, () => random.below(256)).subarray(0, bytes === 1 ? 255 : MAX),
    frame(message) {
      const prefix = new DataView(new ArrayBuffer(8));
      prefix.setBigUint64(0, BigInt(message.length), littleEndian);
      const from = littleEndian ? 0 : 8 - bytes;
      return joined(new Uint8Array(prefix.buffer, from, bytes), message);
    },
    garbage: "\0\0\0\0\0\x01\x02\x03",
  };
}

const CONTENT_LENGTH: Subject = {
  framing: contentLength(),
  message: (random) => randomBytes(random, () => random.pick([10, 13, 49, 67, 255])),
  frame(message, random) {
    const headers = [random.pick(["Content-Length", "content-length"]) + `: ${message.length}`];
    if (random.chance(0.3)) headers.unshift("Content-Type: x");
    if (random.chance(0.3)) headers.push(`X: ${"y".repeat(random.below(2000))}`);
    return joined(`${headers.join("\r\n")}\r\n\r\n`, message);
  },
  garbage: "\r\n\r\n\r\n: 1Content-Length: 2\r\n\r\nab",
};

const SUBJECTS: [name: string, subject: Subject][] = [
  ["lines", linesSubject("error")],
  ["lines, with an unfinished one", linesSubject("message")],
  ...([1, 2, 4, 8] as const).flatMap((bytes) =>
    [false, true].map((littleEndian): [string, Subject] => [
      `a prefix of ${bytes}, ${littleEndian ? "little" : "big"} endian`,
      prefixedSubject(bytes, littleEndian),
    ])
  ),
  ["Content-Length", CONTENT_LENGTH],
];

/** Cuts a stream: whole, byte by byte, or at random places, also into empty pieces. */
function cut(stream: Uint8Array, random: Random): Uint8Array[] {
  const longest = random.pick([stream.length, 1, 2, 5, 50, 500]);
  const pieces = [];
  for (let at = 0; at < stream.length;) {
    const length = longest < 3 ? longest : random.between(0, longest);
    pieces.push(stream.slice(at, at + length));
    at += length;
  }
  return pieces;
}

/** What a decoder makes of a stream. */
interface Decoded {
  /** Each byte as a character. */
  readonly messages: string[];
  readonly end: "complete" | "bad" | "too long";
}

function texts(messages: readonly Uint8Array[]): string[] {
  return messages.map((message) => Buffer.from(message).toString("latin1"));
}

/** Decodes a stream. The memory of each chunk is overwritten after use, as a reader's is. */
function decode(decoder: FrameDecoder, chunks: readonly Uint8Array[]): Decoded {
  const messages: Uint8Array[] = [];
  try {
    for (const chunk of chunks) {
      messages.push(...decoder.push(chunk));
      chunk.fill(0xaa);
    }
    messages.push(...decoder.end());
    return { messages: texts(messages), end: "complete" };
  } catch (error) {
    assertInstanceOf(error, Deno.errors.InvalidData);
    return { messages: texts(messages), end: error instanceof FrameTooLong ? "too long" : "bad" };
  }
}

/** Runs a property for many seeds; a failure tells which. */
function forSeeds(count: number, property: (random: Random) => void): void {
  for (let seed = 0; seed < count; seed++) {
    try {
      property(new Random(seed));
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
}

for (const [name, { framing, message, frame, garbage }] of SUBJECTS) {
  Deno.test(`${name}: any cutting of a stream gives the same messages`, () => {
    forSeeds(STREAMS, (random) => {
      const messages = Array.from({ length: random.below(12) }, () => message(random));
      const stream = joined(...messages.map((message) => frame(message, random)));
      const expected: Decoded = { messages: texts(messages), end: "complete" };
      assertEquals(decode(framing.decoder(MAX), cut(stream, random)), expected);
      // The same, taken for one that a program has written.
      const own = verifiedFraming({ ...framing });
      assertEquals(decode(own.decoder(MAX), cut(stream, random)), expected);
    });
  });

  Deno.test(`${name}: what is encoded is decoded as it was`, () => {
    forSeeds(STREAMS, (random) => {
      const messages = Array.from({ length: random.below(12) }, () => message(random));
      const stream = joined(...messages.map((message) => framing.encode(message)));
      const decoded = decode(framing.decoder(MAX), cut(stream, random));
      assertEquals(decoded, { messages: texts(messages), end: "complete" });
    });
  });

  Deno.test(`${name}: garbage is bad in the same place however it is cut`, () => {
    const seen = new Set<string>();
    const alphabet = encoder.encode(garbage);
    const piece = (random: Random) => {
      if (random.chance(0.4)) return frame(message(random), random);
      const strange = random.chance(0.3) ? 0.5 : 0;
      const length = random.chance(0.05) ? 10_000 : random.below(30);
      const begin = random.chance(0.5) ? random.below(alphabet.length) : 0;
      return Uint8Array.from(
        { length },
        (_, i) =>
          random.chance(strange) ? random.below(256) : alphabet[(begin + i) % alphabet.length] ?? 0,
      );
    };
    forSeeds(STREAMS / 2, (random) => {
      const stream = joined(...Array.from({ length: random.between(1, 6) }, () => piece(random)));
      const max = random.pick([0, 1, 3, 20, MAX]);
      const whole = decode(framing.decoder(max), [stream.slice()]);
      assert(whole.messages.every(({ length }) => length <= max));
      seen.add(whole.end);
      for (let i = 0; i < 4; i++) {
        assertEquals(decode(framing.decoder(max), cut(stream, random)), whole);
      }
    });
    assert(seen.has("complete") && seen.has("too long"), [...seen].join(" "));
  });
}

/** Counts the memory of all byte arrays that are made while a function runs. */
function allocations(body: () => void): { largest: number; sum: number } {
  const original = globalThis.Uint8Array;
  const counted = { largest: 0, sum: 0 };
  globalThis.Uint8Array = new Proxy(original, {
    construct(target, args: [], newTarget) {
      const array: Uint8Array = Reflect.construct(target, args, newTarget);
      counted.largest = Math.max(counted.largest, array.length);
      counted.sum += array.length;
      return array;
    },
  });
  try {
    body();
  } finally {
    globalThis.Uint8Array = original;
  }
  return counted;
}

const LENGTH = 70_000;

/** Streams of one message of this length: what comes before it, and after it. */
const LONG: [name: string, framing: Framing, before: string, after: string, head: number][] = [
  ["lines", lines(), "", "\r\n", 1],
  ["lengthPrefixed", lengthPrefixed(), "\0\x01\x11\x70", "", 4],
  ["contentLength", contentLength(), `Content-Length: ${LENGTH}\r\n\r\n`, "", 8192],
];

Deno.test("a message in pieces of a byte takes linear time, and no more memory than its length", () => {
  for (const [name, framing, before, after, head] of LONG) {
    const { push, end } = framing.decoder(LENGTH);
    const byte = encoder.encode("x");
    const messages: Uint8Array[] = [];
    const { largest, sum } = allocations(() => {
      for (const code of encoder.encode(before)) push(Uint8Array.of(code));
      for (let i = 0; i < LENGTH; i++) messages.push(...push(byte));
      for (const code of encoder.encode(after)) messages.push(...push(Uint8Array.of(code)));
    });
    assertEquals(end(), []);
    assertEquals(messages.map(({ length }) => length), [LENGTH], name);
    assert(messages[0]?.every((value) => value === byte[0]), name);
    assert(largest <= LENGTH + head, `${name}: ${largest}`);
    assert(sum >= LENGTH && sum < 3 * LENGTH, `${name}: ${sum}`);
  }
});

Deno.test("a length that was only announced takes no memory", () => {
  const framings: [Framing, Uint8Array][] = [
    [lengthPrefixed(), Uint8Array.of(0x7f, 0xff, 0xff, 0xff, 1)],
    [contentLength(), encoder.encode("Content-Length: 2147483647\r\n\r\nx")],
  ];
  for (const [framing, begin] of framings) {
    const { push } = framing.decoder(0x7fff_ffff);
    const { sum } = allocations(() => assertEquals(push(begin), []));
    assert(sum < 512, `${sum}`);
  }
});

/** Streams that never end, and no frame of which is within the limit: how much may be held. */
const ENDLESS: [name: string, framing: Framing, pattern: string, max: number, holds: number][] = [
  ["a line", lines(), "x", MAX, MAX + 1],
  ["a short line", lines(), "x", 10, 11],
  ["carriage returns", lines(), "\r", MAX, MAX + 1],
  ["a long prefix", lengthPrefixed(), "\xc2\xc2", MAX, 4],
  ["a header", contentLength(), "Content-Length: 1", MAX, 8192],
  ["headers", contentLength(), "X: y\r\n", MAX, 8192],
];

Deno.test("what is too long is refused before it is held", () => {
  for (const [name, framing, pattern, max, holds] of ENDLESS) {
    for (const pieceLength of [1, 7, MAX, 100_000]) {
      const { push } = framing.decoder(max);
      const piece = encoder.encode(pattern.repeat(pieceLength)).subarray(0, pieceLength);
      let pushed = 0;
      const { largest } = allocations(() => {
        const { end } = decode({
          push(chunk) {
            pushed += chunk.length;
            return push(chunk);
          },
          end: () => [],
        }, Array.from({ length: Math.ceil(20_000 / pieceLength) }, () => piece.slice()));
        assert(end !== "complete", name);
      });
      assert(pushed <= holds + pieceLength, `${name}: ${pushed} taken`);
      assert(largest <= holds, `${name}: ${largest} held`);
    }
  }
});
