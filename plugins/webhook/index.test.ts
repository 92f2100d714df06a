import { createHmac } from "node:crypto";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import https from "node:https";
import type { AddressInfo, Server, Socket } from "node:net";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Problem, type OptionsOf } from "acmectl/plugin";
import { challengeFor, recordingLog, solverConformance, solverContext } from "acmectl/testing";
import { run } from "../../test/support/run.ts";
import { startProxy } from "../../test/support/servers/proxy.ts";
import { freePort } from "../../test/support/servers/process.ts";
import { makeTls } from "../../test/support/servers/tls.ts";
import { temporaryFolder } from "../../test/support/state.ts";
import webhook from "./index.ts";

type Options = OptionsOf<typeof webhook.options>;

const pauses = vi.hoisted((): number[] => []);
// What a busy service asks for is not waited for here.
vi.mock(import("node:timers/promises"), async (original) => {
  const real = await original();
  const setTimeout = async (milliseconds: number, ...rest: unknown[]) => {
    pauses.push(milliseconds);
    return (real.setTimeout as (...all: unknown[]) => Promise<unknown>)(1, ...rest);
  };
  return { ...real, setTimeout: setTimeout as never };
});

const call = { signal: new AbortController().signal };
const folder = await temporaryFolder();
const at = (name: string) => join(folder.path, name);
afterAll(() => folder[Symbol.asyncDispose]());

interface Got {
  readonly what: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}
interface Service {
  readonly url: string;
  readonly got: Got[];
  /** Answers of the next requests, the first one next; then those of `usual`. */
  readonly script: ((response: ServerResponse, got: Got) => void)[];
  usual: (response: ServerResponse, got: Got) => void;
  close(): Promise<void>;
}

async function startService(
  server: Server & NodeJS.EventEmitter = createServer(),
): Promise<Service> {
  const got: Got[] = [];
  const script: Service["script"] = [];
  const service = {
    got,
    script,
    usual: (response: ServerResponse) => void response.writeHead(204).end(),
  };
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const one = { what: `${request.method} ${request.url}`, headers: request.headers, body };
      got.push(one);
      (script.shift() ?? made.usual)(response, one);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const scheme = server instanceof https.Server ? "https" : "http";
  const made: Service = Object.assign(service, {
    url: `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.close();
      if ("closeAllConnections" in server) (server as https.Server).closeAllConnections();
      await once(server, "close");
    },
  });
  return made;
}

let service: Service;
beforeEach(async () => {
  service = await startService();
  pauses.length = 0;
});
afterEach(() => service.close());

const defaults: Options = {
  url: "https://unset.invalid",
  style: "httpreq",
  mode: undefined,
  method: "POST",
  body: undefined,
  cleanupUrl: undefined,
  cleanupMethod: undefined,
  cleanupBody: undefined,
  headers: undefined,
  secretHeaders: undefined,
  username: undefined,
  password: undefined,
  token: undefined,
  clientCertificate: undefined,
  clientKey: undefined,
  hmacSecret: undefined,
  hmacHeader: "X-Hub-Signature-256",
  caBundle: undefined,
  config: undefined,
  namespace: "default",
  ambientCredentials: false,
  timeout: 30_000,
  timeoutSeconds: undefined,
  retries: 4,
};

async function solver(given: Partial<Options>, log = recordingLog()) {
  return webhook.create({ ...defaults, url: service.url, ...given }, solverContext({ log }));
}

const challenge = challengeFor("dns-01", "example.test", {
  wildcard: true,
  recordName: "example.acme.test",
});
const { token, keyAuthorization, recordValue } = challenge;

async function presentAndCleanup(given: Partial<Options>) {
  const made = await solver(given);
  await made.present(challenge, call);
  await made.cleanup(challenge, undefined, call);
  await made.close?.();
  return service.got;
}

async function problemOf(promise: Promise<unknown> | undefined): Promise<Problem> {
  const error = await promise?.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!Problem.is(error)) throw new Error(`no Problem but ${String(error)}`);
  return error;
}

const answering =
  (status: number, text = "", headers: Record<string, string> = {}) =>
  (response: ServerResponse) =>
    void response.writeHead(status, headers).end(text);

describe("conformance of the webhook solver", async () => {
  const values = new Map<string, Set<string>>();
  const at = (name: string) => values.get(name) ?? new Set();
  const backend = await startService();
  backend.usual = (response, { what, headers, body }) => {
    const expected = `Basic ${Buffer.from("acme:correct-horse").toString("base64")}`;
    if (headers.authorization !== expected) {
      return answering(401, `no, not with ${headers.authorization}`)(response);
    }
    const { fqdn, value } = JSON.parse(body) as { fqdn: string; value: string };
    const here = at(fqdn);
    values.set(fqdn, what === "POST /dns/present" ? here.add(value) : here);
    if (what === "POST /dns/cleanup") here.delete(value);
    return answering(200, "ignored")(response);
  };
  afterAll(() => backend.close());
  const options = {
    ...defaults,
    url: `${backend.url}/dns/`,
    username: "acme",
    password: "correct-horse",
  };
  const cases = solverConformance({
    plugin: webhook,
    options,
    visible: async ({ recordName }) => [...at(`${recordName}.`)],
    foreign: {
      plant: async ({ recordName }) =>
        void values.set(`${recordName}.`, new Set([...at(`${recordName}.`), "foreign"])),
      look: async ({ recordName }) => at(`${recordName}.`).has("foreign"),
      remove: async ({ recordName }) => void at(`${recordName}.`).delete("foreign"),
    },
    broken: [
      {
        when: "the password is wrong and the service quotes it",
        options: { ...options, password: "wrong-horse" },
        says: /HTTP status 401: no, not with Basic \*\*\*[^]*username and password/,
      },
      {
        when: "nothing listens",
        options: { ...options, url: `http://127.0.0.1:${await freePort()}`, retries: 1 },
        says: /ECONNREFUSED/,
      },
      {
        when: "the password is missing",
        options: { ...options, password: undefined },
        says: /username is set without password/,
      },
      {
        when: "there are two ways to authenticate",
        options: { ...options, token: "bearer-token" },
        says: /both token and username/,
      },
      {
        when: "the URL has credentials",
        options: { ...options, url: "https://acme:s3cret@example.test/" },
        says: /the URL has credentials \(…@example\.test/,
      },
      {
        when: "a header field has a line break",
        options: { ...options, secretHeaders: { "X-Key": "one\r\nX-Other: two" } },
        says: /"x-key" cannot be sent/,
      },
      {
        when: "the CA bundle is not PEM",
        options: { ...options, caBundle: "/etc/passwd" },
        says: /caBundle \(\/etc\/passwd\) cannot be used/,
      },
      {
        when: "the client's key is missing",
        options: { ...options, clientCertificate: "/etc/passwd" },
        says: /clientCertificate is set without clientKey/,
      },
      {
        when: "the URL is not that of a cert-manager webhook",
        options: { ...options, style: "cert-manager" },
        says: /\/apis\/GROUP\/v1alpha1\/SOLVER/,
      },
      {
        when: "a placeholder is unknown",
        options: { ...options, style: "template", body: '{"n":"{fqnd}"}' },
        says: /unknown placeholder \{fqnd\}[^]*\{fqdn\}/,
      },
    ],
  });
  for (const { name, run } of cases) it(name, run);
});

