import type { CertificateRequest } from "../../certificate.ts";
import type { Look } from "../../dns/dns.ts";
import type { Dns01Challenge } from "../../plugin.ts";
import { combined } from "../../problem.ts";
import { solverProblem } from "../../solvers/bounded.ts";
import type { OpenSolver } from "../../solvers/open.ts";
import type { DaneRecord, DaneStatus } from "../../state/dane.ts";
import type { PendingChallenge } from "../proof/challenges.ts";
import { waitUntilVisible } from "../proof/solve.ts";
import type { IssueTools } from "../tools.ts";
import { ownersOf, type Owner } from "./owners.ts";

/**
 * Publish these values at every name and port, and wait until every name server shows them. What was published before is looked
 * at again. Answers the records of these values.
 */
export async function publish(
  values: readonly string[],
  request: CertificateRequest,
  tools: IssueTools,
): Promise<readonly DaneRecord[]> {
  const { name } = request;
  const known = (await tools.store.certificates.read(name))?.status.dane?.records ?? [];
  const owners = await ownersOf(request, tools);
  const wanted = owners.flatMap((owner) => values.map((value) => recordFor(owner, value)));
  const looked = await Promise.all(
    wanted.map(async (one) => {
      const before = known.find(({ challenge }) => isSame(challenge, one.challenge));
      const look = await lookAt(one, tools);
      const isThere = before?.seenAt !== undefined && look.verdict !== "missing";
      return { ...one, before, isThere, ttl: ttlIn(look) };
    }),
  );
  const missing = looked.filter(({ isThere }) => !isThere);
  if (missing.length > 0) await write(missing, request, tools);
  const after = (await tools.store.certificates.read(name))?.status.dane?.records ?? [];
  return after.filter((one) => wanted.some(({ challenge }) => isSame(challenge, one.challenge)));
}

interface Wanted {
  readonly solver: OpenSolver;
  readonly challenge: Dns01Challenge;
}

/** To a solver, a record like that of a challenge. */
function recordFor({ solver, ...owner }: Owner, recordValue: string): Wanted {
  const challenge: Dns01Challenge = {
    type: "dns-01",
    ...owner,
    wildcard: false,
    recordType: "TLSA",
    recordValue,
    token: "dane",
    keyAuthorization: "dane",
  };
  return { solver, challenge };
}

function isSame(one: Dns01Challenge, other: Dns01Challenge): boolean {
  return one.recordName === other.recordName && one.recordValue === other.recordValue;
}

function lookAt({ solver, challenge }: Wanted, { dns, signal }: IssueTools): Promise<Look> {
  const { recordName, recordValue } = challenge;
  return dns(solver.setting.dns ?? {}).lookForTlsa(recordName, recordValue, signal);
}

/** Seconds for which caches keep the records that are there now; 0 if there are none. */
function ttlIn({ answers }: Look): number {
  return Math.max(0, ...answers.map(({ ttl = 0 }) => ttl));
}

/**
 * RFC 7671 §8.1: a record is of use two TTLs after it was published, when no client has the set without it. Where there was no
 * set, no client expects one.
 */
async function write(
  missing: readonly (Wanted & { readonly before?: DaneRecord | undefined; readonly ttl: number })[],
  request: CertificateRequest,
  tools: IssueTools,
): Promise<void> {
  const { clock, record, signal } = tools;
  const change = changer(request.name, tools);
  // Before they are written, so that a run that is killed leaves nothing unknown.
  await change((records) => [
    ...records.filter((one) => !missing.some(({ challenge }) => isSame(challenge, one.challenge))),
    ...missing.map(({ solver, challenge, before }) => {
      return { solver: solver.setting, challenge, until: before?.until };
    }),
  ]);
  const places = [...new Set(missing.map(({ challenge }) => challenge.recordName))].join(", ");
  record.log("dane").info(`publishing TLSA records at ${places}`);
  const errors: unknown[] = [];
  const presented = missing.map(async ({ solver, challenge }) => {
    try {
      const receipt = await solver.limit(() => solver.solver.present(challenge, { signal }));
      await update(challenge, { receipt: receipt ?? null });
      return [{ challenge: pendingFor({ solver, challenge }), receipt }];
    } catch (error) {
      const { recordName, identifier } = challenge;
      const what = `Solver ${solver.setting.name} did not publish the TLSA record at ${recordName}`;
      errors.push(solverProblem(what, error, identifier));
      return [];
    }
  });
  const written = (await Promise.all(presented)).flat();
  signal.throwIfAborted();
  if (errors.length > 0) throw combined(errors, "solver");
  const { failures } = await waitUntilVisible(written, request, {
    ...tools,
    record: unlisted(record),
  });
  if (failures.size > 0) throw combined([...failures.values()], "solver");
  const now = clock.now().getTime();
  const seenAt = new Date(now).toISOString();
  for (const { challenge, ttl } of missing)
    await update(challenge, { seenAt, usableAt: new Date(now + 2000 * ttl).toISOString() });

  function update(challenge: Dns01Challenge, news: Partial<DaneRecord>) {
    return change((records) =>
      records.map((one) => (isSame(one.challenge, challenge) ? { ...one, ...news } : one)),
    );
  }
}

function pendingFor({ solver, challenge }: Wanted): PendingChallenge {
  const { identifier, recordName: place } = challenge;
  const offered = { url: "none", type: "dane", status: "pending" } as const;
  return { identifier, solver, challenge, place, offered, authorization: "none" };
}

/** They are not challenges of the attempt. */
function unlisted(record: IssueTools["record"]): IssueTools["record"] {
  return { ...record, check: () => undefined };
}

/** Remove these records, by the solvers as they were then; each is forgotten once it is gone. */
export async function remove(
  records: readonly DaneRecord[],
  name: string,
  tools: Pick<IssueTools, "solvers" | "store" | "record" | "signal">,
): Promise<void> {
  const change = changer(name, tools);
  const errors: unknown[] = [];
  for (const { solver: setting, challenge, receipt } of records) {
    const { recordName, identifier } = challenge;
    try {
      const { solver, limit } = await tools.solvers.reopen(setting);
      const { signal } = tools;
      await limit(() => solver.cleanup(challenge, receipt ?? undefined, { signal }), signal);
      await change((known) => known.filter((one) => !isSame(one.challenge, challenge)));
      tools.record.log("dane").info(`removed the old TLSA record at ${recordName}`);
    } catch (error) {
      tools.signal.throwIfAborted();
      const what = `Solver ${setting.name} did not remove the TLSA record at ${recordName}`;
      errors.push(solverProblem(what, error, identifier));
    }
  }
  if (errors.length > 0) throw combined(errors, "solver");
}

type Change = (records: DaneStatus["records"]) => DaneStatus["records"];

function changer(name: string, { store }: Pick<IssueTools, "store">) {
  return (change: Change) =>
    store.certificates.updateStatus(name, ({ dane, ...status }) => ({
      ...status,
      dane: { ...dane, records: change(dane?.records ?? []) },
    }));
}
