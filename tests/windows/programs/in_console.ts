/**
 * Runs a program in a console of its own and presses a key combination there when it listens; what
 * became of it is written to a file, since this process has no output any more.
 *
 * Arguments: the file, `ctrl-c` or `ctrl-break`, and those of the program.
 */

const { symbols: kernel32 } = Deno.dlopen("C:\\Windows\\System32\\kernel32.dll", {
  FreeConsole: { parameters: [], result: "i32" },
  AllocConsole: { parameters: [], result: "i32" },
  // (dwCtrlEvent, dwProcessGroupId)
  GenerateConsoleCtrlEvent: { parameters: ["u32", "u32"], result: "i32" },
  // (HandlerRoutine, Add)
  SetConsoleCtrlHandler: { parameters: ["usize", "i32"], result: "i32" },
});

const [file = "", key, ...args] = Deno.args;

kernel32.FreeConsole();
if (kernel32.AllocConsole() === 0) Deno.exit(3);
// A parent that ignores Ctrl-C hands that on to its children.
kernel32.SetConsoleCtrlHandler(0n, 0);
for (const signal of ["SIGINT", "SIGBREAK"] as const) Deno.addSignalListener(signal, () => {});

const child = new Deno.Command(Deno.execPath(), {
  args,
  stdin: "null",
  stdout: "piped",
  stderr: "piped",
}).spawn();
const stderr = new Response(child.stderr).text();
let stdout = "";
let pressed = false;
for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
  stdout += text;
  if (pressed || !stdout.includes("listening")) continue;
  pressed = true;
  // Group 0: every process of this console.
  kernel32.GenerateConsoleCtrlEvent(key === "ctrl-c" ? 0 : 1, 0);
}
const { code } = await child.status;
await Deno.writeTextFile(file, JSON.stringify({ code, stdout, stderr: await stderr }));
Deno.exit(0);
