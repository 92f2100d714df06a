/** What a notification reports of certificates: the findings of `status --check`, by event. */
import type { NotificationItem } from "../plugin.ts";
import type { BrokenCertificate } from "../state/store.ts";
import type { Certificates, KnownCertificate } from "../status/certificates.ts";
import { check, checkBroken, type Finding } from "../status/check.ts";
import { lifetimeOf } from "../status/due.ts";

export interface Incident extends Omit<NotificationItem, "recovered" | "since"> {
  readonly labels: Readonly<Record<string, string>>;
  /** A different one is sent at once. Only times and numbers may differ in the same one. */
  readonly signature: string;
}

/** At most one of each event for a certificate. `before`: milliseconds before expiry; a tenth of the lifetime when absent. */
export function incidentsOf(
  { certificates, broken }: Certificates,
  before: number | undefined,
  now: Date,
): readonly Incident[] {
  return [...certificates.flatMap((one) => ofOne(one, before, now)), ...broken.map(ofBroken)];
}

function ofOne(
  certificate: KnownCertificate,
  before: number | undefined,
  now: Date,
): readonly Incident[] {
  const { name, request, held } = certificate;
  const warn = before ?? (held === undefined ? 0 : lifetimeOf(held.meta) / 10);
  const { findings } = check(certificate, { faults: [], clocks: [] }, warn, now);
  const names = (held?.meta.identifiers ?? request.identifiers).map(({ value }) => value);
  const { labels } = request;
  return (["failure", "deploy", "expiry"] as const).flatMap((event) => {
    const own = findings.filter(({ kind }) => events[kind] === event);
    const about = { certificate: name, names, labels, expiresAt: held?.meta.notAfter };
    return own.length === 0 ? [] : [{ ...about, ...described(event, own) }];
  });
}

function ofBroken(one: BrokenCertificate): Incident {
  const about = { certificate: one.name, names: [], labels: {} };
  return { ...about, ...described("failure", checkBroken(one).findings) };
}

/** A change of the request that the next run makes, or a missing proof, is not an event. */
const events: Readonly<Partial<Record<Finding["kind"], NotificationItem["event"]>>> = {
  failing: "failure",
  broken: "failure",
  missing: "failure",
  damaged: "failure",
  revoked: "failure",
  dane: "failure",
  undeployed: "deploy",
  expired: "expiry",
  expiring: "expiry",
  "past due": "expiry",
};

function described(event: Incident["event"], findings: readonly Finding[]) {
  // That it is missing says nothing beside why.
  const told = findings.length === 1 ? findings : findings.filter(({ kind }) => kind !== "missing");
  const kinds = told.map(({ kind }) => kind);
  const detail = told.map((finding) => finding.detail).join(" ");
  const isExpired = kinds.includes("expired");
  const title = isExpired ? "has expired" : kinds.includes("expiring") ? titles.expiry : undefined;
  return {
    event,
    title: title ?? (event === "expiry" ? "is not renewed in time" : titles[event]),
    detail,
    signature: `${kinds.join()} ${event === "expiry" ? "" : constantPart(detail)}`,
  };
}

const titles = {
  failure: "cannot be issued or renewed",
  deploy: "is not deployed",
  expiry: "is about to expire",
};

function constantPart(detail: string): string {
  return detail.replaceAll(/https?:\/\/\S+/gu, "URL").replaceAll(/[\da-f]*\d[\da-f]*/giu, "#");
}
