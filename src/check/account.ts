/** DNS records that name an account: what they are for, and what a change of the account makes of them. */
import {
  offlineDemand,
  persistDemand,
  persistName,
  readPersist,
  type RecordHolder,
} from "../acme/account-records.ts";
import { caName, traitsOf } from "../acme/presets.ts";
import { thumbprint } from "../acme/keys.ts";
import type { CertificateRequest, IssuerSetting } from "../certificate.ts";
import type { Dns } from "../dns/dns.ts";
import { parentOf } from "../dns/name.ts";
import { lookForStanding, persistCommand } from "../issue/proof/standing.ts";
import type { IssueTools } from "../issue/tools.ts";
import { Problem } from "../problem.ts";
import type { HeldCertificate, StoredAccount } from "../state/store.ts";

/** A DNS name of a certificate, and how its DNS is asked. */
interface Name {
  readonly value: string;
  readonly wildcard: boolean;
  readonly dns: Dns;
}

/** Before the account is replaced or ends: say which records name it, since the CA accepts none of them afterwards. */
export async function warnOfRecords(
  { server }: Pick<IssuerSetting, "server">,
  tools: IssueTools,
): Promise<void> {
  const [account] = await tools.store.accounts.ofDirectory(server);
  if (account?.url === undefined || traitsOf(server).forgets) return;
  const names = await namesOf(account.directory, () => true, tools);
  const records = await recordsFor(account, names, tools.signal);
  if (records.length === 0) return;
  tools.log.warn(
    `these DNS records name the account ${account.url}; change them when another account is used, or the CA refuses: ${records.join(", ")}`,
  );
}

/** Before another CA is asked for a certificate: which records name the account with the CA that issued the one held. */
export async function recordsOfFormerCa(
  request: CertificateRequest,
  { meta: { directory, account: id } }: HeldCertificate,
  { store, dns, signal }: Pick<IssueTools, "store" | "dns" | "signal">,
): Promise<string | undefined> {
  const account = (await store.accounts.ofDirectory(directory)).find((one) => one.id === id);
  if (account?.url === undefined) return undefined;
  const records = await recordsFor(account, namesIn([request], dns), signal);
  if (records.length === 0) return undefined;
  return `${request.name} changes from ${caName(directory)} to ${caName(request.issuer.server)}, and these DNS records name the account ${account.url} with the former: ${records.join(", ")}. Add records for the new account first, or the new CA may refuse.`;
}

async function recordsFor(
  { url = "", key }: StoredAccount,
  names: readonly Name[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const holder = { url, thumbprint: thumbprint(key) };
  const found = await Promise.all(names.map((name) => recordsOf(name, holder, signal)));
  return [...new Set(found.flat())];
}

/**
 * Records of draft 02 contain a hash of the account's key: a new key is refused until the records for it are seen, since the
 * CA may stop accepting the old ones. Names that are not proven by dns-persist-01 are not looked at.
 */
export async function refuseUnseenRecords(
  { url = "", directory, nextKey }: StoredAccount,
  newKey: string | undefined,
  tools: IssueTools,
): Promise<void> {
  // One that was begun is ended first.
  if (nextKey !== undefined) return;
  const found = await tools.ca.directory(tools.signal);
  if (found.meta.accountHashPrefix === undefined) return;
  const names = await namesOf(directory, isPersistent, tools);
  if (names.length === 0) return;
  if (newKey === undefined) throw noKey(names, tools.ca.flags);
  const holder = { url, thumbprint: thumbprint(newKey) };
  const looks = names.map(async ({ value, wildcard, dns }) => {
    const demand = persistDemand({ identifier: { type: "dns", value }, wildcard }, holder, found);
    const now = tools.clock.now();
    const at = demand.validationName;
    const { verdict } = await lookForStanding(at, demand, dns, now, tools.signal);
    return verdict === "everywhere" || verdict === "enough" ? [] : [at];
  });
  const missing = (await Promise.all(looks)).flat();
  if (missing.length === 0) return;
  throw new Problem("propagation", {
    title: "The records for the new key are missing",
    detail: `The name servers do not show the records for the new key at ${missing.join(", ")}, so the key was not changed.`,
    hint: `Print them with \`${persistCommand(nameWords(names), tools.ca.flags)} --new-key FILE\`, add them beside the old ones, then run this again.`,
  });
}

const isPersistent = ({ solvers }: CertificateRequest) =>
  solvers.some(({ use }) => use === "dns-persist");

function noKey(names: readonly Name[], caFlags: string): Problem {
  return new Problem("usage", {
    title: "The DNS records contain the key of the account",
    detail: `${names.map(({ value }) => persistName(value)).join(", ")} are for the key in use, so the records for the new key must be in the DNS first.`,
    hint: `Create the new key with \`acmectl account rollover ${caFlags} --new-key FILE\`, print its records with \`${persistCommand(nameWords(names), caFlags)} --new-key FILE\`, add them, then run the first command again.`,
  });
}

function nameWords(names: readonly Name[]): string {
  return names.map(({ value, wildcard }) => (wildcard ? `*.${value}` : value)).join(",");
}

/** The DNS names of the certificates from a CA, each once. */
async function namesOf(
  directory: string,
  isMeant: (request: CertificateRequest) => boolean,
  { store, dns }: IssueTools,
): Promise<readonly Name[]> {
  const stored = (await Array.fromAsync(store.certificates.list())).flatMap((one) =>
    "request" in one ? [one.request] : [],
  );
  return namesIn(
    stored.filter(
      ({ issuer, issuers = [issuer], ...request }) =>
        issuers.some(({ server }) => server === directory) && isMeant({ issuer, ...request }),
    ),
    dns,
  );
}

function namesIn(requests: readonly CertificateRequest[], dns: IssueTools["dns"]): readonly Name[] {
  const names = new Map<string, Name>();
  for (const request of requests) {
    const [solver] = request.solvers;
    for (const { type, value } of request.identifiers) {
      if (type === "ip") continue;
      const name = value.replace(/^\*\./, "");
      const wildcard = name !== value || names.get(name)?.wildcard === true;
      names.set(name, { value: name, wildcard, dns: dns({ ...request.dns, ...solver?.dns }) });
    }
  }
  return [...names.values()];
}

/** What is not found now is not reported: this is a help, not a check. */
async function recordsOf(
  { value, dns }: Name,
  holder: RecordHolder,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const answers = async (name: string, type: "CAA" | "TXT") =>
    (await dns.resolve({ name, type }, signal))?.answers.filter((record) => record.type === type);
  const texts = await answers(persistName(value), "TXT");
  // Each further question would wait for the same resolvers.
  if (texts === undefined) return [];
  const { accountUris } = offlineDemand(
    { identifier: { type: "dns", value }, wildcard: false },
    holder,
  );
  const txt = texts.some((record) => {
    const read = readPersist(record.value);
    return typeof read !== "string" && accountUris.some((uri) => read.accountUri.endsWith(uri));
  });
  const found = txt ? [`TXT at ${persistName(value)}`] : [];
  for (let name: string | undefined = value; name; name = parentOf(name)) {
    const caa = (await answers(name, "CAA")) ?? [];
    if (caa.some((record) => accountIn(record.value) === holder.url)) found.push(`CAA at ${name}`);
    if (caa.length > 0) break;
  }
  return found;
}

/** RFC 8657 §3. */
function accountIn(caa: string): string | undefined {
  return /accounturi\s*=\s*([^;\s"]+)/i.exec(caa)?.[1];
}
