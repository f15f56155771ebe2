/**
 * The server's end: an instance of a pipe.
 *
 * @module
 */

import type { Direction, Peeked } from "../../kernel/kernel.ts";
import { Status } from "../../kernel/status.ts";
import { ClientEnd } from "./client_end.ts";
import { Connection } from "./connection.ts";
import type { End, Opening, Terms, Tracking } from "./end.ts";
import type { Name } from "./name.ts";
import type { Operation } from "./operation.ts";

/** The server's end of one instance. */
export class ServerEnd implements End {
  readonly #name: Name;
  readonly #terms: Terms;
  #state: "listening" | "connected" | "closing" | "disconnected" = "listening";
  #connection: Connection;
  #listens: Operation[] = [];
  #whole: boolean;
  #client: ClientEnd | undefined;
  #tracking: Tracking = "dynamic";
  #anonymous = false;
  readonly #direction: Direction;
  /** The client that there is was there before the listen, which has made the system forget it. */
  #forgotten = false;

  constructor(name: Name, terms: Terms) {
    this.#name = name;
    this.#terms = { ...terms, messages: name.terms.messages };
    this.#whole = this.#terms.messages;
    this.#direction = terms.direction ?? "both";
    this.#connection = new Connection(this.#terms, name.ways, 0);
    name.servers.add(this);
    // A fresh instance takes clients before anything listens.
    name.offer(this);
  }

  get state(): string {
    return this.#state;
  }

  /** See {@linkcode Name.path}. */
  get path(): string {
    return this.#name.path;
  }

  /** See {@linkcode Name.terms}. */
  get terms(): Terms {
    return this.#name.terms;
  }

  /** The process that created it. */
  get host(): number {
    return this.#terms.process ?? 0;
  }

  /** A client opens this instance. */
  admit(opening: Opening): ClientEnd {
    const { process = 0, tracking = "dynamic", direction = "both" } = opening;
    this.#state = "connected";
    this.#tracking = tracking;
    this.#anonymous = opening.impersonation === "anonymous";
    this.#forgotten = false;
    this.#name.listening.delete(this);
    this.#connection = new Connection(this.#terms, this.#name.ways, process);
    const client = new ClientEnd(this, direction, this.#connection, (connection) => {
      // From here on the instance takes no client until it is disconnected and listens again.
      if (this.#connection === connection && this.#state === "connected") this.#state = "closing";
    });
    this.#client = client;
    // One client completes every listen.
    for (const listen of this.#listens.splice(0)) listen.finish(Status.SUCCESS);
    return client;
  }

  /** The process of the client that there is, even if it has left. */
  get process(): number | undefined {
    const connected = this.#state === "connected" || this.#state === "closing";
    return connected ? this.#connection.process : undefined;
  }

  /** The process that wrote the message that was just read, or why the system cannot tell. */
  get writer(): { readonly status: number; readonly process: number } {
    const { process = 0 } = this;
    if (this.#anonymous) return { status: Status.ANONYMOUS, process };
    const forgotten = this.#tracking === "static" && this.#forgotten;
    return { status: forgotten ? Status.CANNOT_IMPERSONATE : Status.SUCCESS, process };
  }

  /** Whether its client can never be identified, if it listens now. */
  get forgets(): boolean {
    return this.#tracking === "static" && this.#state === "connected";
  }

  /** The other end of the connection that there is, or was last. */
  get client(): ClientEnd | undefined {
    return this.#client;
  }

  listen(operation: Operation): void {
    // Whatever becomes of the listen.
    this.#forgotten = true;
    // The outcomes of a listen. One that pends completes with SUCCESS, whatever its client did
    // since.
    if (this.#state === "connected") return operation.finish(Status.ALREADY_CONNECTED);
    if (this.#state === "closing") return operation.finish(Status.NO_DATA);
    if (this.#state === "disconnected") {
      this.#state = "listening";
      // Re-listening goes to the end of the line.
      this.#name.offer(this);
    }
    operation.withdraw = () => {
      this.#listens = this.#listens.filter((other) => other !== operation);
    };
    this.#listens.push(operation);
  }

  read(operation: Operation, size: number): void {
    if (this.#direction === "write") return operation.finish(Status.ACCESS_DENIED);
    if (this.#state === "listening") return operation.finish(Status.LISTENING);
    if (this.#state === "disconnected") return operation.finish(Status.DISCONNECTED);
    // What a client that has gone wrote is still there.
    this.#connection.toServer.read(operation, size, this.#whole);
  }

  write(operation: Operation, bytes: Uint8Array): void {
    if (this.#direction === "read") return operation.finish(Status.ACCESS_DENIED);
    if (this.#state === "listening") return operation.finish(Status.LISTENING);
    if (this.#state === "disconnected") return operation.finish(Status.DISCONNECTED);
    this.#connection.toClient.write(operation, bytes);
  }

  writeInPart(bytes: Uint8Array): void {
    this.#connection.toClient.writeInPart(bytes);
  }

  takesPart(bytes: Uint8Array): boolean {
    return this.#connection.toClient.takesPart(bytes);
  }

  peek(): Peeked {
    if (this.#direction === "write") return { status: Status.ACCESS_DENIED, left: 0 };
    if (this.#state === "listening" || this.#state === "disconnected") {
      return { status: Status.BAD_PIPE, left: 0 };
    }
    return this.#connection.toServer.peek();
  }

  keepMessages(on: boolean): number {
    if (on && !this.#terms.messages) return Status.INVALID_PARAMETER;
    this.#whole = on;
    return Status.SUCCESS;
  }

  disconnect(): number {
    // A second time.
    if (this.#state === "disconnected") return Status.DISCONNECTED;
    const listening = this.#state === "listening";
    this.#state = "disconnected";
    this.#name.listening.delete(this);
    // A listen that pends ends with 233, so says ReactOS; Wine refuses with 536.
    if (listening) this.#endListens(Status.DISCONNECTED);
    else this.#connection.disconnect();
    return Status.SUCCESS;
  }

  close(): void {
    this.#name.leave(this);
    // Nobody should care about the status.
    this.#endListens(Status.BROKEN);
    if (this.#state !== "disconnected") this.#connection.closeServer();
  }

  #endListens(status: number): void {
    for (const listen of this.#listens.splice(0)) listen.finish(status);
  }
}