describe("the webhook solver sends for style", () => {
  it("httpreq: name with a dot and value, below the path of the URL", async () => {
    const got = await presentAndCleanup({ url: `${service.url}/api/v1?zone=a` });
    const body = JSON.stringify({ fqdn: "example.acme.test.", value: recordValue });
    expect(got).toMatchObject([
      { what: "POST /api/v1/present?zone=a", body },
      { what: "POST /api/v1/cleanup?zone=a", body },
    ]);
    expect(got[0]?.headers["content-type"]).toBe("application/json");
  });

  it("httpreq raw: the bare domain, token and key authorization", async () => {
    const body = JSON.stringify({ domain: "example.test", token, keyAuth: keyAuthorization });
    const expected = [
      { what: "POST /present", body },
      { what: "POST /cleanup", body },
    ];
    expect(await presentAndCleanup({ style: "httpreq-raw" })).toMatchObject(expected);
    expect(await presentAndCleanup({ mode: "RAW" })).toMatchObject([...expected, ...expected]);
  });

  it("cert-manager: a ChallengePayload", async () => {
    const url = `${service.url}/apis/acme.example.com/v1alpha1/own`;
    service.usual = (response, { body }) => {
      const { request } = JSON.parse(body) as { request: { uid: string } };
      answering(200, JSON.stringify({ response: { uid: request.uid, success: true } }))(response);
    };
    const config = { secretRef: { name: "dns" } };
    const got = await presentAndCleanup({ style: "cert-manager", url, config, namespace: "dns" });
    const request = {
      uid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      action: "Present",
      type: "dns-01",
      dnsName: "example.test",
      key: recordValue,
      resourceNamespace: "dns",
      resolvedFQDN: "example.acme.test.",
      resolvedZone: "acme.test.",
      allowAmbientCredentials: false,
      config,
    };
    expect(got.map(({ body }) => JSON.parse(body))).toEqual([
      { kind: "ChallengePayload", apiVersion: "acme.example.com/v1alpha1", request },
      {
        kind: "ChallengePayload",
        apiVersion: "acme.example.com/v1alpha1",
        request: { ...request, action: "CleanUp" },
      },
    ]);
    expect(got[0]?.what).toBe("POST /apis/acme.example.com/v1alpha1/own");
  });

  it.each([
    [
      '{"response":{"uid":"UID","success":false,"status":{"message":"no such zone"}}}',
      /no such zone/,
    ],
    ['{"response":{"uid":"UID","success":"true"}}', /no reason given/],
    ['{"response":{"uid":"another","success":true}}', /for another request/],
    ["<html>", /no `response`/],
    [`{"response":{"uid":"UID","success":true},"pad":"${"x".repeat(70_000)}"}`, /no `response`/],
  ])("cert-manager, and rejects bad answer %#", async (answer, says) => {
    const url = `${service.url}/apis/acme.example.com/v1alpha1/own`;
    service.usual = (response, { body }) => {
      const { request } = JSON.parse(body) as { request: { uid: string } };
      answering(200, answer.replace("UID", request.uid))(response);
    };
    const made = await solver({ style: "cert-manager", url });
    expect((await problemOf(made.present(challenge, call))).message).toMatch(says);
  });

  it("template: the configured method, URL, header fields and body, and others for cleanup", async () => {
    const got = await presentAndCleanup({
      style: "template",
      method: "PUT",
      url: `${service.url}/zones/{zone}/{fqdn}?v={value}`,
      body: '{"text":"{value}","nested":{"type":"{type}","empty":{}}}',
      headers: { "X-Team": "web", "Content-Type": "application/vnd.dns+json" },
      cleanupMethod: "DELETE",
      cleanupUrl: `${service.url}/{action}/{domain}/{token}`,
      cleanupBody: "{keyAuth}",
    });
    expect(got).toMatchObject([
      {
        what: `PUT /zones/acme.test/example.acme.test?v=${recordValue}`,
        body: `{"text":"${recordValue}","nested":{"type":"dns-01","empty":{}}}`,
        headers: { "x-team": "web", "content-type": "application/vnd.dns+json" },
      },
      { what: `DELETE /cleanup/example.test/${token}`, body: keyAuthorization },
    ]);
  });
});

