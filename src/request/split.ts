import { caName, mostNames } from "../acme/presets.ts";
import type { CertificateRequest } from "../certificate.ts";
import { shortList } from "../many-names.ts";
import { quotedWord } from "../options/words.ts";
import type { Log } from "../plugin.ts";
import { Problem } from "../problem.ts";
import type { Store } from "../state/store.ts";
import { refuseTakenPath, writtenFolders } from "./given-file.ts";

/** What most CAs allow. */
const usual = 100;

/**
 * The request in parts of as many names as its CA allows for the profile, in the order given: NAME, NAME-2, NAME-3, …; whole
 * unless `split` is set.
 */
export function splitRequest(
  request: CertificateRequest,
  split: boolean,
  place: string = request.name,
): readonly CertificateRequest[] {
  const { name, identifiers, issuer, profile, csr } = request;
  const most = mostNames(issuer.server, profile) ?? usual;
  if (!split || identifiers.length <= most) return [request];
  const detail = `${place}: ${identifiers.length} names are more than ${caName(issuer.server)} allows in one certificate (${most})`;
  if (csr !== undefined)
    throw new Problem("usage", { detail: `${detail}.`, hint: "Make several CSRs." });
  if (writtenFolders(request).length > 0)
    throw new Problem("usage", {
      detail: `${detail}, and the copies of all parts would be written to the same files.`,
      hint: "Leave copies and key stores out, or make a certificate for each part.",
    });
  return Array.from({ length: Math.ceil(identifiers.length / most) }, (_, index) => ({
    ...request,
    name: index === 0 ? name : `${name}-${index + 1}`,
    identifiers: identifiers.slice(index * most, (index + 1) * most),
  }));
}

/** Neither another certificate nor its files may be lost. */
export async function refuseOverwriting(
  request: CertificateRequest,
  parts: readonly CertificateRequest[],
  store: Pick<Store, "certificates">,
): Promise<void> {
  await refuseForeignParts(request, parts, store);
  await refuseTakenPath(request, store);
}

/** The names of further parts are derived: a certificate that has one and is not such a part would be lost. */
async function refuseForeignParts(
  { identifiers }: CertificateRequest,
  [, ...others]: readonly CertificateRequest[],
  { certificates }: Pick<Store, "certificates">,
): Promise<void> {
  const asked = new Set(identifiers.map(({ value }) => value));
  for (const { name } of others) {
    const held = (await certificates.read(name))?.held?.meta.identifiers ?? [];
    if (held.length === 0 || held.some(({ value }) => asked.has(value))) continue;
    const names = shortList(held.map(({ value }) => value));
    throw new Problem("usage", {
      title: "A part would replace another certificate",
      detail: `--split: a part would get the name ${name}, which the certificate for ${names} has.`,
      hint: "Choose another --name for this request.",
    });
  }
}

/** Fewer names make fewer parts. What an earlier request left is shown; for the config, it is an orphan. */
export async function warnOfFormerParts(
  parts: readonly CertificateRequest[],
  { certificates }: Pick<Store, "certificates">,
  log: Log,
): Promise<void> {
  for (let number = parts.length + 1; ; number++) {
    const name = `${parts[0]?.name}-${number}`;
    const stored = await certificates.read(name);
    if (stored === undefined || stored.request.fromConfig === true) return;
    log.warn(
      `${name} is not a part of this request and is still renewed; if it is a part of an earlier one, remove it: acmectl delete ${quotedWord(name)}`,
    );
  }
}
