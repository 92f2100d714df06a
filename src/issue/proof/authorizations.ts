import type { Authorization } from "../../acme/acme.ts";
import { stagingOf, traitsOf } from "../../acme/presets.ts";
import { openStored, type OpenAccount } from "../../account/open.ts";
import { registerCommand } from "../../acme/hints.ts";
import type { CertificateRequest, IssuerSetting } from "../../certificate.ts";
import { messageOf } from "../../errors.ts";
import { Problem } from "../../problem.ts";
import { applicantOf, computeChallenges } from "./challenges.ts";
import { choose, preflight } from "./choose.ts";
import { openJournal } from "../journal.ts";
import { fetchAuthorizations, placeOrder } from "../order.ts";
import { cleanUp, prove } from "./solve.ts";
import type { IssueTools } from "../tools.ts";

/** Not the certificate's own journal: an unfinished order there is still to be resumed. */
const journalName = "dry-run";

/**
 * A rehearsal with the CA itself: an order, and every authorization of it. The order is never finalized, and what this run made
 * valid or left pending is deactivated, so that no proof remains at the CA.
 */
export async function rehearseAuthorizations(
  request: CertificateRequest,
  tools: IssueTools,
): Promise<void> {
  const { store, signal, record, lockTimeout } = tools;
  const lock = await store.lock(`certificate:${journalName}`, { wait: lockTimeout, signal });
  try {
    const choices = await preflight(await choose(request, tools), tools);
    const account = await storedAccount(request.issuer, tools);
    const journal = await openJournal(journalName, tools);
    const order = await placeOrder(request, undefined, account, journal, tools);
    const authorizations = await fetchAuthorizations(order, account, tools);
    try {
      const applicant = await applicantOf(account.session, tools);
      const challenges = computeChallenges(authorizations, choices, applicant);
      if (challenges.length === 0)
        record.log("validation").info("the CA asks for no further proof");
      await prove(challenges, request, account.session, journal, tools);
      await cleanUp(journal, tools);
    } finally {
      await journal.end();
      await deactivate(authorizations, account, tools);
    }
  } finally {
    await lock.release();
  }
}

/** Before anything is opened. Public CAs count orders; those with a staging environment have it for this purpose. */
export function refuseIfCounted({ server }: IssuerSetting): void {
  if (traitsOf(server).forgets) {
    throw new Problem("usage", {
      detail: "The embedded CA forgets its accounts when it ends, so there is none to order with.",
      hint: "Use --dry-run alone.",
    });
  }
  const staging = stagingOf(server);
  if (staging === undefined || staging === server) return;
  throw new Problem("usage", {
    detail: `An order counts toward the limits of ${server}, even if it is never finalized.`,
    hint: "Use --dry-run alone: it orders from the CA's staging environment.",
  });
}

/** An account would outlive the rehearsal, so none is registered. */
async function storedAccount(issuer: IssuerSetting, tools: IssueTools): Promise<OpenAccount> {
  const accounts = await tools.store.accounts.ofDirectory(issuer.server);
  const usable = accounts.find(
    ({ url, status = "valid" }) => url !== undefined && status === "valid",
  );
  if (usable !== undefined) return openStored(usable, tools);
  throw new Problem("usage", {
    detail: `There is no account with ${issuer.server}, and a rehearsal does not register one.`,
    hint: `Register it first: ${registerCommand(tools.ca.flags)}`,
  });
}

/** Milliseconds, also after Ctrl-C. */
const longest = 10_000;

/** Those that were valid before belong to other orders and stay. */
async function deactivate(
  authorizations: readonly Authorization[],
  { session }: OpenAccount,
  { record }: IssueTools,
): Promise<void> {
  const signal = AbortSignal.timeout(longest);
  const made = authorizations.filter(({ status }) => status === "pending");
  await Promise.all(
    made.map(async ({ url, identifier: { value } }) => {
      try {
        const { status } = await session.authorization(url, signal);
        if (status !== "pending" && status !== "valid") return;
        await session.deactivateAuthorization(url, signal);
        record.log("cleanup", value).debug(`deactivated the authorization of ${value}`);
      } catch (error) {
        const text = `could not deactivate the authorization of ${value}: ${messageOf(error)}; it expires on its own`;
        record.log("cleanup", value).warn(text);
      }
    }),
  );
}
