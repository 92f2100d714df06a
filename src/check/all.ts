import type { CertificateRequest } from "../certificate.ts";
import type { Context } from "../context.ts";
import { openTools } from "../issuer/open.ts";
import type { Result } from "../result.ts";
import { checkRequest } from "./check.ts";
import { reportChecks } from "./report.ts";

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
  for (const request of requests) {
    const local = { httpPort, resolver };
    const tools = await openTools(request.issuer, [request], context, { store, local });
    try {
      reports.push({ name: request.name, checks: await checkRequest(request, tools) });
    } finally {
      await tools.close();
    }
  }
  return reportChecks(reports);
}
