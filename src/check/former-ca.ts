import type { CertificateRequest } from "../certificate.ts";
import type { IssueTools } from "../issue/tools.ts";
import { changesCa } from "../request/drift.ts";
import type { HeldCertificate } from "../state/store.ts";

/** Before another CA issues: warn of the records that name the account with the one before. What looks for them is loaded only then. */
export async function warnOfFormerCa(
  request: CertificateRequest,
  held: HeldCertificate | undefined,
  tools: IssueTools,
): Promise<void> {
  if (held === undefined || !changesCa(request, held)) return;
  const { recordsOfFormerCa } = await import("./account.ts");
  const found = await recordsOfFormerCa(request, held, tools);
  if (found !== undefined) tools.log.warn(found);
}
