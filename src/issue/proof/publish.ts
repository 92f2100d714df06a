import { readPersist, type PersistDemand } from "../../acme/account-records.ts";
import type { CertificateRequest } from "../../certificate.ts";
import type { Dns01Challenge } from "../../plugin.ts";
import { combined, Problem } from "../../problem.ts";
import type { PendingChallenge } from "./challenges.ts";
import { checkSolvers, selectAll } from "./choose.ts";
import { present, targetOf, waitUntilVisible } from "./solve.ts";
import type { IssueTools } from "../tools.ts";

/** A standing record (dns-persist-01) to write. */
export interface NewRecord {
  readonly demand: PersistDemand;
  readonly value: string;
}

/**
 * Write standing records by the dns-01 solvers of the request, and wait until every name server shows them. They are not in
 * the journal: nothing cleans them up. Older records of the same account and CA are removed once the new ones are visible.
 */
export async function publish(
  records: readonly NewRecord[],
  request: CertificateRequest,
  tools: IssueTools,
): Promise<void> {
  const { signal, record } = tools;
  const writes = await Promise.all(records.map((one) => writeOf(one, request, tools)));
  const targets = new Map(writes.map((one) => [one, targetOf(one)] as const));
  refuse(await checkSolvers(targets, signal));
  const old = await Promise.all(writes.map((one) => outdated(one, tools)));
  const { presented, failures } = await present(writes, noJournal, tools);
  refuse(failures);
  const seen = await waitUntilVisible(presented, request, tools);
  refuse(seen.failures);
  for (const [index, { solver, challenge }] of writes.entries()) {
    for (const recordValue of old[index] ?? []) {
      if (allowsMore(recordValue, challenge.recordValue)) {
        record
          .log("cleanup")
          .warn(
            `kept the older record at ${challenge.recordName}, since it allows wildcards and names below, too; to replace it, add --wildcard`,
          );
        continue;
      }
      await solver.limit(() =>
        solver.solver.cleanup({ ...challenge, recordValue }, undefined, { signal }),
      );
      record.log("cleanup").info(`removed the older record at ${challenge.recordName}`);
    }
  }
}

const noJournal = { presenting: () => Promise.resolve(), received: () => Promise.resolve() };

interface Write extends PendingChallenge {
  readonly challenge: Dns01Challenge;
  readonly demand: PersistDemand;
}

async function writeOf(
  { demand, value }: NewRecord,
  request: CertificateRequest,
  tools: IssueTools,
): Promise<Write> {
  const { identifier, validationName } = demand;
  const one = { ...request, identifiers: [identifier] };
  const selected = (await selectAll(one, tools)).find(({ challengeTypes }) =>
    challengeTypes.includes("dns-01"),
  );
  if (selected === undefined) throw noWriter(identifier.value);
  const solver = await tools.solvers.open(selected.setting);
  const setting = selected.setting.dns ?? {};
  const { name: recordName } =
    setting.cname === "none"
      ? { name: validationName }
      : await tools.dns(setting).follow(validationName, tools.signal);
  const challenge: Dns01Challenge = {
    type: "dns-01",
    identifier,
    wildcard: false,
    validationName,
    recordName,
    recordValue: value,
    // Scripts get them as arguments; they mean nothing here.
    token: "dns-persist-01",
    keyAuthorization: "dns-persist-01",
  };
  const offered = { url: "none", type: "dns-persist-01", status: "pending" } as const;
  return {
    demand,
    identifier,
    solver,
    challenge,
    place: recordName,
    offered,
    authorization: "none",
  };
}

/** Without the older record, certificates that need what it allows could not be renewed. */
function allowsMore(older: string, newer: string): boolean {
  const [before, after] = [older, newer].map(readPersist);
  const isWide = (one: typeof before) => typeof one === "object" && one.wildcard;
  return isWide(before) && !isWide(after);
}

/** Other records of the same account and CA, as the name servers show them now. */
async function outdated(
  { solver, challenge, demand }: Write,
  { dns, signal }: IssueTools,
): Promise<readonly string[]> {
  const { recordName, recordValue } = challenge;
  const found = new Set<string>();
  const isOutdated = (text: string) => {
    const read = readPersist(text);
    if (typeof read === "string" || text === recordValue) return false;
    const { issuer, accountUri } = read;
    if (demand.issuers.includes(issuer) && demand.accountUris.includes(accountUri)) found.add(text);
    return false;
  };
  await dns(solver.setting.dns ?? {}).lookForTxt(recordName, isOutdated, signal);
  return [...found];
}

function refuse(failures: ReadonlyMap<unknown, unknown>): void {
  if (failures.size > 0) throw combined([...failures.values()], "solver");
}

function noWriter(name: string): Problem {
  return new Problem("usage", {
    title: "No solver can write the record",
    detail: `No dns-01 solver was chosen for ${name}.`,
    hint: "Give one with --solver NAME, e.g. --solver route53; `acmectl solvers list` shows them all.",
  });
}
