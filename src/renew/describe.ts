import type { CertificateRequest } from "../certificate.ts";
import type { Block } from "../result.ts";
import type { HeldCertificate } from "../store/store.ts";
import { dueAt } from "./lifetime.ts";

/** A certificate that is held, for machines and for people. */
export function describeHeld(
  request: Pick<CertificateRequest, "name">,
  held: HeldCertificate,
  outcome: string,
  now: Date,
): { document: Record<string, unknown>; view: readonly Block[] } {
  const { meta, paths } = held;
  const due = dueAt(new Date(meta.notBefore), new Date(meta.notAfter)).toISOString();
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

/** `in 89 days`, `in 5 hours`, `2 days ago`. */
export function timeFrom(now: Date, then: Date): string {
  const hours = (then.getTime() - now.getTime()) / 3_600_000;
  const amount = Math.abs(hours);
  const text =
    amount < 48 ? count(Math.floor(amount), "hour") : count(Math.floor(amount / 24), "day");
  return hours < 0 ? `${text} ago` : `in ${text}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
