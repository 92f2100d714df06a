/**
 * The lower bound: the requests that RFC 8555 needs on bare Node.js, over one HTTP/2 connection, all that may be parallel in
 * parallel. No library, no checks, no state but the account; nothing that is answered is looked at twice.
 */
import { execFile } from "node:child_process";
import { createHash, createPrivateKey, generateKeyPair, sign, type KeyObject } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

export interface Order {
  readonly directory: string;
  readonly root: string;
  /** Names of each certificate. */
  readonly certificates: readonly (readonly string[])[];
  readonly httpPort: number;
  /** Called with the name and the value for dns-01, in place of http-01. */
  readonly program?: string;
  /** Kept from run to run. */
  readonly account: string;
  readonly output: string;
  /** Requests at a time. */
  readonly atOnce: number;
}

interface Answer {
  readonly headers: Record<string, unknown>;
  readonly body: string;
}

const order: Order = JSON.parse(process.argv[2] ?? "");
const { origin, pathname } = new URL(order.directory);
const session = connect(origin, { ca: readFileSync(order.root) });
const makeKey = () => promisify(generateKeyPair)("ec", { namedCurve: "P-256" });
const nonces: string[] = [];
const tokens = new Map<string, string>();
const server = createServer((request, response) => {
  response.end(tokens.get(request.url?.split("/").at(-1) ?? ""));
});
const listening = new Promise<void>((resolve) => server.listen(order.httpPort, resolve));

function send(method: string, url: string, payload?: string): Promise<Answer> {
  const stream = session.request(
    {
      ":method": method,
      ":path": new URL(url, origin).pathname,
      "user-agent": "bench",
      ...(payload === undefined ? {} : { "content-type": "application/jose+json" }),
    },
    { endStream: payload === undefined },
  );
  if (payload !== undefined) stream.end(payload);
  return new Promise((resolve, reject) => {
    let body = "";
    let headers: Record<string, unknown> = {};
    stream.on("response", (received) => {
      headers = received;
      if (typeof headers["replay-nonce"] === "string") nonces.push(headers["replay-nonce"]);
    });
    stream.on("data", (part) => (body += String(part)));
    stream.on("end", () => {
      if (Number(headers[":status"]) < 400) resolve({ headers, body });
      else reject(new Error(`${url}: ${body}`));
    });
    stream.on("error", reject);
  });
}

const base64 = (value: string | Buffer) => Buffer.from(value).toString("base64url");
const known = existsSync(order.account);
const saved: { key: string; url: string } | undefined = known
  ? JSON.parse(readFileSync(order.account, "utf8"))
  : undefined;
const [directory, accountKey] = await Promise.all([
  send("GET", pathname).then(async ({ body }): Promise<Record<string, string>> => {
    const found = JSON.parse(body);
    await send("HEAD", found.newNonce);
    return found;
  }),
  saved === undefined
    ? makeKey().then(({ privateKey }) => privateKey)
    : createPrivateKey(saved.key),
]);
const jwk = jwkOf(accountKey);
const thumbprint = createHash("sha256").update(JSON.stringify(jwk)).digest("base64url");
let accountUrl = saved?.url;

function jwkOf(key: KeyObject): object {
  const { crv, kty, x, y } = key.export({ format: "jwk" });
  return { crv, kty, x, y };
}

async function post(url: string, payload: object | undefined): Promise<Answer> {
  const nonce = nonces.pop() ?? (await freshNonce());
  const identity = accountUrl === undefined ? { jwk } : { kid: accountUrl };
  const head = base64(JSON.stringify({ alg: "ES256", nonce, url, ...identity }));
  const body = payload === undefined ? "" : base64(JSON.stringify(payload));
  const signature = sign("sha256", Buffer.from(`${head}.${body}`), {
    key: accountKey,
    dsaEncoding: "ieee-p1363",
  });
  const jws = { protected: head, payload: body, signature: base64(signature) };
  return send("POST", url, JSON.stringify(jws));
}

