import { assertEquals, assertStrictEquals } from "@std/assert";
import { SYMBOLS } from "../../ffi/kernel32.ts";
import {
  GENERIC_READ,
  GENERIC_WRITE,
  INVALID_HANDLE_VALUE,
  OVERLAPPED,
} from "../../ffi/structs.ts";
import { wide } from "../../ffi/wide_strings.ts";

Deno.test("OVERLAPPED has the layout of 64-bit Windows", () => {
  assertEquals(OVERLAPPED, { Internal: 0, InternalHigh: 8, hEvent: 24, size: 32 });
});

Deno.test("wide() ends the string with a NUL", () => {
  assertEquals([...wide("")], [0]);
  assertEquals([...wide("\\\\.\\pipe\\a")], [92, 92, 46, 92, 112, 105, 112, 101, 92, 97, 0]);
});

Deno.test("wide() keeps every UTF-16 unit, lone surrogates included", () => {
  assertEquals([...wide("\u00e9\u{1f600}\ud800")], [0xe9, 0xd83d, 0xde00, 0xd800, 0]);
});

Deno.test("the constants keep their sign", () => {
  assertStrictEquals(GENERIC_READ + GENERIC_WRITE, 0xc0000000);
  assertStrictEquals(INVALID_HANDLE_VALUE, BigInt.asUintN(64, -1n));
});

Deno.test("no function needs more than a scoped permission", () => {
  for (const [name, symbol] of Object.entries(SYMBOLS)) {
    const types: string[] = [...symbol.parameters, symbol.result];
    assertEquals(types.filter((type) => type === "pointer" || type === "function"), [], name);
  }
});

Deno.test("only the wait leaves the thread", () => {
  const nonblocking = Object.entries(SYMBOLS).filter(([, symbol]) => "nonblocking" in symbol);
  assertEquals(nonblocking.map(([name]) => name), ["parkForMultipleObjects"]);
});

Deno.test("nothing blocks the thread until a client has read", () => {
  assertEquals(Object.keys(SYMBOLS).filter((name) => name === "FlushFileBuffers"), []);
});
