import type { CertificateRequest } from "../certificate.ts";
import type { Block } from "../result.ts";
import type { HeldCertificate } from "../state/store.ts";
import { dueAt } from "./lifetime.ts";

/** A certificate that is held, for machines and for people. It is due by its lifetime where nobody says otherwise. */
export function describeHeld(
  request: Pick<CertificateRequest, "name">,
  held: HeldCertificate,
  outcome: string,
  now: Date,
  dueBy: Date = dueAt(new Date(held.meta.notBefore), new Date(held.meta.notAfter)),
): { document: Record<string, unknown>; view: readonly Block[] } {
  const { meta, paths } = held;
  const due = dueBy.toISOString();
  const document = {
    name: request.name,
    outcome,
    identifiers: meta.identifiers,
    serial: meta.serial,
    fingerprint: meta.fingerprint,
    issuer: meta.issuer,
    notBefore: meta.notBefore,
    notAfter: meta.notAfter,
    dueAt: due,
    directory: meta.directory,
    ...(meta.profile === undefined ? {} : { profile: meta.profile }),
    keyType: meta.keyType,
    paths,
  };
  const fields: Block = {
    kind: "fields",
    entries: [
      ["Issuer", meta.issuer],
      ["Serial", meta.serial],
      ["Valid until", `${meta.notAfter} (${timeFrom(now, new Date(meta.notAfter))})`],
      ["Due for renewal", due],
      ["Certificate", paths.fullchain],
      ...(paths.privateKey === undefined ? [] : [["Private key", paths.privateKey] as const]),
    ],
  };
  return { document, view: [fields] };
}

/** `in 89 days`, `in 5 hours`, `2 days ago`, `in 10 minutes`. */
export function timeFrom(now: Date, then: Date): string {
  const hours = (then.getTime() - now.getTime()) / 3_600_000;
  const text = amountOf(Math.abs(hours));
  return hours < 0 ? `${text} ago` : `in ${text}`;
}

function amountOf(hours: number): string {
  if (hours < 2) return count(Math.max(1, Math.floor(hours * 60)), "minute");
  return hours < 48 ? count(Math.floor(hours), "hour") : count(Math.floor(hours / 24), "day");
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
