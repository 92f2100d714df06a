import { caName } from "../acme/presets.ts";
import type { CertificateRequest } from "../certificate.ts";
import type { Context } from "../context.ts";
import { openTools } from "../issuer/open.ts";
import type { Result } from "../result.ts";
import { checkRequest } from "./check.ts";
import { reportChecks } from "./report.ts";

/** Once for each CA that may be asked. */
function byIssuer(request: CertificateRequest): readonly CertificateRequest[] {
  const { issuer, issuers = [issuer] } = request;
  return issuers.map((one) => ({ ...request, issuer: one }));
}

/** For the embedded CA. */
interface LocalFlags {
  readonly localHttpPort?: number | undefined;
  readonly localResolver?: string | undefined;
}

/** Check each request with the tools of its own issuer, one after the other. */
export async function checkAll(
  requests: readonly CertificateRequest[],
  { localHttpPort: httpPort, localResolver: resolver }: LocalFlags,
  context: Context,
): Promise<Result> {
  const store = await context.store();
  const reports = [];
  for (const request of requests.flatMap(byIssuer)) {
    const { name, issuer, issuers } = request;
    const local = { httpPort, resolver };
    const tools = await openTools(issuer, [request], context, { store, local });
    try {
      const checks = await checkRequest(request, tools, {
        isLast: issuers === undefined || issuer === issuers.at(-1),
      });
      const ca = issuers === undefined ? undefined : caName(issuer.server);
      reports.push({ name, ca, checks });
    } finally {
      await tools.close();
    }
  }
  return reportChecks(reports);
}
