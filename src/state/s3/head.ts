/**
 * The object of a certificate: all that is changed under its lease is in this one object, with the lease. A write that
 * compares it therefore compares the lease, too.
 */
import { isRecord } from "../../json.ts";
import type { CertificateRequest, VersionMeta } from "../../certificate.ts";
import type { CertificateStatus } from "../certificate-status.ts";
import { isHolder, type Holder } from "../folder/locks/lock-file.ts";
import { readableName } from "../folder/names.ts";
import { lostProblem, type Other } from "../shared/leases.ts";
import { change } from "./objects.ts";
import type { Shared } from "./shared.ts";

/** An object with a lease: of a certificate, an account or another thing. */
export interface Leased {
  readonly name: string;
  readonly lease?: Lease | undefined;
}
export interface Lease {
  readonly token: string;
  readonly holder: Holder;
  /** Milliseconds since 1970, by the clock of the server. */
  readonly endsAt: number;
}
export interface Head extends Leased {
  readonly request?: CertificateRequest | undefined;
  readonly status?: CertificateStatus | undefined;
  /** The keys of its entries in the index. */
  readonly index?: readonly string[] | undefined;
  readonly held?: Held | undefined;
  /** By their numbers, the keys of the objects of the versions that are kept. */
  readonly versions?: Readonly<Record<number, string>> | undefined;
  /** An unfinished order with its keys encrypted, and the name of the mark that it is there. */
  readonly pending?: unknown;
  readonly mark?: string | undefined;
}
export interface Held {
  readonly version: number;
  readonly meta: VersionMeta;
}

export const heads = "certificates/";

/** Its part of the keys of objects. */
export const partOf = (name: string) => readableName(name);
export const headOf = (name: string) => `${heads}${partOf(name)}.json`;

export function isLeased(value: unknown): value is Leased {
  if (!isRecord(value) || typeof value["name"] !== "string") return false;
  const { lease } = value;
  if (lease === undefined) return true;
  return (
    isRecord(lease) &&
    typeof lease["token"] === "string" &&
    typeof lease["endsAt"] === "number" &&
    isHolder(lease["holder"])
  );
}

/** Of its parts, each is checked where it is used. */
export const isHead = (value: unknown): value is Head => isLeased(value);

export async function readHead(
  name: string,
  { objects }: Pick<Shared, "objects">,
): Promise<Head | undefined> {
  const found = await objects.read(headOf(name));
  return isHead(found?.value) ? found.value : undefined;
}

/** Who has the lease, unless it has ended. */
export function otherIn(leased: Leased | undefined, now: number): Other | undefined {
  const { lease } = leased ?? {};
  return lease === undefined || lease.endsAt <= now ? undefined : lease;
}

/** Rejects unless the lease has this token and has not ended. */
export function assertLease(
  { name, leased, token }: { name: string; leased: Leased | undefined; token: string },
  now: number,
): void {
  const other = otherIn(leased, now);
  if (other?.token !== token) throw lostProblem(name, other);
}

/** Changes a certificate's object. With a lease that this process took, only while it has it. */
export async function changeHead(
  name: string,
  { objects, tokenOf }: Pick<Shared, "objects" | "tokenOf">,
  turn: (head: Head) => Head | Promise<Head>,
  { token = tokenOf(`certificate:${name}`) }: { readonly token?: string | undefined } = {},
): Promise<Head> {
  const changed = await change(objects, headOf(name), isHead, (head) => {
    const lease = `certificate:${name}`;
    if (token !== undefined) assertLease({ name: lease, leased: head, token }, objects.now());
    return turn(head ?? { name });
  });
  return changed ?? { name };
}
