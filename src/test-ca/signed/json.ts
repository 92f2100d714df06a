import { demand } from "../acme-problem.ts";

/** True for an object that is neither null nor a list. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** True for base64url without padding (RFC 8555 §6.1), the only form that a server may accept. */
export function isBase64url(value: unknown): value is string {
  return typeof value === "string" && /^[A-Za-z0-9_-]+$/.test(value) && value.length % 4 !== 1;
}

/** Parses a JSON object; refuses anything else as malformed, naming `what`. */
export function parseObject(text: string, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  demand(isRecord(value), `${what} is not a JSON object.`);
  return value;
}
