import { isIP } from "node:net";
import { domainToUnicode } from "node:url";
import { isRecord } from "../../json.ts";
import { json, type Answer } from "../server/answer.ts";
import { AcmeProblem, canonicalAddress, demand, type Identifier } from "../acme-problem.ts";
import { authorizationFor } from "./authorizations.ts";
import { demandPostAsGet, own, payloadOf, signer, type SignedRequest } from "../signed/request.ts";
import { orderStatus, newId, timestamp, type Order, type State, retryAfter } from "../state.ts";
import { checkReplaces } from "./certificates.ts";

const lifetime = 7 * 24 * 3_600_000;

/** newOrder (RFC 8555 §7.4), with the profile of the profiles draft and `replaces` of RFC 9773 §5. */
export function newOrder(state: State, request: SignedRequest): Answer {
  const payload = payloadOf(request);
  const account = signer(request);
  const { notBefore, notAfter } = payload;
  const dated = notBefore !== undefined || notAfter !== undefined;
  demand(
    !dated || state.settings.dates,
    "notBefore and notAfter are not supported; choose a profile.",
  );
  const identifiers = readIdentifiers(payload["identifiers"]);
  const profile = chooseProfile(state, payload["profile"]);
  const predecessor = checkReplaces(state, account, identifiers, payload["replaces"]);
  const order: Order = {
    id: newId(),
    account,
    identifiers,
    authorizations: identifiers.map((each) => authorizationFor(state, account, each)),
    profile,
    expires: new Date(state.settings.now().getTime() + lifetime),
    replaces: predecessor?.renewalId,
    notBefore: dateOf(notBefore),
    notAfter: dateOf(notAfter),
    processing: false,
  };
  if (predecessor !== undefined) predecessor.replacedBy = order;
  state.orders.set(order.id, order);
  account.orders.push(order);
  return orderAnswer(state, order, 201);
}

function dateOf(value: unknown): Date | undefined {
  if (value === undefined) return undefined;
  const date = new Date(typeof value === "string" ? value : Number.NaN);
  demand(!Number.isNaN(date.getTime()), "notBefore and notAfter must be dates (RFC 3339).");
  return date;
}

export function order(state: State, request: SignedRequest): Answer {
  const mine = own(state.orders, request, "order");
  demandPostAsGet(request);
  return orderAnswer(state, mine, 200);
}

/** The order object of §7.1.3 with its Location, and a Retry-After while it is processing. */
export function orderAnswer(state: State, order: Order, status: number): Answer {
  const url = `${state.base}/order/${order.id}`;
  const { certificate } = order;
  const body = {
    status: orderStatus(state, order),
    expires: timestamp(order.expires),
    identifiers: order.identifiers,
    profile: order.profile,
    replaces: order.replaces,
    authorizations: order.authorizations.map((each) => `${state.base}/authz/${each.id}`),
    finalize: `${url}/finalize`,
    error: order.error,
    certificate: certificate && `${state.base}/certificate/${certificate.id}`,
  };
  const wait = order.processing ? retryAfter(state) : {};
  return json(status, body, { location: url, ...wait });
}

function chooseProfile(state: State, asked: unknown): string {
  const names = Object.keys(state.settings.profiles);
  if (asked === undefined) return names[0] ?? "";
  const profile = names.find((name) => name === asked);
  const detail = `The profile ${JSON.stringify(asked)} is not offered; these are: ${names.join(", ")}.`;
  demand(profile !== undefined, detail, "invalidProfile");
  return profile;
}

const mostIdentifiers = 100;

/** Reads the identifiers of a newOrder: lower-cased, without duplicates, sorted, all bad ones named at once (§6.7.1). */
function readIdentifiers(value: unknown): readonly Identifier[] {
  demand(Array.isArray(value) && value.length > 0, "The order has no identifiers.");
  const identifiers = unique(value.map(readIdentifier));
  const { length } = identifiers;
  const detail = `The order has ${length} identifiers; at most ${mostIdentifiers} are accepted.`;
  demand(length <= mostIdentifiers, detail, "rejectedIdentifier");
  const refused = identifiers.map(refusal).filter((problem) => problem !== undefined);
  if (refused.length > 0) throw summary(refused);
  return identifiers;
}

function readIdentifier(value: unknown): Identifier {
  demand(isRecord(value), "An identifier is not an object.");
  const { type, value: name } = value;
  const isWhole = typeof type === "string" && typeof name === "string";
  demand(isWhole, "An identifier lacks type or value.");
  return { type, value: name.toLowerCase() };
}

function unique(identifiers: readonly Identifier[]): Identifier[] {
  const byText = new Map(identifiers.map((each) => [`${each.type} ${each.value}`, each]));
  return [...byText.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}

function summary(problems: readonly AcmeProblem[]): AcmeProblem {
  const [first, ...others] = problems;
  if (first !== undefined && others.length === 0) return first;
  const types = new Set(problems.map((problem) => problem.json.type));
  const type = types.size === 1 ? String(first?.json.type.split(":").at(-1)) : "compound";
  return new AcmeProblem(type, `${problems.length} identifiers are refused.`, {
    // A subproblem has no HTTP status (RFC 8555 §6.7.1).
    subproblems: problems.map(({ json }) => ({ ...json, status: undefined })),
  });
}

function refusal(identifier: Identifier): AcmeProblem | undefined {
  const { type, value } = identifier;
  if (type !== "dns" && type !== "ip") {
    const detail = `Identifiers of type ${type} are not supported.`;
    return new AcmeProblem("unsupportedIdentifier", detail, { identifier });
  }
  const why = type === "ip" ? faultOfAddress(value) : faultOfName(value);
  if (why === undefined) return undefined;
  return new AcmeProblem("rejectedIdentifier", `"${value}" ${why}.`, { identifier });
}

function faultOfAddress(value: string): string | undefined {
  if (isIP(value) === 0 || value.includes("%")) return "is not an IP address";
  const canonical = canonicalAddress(value);
  return canonical === value ? undefined : `is not canonical; write ${canonical} (RFC 5952)`;
}

function faultOfName(value: string): string | undefined {
  if (isIP(value) !== 0) return "is an IP address, not a DNS name";
  const name = value.startsWith("*.") ? value.slice(2) : value;
  if (name.includes("*")) return "has a wildcard that is not the whole left-most label";
  if (name.length > 253) return "is longer than 253 characters";
  const labels = name.split(".");
  if (/^\d+$/.test(labels.at(-1) ?? "")) return "ends in a number";
  return labels.map(faultOfLabel).find((fault) => fault !== undefined);
}

function faultOfLabel(label: string): string | undefined {
  if (label === "") return "has an empty label";
  if (label.length > 63) return "has a label longer than 63 characters";
  if (!/^[a-z0-9-]+$/.test(label)) return `has characters that are not allowed in "${label}"`;
  if (label.startsWith("-") || label.endsWith("-"))
    return `has "${label}", which begins or ends with a hyphen`;
  if (label.slice(2, 4) !== "--") return undefined;
  const unicode = label.startsWith("xn--") ? domainToUnicode(label) : "";
  return unicode === "" || unicode === label
    ? `has "${label}", which is not a valid A-label`
    : undefined;
}
