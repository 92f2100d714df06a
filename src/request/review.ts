/** What would stop the next run although the config is valid: found without asking a server or running a command. */
import { access, constants, stat } from "node:fs/promises";
import { isPem } from "../acme/pem.ts";
import type {
  AcmeShSetting,
  CertificateRequest,
  HookSetting,
  IssuerSetting,
  SolverSetting,
} from "../certificate.ts";
import type { Config } from "../config/config.ts";
import type { Context } from "../context.ts";
import { shellWordIn } from "../deploy/command.ts";
import { systemReason } from "../errors.ts";
import { isRecord } from "../json.ts";
import { pathOf } from "../options/secret.ts";
import { asProblem } from "../problem.ts";
import { solverFault } from "../solvers/open.ts";
import { selectSolvers } from "../solvers/select.ts";
import { loadSolver } from "../solvers/registry.ts";
import { composeConfigured } from "./configured.ts";
import { tlsaWriters } from "./dane.ts";
import { sharedFiles, writtenFolders } from "./given-file.ts";
import { fromConfig } from "./solvers.ts";

/** One sentence for each finding, with its place in the file. */
export async function reviewConfig(config: Config, context: Context): Promise<readonly string[]> {
  const { requests, broken } = await composeConfigured(config);
  const found = await Promise.all([
    ...Object.entries(config.issuers).map(([name, issuer]) =>
      missingFiles(`issuers.${name}`, { ...issuer, ...filesOf(issuer) }),
    ),
    ...Object.keys(config.solvers).map((name) =>
      reviewSolver(fromConfig(name, config), `solvers.${name}`, context),
    ),
    ...requests.map((request) => reviewCertificate(request, context)),
  ]);
  const faults = broken.map(({ problem }) => problem.message);
  return [...new Set([...faults, ...sharedFiles(requests), ...found.flat()])];
}

/**
 * What would stop a renewal: the CA bundle, and the secrets and options of the solvers. What certificates have in common is
 * looked at once, since ten thousand of them may have one solver.
 */
export function reviewerOf(
  context: Context,
): (request: CertificateRequest) => Promise<readonly string[]> {
  const known = new Map<string, Promise<readonly string[]>>();
  return async (request) => {
    const { issuer, solvers, name } = request;
    const shared = JSON.stringify([filesOf(issuer), solvers]);
    const found = known.get(shared) ?? reviewShared(request, context);
    known.set(shared, found);
    return [...(await found), ...(await unwritable(request, name, context))];
  };
}

async function reviewShared(
  { issuer, solvers }: CertificateRequest,
  context: Context,
): Promise<readonly string[]> {
  const found = await Promise.all([
    missingFiles("issuer", filesOf(issuer)),
    ...solvers.map((setting) => reviewSolver(setting, `solver ${setting.name}`, context)),
  ]);
  return found.flat();
}

type Files = Pick<IssuerSetting, "caBundle" | "clientCert" | "clientKey">;

function filesOf({ caBundle, clientCert, clientKey }: Files): Files {
  return {
    caBundle: fileOf(caBundle),
    clientCert: fileOf(clientCert),
    clientKey: fileOf(clientKey),
  };
}

const fileOf = (path: string | undefined) =>
  path === undefined || isPem(path) ? undefined : `file:${path}`;

async function reviewSolver(
  setting: SolverSetting,
  place: string,
  context: Context,
): Promise<readonly string[]> {
  const missing = await missingFiles(place, setting.options);
  // A secret that a command prints is not read: the command may have effects.
  if (missing.length > 0 || textsIn(setting.options).some(([, text]) => text.startsWith("cmd:")))
    return missing;
  const fault = await solverFault(setting, context);
  if (fault !== undefined) return [`${place} is not ready: ${fault.message}`];
  return setting.use === "webroot" ? missingRoots(setting, place) : [];
}

/** The folders of a webroot solver that do not exist. */
export async function missingRoots(
  { options }: SolverSetting,
  place: string,
): Promise<readonly string[]> {
  const { directory, directories } = options;
  const roots = [directory, ...(isRecord(directories) ? Object.values(directories) : [])];
  const texts = roots.filter((root): root is string => typeof root === "string");
  if (texts.length === 0) return [`${place} is not ready: it has no directory.`];
  return missingFolders(place, texts);
}