describe("the webhook solver authenticates with", () => {
  it("a bearer token, a secret header field and an HMAC of the body", async () => {
    const [got] = await presentAndCleanup({
      token: "bearer-token",
      secretHeaders: { "X-Api-Key": "api-key" },
      hmacSecret: "hmac-secret",
    });
    expect(got?.headers).toMatchObject({
      authorization: "Bearer bearer-token",
      "x-api-key": "api-key",
    });
    const signature = createHmac("sha256", "hmac-secret")
      .update(got?.body ?? "")
      .digest("hex");
    expect(got?.headers["x-hub-signature-256"]).toBe(`sha256=${signature}`);
  });

  it("a client certificate, to a service that the CA bundle trusts", async () => {
    const { rootPem, rootFile, certificatePem, keyPem, certificateFile, keyFile } = await makeTls(
      folder.path,
    );
    // The leaf is made for servers; what counts here is that it is shown.
    const tls = { cert: certificatePem, key: keyPem, ca: rootPem, requestCert: true };
    const lenient = { ...tls, rejectUnauthorized: false };
    const secure = await startService(https.createServer(lenient));
    const url = secure.url;
    secure.usual = (response) => {
      const { subject } = (response.socket as TLSSocket).getPeerCertificate();
      answering(subject?.CN === "localhost" ? 200 : 403)(response);
    };
    try {
      const own = { clientCertificate: certificateFile, clientKey: keyFile, caBundle: rootFile };
      await (await solver({ url, ...own })).present(challenge, call);
      expect(secure.got).toHaveLength(1);
      const nameless = await solver({ url, caBundle: rootFile, retries: 0 });
      const refused = await problemOf(nameless.present(challenge, call));
      expect(refused.message).toContain("HTTP status 403");
      const untrusting = await problemOf(
        (await solver({ url, retries: 0 })).present(challenge, call),
      );
      expect(untrusting.hint).toContain("caBundle");
      expect(secure.got).toHaveLength(2);
      const other = at("other.key");
      await writeFile(other, (await readFile(keyFile, "utf8")).replace("PRIVATE", "PUBLIC"));
      const broken = await problemOf(solver({ url, ...own, clientKey: other }));
      expect(broken.message).toContain(other);
    } finally {
      await secure.close();
    }
  });
});

