import http from "node:http";
import https from "node:https";
import { isIP } from "node:net";
import { beginningOf } from "../../body.ts";
import { messageOf } from "../../errors.ts";
import { addressesOf, patience, type Validate } from "./dns.ts";
import { AcmeProblem, demand } from "../acme-problem.ts";
import type { Settings } from "../options.ts";

interface Page {
  readonly status: number;
  readonly location: string | undefined;
  readonly body: string;
}

/** http-01 (RFC 8555 §8.3): the body at the well-known path is the key authorization; redirects are followed. */
export const validateHttp: Validate = async (proof, settings, signal) => {
  const { type, value } = proof.identifier;
  const host = type === "ip" && isIP(value) === 6 ? `[${value}]` : value;
  let url = new URL(`http://${host}/.well-known/acme-challenge/${proof.token}`);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(patience)]);
  for (let hop = 0; hop <= mostRedirects; hop += 1) {
    const page = await get(url, settings, limit);
    if (page.location === undefined) return checkPage(page, url, proof.keyAuthorization);
    url = redirect(page.location, url, settings);
  }
  const detail = `More than ${mostRedirects} redirects, the last to ${url.href}.`;
  throw new AcmeProblem("connection", detail);
};

const mostRedirects = 10;
const longestBody = 1024;
const redirects = new Set([301, 302, 303, 307, 308]);

function checkPage(page: Page, url: URL, wanted: string): void {
  const { status, body } = page;
  demand(status === 200, `Invalid response from ${url.href}: ${status}.`, "unauthorized");
  const seen = JSON.stringify(body.slice(0, 120));
  const detail = `The key authorization at ${url.href} is wrong: "${wanted}" was expected, ${seen} received.`;
  demand(body.trimEnd() === wanted, detail, "unauthorized");
}

function redirect(location: string, from: URL, settings: Settings): URL {
  const to = URL.parse(location, from.href);
  demand(to !== null, `Redirect to an invalid URL from ${from.href}.`, "connection");
  const isHttp = ["http:", "https:"].includes(to.protocol);
  demand(isHttp, `Redirect to "${to.protocol}", which is not HTTP.`, "connection");
  const allowed = ["", "80", "443", String(settings.httpPort), String(settings.tlsPort)];
  const detail = `Redirect to port ${to.port}; only 80 and 443 are followed.`;
  demand(allowed.includes(to.port), detail, "connection");
  return to;
}

/** Tries IPv6 first and then IPv4, as CAs do, when a connection cannot be made. */
async function get(url: URL, settings: Settings, signal: AbortSignal): Promise<Page> {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  let failure: unknown;
  for (const address of await addressesOf(host, settings)) {
    try {
      return await request(url, address, settings, signal);
    } catch (error) {
      if (error instanceof AcmeProblem) throw error;
      failure = error;
    }
  }
  const why = signal.aborted ? "it did not answer in time" : messageOf(failure);
  throw new AcmeProblem("connection", `${url.href} cannot be fetched: ${why}.`);
}

function request(
  url: URL,
  address: string,
  settings: Settings,
  signal: AbortSignal,
): Promise<Page> {
  const secure = url.protocol === "https:";
  const port = portOf(url, settings);
  const usual = port === (secure ? 443 : 80);
  const options: https.RequestOptions = {
    host: address,
    port,
    path: url.pathname + url.search,
    headers: {
      host: usual ? url.hostname : `${url.hostname}:${port}`,
      "user-agent": "acmectl-test-ca (validation)",
      accept: "*/*",
      connection: "close",
    },
    agent: false,
    signal,
    rejectUnauthorized: false,
    ...(secure && isIP(url.hostname) === 0 ? { servername: url.hostname } : {}),
  };
  const { promise, resolve, reject } = Promise.withResolvers<Page>();
  const take = (response: http.IncomingMessage) => void read(response).then(resolve, reject);
  (secure ? https : http).request(options, take).on("error", reject).end();
  return promise;
}

/** Port 80 in a URL means the port of http-01, and 443 that of tls-alpn-01. */
function portOf(url: URL, settings: Settings): number {
  if (url.port !== "" && url.port !== "80" && url.port !== "443") return Number(url.port);
  return url.protocol === "https:" ? settings.tlsPort : settings.httpPort;
}

async function read(response: http.IncomingMessage): Promise<Page> {
  const status = response.statusCode ?? 0;
  const location = redirects.has(status) ? response.headers.location : undefined;
  const { bytes, whole } = await beginningOf(response, longestBody);
  demand(whole, `The body is longer than ${longestBody} bytes.`, "unauthorized");
  return { status, location, body: bytes.toString("latin1") };
}
