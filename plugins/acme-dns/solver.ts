/** Registers on first use, checks the CNAMEs before every order, and sets values two at a time. */
import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "acmectl/plugin";
import type { Call, Dns01Challenge, Log, Solver, Target } from "acmectl/plugin";
import type { Account } from "./account.ts";
import type { Api } from "./api.ts";
import type { Book } from "./book.ts";
import { checkCapacity, checkDelegations, type Delegation } from "./delegation.ts";
import { slots, type Slots } from "./slots.ts";

/** Nothing can be undone; this is for the journal's reader. */
export interface Receipt {
  readonly subdomain: string;
}

export interface SolverSettings {
  readonly book: Book;
  /** One account for all names; undefined to keep one for each. */
  readonly fixed: Account | undefined;
  readonly server: string | undefined;
  readonly allowlist: readonly string[];
  readonly api: Api;
  readonly log: Log;
  /** Milliseconds; waits really when absent. */
  readonly pause?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

/** acme-dns notes whole seconds: of two values of the same one it may take the newer for the oldest. Milliseconds. */
const apart = 1_100;

/** A solver on what is kept in a book of accounts. */
export function delegatedSolver(settings: SolverSettings): Solver<"dns-01", Receipt> {
  const { book, fixed } = settings;
  const accountOf = async (name: string) => fixed ?? (await book.find(name));
  const publish = publisher(settings);
  const presentAll = async (challenges: readonly Dns01Challenge[], { signal }: Call) => {
    signal.throwIfAborted();
    const delegations: (Delegation & { value: string })[] = [];
    for (const challenge of challenges) {
      const account = await accountOf(challenge.identifier.value);
      if (account === undefined) throw unknownName(challenge.identifier.value, settings);
      delegations.push({ target: challenge, account, value: challenge.recordValue });
    }
    checkDelegations(delegations);
    await publish(delegations, signal);
    return delegations.map(({ account: { subdomain } }) => ({ subdomain }));
  };
  return {
    async preflight(targets, { signal }) {
      const delegations = await enrol(targets, accountOf, settings, signal);
      checkCapacity(delegations);
      checkDelegations(delegations);
      const servers = new Set(delegations.map(({ account }) => serverOf(account, settings)));
      for (const server of servers) await settings.api.check(server, signal);
    },
    async present(challenge, call) {
      const [receipt] = await presentAll([challenge], call);
      if (receipt === undefined) throw new RangeError("one challenge, no receipt");
      return receipt;
    },
    presentAll,
    /** There is no way to delete a value: it stands until two others have come. */
    async cleanup(challenge) {
      publish.close(challenge.recordValue);
    },
  };
}

/** An account for every name: those that have none are registered, and kept before anything else happens. */
async function enrol(
  targets: readonly Target[],
  accountOf: (name: string) => Promise<Account | undefined>,
  settings: SolverSettings,
  signal: AbortSignal,
): Promise<readonly Delegation[]> {
  const delegations: Delegation[] = [];
  for (const target of targets) {
    const name = target.identifier.value;
    const account = (await accountOf(name)) ?? (await register(name, settings, signal));
    delegations.push({ target, account });
  }
  return delegations;
}

async function register(
  name: string,
  { server, allowlist, api, book, log }: SolverSettings,
  signal: AbortSignal,
): Promise<Account> {
  if (server === undefined) throw serverMissing(`register an account for ${name}`);
  await book.assertWritable();
  await api.check(server, signal);
  const account = await book.add(name, await api.register(server, allowlist, signal));
  log.info(`registered ${account.fulldomain} for ${name} at ${server}; kept in ${book.place}`, {
    step: "preflight",
    identifier: name,
  });
  return account;
}

interface Due extends Delegation {
  readonly value: string;
}

/** Sets values account by account; all that a call needs of an account it gets at once, or waits for. */
function publisher(settings: SolverSettings) {
  const bySubdomain = new Map<string, Slots>();
  const slotsOf = (subdomain: string) => {
    const known = bySubdomain.get(subdomain) ?? slots();
    bySubdomain.set(subdomain, known);
    return known;
  };
  const publish = async (due: readonly Due[], signal: AbortSignal) => {
    checkCapacity(due);
    const accounts = [...Map.groupBy(due, ({ account }) => account.subdomain)];
    // Always in the same order, so that no two calls wait for each other.
    for (const [subdomain, group] of accounts.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      const values = group.map(({ value }) => value);
      await slotsOf(subdomain).open(values, signal);
    }
    await Promise.all(
      accounts.map(async ([subdomain, group]) => {
        for (const one of group) await set(one, slotsOf(subdomain), settings, signal);
      }),
    );
  };
  return Object.assign(publish, {
    close(value: string) {
      for (const known of bySubdomain.values()) known.close(value);
    },
  });
}

/** A value that is shown is not set again: that would push the other one out. */
async function set(
  { account, value, target }: Due,
  slot: Slots,
  settings: SolverSettings,
  signal: AbortSignal,
): Promise<void> {
  const { api, log, pause = waitReally } = settings;
  const server = serverOf(account, settings);
  await slot.inTurn(async () => {
    if (slot.shown.has(value)) return;
    const early = slot.updatedAt + apart - performance.now();
    if (early > 0) await pause(early, signal);
    const answered = await api.update(server, account, value, signal);
    slot.updatedAt = performance.now();
    slot.shown.add(value);
    if (answered) return;
    log.warn(
      `${server} gave no answer to the value for ${target.validationName}; it is not sent again, since that could push another value out. Whether it arrived shows in the DNS`,
      { step: "present", identifier: target.identifier.value },
    );
  });
}

async function waitReally(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal });
}

function serverOf(account: Account, { server, book }: SolverSettings): string {
  const url = account.server ?? server;
  if (url === undefined) throw serverMissing(`use the account ${account.username}`);
  if (/^https?:\/\//i.test(url) && URL.canParse(url)) return url;
  throw new Problem("config", {
    detail: `The account ${account.username} in ${book.place} has the server_url ${JSON.stringify(url)}, which is no web address.`,
    hint: "Write the URL of the acme-dns server's API there, e.g. https://auth.example.com.",
  });
}

function serverMissing(what: string): Problem {
  return new Problem("config", {
    title: "No acme-dns server",
    detail: `The acme-dns solver cannot ${what}: no server is given.`,
    hint: "Give the URL of your acme-dns server: --acme-dns-server URL, ACME_DNS_API_BASE, or `server` in the config. (https://auth.acme-dns.io is a public one; its operator can then get certificates for your names.)",
  });
}

function unknownName(name: string, { book }: SolverSettings): Problem {
  return new Problem("config", {
    title: "No acme-dns account",
    detail: `There is no acme-dns account for ${name} in ${book.place}.`,
    hint: `\`acmectl solvers test acme-dns -d ${name}\` registers one and shows the CNAME to make.`,
  });
}