async function freshNonce(): Promise<string> {
  await send("HEAD", directory["newNonce"] ?? "");
  return nonces.pop() ?? freshNonce();
}

if (accountUrl === undefined) {
  const account = await post(directory["newAccount"] ?? "", { termsOfServiceAgreed: true });
  accountUrl = String(account.headers["location"]);
  const key = accountKey.export({ type: "pkcs8", format: "pem" });
  writeFileSync(order.account, JSON.stringify({ key, url: accountUrl }));
}

/** At most so many at a time. */
async function each<T, R>(values: readonly T[], work: (value: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const queue = values.entries();
  const worker = async () => {
    for (const [index, value] of queue) results[index] = await work(value);
  };
  await Promise.all(Array.from({ length: order.atOnce }, worker));
  return results;
}

async function settled(url: string, done: (status: string) => boolean): Promise<Answer> {
  for (let wait = 10; ; wait = Math.min(wait * 2, 500)) {
    const answer = await post(url, undefined);
    if (done(JSON.parse(answer.body).status)) return answer;
    const asked = Number(answer.headers["retry-after"]) * 1000;
    await sleep(Number.isNaN(asked) ? wait : asked);
  }
}

async function authorize(url: string): Promise<void> {
  const { identifier, challenges } = JSON.parse((await post(url, undefined)).body);
  const type = order.program === undefined ? "http-01" : "dns-01";
  const { token, url: answer } = challenges.find((one: { type: string }) => one.type === type);
  const proof = `${token}.${thumbprint}`;
  tokens.set(token, proof);
  if (order.program !== undefined) {
    const value = createHash("sha256").update(proof).digest("base64url");
    const record = `_acme-challenge.${identifier.value}.`;
    await promisify(execFile)(order.program, ["present", record, value]);
  }
  await listening;
  await post(answer, {});
  await settled(url, (status) => status !== "pending");
}

async function issue(names: readonly string[]): Promise<void> {
  const identifiers = names.map((value) => ({ type: "dns", value }));
  const key = makeKey();
  const placed = await post(directory["newOrder"] ?? "", { identifiers });
  const { authorizations, finalize } = JSON.parse(placed.body);
  await each(authorizations, authorize);
  const { privateKey, publicKey } = await key;
  const csr = base64(csrOf(names, privateKey, publicKey));
  const finalized = await post(finalize, { csr });
  const { certificate } = await (JSON.parse(finalized.body).status === "valid"
    ? JSON.parse(finalized.body)
    : settled(String(placed.headers["location"]), (status) => status === "valid").then(({ body }) =>
        JSON.parse(body),
      ));
  const chain = await post(certificate, undefined);
  const pem = privateKey.export({ type: "pkcs8", format: "pem" });
  writeFileSync(order.output, `${String(pem)}${chain.body}`);
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size =
    length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

/** PKCS#10 with an empty subject and every name in the extension subjectAltName. */
function csrOf(names: readonly string[], key: KeyObject, publicKey: KeyObject): Buffer {
  const san = der(0x30, ...names.map((name) => der(0x82, Buffer.from(name))));
  const extension = der(0x30, der(0x06, Buffer.from("551d11", "hex")), der(0x04, san));
  const request = der(0x06, Buffer.from("2a864886f70d01090e", "hex"));
  const attributes = der(0xa0, der(0x30, request, der(0x31, der(0x30, extension))));
  const spki = publicKey.export({ type: "spki", format: "der" });
  const info = der(0x30, der(0x02, Buffer.from([0])), der(0x30), spki, attributes);
  const algorithm = der(0x30, der(0x06, Buffer.from("2a8648ce3d040302", "hex")));
  const signature = der(0x03, Buffer.from([0]), sign("sha256", info, key));
  return der(0x30, info, algorithm, signature);
}

await each(order.certificates, issue);
session.close();
server.close();
server.closeAllConnections();
