import type { ExternalAccountBinding } from "../acme/acme.ts";
import { beginningOf } from "../body.ts";
import { messageOf } from "../errors.ts";
import { isRecord, parseJson } from "../json.ts";
import type { Log } from "../plugin.ts";
import { Problem } from "../problem.ts";
import { fetchByProxy } from "../proxy.ts";

/** Where ZeroSSL hands out bindings (zerossl.com/documentation/acme). */
const zerosslApi = "https://api.zerossl.com/acme/eab-credentials";

/** Whose binding: of a ZeroSSL account by its API key, or of an email address. */
export type Owner = { readonly apiKey: string } | { readonly email: string };

interface Tools {
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly mask: (secret: string) => void;
}

/** A new external account binding. ZeroSSL answers a refusal with status 200 and `success: false`. */
export async function fetchBinding(
  owner: Owner,
  { log, signal, mask }: Tools,
  api: string = zerosslApi,
): Promise<ExternalAccountBinding> {
  const isByKey = "apiKey" in owner;
  const whose = isByKey ? "an API key" : owner.email;
  log.info(`getting an external account binding from ZeroSSL for ${whose}`, { step: "account" });
  const answer = isByKey
    ? await post(`${api}?access_key=${encodeURIComponent(owner.apiKey)}`, undefined, signal)
    : await post(`${api}-email`, new URLSearchParams({ email: owner.email }), signal);
  const { success, eab_kid: kid, eab_hmac_key: hmacKey } = answer;
  const isGiven = success === true || success === 1;
  if (isGiven && typeof kid === "string" && typeof hmacKey === "string") {
    mask(hmacKey);
    return { kid, hmacKey };
  }
  throw new Problem("refused", {
    title: "ZeroSSL gave no external account binding",
    detail: `ZeroSSL refused to give an external account binding for ${whose}: ${reasonIn(answer)}.`,
    hint: isByKey
      ? "Check the API key in the developer section of zerossl.com."
      : "Check --email, or take key id and HMAC key from zerossl.com: --eab-kid and --eab-hmac.",
  });
}

/** Milliseconds. */
const timeout = 30_000;

async function post(url: string, body: URLSearchParams | undefined, signal: AbortSignal) {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(timeout)]);
  try {
    const form = body === undefined ? {} : { body };
    const request = { method: "POST", redirect: "error", signal: limited, ...form } as const;
    const answer = await fetchByProxy(url, request);
    const { bytes } = await beginningOf(answer.body, 65_536);
    const read = parseJson(bytes.toString());
    return isRecord(read) ? read : { error: { type: `HTTP ${answer.status}` } };
  } catch (cause) {
    signal.throwIfAborted();
    throw new Problem("network", {
      detail: `${new URL(url).host}: the external account binding could not be requested: ${messageOf(innermost(cause))}.`,
      hint: "Try again later, or take key id and HMAC key from zerossl.com: --eab-kid and --eab-hmac.",
      fromCa: true,
      cause,
    });
  }
}

/** `fetch` itself says "fetch failed" whatever happened. */
const innermost = (error: unknown) => (error instanceof Error && error.cause) || error;

function reasonIn({ error }: Readonly<Record<string, unknown>>): string {
  const { type, code } = isRecord(error) ? error : {};
  const shown = [type, code].filter((one) => typeof one === "string" || typeof one === "number");
  return shown.join(", ") || "no reason was given";
}
