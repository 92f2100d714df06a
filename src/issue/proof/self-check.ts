import { request as httpRequest, type IncomingMessage } from "node:http";
import { isIP } from "node:net";
import type { CertificateRequest } from "../../certificate.ts";
import type { Http01Challenge, TlsAlpn01Challenge } from "../../plugin.ts";
import { Problem } from "../../problem.ts";
import type { Presented } from "../journal.ts";
import { placeOf, type PendingChallenge } from "./challenges.ts";
import { lookByTls } from "./look-tls.ts";
import type { IssueTools } from "../tools.ts";
import { messageOf } from "../../errors.ts";
import { parsePlace, type Place } from "../../options/place.ts";

/** What one look at one address saw. */
interface Sight {
  readonly address: string;
  readonly outcome: "right" | "wrong" | "unreachable" | "doubtful";
  readonly text: string;
  readonly hint?: string | undefined;
}

const limits = { milliseconds: 10_000, bytes: 4096, addresses: 8, redirects: 10 };

/** Why this machine could not look, or doubts that the CA will accept what it saw. */
export interface Unseen {
  readonly saw: string;
  /** The same as a sentence. */
  readonly text: string;
  /** What to do if the CA refuses, since it was seen before. */
  readonly hint?: string | undefined;
}

/** What is answered on a port of the name's addresses. */
type Reachable = Http01Challenge | TlsAlpn01Challenge;

/** Milliseconds in which an ingress controller, or another program of this kind, serves what it was given. */
const readiness = { timeout: 120_000, first: 250, longest: 4_000 };

/**
 * As `selfCheck`, again and again where the solver can tell that a response is not live yet: then others have to notice it
 * before they serve it.
 */
export async function checkWhenLive(
  { challenge: pending, receipt }: Presented,
  challenge: Reachable,
  request: CertificateRequest,
  tools: IssueTools,
): Promise<Unseen | undefined> {
  const { signal, clock } = tools;
  const { solver } = pending.solver;
  const look = () => selfCheck(pending, challenge, request, tools);
  if (solver.checkPropagation === undefined) return look();
  const end = clock.monotonic() + readiness.timeout;
  for (let wait = readiness.first; ; wait = Math.min(wait * 1.5, readiness.longest)) {
    const isLive = await solver.checkPropagation(challenge, receipt, { signal });
    const isLast = clock.monotonic() >= end;
    if (isLive || isLast) {
      const seen = await look().catch((error: unknown) => {
        if (isLast || !Problem.is(error)) throw error;
        return "wrong" as const;
      });
      if (seen !== "wrong") return seen;
    }
    await clock.sleep(wait, signal);
  }
}

/**
 * Look at a response from here before the CA does, at every address of the name. A wrong answer is a Problem, since
 * the CA would see it too; no answer is not, for a router may hide this host from itself.
 */
export async function selfCheck(
  pending: PendingChallenge,
  challenge: Reachable,
  request: CertificateRequest,
  tools: IssueTools,
): Promise<Unseen | undefined> {
  return checkEverywhere(challenge, request, tools, (address, text) =>
    tools.record.check(pending, address, text),
  );
}

/** The same for a challenge of no order; `report` gets what each address answers. */
export async function checkEverywhere(
  challenge: Reachable,
  request: CertificateRequest,
  tools: IssueTools,
  report: (address: string, text: string) => void,
): Promise<Unseen | undefined> {
  const places = await placesOf(challenge, request, tools);
  if (!Array.isArray(places)) return places;
  const sights = await Promise.all(places.map((place) => lookAt(place, challenge, tools.signal)));
  tools.signal.throwIfAborted();
  for (const { address, text } of sights) report(address, text);
  const wrong = sights.filter(({ outcome }) => outcome === "wrong");
  if (wrong.length > 0) throw wrongAnswer(challenge, wrong);
  const doubtful = sights.find(({ outcome }) => outcome === "doubtful");
  if (doubtful !== undefined) {
    const { address, text, hint } = doubtful;
    const name = challenge.identifier.value;
    return { saw: `${address}: ${text}`, text: `${name} at ${address} answers ${text}`, hint };
  }
  const unreachable = sights.filter(({ outcome }) => outcome === "unreachable");
  if (unreachable.length === 0) return undefined;
  const saw = unreachable.map(({ address, text }) => `${address}: ${text}`).join("; ");
  const text = `the self-check could not reach ${placeOf(challenge)} from here (${saw})`;
  return { saw, text };
}

async function placesOf(
  { identifier, type }: Reachable,
  request: CertificateRequest,
  tools: IssueTools,
): Promise<Place[] | Unseen> {
  const place = request.selfCheckAt ?? tools.selfCheckAt?.[type];
  if (place !== undefined) return [parsePlace(place)];
  const port = type === "http-01" ? 80 : 443;
  if (identifier.type === "ip") return [{ host: identifier.value, port }];
  return addressesOf(identifier.value, port, request, tools);
}

