import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import net from "node:net";
import tls from "node:tls";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { Agent } from "undici";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { proxyFor } from "../../src/proxy.ts";
import { createPrivateKey } from "../../src/acme/keys.ts";
import { createTransport } from "../../src/acme/transport/transport.ts";
import { signerOf } from "../../src/acme/signer.ts";
import { startProxy } from "../support/servers/proxy.ts";
import {
  client,
  directoryOf,
  hostile,
  listening,
  problemOf,
  quickClock,
  selfSigned,
  signal,
} from "./world.ts";

const json = { "content-type": "application/json" };

describe("a server that is not a CA", () => {
  test("a redirect of the directory is reported with its target and not followed", async () => {
    const elsewhere = await hostile((_, response) => void response.end("{}"));
    const server = await hostile(
      (_, response) => void response.writeHead(307, { location: `${elsewhere.url}/dir` }).end(),
    );
    const problem = await problemOf(
      client(server.url, { caBundle: server.rootPem }).directory(signal),
    );
    expect(problem.is("protocol")).toBe(true);
    expect(problem.exitCode).toBe(4);
    expect(problem.message).toContain(`redirects to ${elsewhere.url}/dir`);
    expect(problem.hint).toContain(`--server ${elsewhere.url}/dir`);
    expect(elsewhere.requests).toHaveLength(0);
  });

  test("a redirect of another request gets no hint to use its target", async () => {
    const server = await hostile((request, response, url) => {
      if (request.url === "/dir") response.writeHead(200, json).end(directoryOf(url));
      else response.writeHead(307, { location: "https://evil.example/x" }).end();
    });
    const ca = client(`${server.url}/dir`, { caBundle: server.rootPem });
    const problem = await problemOf(
      ca.session(signerOf(await createPrivateKey("ec256")), undefined).find(signal),
    );
    expect(problem.message).toContain("redirects to https://evil.example/x");
    expect(problem.hint).not.toContain("--server https");
    expect(problem.hint).toContain("report it to the CA");
  });

  test.each([
    [
      "a web page",
      { "content-type": "text/html" },
      "<html>It works!</html>",
      /text\/html, not with an ACME directory/,
    ],
    ["broken JSON", json, "{", /not with an ACME directory/],
    ["a list", json, "[]", /not with an ACME directory/],
    [
      "an object without endpoints",
      json,
      '{"newNonce":"https://localhost/n"}',
      /no newAccount, newOrder/,
    ],
    [
      "http links",
      json,
      directoryOf("http://localhost"),
      /"http:\/\/localhost\/nonce", which is not an https URL/,
    ],
    ["more than a mebibyte", json, `"${"x".repeat(1_100_000)}"`, /more than 1048576 bytes/],
    ["gzip unasked", { ...json, "content-encoding": "gzip" }, gzipSync("{}"), /encoding "gzip"/],
  ])("a directory that is %s is reported", async (_, headers, body, message) => {
    const server = await hostile((_, response) => void response.writeHead(200, headers).end(body));
    const problem = await problemOf(
      client(server.url, { caBundle: server.rootPem }).directory(signal),
    );
    expect(problem.is("protocol")).toBe(true);
    expect(problem.message).toMatch(message);
    expect(server.requests[0]?.headers["accept-encoding"]).toBe("identity");
  });

  test("a 404 with a web page is reported with its URL", async () => {
    const server = await hostile(
      (_, response) => void response.writeHead(404).end("<h1>no\u001b[31m</h1>"),
    );
    const problem = await problemOf(
      client(server.url, { caBundle: server.rootPem }).directory(signal),
    );
    expect(problem.is("protocol")).toBe(true);
    expect(problem.message).toMatch(/404, without an ACME problem document \(a web page\)/);
  });
});

