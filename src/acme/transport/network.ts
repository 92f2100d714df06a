/** Why a connection failed, in words that say where to look. */
import { Problem } from "../../problem.ts";
import type { Dialing, Limits } from "./connections.ts";
import { untrustedIssuer } from "./tls.ts";
import { proxyFor } from "../../proxy.ts";
import { printable } from "../text.ts";
import { dateOf } from "../../dates.ts";
import { codeOf, messageOf } from "../../errors.ts";

export interface Circumstances {
  readonly request: { readonly method: string; readonly url: string };
  readonly limits: Limits;
  readonly dialing: Dialing;
  /** True when the total time limit ended the request. */
  readonly overdue: boolean;
}

/** What happened, and what to do about it. */
type Cause = readonly [what: string, hint: string];

/** A `network` Problem for what undici, TLS or the socket threw. */
export function networkProblem(error: unknown, circumstances: Circumstances): Problem {
  const code = codeOf(error);
  const { method, url } = circumstances.request;
  const { host } = new URL(url);
  const [what, hint] =
    timedOut(code, circumstances) ??
    untrustedPeer(error, code) ??
    proxyRefused(code, proxyFor(circumstances.dialing.env, url)) ??
    handshakeFailed(error, code) ??
    known[code] ??
    (isOfHttp2(code) ? cut : unknown(error));
  const technical = [`${method} ${url}`, ...(code === "" ? [] : [code + addressOf(error)])];
  return new Problem("network", {
    detail: `${host}: ${what} (${technical.join(", ")}).`,
    hint: hint.replaceAll("HOST", host).replace("NOW", dateOf(new Date())),
    fromCa: true,
    cause: error,
  });
}

/** True for what the language itself throws; errors of Node.js and of undici have a code. */
export function isBug(error: unknown): boolean {
  return (error instanceof TypeError || error instanceof ReferenceError) && codeOf(error) === "";
}

/** True for a network Problem that may be gone a second later. A timeout is not: it has waited long enough. */
export function isPassing(problem: Problem): boolean {
  const code = codeOf(problem.cause);
  return problem.is("network") && (passing.has(code) || isOfHttp2(code));
}

/** What Node.js says of a session or a stream that ended early. */
const isOfHttp2 = (code: string) => code.startsWith("ERR_HTTP2_");
const passing = new Set(["ECONNRESET", "ECONNREFUSED", "EPIPE", "EAI_AGAIN", "UND_ERR_SOCKET"]);

const cut: Cause = [
  "the connection was cut",
  "Try again later, and look at the CA's status page. If the CA requires a client certificate (mTLS), give --client-cert FILE and --client-key FILE of one that it accepts.",
];
const wrongClock = "Check this host's clock first: it is set to NOW.";
const unreachable = "Check routing and firewall of this host.";

const known: Readonly<Partial<Record<string, Cause>>> = {
  ENOTFOUND: [
    "the name does not exist in the DNS",
    "Check the spelling of the server URL, and this host's DNS resolver.",
  ],
  EAI_AGAIN: ["the name could not be looked up", "Check this host's DNS resolver."],
  ECONNREFUSED: [
    "the connection was refused; nothing listens there",
    "Check that the server runs, and the port in its URL.",
  ],
  ECONNRESET: cut,
  UND_ERR_SOCKET: cut,
  EPIPE: cut,
  EHOSTUNREACH: ["no route to that host", unreachable],
  ENETUNREACH: ["no route to that network", unreachable],
  CERT_HAS_EXPIRED: ["its TLS certificate has expired", wrongClock],
  CERT_NOT_YET_VALID: ["its TLS certificate is not valid yet", wrongClock],
  HPE_INVALID_CONSTANT: ["the server does not speak HTTP", "Check the port in the server URL."],
};

