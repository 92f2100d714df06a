import { createHmac, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import https from "node:https";
import type { TestCa } from "../../src/test-ca/test-ca.ts";

/** The members of all ACME objects that the tests look at. */
interface Body {
  type: string;
  detail: string;
  status: string;
  token: string;
  error: { type: string; detail: string; identifier: { type: string; value: string } };
  contact: string[];
  identifiers: { type: string; value: string }[];
  identifier: { type: string; value: string };
  wildcard: boolean;
  authorizations: string[];
  challenges: { type: string; url: string; token: string; status: string; error?: Body["error"] }[];
  subproblems: { type: string; identifier: { type: string; value: string } }[];
  algorithms: string[];
  finalize: string;
  certificate: string;
  expires: string;
  profile: string;
  replaces: string;
  orders: string[] | string;
  suggestedWindow: { start: string; end: string };
  explanationURL: string;
  externalAccountBinding: unknown;
  newNonce: string;
  newAccount: string;
  newOrder: string;
  keyChange: string;
  revokeCert: string;
  renewalInfo: string;
  meta: Record<string, unknown>;
}

export interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  body: Body;
}

/** What a test does wrong on purpose. */
export interface Tweak {
  /** Members of the protected header that are replaced, or taken away by undefined. */
  header?: Record<string, unknown>;
  /** The whole request body, made from the good one. */
  body?: (jws: Record<string, string>) => unknown;
  contentType?: string;
  headers?: Record<string, string>;
  /** Sign with another key. */
  key?: Keys;
}

export interface Keys {
  privateKey: KeyObject;
  publicKey: KeyObject;
}

export function ecKeys(namedCurve = "P-256"): Keys {
  return generateKeyPairSync("ec", { namedCurve });
}

export function rsaKeys(modulusLength = 2048): Keys {
  return generateKeyPairSync("rsa", { modulusLength });
}

export const encode = (value: unknown): string =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** A flattened JWS. */
export function jws(header: object, payload: unknown, key: KeyObject | Buffer) {
  const head = encode(header);
  const content = payload === "" ? "" : encode(payload);
  const data = Buffer.from(`${head}.${content}`);
  const alg = "alg" in header ? header.alg : "";
  const hash = alg === "ES384" ? "sha384" : "sha256";
  const signature = Buffer.isBuffer(key)
    ? createHmac("sha256", key).update(data).digest()
    : sign(hash, data, { key, dsaEncoding: "ieee-p1363" });
  return { protected: head, payload: content, signature: signature.toString("base64url") };
}

export function algorithmOf(keys: Keys): string {
  if (keys.publicKey.asymmetricKeyType === "rsa") return "RS256";
  const curve = keys.publicKey.asymmetricKeyDetails?.namedCurve;
  return curve === "secp384r1" ? "ES384" : "ES256";
}

export function request(
  ca: TestCa,
  url: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const headers = { "user-agent": "raw-client", ...options.headers };
    const sent = https.request(url, {
      method: options.method ?? "GET",
      headers,
      ca: ca.rootPem,
      agent: false,
    });
    sent.on("error", reject);
    sent.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("error", reject);
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        const isJson = response.headers["content-type"]?.includes("json") ?? false;
        const body = (isJson ? JSON.parse(text) : {}) as Body;
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, body });
      });
    });
    sent.end(options.body);
  });
}

/** A client that does only what it is told to, including wrong things. */
export function rawClient(ca: TestCa, keys: Keys = ecKeys()) {
  const base = ca.directoryUrl.replace("/directory", "");
  let kid: string | undefined;
  const client = {
    keys,
    base,
    get kid() {
      return kid;
    },
    get: (url: string, method = "GET") => request(ca, url, { method }),
    async nonce(): Promise<string> {
      const { headers } = await request(ca, `${base}/new-nonce`, { method: "HEAD" });
      return String(headers["replay-nonce"]);
    },
    async post(url: string, payload: unknown, tweak: Tweak = {}): Promise<Reply> {
      const signer = tweak.key ?? keys;
      const jwk = signer.publicKey.export({ format: "jwk" });
      const header = {
        alg: algorithmOf(signer),
        nonce: await client.nonce(),
        url,
        ...(kid === undefined || tweak.key !== undefined ? { jwk } : { kid }),
        ...tweak.header,
      };
      const good = jws(header, payload, signer.privateKey);
      return request(ca, url, {
        method: "POST",
        headers: {
          "content-type": tweak.contentType ?? "application/jose+json",
          ...tweak.headers,
        },
        body: JSON.stringify(tweak.body === undefined ? good : tweak.body(good)),
      });
    },
    async register(payload: object = { termsOfServiceAgreed: true }): Promise<Reply> {
      const reply = await client.post(`${base}/new-account`, payload);
      if (reply.status < 300) kid = reply.headers.location;
      return reply;
    },
    order: (names: readonly string[], more: object = {}): Promise<Reply> =>
      client.post(`${base}/new-order`, {
        identifiers: names.map((value) => ({
          type: /^[\d.]+$|:/.test(value) ? "ip" : "dns",
          value,
        })),
        ...more,
      }),
  };
  return client;
}

export type RawClient = ReturnType<typeof rawClient>;
