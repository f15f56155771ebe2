/** The package as a user gets it: its files alone, away from the repository. */

import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { ENTRIES, isPublished, PackedCopy, packedFiles } from "./packed.ts";

const ROOT = new URL("../", import.meta.url);
const decoder = new TextDecoder();

async function deno(args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: fileURLToPath(ROOT),
    env: { NO_COLOR: "1" },
  }).output();
  const output = decoder.decode(stdout) + decoder.decode(stderr);
  assertEquals(code, 0, output);
  return output;
}

Deno.test("deno publish packs the files that the include list names, and no others", async () => {
  const output = await deno(["publish", "--dry-run", "--allow-dirty", "--no-check"]);
  const packed = [...output.matchAll(/^ +(file:\/\/\S+) \(/gm)].map(([, url = ""]) => url);
  assertEquals(packed.map((url) => url.slice(ROOT.href.length)).toSorted(), await packedFiles());
});

Deno.test("every entry can be imported and checked away from the repository", async () => {
  await using copy = await PackedCopy.make();
  const names = [...ENTRIES.keys()];
  const imports = names.map((name, i) => `import * as entry${i} from "${name}";`);
  const shown = names.map((_, i) => `entry${i}`);
  const program = await copy.write(
    "imports.ts",
    `${
      imports.join("\n")
    }\nfor (const entry of [${shown}]) console.log(Object.keys(entry).length > 0);\n`,
  );
  const output = await deno(["run", "--quiet", "--check", "--no-prompt", ...program]);
  assertEquals(output, "true\n".repeat(names.length));
});

/** What the links and images of a page lead to, but for other sites. */
function targetsOf(text: string): string[] {
  const prose = text.replaceAll(/^( *)```.*?^\1```$/gms, "").replaceAll(/`[^`\n]*`/g, "");
  const inline = [...prose.matchAll(/\]\(([^)\s]+)\)/g)];
  const referred = [...prose.matchAll(/^\[[^\]]+\]: (\S+)$/gm)];
  return [...inline, ...referred].map(([, target = ""]) => target)
    .filter((target) => !/^[a-z]+:/.test(target));
}

/** Pages that a user sees on JSR or opens from there. */
const PAGES = ["README.md", "SECURITY.md", "CHANGELOG.md", "CONTRIBUTING.md"];

/**
 * JSR shows the README with its relative links leading to files of the package, or of the linked
 * repository: so what they lead to has to be in both. That it exists is for another test.
 */
for (const page of PAGES) {
  Deno.test(`the links of ${page} lead to what is published`, async () => {
    const text = await Deno.readTextFile(new URL(page, ROOT));
    const files = targetsOf(text).map((target) => target.replace(/#.*/, "") || page);
    assertEquals(files.filter((file) => !isPublished(file)), []);
  });
}
