import { randomBytes, type KeyObject } from "node:crypto";
import type { Authority } from "./authority/authority.ts";
import type { Identifier, ProblemJson } from "./acme-problem.ts";
import type { Jwk } from "./signed/jwk.ts";
import type { Profile, RenewalInfo } from "./types.ts";

/** The options of the CA after defaults. */
export interface Settings {
  readonly httpPort: number;
  readonly tlsPort: number;
  readonly resolver: string | undefined;
  readonly eab: Readonly<Record<string, string>>;
  readonly requireEab: boolean;
  readonly profiles: Readonly<Record<string, Profile>>;
  readonly termsOfService: string | undefined;
  readonly authorizationReuse: number;
  /** Milliseconds that validation and issuance take, and the Retry-After that goes with them; absent: both are done within the request. */
  readonly asynchronous: { readonly delay: number; readonly retryAfter: number } | undefined;
  readonly now: () => Date;
  readonly log: (line: string) => void;
}

export interface Account {
  readonly id: string;
  jwk: Jwk;
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
  /** DER SubjectPublicKeyInfo, base64. */
  readonly publicKey: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** PEM chains of the same leaf, the default one first. */
  readonly chains: readonly string[];
  revoked?: { readonly at: Date; readonly reason: number };
  replacedBy?: Order;
}

/** Everything that the CA remembers. */
export interface State {
  /** `https://host:port`, without a path. */
  readonly base: string;
  readonly settings: Settings;
  readonly authority: Authority;
  readonly nonces: Nonces;
  /** Aborted when the CA closes. */
  readonly signal: AbortSignal;
  readonly accounts: Map<string, Account>;
  readonly orders: Map<string, Order>;
  readonly authorizations: Map<string, Authorization>;
  readonly challenges: Map<string, Challenge>;
  readonly certificates: Map<string, IssuedCertificate>;
  readonly renewalInfo: Map<string, RenewalInfo>;
  /** Public keys revoked for keyCompromise, base64 SubjectPublicKeyInfo. */
  readonly compromised: Set<string>;
}

/** A random id. */
export function newId(): string {
  return randomBytes(12).toString("base64url");
}

/** RFC 3339, whole seconds, as CAs write it. */
export function timestamp(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, "Z");
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

/** Anti-replay nonces (RFC 8555 §6.5). */
export interface Nonces {
  issue(): string;
  /** True once for each nonce that was issued here; a share of `badNonceRate` is rejected anyway. */
  redeem(nonce: string): boolean;
}

const remembered = 20_000;

/** A pool that drops its oldest nonces, as CAs do. */
export function createNonces(badNonceRate: number): Nonces {
  const fresh = new Set<string>();
  return {
    issue() {
      const nonce = randomBytes(16).toString("base64url");
      fresh.add(nonce);
      if (fresh.size > remembered) {
        for (const oldest of fresh) {
          fresh.delete(oldest);
          break;
        }
      }
      return nonce;
    },
    redeem: (nonce) => fresh.delete(nonce) && Math.random() >= badNonceRate,
  };
}
