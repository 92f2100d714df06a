import type { Directory } from "../acme/acme.ts";
import { caName, presetOf } from "../acme/presets.ts";
import { signerOf } from "../acme/signer.ts";
import type { CertificateRequest } from "../certificate.ts";
import { largestSkew, skewText } from "../skew.ts";
import { isPassing } from "../issue/issuers.ts";
import type { IssueTools } from "../issue/tools.ts";
import { unmetDemands } from "../request/demands.ts";
import type { StoredAccount } from "../state/store.ts";
import { finding, findingOf, type Finding } from "./finding.ts";

/**
 * What the CA says of itself, or why it cannot be asked: orders are placed from this machine, so that is a fault, unless another
 * CA would be asked next.
 */
export async function askDirectory(
  { ca, signal }: Pick<IssueTools, "ca" | "signal">,
  isLast: boolean,
): Promise<Directory | Finding> {
  try {
    return await ca.directory(signal);
  } catch (error) {
    signal.throwIfAborted();
    const found = findingOf(error, { severity: "error" });
    if (isLast || !isPassing(error)) return found;
    const remedy = `${found.remedy} Until then the next CA of the certificate is asked.`;
    return { ...found, severity: "warning", remedy };
  }
}

/** What the CA is known to refuse, without asking it. */
export function checkDemands(
  request: CertificateRequest,
  account: StoredAccount | undefined,
  { eab, fetchEab }: Pick<IssueTools, "eab" | "fetchEab">,
): readonly Finding[] {
  const hasBinding = eab !== undefined || fetchEab !== undefined;
  const facts = { isRegistered: account?.url !== undefined, hasBinding };
  return unmetDemands(request, facts).map((problem) => findingOf(problem));
}

/** When the CA asks for renewal, as far as its preset knows. */
export function renewalNotes({ issuer }: CertificateRequest): readonly string[] {
  const { renewal } = presetOf(issuer.server) ?? {};
  if (renewal === undefined) return [];
  const [left, short, width] = [renewal.left, renewal.leftOfShort, renewal.width].map(
    (part) => `${Math.round(part * 100)} %`,
  );
  return [
    `${caName(issuer.server)} asks for renewal when about ${left} of the lifetime is left (${short} below ten days), in a window of ${width} of the lifetime`,
  ];
}

/** Account and profile, as the CA's directory and its answer about the account show. */
export async function checkCa(
  request: CertificateRequest,
  directory: Directory,
  account: StoredAccount | undefined,
  tools: IssueTools,
): Promise<readonly Finding[]> {
  return [
    ...profileFaults(request, directory),
    ...(account?.url === undefined
      ? registrationFaults(request, directory, tools)
      : await accountFaults(account, tools)),
  ];
}

function profileFaults(
  { profile, profileRequired, issuer }: CertificateRequest,
  { meta }: Directory,
): readonly Finding[] {
  if (profile === undefined || Object.hasOwn(meta.profiles, profile)) return [];
  const offered = Object.keys(meta.profiles);
  if (offered.length > 0) {
    const detail = `${caName(issuer.server)} does not offer the profile "${profile}".`;
    return [
      finding(
        "error",
        undefined,
        detail,
        `Choose one of these with --profile: ${offered.join(", ")}.`,
      ),
    ];
  }
  const detail = `${caName(issuer.server)} offers no profiles, and "${profile}" was asked for.`;
  return profileRequired === true
    ? [finding("error", undefined, detail, "Leave --required-profile out, or choose another CA.")]
    : [finding("warning", undefined, `${detail} It is left out.`, "Leave --profile out.")];
}

/** What a new account needs (RFC 8555 §7.3.3, §7.3.4). */
function registrationFaults(
  { issuer }: CertificateRequest,
  { meta }: Directory,
  { eab, fetchEab }: IssueTools,
): readonly Finding[] {
  return [
    ...(meta.termsOfService !== undefined && !issuer.agreeTos
      ? [
          finding(
            "error",
            undefined,
            `A new account must agree to the terms of service of ${caName(issuer.server)}: ${meta.termsOfService}`,
            "Read them, then add --agree-tos.",
          ),
        ]
      : []),
    ...(meta.externalAccountRequired &&
    (eab ?? fetchEab) === undefined &&
    presetOf(issuer.server)?.demands?.binding === undefined
      ? [
          finding(
            "error",
            undefined,
            `${caName(issuer.server)} registers accounts only with an external account binding (EAB).`,
            "Get a key id and an HMAC key from the CA's website, then give --eab-kid and --eab-hmac.",
          ),
        ]
      : []),
  ];
}

/** The CA is asked for the account: its key may be unknown there, or the account deactivated. */
async function accountFaults(
  account: StoredAccount,
  { ca, signal }: IssueTools,
): Promise<readonly Finding[]> {
  try {
    const { status } = await ca.session(signerOf(account.key), account.url).read(signal);
    if (status === "valid") return [];
    const detail = `The account ${account.url} is ${status}.`;
    return [
      finding(
        "error",
        undefined,
        detail,
        "Register a new one: acmectl account register --reregister.",
      ),
    ];
  } catch (error) {
    signal.throwIfAborted();
    return [findingOf(error, { severity: "error" })];
  }
}

/** The clock of this machine against the CA's Date header. */
export function checkClock({ ca }: Pick<IssueTools, "ca">): readonly Finding[] {
  if (Math.abs(ca.clockSkew) <= largestSkew) return [];
  const text = skewText(ca.clockSkew, ca.url);
  const detail = `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
  const remedy = "Set the clock, and check its time synchronization (timedatectl status).";
  return [finding("warning", undefined, detail, remedy)];
}
