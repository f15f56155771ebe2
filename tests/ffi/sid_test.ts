import { assertEquals } from "@std/assert";
import { lastSubauthority, MAX_SID_SIZE, sidBytes, sidText } from "../../ffi/sid.ts";

/** Texts of Microsoft's documentation, with the bytes that its page about SIDs gives for them. */
const KNOWN: [text: string, bytes: number[]][] = [
  // Everybody
  ["S-1-1-0", [1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]],
  // Administrators
  ["S-1-5-32-544", [1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0]],
  // High integrity
  ["S-1-16-12288", [1, 1, 0, 0, 0, 0, 0, 16, 0, 0x30, 0, 0]],
  [
    "S-1-5-21-4294967295-0-256-1001",
    [...[1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0], ...[
      ...[0, 1, 0, 0, 0xe9, 3, 0, 0],
    ]],
  ],
  // An authority of more than 32 bits is written in hexadecimal.
  ["S-1-0x0123456789ab-5", [1, 1, 1, 0x23, 0x45, 0x67, 0x89, 0xab, 5, 0, 0, 0]],
];

Deno.test("sidText() and sidBytes() are each other's opposite", () => {
  for (const [text, bytes] of KNOWN) {
    assertEquals(sidText(new Uint8Array(bytes)), text);
    assertEquals(sidBytes(text), new Uint8Array(bytes));
  }
});

Deno.test("sidText() reads from the middle of other bytes, and takes no more than is the SID's", () => {
  const [, bytes] = KNOWN[1] ?? ["", []];
  const around = new Uint8Array([9, 9, 9, ...bytes, 9, 9, 9, 9]);
  assertEquals(sidText(around.subarray(3)), "S-1-5-32-544");
});

Deno.test("sidText() refuses what is no SID", () => {
  assertEquals(sidText(new Uint8Array()), undefined);
  assertEquals(sidText(new Uint8Array([2, 0, 0, 0, 0, 0, 0, 5])), undefined);
  // The last byte is missing.
  assertEquals(sidText(new Uint8Array([1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0])), undefined);
});

Deno.test("sidBytes() refuses what is no SID", () => {
  for (
    const text of [
      "",
      "S-1",
      "S-1-",
      "S-2-5-1",
      "S-1-5-",
      "S-1-5-x",
      "S-1-5-4294967296",
      " S-1-5-1",
    ]
  ) {
    assertEquals(sidBytes(text), undefined, text);
  }
  assertEquals(sidBytes(`S-1-5${"-1".repeat(15)}`)?.length, MAX_SID_SIZE);
  assertEquals(sidBytes(`S-1-5${"-1".repeat(16)}`), undefined);
});

Deno.test("lastSubauthority() is what tells the integrity", () => {
  assertEquals(lastSubauthority("S-1-16-8192"), 8192);
});