describe("a server that is slow", () => {
  const limits = { connect: 2000, idle: 300, total: 700 };

  test("a server that does not begin its answer is given up after the idle limit", async () => {
    const server = await hostile(() => {});
    const problem = await problemOf(
      client(server.url, { caBundle: server.rootPem, limits }).directory(signal),
    );
    expect(problem.is("network")).toBe(true);
    expect(problem.message).toMatch(/no (complete )?answer within/);
    expect(server.requests).toHaveLength(1);
  });

  test("a server that does not end its answer is given up after the total limit", async () => {
    const server = await hostile((_, response) => {
      response.writeHead(200, json);
      const timer = setInterval(() => response.write(" "), 50);
      response.on("close", () => clearInterval(timer));
    });
    const problem = await problemOf(
      client(server.url, { caBundle: server.rootPem, limits }).directory(signal),
    );
    expect(problem.message).toMatch(/no complete answer within 0.7 s/);
  });

  test("a request to a slow server ends at once when the signal aborts, with the signal's reason", async () => {
    const server = await hostile(() => {});
    const controller = new AbortController();
    const asked = client(server.url, { caBundle: server.rootPem }).directory(controller.signal);
    await vi.waitFor(() => expect(server.requests).toHaveLength(1));
    controller.abort(new Error("Ctrl-C"));
    await expect(asked).rejects.toThrow("Ctrl-C");
  });
});

