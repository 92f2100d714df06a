/** Calls on orders and their certificates (RFC 8555 §7.4, RFC 9773 §5). */
import { Problem } from "../../problem.ts";
import type { AccountSession, Directory, NewOrder, Order, Waiting } from "../acme.ts";
import { errorType, hintFor } from "../hints.ts";
import { differenceOfNames } from "../identifiers.ts";
import { failedAuthorization } from "../objects/authorization.ts";
import { readOrder } from "../objects/order.ts";
import { link, malformed } from "../objects/schema.ts";
import { isCaProblem } from "../problems.ts";
import { links, retryAfter, retryAfterIn } from "../transport/headers.ts";
import type { Answer } from "../transport/transport.ts";
import type { AuthorizationCalls } from "./authorizations.ts";
import type { Caller } from "./caller.ts";
import { poll } from "./poll.ts";

type Calls = Pick<
  AccountSession,
  "newOrder" | "order" | "finalize" | "waitForOrder" | "download" | "optionalAlternate"
>;

export function orderCalls(caller: Caller, authorizations: AuthorizationCalls): Calls {
  const reading = { caller, authorizations };
  return {
    order: (url, signal) => readAgain(reading, url, signal),
    newOrder: (wanted, signal) => newOrder(reading, wanted, signal),
    finalize: (order, csr, signal) => finalize(reading, order, csr, signal),
    waitForOrder: (order, waiting) => waitForOrder(reading, order, waiting),
    download: (order, options) => download(caller, order, options),
    optionalAlternate: (url, signal) => optionalAlternate(caller, url, signal),
  };
}

interface Reading {
  readonly caller: Caller;
  readonly authorizations: AuthorizationCalls;
}

function read({ caller, authorizations }: Reading, url: string, answer: Answer): Order {
  const asked = retryAfter(answer.headers, caller.exchange.clock.now());
  const order = readOrder(caller.origin("order", url), answer.body, asked);
  authorizations.expect(order);
  return order;
}

async function readAgain(reading: Reading, url: string, signal: AbortSignal): Promise<Order> {
  return read(reading, url, await reading.caller.send({ url, what: "order", signal }));
}

async function newOrder(reading: Reading, wanted: NewOrder, signal: AbortSignal): Promise<Order> {
  const directory = await reading.caller.exchange.directory(signal);
  assertProfile(wanted.profile, directory, reading.caller.exchange.flags);
  const { replaces, renews: _, ...plain } = wanted;
  const url = directory.newOrder;
  if (replaces === undefined || directory.renewalInfo === undefined) {
    return place(reading, url, plain, signal);
  }
  const replacing = () => place(reading, url, { ...plain, replaces }, signal);
  try {
    return await replacing().catch((error: unknown) => {
      // If only the answer was lost, the CA refuses `replaces` now: it takes one order that replaces a certificate.
      if (!Problem.is(error) || !error.is("network")) throw error;
      return replacing();
    });
  } catch (error) {
    if (!mayDropReplaces(error)) throw error;
    return place(reading, url, plain, signal);
  }
}

async function place(
  reading: Reading,
  url: string,
  wanted: NewOrder,
  signal: AbortSignal,
): Promise<Order> {
  const { caller } = reading;
  const answer = await caller.send({ url, what: "new order", payload: wanted, signal });
  const header = answer.headers["location"];
  // Without it the order cannot be found again: the answer's own URL is not the order's.
  const location = header === undefined ? undefined : URL.parse(header, url)?.href;
  const order = read(reading, link(location, "Location", caller.origin("new order", url)), answer);
  const why = differenceOfNames(order.identifiers, wanted.identifiers);
  if (why !== undefined) throw malformed(caller.origin("order", order.url), why);
  return order;
}

async function finalize(
  reading: Reading,
  order: Order,
  csr: Uint8Array,
  signal: AbortSignal,
): Promise<Order> {
  const payload = { csr: Buffer.from(csr).toString("base64url") };
  const request = { url: order.finalize, what: "finalization", payload, signal };
  try {
    return read(reading, order.url, await reading.caller.send(request));
  } catch (error) {
    if (!mayBeFinalized(error)) throw error;
    const now = await readAgain(reading, order.url, signal).catch(() => undefined);
    if (now === undefined || now.status === "pending" || now.status === "ready") throw error;
    return now;
  }
}

/** After `orderNotReady`, or when the answer was lost, the order itself shows whether it was finalized. */
function mayBeFinalized(error: unknown): boolean {
  return isCaProblem(error, "orderNotReady") || (Problem.is(error) && error.is("network"));
}

async function waitForOrder(reading: Reading, start: Order, waiting: Waiting): Promise<Order> {
  const asked = {
    read: () => readAgain(reading, start.url, waiting.signal),
    isFinal,
    late: (last: Order | undefined, why: "timeout" | "expired") =>
      late(last ?? start, why, waiting.timeout),
  };
  const { exchange } = reading.caller;
  const final = isFinal(start) ? start : await poll(start, asked, exchange, waiting);
  if (final.status === "valid") return final;
  throw await failedOrder(final, reading, waiting.signal);
}

const isFinal = ({ status }: Order) => status === "valid" || status === "invalid";

function assertProfile(profile: string | undefined, directory: Directory, flags: string): void {
  if (profile === undefined || Object.hasOwn(directory.meta.profiles, profile)) return;
  const hint = hintFor(errorType("invalidProfile"), { what: "new order", flags, directory });
  throw new Problem("config", {
    detail: `${new URL(directory.url).host} does not offer the profile "${profile}".`,
    hint,
  });
}

