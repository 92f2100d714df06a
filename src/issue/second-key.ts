import type { OpenAccount } from "../account/open.ts";
import type { Order } from "../acme/acme.ts";
import type { CertificateRequest } from "../certificate.ts";
import type { NewVersion, StoredCertificate } from "../state/store.ts";
import { applicantOf, computeChallenges, type Choice } from "./proof/challenges.ts";
import { preflight } from "./proof/choose.ts";
import { finalizeOrder, prepareKey, versionOf } from "./finalize.ts";
import type { Journal } from "./journal.ts";
import {
  fetchAuthorizations,
  placeOrder,
  predecessorOf,
  resumeOrder,
  type LetGo,
} from "./order.ts";
import { cleanUp, prove } from "./proof/solve.ts";
import type { IssueTools } from "./tools.ts";

interface Run {
  readonly account: OpenAccount;
  readonly journal: Journal;
  readonly letGo: LetGo | undefined;
}

/** The same for a key of the second type, by an order of its own; both are committed together. */
export async function withSecondKey(
  first: NewVersion,
  request: CertificateRequest,
  before: StoredCertificate | undefined,
  choices: readonly Choice[],
  run: Run,
  tools: IssueTools,
): Promise<NewVersion> {
  const { secondKeyType: keyType = "rsa2048" } = request;
  const wanted = { ...request, keyType, secondKeyType: undefined };
  const { account, letGo } = run;
  const journal = run.journal.second;
  const { unfinished } = journal;
  const resumed = await resumeOrder(unfinished, wanted, account, letGo, tools);
  const predecessor = predecessorOf(before?.held, keyType, request.keyType);
  const order =
    resumed ?? (await placeOrder(wanted, predecessor, account, journal, tools, undefined, keyType));
  if (resumed === undefined || resumed.status === "pending")
    await proveAgain(order, wanted, choices, run, tools);
  const key = await prepareKey(wanted, resumed && unfinished, before, tools);
  const issued = await finalizeOrder(order, key, wanted, account, journal, tools);
  const { meta, ...second } = versionOf(wanted, key, account, issued, tools.clock.now());
  return { ...first, second, meta: { ...first.meta, second: meta } };
}

/** Most CAs reuse the authorizations of the first order. */
async function proveAgain(
  order: Order,
  wanted: CertificateRequest,
  choices: readonly Choice[],
  { account, journal }: Run,
  tools: IssueTools,
): Promise<void> {
  const authorizations = await fetchAuthorizations(order, account, tools);
  const isProven = authorizations.every(({ status }) => status === "valid");
  const checked = isProven ? [] : await preflight(choices, tools);
  const applicant = await applicantOf(account.session, tools);
  const challenges = computeChallenges(authorizations, checked, applicant);
  try {
    await prove(challenges, wanted, account.session, journal, tools);
  } finally {
    await cleanUp(journal, tools);
  }
}
