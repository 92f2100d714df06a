import type { CertificateRequest } from "../certificate.ts";
import { ownersOf, type Owner } from "../issue/dane/owners.ts";
import { unsignedZone } from "../issue/dane/signed.ts";
import type { IssueTools } from "../issue/tools.ts";
import type { DaneRecord } from "../state/dane.ts";
import { finding, findingOf, type Checked, type Finding } from "./finding.ts";

/** The TLSA records, as the authoritative servers show them; and whether clients can trust them. */
export async function checkDane(request: CertificateRequest, tools: IssueTools): Promise<Checked> {
  const subject = "dane";
  if (request.dane === undefined)
    return { subject, findings: [], skipped: "no TLSA records are wanted" };
  const known = await tools.store.certificates.read(request.name).catch(() => undefined);
  const records = known?.status.dane?.records ?? [];
  try {
    const owners = await ownersOf(request, tools);
    const found = await Promise.all(owners.map((owner) => checkOwner(owner, records, tools)));
    const findings = [...found.flat(), ...(await checkZones(owners, tools))];
    return { subject, findings };
  } catch (error) {
    tools.signal.throwIfAborted();
    return { subject, findings: [findingOf(error)] };
  }
}

async function checkOwner(
  { recordName, identifier, solver }: Owner,
  records: readonly DaneRecord[],
  { dns, signal }: IssueTools,
): Promise<readonly Finding[]> {
  const own = records
    .filter(({ challenge, seenAt }) => challenge.recordName === recordName && seenAt !== undefined)
    .map(({ challenge }) => challenge.recordValue);
  const look = await dns(solver.setting.dns ?? {}).lookForTlsa(recordName, () => true, signal);
  const missing = look.answers.flatMap(({ state, server, values }) =>
    state === "shows" || state === "missing"
      ? own.filter((value) => !values.includes(value)).map((value) => `${server} lacks ${value}`)
      : [],
  );
  const shown = new Set(look.answers.flatMap(({ values }) => values));
  const foreign = [...shown].filter((value) => !own.includes(value));
  const { value: name } = identifier;
  return [
    ...(missing.length === 0
      ? []
      : [
          finding(
            "warning",
            name,
            `TLSA records at ${recordName} are missing: ${missing.join("; ")}.`,
            "Find out who removed them; `acmectl renew` publishes them before it orders.",
          ),
        ]),
    ...(foreign.length === 0
      ? []
      : [
          finding(
            "warning",
            name,
            `${recordName} has TLSA records that acmectl did not publish: ${foreign.join(", ")}.`,
            "Remove those that match no certificate in use at this name and port.",
          ),
        ]),
  ];
}

async function checkZones(
  owners: readonly Owner[],
  { dns, signal }: IssueTools,
): Promise<readonly Finding[]> {
  const faults = new Set<string>();
  for (const { recordName, solver } of owners) {
    const fault = await unsignedZone(recordName, dns(solver.setting.dns ?? {}), signal);
    if (fault !== undefined) faults.add(fault);
  }
  return [...faults].map((fault) =>
    finding("warning", undefined, `${fault.replace(/^t/, "T")}.`, remedy),
  );
}

const remedy = "Sign the zone, and have its DS record added to the parent zone.";
