import type { IncomingHttpHeaders } from "node:http";
import { isRecord, parseJson } from "../../json.ts";

/** The kinds of resource, by which faults and records name requests; `unknown` is any other path. */
export type ResourceKind =
  | "directory"
  | "newNonce"
  | "newAccount"
  | "newOrder"
  | "keyChange"
  | "revokeCert"
  | "renewalInfo"
  | "account"
  | "orders"
  | "order"
  | "finalize"
  | "authz"
  | "challenge"
  | "certificate"
  | "unknown";

/** One request that reached the CA, for tests that count and look. */
export interface RequestRecord {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly kind: ResourceKind;
  readonly headers: IncomingHttpHeaders;
  /** The decoded protected header of the JWS; absent for a GET and for a body that is not a JWS. */
  readonly protected: Readonly<Record<string, unknown>> | undefined;
  /** The decoded payload: an object, "" for POST-as-GET, or absent. */
  readonly payload: unknown;
  readonly time: Date;
  /** What was answered; undefined before the answer, or when the connection was killed. */
  status: number | undefined;
}

/** Decodes as much of a body as can be decoded, verifying nothing. */
export function decodeBody(body: string): Pick<RequestRecord, "protected" | "payload"> {
  const jws = parseJson(body);
  if (!isRecord(jws)) return { protected: undefined, payload: undefined };
  const header = decode(jws["protected"]);
  return { protected: isRecord(header) ? header : undefined, payload: decode(jws["payload"]) };
}

function decode(part: unknown): unknown {
  if (typeof part !== "string") return undefined;
  return part === "" ? "" : parseJson(Buffer.from(part, "base64url").toString());
}
