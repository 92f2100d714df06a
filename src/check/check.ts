/** Everything that can be known before an order: what a CA will look at is looked at from here. Nothing is ordered. */
import type { Directory } from "../acme/acme.ts";
import { presetOf, traitsOf } from "../acme/presets.ts";
import type { CertificateRequest } from "../certificate.ts";
import type { Dns } from "../dns/dns.ts";
import { offeredType, type Choice } from "../issue/proof/challenges.ts";
import { choose, preflight } from "../issue/proof/choose.ts";
import { openRecord } from "../issue/record.ts";
import type { IssueTools } from "../issue/tools.ts";
import type { ChallengeType, Zone } from "../plugin.ts";
import { Problem } from "../problem.ts";
import type { StoredAccount } from "../state/store.ts";
import { askDirectory, checkCa, checkClock, checkDemands, renewalNotes } from "./ca.ts";
import { checkCaa } from "./caa.ts";
import { checkDane } from "./dane.ts";
import { checkDelegation } from "./delegation.ts";
import { checkDnssec } from "./dnssec.ts";
import { finding, findingOf, type Checked, type Finding } from "./finding.ts";
import { checkHttp, type Ports } from "./http.ts";
import { checkLimits } from "./limits.ts";
import { checkPersist } from "./persist.ts";
import { checkTls } from "./tls.ts";

export interface CheckOptions {
  /** Where the ports 80 and 443 are; other ones in tests. */
  readonly ports?: Ports | undefined;
  /** False if the certificate has another CA, which is asked after this one. */
  readonly isLast?: boolean | undefined;
}

/** Look at all that would stop an order for this request. Only the signal, and bugs, reject. */
export async function checkRequest(
  request: CertificateRequest,
  tools: IssueTools,
  { ports = { http: 80, https: 443 }, isLast = true }: CheckOptions = {},
): Promise<readonly Checked[]> {
  const { server } = request.issuer;
  const [stored] = await tools.store.accounts.ofDirectory(server);
  const { forgets, checksDns } = traitsOf(server);
  const account = forgets ? undefined : stored;
  const unasked = checksDns ? undefined : "the embedded CA does not look at it";
  const directory = await askDirectory(tools, isLast);
  const isKnown = "meta" in directory;
  const noAnswer = isKnown ? undefined : "the CA did not answer";
  const solvers = await checkSolvers(request, tools);
  const { choices, chosen } = solvers;
  const known = isKnown ? directory : undefined;
  const ca = [
    ...checkDemands(request, account, tools),
    ...(isKnown ? await checkCa(request, directory, account, tools) : [directory]),
  ];
  const [delegation, dnssec, caa] = await Promise.all([
    checkRecords(solvers, request, tools),
    unasked === undefined ? checkZones(choices, request, tools) : [],
    unasked === undefined ? checkAllCaa(chosen, request, known, account, tools) : [],
  ]);
  return [
    { subject: "ca", findings: ca, notes: renewalNotes(request) },
    { subject: "clock", findings: checkClock(tools), skipped: noAnswer },
    await checkLimits(request, tools.store, tools.clock.now()),
    { subject: "solver", findings: solvers.findings },
    { subject: "delegation", findings: delegation, skipped: unproven("dns-01", chosen, choices) },
    {
      subject: "persist",
      findings: await checkPersist(choices, known, account, tools),
      skipped: unproven("dns-persist-01", chosen, choices) ?? noAnswer,
    },
    await checkDane(request, tools),
    { subject: "dnssec", findings: dnssec, skipped: unasked },
    { subject: "caa", findings: caa, skipped: unasked },
    ...(await checkResponses(solvers, request, ports, tools)),
  ];
}

/** What the CA would see of the responses of http-01 and tls-alpn-01. */
async function checkResponses(
  { choices, chosen }: Solvers,
  request: CertificateRequest,
  ports: Ports,
  tools: IssueTools,
): Promise<readonly Checked[]> {
  const of = (type: ChallengeType) => best(choices.filter((one) => one.challengeTypes[0] === type));
  return [
    {
      subject: "http",
      findings: await checkHttp(of("http-01"), request, ports, tools),
      skipped: unproven("http-01", chosen, choices),
    },
    {
      subject: "tls",
      findings: await checkTls(of("tls-alpn-01"), request, tools),
      skipped: unproven("tls-alpn-01", chosen, choices),
    },
  ];
}

/** Why nothing can be said of a challenge type; undefined when something can. */
function unproven(
  type: ChallengeType,
  chosen: readonly Choice[],
  choices: readonly Choice[],
): string | undefined {
  const isOfType = ({ challengeTypes }: Choice) => challengeTypes[0] === type;
  if (choices.some(isOfType)) return undefined;
  return chosen.some(isOfType) ? "its solver failed" : `no name is proven by ${type}`;
}

