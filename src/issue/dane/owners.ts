import type { CertificateRequest } from "../../certificate.ts";
import type { Identifier } from "../../plugin.ts";
import { tlsaWriters } from "../../request/dane.ts";
import type { OpenSolver } from "../../solvers/open.ts";
import type { IssueTools } from "../tools.ts";

/** A name that has TLSA records, and who writes them. */
export interface Owner {
  readonly identifier: Identifier;
  /** `_25._tcp.mail.example.com` */
  readonly validationName: string;
  /** The same after following its CNAMEs. */
  readonly recordName: string;
  readonly solver: OpenSolver;
}

/** One for each name and port. */
export async function ownersOf(
  request: CertificateRequest,
  { solvers, dns, signal }: Pick<IssueTools, "solvers" | "dns" | "signal">,
): Promise<readonly Owner[]> {
  const { ports = [] } = request.dane ?? {};
  const writers = await tlsaWriters(request, (setting) => solvers.plugin(setting));
  const owners = writers.flatMap(({ identifier, setting }) =>
    ports.map(async (port) => {
      const validationName = `_${port}._tcp.${identifier.value}`;
      const { dns: looking = {} } = setting;
      const { name: recordName } =
        looking.cname === "none"
          ? { name: validationName }
          : await dns(looking).follow(validationName, signal);
      return { identifier, validationName, recordName, solver: await solvers.open(setting) };
    }),
  );
  return Promise.all(owners);
}
