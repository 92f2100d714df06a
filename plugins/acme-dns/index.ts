/** dns-01 through an acme-dns server: each name has one permanent CNAME to it, and its own zone is never changed. */
import { defineSolver } from "acmectl/plugin";
import type { Call, Dns01Challenge, Log, Solver, Target } from "acmectl/plugin";
import { fileAccounts, fixedAccount, isTarget, stateAccounts, targetOf } from "./accounts.ts";
import type { Account, Accounts } from "./accounts.ts";
import { apiOf, type Api } from "./client.ts";
import * as errors from "./errors.ts";
import { checkCapacity, publisher, type Delegation } from "./values.ts";

export default defineSolver({
  summary: "sets dns-01 values on an acme-dns server, the CNAME target of _acme-challenge",
  challengeTypes: ["dns-01"],
  // A call that waits for room in an account must not block the cleanup that makes room.
  concurrency: 32,
  options: {
    server: {
      type: "url",
      env: ["ACME_DNS_API_BASE", "ACMEDNS_BASE_URL"],
      placeholder: "URL",
      description:
        "URL of the acme-dns API, to register accounts, and for accounts without server_url.",
    },
    storage: {
      type: "path",
      env: ["ACME_DNS_STORAGE_PATH"],
      placeholder: "FILE",
      description: "JSON file of accounts, as for lego and cert-manager. Default: acmectl's state.",
    },
    allowlist: {
      type: "list",
      env: ["ACME_DNS_ALLOWLIST"],
      placeholder: "CIDR",
      description:
        "Networks that may use newly registered accounts, such as 192.0.2.0/24. Default: all.",
    },
    username: {
      type: "string",
      env: ["ACMEDNS_USERNAME"],
      description: "User name of one account for all names; requires password and subdomain.",
    },
    password: {
      type: "string",
      secret: true,
      env: ["ACMEDNS_PASSWORD"],
      description: "Password of that account.",
    },
    subdomain: {
      type: "string",
      env: ["ACMEDNS_SUBDOMAIN"],
      description: "Subdomain of that account.",
    },
    fulldomain: {
      type: "string",
      description: "Full name of that account, to check the CNAMEs completely.",
    },
    timeout: {
      type: "duration",
      default: 30_000,
      min: 100,
      description: "Time limit for one response of the server.",
    },
  },
  create(options, { log, state }) {
    const { storage, server, allowlist, timeout } = options;
    return acmeDnsSolver({
      accounts: storage === undefined ? stateAccounts(state) : fileAccounts(storage, log),
      fixed: fixedAccount(options),
      server,
      allowlist: allowlist ?? [],
      api: apiOf(timeout, log),
      log,
    });
  },
});

/** Nothing can be undone; this is for readers of the journal. */
interface Receipt {
  readonly subdomain: string;
}

interface SolverSettings {
  readonly accounts: Accounts;
  /** One account for all names; undefined for one account per name. */
  readonly fixed: Account | undefined;
  readonly server: string | undefined;
  readonly allowlist: readonly string[];
  readonly api: Api;
  readonly log: Log;
}

function acmeDnsSolver(settings: SolverSettings): Solver<"dns-01", Receipt> {
  const { accounts, fixed } = settings;
  const accountOf = async ({ identifier, recordName = "" }: Target) =>
    fixed ?? (await accounts.find(identifier.value, recordName));
  const { publish, release } = publisher({
    ...settings,
    serverOf: (account) => serverOf(account, settings),
  });
  const presentAll = async (challenges: readonly Dns01Challenge[], { signal }: Call) => {
    signal.throwIfAborted();
    const delegations: (Delegation & { value: string })[] = [];
    for (const target of challenges) {
      const account = await accountOf(target);
      if (account === undefined)
        throw errors.accountMissing(target.identifier.value, accounts.place);
      delegations.push({ target, account, value: target.recordValue });
    }
    checkCnames(delegations);
    await publish(delegations, signal);
    return delegations.map(({ account: { subdomain } }) => ({ subdomain }));
  };
  return {
    async preflight(targets, { signal }) {
      const delegations: Delegation[] = [];
      for (const target of targets) {
        const account =
          (await accountOf(target)) ?? (await register(target.identifier.value, settings, signal));
        delegations.push({ target, account });
      }
      checkCapacity(delegations);
      checkCnames(delegations);
      const servers = new Set(delegations.map(({ account }) => serverOf(account, settings)));
      for (const server of servers) await settings.api.check(server, signal);
    },
    async present(challenge, call) {
      const [receipt] = await presentAll([challenge], call);
      if (receipt === undefined) throw new RangeError("one challenge, no receipt");
      return receipt;
    },
    presentAll,
    /** acme-dns cannot delete a value: it stays until two others have been set. */
    async cleanup(challenge) {
      release(challenge.recordValue);
    },
  };
}

/** Registers an account and saves it before anything else is done. */
async function register(
  name: string,
  { server, allowlist, api, accounts, log }: SolverSettings,
  signal: AbortSignal,
): Promise<Account> {
  if (server === undefined) throw errors.serverMissing(`register an account for ${name}`);
  await accounts.assertWritable();
  await api.check(server, signal);
  const account = await accounts.add(name, await api.register(server, allowlist, signal));
  const { fulldomain } = account;
  log.info(`registered ${fulldomain} for ${name} at ${server}; saved in ${accounts.place}`, {
    step: "preflight",
    identifier: name,
  });
  return account;
}

/** Throws one Problem with the records of all names whose CNAME is missing or leads elsewhere. */
function checkCnames(delegations: readonly Delegation[]): void {
  const faults = new Set<string>();
  const records = new Set<string>();
  for (const { target, account } of delegations) {
    const { validationName = "", recordName = "" } = target;
    if (isTarget(account, recordName)) continue;
    const expected = targetOf(account);
    faults.add(
      recordName === validationName
        ? `${validationName} has no CNAME to ${expected}`
        : `The CNAME of ${validationName} leads to ${recordName}., not to ${expected}`,
    );
    records.add(`${validationName}. CNAME ${expected}`);
  }
  if (faults.size > 0) throw errors.cnameNeeded([...faults], [...records]);
}

function serverOf(account: Account, { server, accounts }: SolverSettings): string {
  const url = account.server ?? server;
  if (url === undefined) throw errors.serverMissing(`use the account ${account.username}`);
  if (/^https?:\/\//i.test(url) && URL.canParse(url)) return url;
  throw errors.invalidServerUrl(account.username, url, accounts.place);
}
