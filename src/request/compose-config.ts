import type { CertificateRequest } from "../certificate.ts";
import { parseIdentifiers } from "../acme/identifiers.ts";
import type { Config, ConfiguredCertificate } from "../config/config.ts";
import { Problem } from "../problem.ts";
import { readCsrFile } from "./csr-file.ts";
import { composeIssuer } from "./issuer.ts";
import { assertWindow } from "../deploy/windows.ts";
import { fromConfig } from "./solvers.ts";

const noFlags = {
  server: undefined,
  staging: undefined,
  email: undefined,
  agreeTos: undefined,
  eabKid: undefined,
  eabHmac: undefined,
  caBundle: undefined,
};

/** Every certificate that the config wants, as a request. */
export function composeConfigured(config: Config): Promise<readonly CertificateRequest[]> {
  return Promise.all(
    Object.entries(config.certificates).map(([name, wanted]) => composeOne(name, wanted, config)),
  );
}

async function composeOne(
  name: string,
  wanted: ConfiguredCertificate,
  config: Config,
): Promise<CertificateRequest> {
  const csr = wanted.csr === undefined ? undefined : await readCsrFile(wanted.csr);
  return {
    name,
    fromConfig: true,
    identifiers: csr?.identifiers ?? named(name, wanted, config),
    keyType: wanted.keyType ?? "ec256",
    reuseKey: wanted.reuseKey ?? false,
    labels: wanted.labels,
    issuer: composeIssuer(noFlags, wanted.issuer, config),
    solvers: (wanted.solvers ?? Object.keys(config.solvers)).map((solver) =>
      fromConfig(solver, config),
    ),
    dns: wanted.dns,
    selfCheck: wanted.selfCheck ?? true,
    outputs: wanted.files,
    hooks: given({
      pre: wanted.pre,
      deploy: wanted.deploy,
      post: wanted.post,
      failure: wanted.failure,
    }),
    ...given({
      csr: csr?.base64,
      preferredChain: wanted.preferredChain,
      selfCheckAt: wanted.selfCheckAt,
      windows: checkedWindows(name, wanted, config),
    }),
    ...profileOf(wanted),
  };
}

function named(name: string, { domains }: ConfiguredCertificate, { path }: Config) {
  try {
    return parseIdentifiers(domains);
  } catch (error) {
    if (!Problem.is(error)) throw error;
    const { hint } = error;
    throw new Problem("config", {
      detail: `${path}: certificates.${name}.domains: ${error.message}`,
      hint,
      cause: error,
    });
  }
}

function checkedWindows(name: string, { windows }: ConfiguredCertificate, { path }: Config) {
  for (const window of windows ?? []) assertWindow(window, `${path}: certificates.${name}.windows`);
  return windows;
}

/** A required profile goes before one that is merely wanted. */
export function profileOf({
  profile,
  requiredProfile,
}: {
  profile?: string;
  requiredProfile?: string;
}) {
  if (requiredProfile !== undefined) return { profile: requiredProfile, profileRequired: true };
  return profile === undefined ? {} : { profile };
}

/** Without the members that are undefined. */
export function given<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const result: { [K in keyof T]?: Exclude<T[K], undefined> } = {};
  for (const [key, value] of Object.entries(values)) {
    if (value !== undefined) Object.assign(result, { [key]: value });
  }
  return result;
}
