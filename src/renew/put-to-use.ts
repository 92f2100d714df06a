import type { CertificateRequest } from "../certificate.ts";
import type { Deployment } from "../deploy/deployment.ts";
import { wasDeployed } from "../deploy/steps.ts";
import type { IssueTools } from "../issue/tools.ts";
import type { Problem } from "../problem.ts";

/** Deploy the certificate held, then bring its TLSA records up to date, if it has or had any. */
export async function putToUse(
  request: CertificateRequest,
  deployment: Deployment,
  tools: IssueTools,
): Promise<{ readonly problem: Problem | undefined; readonly isDeployed: boolean }> {
  const { name } = request;
  const before = await tools.store.certificates.read(name);
  const problem = await deployment.deploy({ name, request });
  const isDeployed = await wasDeployed(before, tools.store);
  if (request.dane === undefined && before?.status.dane === undefined)
    return { problem, isDeployed };
  const { updateRecords } = await import("../issue/dane/dane.ts");
  const late = await updateRecords(request, tools);
  return { problem: problem ?? late, isDeployed };
}
