/** Which host serves which version of a certificate, by what their pulls have left in the state. */
import { dateOf } from "../dates.ts";
import { type Block, heading, table } from "../result.ts";
import type { HostRecord } from "../state/hosts.ts";
import type { KnownCertificate } from "./certificates.ts";

interface KnownHost extends HostRecord {
  /** It does not serve the version held. */
  readonly behind: boolean;
  readonly failed: HostRecord["steps"];
}

export function hostsOf({ hosts = [], held }: KnownCertificate): readonly KnownHost[] {
  return hosts.map((one) => ({
    ...one,
    behind: held !== undefined && one.serves?.version !== held.version,
    failed: one.steps.filter(({ state }) => state === "failed"),
  }));
}

/** For machines; undefined when no host pulls it. */
export function hostsDocument(certificate: KnownCertificate) {
  const known = hostsOf(certificate);
  if (known.length === 0) return undefined;
  return known.map(({ host, version, since, serves, behind, steps }) => ({
    host,
    version,
    since,
    serves,
    behind,
    deploy: steps,
  }));
}

/** The names of hosts that are behind, in a few words; nothing if there are none. */
export function behindText(certificate: KnownCertificate): readonly string[] {
  const behind = hostsOf(certificate).filter((one) => one.behind);
  if (behind.length === 0) return [];
  const [first, ...others] = behind.map(({ host }) => host);
  return [`behind on ${first}${others.length === 0 ? "" : ` +${others.length}`}`];
}

/** What a monitor should report: failed steps at once, an old version when it has been old since `before`. */
export function hostFaults(certificate: KnownCertificate, before: Date): readonly string[] {
  const { held } = certificate;
  if (held === undefined) return [];
  const isOld = new Date(held.meta.issuedAt) < before;
  return hostsOf(certificate).flatMap((one) => {
    if (!one.behind || (one.failed.length === 0 && !isOld)) return [];
    const serves =
      one.serves === undefined
        ? "no version yet"
        : `version ${one.serves.version} since ${dateOf(one.serves.since)}`;
    const why = one.failed.map(({ step, detail = "it failed" }) => `; ${step}: ${detail}`).join("");
    return [`The host ${one.host} serves ${serves}, not version ${held.version}${why}.`];
  });
}

export function hostsView(certificate: KnownCertificate): readonly Block[] {
  const known = hostsOf(certificate);
  if (known.length === 0) return [];
  const rows = known.map(({ host, version, serves, behind, steps }) => [
    host,
    serves === undefined ? "-" : `${serves.version}`,
    serves === undefined ? "-" : dateOf(serves.since),
    `${version}`,
    behind ? "behind" : "current",
    steps
      .filter(({ state }) => state !== "done")
      .map(({ state, step, detail }) => `${step}: ${detail ?? state}`)
      .join("; "),
  ]);
  return [heading("Hosts"), table(["HOST", "SERVES", "SINCE", "HAS", "STATE", "STEPS LEFT"], rows)];
}
