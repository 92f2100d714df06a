import { updateRecords } from "../issue/dane/dane.ts";
import { openRecord } from "../issue/record.ts";
import { Problem } from "../problem.ts";
import type { KnownCertificate } from "../status/certificates.ts";
import type { Pass, Renewal } from "./renew.ts";

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
