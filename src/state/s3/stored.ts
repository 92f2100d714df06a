/** A certificate as its object has it. */
import { Problem } from "../../problem.ts";
import { isCertificateFile } from "../folder/certificate-record.ts";
import { isMeta } from "../folder/versions.ts";
import type { BrokenCertificate, StoredCertificate } from "../store.ts";
import { heads, isHead, type Head } from "./head.ts";
import type { HostsOf } from "./hosts.ts";
import { broken, type Found, type Objects } from "./objects.ts";

export type Listed = StoredCertificate | BrokenCertificate;

export const first = { failures: 0 };

export function listedOf(
  key: string,
  { value }: Pick<Found, "value">,
  { hosts, objects }: { hosts: HostsOf; objects: Objects },
): Listed | undefined {
  const name = isHead(value) ? value.name : key.slice(heads.length).replace(/\.json$/, "");
  try {
    if (!isHead(value)) throw broken(key, objects.where);
    return storedOf(value, { name, hosts, objects });
  } catch (problem) {
    if (!Problem.is(problem)) throw problem;
    return { name, problem };
  }
}

/** Undefined before it was asked for. */
export function storedOf(
  head: Head | undefined,
  { name, hosts, objects }: { name: string; hosts: HostsOf; objects: Objects },
): StoredCertificate | undefined {
  if (head === undefined || head.request == null) return undefined;
  const { request, status = first, held } = head;
  const record = { request, status };
  if (!isCertificateFile(record) || (held !== undefined && !isMeta(held.meta)))
    throw new Problem("machine", {
      detail: `The record of the certificate ${name} in ${objects.where} cannot be read.`,
      hint: "Restore the state from a backup, or delete the certificate and issue it again.",
      retryable: false,
    });
  const inUse = held && { version: held.version, meta: held.meta };
  return { name, request, status, held: inUse, hosts: hosts(name) };
}