/**
 * CAs refuse `replaces` with many types (`alreadyReplaced`, `malformed`, …), or stumble over it with a status of 500; the types
 * below have another cause. Some hang up instead.
 */
function mayDropReplaces(error: unknown): boolean {
  if (!Problem.is(error)) return false;
  if (error.is("network")) return true;
  const status = error.document.status ?? 0;
  if (status >= 500) return error.exitCode !== 6;
  if (!error.document.type.startsWith(errorType(""))) return false;
  const unrelated = ["badNonce", "rateLimited", "userActionRequired", "accountDoesNotExist"];
  return status >= 400 && status < 500 && status !== 429 && !isCaProblem(error, ...unrelated);
}

function late(order: Order, why: "timeout" | "expired", timeout: number): Problem {
  const names = order.identifiers.map(({ value }) => value).join(", ");
  return new Problem("refused", {
    title: "The CA did not finish the order",
    detail:
      why === "expired"
        ? `${names}: the order expired while its status was "${order.status}".`
        : `${names}: the order's status is still "${order.status}" after ${timeout / 1000} s.`,
    hint: "Run the command again later; it continues with the same order. To place a new order instead, add --new-order.",
    instance: order.url,
    retryable: true,
  });
}

/** The errors of the order's authorizations, else its own. */
async function failedOrder(
  order: Order,
  { caller, authorizations: { authorization } }: Reading,
  signal: AbortSignal,
): Promise<Problem> {
  const { exchange, holder } = caller;
  const situation = { directory: await exchange.directory(signal), accountUrl: holder.url };
  const all = await Promise.allSettled(
    order.authorizations.map((url) => authorization(url, signal)),
  );
  const failed = all
    .flatMap((result) => (result.status === "fulfilled" ? [result.value] : []))
    .filter(({ status }) => status !== "valid" && status !== "pending")
    .map((one) => failedAuthorization(one, situation, exchange.clock.now()));
  if (failed.length > 0) return failedTogether(order, failed);
  const { type, title, detail, ...rest } = order.error ?? { type: "refused", title: "" };
  const hint = hintFor(type, { ...situation, flags: exchange.flags, what: "order" });
  const isLimit = type === errorType("rateLimited");
  return new Problem(type, {
    ...rest,
    exitCode: isLimit ? 6 : undefined,
    retryable: isLimit || undefined,
    retryAt: isLimit ? retryAfterIn(detail, {}, exchange.clock.now()) : undefined,
    title: "The CA refused the order",
    detail: detail ?? (title || "The order became invalid, and the CA gives no reason."),
    hint: hint ?? "Run the command again; it places a new order.",
    instance: order.url,
  });
}

function failedTogether(order: Order, failed: readonly Problem[]): Problem {
  const [first] = failed;
  if (failed.length === 1 && first !== undefined) return first;
  return new Problem("validation", {
    title: `The CA could not validate ${failed.length} names`,
    detail: failed.map((problem) => problem.message).join("\n"),
    hint: first?.hint,
    retryable: failed.some(({ retryable }) => retryable),
    instance: order.url,
    subproblems: failed.flatMap(({ document }) => document.subproblems ?? [document]),
  });
}

const mostAlternates = 10;

/** The certificate and its alternate chains (RFC 8555 §7.4.2). */
async function download(
  caller: Caller,
  { url: orderUrl, status, certificate: url }: Order,
  { alternates, signal }: Parameters<AccountSession["download"]>[1],
) {
  if (url === undefined) {
    throw new Problem("protocol", {
      detail: `The order ${orderUrl} is "${status}" and has no certificate.`,
    });
  }
  const { chain, headers } = await downloadChain(caller, url, signal);
  if (!alternates) return [chain];
  const { transport } = caller.exchange;
  const others = new Set(links(headers, "alternate", url).filter((one) => transport.allows(one)));
  others.delete(url);
  const found = await Promise.allSettled(
    [...others].slice(0, mostAlternates).map((url) => downloadChain(caller, url, signal)),
  );
  signal.throwIfAborted();
  // An alternate chain that fails must not cost the certificate.
  return [chain, ...found.flatMap((one) => (one.status === "fulfilled" ? [one.value.chain] : []))];
}

/** Milliseconds, where the CA does not say when to ask again. */
const usualWait = 3_600_000;

async function optionalAlternate(caller: Caller, url: string, signal: AbortSignal) {
  const what = "optional alternate certificate";
  const answer = await caller.send({ url, what, signal, accept });
  if (answer.status !== 202) return chainIn(caller, answer, url).chain;
  const now = caller.exchange.clock.now();
  return retryAfter(answer.headers, now) ?? new Date(now.getTime() + usualWait);
}

const chainType = "application/pem-certificate-chain";
const accept = `${chainType}, ${chainType}-with-properties, application/problem+json`;
const propertiesBlock =
  /-----BEGIN CERTIFICATE PROPERTIES-----[A-Za-z0-9+/=\s]*-----END CERTIFICATE PROPERTIES-----\n?/;

async function downloadChain(caller: Caller, url: string, signal: AbortSignal) {
  return chainIn(caller, await caller.send({ url, what: "certificate", signal, accept }), url);
}

function chainIn(caller: Caller, { text, headers }: Answer, url: string) {
  const [properties] = text.match(propertiesBlock) ?? [];
  const pem = properties === undefined ? text : text.replace(properties, "");
  if (!pem.includes("-----BEGIN CERTIFICATE-----"))
    throw malformed(caller.origin("certificate", url), "it is not a certificate chain in PEM form");
  const optional = links(headers, "acme-optional-alternate", url).slice(0, mostAlternates);
  const chain = { url, pem, properties, optional: optional.length > 0 ? optional : undefined };
  return { chain, headers };
}
