import { resolve } from "node:path";
import { resolveServer, traitsOf } from "../acme/presets.ts";
import { registerCommand } from "../acme/hints.ts";
import { caFlags } from "../issuer/open.ts";
import type { SolverSetting } from "../certificate.ts";
import type { Context } from "../context.ts";
import { chosenIssuer } from "../request/issuer.ts";
import { fromConfig, solverSettings } from "../request/solvers.ts";
import type { OptionsOf } from "../options/declaration.ts";
import type { importFlags } from "../options/declared/import.ts";
import type { Result } from "../result.ts";
import { checkAccount, takeAccount, type TakenAccount } from "./accounts.ts";
import { existingFolder } from "./files.ts";
import { type Found, type FoundAccount, type FoundCertificate, readEach } from "./found.ts";
import { readMaterial } from "./material.ts";
import { type Imported, type ImportedCertificate, reportImport } from "./report.ts";
import { settleSolvers } from "./solvers.ts";
import { requestOf, takeCertificate, type TakeTools, versionOf } from "./take.ts";

type Flags = OptionsOf<typeof importFlags>;

export interface Client {
  /** As typed behind `import`. */
  readonly name: string;
  /** Where it keeps its files by default. */
  folder(context: Pick<Context, "env">): string;
  /** `servers`: directories that the user and the config name. */
  read(folder: string, servers: readonly string[]): Promise<Found>;
  /** How to stop its own renewals. */
  readonly stop: string;
}

/** Read all, then take accounts before certificates. Nothing is written into the other client's folder. */
export async function importFrom(client: Client, flags: Flags, context: Context): Promise<Result> {
  const given = resolve(context.cwd, context.args[0] ?? client.folder(context));
  const folder = await existingFolder(given, client.name);
  const found = await speakable(await client.read(folder, await serversOf(flags, context)));
  const ready = await prepare(found, flags, context);
  const store = await context.store();
  const tools = { store, clock: context.clock, signal: context.signal, wait: lockWait };
  const taking = { dryRun: flags.dryRun === true, force: flags.force === true };
  if (!taking.dryRun) await store.checkWritable();
  const left = [...found.left, ...ready.left];
  const accounts: Imported["accounts"][number][] = [];
  for (const account of byUse(found)) {
    const checked = flags.check === true ? await checkAccount(account, flags, context) : account;
    if ("why" in checked) left.push(checked);
    else {
      const taken = await takeAccount(checked, taking, tools);
      accounts.push({ ...taken, notes: accountNotes(taken, accounts) });
    }
  }
  const certificates: ImportedCertificate[] = [];
  for (const one of ready.found) certificates.push(await takeOne(one, flags, tools, accounts));
  const imported = { folder, accounts, certificates, left };
  return reportImport(client, imported, taking.dryRun, context.clock.now());
}

const lockWait = 60_000;

/** Directory URLs to try where the other client stored only a part of one. */
async function serversOf({ server }: Flags, context: Context): Promise<readonly string[]> {
  const config = await context.config();
  const named = server === undefined ? [] : [chosenIssuer(server, config).server];
  const configured = Object.values(config.issuers).map((issuer) => issuer.server);
  return [...named, ...configured].map(resolveServer).filter((server) => !traitsOf(server).forgets);
}

/** Without accounts and certificates of servers that acmectl cannot use: plain http, or not a URL. */
async function speakable(found: Found): Promise<Found> {
  const accounts = await usable(found.accounts);
  const certificates = await usable(found.certificates);
  return {
    accounts: accounts.found.map(withUsableUrl),
    certificates: certificates.found,
    left: [...found.left, ...accounts.left, ...certificates.left],
  };
}

function usable<T extends FoundAccount | FoundCertificate>(all: readonly T[]) {
  return readEach(all, sourceOf, async (one) => {
    resolveServer(one.directory);
    return one;
  });
}

function sourceOf({ source }: { readonly source: string }): string {
  return source;
}

