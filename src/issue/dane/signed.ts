import type { Dns } from "../../dns/dns.ts";
import { messageOf } from "../../errors.ts";
import type { DaneRecord } from "../../state/dane.ts";
import type { IssueTools } from "../tools.ts";

/** The zones of these records without DNSSEC; each is warned about, since clients then ignore the records (RFC 6698 §4.1). */
export async function unsignedZones(
  records: readonly DaneRecord[],
  { dns, record, signal }: Pick<IssueTools, "dns" | "record" | "signal">,
): Promise<readonly string[]> {
  const log = record.log("dane");
  const found = new Set<string>();
  for (const { solver, challenge } of records) {
    try {
      const zone = await unsignedZoneOf(challenge.recordName, dns(solver.dns ?? {}), signal);
      if (zone !== undefined) found.add(zone);
    } catch (error) {
      signal.throwIfAborted();
      log.debug(
        `could not find out whether ${challenge.recordName} is signed: ${messageOf(error)}`,
      );
    }
  }
  for (const zone of found) log.warn(unsignedText(zone));
  return [...found];
}

/** The zone of a record, unless it has keys for DNSSEC. */
export async function unsignedZoneOf(
  recordName: string,
  dns: Pick<Dns, "findZone" | "askZone">,
  signal: AbortSignal,
): Promise<string | undefined> {
  const zone = await dns.findZone(recordName, signal);
  const reply = await dns.askZone(zone, { name: zone.name, type: "DNSKEY" }, signal);
  if (reply === undefined) return undefined;
  return reply.answers.some(({ type }) => type === "DNSKEY") ? undefined : zone.name;
}

export function unsignedText(zone: string): string {
  return `the zone ${zone} is not signed with DNSSEC, so TLSA records in it have no effect`;
}