describe("a server that cannot be reached", () => {
  test("a server with an unknown TLS root is reported with the issuer and --ca-bundle", async () => {
    const server = await hostile((_, response) => void response.end());
    vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
    onTestFinished(() => void vi.unstubAllEnvs());
    const clock = quickClock();
    const problem = await problemOf(client(server.url, { clock }).directory(signal));
    expect(problem.is("network")).toBe(true);
    expect(problem.message).toMatch(/not trusted \(issuer: Hostile Root\)/);
    expect(problem.message).not.toMatch(/Node\.js|--use-system-ca/);
    expect(problem.hint).toContain("--ca-bundle");
    expect([server.requests.length, clock.slept.length]).toEqual([0, 0]);
  });

  test("a server with a certificate for another name is reported with that name", async () => {
    const server = await hostile((_, response) => void response.end());
    const url = server.url.replace("localhost", "127.0.0.1");
    const problem = await problemOf(client(url, { caBundle: server.rootPem }).directory(signal));
    expect(problem.message).toMatch(/certificate is for another name \(DNS:localhost/);
  });

  test.each([
    ["has expired", -2],
    ["is not valid yet", 1],
  ])("a server whose certificate %s is reported with the time of this clock", async (what, day) => {
    const at = (days: number) => new Date(Date.now() + days * 86_400_000);
    const validity = { notBefore: at(day), notAfter: at(day + 1) };
    const server = await hostile((_, response) => void response.end(), validity);
    const ca = client(server.url, { caBundle: server.rootPem });
    const { exitCode, message, hint } = await problemOf(ca.directory(signal));
    expect([exitCode, message]).toEqual([4, expect.stringContaining(`TLS certificate ${what}`)]);
    const today = new Date().toISOString().slice(0, 10);
    expect(hint).toContain(`Check this host's clock first: it is set to ${today}`);
  });

  test("a port on which nothing listens is tried three times, then reported with host and port", async () => {
    const server = net.createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const clock = quickClock();
    const problem = await problemOf(
      client(`https://127.0.0.1:${port}/dir`, { clock }).directory(signal),
    );
    expect(problem.exitCode).toBe(4);
    expect(problem.message).toContain(`127.0.0.1:${port}: the connection was refused`);
    expect(clock.slept).toEqual([250, 1000]);
  });

  test("a server that does not speak TLS is reported as such", async () => {
    const port = await listening(http.createServer());
    const problem = await problemOf(client(`https://127.0.0.1:${port}/`).directory(signal));
    expect(problem.message).toMatch(
      /: the server does not speak TLS \(GET https:\S+, (EPROTO|ERR_SSL_WRONG_VERSION_NUMBER)\)\.$/,
    );
  });

  test("a rejected TLS handshake is reported without OpenSSL's numbers", async () => {
    const server = tls.createServer({}).listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    const problem = await problemOf(client(`https://127.0.0.1:${port}/`).directory(signal));
    expect(problem.message).toContain("the TLS handshake failed: ssl/tls alert handshake failure");
    expect(problem.message).not.toMatch(/[0-9A-F]{8}:|deps\/openssl/);
  });

  test.each(["TLSv1.2", "TLSv1.3"] as const)(
    "a CA that requires a client certificate gets it over %s; without one that it accepts the hint names --client-cert",
    async (version) => {
      const [own, mine] = [await selfSigned(), await selfSigned("acmectl")];
      const trust = { ca: mine.cert, requestCert: true, rejectUnauthorized: true };
      const server = https.createServer(
        { ...own, ...trust, minVersion: version, maxVersion: version },
        (_, response) => response.writeHead(200, json).end(directoryOf(url)),
      );
      const url = `https://localhost:${await listening(server)}`;
      const shown = { certificate: mine.cert, key: mine.key };
      const known = client(`${url}/directory`, { caBundle: own.cert, client: shown });
      expect((await known.directory(signal)).newNonce).toBe(`${url}/nonce`);
      const nobody = await problemOf(client(url, { caBundle: own.cert }).directory(signal));
      expect([nobody.is("network"), nobody.hint]).toEqual([
        true,
        expect.stringContaining("--client-cert FILE and --client-key FILE"),
      ]);
      const refused = { certificate: own.cert, key: own.key };
      const other = client(url, { caBundle: own.cert, client: refused }).directory(signal);
      expect((await problemOf(other)).hint).toContain("of one that it accepts");
      const wrong = { certificate: mine.cert, key: own.key };
      const mismatch = client(url, { caBundle: own.cert, client: wrong }).directory(signal);
      expect((await problemOf(mismatch)).message).toContain("client certificate for the CA cannot");
    },
  );

  test("a server whose name does not exist is reported as such", async () => {
    const problem = await problemOf(client("https://ca.invalid/dir").directory(signal));
    expect(problem.is("network")).toBe(true);
    expect(problem.message).toMatch(
      /ca\.invalid: the name (does not exist|could not be looked up)/,
    );
  });

  test("a CA bundle without a certificate is reported", async () => {
    const problem = await problemOf(
      client("https://localhost:1/", { caBundle: "nothing" }).directory(signal),
    );
    expect([problem.is("config"), problem.exitCode]).toEqual([true, 2]);
  });

  test("a directory URL that is not https is reported", () => {
    expect(() => client("http://localhost/dir")).toThrow(/not an https URL/);
  });
});

describe("links to hosts that are not in the directory", () => {
  test("links to other hosts are not followed, so that no signed request goes there", async () => {
    const thief = await hostile((_, response) => void response.end());
    const server = await hostile((request, response, url) => {
      if (request.url === "/dir") return response.writeHead(200, json).end(directoryOf(url));
      const nonce = { "replay-nonce": "abc" };
      if (request.url === "/nonce") return response.writeHead(200, nonce).end();
      const location = request.url === "/account" ? `${url}/account/1` : `${url}/order/1`;
      const body = {
        status: request.url === "/account" ? "valid" : "pending",
        identifiers: [{ type: "dns", value: "example.com" }],
        authorizations: [`${thief.url}/authz`],
        finalize: `${url}/finalize`,
      };
      return response.writeHead(201, { ...json, ...nonce, location }).end(JSON.stringify(body));
    });
    const ca = client(`${server.url}/dir`, { caBundle: server.rootPem });
    const session = ca.session(signerOf(await createPrivateKey("ec256")), undefined);
    await session.register({ contact: [], termsOfServiceAgreed: true }, signal);
    const order = { identifiers: [{ type: "dns" as const, value: "example.com" }] };
    const problem = await problemOf(session.newOrder(order, signal));
    expect(problem.is("protocol")).toBe(true);
    expect(problem.message).toContain(`"${thief.url}/authz"`);
    expect((await problemOf(session.order(`${thief.url}/order/1`, signal))).message).toContain(
      thief.url,
    );
    expect(thief.requests).toHaveLength(0);
  });
});

test("a request to a host that the directory does not name, or without TLS, is not sent", async () => {
  const thief = await hostile((_, response) => void response.end());
  const options = {
    env: {},
    caBundle: thief.rootPem,
    userAgent: "acmectl",
    redact: (text: string) => text,
    log: { debug() {}, info() {}, warn() {} },
    clock: quickClock(),
    limits: { connect: 1_000, idle: 1_000, total: 2_000, body: 1_000 },
  };
  const transport = createTransport("https://ca.example/directory", options);
  onTestFinished(() => transport.close());
  for (const url of [`${thief.url}/`, "http://ca.example/order", "https://ca.example.evil/"]) {
    const problem = await problemOf(transport.send({ method: "POST", url, body: "{}", signal }));
    expect(problem.is("protocol")).toBe(true);
    expect(problem.message).toContain(`The CA points to ${url}`);
  }
  expect(thief.requests).toHaveLength(0);
});

test("every request carries the User-Agent and a language", async () => {
  const server = await hostile(
    (_, response, url) => void response.writeHead(200, json).end(directoryOf(url)),
  );
  await client(server.url, { caBundle: server.rootPem }).directory(signal);
  expect(server.requests[0]?.headers["user-agent"]).toBe(
    "acmectl/9.9.9 (+https://example.com) node/v24",
  );
  expect(server.requests[0]?.headers["accept-language"]).toBe("en");
});

test.each([" ", "", "\\n"])(
  "a CA bundle whose line breaks became %j is trusted, and its certificates are the extra roots",
  async (between) => {
    const server = await hostile((_, response, url) => {
      response.writeHead(200, json).end(directoryOf(url));
    });
    const caBundle = server.rootPem.trim().replaceAll("\n", between).repeat(2);
    const ca = client(server.url, { caBundle });
    expect((await ca.directory(signal)).newOrder).toBe(`${server.url}/order`);
    expect(ca.extraRoots.map((pem) => pem.trim())).toEqual(Array(2).fill(server.rootPem.trim()));
  },
);

test("the CA's clock is known after the first answer", async () => {
  const date = new Date("2026-01-01T00:10:00Z");
  const server = await hostile(
    (_, response, url) =>
      void response.writeHead(200, { ...json, date: date.toUTCString() }).end(directoryOf(url)),
  );
  const clock = quickClock(new Date("2026-01-01T00:00:00Z"));
  const ca = client(server.url, { caBundle: server.rootPem, clock });
  expect(ca.clockSkew).toBe(0);
  await ca.directory(signal);
  expect(ca.clockSkew).toBe(600_000);
});

test.each([
  [
    360_000,
    ["the clock of this machine is 6 minutes behind that of HOST; check its time synchronization"],
  ],
  [
    -7_200_000,
    ["the clock of this machine is 2 hours ahead of that of HOST; check its time synchronization"],
  ],
  [60_000, []],
])(
  "a clock that differs by %i ms from the CA's is reported once if that is much",
  async (skew, said) => {
    const clock = quickClock(new Date("2026-01-01T00:00:00Z"));
    const date = new Date(clock.now().getTime() + skew).toUTCString();
    const server = await hostile((_, response, url) => {
      response.writeHead(200, { ...json, date }).end(directoryOf(url));
    });
    const warnings: string[] = [];
    const log = { debug() {}, info() {}, warn: (text: string) => void warnings.push(text) };
    const ca = client(server.url, { caBundle: server.rootPem, clock, log });
    await ca.directory(signal);
    await problemOf(ca.renewalInfo("aYhba4dG.AIdlQyE", signal));
    expect(warnings).toEqual(said.map((text) => text.replace("HOST", new URL(server.url).host)));
  },
);

test("a secret in the words of an error is masked before they are cut", async () => {
  const secret = "s3cr3t-token-of-the-website";
  const words = `${"x".repeat(110)} ${secret}`;
  const server = await hostile((_, response) => void response.writeHead(400).end(words));
  const redact = (text: string) => text.replaceAll(secret, "***");
  const ca = client(server.url, { caBundle: server.rootPem, redact });
  const problem = await problemOf(ca.directory(signal));
  expect(problem.hint).toContain("x ***");
  expect(problem.hint).not.toContain("s3cr3t");
});

test("a TypeError in the transport is not reported as a network failure", async () => {
  const broken = new TypeError("this.connect is not a function");
  const dispatch = vi.spyOn(Agent.prototype, "dispatch").mockImplementation(() => {
    throw broken;
  });
  onTestFinished(() => dispatch.mockRestore());
  await expect(
    client("https://ca.test/dir", { env: { HTTPS_PROXY: "http://proxy.test" } }).directory(signal),
  ).rejects.toBe(broken);
});

describe("a proxy", () => {
  test("a proxy is used for a host that only it can resolve, and cannot intercept TLS", async () => {
    const { key, cert } = await selfSigned("ca.test");
    const server = https.createServer({ key, cert }, (_, response) =>
      response.writeHead(200, json).end(directoryOf("https://ca.test")),
    );
    const target = await listening(server);
    await using proxy = await startProxy(() => target);
    const { url, seen } = proxy;
    const env = { HTTPS_PROXY: url };
    const trusting = client("https://ca.test/dir", { caBundle: cert, env });
    expect((await trusting.directory(signal)).newOrder).toBe("https://ca.test/order");
    expect(seen).toEqual([`ca.test:443 Basic ${Buffer.from("me:secret").toString("base64")}`]);
    const doubting = await problemOf(client("https://ca.test/dir", { env }).directory(signal));
    expect(doubting.message).toMatch(/certificate is not trusted/);
    const elsewhere = await problemOf(
      client("https://other.test/", { caBundle: cert, env }).directory(signal),
    );
    expect(elsewhere.message).toMatch(/certificate is for another name/);
  });

  test("a proxy that refuses is reported without its password", async () => {
    await using proxy = await startProxy(undefined);
    const { url } = proxy;
    const problem = await problemOf(
      client("https://ca.test/dir", { env: { https_proxy: url } }).directory(signal),
    );
    expect(problem.is("network")).toBe(true);
    expect(problem.message).toContain(`the proxy ${new URL(url).host} refused`);
    expect(problem.message + problem.hint).not.toContain("secret");
  });

  test("a proxy is not used for hosts in NO_PROXY, and never for this host", async () => {
    await using proxy = await startProxy(() => 0);
    const { url, seen } = proxy;
    const server = await hostile(
      (_, response, url) => void response.writeHead(200, json).end(directoryOf(url)),
    );
    const env = { HTTPS_PROXY: url, NO_PROXY: "example.com" };
    await client(server.url, { caBundle: server.rootPem, env }).directory(signal);
    const named = { HTTPS_PROXY: url, NO_PROXY: "ca.invalid" };
    await problemOf(client("https://ca.invalid/", { env: named }).directory(signal));
    expect(seen).toEqual([]);
  });

  test.each([
    ["10.1.0.0/16", "https://10.1.2.3/", true],
    ["10.1.0.0/16", "https://10.2.2.3/", false],
    ["10.*", "https://10.200.1.1:8443/", true],
    ["10.*", "https://100.1.1.1/", false],
    ["2001:db8::/32", "https://[2001:db8::7]/", true],
    ["[2001:db8::7]", "https://[2001:db8::7]/", true],
    ["example.com", "https://ca.example.com/", true],
    [".example.com, *.lan", "https://ca.lan/", true],
    ["example.com", "https://notexample.com/", false],
    ["ca.lan:8443", "https://ca.lan/", false],
    ["ca.lan:8443", "https://ca.lan:8443/", true],
    ["300.0.0.0/8,10.0.0.0/99", "https://10.1.1.1/", false],
    ["", "https://127.8.8.8/", true],
    ["*", "https://ca.example/", true],
  ])("with NO_PROXY=%s the proxy is left out for %s: %s", (NO_PROXY, url, direct) => {
    const proxy = "http://proxy.lan:3128";
    const env = { HTTPS_PROXY: proxy, NO_PROXY };
    expect(proxyFor(env, url)).toBe(direct ? undefined : proxy);
  });

  test.each([
    ["http://me:50%off@proxy.lan:3128", "% as %25"],
    ["http://DOMAIN\\me:secret@proxy.lan:3128", "\\ as %5C"],
    ["DOMAIN\\me:secret@proxy.lan:3128", "\\ as %5C"],
    ["http://me:my secret@proxy.lan:3128", "a blank as %20"],
    ["http://me:sec/ret@proxy.lan:3128", "/ as %2F"],
    ["http://me:sec#r?t@proxy.lan:3128", "# as %23, ? as %3F"],
    ["http://me:caf%e9secret@proxy.lan:3128", "é as %C3%A9"],
  ])("a proxy written as %s is a configuration error with the right spelling", async (url, how) => {
    const env = { HTTPS_PROXY: url };
    const problem = await problemOf(client("https://ca.test/", { env }).directory(signal));
    expect([problem.is("config"), problem.exitCode]).toEqual([true, 2]);
    expect(problem.message).toContain("HTTPS_PROXY");
    expect(problem.hint).toContain(how);
    expect(problem.message + problem.hint).not.toMatch(/secret|ret@|off/);
  });

  test("a proxy of an unsupported kind is a configuration error", async () => {
    const env = { ALL_PROXY: "socks5://127.0.0.1:1080" };
    const problem = await problemOf(client("https://ca.test/", { env }).directory(signal));
    expect(problem.is("config")).toBe(true);
    expect(problem.message).toContain("ALL_PROXY");
  });
});

describe("HTTP/2", () => {
  /** A CA that speaks both; `answer` gets each stream and its path. */
  async function modern(
    answer: (stream: http2.ServerHttp2Stream, path: string) => void,
    limits = { connect: 10_000, idle: 300, total: 20_000 },
  ) {
    const { key, cert } = await selfSigned();
    const server = http2.createSecureServer({ key, cert, allowHTTP1: true });
    const seen: string[] = [];
    const sessions = new Set<http2.ServerHttp2Session>();
    server.on("session", (session) => {
      sessions.add(session);
      session.on("error", () => {});
    });
    server.on("stream", (stream, headers) => {
      const path = headers[":path"] ?? "";
      seen.push(path);
      stream.on("error", () => {});
      answer(stream, path);
    });
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      for (const session of sessions) session.destroy();
      server.close();
    });
    const url = `https://localhost:${(server.address() as AddressInfo).port}`;
    const ca = client(`${url}/dir`, { caBundle: cert, limits });
    onTestFinished(() => ca.close());
    return { ca, url, seen, sessions };
  }

  const answer = (stream: http2.ServerHttp2Stream, body: string, headers: object = {}) => {
    stream.respond({ ":status": 200, ...json, ...headers });
    stream.end(body);
  };

  test("requests side by side share one connection", async () => {
    const { ca, seen, sessions } = await modern((stream, path) => {
      const { origin } = new URL(ca.url);
      answer(
        stream,
        path === "/dir" ? directoryOf(origin, { renewalInfo: `${origin}/ari` }) : "{}",
      );
    });
    const infos = ["a.b", "c.d", "e.f"].map((id) => problemOf(ca.renewalInfo(id, signal)));
    await Promise.all(infos);
    expect(seen.toSorted()).toEqual(["/ari/a.b", "/ari/c.d", "/ari/e.f", "/dir"]);
    expect(sessions.size).toBe(1);
  });

  test("of a hundred requests, eight are under way at a time", async () => {
    const [waiting, counts] = [new Set<string>(), new Set<number>()];
    const { ca } = await modern((stream, path) => {
      const { origin } = new URL(ca.url);
      if (path === "/dir")
        return answer(stream, directoryOf(origin, { renewalInfo: `${origin}/ari` }));
      waiting.add(path);
      setTimeout(() => {
        counts.add(waiting.size);
        waiting.delete(path);
        answer(stream, "{}");
      }, 20);
    });
    const ids = Array.from({ length: 100 }, (_, index) => `a.${index}`);
    await Promise.all(ids.map((id) => problemOf(ca.renewalInfo(id, signal))));
    expect(Math.max(...counts)).toBe(8);
  });

  test("what the first order needs is fetched ahead, once, and a failure is reported by the call that needs it", async () => {
    const { ca, seen } = await modern((stream, path) => {
      const headers = path === "/nonce" ? { "replay-nonce": "abc" } : {};
      answer(stream, directoryOf(new URL(ca.url).origin), headers);
    });
    ca.prepare(signal);
    await problemOf(ca.session(signerOf(await createPrivateKey("ec256")), undefined).find(signal));
    expect(seen).toEqual(["/dir", "/nonce", "/account"]);
    const other = client(ca.url, { caBundle: "nothing" });
    other.prepare(signal);
    await new Promise((resolve) => void setTimeout(resolve, 10));
    expect((await problemOf(other.directory(signal))).message).toMatch(/CA bundle/);
  });

  test("a request under way ends well when the CA closes the connection in good order", async () => {
    const { ca, seen, sessions } = await modern((stream, path) => {
      if (path === "/dir") {
        stream.session?.close();
        setTimeout(() => answer(stream, directoryOf(new URL(ca.url).origin)), 100);
      } else answer(stream, "", { "replay-nonce": "abc" });
    });
    expect(await ca.directory(signal)).toMatchObject({ url: ca.url });
    const session = ca.session(signerOf(await createPrivateKey("ec256")), undefined);
    await problemOf(session.find(signal));
    expect(seen).toEqual(["/dir", "/nonce", "/account"]);
    expect(sessions.size).toBe(2);
  });

  test("a request that the CA refused to look at is sent again, though it may not be repeated", async () => {
    const { ca, seen } = await modern((stream, path) => {
      if (path === "/dir") answer(stream, directoryOf(new URL(ca.url).origin));
      else if (path === "/nonce") answer(stream, "", { "replay-nonce": "abc" });
      else if (seen.filter((one) => one === path).length === 1) stream.close(7);
      else answer(stream, "{}", { location: ca.url });
    });
    const session = ca.session(signerOf(await createPrivateKey("ec256")), ca.url);
    await problemOf(session.newOrder({ identifiers: [] }, signal));
    expect(seen).toEqual(["/dir", "/nonce", "/order", "/order"]);
  });

  test("the answer to a signed request may begin after the idle limit", async () => {
    const limits = { connect: 5000, idle: 250, total: 20_000 };
    const { ca, seen } = await modern((stream, path) => {
      if (path === "/dir") answer(stream, directoryOf(new URL(ca.url).origin));
      else if (path === "/nonce") answer(stream, "", { "replay-nonce": "abc" });
      else setTimeout(() => answer(stream, "{}", { location: ca.url }), 2 * limits.idle);
    }, limits);
    const session = ca.session(signerOf(await createPrivateKey("ec256")), ca.url);
    const problem = await problemOf(session.newOrder({ identifiers: [] }, signal));
    expect([problem.is("protocol"), seen]).toEqual([true, ["/dir", "/nonce", "/order"]]);
  });

  test("an order whose connection breaks is not placed again", async () => {
    const { ca, seen } = await modern((stream, path) => {
      if (path === "/dir") answer(stream, directoryOf(new URL(ca.url).origin));
      else if (path === "/nonce") answer(stream, "", { "replay-nonce": "abc" });
      else stream.session?.destroy();
    });
    const session = ca.session(signerOf(await createPrivateKey("ec256")), ca.url);
    const problem = await problemOf(session.newOrder({ identifiers: [] }, signal));
    expect([problem.is("network"), problem.message]).toEqual([
      true,
      expect.stringMatching(/the connection was cut/),
    ]);
    expect(seen).toEqual(["/dir", "/nonce", "/order"]);
  });

  test.each<[string, (stream: http2.ServerHttp2Stream) => void, RegExp]>([
    ["does not begin", () => {}, /no answer within 0.3 s/],
    ["is cancelled", (stream) => stream.close(8), /the connection was cut/],
    [
      "stops half way",
      (stream) => {
        stream.respond({ ":status": 200, ...json });
        stream.write("{");
      },
      /stopped for 0.3 s/,
    ],
    [
      "breaks off half way",
      (stream) => {
        stream.respond({ ":status": 200, ...json });
        stream.write("{", () => stream.session?.destroy());
      },
      /the connection was cut/,
    ],
    ["is too long", (stream) => answer(stream, "x".repeat(1_100_000)), /more than 1048576 bytes/],
    [
      "redirects",
      (stream) => answer(stream, "", { ":status": 302, location: "https://x/" }),
      /redirects to https:\/\/x\//,
    ],
  ])("an answer that %s is reported", async (_, spoil, message) => {
    const { ca } = await modern(spoil);
    expect((await problemOf(ca.directory(signal))).message).toMatch(message);
  });

  test("a request ends at once when the signal aborts, with the signal's reason", async () => {
    const { ca, seen } = await modern(() => {});
    const controller = new AbortController();
    const asked = ca.directory(controller.signal);
    await vi.waitFor(() => expect(seen).toHaveLength(1));
    controller.abort(new Error("Ctrl-C"));
    await expect(asked).rejects.toThrow("Ctrl-C");
  });
});
