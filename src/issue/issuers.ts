import { caName } from "../acme/presets.ts";
import type { CertificateRequest, IssuerSetting } from "../certificate.ts";
import { messageOf } from "../errors.ts";
import { Problem } from "../problem.ts";
import { requestHash } from "../request/drift.ts";
import type { StoredCertificate } from "../state/store.ts";
import { refuseUnmet } from "./preconditions.ts";
import type { LetGo } from "./order.ts";
import type { IssueTools } from "./tools.ts";

/**
 * Ask the issuers of the request in their order: the next one only while the one before is unreachable, in maintenance or rate
 * limits. What a CA refused for its names or its policy, another one is not asked for, nor what a CA may have issued already:
 * the next run resumes that order, unless it lets go of it. When all fail, the first one's failure is reported, with the time
 * at which one of them can be asked again.
 */
export async function byIssuer<T>(
  request: CertificateRequest,
  letGo: LetGo | undefined,
  tools: IssueTools,
  obtain: (request: CertificateRequest, tools: IssueTools) => Promise<T>,
): Promise<T> {
  const { issuers = [request.issuer] } = request;
  const since = letGo === "all" ? tools.clock.now().getTime() : 0;
  const begun = await finalizedAt(request, since, tools);
  if (begun !== undefined) return askOne(begun, request, tools, obtain);
  const [, ...others] = issuers;
  try {
    return await obtain(request, tools);
  } catch (error) {
    let first = error;
    let last = error;
    for (const issuer of others) {
      tools.signal.throwIfAborted();
      if (!isPassing(first) || !isPassing(last)) throw first;
      if ((await finalizedAt(request, since, tools)) !== undefined) throw first;
      const text = `${first.message} Asking ${caName(issuer.server)} instead.`;
      tools.record.log("issuer").warn(text);
      try {
        return await askOne(issuer, request, tools, obtain);
      } catch (next) {
        last = next;
        first = both(first, issuer.server, next);
      }
    }
    throw first;
  }
}

/** What the CAs after the first one demand. A certificate that is held is not kept from its renewal by the first one. */
export async function refuseUnmetElsewhere(
  request: CertificateRequest,
  before: StoredCertificate | undefined,
  tools: IssueTools,
): Promise<void> {
  for (const issuer of request.issuers?.slice(1) ?? []) {
    try {
      await refuseUnmet({ ...request, issuer }, await tools.other(issuer));
    } catch (error) {
      if (before?.held === undefined || !Problem.is(error)) throw error;
      tools.record
        .log("issuer")
        .warn(
          `${caName(issuer.server)} could not be asked in place of another CA: ${error.message}`,
        );
    }
  }
}

/** The issuer at which an order for this request was finalized since then: its certificate fits only the key in the journal. */
async function finalizedAt(
  request: CertificateRequest,
  since: number,
  { store }: IssueTools,
): Promise<IssuerSetting | undefined> {
  const pending = await store.journal.read(request.name);
  if (pending?.finalizing !== true || Date.parse(pending.startedAt) < since) return undefined;
  return request.issuers?.find(
    (issuer) => requestHash({ ...request, issuer }) === pending.requestHash,
  );
}

async function askOne<T>(
  issuer: IssuerSetting,
  request: CertificateRequest,
  tools: IssueTools,
  obtain: (request: CertificateRequest, tools: IssueTools) => Promise<T>,
): Promise<T> {
  if (request.issuers?.[0] === issuer) return obtain(request, tools);
  const { ca, eab, fetchEab, selfCheckAt } = await tools.other(issuer);
  const its = { ca, eab, fetchEab, selfCheckAt, accountId: undefined };
  return obtain({ ...request, issuer }, { ...tools, ...its });
}

/** True for a failure of the CA after which the next one is asked. One of our own side would fail there as well. */
export function isPassing(error: unknown): error is Problem {
  if (!Problem.is(error) || !error.fromCa) return false;
  return error.is("network") || error.exitCode === 6 || (error.document.status ?? 0) >= 500;
}

/** The second CA's failure beside the first one's; only its time changes when to try again. */
function both(first: Problem, server: string, next: unknown): Problem {
  const isLater = Problem.is(next) && isPassing(next);
  const times = [first, next].flatMap((one) => (Problem.is(one) ? (one.retryAt ?? []) : []));
  const soonest = times.toSorted((a, b) => a.getTime() - b.getTime())[0];
  return first.with({
    detail: `${first.message} ${caName(server)} failed as well: ${messageOf(next)}`,
    retryAt: isLater && times.length === 2 ? soonest : isLater ? undefined : first.retryAt,
  });
}
