/** What the tool asks of the machine: programs, the user, the distribution. */

/** A setup that cannot go on, with a message that says what to do about it. */
export class SetupError extends Error {
  override name = "SetupError";
}

export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    // A folder of another user hides what it holds: nothing to be used there.
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return false;
    }
    if (error instanceof Deno.errors.PermissionDenied) return false;
    throw error;
  }
}

/** The first of `names` that is a file, looked up in PATH unless it is a path. */
export async function findProgram(...names: string[]): Promise<string | undefined> {
  const folders = (Deno.env.get("PATH") ?? "").split(":").filter((folder) => folder !== "");
  for (const name of names) {
    const paths = name.includes("/") ? [name] : folders.map((folder) => `${folder}/${name}`);
    for (const path of paths) {
      if (await exists(path)) return path;
    }
  }
  return undefined;
}

/** What a command printed, or `undefined` if it failed or is missing. */
export async function output(program: string, ...args: string[]): Promise<string | undefined> {
  try {
    const result = await new Deno.Command(program, { args, stdin: "null", stderr: "null" })
      .output();
    return result.success ? new TextDecoder().decode(result.stdout) : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof Deno.errors.PermissionDenied) return undefined;
    throw error;
  }
}

/** The lines of a program's output as they come. */
export async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
  if (rest !== "") yield rest;
}

/** How commands that need root are run: as they are, through sudo, or not at all. */
export type Privilege = string[] | undefined;

export async function privilege(): Promise<Privilege> {
  if (Deno.uid() === 0) return [];
  const sudo = await findProgram("sudo");
  if (sudo === undefined) return undefined;
  return await output(sudo, "-n", "true") === undefined ? undefined : [sudo, "-n", "-E"];
}

export interface Distribution {
  /** "debian", "ubuntu", ... */
  id: string;
  /** Whether it has Debian's package tools. */
  debianLike: boolean;
}

/** Reads the text of `/etc/os-release`. */
export function parseOsRelease(text: string): Distribution {
  const field = (name: string): string => {
    const match = new RegExp(`^${name}=(["']?)(.*)\\1$`, "m").exec(text);
    return match?.[2] ?? "";
  };
  const id = field("ID");
  return { id, debianLike: [id, ...field("ID_LIKE").split(" ")].includes("debian") };
}

export async function distribution(): Promise<Distribution> {
  const path = "/etc/os-release";
  return parseOsRelease(await exists(path) ? await Deno.readTextFile(path) : "");
}
