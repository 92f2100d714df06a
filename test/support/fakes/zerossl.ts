/** ZeroSSL: its API for external account bindings, and its directory, which leads to an embedded CA. */
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import https, { createServer } from "node:https";
import { json as jsonOf, text as textOf } from "node:stream/consumers";
import type { AddressInfo } from "node:net";
import { selfSigned } from "../../acme/world.ts";
import { startIssuing } from "../issuing.ts";
import { startProxy } from "../servers/proxy.ts";

/** Everything goes through `env.https_proxy`, which leads every host here. */
export async function startZeroSsl({ accessKey = "key-of-the-website" } = {}) {
  const bindings: Record<string, string> = {};
  const issuing = await startIssuing({ eab: bindings });
  const { key, cert } = await selfSigned("api.zerossl.com", "acme.zerossl.com");
  const bundle = join(issuing.state, "..", "zerossl.pem");
  await writeFile(bundle, `${cert}\n${issuing.ca.rootPem}`);
  const asked: string[] = [];
  const server = createServer({ key, cert }, (request, response) => {
    asked.push(`${request.method} ${request.headers.host}${request.url}`);
    void answer(request, response);
  });
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.headers.host === "acme.zerossl.com") {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(await directory(issuing.ca.directoryUrl, issuing.ca.rootPem)));
      return;
    }
    const error = refusalOf(request, await textOf(request), accessKey);
    const [kid, hmac] = [randomBytes(16), randomBytes(64)].map((one) => one.toString("base64url"));
    if (error === undefined) bindings[kid!] = hmac!;
    // The label is what the real one sends.
    response.setHeader("content-type", "text/html; charset=UTF-8");
    const given = { success: true, eab_kid: kid, eab_hmac_key: hmac };
    response.end(JSON.stringify(error === undefined ? given : { success: false, error }));
  }
  await once(server.listen(0, "127.0.0.1"), "listening");
  const proxy = await startProxy(() => (server.address() as AddressInfo).port);
  return {
    issuing,
    bindings,
    asked,
    /** Trusted are this server and the embedded CA. */
    env: { https_proxy: proxy.url, NODE_EXTRA_CA_CERTS: bundle, HOME: issuing.state },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await proxy[Symbol.asyncDispose]();
      await issuing[Symbol.asyncDispose]();
    },
  };
}

/** What the real API refuses, by its documentation. */
function refusalOf(request: IncomingMessage, body: string, accessKey: string) {
  const { pathname, searchParams } = new URL(request.url ?? "", "https://api.zerossl.com");
  if (request.method !== "POST") return { code: 103, type: "invalid_api_function" };
  if (pathname === "/acme/eab-credentials-email") {
    const type = request.headers["content-type"] ?? "";
    const isForm = type.startsWith("application/x-www-form-urlencoded");
    const email = isForm ? (new URLSearchParams(body).get("email") ?? "") : "";
    if (!/^[^@\s]+@[^@\s]+\.[a-z]+$/.test(email)) return { code: 2900, type: "invalid_email" };
    return undefined;
  }
  if (pathname !== "/acme/eab-credentials") return { code: 103, type: "invalid_api_function" };
  const given = searchParams.get("access_key");
  return given === accessKey ? undefined : { code: 101, type: "invalid_access_key" };
}

async function directory(url: string, ca: string): Promise<unknown> {
  const [answer] = (await once(
    https.get(url, { ca, headers: { "user-agent": "zerossl" } }),
    "response",
  )) as [IncomingMessage];
  return jsonOf(answer);
}
