/**
 * Facts about users and access rights.
 *
 * @module
 */

import { Status } from "../../kernel/status.ts";
import type { Fact } from "./fact.ts";
import { type End, told } from "./end.ts";
import type { Lab } from "./lab.ts";

/** Of this user: S-1-5-32-544 and the like are groups. */
function own({ kernel }: Lab): string {
  const { status, call, text } = kernel.ownUser();
  if (status !== Status.SUCCESS) throw new Error(`${call}: ${told(status)}`);
  return text;
}

/** Who a client is that has sent something. */
async function identified(lab: Lab, server: End, client: End): Promise<string> {
  await client.writes("hello");
  await server.reads();
  const { status, identity } = server.identified();
  if (identity === undefined) return told(status);
  return identity.sid === own(lab) ? "this user" : "another user";
}

/** A security descriptor that can be created with. */
function accepted({ kernel }: Lab, security: string): { security: string } {
  const status = kernel.acceptsSecurity(security);
  if (status !== Status.SUCCESS) throw new Error(`${security}: ${told(status)}`);
  return { security };
}

/** See the module. */
export const SECURITY_FACTS: readonly Fact[] = [
  {
    id: "identify",
    text: "a client is identified by the first message that it has sent",
    expected: "this user",
    async see(lab) {
      const { server, client } = await lab.pair();
      return await identified(lab, server, client);
    },
  },
  {
    id: "identify-early",
    text: "a client that connected before the instance listened is identified",
    expected: "this user",
    async see(lab) {
      const server = lab.server();
      const client = lab.client();
      server.listen();
      return await identified(lab, server, client);
    },
  },
  {
    id: "anonymous",
    text: "a client that keeps its identity to itself is not identified",
    expected: ["error 1347", "error 1368"],
    async see(lab) {
      const { server, client } = await lab.pair({}, { impersonation: "anonymous" });
      return await identified(lab, server, client);
    },
  },
  {
    id: "descriptor",
    text: "the owner and the rights of a pipe are those that it was created with",
    expected: "this user owns it, and the rights are in force",
    see(lab) {
      const user = own(lab);
      const { handle } = lab.server(accepted(lab, `O:${user}D:P(A;;FA;;;${user})(A;;FA;;;SY)`));
      const owner = lab.kernel.owner(handle);
      if (owner.text !== user) return `${owner.text || told(owner.status)} owns it`;
      const { status, text } = lab.kernel.security(handle);
      const inForce = status === Status.SUCCESS && text.includes("D:P(A;;") &&
        text.includes(";;;SY)");
      return `this user owns it, and the rights are ${inForce ? "in force" : text || told(status)}`;
    },
  },
  {
    id: "access",
    text: "a user whom the rights of a pipe refuse cannot open it",
    expected: "error 5",
    see(lab) {
      const user = own(lab);
      lab.server(accepted(lab, `D:P(D;;0x1;;;${user})(A;;FA;;;${user})`));
      return lab.open();
    },
  },
  {
    id: "no-second-server",
    text: "a client without the right to it cannot add an instance",
    expected: "error 5",
    see(lab) {
      lab.server(accepted(lab, "D:P(A;;0x12019b;;;AU)"));
      return lab.create(false);
    },
  },
];