async function missingFolders(
  place: string,
  folders: readonly string[],
): Promise<readonly string[]> {
  const found = folders.map(async (folder) => {
    const isFolder = await stat(folder)
      .then((one) => one.isDirectory())
      .catch(() => false);
    return isFolder ? [] : [`${place}: the folder ${folder} does not exist.`];
  });
  return (await Promise.all(found)).flat();
}

async function reviewCertificate(
  request: CertificateRequest,
  context: Context,
): Promise<readonly string[]> {
  const place = `certificates.${request.name}`;
  const { pre = [], deploy = [], post = [], failure = [] } = request.hooks;
  const commands = { pre, deploy: deploy.filter((step) => "run" in step), post, failure };
  const stores = deploy.flatMap((step) => ("pkcs12" in step ? [step.pkcs12] : []));
  const scripts = deploy.flatMap((step) => ("acme.sh" in step ? [step] : []));
  return [
    ...(await unproved(request, place, context)),
    ...(await unwritable(request, place, context)),
    ...Object.entries(commands).flatMap(([event, hooks]) => shellWords(`${place}.${event}`, hooks)),
    ...(await missingFolders(place, writtenFolders(request))),
    ...(await missingFiles(`${place}.deploy`, [
      ...stores,
      ...scripts.map(({ variables }) => variables),
    ])),
    ...(await missingScripts(place, scripts, context)),
  ];
}

async function missingScripts(
  place: string,
  scripts: readonly AcmeShSetting[],
  context: Context,
): Promise<readonly string[]> {
  if (scripts.length === 0) return [];
  const { findScript } = await import("../deploy/steps/acme-sh.ts");
  const found = scripts.map(async (script) =>
    findScript(script, context).then(
      () => [],
      (error: unknown) => [`${place}.deploy: ${asProblem(error).message}`],
    ),
  );
  return (await Promise.all(found)).flat();
}

/** The names that no solver of the certificate can answer for. */
async function unproved(
  { identifiers, solvers, labels, proof }: CertificateRequest,
  place: string,
  context: Context,
): Promise<readonly string[]> {
  if (proof === "none") return [];
  if (solvers.length === 0) return [`${place} has no solver: add one to the section solvers.`];
  const loaded = await Promise.all(
    solvers.map(async (setting) => ({ setting, ...(await loadSolver(setting.use, context)) })),
  );
  const names = identifiers.filter((identifier) =>
    selectSolvers(identifier, labels, loaded).every(
      ({ challengeTypes }) => challengeTypes.length === 0,
    ),
  );
  return names.map(({ value }) => `${place}: none of its solvers can answer for ${value}.`);
}

/** Why no TLSA records can be written, if the certificate wants them. */
async function unwritable(
  request: CertificateRequest,
  place: string,
  context: Context,
): Promise<readonly string[]> {
  if (request.dane === undefined) return [];
  try {
    await tlsaWriters(request, async ({ use }) => (await loadSolver(use, context)).plugin);
    return [];
  } catch (error) {
    const { message, hint } = asProblem(error);
    return [`${place}.dane: ${[message, hint ?? ""].join(" ").trim()}`];
  }
}

function shellWords(place: string, hooks: readonly HookSetting[]): readonly string[] {
  return hooks.flatMap((hook, index) => {
    const word = shellWordIn(hook);
    const text = `\`${word}\` needs a shell, and the command runs without one; add \`shell: true\`.`;
    return word === undefined ? [] : [`${place}.${index}: ${text}`];
  });
}

async function missingFiles(place: string, values: unknown): Promise<readonly string[]> {
  const found = textsIn(values).map(async ([key, text]): Promise<readonly string[]> => {
    if (!text.startsWith("file:")) return [];
    const path = pathOf(text, "/");
    return access(path, constants.R_OK).then(
      () => [],
      (error: unknown) => [`${place}.${key}: cannot read ${path}: ${systemReason(error)}.`],
    );
  });
  return (await Promise.all(found)).flat();
}

/** Every text below a value, with the key that it has there. */
function textsIn(value: unknown, key = ""): readonly (readonly [key: string, text: string])[] {
  if (typeof value === "string") return [[key, value]];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([below, one]) =>
    textsIn(one, Array.isArray(value) ? `${key}${key === "" ? "" : "."}${below}` : below),
  );
}