function timedOut(code: string, { overdue, limits, request }: Circumstances): Cause | undefined {
  const noConnection = `no connection within ${seconds(limits.connect)}`;
  const silent = request.method === "POST" ? limits.total : limits.idle;
  const timeouts: Readonly<Partial<Record<string, string>>> = {
    UND_ERR_CONNECT_TIMEOUT: noConnection,
    ETIMEDOUT: noConnection,
    UND_ERR_HEADERS_TIMEOUT: `no answer within ${seconds(silent)}`,
    UND_ERR_BODY_TIMEOUT: `the answer stopped for ${seconds(limits.idle)}`,
  };
  const what = overdue ? `no complete answer within ${seconds(limits.total)}` : timeouts[code];
  const hint = "Check the firewall and proxy of this host, and the CA's status page.";
  return what === undefined ? undefined : [what, hint];
}

function untrustedPeer(error: unknown, code: string): Cause | undefined {
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return [
      `its TLS certificate is for another name${namesOf(error)}`,
      "Check the server URL; an intercepting proxy can cause this too.",
    ];
  }
  if (!verification.has(code)) return undefined;
  const issuer = untrustedIssuer(error);
  return [
    `its TLS certificate is not trusted${issuer ? ` (issuer: ${printable(issuer, 200)})` : ""}`,
    "For a private CA, give its root certificate: --ca-bundle FILE. For a public CA, look for a proxy that intercepts the connection.",
  ];
}

const verification = new Set([
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "CERT_SIGNATURE_FAILURE",
  "CERT_UNTRUSTED",
  "CERT_REJECTED",
  "INVALID_CA",
  "INVALID_PURPOSE",
]);

/** undici reports a proxy's refusal as an aborted request. */
function proxyRefused(code: string, uri: string | undefined): Cause | undefined {
  if (uri === undefined) return undefined;
  const proxy = new URL(uri).host;
  if (code === "UND_ERR_ABORTED") {
    return [
      `the proxy ${proxy} refused to connect there`,
      "Check HTTPS_PROXY (user and password in the URL, if the proxy asks for them), or add HOST to NO_PROXY.",
    ];
  }
  if (code !== "ECONNREFUSED" && code !== "ENOTFOUND") return undefined;
  return [`not reached through the proxy ${proxy}`, "Check HTTPS_PROXY, or add HOST to NO_PROXY."];
}

/** OpenSSL's message is a line for its developers, with a number that identifies the failure. */
function handshakeFailed(error: unknown, code: string): Cause | undefined {
  if (code !== "EPROTO" && !code.startsWith("ERR_SSL_")) return undefined;
  const [, number = "", reason = ""] =
    /error:(\w{8}):[^:]*:[^:]*:([^:]*)/.exec(messageOf(error)) ?? [];
  if (number === wrongVersion || code === "ERR_SSL_WRONG_VERSION_NUMBER") {
    return ["the server does not speak TLS", "Check the port in the server URL; ACME needs https."];
  }
  return [
    `the TLS handshake failed${reason === "" ? "" : `: ${printable(reason, 80)}`}`,
    /certificate required|bad certificate|handshake failure|certificate unknown/i.test(reason)
      ? "If the CA requires a client certificate (mTLS), give --client-cert FILE and --client-key FILE of one that it accepts. Otherwise check the port in the server URL."
      : "Check the port in the server URL, and look for a proxy between this host and the CA.",
  ];
}

/** SSL_R_WRONG_VERSION_NUMBER of OpenSSL's SSL library: the first bytes are of another protocol. */
const wrongVersion = "0A00010B";

function namesOf(error: unknown): string {
  const certificate = member(error, "cert");
  const names = member(certificate, "subjectaltname");
  return typeof names === "string" ? ` (${printable(names, 200)})` : "";
}

function unknown(error: unknown): Cause {
  const text = printable(messageOf(error), 200);
  const said = text === "" || text.includes("aborted") ? "" : `: ${text}`;
  return [`the connection failed${said}`, "Check the network between this host and the CA."];
}

/** Where a connection was tried. */
function addressOf(error: unknown): string {
  const one: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const address = member(one, "address");
  const port = member(one, "port");
  return typeof address === "string" && typeof port === "number"
    ? ` at ${address}, port ${port}`
    : "";
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

function seconds(milliseconds: number): string {
  return `${milliseconds / 1000} s`;
}