/** The name may have none, or the DNS may not answer: the CA may see another DNS than this host. */
async function addressesOf(
  name: string,
  port: number,
  request: CertificateRequest,
  { dns, signal }: IssueTools,
): Promise<Place[] | Unseen> {
  try {
    const addresses = await dns(request.dns ?? {}).addresses(name, signal);
    if (addresses.length > 0)
      return addresses.slice(0, limits.addresses).map((host) => ({ host, port }));
    const saw = `${name} has no A or AAAA record`;
    return {
      saw,
      text: `${saw} that this host can see`,
      hint: `Add an A or AAAA record for ${name} that points to the host that serves the response.`,
    };
  } catch (error) {
    signal.throwIfAborted();
    const saw = messageOf(error).replace(/\.$/, "");
    return { saw, text: `the self-check found no address for ${name}: ${saw}` };
  }
}

async function lookAt(place: Place, challenge: Reachable, signal: AbortSignal): Promise<Sight> {
  const { host, port } = place;
  const address = isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
  if (challenge.type === "tls-alpn-01")
    return { address, ...(await lookByTls(place, challenge, signal)) };
  const { value } = challenge.identifier;
  let url = new URL(`http://${isIP(value) === 6 ? `[${value}]` : value}${challenge.path}`);
  try {
    for (let hop = 0; hop < limits.redirects; hop++) {
      const answer = await get(host, port, url, signal);
      const to = answer.location === undefined ? undefined : URL.parse(answer.location, url.href);
      if (!to || to.origin !== url.origin) return { address, ...judge(answer, to, challenge) };
      url = to;
    }
    return { address, ...endless };
  } catch (error) {
    return { address, outcome: "unreachable", text: messageOf(error) };
  }
}

const endless = {
  outcome: "wrong",
  text: "with redirects that never end",
  hint: "Fix the redirect loop: serve /.well-known/acme-challenge/ without a redirect, or redirect it once.",
} as const;

function judge(
  { status, body, server, location }: Answer,
  to: URL | null | undefined,
  challenge: Http01Challenge,
): Omit<Sight, "address"> {
  const by = server === undefined ? "" : ` from ${server}`;
  if (location !== undefined && to && !["", "80", "443"].includes(to.port)) return wrongPort(to);
  if (status >= 300 && status < 400)
    return { outcome: "right", text: `a redirect (${status})${by}` };
  if (status === 200 && body.trimEnd() === challenge.body)
    return { outcome: "right", text: "the response" };
  const what = status === 200 ? "200 with another body" : `status ${status}`;
  return { outcome: "wrong", text: `${what}${by}` };
}

/** Public CAs follow redirects to the ports 80 and 443 only; a private CA may follow more. */
function wrongPort({ port }: URL): Omit<Sight, "address"> {
  return {
    outcome: "doubtful",
    text: `a redirect to port ${port}, which public CAs do not follow`,
    hint: `Redirect /.well-known/acme-challenge/ to port 80 or 443 instead of ${port}, or serve it without a redirect.`,
  };
}

interface Answer {
  readonly status: number;
  readonly server: string | undefined;
  readonly body: string;
  /** Of a redirect. */
  readonly location: string | undefined;
}

function get(host: string, port: number, url: URL, signal: AbortSignal): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const request = httpRequest({
    host,
    port,
    path: url.pathname + url.search,
    headers: {
      host: url.hostname,
      "user-agent": "acmectl self-check",
      connection: "close",
    },
    agent: false,
    signal: AbortSignal.any([signal, AbortSignal.timeout(limits.milliseconds)]),
  });
  request.on("error", reject);
  request.on("response", (response) => {
    const status = response.statusCode ?? 0;
    const location = status >= 300 && status < 400 ? response.headers.location : undefined;
    readBody(response).then(
      (body) => resolve({ status, server: serverOf(response), body, location }),
      reject,
    );
  });
  request.end();
  return promise;
}

/** The body is compared and thrown away, never shown: what answers here may be something internal. */
async function readBody(response: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of response.setEncoding("latin1")) {
    body += String(chunk);
    if (body.length > limits.bytes) return "";
  }
  return body;
}

function serverOf(response: IncomingMessage): string | undefined {
  return response.headers["server"]
    ?.toString()
    .replaceAll(/[^\x20-\x7e]/g, "")
    .slice(0, 60);
}

function wrongAnswer(challenge: Reachable, wrong: readonly Sight[]): Problem {
  const { identifier, type } = challenge;
  return new Problem("propagation", {
    title: `The ${type} response is not served`,
    detail: `${placeOf(challenge)} answers ${wrong.map(({ address, text }) => `${text} (at ${address})`).join("; ")}.`,
    identifier,
    hint:
      wrong.find(({ hint }) => hint !== undefined)?.hint ??
      "Check the webroot, the port, or the file that you serve, and that A and AAAA records point to this host: another server or folder answers for this name. --no-self-check skips this check.",
  });
}