describe("the webhook solver", () => {
  it("retries 429 and 5xx after Retry-After, at most `retries` times", async () => {
    const log = recordingLog();
    service.script.push(answering(429, "", { "retry-after": "7" }), answering(503), answering(502));
    await (await solver({}, log)).present(challenge, call);
    expect(log.entries[0]).toMatchObject({
      level: "info",
      message: "retrying the webhook in 7 s: HTTP status 429",
    });
    expect(service.got).toHaveLength(4);
    expect(pauses[0]).toBe(7000);
    service.usual = answering(503, "the database is away");
    const made = await solver({ retries: 2 });
    const problem = await problemOf(made.present(challenge, call));
    expect(service.got).toHaveLength(7);
    expect(problem.message).toContain("HTTP status 503: the database is away");
    expect(problem.message).toContain("set the TXT value of example.acme.test");
    expect(problem.retryable).toBe(true);
  });

  it("retries a refused connection, but not one that breaks after the request", async () => {
    const made = await solver({ url: `http://127.0.0.1:${await freePort()}`, retries: 3 });
    const problem = await problemOf(made.present(challenge, call));
    expect(problem.is("network")).toBe(true);
    expect(pauses).toHaveLength(3);
    service.usual = (response) => void response.destroy();
    await problemOf((await solver({})).cleanup(challenge, null, call));
    expect(service.got).toHaveLength(1);
  });

  it.each([
    ["times out", () => {}],
    ["breaks", (response: ServerResponse) => void response.destroy()],
  ])("warns if a request to present %s, since the record may be there", async (_, usual) => {
    service.usual = usual;
    const log = recordingLog();
    await (await solver({ timeout: 200 }, log)).present(challenge, call);
    expect(service.got).toHaveLength(1);
    expect(log.entries).toMatchObject([
      { level: "warn", message: /did not answer the request for example\.acme\.test/ },
    ]);
  });

  it("masks secrets in every encoding before it shortens a response", async () => {
    const secret = `pass"word with ${"long ".repeat(20)}text`;
    const quoted = [secret, encodeURIComponent(secret), Buffer.from(secret).toString("base64")];
    for (const text of [...quoted, JSON.stringify(secret)]) {
      service.usual = answering(418, `${"x".repeat(460)} ${text}`);
      const problem = await problemOf((await solver({ token: secret })).present(challenge, call));
      expect(problem.message).toMatch(/x \W?\*\*\*/);
      expect(problem.message).not.toContain(text.slice(1, 30));
    }
    const locations = answering(302, "", { location: `/${"x".repeat(480)}?k=secret-key-text` });
    service.usual = locations;
    const headers = { "X-Key": "secret-key-text" };
    const moved = await problemOf(
      (await solver({ secretHeaders: headers })).present(challenge, call),
    );
    expect(moved.message).not.toContain("secret-key");
  });

  it.each([
    ["user:p%ss", "dXNlcjpwJXNz"],
    ["DOMAIN\\user:p w@rd", Buffer.from("DOMAIN\\user:p w@rd").toString("base64")],
    ["user:p%40ss", Buffer.from("user:p@ss").toString("base64")],
    ["user:pä😀ss", Buffer.from("user:pä😀ss").toString("base64")],
    ["user:secret", Buffer.from("user:secret").toString("base64"), "ALL_PROXY"],
  ])("uses a proxy with the credentials %s", async (user, expected, name = "HTTP_PROXY") => {
    const proxy = createServer();
    const authorization: unknown[] = [];
    proxy.on("connect", ({ headers }: IncomingMessage, socket: Socket) => {
      authorization.push(headers["proxy-authorization"]);
      socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
    });
    proxy.listen(0, "127.0.0.1");
    await once(proxy, "listening");
    const { port } = proxy.address() as AddressInfo;
    vi.stubEnv(name, `http://${user}@127.0.0.1:${port}`);
    const given = await solver({ url: "http://service.example/", retries: 0 });
    await problemOf(given.present(challenge, call));
    expect(authorization).toEqual([`Basic ${expected}`]);
    proxy.close();
    vi.unstubAllEnvs();
  });

  it("does not use the proxy for a host in NO_PROXY", async () => {
    await using proxy = await startProxy(() => Number(new URL(service.url).port));
    vi.stubEnv("HTTP_PROXY", proxy.url);
    const url = "http://service.example";
    await (await solver({ url })).present(challenge, call);
    expect(proxy.seen).toHaveLength(1);
    vi.stubEnv("NO_PROXY", "service.example");
    await problemOf((await solver({ url, retries: 0 })).present(challenge, call));
    expect(proxy.seen).toHaveLength(1);
    expect(service.got).toHaveLength(1);
    vi.unstubAllEnvs();
  });

  it("rejects a proxy whose password is not encoded as UTF-8", async () => {
    vi.stubEnv("http_proxy", "http://me:caf%e9@proxy.example:3128");
    const problem = await problemOf(solver({}));
    vi.unstubAllEnvs();
    expect(problem.is("config")).toBe(true);
    expect(problem.message).toContain("in http_proxy is not encoded as UTF-8");
  });

  it.each(["http://[::", "socks5://proxy.example:1080", "http://"])(
    "rejects the proxy %s with the name of the variable",
    async (url) => {
      vi.stubEnv("HTTPS_PROXY", url);
      const problem = await problemOf(solver({}));
      vi.unstubAllEnvs();
      expect(problem.message).toBe("HTTPS_PROXY is not the URL of an HTTP proxy.");
    },
  );

  it.each([
    [404, /HTTP status 404/, /appends \/present and \/cleanup/],
    [403, /HTTP status 403/, /clientCertificate/],
    [422, /HTTP status 422/, /template/],
  ])("reports HTTP status %i without a retry", async (status, says, hint) => {
    service.usual = answering(status);
    const problem = await problemOf((await solver({})).present(challenge, call));
    expect(problem.message).toMatch(says);
    expect(problem.hint).toMatch(hint);
    expect(problem.retryable).toBe(false);
    expect(service.got).toHaveLength(1);
  });

  it("follows at most three redirects, only 307 and 308 to the same host", async () => {
    const to = (location: string, status = 307) => answering(status, "", { location });
    service.script.push(to("/moved"), to(`${service.url}/again`, 308));
    await (await solver({ token: "bearer-token" })).present(challenge, call);
    expect(service.got.map(({ what }) => what)).toEqual([
      "POST /present",
      "POST /moved",
      "POST /again",
    ]);
    expect(service.got[2]).toMatchObject({ headers: { authorization: "Bearer bearer-token" } });
    const other = await startService();
    service.script.push(to(`${other.url}/elsewhere`), to("/seen", 302));
    for (const where of [`${other.url}/elsewhere`, "/seen"]) {
      const problem = await problemOf((await solver({})).present(challenge, call));
      expect(problem.message).toContain(`redirects to ${JSON.stringify(where)}`);
    }
    expect(other.got).toEqual([]);
    service.usual = to("/loop");
    await problemOf((await solver({})).present(challenge, call));
    expect(service.got).toHaveLength(3 + 2 + 4);
    await other.close();
  });

  it("limits the time and the size of a response", async () => {
    service.script.push(() => {});
    const problem = await problemOf(
      (await solver({ timeout: 100 })).cleanup(challenge, null, call),
    );
    expect(problem.message).toContain("ETIMEDOUT");
    expect(service.got).toHaveLength(1);
    service.script.push((response) => {
      const flood = setInterval(() => response.write("x".repeat(65_536)), 1);
      response.once("close", () => clearInterval(flood));
    });
    await (await solver({})).present(challenge, call);
  });

  it("stops when the run is aborted during a request", async () => {
    const aborting = new AbortController();
    service.script.push(() => aborting.abort(new Error("Ctrl-C")));
    await expect((await solver({})).present(challenge, aborting)).rejects.toThrow("Ctrl-C");
  });
});

describe("acmectl with the webhook solver", () => {
  it("reads lego's variables and masks secrets", async () => {
    await using state = await temporaryFolder();
    service.usual = (response, { headers }) =>
      answering(418, `teapot for ${headers.authorization}`)(response);
    const words = ["solvers", "test", "webhook", "-d", "example.test", "--dns-cname", "none"];
    const { code, stdout, stderr } = await run([...words, "--state", state.path, "-v"], {
      env: {
        HOME: state.path,
        HTTPREQ_ENDPOINT: service.url,
        HTTPREQ_MODE: "RAW",
        HTTPREQ_USERNAME: "acme",
        HTTPREQ_PASSWORD: "correct-horse-battery",
        HTTPREQ_HTTP_TIMEOUT: "5",
      },
    });
    expect(JSON.parse(service.got[0]?.body ?? "")).toHaveProperty("keyAuth");
    expect(stderr).toContain("teapot for Basic ***");
    expect(stdout + stderr).not.toContain(Buffer.from("acme:correct-horse").toString("base64"));
    expect(stdout + stderr).not.toContain("correct-horse-battery");
    expect(code).toBe(7);
  });
});
