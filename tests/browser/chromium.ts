/**
 * Chromium without a window, driven by its DevTools protocol.
 *
 * @see {@link https://chromedevtools.github.io/devtools-protocol/}
 *
 * @module
 */

import type { Chromium, Program } from "../../tools/chromium.ts";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--no-zygote",
  "--no-first-run",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--hide-scrollbars",
  "--force-color-profile=srgb",
  "--remote-debugging-port=0",
];

/** Milliseconds after which what a page is to show does not come. */
const LIMIT = 60_000;

const FILE = new URL("../../.cache/chromium.json", import.meta.url);

/** What `tools/chromium.ts` has found. */
async function findChromium(): Promise<Chromium> {
  try {
    return JSON.parse(await Deno.readTextFile(FILE));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return { missing: "run tools/chromium.ts first" };
  }
}

const found = await findChromium();

/** Registers a test that is given a browser, or is skipped with the reason. */
export function browserTest(name: string, body: (browser: Browser) => Promise<void>): void {
  if ("missing" in found) {
    console.log(`Skipped: ${found.missing}`);
    Deno.test({ name, ignore: true, fn: () => {} });
    return;
  }
  Deno.test(name, async () => {
    await using browser = await Browser.start(found);
    await body(browser);
  });
}

/** Starts the browser that there is, for a program that is no test. */
export function startBrowser(): Promise<Browser> {
  if ("missing" in found) throw new Error(found.missing);
  return Browser.start(found);
}

type Params = Readonly<Record<string, unknown>>;

/** A message of the protocol. */
interface Told {
  readonly id?: number;
  readonly method?: string;
  readonly sessionId?: string;
  readonly params?: Params;
  // The protocol says what a result has.
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

/** See the module. */
export class Browser implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #socket: WebSocket;
  readonly #profile: string;
  readonly #calls = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #listeners = new Map<string, (method: string, params: Params) => void>();
  #next = 1;

  private constructor(child: Deno.ChildProcess, socket: WebSocket, profile: string) {
    this.#child = child;
    this.#socket = socket;
    this.#profile = profile;
    socket.addEventListener("message", ({ data }) => this.#told(JSON.parse(data)));
  }

  static async start({ program, env }: Program): Promise<Browser> {
    const profile = await Deno.makeTempDir();
    const child = new Deno.Command(program, {
      args: [...FLAGS, `--user-data-dir=${profile}`, "about:blank"],
      env: { ...env },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const socket = new WebSocket(await addressIn(child.stderr));
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve, { once: true });
      socket.addEventListener("error", reject, { once: true });
    });
    return new Browser(child, socket, profile);
  }

  /** Opens a page. */
  async open(url: string): Promise<Page> {
    const { targetId } = await this.call("Target.createTarget", { url: "about:blank" }) as {
      targetId: string;
    };
    const { sessionId } = await this.call("Target.attachToTarget", {
      targetId,
      flatten: true,
    }) as { sessionId: string };
    const page = new Page(this, sessionId);
    this.#listeners.set(sessionId, (method, params) => page.told(method, params));
    for (const domain of ["Page", "Runtime", "Log"]) await page.call(`${domain}.enable`);
    await page.call("Page.navigate", { url });
    return page;
  }

  /** Calls a method of the protocol. */
  async call(method: string, params: Params = {}, sessionId?: string): Promise<unknown> {
    const id = this.#next++;
    const call = Promise.withResolvers<unknown>();
    this.#calls.set(id, call);
    this.#socket.send(JSON.stringify({ id, method, params, sessionId }));
    return await call.promise;
  }

  #told({ id, method, sessionId, params = {}, result, error }: Told): void {
    if (id === undefined) {
      if (method !== undefined) this.#listeners.get(sessionId ?? "")?.(method, params);
      return;
    }
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (error === undefined) call?.resolve(result);
    else call?.reject(new Error(error.message));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => {
      this.#socket.addEventListener("close", resolve, { once: true });
    });
    this.#socket.send(JSON.stringify({ id: 0, method: "Browser.close" }));
    await Promise.all([closed, this.#child.status]);
    await Deno.remove(this.#profile, { recursive: true }).catch(() => {});
  }
}

/** The address that a browser prints; what it prints later is thrown away. */
async function addressIn(stderr: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  const [first, rest] = stderr.tee();
  rest.pipeTo(new WritableStream()).catch(() => {});
  let text = "";
  for await (const chunk of first.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const [, url] = /DevTools listening on (ws:\S+)/.exec(text) ?? [];
    if (url !== undefined) return url;
  }
  throw new Error(`The browser does not start: ${text}`);
}

/** A page that is open. */
export class Page {
  readonly #browser: Browser;
  readonly #session: string;
  /** What went wrong in it, forbidden loads included. */
  readonly errors: string[] = [];

  constructor(browser: Browser, session: string) {
    this.#browser = browser;
    this.#session = session;
  }

  /** Calls a method of the protocol. */
  call(method: string, params: Params = {}): Promise<unknown> {
    return this.#browser.call(method, params, this.#session);
  }

  /** The browser tells what has happened. */
  told(method: string, params: Params): void {
    if (method === "Runtime.exceptionThrown") this.errors.push(JSON.stringify(params));
    const entry = params["entry"];
    if (method === "Log.entryAdded" && JSON.stringify(entry).includes('"level":"error"')) {
      this.errors.push(JSON.stringify(entry));
    }
  }

  /** The value of an expression, when it has settled. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.call("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    }) as { result: { value: T }; exceptionDetails?: unknown };
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
    return result.value;
  }

  /** Resolves when an expression is true of what the page shows. */
  async until(condition: string): Promise<void> {
    await this.evaluate(`new Promise((resolve, reject) => {
      const late = () => reject(new Error("not within ${LIMIT} ms: " + document.body.innerText));
      const timer = setTimeout(late, ${LIMIT});
      const look = () => {
        if (!(${condition})) return;
        observer.disconnect();
        clearTimeout(timer);
        resolve();
      };
      const observer = new MutationObserver(look);
      observer.observe(document, {
        subtree: true, childList: true, characterData: true, attributes: true,
      });
      look();
    })`);
  }

  /** The text of the first element that a selector finds. */
  text(selector: string): Promise<string> {
    return this.evaluate(`document.querySelector(${JSON.stringify(selector)}).textContent`);
  }

  /** Looks through a window of this size, in a light or a dark scheme. */
  async look(width: number, height: number, scheme: "light" | "dark"): Promise<void> {
    await this.call("Emulation.setDeviceMetricsOverride", {
      width,
      height,
      deviceScaleFactor: 1,
      mobile: false,
    });
    await this.call("Emulation.setEmulatedMedia", {
      features: [{ name: "prefers-color-scheme", value: scheme }],
    });
  }

  /** Presses a key. */
  async press(key: "Tab" | "Enter"): Promise<void> {
    const text = key === "Enter" ? { text: "\r" } : {};
    const code = { key, code: key, windowsVirtualKeyCode: key === "Enter" ? 13 : 9, ...text };
    await this.call("Input.dispatchKeyEvent", { type: "keyDown", ...code });
    await this.call("Input.dispatchKeyEvent", { type: "keyUp", ...code });
  }

  /** What it looks like, as PNG. */
  async screenshot(): Promise<Uint8Array<ArrayBuffer>> {
    const { data } = await this.call("Page.captureScreenshot", { format: "png" }) as {
      data: string;
    };
    return Uint8Array.fromBase64(data);
  }
}
