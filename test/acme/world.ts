import http from "node:http";
import https from "node:https";
import { webcrypto } from "node:crypto";
import type { AddressInfo, Socket } from "node:net";
import * as x509 from "@peculiar/x509";
import { onTestFinished } from "vitest";
import type { AccountSession, Ca, Order, Waiting } from "../../src/acme/acme.ts";
import { type CaOptions, openCa } from "../../src/acme/ca.ts";
import { createCsr } from "../../src/acme/certificate/new-csr.ts";
import { createAccountKey, createPrivateKey, publicHalf } from "../../src/acme/keys.ts";
import { type Signer, signerOf } from "../../src/acme/signer.ts";
import type { Clock } from "../../src/clock.ts";
import type { Identifier } from "../../src/plugin.ts";
import { Problem } from "../../src/problem.ts";
import { startTestCa, type TestCa, type TestCaOptions } from "../../src/test-ca/test-ca.ts";

export const signal: AbortSignal = new AbortController().signal;
export const dns = (value: string): Identifier => ({ type: "dns", value });

/** A clock on which a sleep takes no time, and which remembers the sleeps. */
export function quickClock(start = new Date()): Clock & { slept: number[] } {
  let time = start.getTime();
  const slept: number[] = [];
  return {
    slept,
    now: () => new Date(time),
    monotonic: () => time,
    async sleep(milliseconds, signal) {
      signal.throwIfAborted();
      slept.push(milliseconds);
      time += milliseconds;
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

/** The client side of a CA, closed at the end of the test. */
export function client(url: string, options: Partial<CaOptions> = {}): Ca {
  const ca = openCa({
    url,
    flags: `--server ${url}`,
    redact: (text) => text,
    userAgent: "acmectl/9.9.9 (+https://example.com) node/v24",
    env: {},
    log: { debug() {}, info() {}, warn() {} },
    clock: quickClock(),
    ...options,
  });
  onTestFinished(() => ca.close());
  return ca;
}

export interface World {
  readonly server: TestCa;
  readonly ca: Ca;
  readonly clock: ReturnType<typeof quickClock>;
  /** token -> key authorization, as http-01 serves it. */
  readonly responses: Map<string, string>;
}

/** An embedded CA with a web server that answers its http-01 questions, and a client for it. */
export async function world(
  options: TestCaOptions = {},
  clientOptions: Partial<CaOptions> = {},
): Promise<World> {
  const responses = new Map<string, string>();
  const web = http.createServer((request, response) => {
    const body = responses.get(request.url?.split("/").at(-1) ?? "");
    response.writeHead(body === undefined ? 404 : 200).end(body);
  });
  const httpPort = await listening(web);
  const server = await startTestCa({ httpPort, ...options });
  onTestFinished(() => server.close());
  const clock = quickClock();
  const ca = client(server.directoryUrl, { caBundle: server.rootPem, clock, ...clientOptions });
  return { server, ca, clock, responses };
}

export async function registered(ca: Ca): Promise<AccountSession> {
  const session = ca.session(signerOf(await createAccountKey()), undefined);
  await session.register({ contact: [], termsOfServiceAgreed: true }, signal);
  return session;
}

export const waiting: Waiting = { signal, timeout: 60_000 };

/** From an order to its chains, by http-01; answers the private key as well. */
export async function fulfil(
  { responses }: World,
  session: AccountSession,
  order: Order,
  { alternates = false, signer }: { alternates?: boolean; signer?: Signer } = {},
) {
  await Promise.all(order.authorizations.map((url) => validate(responses, session, url)));
  const key = await createPrivateKey("ec256");
  const csr = await createCsr(signer ?? signerOf(key), order.identifiers);
  const valid = await session.waitForOrder(await session.finalize(order, csr, signal), waiting);
  const chains = await session.download(valid, { alternates, signal });
  return { chains, key, publicKey: publicHalf(key), order: valid };
}

async function validate(responses: Map<string, string>, session: AccountSession, url: string) {
  const authorization = await session.authorization(url, signal);
  if (authorization.status === "valid") return;
  const challenge = authorization.challenges.find(({ type }) => type === "http-01");
  if (challenge?.token === undefined) throw new Error("no http-01 challenge");
  responses.set(challenge.token, `${challenge.token}.${session.thumbprint}`);
  await session.respond(challenge, signal);
  await session.waitForAuthorization(url, waiting);
}

/** The Problem that a promise rejects with. */
export async function problemOf(promise: Promise<unknown>): Promise<Problem> {
  try {
    await promise;
  } catch (error) {
    if (Problem.is(error)) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

export interface Hostile {
  readonly url: string;
  readonly rootPem: string;
  readonly requests: http.IncomingMessage[];
}

/** An https server that answers as the test says. */
export async function hostile(
  handler: (request: http.IncomingMessage, response: http.ServerResponse, url: string) => void,
  validity: Validity = {},
): Promise<Hostile> {
  const { key, cert } = await certificateFor(["localhost"], validity);
  const requests: http.IncomingMessage[] = [];
  let url = "";
  const server = https.createServer({ key, cert }, (request, response) => {
    requests.push(request);
    handler(request, response, url);
  });
  url = `https://localhost:${await listening(server)}`;
  return { url, rootPem: cert, requests };
}

/** A directory, and whatever else the test says. */
export function directoryOf(url: string, more: object = {}): string {
  return JSON.stringify({
    newNonce: `${url}/nonce`,
    newAccount: `${url}/account`,
    newOrder: `${url}/order`,
    ...more,
  });
}

export async function listening(server: http.Server | https.Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** A self-signed certificate with its key, PEM. */
export async function selfSigned(
  ...names: readonly string[]
): Promise<{ key: string; cert: string }> {
  return certificateFor(names.length === 0 ? ["localhost"] : names, {});
}

interface Validity {
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

async function certificateFor(names: readonly string[], validity: Validity) {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    keys,
    signingAlgorithm: algorithm,
    name: "CN=Hostile Root",
    ...validity,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: "dns", value }))),
    ],
  });
  const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  return { key: x509.PemConverter.encode(pkcs8, "PRIVATE KEY"), cert: certificate.toString("pem") };
}
