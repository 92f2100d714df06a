/** What solvers do with credentials: check them, and get access tokens for them by OAuth 2.0 (RFC 6749). */
import { Problem } from "../problem.ts";
import { fieldOf, needText } from "./json.ts";
import { Refusal } from "./refusal.ts";
import { requestJson } from "./request.ts";
import type { JsonRequest, RequestSettings } from "./request.ts";

/** A Problem about options that are missing, wrong or contradict each other. */
export function misconfigured(solver: string, what: string, hint: string): Problem {
  return new Problem("config", { detail: `Solver ${solver}: ${what}`, hint });
}

/** The value, if it can be sent in a header. The HTTP library would refuse anything else with the secret in its message. */
export function printable(solver: string, option: string, value: string): string {
  if (/^[\x21-\x7e]+$/.test(value)) return value;
  throw misconfigured(
    solver,
    `${option} ${value === "" ? "is empty" : "contains a space, a line break or another character that no credential has"}`,
    "Copy the whole value again, without anything around it; in a file it is alone on the first line.",
  );
}

export interface AccessToken {
  readonly value: string;
  /** Milliseconds since 1970. */
  readonly expires: number;
}

/** Milliseconds before its end at which a token is renewed. */
const margin = 120_000;

/** One token for all calls, renewed two minutes before it ends. */
export function keepToken(
  renew: (signal: AbortSignal) => Promise<AccessToken>,
): (signal: AbortSignal) => Promise<string> {
  // On a clock that is never set: a token is not good for longer because the time was set back.
  let kept: { readonly token: Promise<AccessToken>; expires: number } | undefined;
  const renewed = (signal: AbortSignal) => {
    const entry = { token: renew(signal), expires: Number.POSITIVE_INFINITY };
    entry.token.then(
      ({ expires }) => (entry.expires = performance.now() + expires - Date.now()),
      () => (kept = undefined),
    );
    return entry;
  };
  return async (signal) => {
    if (kept === undefined || kept.expires - margin < performance.now()) kept = renewed(signal);
    return (await kept.token).value;
  };
}

/** The token that a token endpoint gives for a grant. */
export async function grantedToken(
  url: string,
  grant: Readonly<Record<string, string>>,
  settings: RequestSettings,
): Promise<AccessToken> {
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const body = new URLSearchParams(grant).toString();
  return tokenIn(await requestJson({ url, method: "POST", headers, body }, settings));
}

/** The token in an answer: some say when it ends, others how long it lasts. */
export function tokenIn(answer: unknown): AccessToken {
  const value = needText(answer, "access_token");
  const [until, lasts] = [numberIn(answer, "expires_on"), numberIn(answer, "expires_in")];
  const expires = until === undefined ? Date.now() + (lasts ?? 300) * 1_000 : until * 1_000;
  return { value, expires };
}

function numberIn(answer: unknown, name: string): number | undefined {
  const value = Number(fieldOf(answer, name) ?? Number.NaN);
  return Number.isFinite(value) ? value : undefined;
}

/** A JSON Web Token (RFC 7519). */
export function signedToken(
  header: object,
  claims: object,
  sign: (text: Buffer) => Buffer,
): string {
  const text = [header, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".");
  return `${text}.${sign(Buffer.from(text)).toString("base64url")}`;
}

/** True if a cloud's metadata service answers, whatever it says; on other machines nothing answers in time. */
export async function hasAnswer(
  request: JsonRequest,
  { vendor, signal }: Pick<RequestSettings, "vendor" | "signal">,
): Promise<boolean> {
  try {
    await requestJson(request, { vendor, signal, retries: 0, timeout: 2_000 });
    return true;
  } catch (error) {
    signal.throwIfAborted();
    return error instanceof Refusal && error.status !== undefined;
  }
}
