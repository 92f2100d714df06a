/** Presents and cleans up: every value is a record of its own, so nobody's else is ever touched. */
import { Refusal, repeatRefused } from "acmectl/plugin/http";
import type { Call, Dns01Challenge, Log, Solver, Target } from "acmectl/plugin";
import type { Api } from "./client.ts";
import { domainFinder, NoDomain, relativeName } from "./domains.ts";
import { explaining } from "./errors.ts";
import { digitalOcean } from "./vendor.ts";

/** What undoes a present. */
export interface Receipt {
  readonly domain: string;
  readonly recordId: number;
}

export interface SolverSettings {
  readonly ttl: number;
  readonly domain: string | undefined;
  readonly log: Log;
}

/** A solver on an open API. */
export function solve(api: Api, { ttl, domain, log }: SolverSettings): Solver<"dns-01", Receipt> {
  const finder = domainFinder(
    (page, signal) => retrying(() => api.domains(page, signal), log, signal),
    domain,
  );
  const domainOf = (recordName: string, { signal }: Call) =>
    explaining(`find the domain of ${recordName}`, signal, () => finder(recordName, signal));
  return {
    preflight: (targets, call) => check(api, targets, domainOf, log, call),
    async present({ recordName, recordValue: value }, call) {
      const domain = await domainOf(recordName, call);
      const { signal } = call;
      const record = { domain, name: relativeName(recordName, domain), value, ttl };
      const doing = `create the TXT record ${recordName} in domain ${domain}`;
      // DigitalOcean keeps doubles: what a lost answer left behind has to be found before another try.
      const createOnce = async () => {
        const [known] = await idsOf(api, { domain, recordName, value }, signal);
        return known ?? api.create(record, signal);
      };
      const recordId = await explaining(doing, signal, () => retrying(createOnce, log, signal));
      return { domain, recordId };
    },
    cleanup: (challenge, receipt, call) => remove({ api, log, domainOf }, challenge, receipt, call),
  };
}

type DomainOf = (recordName: string, call: Call) => Promise<string>;

/** Proves the token, every domain, and the right to read each; writing cannot be tried without writing. */
async function check(
  api: Api,
  targets: readonly Target[],
  domainOf: DomainOf,
  log: Log,
  call: Call,
): Promise<void> {
  const { signal } = call;
  const read = new Set<string>();
  for (const { recordName } of targets) {
    if (recordName === undefined) continue;
    const domain = await domainOf(recordName, call);
    if (read.has(domain)) continue;
    read.add(domain);
    const doing = `read the TXT records of ${recordName} in domain ${domain}`;
    await explaining(doing, signal, () =>
      retrying(() => api.records(domain, recordName, 1, signal), log, signal),
    );
  }
}

interface Removal {
  readonly api: Api;
  readonly log: Log;
  readonly domainOf: DomainOf;
}

async function remove(
  { api, log, domainOf }: Removal,
  { recordName, recordValue: value }: Dns01Challenge,
  receipt: Receipt | undefined,
  call: Call,
): Promise<void> {
  const { signal } = call;
  const domain = receipt?.domain ?? (await domainLeft(domainOf(recordName, call), log));
  if (domain === undefined) return;
  await explaining(`delete the TXT record ${recordName} in domain ${domain}`, signal, async () => {
    const known = receipt === undefined ? undefined : [receipt.recordId];
    const find = () =>
      retrying(() => idsOf(api, { domain, recordName, value }, signal), log, signal);
    const ids = known ?? (await ifThere(find, log)) ?? [];
    for (const id of ids)
      await ifThere(() => retrying(() => api.remove(domain, id, signal), log, signal), log);
  });
}

/** A domain that is gone took its records with it. */
async function domainLeft(found: Promise<string>, log: Log): Promise<string | undefined> {
  try {
    return await found;
  } catch (error) {
    if (!(error instanceof NoDomain)) throw error;
    log.warn(`nothing to clean up: ${error.message}`);
    return undefined;
  }
}

async function ifThere<T>(work: () => Promise<T>, log: Log): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refusal) || error.status !== 404) throw error;
    log.debug(`gone already: ${error.message}`);
    return undefined;
  }
}

interface Wanted {
  readonly domain: string;
  readonly recordName: string;
  readonly value: string;
}

async function idsOf(
  api: Api,
  { domain, recordName, value }: Wanted,
  signal: AbortSignal,
): Promise<readonly number[]> {
  const ids: number[] = [];
  for (let page = 1; ; page += 1) {
    const { items, more } = await api.records(domain, recordName, page, signal);
    // Other tools store the value with quotes.
    const own = items.filter(({ data }) => data.replace(/^"(.*)"$/, "$1") === value);
    ids.push(...own.map(({ id }) => id));
    if (!more) return ids;
  }
}

function retrying<T>(work: () => Promise<T>, log: Log, signal: AbortSignal): Promise<T> {
  return repeatRefused(work, { vendor: digitalOcean, log, signal, retries: 4 });
}
