/** Copies one certificate from one state into another, under its lock in both. */
import { keyTypes } from "../certificate.ts";
import type { CertificateStatus } from "./certificate-status.ts";
import { isSame, verified } from "./copied.ts";
import { copyRefused, copyVersions, hasAllVersions } from "./copy-versions.ts";
import type {
  BrokenCertificate,
  HeldCertificate,
  Lock,
  Store,
  StoredCertificate,
} from "./store.ts";

export interface Copying {
  readonly from: Store;
  readonly to: Store;
  readonly signal: AbortSignal;
}

export async function copyCertificate(
  one: StoredCertificate | BrokenCertificate,
  copying: Copying,
): Promise<"copied" | "unchanged" | "newer"> {
  if ("problem" in one) throw one.problem;
  const { from, to } = copying;
  const { name } = one;
  return locked(name, copying, async (lock) => {
    const source = (await from.certificates.read(name)) ?? one;
    const before = await to.certificates.read(name);
    if (isNewer(before?.held, source.held)) return "newer";
    if (await copyParts(source, before, lock, copying)) return "unchanged";
    const after = await to.certificates.read(name);
    return verified(
      isSame(after?.request, source.request) &&
        isSame(after?.status, statusFor(source.status, source.held, after?.held)) &&
        (await hasAllVersions(source, before?.held, { from, to })),
    );
  });
}

/** True when all of them were there already. */
async function copyParts(
  source: StoredCertificate,
  before: StoredCertificate | undefined,
  lock: Lock,
  { from, to }: Copying,
): Promise<boolean> {
  const { name, request } = source;
  const hasRequest = before !== undefined && isSame(before.request, request);
  if (!hasRequest) await to.certificates.saveRequest(request);
  const held = await copyVersions(source, before?.held, lock, { from, to });
  const hasRefused = await copyRefused(name, { from, to });
  const hasKeys = await copyNextKeys(name, from, to);
  const status = statusFor(source.status, source.held, held);
  const hasStatus = before !== undefined && isSame(before.status, status);
  if (!hasStatus) await to.certificates.updateStatus(name, () => status);
  return hasRequest && held === before.held && hasRefused && hasKeys && hasStatus;
}

/** Under the certificate's lock in both. */
export async function locked<T>(
  name: string,
  { from, to, signal }: Copying,
  work: (lock: Lock) => Promise<T>,
): Promise<T> {
  const options = { wait: 10_000, signal };
  const source = await from.lock(`certificate:${name}`, options);
  try {
    const target = await to.lock(`certificate:${name}`, options);
    try {
      return await work(target);
    } finally {
      await target.release();
    }
  } finally {
    await source.release();
  }
}

function isNewer(there: HeldCertificate | undefined, here: HeldCertificate | undefined): boolean {
  if (there === undefined) return false;
  return here === undefined || Date.parse(there.meta.issuedAt) > Date.parse(here.meta.issuedAt);
}

/** True when nothing was to be done. A key that was announced by the other state alone stays there. */
async function copyNextKeys(name: string, from: Store, to: Store): Promise<boolean> {
  let isUnchanged = true;
  for (const keyType of keyTypes) {
    const key = await from.certificates.readNextKey(name, keyType);
    if (key === undefined || key === (await to.certificates.readNextKey(name, keyType))) continue;
    await to.certificates.saveNextKey(name, keyType, key);
    isUnchanged = false;
  }
  return isUnchanged;
}

/** Versions have other numbers in another state; what was deployed of this one stays deployed. */
function statusFor(
  status: CertificateStatus,
  here: HeldCertificate | undefined,
  there: HeldCertificate | undefined,
): CertificateStatus {
  if (status.deploy === undefined) return status;
  const steps = Object.entries(status.deploy).map(([step, state]) => {
    const version = state.version === here?.version ? (there?.version ?? 0) : 0;
    return [step, { ...state, version }] as const;
  });
  return { ...status, deploy: Object.fromEntries(steps) };
}
