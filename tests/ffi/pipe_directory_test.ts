import { assertEquals } from "@std/assert";
import { type Calls, readWith } from "../../ffi/pipe_directory.ts";
import { INVALID_HANDLE_VALUE } from "../../ffi/structs.ts";
import { narrow } from "../../ffi/wide_strings.ts";

/** A directory with these pipes, whose list ends with this error. */
function directory(pipes: readonly [name: string, instances: number][], end: number) {
  let next = 0;
  const closed: (number | bigint)[] = [];
  const patterns: string[] = [];
  const put = (target: Parameters<Calls["FindFirstFileW"]>[1]): boolean => {
    const [name, instances] = pipes[next++] ?? [];
    if (name === undefined || instances === undefined || !(target instanceof Uint8Array)) {
      return false;
    }
    const view = new DataView(target.buffer);
    view.setUint32(32, instances, true);
    for (let i = 0; i <= name.length; i++) {
      view.setUint16(44 + 2 * i, i < name.length ? name.charCodeAt(i) : 0, true);
    }
    return true;
  };
  const calls: Calls = {
    GetLastError: () => end,
    FindFirstFileW: (pattern, data) => {
      if (pattern instanceof Uint16Array) patterns.push(narrow(pattern.slice()));
      return put(data) ? 7n : INVALID_HANDLE_VALUE;
    },
    FindNextFileW: (_handle, data) => put(data) ? 1 : 0,
    FindClose: (handle) => closed.push(handle),
  };
  return { calls, closed, patterns };
}

Deno.test("the list of pipes has their names and the sizes of their files", () => {
  const { calls, closed, patterns } = directory(
    [["longer name", 3], ["n\u00e4me", 1], ["x", 0]],
    18,
  );
  assertEquals(readWith(calls), {
    status: 0,
    call: "FindNextFileW",
    pipes: [
      { name: "longer name", instances: 3 },
      { name: "n\u00e4me", instances: 1 },
      { name: "x", instances: undefined },
    ],
  });
  assertEquals([patterns, closed], [["\\\\.\\pipe\\*"], [7n]]);
});

Deno.test("a list of pipes that is empty is no error, and is not closed", () => {
  const { calls, closed } = directory([], 2);
  assertEquals(readWith(calls), { status: 0, call: "FindFirstFileW", pipes: [] });
  assertEquals(closed, []);
});

Deno.test("a list of pipes that cannot be begun or ended is an error", () => {
  assertEquals(readWith(directory([], 66).calls).status, 66);
  const { calls, closed } = directory([["a", 1]], 5);
  assertEquals(readWith(calls), { status: 5, call: "FindNextFileW", pipes: [] });
  assertEquals(closed, [7n]);
});