interface Solvers {
  /** All that could be opened. */
  readonly chosen: readonly Choice[];
  /** Those of them that passed their own check. */
  readonly choices: readonly Choice[];
  readonly findings: readonly Finding[];
}

/** Options, credentials and CNAMEs, as a run checks them before it orders. A solver that fails beside a good one is a warning. */
async function checkSolvers(request: CertificateRequest, tools: IssueTools): Promise<Solvers> {
  const warnings: Finding[] = [];
  const debug = (message: string) => tools.log.debug(message);
  const warn = (message: string) => {
    const remedy = "Correct the solver, or leave it out: until then another one takes its place.";
    warnings.push(finding("warning", undefined, message, remedy));
  };
  const log = { debug, info: debug, warn };
  const record = openRecord(tools.clock.now(), { ...tools, log });
  let chosen: readonly Choice[] = [];
  try {
    chosen = await choose(request, { ...tools, record });
    const choices = await preflight(chosen, { ...tools, record });
    return { chosen, choices, findings: warnings };
  } catch (error) {
    tools.signal.throwIfAborted();
    return { chosen, choices: [], findings: [...warnings, findingOf(error)] };
  }
}

/** The first choice of each name. */
function best(choices: readonly Choice[]): readonly Choice[] {
  const byName = Map.groupBy(choices, ({ identifier }) => identifier.value);
  return [...byName.values()].flatMap((all) => all.slice(0, 1));
}

/** The name servers of each record that a dns-01 solver would write; they may be why its CNAMEs could not be followed. */
async function checkRecords(
  { choices, chosen, findings }: Solvers,
  request: CertificateRequest,
  { dns, signal }: IssueTools,
): Promise<readonly Finding[]> {
  const records = new Map<string, { name: string; by: Dns }>();
  const isOpen = findings.some(({ severity }) => severity === "unknown");
  for (const { target, identifier, solver } of best(isOpen ? chosen : choices)) {
    const by = dns({ ...request.dns, ...solver.setting.dns });
    const record = target.recordName ?? target.validationName;
    if (record !== undefined) records.set(record, { name: identifier.value, by });
  }
  const found = [...records].map(([record, { name, by }]) =>
    checkDelegation(record, name, by, signal),
  );
  return (await Promise.all(found)).flat();
}

/** The zones of all names, and of the records that CNAMEs lead to; each once. */
async function checkZones(
  choices: readonly Choice[],
  request: CertificateRequest,
  { dns, clock, signal }: IssueTools,
): Promise<readonly Finding[]> {
  const by = dns(request.dns ?? {});
  const names = request.identifiers
    .filter(({ type }) => type === "dns")
    .map(({ value }) => ({ value, at: value.replace(/^\*\./, "") }));
  const records = choices.flatMap(({ identifier: { value }, target }) =>
    target.recordName === undefined ? [] : [{ value, at: target.recordName }],
  );
  const zones = new Map<string, { zone: Zone; name: string }>();
  const lost: Finding[] = [];
  for (const { value, at } of [...names, ...records]) {
    try {
      const zone = await by.findZone(at, signal);
      if (!zones.has(zone.name)) zones.set(zone.name, { zone, name: value });
    } catch (error) {
      signal.throwIfAborted();
      if (!Problem.is(error)) throw error;
      // A zone that does not exist is found where it matters: by the solver, or by http-01.
      if (!error.is("config")) lost.push(findingOf(error, { name: value }));
    }
  }
  const found = [...zones.values()].map(({ zone, name }) =>
    checkDnssec(zone, name, by, clock.now(), signal),
  );
  return [...lost, ...(await Promise.all(found)).flat()];
}

async function checkAllCaa(
  choices: readonly Choice[],
  request: CertificateRequest,
  directory: Directory | undefined,
  account: StoredAccount | undefined,
  { dns, signal }: IssueTools,
): Promise<readonly Finding[]> {
  const said = directory?.meta.caaIdentities ?? [];
  const identities =
    said.length > 0 ? said : (presetOf(request.issuer.server)?.caaIdentities ?? []);
  const by = dns(request.dns ?? {});
  const ask = (name: string, unchecked: boolean) =>
    by.resolve({ name, type: "CAA", unchecked }, signal);
  const found = request.identifiers.map((identifier) => {
    const own = choices.filter((choice) => choice.identifier.value === identifier.value);
    const types = own.flatMap(({ challengeTypes, solver }) =>
      challengeTypes.map((type) => offeredType(type, solver.setting)),
    );
    const methods = [...new Set(types)];
    return checkCaa(identifier, { identities, accountUrl: account?.url, methods }, ask);
  });
  return (await Promise.all(found)).flat();
}
