import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { createHash } from "node:crypto";
import { cacheFolder, makeOnce, tryLock } from "../../tools/windows/cache.ts";
import { denoExe, OLDEST_VERSION, pinned, type Source } from "../../tools/windows/deno_exe.ts";
import { lines, parseOsRelease, SetupError } from "../../tools/windows/host.ts";
import { cachedOnly, windowsPath } from "../../tools/windows/invocation.ts";
import { Interrupts } from "../../tools/windows/signals.ts";
import { debootstrap, missingWine, parseWineVersion } from "../../tools/windows/wine.ts";

/** A test with a folder of its own, of what the tool does on another system than Windows. */
function folderTest(name: string, test: (folder: string) => Promise<void>): void {
  Deno.test({
    name,
    ignore: Deno.build.os === "windows",
    async fn() {
      const folder = await Deno.makeTempDir();
      try {
        await test(folder);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

async function names(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(folder)) found.push(entry.name);
  return found.sort();
}

Deno.test("cachedOnly() goes right after a subcommand that loads modules", () => {
  assertEquals(cachedOnly(["test", "-A", "x.ts"]), ["test", "--cached-only", "-A", "x.ts"]);
  assertEquals(cachedOnly(["run", "x.ts", "run"]), ["run", "--cached-only", "x.ts", "run"]);
  assertEquals(cachedOnly(["--version"]), ["--version"]);
  assertEquals(cachedOnly(["fmt", "x.ts"]), ["fmt", "x.ts"]);
  assertEquals(cachedOnly([]), []);
});

Deno.test("cachedOnly() leaves the caller's own choice alone", () => {
  for (const own of ["--cached-only", "--reload", "--reload=npm:", "-r"]) {
    assertEquals(cachedOnly(["test", own, "x.ts"]), ["test", own, "x.ts"]);
  }
});

Deno.test("windowsPath() is a path on drive Z:", () => {
  assertEquals(windowsPath("/work/a b/x.ts"), "Z:\\work\\a b\\x.ts");
});

Deno.test("cacheFolder() prefers the project's variable, then XDG, then the home", () => {
  const folder = (variables: Record<string, string>) =>
    cacheFolder((name) => variables[name], false);
  assertEquals(folder({ NAMED_PIPE_CACHE: "/a", XDG_CACHE_HOME: "/b", HOME: "/c" }), "/a");
  assertEquals(folder({ XDG_CACHE_HOME: "/b", HOME: "/c" }), "/b/overlapped-named-pipe");
  assertEquals(folder({ HOME: "/c" }), "/c/.cache/overlapped-named-pipe");
  assertThrows(() => folder({}), SetupError, "NAMED_PIPE_CACHE");
});

Deno.test("cacheFolder() on Windows prefers the project's variable, then LOCALAPPDATA", () => {
  const folder = (variables: Record<string, string>) =>
    cacheFolder((name) => variables[name], true);
  assertEquals(folder({ NAMED_PIPE_CACHE: "/a", LOCALAPPDATA: "C:\\b", HOME: "/c" }), "/a");
  assertEquals(folder({ LOCALAPPDATA: "C:\\b", HOME: "/c" }), "C:\\b\\overlapped-named-pipe");
  assertThrows(() => folder({ HOME: "/c" }), SetupError, "LOCALAPPDATA");
});

Deno.test("parseWineVersion() reads the major version", () => {
  assertEquals(parseWineVersion("wine-10.0 (Debian 10.0~repack-6)\n"), 10);
  assertEquals(parseWineVersion("wine-8.0.2"), 8);
  assertEquals(parseWineVersion("wine-11.0-rc3"), 11);
  assertEquals(parseWineVersion("command not found"), undefined);
});

Deno.test("parseOsRelease() knows Debian and what is made from it", () => {
  assertEquals(parseOsRelease("NAME=x\nID=debian\n"), { id: "debian", debianLike: true });
  assertEquals(parseOsRelease("ID=ubuntu\nID_LIKE=debian\n"), { id: "ubuntu", debianLike: true });
  assertEquals(parseOsRelease('ID="mint"\nID_LIKE="ubuntu debian"\n'), {
    id: "mint",
    debianLike: true,
  });
  assertEquals(parseOsRelease("ID=fedora\n"), { id: "fedora", debianLike: false });
  assertEquals(parseOsRelease(""), { id: "", debianLike: false });
});

Deno.test("missingWine() says what to install", () => {
  const debian = { id: "debian", debianLike: true };
  const machine = { arch: "x86_64", distribution: debian, privilege: [], hasApt: true };
  assertEquals(missingWine(machine), undefined);
  assertStringIncludes(
    missingWine({ ...machine, privilege: undefined }) ?? "",
    "apt-get install wine64 wine",
  );
  const fedora = { id: "fedora", debianLike: false };
  assertStringIncludes(
    missingWine({ ...machine, distribution: fedora, hasApt: false }) ?? "",
    "dnf install wine",
  );
  assertStringIncludes(missingWine({ ...machine, arch: "aarch64" }) ?? "", "x86_64");
});

Deno.test("debootstrap() leaves Debian its own mirror and gives others Debian's", () => {
  const debian = debootstrap("/root", { id: "debian", debianLike: true });
  assertEquals(debian.slice(-2), ["trixie", "/root"]);
  assert(!debian.some((arg) => arg.startsWith("--keyring")));
  const ubuntu = debootstrap("/root", { id: "ubuntu", debianLike: true });
  assertEquals(ubuntu.slice(-3), ["trixie", "/root", "http://deb.debian.org/debian"]);
  assert(ubuntu.includes("--keyring=/usr/share/keyrings/debian-archive-keyring.gpg"));
});

Deno.test("Interrupts sends the program one Ctrl-C per key press and then ends it", () => {
  const interrupts = new Interrupts();
  assertEquals(interrupts.receive("SIGINT", 1000), "INT");
  assertEquals(interrupts.receive("SIGINT", 1005), undefined);
  assertEquals(interrupts.receive("SIGINT", 2000), "KILL");
  assertEquals(interrupts.exitCode(137), 130);
});

Deno.test("Interrupts passes on the exit code unless the program did not handle Ctrl-C", () => {
  const calm = new Interrupts();
  assertEquals([0, 7, 58].map((code) => calm.exitCode(code)), [0, 7, 58]);
  const interrupted = new Interrupts();
  assertEquals(interrupted.receive("SIGINT", 0), "INT");
  assertEquals([0, 3, 58].map((code) => interrupted.exitCode(code)), [0, 3, 130]);
  const terminated = new Interrupts();
  assertEquals(terminated.receive("SIGTERM", 0), "INT");
  assertEquals(terminated.exitCode(58), 143);
});

Deno.test("lines() joins what arrives in pieces", async () => {
  const chunks = ["one\ntw", "o\n", "\nlast"].map((text) => new TextEncoder().encode(text));
  assertEquals(await Array.fromAsync(lines(ReadableStream.from(chunks))), [
    "one",
    "two",
    "",
    "last",
  ]);
});

folderTest("makeOnce() makes an artefact once for two setups at the same time", async (cache) => {
  const second = Promise.withResolvers<void>();
  let made = 0;
  const make = async (part: string) => {
    made++;
    await second.promise;
    await Deno.writeTextFile(part, "whole");
  };
  const first = makeOnce(cache, "thing", make);
  const other = makeOnce(cache, "thing", make);
  second.resolve();
  assertEquals(await Promise.all([first, other]), [`${cache}/thing`, `${cache}/thing`]);
  assertEquals(made, 1);
  assertEquals(await names(cache), ["locks", "thing"]);
});

folderTest("makeOnce() leaves nothing of a setup that fails", async (cache) => {
  const fail = async (part: string) => {
    await Deno.mkdir(part);
    throw new SetupError("no");
  };
  await assertRejects(() => makeOnce(cache, "thing", fail), SetupError, "no");
  assertEquals(await names(cache), ["locks"]);
});

folderTest("makeOnce() starts again after a setup that was killed", async (cache) => {
  const module = new URL("../../tools/windows/cache.ts", import.meta.url).href;
  const program = `import { makeOnce } from ${JSON.stringify(module)};
    await makeOnce(Deno.args[0], "thing", async (part) => {
      await Deno.mkdir(part);
      console.log("half made");
      await new Promise((resolve) => setTimeout(resolve, 1e6));
    });`;
  await Deno.writeTextFile(`${cache}/setup.ts`, program);
  const setup = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-config", `${cache}/setup.ts`, cache],
    stdout: "piped",
  }).spawn();
  for await (const line of lines(setup.stdout)) {
    assertEquals(line, "half made");
    assertMatch((await names(cache)).join(), /thing\.[^,]*\.part/);
    assertEquals(await tryLock(`${cache}/locks/thing`), undefined);
    setup.kill("SIGKILL");
  }
  await setup.status;
  await makeOnce(cache, "thing", (part) => Deno.writeTextFile(part, "whole"));
  assertEquals(await names(cache), ["locks", "setup.ts", "thing"]);
});

Deno.test("pinned() refuses a version whose integrity it does not know", () => {
  assertMatch(pinned().integrity, /^sha512-/);
  assertEquals(pinned("2.9.5").version, "2.9.5");
  assertThrows(() => pinned("1.0.0"), SetupError, "must be oldest or one of 2.7.7, 2.9.5, 2.9.6");
});

Deno.test("the README promises the oldest version that the tests run on", async () => {
  assertEquals(pinned("oldest").version, OLDEST_VERSION);
  const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
  const promised = [...readme.matchAll(/\bDeno (\d[\d.]*\d) or newer\b/g)].map(([, version]) =>
    version
  );
  assertEquals(promised, [OLDEST_VERSION]);
});

/** A gzipped tar file like npm's, with a deno.exe that holds `text`. */
async function tarball(folder: string, text: string): Promise<Uint8Array<ArrayBuffer>> {
  await Deno.mkdir(`${folder}/package`);
  await Deno.writeTextFile(`${folder}/package/deno.exe`, text);
  const args = ["-czf", `${folder}/made.tgz`, "-C", folder, "package"];
  assert((await new Deno.Command("tar", { args }).output()).success);
  return await Deno.readFile(`${folder}/made.tgz`);
}

/** Runs `test` with a registry that answers `body` to everything. */
async function withRegistry(
  answer: () => Response,
  test: (registry: string) => Promise<void>,
): Promise<void> {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    answer,
  );
  await test(`http://127.0.0.1:${server.addr.port}/`);
}

function sha512(data: Uint8Array): string {
  return `sha512-${createHash("sha512").update(data).digest("base64")}`;
}

async function fakeNpm(folder: string, script: string): Promise<string> {
  const path = `${folder}/npm`;
  await Deno.writeTextFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return path;
}

folderTest("denoExe() takes what the registry has if its integrity is right", async (folder) => {
  const data = await tarball(folder, "right");
  const cache = `${folder}/cache`;
  await withRegistry(() => new Response(data), async (registry) => {
    const from: Source = { version: "1.2.3", integrity: sha512(data), registry };
    const path = await denoExe(cache, from);
    assertEquals(path, `${cache}/deno-1.2.3/deno.exe`);
    assertEquals(await Deno.readTextFile(path), "right");
  });
  assertEquals(await names(`${cache}/deno-1.2.3`), ["deno.exe"]);
});

folderTest("denoExe() refuses and deletes a download with a wrong integrity", async (folder) => {
  const data = await tarball(folder, "wrong");
  const cache = `${folder}/cache`;
  const integrity = sha512(new Uint8Array());
  await withRegistry(() => new Response(data), async (registry) => {
    const from: Source = { version: "1.2.3", integrity, registry };
    await assertRejects(() => denoExe(cache, from), SetupError, sha512(data));
  });
  assertEquals(await names(cache), ["locks"]);

  const npm = await fakeNpm(folder, 'echo junk > "$4/deno-win32-x64-1.2.3.tgz"');
  const from: Source = { version: "1.2.3", integrity, npm, registry: "http://127.0.0.1:1/" };
  await assertRejects(() => denoExe(cache, from), SetupError, "integrity");
  assertEquals(await names(cache), ["locks"]);
});

folderTest(
  "denoExe() asks the registry if npm fails, and says so if that fails too",
  async (folder) => {
    const data = await tarball(folder, "right");
    const cache = `${folder}/cache`;
    const npm = await fakeNpm(folder, "echo npm is broken >&2; exit 1");
    const integrity = sha512(data);
    await withRegistry(() => new Response(null, { status: 404 }), async (registry) => {
      const from: Source = { version: "1.2.3", integrity, npm, registry };
      await assertRejects(() => denoExe(cache, from), SetupError, "HTTP status 404");
    });
    await withRegistry(() => new Response(data), async (registry) => {
      const path = await denoExe(cache, { version: "1.2.3", integrity, npm, registry });
      assertEquals(await Deno.readTextFile(path), "right");
    });
  },
);
