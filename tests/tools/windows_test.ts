import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { fileURLToPath } from "node:url";
import { cacheFolder } from "../../tools/windows/cache.ts";
import { NEWEST_VERSION } from "../../tools/windows/deno_exe.ts";
import { exists, lines } from "../../tools/windows/host.ts";
import { prefixName } from "../../tools/windows/prefix.ts";
import { IMAGE, wineId } from "../../tools/windows/wine.ts";

const TOOL = fileURLToPath(new URL("../../tools/windows.ts", import.meta.url));
const CHECKOUT = fileURLToPath(new URL("../..", import.meta.url)).replace(/[\\/]$/, "");

const ignore = Deno.build.os === "windows";

function tool(args: string[], options: Deno.CommandOptions = {}): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", TOOL, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    ...options,
  });
}

interface Result {
  code: number;
  stdout: string;
  stderr: string;
}

async function output(command: Deno.Command): Promise<Result> {
  const { code, stdout, stderr } = await command.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).replaceAll("\r\n", "\n");
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Runs `test` with a folder that holds a program for deno.exe. */
async function withProgram(
  text: string,
  test: (path: string, folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/program.ts`;
    await Deno.writeTextFile(path, text);
    await test(path, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A test of what only the tool on another system than Windows does. */
function wineTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: Deno.build.os === "windows", fn });
}

interface Process {
  pid: number;
  parent: number;
  /** Tells processes with the same PID apart. */
  started: string;
  command: string;
}

// Deno lets only programs with every permission read /proc, so this is not done with Deno.
const PROCESSES = `for folder in /proc/[0-9]*; do
    IFS= read -r stat < "$folder/stat" && mapfile -d "" -t words < "$folder/cmdline" &&
      words=("\${words[@]//[$'\\t\\n']/ }") && printf '%s\\t%s\\n' "$stat" "\${words[*]} "
  done 2>/dev/null`;

async function bash(script: string): Promise<string> {
  const { stdout } = await new Deno.Command("bash", { args: ["-c", script] }).output();
  return new TextDecoder().decode(stdout);
}

/** Every process that is not a zombie, which only waits for its parent to look. */
async function processes(): Promise<Process[]> {
  const found: Process[] = [];
  for (const line of (await bash(PROCESSES)).trim().split("\n")) {
    const [stat = "", command = ""] = line.split("\t");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z") continue;
    const [parent, started = ""] = [Number(fields[1]), fields[19]];
    found.push({ pid: Number.parseInt(stat), parent, started, command: command.trim() });
  }
  return found;
}

/** The processes started by `pid` and by those it started. */
async function descendants(pid: number): Promise<Process[]> {
  const all = await processes();
  const below = (parent: number): Process[] =>
    all.filter((found) => found.parent === parent).flatMap((found) => [found, ...below(found.pid)]);
  return below(pid);
}

async function alive(among: Process[]): Promise<Process[]> {
  const now = await processes();
  return among.filter(({ pid, started }) =>
    now.some((other) => other.pid === pid && other.started === started)
  );
}

/** The folder of the run that `started` belongs to. */
function runFolder(started: Process[]): string {
  for (const { command } of started) {
    const match = /\S+\/runs\/[0-9a-f-]{36}/.exec(command);
    if (match !== null) return match[0];
  }
  throw new Error("The run has no folder");
}

async function mounts(folder: string): Promise<string[]> {
  const text = await bash("cat /proc/self/mountinfo");
  return text.split("\n").filter((line) => line.includes(folder));
}

/** A run of a program that has printed "ready", and what was started for it. */
interface Running extends AsyncDisposable {
  child: Deno.ChildProcess;
  started: Process[];
  folder: string;
  /** The next line the program prints. */
  next: () => Promise<string | undefined>;
}

async function start(args: string[], stdin: "null" | "piped" = "null"): Promise<Running> {
  const child = tool(args, { stdin, stderr: "inherit" }).spawn();
  const printed = lines(child.stdout);
  const next = async () => (await printed.next()).value?.trimEnd();
  assertEquals(await next(), "ready");
  const started = await descendants(child.pid);
  return {
    child,
    started,
    folder: runFolder(started),
    next,
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      while (await next() !== undefined);
      await child.status;
    },
  };
}

async function assertNothingLeft({ started, folder }: Running): Promise<void> {
  assertEquals(await alive(started), []);
  assertEquals(await mounts(folder), []);
  assert(!await exists(folder), folder);
}

Deno.test("windows.ts passes on arguments, stdin, folder, environment and exit code", async () => {
  const args = [
    "a b",
    '"',
    'say "hi"',
    "",
    "\\",
    "a\\",
    "a\\\\",
    'a\\"b',
    "ü€",
    "*",
    "$HOME",
    "-x",
  ];
  const text = `const input = await new Response(Deno.stdin.readable).text();
    console.log(JSON.stringify([Deno.args, input, Deno.cwd(), Deno.env.get("GREETING")]));
    Deno.exit(7);`;
  await withProgram(text, async (path, folder) => {
    const child = tool(["run", "-A", path, ...args], {
      cwd: folder,
      env: { GREETING: "hello there" },
      stdin: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode("one\ntwo"));
    await writer.close();
    const { code, stdout } = await child.output();
    const [passed, input, cwd, greeting] = JSON.parse(new TextDecoder().decode(stdout));
    assertEquals([code, passed, input, greeting], [7, args, "one\ntwo", "hello there"]);
    assertStringIncludes(cwd, folder.split(/[\\/]/).at(-1) ?? "");
  });
});

wineTest(
  "windows.ts needs no network and prints nothing of its own once all is cached",
  async () => {
    assertEquals((await output(tool(["--version"]))).code, 0);
    await withProgram("", async (_path, folder) => {
      for (const name of ["bash", "mkfifo", "setsid", "unshare", "sudo", "wine", "wineserver"]) {
        const real = await which(name);
        if (real !== undefined) await Deno.symlink(real, `${folder}/${name}`);
      }
      const dead = "http://127.0.0.1:1/";
      const result = await output(tool(["eval", "console.log('ran')"], {
        env: { PATH: folder, npm_config_registry: dead, http_proxy: dead, https_proxy: dead },
      }));
      assertEquals(result, { code: 0, stdout: "ran\n", stderr: "" });
    });
  },
);

async function which(name: string): Promise<string | undefined> {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    if (await exists(`${folder}/${name}`)) return `${folder}/${name}`;
  }
  return undefined;
}

wineTest(
  "windows.ts leaves no process, mount or folder, even of programs left running",
  async () => {
    const text = `if (Deno.args[0] === "child") setInterval(() => {}, 1000);
    else {
      const args = ["run", "--cached-only", import.meta.filename, "child"];
      const stdio = { stdin: "null", stdout: "null", stderr: "null" };
      new Deno.Command(Deno.execPath(), { args, ...stdio }).spawn().unref();
      console.log("ready");
      await new Response(Deno.stdin.readable).text();
      Deno.exit(4);
    }`;
    await withProgram(text, async (path) => {
      await using running = await start(["run", "-A", path], "piped");
      const commands = running.started.map(({ command }) => command);
      assert(commands.some((command) => command.includes("wineserver")), commands.join("\n"));
      assert(commands.some((command) => command.endsWith(" child")), commands.join("\n"));
      await running.child.stdin.close();
      assertEquals(await running.next(), undefined);
      assertEquals((await running.child.status).code, 4);
      await assertNothingLeft(running);
    });
  },
);

const HANDLES_SIGINT = `let count = 0;
  Deno.addSignalListener("SIGINT", () => {
    console.log("interrupted", ++count);
    // A second delivery of the same Ctrl-C would come at once.
    if (count === 1) setTimeout(() => { console.log("ending", count); Deno.exit(3); }, 300);
  });
  console.log("ready");
  setInterval(() => {}, 1000);`;

wineTest("windows.ts passes SIGINT and SIGTERM on as Ctrl-C and leaves nothing", async () => {
  await withProgram(HANDLES_SIGINT, async (path) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      await using running = await start(["run", path]);
      running.child.kill(signal);
      assertEquals([await running.next(), await running.next()], ["interrupted 1", "ending 1"]);
      assertEquals((await running.child.status).code, 3);
      await assertNothingLeft(running);
    }
  });
});

wineTest("windows.ts passes the Ctrl-C of a terminal on once", async () => {
  await withProgram(HANDLES_SIGINT, async (path) => {
    // A process group as a shell makes one for a job, told of a Ctrl-C as a terminal does it.
    const child = new Deno.Command("setsid", {
      args: [Deno.execPath(), "run", "-A", TOOL, "run", path],
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const printed = lines(child.stdout);
    assertMatch((await printed.next()).value ?? "", /^ready/);
    await bash(`kill -INT -- -${child.pid}`);
    const rest = (await Array.fromAsync(printed)).map((line) => line.trimEnd());
    assertEquals(rest, ["interrupted 1", "ending 1"]);
    assertEquals((await child.status).code, 3);
  });
});

wineTest(
  "windows.ts leaves nothing if it is killed, and the next run removes the folder",
  async () => {
    await withProgram("console.log('ready'); setInterval(() => {}, 1000);", async (path) => {
      await using running = await start(["run", path]);
      assertNotEquals(running.started.filter(({ command }) => command.includes("wineserver")), []);
      running.child.kill("SIGKILL");
      // The program holds the other end, and is ended by others than the tool.
      assertEquals(await running.next(), undefined);
      await running.child.status;
      await until(async () => (await alive(running.started)).length === 0);
      assertEquals(await mounts(running.folder), []);
      assertEquals((await output(tool(["--version"]))).code, 0);
      await assertNothingLeft(running);
    });
  },
);

/** Waits for what nobody announces. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!await condition()) {
    assert(Date.now() < deadline, "It did not happen");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

wineTest("windows.ts gives runs side by side pipe namespaces of their own", async () => {
  const text = String.raw`const kernel32 = Deno.dlopen("kernel32.dll", {
      CreateNamedPipeW: {
        parameters: ["buffer", "u32", "u32", "u32", "u32", "u32", "u32", "pointer"],
        result: "pointer",
      },
      WaitNamedPipeW: { parameters: ["buffer", "u32"], result: "i32" },
    });
    const [name, role] = Deno.args;
    const wide = Uint16Array.from("\\\\.\\pipe\\" + name + "\0", (c) => c.charCodeAt(0));
    if (role === "server") kernel32.symbols.CreateNamedPipeW(wide, 3, 0, 1, 512, 512, 0, null);
    console.log("ready");
    console.log("found", kernel32.symbols.WaitNamedPipeW(wide, 1));
    setInterval(() => {}, 1000);`;
  await withProgram(text, async (path) => {
    const name = crypto.randomUUID();
    await using server = await start(["run", "-A", path, name, "server"]);
    await using other = await start(["run", "-A", path, name, "other"]);
    assertEquals([await server.next(), await other.next()], ["found 1", "found 0"]);
    // The end of one is not the end of the other.
    other.child.kill("SIGINT");
    assertEquals((await other.child.status).code, 130);
    assertEquals((await alive(server.started)).length, server.started.length);
  });
});

const MACHINE_WINES = ["/usr/lib/wine/wine64", "/opt/wine-stable", "/opt/wine-devel"];
const HAS_WINE = !ignore && ((await Promise.all(MACHINE_WINES.map(exists))).includes(true) ||
  await which("wine") !== undefined);

/** A machine that has a Wine: the tool's own Debian, seen as the root of a namespace. */
const MACHINE = `set -eu
  image=$1 cache=$2 deno=$3 checkout=$4 folder=$5; shift 5
  mount -t tmpfs tmpfs /mnt
  mkdir /mnt/upper /mnt/work /mnt/root
  mount -t overlay overlay -o upperdir=/mnt/upper,workdir=/mnt/work,lowerdir="$image" /mnt/root
  cd /mnt/root
  rm usr/bin/apt-get
  for shown in /dev /etc/ssl "$cache" "$checkout" "$folder"; do
    mkdir -p ".$shown"
    mount --rbind "$shown" ".$shown"
  done
  touch usr/bin/deno
  mount --bind "$deno" usr/bin/deno
  mount -t proc proc proc
  mkdir .old
  pivot_root . .old
  umount -l .old
  cd "$checkout"
  exec "$@"`;

/** Runs the tool there. The prefix is the one this machine has, under the name of the other's. */
async function onMachineWithWine(
  isolation: "root" | "user" | "none",
  test: (run: (...args: string[]) => Deno.Command, folder: string) => Promise<void>,
): Promise<void> {
  assertEquals((await output(tool(["--version"]))).code, 0);
  const real = cacheFolder();
  const uid = isolation === "root" ? 0 : 65534;
  const folder = await Deno.makeTempDir();
  try {
    const cache = `${folder}/cache`;
    await Deno.mkdir(cache);
    for (const name of [`deno-${NEWEST_VERSION}`, "deno-dir"]) {
      await Deno.symlink(`${real}/${name}`, `${cache}/${name}`);
    }
    await Deno.mkdir(`${folder}/bin`);
    if (isolation === "none") {
      await Deno.writeTextFile(`${folder}/bin/unshare`, "#!/bin/sh\nexit 1\n", { mode: 0o755 });
    }
    const user = ["unshare", "--user", `--map-user=${uid}`, `--map-group=${uid}`];
    const onMachine = (...command: string[]) =>
      new Deno.Command("unshare", {
        args: [
          ...["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", MACHINE],
          ...["bash", `${real}/${IMAGE}`, real, Deno.execPath(), CHECKOUT, folder],
          ...(isolation === "root" ? [] : user),
          ...["env", `PATH=${folder}/bin:/usr/sbin:/usr/bin:/sbin:/bin`, ...command],
        ],
        env: { NAMED_PIPE_CACHE: cache },
        stdin: "null",
      });
    const { stdout } = await output(onMachine("/usr/lib/wine/wine64", "--version"));
    const here = prefixName({ id: IMAGE }, Deno.uid());
    await Deno.symlink(`${real}/${here}`, `${cache}/${prefixName({ id: wineId(stdout) }, uid)}`);
    const run = (...args: string[]) => onMachine("deno", "run", "-A", TOOL, ...args);
    await test(run, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

for (const isolation of ["root", "user", "none"] as const) {
  Deno.test({
    name: `windows.ts uses a Wine on the machine, isolation "${isolation}"`,
    // The machine is made from the root with Wine that the tool makes as root.
    ignore: ignore || HAS_WINE || Deno.uid() !== 0,
    async fn() {
      await onMachineWithWine(isolation, async (run, folder) => {
        const text = "console.log(Deno.build.os, Deno.cwd()); Deno.exit(5)";
        const { code, stdout, stderr } = await output(run("eval", text));
        assertEquals(stderr, "");
        assertEquals(stdout, `windows Z:${CHECKOUT.replaceAll("/", "\\")}\n`);
        assertEquals(code, 5);
        assertEquals(await Array.fromAsync(Deno.readDir(`${folder}/cache/runs`)), []);
        assertEquals(await mounts(folder), []);
      });
    },
  });
}
