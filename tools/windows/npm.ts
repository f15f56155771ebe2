/** Windows programs that come as packages of npm. */

import { createHash } from "node:crypto";
import { basename } from "node:path";
import { makeOnce } from "./cache.ts";
import { exists, findProgram, SetupError } from "./host.ts";
import { log, megabytes, withProgress } from "./progress.ts";

/** Where packages come from. */
export interface Registry {
  /** npm, if there is one. */
  npm?: string | undefined;
  registry: string;
}

/** A package. */
export interface Packed {
  package: string;
  version: string;
  /** What `npm view PACKAGE@VERSION dist.integrity` says. */
  integrity: string;
  /** How big the download is. */
  size: string;
}

/** A program in a package. */
export interface PackedProgram extends Packed {
  /** Its path in the package. */
  file: string;
}

export async function registry(): Promise<Registry> {
  return {
    // On Windows npm is a script that needs a shell, and Deno trusts what Windows trusts.
    npm: Deno.build.os === "windows" ? undefined : await findProgram("npm"),
    registry: Deno.env.get("npm_config_registry") || "https://registry.npmjs.org/",
  };
}

/** The path of the program in the folder `name` of the cache, downloaded if it is missing. */
export async function npmProgram(
  cache: string,
  name: string,
  packed: PackedProgram,
  from: Registry,
): Promise<string> {
  const folder = await makeOnce(cache, name, async (part) => {
    await Deno.mkdir(part);
    await download(packed, from, part, packed.file);
  });
  return `${folder}/${packed.file.replace(/^.*\//, "")}`;
}

/** The folder `node_modules` with these packages in the folder `name` of the cache. */
export async function nodeModules(
  cache: string,
  name: string,
  packages: readonly Packed[],
  from: Registry,
): Promise<string> {
  const folder = await makeOnce(cache, name, async (part) => {
    for (const packed of packages) {
      const target = `${part}/node_modules/${packed.package}`;
      await Deno.mkdir(target, { recursive: true });
      await download(packed, from, target);
    }
  });
  return `${folder}/node_modules`;
}

/** Downloads a package, and unpacks all of it or one file into a folder that is there. */
async function download(
  packed: Packed,
  from: Registry,
  folder: string,
  file?: string,
): Promise<void> {
  const tarball = await packWithNpm(packed, from, folder) ??
    await fetchTarball(packed, from, folder);
  await checkIntegrity(tarball, packed);
  await unpack(tarball, folder, file);
  await Deno.remove(tarball);
}

/** npm knows the registry, the proxy and the certificates of this machine, so it is asked first. */
async function packWithNpm(
  packed: Packed,
  { npm }: Registry,
  folder: string,
): Promise<string | undefined> {
  if (npm === undefined) return undefined;
  const spec = `${packed.package}@${packed.version}`;
  return await withProgress(`Downloading ${spec} with npm (${packed.size})`, async (detail) => {
    const result = await new Deno.Command(npm, {
      args: ["pack", spec, "--pack-destination", folder],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    const tarball = await findTarball(folder);
    if (result.success && tarball !== undefined) {
      detail(`${megabytes((await Deno.stat(tarball)).size)} MB`);
      return tarball;
    }
    log(`npm pack failed, trying without npm:\n${new TextDecoder().decode(result.stderr)}`);
    return undefined;
  });
}

async function findTarball(folder: string): Promise<string | undefined> {
  for await (const entry of Deno.readDir(folder)) {
    if (entry.name.endsWith(".tgz")) return `${folder}/${entry.name}`;
  }
  return undefined;
}

async function fetchTarball(packed: Packed, from: Registry, folder: string): Promise<string> {
  const name = packed.package.replace(/^.*\//, "");
  const url = `${from.registry.replace(/\/$/, "")}/${packed.package}/-/` +
    `${name}-${packed.version}.tgz`;
  const path = `${folder}/fetched.tgz`;
  await withProgress(`Downloading ${url}`, async (detail) => {
    try {
      await fetchTo(url, path, detail);
    } catch (error) {
      throw new SetupError(`Cannot download ${url}: ${(error as Error).message}`);
    }
  }, 1000);
  return path;
}

async function fetchTo(url: string, path: string, detail: (text: string) => void): Promise<void> {
  using client = Deno.createHttpClient({ caCerts: await extraCertificates() });
  const response = await fetch(url, { client });
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new Error(`HTTP status ${response.status}`);
  }
  const length = Number(response.headers.get("content-length"));
  const total = length > 0 ? ` of ${megabytes(length)}` : "";
  let received = 0;
  const count = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(chunk, controller) {
      received += chunk.length;
      detail(`${megabytes(received)}${total} MB`);
      controller.enqueue(chunk);
    },
  });
  const file = await Deno.create(path);
  await response.body.pipeThrough(count).pipeTo(file.writable);
}

/** Certificates that Node and OpenSSL are told to trust, for a registry behind a company's proxy. */
async function extraCertificates(): Promise<string[]> {
  const path = Deno.env.get("NODE_EXTRA_CA_CERTS") || Deno.env.get("SSL_CERT_FILE");
  return path && await exists(path) ? [await Deno.readTextFile(path)] : [];
}

/** Refuses a file whose SHA-512 is not what npm published. */
async function checkIntegrity(path: string, packed: Packed): Promise<void> {
  const hash = createHash("sha512");
  const file = await Deno.open(path);
  for await (const chunk of file.readable) hash.update(chunk);
  const found = `sha512-${hash.digest("base64")}`;
  if (found === packed.integrity) return;
  throw new SetupError(
    `Cannot use the download of ${packed.package}: its integrity is ${found}, expected ` +
      `${packed.integrity}. The file was deleted; check the npm registry or mirror this machine ` +
      "uses and run again",
  );
}

async function unpack(tarball: string, folder: string, file?: string): Promise<void> {
  const depth = file?.split("/").length ?? 1;
  const only = file === undefined ? [] : [`package/${file}`];
  const result = await new Deno.Command("tar", {
    // By its name: to some, a path with a drive letter is one of another machine.
    args: ["-xzf", basename(tarball), `--strip-components=${depth}`, ...only],
    cwd: folder,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!result.success) {
    throw new SetupError(`Cannot unpack ${tarball}: ${new TextDecoder().decode(result.stderr)}`);
  }
}
