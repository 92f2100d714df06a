import { updateRecords } from "../issue/dane/dane.ts";
import { openRecord } from "../issue/record.ts";
import { Problem } from "../problem.ts";
import type { KnownCertificate } from "../status/certificates.ts";
import type { Pass, Renewal } from "./renew.ts";

/** Before the deployment: clients that look at TLSA records must find the key that servers are about to use. */
export async function announceFirst(
  renewal: Renewal,
  certificate: KnownCertificate,
  pass: Pass,
): Promise<Renewal> {
  const { name, request } = certificate;
  if (request.dane === undefined) return renewal;
  const { unannouncedAt } = await import("../issue/dane/keys.ts");
  const known = await pass.store.certificates.read(name);
  const isMissing = known && (await unannouncedAt({ ...known, request }, pass.store)).length > 0;
  return isMissing ? announce(renewal, certificate, pass) : renewal;
}

/** After the deployment: bring the TLSA records of the certificate up to date, if it has or had any. */
export async function announce(
  renewal: Renewal,
  certificate: KnownCertificate,
  { context, pool, startedAt, logOf }: Pass,
): Promise<Renewal> {
  const { name, request, status } = certificate;
  if (request.dane === undefined && status.dane === undefined) return renewal;
  try {
    const tools = await pool.open(request.issuer);
    const record = openRecord(startedAt, { ...context, log: logOf(name) });
    const problem = await updateRecords(request, { ...tools, record });
    return { ...renewal, deployProblem: renewal.deployProblem ?? problem };
  } catch (error) {
    context.signal.throwIfAborted();
    if (!Problem.is(error)) throw error;
    return { ...renewal, deployProblem: renewal.deployProblem ?? error };
  }
}
