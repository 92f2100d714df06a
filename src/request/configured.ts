import { parseIdentifiers } from "../acme/identifiers.ts";
import type { CertificateRequest } from "../certificate.ts";
import type { Config } from "../config/config.ts";
import { mistakeIn, readAt } from "../config/mistakes.ts";
import { assertWindow } from "../deploy/windows.ts";
import { Problem } from "../problem.ts";
import type { BrokenCertificate } from "../state/store.ts";
import { requestOf, withOwnKey, type Wanted } from "./compose.ts";
import { readCsrFile, refuseSharedPath } from "./given-file.ts";
import { daneOf } from "./dane.ts";
import { composeIssuer } from "./issuer.ts";
import { configuredSolvers, isNone } from "./solvers.ts";
import { splitRequest } from "./split.ts";
import { assertTerms, type Written } from "./terms.ts";

/** What the config wants. A certificate whose key or request cannot be read is broken, and does not stop the others. */
export interface Configured {
  readonly requests: readonly CertificateRequest[];
  readonly broken: readonly BrokenCertificate[];
}

/** Every certificate that the config wants, as a request. */
export async function composeConfigured(config: Config): Promise<Configured> {
  const broken: BrokenCertificate[] = [];
  const all = await Promise.all(
    Object.entries(config.certificates).map(async ([name, configured]) => {
      const keys = ["certificates", name];
      const written = writtenIn(config, keys);
      const { place } = written;
      const read = await readOwn(configured, written);
      if (Problem.is(read)) {
        // Of a certificate that is split the names of the parts are not known, and they must not look like orphans.
        if (configured.split === true) throw read;
        broken.push({ name, problem: read });
        return [];
      }
      const { wanted, csr } = read;
      for (const option of ["windows", "freeze"] as const)
        for (const [index, window] of (wanted[option] ?? []).entries())
          readAt(config, [...keys, option, index], () =>
            assertWindow(window, `${keys.join(".")}.${option}`),
          );
      const issuer = composeIssuer({}, wanted.issuer, config);
      const issuers = wanted.issuers?.map((one) => composeIssuer({}, one, config));
      const known = {
        name,
        fromConfig: true,
        identifiers:
          csr?.identifiers ??
          readAt(config, [...keys, "domains"], () => parseIdentifiers(wanted.domains)),
        csr,
        issuer,
        issuers,
        solvers: configuredSolvers(wanted.solvers, issuer, config),
        proof: isNone(wanted.solvers ?? [], config) ? ("none" as const) : undefined,
        dane: daneOf(wanted.dane, `${place}.dane`, config),
      };
      const request = requestOf(wanted, known, written);
      refuseSharedPath(request, place);
      assertTerms(request, written);
      return splitRequest(request, wanted.split === true, place);
    }),
  );
  const requests = all.flat();
  refuseSameName(requests, config.path);
  return { requests, broken };
}

function writtenIn(config: Config, keys: readonly string[]): Written {
  const named = keys.join(".");
  return {
    place: `${config.path}: ${named}`,
    named: (option) => option,
    wrong: (option, detail, hint) =>
      mistakeIn(config, { keys: [...keys, option], message: `${named}: ${detail}`, hint }),
  };
}

/** The user's own key and request, from their files; the Problem if they cannot be used. */
async function readOwn<T extends Wanted>(configured: T, written: Written) {
  try {
    const wanted = await withOwnKey(configured, written);
    return { wanted, csr: wanted.csr === undefined ? undefined : await readCsrFile(wanted.csr) };
  } catch (problem) {
    if (!Problem.is(problem)) throw problem;
    const { place } = written;
    const detail = problem.message.startsWith(place)
      ? problem.message
      : `${place}: ${problem.message}`;
    return problem.with({ detail });
  }
}

/** The parts of a split certificate have numbered names; under one name, two would replace each other in every run. */
function refuseSameName(requests: readonly CertificateRequest[], path: string): void {
  const known = new Set<string>();
  for (const { name } of requests) {
    if (known.has(name))
      throw new Problem("config", {
        detail: `${path}: certificates: a part of a split certificate gets the name ${name}, and another certificate has it.`,
        hint: `Rename the certificate ${name}, or the one that is split.`,
      });
    known.add(name);
  }
}
