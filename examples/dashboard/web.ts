/**
 * Serves the page on loopback, and sends it what it shows as server-sent events.
 *
 * @module
 */

import html from "./page.html" with { type: "text" };
import style from "./style.css" with { type: "text" };
import script from "./script.js" with { type: "text" };
import type { Snapshot } from "./observer.ts";

const HOST = "127.0.0.1";

/** Pages that may be open at once. */
const MOST_VIEWERS = 16;

const SECURITY = {
  "cache-control": "no-store",
  // No other source has a say, and no other page may show this one in a frame.
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/** The page, as it is served. */
export interface Page {
  /** Its address, with the key. */
  readonly url: string;
  /** Sends those who look what there is now. */
  update(): void;
  close(): Promise<void>;
}

/** Serves the page on a port of loopback; 0: one that is free. */
export function servePage(port: number, snapshot: () => Snapshot): Page {
  const key = crypto.randomUUID();
  const viewers = new Set<ReadableStreamDefaultController<string>>();
  const event = () => `data: ${JSON.stringify(snapshot())}\n\n`;

  const watch = (): Response => {
    if (viewers.size >= MOST_VIEWERS) return text("too many pages are open", 503);
    let viewer: ReadableStreamDefaultController<string>;
    const events = new ReadableStream<string>({
      start(controller) {
        viewer = controller;
        viewers.add(viewer);
        viewer.enqueue(event());
      },
      cancel: () => void viewers.delete(viewer),
    });
    return answer(events.pipeThrough(new TextEncoderStream()), "text/event-stream");
  };

  const routes: Readonly<Record<string, () => Response>> = {
    [`/${key}/`]: () => answer(html, "text/html; charset=utf-8"),
    [`/${key}/style.css`]: () => answer(style, "text/css; charset=utf-8"),
    [`/${key}/script.js`]: () => answer(script, "text/javascript; charset=utf-8"),
    [`/${key}/events`]: watch,
    [`/${key}/snapshot`]: () => answer(JSON.stringify(snapshot()), "application/json"),
  };

  const server = Deno.serve({ hostname: HOST, port, onListen: () => {} }, (request) => {
    // A name that somebody else has pointed at loopback is another host.
    const host = request.headers.get("host");
    const own = `${HOST}:${server.addr.port}`;
    if (host !== own && host !== `localhost:${server.addr.port}`) return text("wrong host", 421);
    if (request.method !== "GET") return text("only GET", 405);
    const route = routes[new URL(request.url).pathname];
    return route === undefined ? text("not found", 404) : route();
  });

  return {
    url: `http://${HOST}:${server.addr.port}/${key}/`,
    update() {
      if (viewers.size === 0) return;
      const data = event();
      // A page that does not keep up misses an update.
      for (const viewer of viewers) if ((viewer.desiredSize ?? 0) > 0) viewer.enqueue(data);
    },
    async close() {
      for (const viewer of viewers) viewer.close();
      viewers.clear();
      await server.shutdown();
    },
  };
}

function answer(body: BodyInit, type: string): Response {
  return new Response(body, { headers: { ...SECURITY, "content-type": type } });
}

function text(body: string, status: number): Response {
  return new Response(`${body}\n`, { status, headers: SECURITY });
}
