import * as x509 from "@peculiar/x509";
import dnsPacket from "dns-packet";
import type { Answer } from "dns-packet";
import { createHash, createPublicKey, webcrypto } from "node:crypto";
import dgram from "node:dgram";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import tls from "node:tls";
import { callbackify } from "node:util";
import type { Keys, RawClient, Reply } from "./raw-client.ts";

export const wellKnown = "/.well-known/acme-challenge/";

/** A web server for http-01 answers; `listener` may replace the behaviour. */
export async function webServer(listener?: http.RequestListener, host = "127.0.0.1") {
  const answers = new Map<string, string>();
  const hosts: string[] = [];
  const server = http.createServer((request, response) => {
    hosts.push(request.headers.host ?? "");
    const body = answers.get(request.url ?? "");
    if (listener !== undefined) listener(request, response);
    else response.writeHead(body === undefined ? 404 : 200).end(body);
  });
  server.listen(0, host);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    hosts,
    answer: (token: string, keyAuthorization: string) =>
      void answers.set(wellKnown + token, keyAuthorization),
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

/** A DNS server with the given records; names that are not there get NXDOMAIN. */
export async function dnsServer(records: Map<string, Answer[]>) {
  const socket = dgram.createSocket("udp4");
  const questions: string[] = [];
  socket.on("message", (message, { port, address }) => {
    const query = dnsPacket.decode(message);
    const [question] = query.questions ?? [];
    if (question === undefined) return;
    questions.push(`${question.type} ${question.name}`);
    const found = records.get(question.name.toLowerCase());
    const answers = (found ?? []).filter(({ type }) => type === question.type || type === "CNAME");
    const reply = dnsPacket.encode({
      type: "response",
      ...(query.id === undefined ? {} : { id: query.id }),
      flags: dnsPacket.AUTHORITATIVE_ANSWER | (found === undefined ? 3 : 0),
      questions: [question],
      answers,
    });
    socket.send(reply, port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return {
    address: `127.0.0.1:${socket.address().port}`,
    questions,
    close: () => void socket.close(),
  };
}

/** A TLS server that answers tls-alpn-01 with a certificate for `name`; the options spoil it. */
export async function alpnServer(
  san: x509.JsonGeneralName,
  keyAuthorization: () => string,
  wrong: {
    critical?: boolean;
    protocol?: string;
    digest?: Buffer;
    more?: x509.JsonGeneralName;
  } = {},
  host = "127.0.0.1",
) {
  const serverNames: string[] = [];
  const server = tls.createServer({
    ALPNProtocols: [wrong.protocol ?? "acme-tls/1"],
    SNICallback(name, done) {
      serverNames.push(name);
      callbackify(certificate)(done);
    },
  });
  const certificate = async () => {
    const alg = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
    const keys = await webcrypto.subtle.generateKey(alg, true, ["sign", "verify"]);
    const digest = wrong.digest ?? createHash("sha256").update(keyAuthorization()).digest();
    const value = Buffer.concat([Buffer.from([4, 32]), digest]);
    const cert = await x509.X509CertificateGenerator.createSelfSigned({
      name: "CN=challenge",
      keys,
      signingAlgorithm: alg,
      notBefore: new Date(Date.now() - 3_600_000),
      notAfter: new Date(Date.now() + 3_600_000),
      extensions: [
        new x509.SubjectAlternativeNameExtension(
          wrong.more === undefined ? [san] : [san, wrong.more],
        ),
        new x509.Extension("1.3.6.1.5.5.7.1.31", wrong.critical ?? true, new Uint8Array(value)),
      ],
    });
    const key = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
    const pem = x509.PemConverter.encode(key, "PRIVATE KEY");
    return tls.createSecureContext({ key: pem, cert: cert.toString("pem") });
  };
  server.on("tlsClientError", () => undefined);
  server.listen(0, host);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    serverNames,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

/** token "." thumbprint, computed here and not by the CA's code. */
export function keyAuthorization(token: string, keys: Keys): string {
  const { crv, x, y, kty, n, e } = createPublicKey(
    keys.publicKey.export({ format: "pem", type: "spki" }),
  ).export({ format: "jwk" });
  const canonical =
    kty === "EC"
      ? `{"crv":"${crv}","kty":"EC","x":"${x}","y":"${y}"}`
      : `{"e":"${e}","kty":"RSA","n":"${n}"}`;
  return `${token}.${createHash("sha256").update(canonical).digest("base64url")}`;
}

/** The challenge of an authorization that has this type. */
export async function challengeOf(
  client: RawClient,
  authorization: string,
  type: string,
): Promise<Reply["body"]["challenges"][number]> {
  const { body } = await client.post(authorization, "");
  const challenge = body.challenges.find((each) => each.type === type);
  if (challenge === undefined) throw new Error(`no ${type} at ${authorization}`);
  return challenge;
}

/** A DER CSR, base64url, with these names. */
export async function csrFor(
  names: readonly string[],
  more: { keys?: webcrypto.CryptoKeyPair; name?: string; san?: x509.JsonGeneralNames } = {},
): Promise<string> {
  const keys = more.keys ?? (await certificateKeys());
  const san: x509.JsonGeneralNames =
    more.san ??
    names.map((value) =>
      /^[\d.]+$|:/.test(value) ? { type: "ip", value } : { type: "dns", value },
    );
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    name: more.name ?? "",
    keys,
    signingAlgorithm:
      keys.privateKey.algorithm.name === "ECDSA"
        ? { name: "ECDSA", hash: "SHA-256" }
        : { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
    extensions: [new x509.SubjectAlternativeNameExtension(san)],
  });
  return Buffer.from(csr.rawData).toString("base64url");
}

export async function certificateKeys(namedCurve = "P-256"): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey({ name: "ECDSA", namedCurve }, true, ["sign", "verify"]);
}

/** Takes an order through http-01 to the certificate; returns the order, its URL and the chain. */
export async function issue(
  client: RawClient,
  web: { answer: (token: string, keyAuthorization: string) => void },
  names: readonly string[],
  more: object = {},
  csr?: string,
): Promise<{ url: string; order: Reply["body"]; chain: Reply }> {
  const placed = await client.order(names, more);
  if (placed.status !== 201) throw new Error(placed.text);
  for (const url of placed.body.authorizations) {
    const { body } = await client.post(url, "");
    if (body.status === "valid") continue;
    const challenge = await challengeOf(client, url, "http-01");
    web.answer(challenge.token, keyAuthorization(challenge.token, client.keys));
    await client.post(challenge.url, {});
  }
  const finalized = await client.post(placed.body.finalize, { csr: csr ?? (await csrFor(names)) });
  if (finalized.status !== 200) throw new Error(finalized.text);
  const chain = await client.post(finalized.body.certificate, "");
  return { url: String(placed.headers.location), order: finalized.body, chain };
}
