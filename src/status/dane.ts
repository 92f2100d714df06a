/** What `status`, `plan` and monitors report of TLSA records. Offline. */
import { dateFrom } from "../dates.ts";
import { isUpToDate } from "../issue/dane/up-to-date.ts";
import { type Block, heading, line, table } from "../result.ts";
import type { DaneRecord } from "../state/dane.ts";
import type { KnownCertificate } from "./certificates.ts";

/** The records of one certificate, and what is wrong with them. */
export function daneView(certificate: KnownCertificate, now: Date): readonly Block[] {
  const { records = [] } = certificate.status.dane ?? {};
  const notes = daneNotes(certificate, now);
  if (records.length === 0 && notes.length === 0) return [];
  const rows = records.map((record) => {
    const { recordName, recordValue } = record.challenge;
    return [recordName, recordValue, stateOf(record, now)];
  });
  return [
    heading("TLSA records"),
    ...(rows.length === 0 ? [] : [table(["NAME", "VALUE", "STATE"], rows)]),
    ...notes.map((text) => line(text, "warn")),
  ];
}

function stateOf({ seenAt, usableAt }: DaneRecord, now: Date): string {
  if (seenAt === undefined) return "not seen yet";
  const isEarly = usableAt !== undefined && new Date(usableAt) > now;
  return isEarly ? `usable ${dateFrom(now, usableAt)}` : `seen ${dateFrom(now, seenAt)}`;
}

/** One sentence for everything that the next run changes, or that makes the records useless. */
export function daneNotes(certificate: KnownCertificate, now: Date): readonly string[] {
  const { request, status } = certificate;
  const { unsigned = [] } = request.dane === undefined ? {} : (status.dane ?? {});
  const late = isUpToDate(certificate, now)
    ? []
    : [
        request.dane === undefined
          ? "the next run removes its TLSA records"
          : "its TLSA records are not up to date; the next run publishes them",
      ];
  return [...late, ...unsigned];
}
