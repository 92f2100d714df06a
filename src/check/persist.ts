import { persistDemand } from "../acme/account-records.ts";
import type { Directory } from "../acme/acme.ts";
import { registerCommand } from "../acme/hints.ts";
import { thumbprint } from "../acme/keys.ts";
import type { Choice } from "../issue/proof/challenges.ts";
import { endingSoon, lookForStanding, persistCommand } from "../issue/proof/standing.ts";
import type { IssueTools } from "../issue/tools.ts";
import { Problem } from "../problem.ts";
import type { StoredAccount } from "../state/store.ts";
import { finding, findingOf, type Finding } from "./finding.ts";

/** The standing records of dns-persist-01, as the authoritative servers show them. */
export async function checkPersist(
  all: readonly Choice[],
  directory: Directory | undefined,
  account: StoredAccount | undefined,
  tools: IssueTools,
): Promise<readonly Finding[]> {
  const choices = all.filter((one) => one.challengeTypes[0] === "dns-persist-01");
  if (choices.length === 0 || directory === undefined) return [];
  if (account?.url === undefined) {
    const detail = "dns-persist-01 records name the account, and none is registered here.";
    const remedy = `Register it first: ${registerCommand(tools.ca.flags).trim()}`;
    return [finding("error", undefined, detail, remedy)];
  }
  const holder = { url: account.url, thumbprint: thumbprint(account.key) };
  const found = choices.map(async (choice) => {
    try {
      return await checkRecord(choice, persistDemand(choice.target, holder, directory), tools);
    } catch (error) {
      tools.signal.throwIfAborted();
      if (!Problem.is(error)) throw error;
      return [findingOf(error, { name: choice.identifier.value })];
    }
  });
  return (await Promise.all(found)).flat();
}

async function checkRecord(
  { identifier: { value }, target, solver }: Choice,
  demand: ReturnType<typeof persistDemand>,
  { dns, ca, clock, signal }: IssueTools,
): Promise<readonly Finding[]> {
  const now = clock.now();
  const at = target.recordName ?? demand.validationName;
  const by = dns(solver.setting.dns ?? {});
  const { verdict, missing, until, flags } = await lookForStanding(at, demand, by, now, signal);
  const command = persistCommand(value, ca.flags, flags);
  const publish = `Print the record with \`${command}\` and add it to the zone, or write it with --apply.`;
  if (verdict === "missing") {
    const detail = `${at} has no TXT record that allows this account to prove the name: ${missing}.`;
    return [finding("error", value, detail, publish)];
  }
  const ending = endingSoon(at, until, now);
  const warned = ending === undefined ? [] : [finding("warning", value, `${ending}.`, publish)];
  if (verdict !== "unanswered") return warned;
  const detail = `The name servers of ${at} could not be asked: ${missing}.`;
  return [finding("unknown", value, detail, "Fix the name servers, or run the check elsewhere.")];
}
