import { offlineDemand } from "../acme/account-records.ts";
import type { Ca } from "../acme/acme.ts";
import { traitsOf } from "../acme/presets.ts";
import { thumbprint } from "../acme/keys.ts";
import type { CertificateRequest, DnsSetting } from "../certificate.ts";
import type { Dns } from "../dns/dns.ts";
import { selectAll } from "../issue/proof/choose.ts";
import {
  endingSoon,
  type Standing,
  lookForStanding,
  persistCommand,
} from "../issue/proof/standing.ts";
import { Problem } from "../problem.ts";
import type { SolverSet } from "../solvers/open.ts";
import type { Store } from "../state/store.ts";

export interface StandingTools {
  readonly store: Store;
  readonly ca: Pick<Ca, "flags">;
  readonly solvers: SolverSet;
  readonly dns: (setting: DnsSetting) => Dns;
  readonly signal: AbortSignal;
}

/**
 * What the name servers show of the records that renewal needs: those that are missing or end soon. The CA is not asked. Name
 * servers that do not answer now are no finding.
 */
export async function recordFaults(
  request: CertificateRequest,
  now: Date,
  tools: StandingTools,
): Promise<readonly string[]> {
  // No record can name an account of it.
  if (traitsOf(request.issuer.server).forgets) return [];
  const accounts = await tools.store.accounts.ofDirectory(request.issuer.server);
  const account = accounts[0];
  const selected = await selectAll(request, tools);
  const found = request.identifiers.map(async (identifier) => {
    const first = selected.find(
      (one) => one.identifier === identifier && one.challengeTypes.length > 0,
    );
    if (account?.url === undefined || first?.challengeTypes[0] !== "dns-persist-01") return [];
    const value = identifier.value.replace(/^\*\./, "");
    const wildcard = value !== identifier.value;
    const holder = { url: account.url, thumbprint: thumbprint(account.key) };
    const demand = offlineDemand({ identifier: { type: "dns", value }, wildcard }, holder);
    const dns = tools.dns(first.setting.dns ?? {});
    const { fault, flags } = await faultAt(demand, dns, now, tools.signal);
    const command = persistCommand(identifier.value, tools.ca.flags, flags);
    return fault === undefined ? [] : [`${fault} Print a new one with \`${command}\`.`];
  });
  return (await Promise.all(found)).flat();
}

async function faultAt(
  demand: ReturnType<typeof offlineDemand>,
  dns: Dns,
  now: Date,
  signal: AbortSignal,
): Promise<{ readonly fault?: string } & Partial<Pick<Standing, "flags">>> {
  const { validationName } = demand;
  try {
    // The look follows CNAMEs by itself.
    const look = await lookForStanding(validationName, demand, dns, now, signal);
    const { flags } = look;
    if (look.verdict === "missing")
      return { fault: `${validationName} has no record for this account: ${look.missing}.`, flags };
    const ending = endingSoon(validationName, look.until, now);
    return ending === undefined ? {} : { fault: `${ending}.`, flags };
  } catch (error) {
    signal.throwIfAborted();
    if (Problem.is(error)) return {};
    throw error;
  }
}