/** An account's URL counts only on the directory's own host; without it the CA finds the account by its key. */
function withUsableUrl({ url, ...account }: FoundAccount): FoundAccount {
  const [own, directory] = [URL.parse(url ?? ""), URL.parse(account.directory)];
  const usable = own?.protocol === "https:" && own.host === directory?.host;
  return usable && url !== undefined ? { ...account, url } : account;
}

/** Accounts of most certificates first: of several at one CA, the first becomes the one that is used. */
function byUse({ accounts, certificates }: Found): readonly FoundAccount[] {
  const uses = ({ id }: FoundAccount) =>
    certificates.filter(({ account }) => account === id).length;
  return accounts.toSorted((one, other) => uses(other) - uses(one));
}

function accountNotes(
  { account, used }: TakenAccount,
  before: readonly TakenAccount[],
): readonly string[] {
  const first = before.find((one) => one.account.directory === account.directory);
  const other = first?.used ?? used;
  if (other === account.id) return [];
  return [
    `acmectl uses one account per CA: renewals at ${account.directory} use the account ${other}, which acmectl has already, not this one.`,
  ];
}

type Ready = Pick<ImportedCertificate, "found" | "material" | "solvers" | "notes">;

function prepare(found: Found, flags: Flags, context: Context) {
  return readEach(found.certificates, sourceOf, async (one): Promise<Ready> => {
    const material = readMaterial(one.pems, context.clock.now());
    const { settings, notes } = await solversFor(one, flags, context);
    const { why } = material;
    const unusable = why === undefined ? [] : [`Only its settings were imported: ${why}`];
    return {
      found: one,
      material,
      solvers: settings,
      notes: [...unusable, ...one.notes, ...notes],
    };
  });
}

/** The solvers of flags, else those of the other client, else all of the config. */
async function solversFor(
  certificate: FoundCertificate,
  flags: Flags,
  context: Context,
): Promise<{ settings: readonly SolverSetting[]; notes: readonly string[] }> {
  const config = await context.config();
  const chosen = [flags.solver, flags.standalone, flags.tlsAlpn, flags.webroot, flags.dns];
  if (chosen.some((flag) => flag !== undefined)) {
    const issuer = { server: certificate.directory, agreeTos: true };
    return { settings: await solverSettings(flags, undefined, issuer, config, context), notes: [] };
  }
  const settled = await settleSolvers(certificate.solvers, context);
  if (settled.settings.length > 0) return settled;
  const settings = Object.keys(config.solvers).map((name) => fromConfig(name, config));
  const note =
    settings.length > 0
      ? `Renewals use the solvers of ${config.path}.`
      : "It is not ready: no solver is known, so it cannot be renewed. Import again with --standalone, --webroot DIR or --solver NAME.";
  return { settings, notes: [...settled.notes, note] };
}

async function takeOne(
  ready: Ready,
  flags: Flags,
  tools: TakeTools,
  accounts: Imported["accounts"],
): Promise<ImportedCertificate> {
  const { found, material, solvers } = ready;
  const own = accounts.find(({ account }) => account.id === found.account);
  const contact = own?.account.contact[0];
  const email = contact?.startsWith("mailto:") ? contact.slice("mailto:".length) : undefined;
  const caBundle = flags.caBundle ?? found.caBundle;
  const extras = { agreeTos: own !== undefined, email, caBundle };
  const request = requestOf(found, material, solvers, extras);
  const taken = await takeCertificate(
    { request, version: versionOf(found, material, request), account: found.account },
    { dryRun: flags.dryRun === true, force: flags.force === true },
    tools,
  );
  const register = registerCommand(caFlags(request.issuer));
  const orphaned = `The account that ordered it was not imported: unless acmectl has one at ${found.directory}, run \`${register}\` first.`;
  const files = await tools.store.certificates.files(found.name);
  const notes = own === undefined ? [...ready.notes, orphaned] : ready.notes;
  return { ...ready, ...taken, files, notes };
}
