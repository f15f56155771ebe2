/** Who may open a pipe in memory. */

import { assertEquals } from "@std/assert";
import { admits, ownerOf, Right } from "../../src/testing/memory/access.ts";
import { USER } from "../../src/testing/memory/processes.ts";

const OTHER = { ...USER, sid: "S-1-5-21-1-2-3-1002" };
const ADMINISTRATOR = { ...OTHER, elevated: true };

/** The rights of somebody, as letters. */
function rights(security: string | undefined, user = OTHER): string {
  return Object.entries(Right).filter(([, wanted]) =>
    admits({ security, creator: USER, user, wanted })
  ).map(([name]) => name[0]).join("");
}

Deno.test("an entry gives rights to a user or a group, by its SID or its name", () => {
  assertEquals(rights(`D:(A;;FA;;;${OTHER.sid})`), "RWC");
  assertEquals(rights(`D:(A;;FA;;;${USER.sid})`), "");
  for (const who of ["WD", "AU", "IU", "BU", "S-1-1-0", "S-1-5-11"]) {
    assertEquals(rights(`D:P(A;;GR;;;${who})`), "R");
  }
  assertEquals(rights("D:(A;;FA;;;NU)(A;;FA;;;SY)"), "");
  assertEquals([rights("D:(A;;GA;;;BA)"), rights("D:(A;;GA;;;BA)", ADMINISTRATOR)], ["", "RWC"]);
});

Deno.test("rights are written as names or as a number", () => {
  const table = { FR: "R", FW: "WC", GRGW: "RWC", CC: "R", DCLC: "WC", "0x12019b": "RW", "1": "R" };
  for (const [text, letters] of Object.entries(table)) {
    assertEquals(rights(`D:(A;;${text};;;WD)`), letters);
  }
});

Deno.test("a denial holds against what comes after it", () => {
  assertEquals(rights(`D:(D;;FW;;;${OTHER.sid})(A;;FA;;;WD)`), "R");
  assertEquals(rights(`D:(A;;FA;;;WD)(D;;FW;;;${OTHER.sid})`), "RWC");
});

Deno.test("an empty list gives nothing, none gives everything", () => {
  assertEquals(rights("D:P"), "");
  assertEquals(rights(`O:${USER.sid}`), "RWC");
  assertEquals(rights("D:NO_ACCESS_CONTROL"), "RWC");
});

Deno.test("the system's default lets others read, and administrators do everything", () => {
  assertEquals(
    [rights(undefined, USER), rights(undefined), rights(undefined, ADMINISTRATOR)],
    ["RWC", "R", "RWC"],
  );
});

Deno.test("the owner is the one that is named, or the creator, or its administrators", () => {
  assertEquals(ownerOf(`O:${OTHER.sid}D:P`, USER), OTHER.sid);
  assertEquals(ownerOf("G:BAO:SYD:P", USER), "S-1-5-18");
  assertEquals([ownerOf("D:P", USER), ownerOf(undefined, USER)], [USER.sid, USER.sid]);
  assertEquals(ownerOf(undefined, ADMINISTRATOR), "S-1-5-32-544");
});
