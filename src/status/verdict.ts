/** `status --check`: one certificate after the other, of which only those that need attention are kept. */
import type { CertificateRequest } from "../certificate.ts";
import type { Context } from "../context.ts";
import { pagesOf } from "../pages.ts";
import { Problem } from "../problem.ts";
import type { BrokenCertificate, Store } from "../state/store.ts";
import type { KnownCertificate } from "./certificates.ts";
import { check, checkBroken, type Checked } from "./check.ts";
import { clockReader, type ClockDifference } from "./clock.ts";

export interface Verdict {
  readonly count: number;
  /** Those with findings; what cannot be read last. */
  readonly troubled: readonly Checked[];
  /** Of the certificate that expires first. */
  readonly firstEnd: string | undefined;
  /** Of the CAs in use. */
  readonly clocks: readonly ClockDifference[];
}

/** Fails without any: a monitor that watches an empty folder would never alert. */
export async function checkEach(
  each:
    | AsyncIterable<KnownCertificate | BrokenCertificate>
    | Iterable<KnownCertificate | BrokenCertificate>,
  warn: number,
  store: Store,
  context: Context,
): Promise<Verdict> {
  const now = context.clock.now();
  const { reviewerOf } = await import("../request/review.ts");
  const [review, clocksOf] = [reviewerOf(context), clockReader(store, now)];
  const [readable, broken]: [Checked[], Checked[]] = [[], []];
  const clocks = new Set<ClockDifference>();
  let [count, firstEnd]: [number, string | undefined] = [0, undefined];
  for await (const page of pagesOf<KnownCertificate | BrokenCertificate>(each, atOnce)) {
    const checked = page.map(async (one) => {
      if ("problem" in one) return checkBroken(one);
      const own = await clocksOf(one.request);
      own.forEach((clock) => clocks.add(clock));
      const faults = [
        ...(await review(one.request)),
        ...(await faultsOfRecords(one.request, context)),
      ];
      return check(one, { faults, clocks: own }, warn, now);
    });
    for (const [index, one] of (await Promise.all(checked)).entries()) {
      const known = page[index];
      count += 1;
      if (known !== undefined && "held" in known) firstEnd = earlier(firstEnd, known);
      if (one.findings.length === 0) continue;
      (known !== undefined && "problem" in known ? broken : readable).push(one);
    }
  }
  if (count === 0) throw nothing(store);
  return {
    count,
    troubled: [...byName(readable), ...byName(broken)],
    firstEnd,
    clocks: [...clocks],
  };
}

/** Some look at the DNS. */
const atOnce = 100;

/** Times in ISO 8601 sort as text. */
function earlier(end: string | undefined, { held }: KnownCertificate): string | undefined {
  const own = held?.meta.notAfter;
  return end === undefined || (own !== undefined && own < end) ? own : end;
}

const byName = (checked: readonly Checked[]) =>
  checked.toSorted((a, b) => (a.name < b.name ? -1 : 1));

/** The only look at the DNS: what was published once must still be there when the certificate is due. */
async function faultsOfRecords(
  request: CertificateRequest,
  context: Context,
): Promise<readonly string[]> {
  if (!request.solvers.some(({ use }) => use === "dns-persist")) return [];
  const { recordFaults } = await import("./standing.ts");
  const { openTools } = await import("../issuer/open.ts");
  const tools = await openTools(request.issuer, [], context, { store: await context.store() });
  try {
    return await recordFaults(request, context.clock.now(), tools);
  } finally {
    await tools.close();
  }
}

function nothing({ where }: Store): Problem {
  return new Problem("usage", {
    detail: `There is nothing to check: the config has no certificates, and ${where} has none either.`,
    hint: "Each user has a state folder: give the right one with --state DIR, or run as the user that renews.",
  });
}
