import { type KeyObject } from "node:crypto";
/** A flattened JWS (RFC 7515 §7.2.2), decoded but not yet verified. */
export interface Jws {
  readonly header: Record<string, unknown>;
  /** Decoded; "" for POST-as-GET. */
  readonly payload: string;
  readonly signed: string;
  readonly signature: Buffer;
}
/** Parses what RFC 8555 §6.2 allows and refuses every other serialization. */
export declare function parseJws(text: string): Jws;
/** The same for a JWS that is inside of another one's payload. */
export declare function readJws(body: Record<string, unknown>): Jws;
/** Throws unless the key made the signature with the algorithm that its type asks for. */
export declare function verifyJws(jws: Jws, key: KeyObject): void;
/** True for base64url without padding (RFC 8555 §6.1), the only form that a server may accept. */
export declare function isBase64url(value: unknown): value is string;
/** Parses a JSON object; refuses anything else as malformed, naming `what`. */
export declare function parseObject(text: string, what: string): Record<string, unknown>;
