/** A certificate as its rows have it. */
import { Problem } from "../../problem.ts";
import { isCertificateFile, type CertificateFile } from "../folder/certificate-record.ts";
import { isMeta } from "../folder/versions.ts";
import type { CertificateStatus } from "../certificate-status.ts";
import type { BrokenCertificate, StoredCertificate } from "../store.ts";
import { hostsIn } from "../hosts.ts";
import { hostsColumn } from "./hosts.ts";
import type { Shared } from "./shared.ts";

export interface Row {
  readonly name: string;
  readonly request: unknown;
  readonly status: CertificateStatus;
  readonly attempt: Details | null;
  readonly held: number | null;
  readonly meta: unknown;
  readonly hosts: unknown;
}
/** What lists leave out. */
type Details = Pick<NonNullable<CertificateStatus["lastAttempt"]>, "events" | "authorizations">;

export const selection = (attempts: boolean) => `
SELECT certificate.name, request, status, ${attempts ? "attempt" : "NULL AS attempt"}, held, meta,
  ${hostsColumn}, revision
FROM acmectl.certificates AS certificate
LEFT JOIN acmectl.versions AS version ON version.name = certificate.name AND version = held`;

export function storedOf(
  { name, request, status, attempt, held, meta, hosts }: Row,
  { where }: Pick<Shared["database"], "where">,
): StoredCertificate {
  const record: Partial<CertificateFile> = { status: joined(status, attempt) };
  const whole = { ...record, request };
  if (!isCertificateFile(whole) || whole.request === undefined || (held !== null && !isMeta(meta)))
    throw new Problem("machine", {
      detail: `The record of the certificate ${name} in ${where} cannot be read.`,
      hint: "Restore the state from a backup, or delete the certificate and issue it again.",
      retryable: false,
    });
  return {
    name,
    request: whole.request,
    status: whole.status,
    held: held !== null && isMeta(meta) ? { version: held, meta } : undefined,
    hosts: hostsIn(hosts),
  };
}

export function storedOrBroken(
  row: Row,
  database: Pick<Shared["database"], "where">,
): StoredCertificate | BrokenCertificate {
  try {
    return storedOf(row, database);
  } catch (problem) {
    if (!Problem.is(problem)) throw problem;
    return { name: row.name, problem };
  }
}

export function split(status: CertificateStatus): {
  brief: CertificateStatus;
  details: Details | undefined;
} {
  const { lastAttempt } = status;
  if (lastAttempt === undefined) return { brief: status, details: undefined };
  const { events, authorizations, ...attempt } = lastAttempt;
  const brief = { ...status, lastAttempt: { ...attempt, events: [] } };
  return { brief, details: { events, authorizations } };
}

export function joined(status: CertificateStatus, details: Details | null): CertificateStatus {
  const { lastAttempt } = status;
  if (lastAttempt === undefined || details === null) return status;
  return { ...status, lastAttempt: { ...lastAttempt, ...details } };
}
