import { randomBytes, type KeyObject } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Authority } from "./authority/authority.ts";
import type { Identifier, ProblemJson } from "./acme-problem.ts";
import type { RenewalInfo, Settings } from "./options.ts";

export interface Account {
  readonly id: string;
  key: KeyObject;
  thumbprint: string;
  status: "valid" | "deactivated";
  contact: readonly string[];
  termsOfServiceAgreed: boolean;
  readonly externalAccountBinding: unknown;
  readonly orders: Order[];
}

export interface Challenge {
  readonly id: string;
  readonly account: Account;
  readonly authorization: Authorization;
  readonly type: string;
  readonly token: string;
  status: "pending" | "processing" | "valid" | "invalid";
  validated?: Date;
  error?: ProblemJson;
}

export interface Authorization {
  readonly id: string;
  readonly account: Account;
  /** For a wildcard the name without `*.`. */
  readonly identifier: Identifier;
  readonly wildcard: boolean;
  readonly challenges: Challenge[];
  status: "pending" | "valid" | "invalid" | "deactivated";
  expires: Date;
}

export interface Order {
  readonly id: string;
  readonly account: Account;
  readonly identifiers: readonly Identifier[];
  readonly authorizations: readonly Authorization[];
  readonly profile: string;
  readonly expires: Date;
  readonly replaces: string | undefined;
  readonly notBefore: Date | undefined;
  readonly notAfter: Date | undefined;
  processing: boolean;
  error?: ProblemJson;
  certificate?: IssuedCertificate;
}

export interface IssuedCertificate {
  readonly id: string;
  /** RFC 9773 §4.1. */
  readonly renewalId: string;
  readonly account: Account;
  readonly identifiers: readonly Identifier[];
  readonly der: Buffer;
  /** See `publicKeyText`. */
  readonly publicKey: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** PEM chains of the same leaf, the default one first. */
  readonly chains: readonly string[];
  revoked?: { readonly at: Date; readonly reason: number };
  replacedBy?: Order;
}

interface Start {
  /** `https://host:port`, without a path. */
  readonly base: string;
  readonly settings: Settings;
  readonly authority: Authority;
  /** Aborted when the CA closes. */
  readonly signal: AbortSignal;
}

export type State = ReturnType<typeof createState>;

export function createState(start: Start) {
  return {
    ...start,
    nonces: createNonces(start.settings.badNonceRate),
    accounts: new Map<string, Account>(),
    orders: new Map<string, Order>(),
    authorizations: new Map<string, Authorization>(),
    challenges: new Map<string, Challenge>(),
    certificates: new Map<string, IssuedCertificate>(),
    renewalInfo: new Map<string, RenewalInfo>(),
    /** Public keys revoked for keyCompromise; see `publicKeyText`. */
    compromised: new Set<string>(),
    /** How often a Retry-After was sent. */
    retriesAsked: 0,
  };
}

/** The account URL, which is also the `kid`. */
export function accountUrl(state: State, account: Account): string {
  return `${state.base}/account/${account.id}`;
}

/** What account URIs in records of dns-persist-01 begin with. */
export function hashPrefixOf(state: State): string {
  return `${state.base}/account-hash/`;
}

/** Does the work within the request, or in the background where the CA is asynchronous. */
export async function nowOrLater(state: State, work: () => Promise<void>): Promise<void> {
  const { asynchronous } = state.settings;
  if (asynchronous === undefined) return work();
  const later = sleep(asynchronous.delay, undefined, { signal: state.signal, ref: false });
  void later.then(work, () => undefined);
}

export function newId(): string {
  return randomBytes(12).toString("base64url");
}

/** RFC 3339, whole seconds, as CAs write it. */
export function timestamp(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, "Z");
}

/** DER SubjectPublicKeyInfo, base64. */
export function publicKeyText(key: KeyObject): string {
  return key.export({ format: "der", type: "spki" }).toString("base64");
}

/** The order's status (RFC 8555 §7.1.6), which follows from its authorizations until it is finalized. */
export function orderStatus(state: State, order: Order): string {
  if (order.error !== undefined) return "invalid";
  if (order.certificate !== undefined) return "valid";
  if (order.processing) return "processing";
  if (order.expires <= state.settings.now()) return "invalid";
  const statuses = order.authorizations.map((each) => authorizationStatus(state, each));
  if (statuses.every((status) => status === "valid")) return "ready";
  return statuses.every((status) => status === "valid" || status === "pending")
    ? "pending"
    : "invalid";
}

/** The authorization's status, `expired` after its date. */
export function authorizationStatus(state: State, authorization: Authorization): string {
  const { status, expires } = authorization;
  const alive = status === "valid" || status === "pending";
  return alive && expires <= state.settings.now() ? "expired" : status;
}

const remembered = 20_000;

/** A pool of anti-replay nonces (RFC 8555 §6.5) that drops its oldest ones, as CAs do. */
function createNonces(badNonceRate: number) {
  const fresh = new Set<string>();
  return {
    issue() {
      const nonce = randomBytes(16).toString("base64url");
      fresh.add(nonce);
      const [oldest = ""] = fresh;
      if (fresh.size > remembered) fresh.delete(oldest);
      return nonce;
    },
    /** True once for each nonce that was issued here; a share of `badNonceRate` is rejected anyway. */
    redeem: (nonce: string) => fresh.delete(nonce) && Math.random() >= badNonceRate,
  };
}

/** A Retry-After header, in turn in seconds and as an HTTP-date (RFC 9110 §10.2.3), as CAs do either. */
export function retryAfter(state: State): Record<string, string> {
  const seconds = state.settings.asynchronous?.retryAfter ?? 1;
  state.retriesAsked += 1;
  if (state.retriesAsked % 2 === 1) return { "retry-after": String(seconds) };
  const at = new Date(state.settings.now().getTime() + seconds * 1000);
  return { "retry-after": at.toUTCString() };
}
