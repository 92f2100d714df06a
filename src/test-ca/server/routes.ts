import { randomBytes } from "node:crypto";
import { account, keyChange, newAccount, orders } from "../resources/accounts.ts";
import { json, type Answer } from "./answer.ts";
import { authz } from "../resources/authorizations.ts";
import { certificate, renewalInfo, revokeCert } from "../resources/certificates.ts";
import { challenge } from "../resources/challenges.ts";
import { finalize } from "../resources/finalize.ts";
import { demandPostAsGet, type SignedBy, type SignedRequest } from "../signed/request.ts";
import { newOrder, order } from "../resources/orders.ts";
import { hashPrefixOf, type State } from "../state.ts";
import { issuerDomainNames } from "../validation/account-dns.ts";
import type { ResourceKind } from "./faults.ts";

type SignedHandler = (state: State, request: SignedRequest) => Answer | Promise<Answer>;

/** How a resource is reached: by a plain GET, or by a signed POST. */
export interface Route {
  readonly kind: ResourceKind;
  readonly path: RegExp;
  readonly get?: (state: State, id: string, method: string) => Answer;
  readonly post?: { readonly signedBy: SignedBy; readonly handle: SignedHandler };
}

/** The route of a path and what its pattern captured. */
export function routeOf(path: string): { route: Route; ids: readonly string[] } | undefined {
  const [plain = ""] = path.split("?", 1);
  for (const route of routes) {
    const match = route.path.exec(plain);
    if (match !== null) return { route, ids: match.slice(1) };
  }
  return undefined;
}

function byAccount(handle: SignedHandler): NonNullable<Route["post"]> {
  return { signedBy: "kid", handle };
}

/** Directory and newNonce answer to POST-as-GET too (RFC 8555 §6.3). */
function asGet(get: NonNullable<Route["get"]>): NonNullable<Route["post"]> {
  return byAccount((state, request) => {
    demandPostAsGet(request);
    return get(state, "", "GET");
  });
}

/** The directory (RFC 8555 §7.1.1), with a random member, which clients have to ignore. */
function directory(state: State): Answer {
  const { base, settings } = state;
  const { termsOfService, requireEab, profiles } = settings;
  const descriptions = Object.entries(profiles).map(([name, each]) => [name, each.description]);
  const meta = {
    termsOfService,
    externalAccountRequired: requireEab,
    issuerDomainNames,
    accountHashPrefix: hashPrefixOf(state),
    profiles: Object.fromEntries(descriptions),
  };
  return json(200, {
    newNonce: `${base}/new-nonce`,
    newAccount: `${base}/new-account`,
    newOrder: `${base}/new-order`,
    revokeCert: `${base}/revoke-cert`,
    keyChange: `${base}/key-change`,
    renewalInfo: `${base}/renewal-info`,
    meta,
    [randomBytes(8).toString("base64url")]: "Members that are not known are to be ignored.",
  });
}

/** 200 to HEAD and 204 to GET (RFC 8555 §7.2). */
const newNonce = (_: State, __: string, method: string): Answer => ({
  status: method === "HEAD" ? 200 : 204,
  headers: { "cache-control": "no-store" },
});

const routes: readonly Route[] = [
  { kind: "directory", path: /^\/directory$/, get: directory, post: asGet(directory) },
  { kind: "newNonce", path: /^\/new-nonce$/, get: newNonce, post: asGet(newNonce) },
  { kind: "renewalInfo", path: /^\/renewal-info\/([^/]+)$/, get: renewalInfo },
  { kind: "newAccount", path: /^\/new-account$/, post: { signedBy: "jwk", handle: newAccount } },
  { kind: "revokeCert", path: /^\/revoke-cert$/, post: { signedBy: "either", handle: revokeCert } },
  { kind: "keyChange", path: /^\/key-change$/, post: byAccount(keyChange) },
  { kind: "newOrder", path: /^\/new-order$/, post: byAccount(newOrder) },
  { kind: "account", path: /^\/account\/([^/]+)$/, post: byAccount(account) },
  { kind: "orders", path: /^\/account\/([^/]+)\/orders$/, post: byAccount(orders) },
  { kind: "order", path: /^\/order\/([^/]+)$/, post: byAccount(order) },
  { kind: "finalize", path: /^\/order\/([^/]+)\/finalize$/, post: byAccount(finalize) },
  { kind: "authz", path: /^\/authz\/([^/]+)$/, post: byAccount(authz) },
  { kind: "challenge", path: /^\/challenge\/([^/]+)$/, post: byAccount(challenge) },
  {
    kind: "certificate",
    path: /^\/certificate\/([^/]+)(?:\/(\d+))?$/,
    post: byAccount(certificate),
  },
];
