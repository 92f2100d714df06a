import type { Dns } from "../../dns/dns.ts";
import { messageOf } from "../../errors.ts";
import type { DaneRecord } from "../../state/dane.ts";
import type { IssueTools } from "../tools.ts";

/** Why clients ignore some of these records, a sentence for each zone without DNSSEC (RFC 6698 §4.1); each is a warning too. */
export async function unsignedZones(
  records: readonly DaneRecord[],
  { dns, record, signal }: Pick<IssueTools, "dns" | "record" | "signal">,
): Promise<readonly string[]> {
  const log = record.log("dane");
  const found = new Set<string>();
  for (const { solver, challenge } of records) {
    try {
      const fault = await unsignedZone(challenge.recordName, dns(solver.dns ?? {}), signal);
      if (fault !== undefined) found.add(fault);
    } catch (error) {
      signal.throwIfAborted();
      const what = `could not find out whether ${challenge.recordName} is signed`;
      log.debug(`${what}: ${messageOf(error)}`);
    }
  }
  for (const fault of found) log.warn(fault);
  return [...found];
}

/** Why a record in its zone has no effect; undefined if the zone is signed, or if no server says. */
export async function unsignedZone(
  recordName: string,
  dns: Pick<Dns, "findZone" | "askZone" | "resolve">,
  signal: AbortSignal,
): Promise<string | undefined> {
  const zone = await dns.findZone(recordName, signal);
  const { name } = zone;
  const keys = await dns.askZone(zone, { name, type: "DNSKEY" }, signal);
  if (keys?.answers.every(({ type }) => type !== "DNSKEY") === true)
    return `the zone ${name} is not signed with DNSSEC, so TLSA records in it have no effect`;
  const delegation = await dns.resolve({ name, type: "DS" }, signal);
  // The zone itself does not know.
  if (delegation?.rcode !== "NOERROR" || delegation.authoritative) return undefined;
  if (delegation.answers.some(({ type }) => type === "DS")) return undefined;
  return `the zone ${name} is signed, but its parent has no DS record for it, so TLSA records in it have no effect`;
}
