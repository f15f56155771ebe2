/**
 * HTTP in a world in memory.
 *
 * @module
 */

import type { HttpHandler, ServeHttpOptions } from "../../src/http/options.ts";
import { type HttpServer, serveHttpOn } from "../../src/http/serve_http.ts";
import { inWorld, NAME, type World } from "../fixture.ts";
import { RawClient } from "./raw_client.ts";

/** See the module. */
export class HttpWorld {
  readonly world: World;
  readonly #servers: HttpServer[] = [];

  constructor(world: World) {
    this.world = world;
  }

  serve(handler: HttpHandler, options: Partial<ServeHttpOptions> = {}): HttpServer {
    const server = serveHttpOn(this.world.open, { path: NAME, ...options }, handler);
    this.#servers.push(server);
    return server;
  }

  async client(): Promise<RawClient> {
    return new RawClient(await this.world.dial());
  }

  /** A server, and a client of it. */
  async pair(
    handler: HttpHandler,
    options: Partial<ServeHttpOptions> = {},
  ): Promise<{ server: HttpServer; client: RawClient }> {
    return { server: this.serve(handler, options), client: await this.client() };
  }

  async close(): Promise<void> {
    for (const conn of this.world.conns) conn.close();
    for (const server of this.#servers) await server.shutdown();
  }
}

/** A test of HTTP in a world of its own, in which nothing may be left. */
export function inHttpWorld(name: string, body: (http: HttpWorld) => Promise<void>): void {
  inWorld(name, async (world) => {
    const http = new HttpWorld(world);
    await body(http);
    await http.close();
  });
}
