import { bindingHint } from "../acme/registration.ts";
import { caName, mostNames, presetOf, type Demands } from "../acme/presets.ts";
import { isPrivate } from "../acme/private-addresses.ts";
import type { CertificateRequest } from "../certificate.ts";
import { Problem } from "../problem.ts";

/** What is known of the account that the request would be made with. */
export interface AccountFacts {
  readonly isRegistered: boolean;
  readonly hasBinding: boolean;
}

/** What the CA is known to refuse in the request, found without asking it. */
export function unmetDemands(
  request: CertificateRequest,
  account: AccountFacts,
): readonly Problem[] {
  const preset = presetOf(request.issuer.server);
  if (preset === undefined) return [];
  const { demands = {} } = preset;
  const ofAccount = account.isRegistered
    ? []
    : [missingContact(request, demands), missingBinding(request, demands, account)];
  const others = [
    tooManyNames,
    internalName,
    noAddresses,
    wrongKey,
    clientAuthentication,
    chosenDates,
    stapling,
  ];
  const found = [...ofAccount, ...others.map((demand) => demand(request, demands))];
  return found.filter((problem) => problem !== undefined);
}

type Found = Problem | undefined;

function missingContact({ issuer }: CertificateRequest, { contact }: Demands): Found {
  if (contact === undefined || issuer.email !== undefined) return undefined;
  const detail = `${caName(issuer.server)} requires a contact address for a new account.`;
  return unmet(detail, "Give one with --email you@example.com.");
}

function missingBinding(
  { issuer }: CertificateRequest,
  { binding }: Demands,
  { hasBinding }: AccountFacts,
): Found {
  if (binding === undefined || hasBinding) return undefined;
  return unmet(
    `${caName(issuer.server)} requires an external account binding (EAB) for a new account.`,
    bindingHint(issuer.server),
  );
}

function tooManyNames({ issuer, identifiers, profile }: CertificateRequest): Found {
  const most = mostNames(issuer.server, profile) ?? Infinity;
  if (identifiers.length <= most) return undefined;
  return unmet(
    `${caName(issuer.server)} issues certificates for at most ${most} names${inProfile(profile)}, and this one has ${identifiers.length}.`,
    "Add --split (split: true in the config) to get several certificates.",
  );
}

function noAddresses(
  { issuer, identifiers, profile }: CertificateRequest,
  { addresses }: Demands,
): Found {
  const address = identifiers.find(({ type }) => type === "ip");
  if (address === undefined || addresses === undefined || addresses.includes(profile ?? ""))
    return undefined;
  return unmet(
    `${caName(issuer.server)} does not issue for the IP address ${address.value}${inProfile(profile)}.`,
    `Ask for another profile: --profile ${addresses.join(" or ")}.`,
  );
}

const inProfile = (profile: string | undefined) =>
  profile === undefined ? "" : ` with the profile ${profile}`;

/** RFC 2606, RFC 6762, RFC 8375 and ICANN's `internal`: no public CA can issue for what is below them. */
const reserved = /\.(?:test|example|invalid|localhost|local|internal|lan|home\.arpa)$/;

function internalName({ issuer, identifiers }: CertificateRequest): Found {
  const internal = identifiers.find(({ type, value }) =>
    type === "ip" ? isPrivate(value) : reserved.test(value),
  );
  if (internal === undefined) return undefined;
  const what = internal.type === "ip" ? "private addresses" : "internal names";
  return unmet(
    `${caName(issuer.server)} does not issue for ${what} such as ${internal.value}.`,
    "Use a name below a registered domain, or another CA: --server URL, or --server local for trying.",
  );
}

function wrongKey({ issuer, csr, keyType }: CertificateRequest, { keyTypes }: Demands): Found {
  if (csr !== undefined || keyTypes === undefined || keyTypes.includes(keyType)) return undefined;
  const detail = `${caName(issuer.server)} does not accept keys of type ${keyType}.`;
  return unmet(detail, `Choose another with --key-type: ${keyTypes.join(", ")}.`);
}

/** The object identifier of client authentication, in DER (RFC 5280 §4.2.1.12). */
const clientAuth = Buffer.from("06082b06010505070302", "hex");

/** Google issues for client authentication where the directory's URL asks for it. */
function clientAuthentication(
  { issuer: { server }, csr }: CertificateRequest,
  { noClientAuth }: Demands,
): Found {
  if (noClientAuth === undefined || csr === undefined) return undefined;
  if (!Buffer.from(csr, "base64").includes(clientAuth)) return undefined;
  if (URL.parse(server)?.searchParams.get("client_auth") === "true") return undefined;
  return unmet(
    `${caName(server)} refuses a CSR that asks for client authentication.`,
    `Make the CSR without the extended key usage clientAuth, or use the directory ${server}?client_auth=true if the account may.`,
  );
}

function chosenDates(
  { issuer, duration, notBefore, notAfter }: CertificateRequest,
  { noDates }: Demands,
): Found {
  const isDated = [duration, notBefore, notAfter].some((one) => one !== undefined);
  if (noDates === undefined || !isDated) return undefined;
  return unmet(
    `${caName(issuer.server)} does not let clients choose the dates of a certificate.`,
    "Choose a lifetime by its profile instead, e.g. --profile shortlived.",
  );
}

function stapling({ issuer, mustStaple }: CertificateRequest, { noMustStaple }: Demands): Found {
  if (noMustStaple === undefined || mustStaple !== true) return undefined;
  const detail = `${caName(issuer.server)} has no OCSP, so it refuses must-staple.`;
  return unmet(detail, "Leave --must-staple out.");
}

function unmet(detail: string, hint: string): Problem {
  return new Problem("usage", { title: "The CA would refuse this request", detail, hint });
}
