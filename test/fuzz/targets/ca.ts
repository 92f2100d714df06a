/** Answers of a CA. */
import type { AcmeChallenge, Order } from "../../../src/acme/acme.ts";
import { readRenewalInfo } from "../../../src/acme/ari.ts";
import { failedAuthorization, readAuthorization } from "../../../src/acme/objects/authorization.ts";
import { readDirectory } from "../../../src/acme/objects/directory.ts";
import { readOrder } from "../../../src/acme/objects/order.ts";
import { refusal } from "../../../src/acme/problems.ts";
import type { Exchange } from "../../../src/acme/transport/exchange.ts";
import { httpDate, links, retryAfter, retryAfterIn } from "../../../src/acme/transport/headers.ts";
import type { Answer, Transport } from "../../../src/acme/transport/transport.ts";
import { parseJson } from "../../../src/json.ts";
import { holds, isClean, now, orProblem, orProblemOf, shown, type Target } from "../target.ts";

const url = "https://ca.example/acme/order/1";
const signal = new AbortController().signal;
const same = (text: string) => text;

function transport(): Transport {
  const hosts = new Set(["ca.example"]);
  const unused = () => Promise.reject(new TypeError("nothing is sent"));
  return {
    send: unused,
    close: unused,
    clockSkew: 0,
    redact: same,
    pin: (url) => void hosts.add(new URL(url).host),
    allows(url) {
      const parsed = URL.parse(url);
      return parsed?.protocol === "https:" && hosts.has(parsed.host);
    },
  };
}

const origin = { what: "order", url, transport: transport() };
const words = [
  "pending",
  "ready",
  "processing",
  "valid",
  "invalid",
  "http-01",
  "dns-01",
  "urn:ietf:params:acme:error:",
];

function isOfCa(link: string): boolean {
  const url = URL.parse(link);
  return /^[!-~]+$/.test(link) && url?.protocol === "https:" && url.host === "ca.example";
}

function checkOrder(order: Order): void {
  const { certificate, finalize, authorizations, identifiers, error } = order;
  holds([finalize, ...authorizations].every(isOfCa), "an order's links are on the CA's host");
  holds(
    certificate === undefined || isOfCa(certificate),
    "a certificate's URL is on the CA's host",
  );
  holds(order.status !== "valid" || certificate !== undefined, "a valid order has a certificate");
  holds(
    identifiers.every(({ value }) => /^[a-z0-9*.:-]+$/.test(value)),
    "names are names",
  );
  holds(isClean(JSON.stringify(error ?? "")), "an error has no control characters");
}

function checkChallenge({
  url,
  token,
  type,
  accountUri,
  issuerDomainNames,
  error,
}: AcmeChallenge): void {
  holds(url === "" || isOfCa(url), "a challenge's URL is on the CA's host");
  holds(/^[A-Za-z0-9-]{1,64}$/.test(type), "a type is a word");
  holds(token === undefined || /^[\w-]{16,512}$/.test(token), "a token is base64url");
  const texts = [accountUri ?? "", ...(issuerDomainNames ?? []), JSON.stringify(error ?? "")];
  holds(texts.every(isClean), "the texts of a challenge have no control characters");
}

/** `status`, lines of header fields, an empty line, the body. */
function answerIn(input: Buffer): Answer {
  const text = input.toString();
  const [head = "", ...rest] = text.split("\n\n");
  const [status = "", ...lines] = head.split("\n");
  const fields = lines.map((line): [string, string] => {
    const at = line.indexOf(":");
    return [line.slice(0, Math.max(0, at)).toLowerCase(), line.slice(at + 1).trim()];
  });
  const body = rest.join("\n\n");
  const number = Math.trunc(Number(status)) || 400;
  return {
    url,
    status: number,
    headers: Object.fromEntries(fields),
    body: parseJson(body),
    text: body,
  };
}

const week = 7 * 24 * 3_600_000;

export const caTargets: readonly Target[] = [
  {
    name: "directory",
    promise: "a directory has https links and clean texts, or is refused with a Problem",
    words,
    check(input) {
      const at = "https://ca.example/directory";
      const directory = orProblem(() =>
        readDirectory(at, parseJson(input.toString()), transport()),
      );
      if (directory === undefined) return;
      const { meta, ...resources } = directory;
      for (const link of Object.values(resources))
        holds(link === undefined || /^https:\/\/[!-~]+$/.test(link), "a resource is an https URL");
      holds(isClean(JSON.stringify(meta)), "meta has no control characters");
    },
  },
  {
    name: "order",
    promise:
      "an order links to the CA's host only and names only names, or is refused with a Problem",
    words,
    check(input) {
      const order = orProblem(() => readOrder(origin, parseJson(input.toString()), undefined));
      if (order !== undefined) checkOrder(order);
    },
  },
  {
    name: "authorization",
    promise:
      "an authorization has only safe tokens and links to the CA's host, or is refused with a Problem",
    words,
    check(input) {
      const body = parseJson(input.toString());
      const authorization = orProblem(() => readAuthorization(origin, body, undefined));
      if (authorization === undefined) return;
      for (const challenge of authorization.challenges) checkChallenge(challenge);
      shown(
        failedAuthorization(authorization, { accountUrl: undefined, directory: undefined }, now),
      );
    },
  },
  {
    name: "renewal-info",
    promise:
      "renewal information has a window that ends after its start, and is asked for again within six hours",
    words,
    async check(input) {
      const answer = answerIn(input);
      const directory = { renewalInfo: "https://ca.example/ari" };
      const exchange = {
        clock: { now: () => now },
        directory: () => Promise.resolve(directory),
        get: () => Promise.resolve(answer),
      } as unknown as Exchange;
      const info = await orProblemOf(() => readRenewalInfo(exchange, "a.b", signal));
      if (info === undefined) return;
      holds(info.end > info.start, "the window ends after its start");
      const wait = info.retryAfter.getTime() - now.getTime();
      holds(wait >= 60_000 && wait <= 6 * 3_600_000, "the next question is in bounds");
      holds(isClean(info.explanationUrl ?? ""), "the explanation's URL is clean");
    },
  },
  {
    name: "refusal",
    promise:
      "an error answer of any kind is a Problem that fits on a terminal, with a time within seven days",
    words,
    check(input) {
      const problem = refusal(
        answerIn(input),
        { what: "new order", flags: "", directory: undefined },
        now,
      );
      shown(problem);
      const { detail = "", title, type, instance = "" } = problem.document;
      holds(
        [detail, title, type, instance].every(isClean),
        "the CA's words are one clean line each",
      );
      const wait = (problem.retryAt?.getTime() ?? now.getTime()) - now.getTime();
      holds(wait >= 0 && wait <= week, "the time to retry is in bounds");
    },
  },
  {
    name: "headers",
    promise: "Retry-After is within seven days, a date is a date, and links are absolute URLs",
    words: [
      "retry-after:",
      "link:",
      'rel="alternate"',
      "date:",
      "age:",
      "GMT",
      "Mon, 01 Jun 2026 12:00:00 GMT",
    ],
    check(input) {
      const { headers } = answerIn(input);
      for (const at of [
        retryAfter(headers, now),
        retryAfterIn(headers["retry-after"], headers, now),
      ]) {
        const wait = (at?.getTime() ?? now.getTime()) - now.getTime();
        holds(wait >= 0 && wait <= week, "the time to retry is in bounds");
      }
      const date = httpDate(headers["date"]);
      holds(date === undefined || !Number.isNaN(date.getTime()), "a date is a date");
      for (const link of links(headers, "alternate", url))
        holds(URL.canParse(link), "a link is a URL");
    },
  },
];
