import { caName, presetOf, type LimitName } from "../acme/presets.ts";
import type { CertificateRequest } from "../certificate.ts";
import { dateFrom } from "../dates.ts";
import { caPauseOf } from "../state/pause.ts";
import { allowanceText } from "../state/ledger.ts";
import { namesOf } from "../request/drift.ts";
import type { Store, StoredCertificate } from "../state/store.ts";
import { limitLines, limitsLeft, type LimitsLeft } from "../status/limits.ts";
import { finding, type Checked, type Finding } from "./finding.ts";

const wait = "Wait until then: asking earlier may extend the limit.";

/** What the ledger says of the CA's limits: what was asked from here, which others may have used as well. */
export async function checkLimits(
  request: CertificateRequest,
  store: Store,
  now: Date,
): Promise<Checked> {
  // The other CAs of the certificate are checked for themselves.
  const [left] = await limitsLeft([{ ...request, issuers: undefined }], store, now);
  const stored = await store.certificates.read(request.name).catch(() => undefined);
  const until = stored && caPauseOf(stored.status, now);
  const own =
    until === undefined
      ? []
      : [
          finding(
            "error",
            undefined,
            `${caName(request.issuer.server)} accepts no order for this certificate before ${dateFrom(now, until)}.`,
            wait,
          ),
        ];
  const skipped =
    left === undefined || left.allowances.length === 0
      ? "the limits of this CA are not known here"
      : undefined;
  const free = isRenewal(request, stored) ? presetOf(request.issuer.server)?.freeForRenewals : [];
  return {
    subject: "limits",
    findings: [...own, ...(left === undefined ? [] : faultsIn(left, free ?? [], now))],
    skipped,
    notes: left === undefined ? [] : limitLines({ ...left, pause: undefined }, now),
  };
}

/** Some limits do not count an order for the names of the certificate that is held. */
function isRenewal(
  { identifiers, issuer }: CertificateRequest,
  stored: StoredCertificate | undefined,
): boolean {
  const meta = stored?.held?.meta;
  if (meta?.directory !== issuer.server || meta.temporary === true) return false;
  return namesOf(meta.identifiers) === namesOf(identifiers);
}

function faultsIn(
  { server, pause, allowances }: LimitsLeft,
  free: readonly LimitName[],
  now: Date,
): readonly Finding[] {
  const used = allowances.filter(
    ({ next, limit }) => next && limit !== "accountsPerMachine" && !free.includes(limit),
  );
  const paused =
    pause &&
    finding(
      "error",
      undefined,
      `${caName(server)} accepts no orders before ${dateFrom(now, pause.end)}: ${pause.detail}`,
      wait,
    );
  return [
    ...(paused === undefined ? [] : [paused]),
    ...used.map((one) =>
      finding(
        "error",
        undefined,
        `${caName(server)} would refuse an order: ${allowanceText(one)}. One more is possible ${dateFrom(now, one.next ?? now)}.`,
        one.limit === "failuresInARow"
          ? "Fix what fails, then unpause the name at the address in the CA's words (acmectl status)."
          : `Wait until then. If the CA has granted more, set limits: { ${one.limit}: NUMBER/TIME } at the issuer in the config.`,
      ),
    ),
  ];
}
