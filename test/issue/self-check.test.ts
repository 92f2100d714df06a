import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import tlsAlpn from "../../plugins/tls-alpn/index.ts";
import type { CertificateRequest } from "../../src/certificate.ts";
import type { Dns } from "../../src/dns/dns.ts";
import { checkWhenLive, selfCheck } from "../../src/issue/proof/self-check.ts";
import { challengeFor, solverContext } from "../../src/testing.ts";
import { freePort } from "../support/servers/process.ts";
import { heard, pendingBy, problemOf, requestFor, solverOf, toolsOf, unexpected } from "./world.ts";

/** Where port 80 of each address is, since no test may have it. */
const port80 = vi.hoisted(() => new Map<string, number>());
vi.mock(import("node:http"), async (original) => {
  const http = await original();
  const request = (options: { host: string; port: number }) =>
    http.request({
      ...options,
      port: options.port === 80 ? (port80.get(options.host) ?? 0) : options.port,
    });
  return { ...http, request: request as typeof http.request };
});

const challenge = challengeFor("http-01", "www.example.com");

async function serve(address: string, listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  port80.set(address, port);
  return port;
}

const right: RequestListener = (request, response) => {
  const known = request.url === challenge.path && request.headers.host === "www.example.com";
  response.writeHead(known ? 200 : 404).end(`${challenge.body}\n`);
};
const wrong: RequestListener = (_, response) => {
  response.writeHead(404, { server: "nginx/1.26\u009b" }).end("secret of an internal host");
};

/** Looks at these addresses of the name; the warnings, or the Problem. */
async function look(
  addresses: readonly string[] | (() => Promise<readonly string[]>),
  more: Partial<CertificateRequest> = {},
  asked = challenge,
) {
  const dns = unexpected<Dns>("dns", {
    addresses: typeof addresses === "function" ? addresses : async () => addresses,
  });
  const tools = await toolsOf({ dns: () => dns });
  const pending = pendingBy(solverOf("web", { types: ["http-01"] }), asked);
  const request = requestFor(["www.example.com"], more);
  return { tools, checked: selfCheck(pending, asked, request, tools) };
}

describe("the self-check of http-01", () => {
  test("the self-check passes when the response is correct", async () => {
    await serve("127.0.0.1", right);
    const { checked, tools } = await look(["127.0.0.1"]);
    expect(await checked).toBeUndefined();
    expect(heard(tools, "debug")).toEqual([
      `http://www.example.com${challenge.path} at 127.0.0.1:80: the response`,
    ]);
  });

  test("the self-check accepts a redirect, which the CA will follow", async () => {
    await serve("127.0.0.1", (_, response) =>
      response.writeHead(301, { location: "https://www.example.com/" }).end(),
    );
    expect(await (await look(["127.0.0.1"])).checked).toBeUndefined();
  });

  test("names status, server and address of a wrong answer, and shows nothing of its body", async () => {
    await serve("127.0.0.1", wrong);
    const problem = await problemOf((await look(["127.0.0.1"])).checked);
    expect(problem.exitCode).toBe(7);
    expect(problem.document).toMatchObject({
      detail: `http://www.example.com${challenge.path} answers status 404 from nginx/1.26 (at 127.0.0.1:80).`,
      identifier: { value: "www.example.com" },
    });
    expect(JSON.stringify(problem)).not.toContain("secret");
    expect(problem.hint).toContain("--no-self-check");
  });

  test("the self-check fails at a redirect loop, with a hint for it", async () => {
    const loop = (request: IncomingMessage) => ({
      location: `http://www.example.com${request.url}`,
    });
    await serve("127.0.0.1", (request, response) => response.writeHead(302, loop(request)).end());
    const problem = await problemOf((await look(["127.0.0.1"])).checked);
    expect(problem.message).toContain("answers with redirects that never end (at 127.0.0.1:80)");
    expect(problem.hint).toMatch(/^Fix the redirect loop/);
  });

  test("the self-check follows a redirect on the same host", async () => {
    await serve("127.0.0.1", (request, response) => {
      if (request.url === "/there") response.end(challenge.body);
      else response.writeHead(302, { location: "/there" }).end();
    });
    const { checked, tools } = await look(["127.0.0.1"]);
    expect(await checked).toBeUndefined();
    expect(heard(tools, "debug").join()).toContain("the response");
  });

  test("the self-check warns of a redirect to another port, and has a hint if the CA refuses it", async () => {
    const location = `http://www.example.com:8080${challenge.path}`;
    await serve("127.0.0.1", (_, response) => response.writeHead(301, { location }).end());
    const unseen = await (await look(["127.0.0.1"])).checked;
    expect(unseen?.text).toContain("a redirect to port 8080, which public CAs do not follow");
    expect(unseen?.hint).toContain("port 80 or 443");
  });

  test.each([
    ["another body", "no"],
    ["the response with more behind it", `${challenge.body}x`],
    ["a body that never ends", challenge.body + " ".repeat(1_000_000)],
  ])("takes 200 with %s for wrong", async (_, body) => {
    await serve("127.0.0.1", (_, response) => response.writeHead(200).end(body));
    const problem = await problemOf((await look(["127.0.0.1"])).checked);
    expect(problem.message).toContain("answers 200 with another body (at 127.0.0.1:80)");
  });

  test("the self-check asks every address, and one wrong answer fails it", async () => {
    await serve("127.0.0.1", right);
    await serve("127.0.0.2", wrong);
    const problem = await problemOf((await look(["127.0.0.1", "127.0.0.2"])).checked);
    expect(problem.message).toContain("(at 127.0.0.2:80)");
    expect(problem.message).not.toContain("127.0.0.1");
  });

  test("the self-check does not fail for an address that it cannot reach", async () => {
    await serve("127.0.0.1", right);
    port80.set("127.0.0.3", await freePort());
    const unseen = await (await look(["127.0.0.1", "127.0.0.3"])).checked;
    expect(unseen?.text).toMatch(
      /could not reach http:\/\/www\.example\.com.*127\.0\.0\.3:80: .*ECONNREFUSED/,
    );
  });

  test("asks no more than eight addresses", async () => {
    const addresses = Array.from({ length: 20 }, (_, index) => `127.0.1.${index}`);
    const free = await freePort();
    for (const address of addresses) port80.set(address, free);
    const { checked, tools } = await look(addresses);
    await checked;
    expect(heard(tools, "debug")).toHaveLength(8);
  });

  test("the self-check warns if the name has no address, or the DNS does not answer", async () => {
    const none = await (await look([])).checked;
    expect(none?.text).toMatch(/^www\.example\.com has no A or AAAA record/);
    expect(none?.hint).toMatch(/^Add an A or AAAA record for www\.example\.com/);
    const failed = await (await look(() => Promise.reject(new Error("SERVFAIL")))).checked;
    expect(failed?.text).toMatch(/found no address for www\.example\.com: SERVFAIL/);
  });

  test("--self-check-at is used instead of the addresses of the name", async () => {
    const port = await serve("127.0.0.1", right);
    const { checked } = await look(() => Promise.reject(new Error("not asked")), {
      selfCheckAt: `127.0.0.1:${port}`,
    });
    expect(await checked).toBeUndefined();
  });

  test("asks an address for itself, an IPv6 one in brackets", async () => {
    const byAddress = challengeFor("http-01", "::1");
    let host: string | undefined;
    const listener: RequestListener = (request, response) => {
      host = request.headers.host;
      response.end(byAddress.body);
    };
    await serve("::1", listener);
    const { checked } = await look([], {}, byAddress);
    expect(await checked).toBeUndefined();
    expect(host).toBe("[::1]");
  });

  test("an interrupted run stops the self-check", async () => {
    const stop = new AbortController();
    const port = await serve("127.0.0.1", () => stop.abort(new Error("Ctrl-C")));
    const tools = await toolsOf({
      signal: stop.signal,
      selfCheckAt: { "http-01": `127.0.0.1:${port}` },
    });
    const pending = pendingBy(solverOf("web", { types: ["http-01"] }), challenge);
    const checked = selfCheck(pending, challenge, requestFor(["www.example.com"]), tools);
    await expect(checked).rejects.toThrow("Ctrl-C");
  });
});

describe("the self-check of tls-alpn-01", () => {
  const asked = challengeFor("tls-alpn-01", "www.example.com");
  const check = async (port: number) => {
    const tools = await toolsOf();
    const pending = pendingBy(solverOf("alpn", { types: ["tls-alpn-01"] }), asked);
    const request = requestFor(["www.example.com"], { selfCheckAt: `127.0.0.1:${port}` });
    return { tools, checked: selfCheck(pending, asked, request, tools) };
  };
  const present = async (...challenges: readonly (typeof asked)[]) => {
    const port = await freePort();
    const place = { address: ["127.0.0.1"], port, socket: undefined, socketMode: "0660" };
    const solver = await tlsAlpn.create({ ...place, wait: 0 }, solverContext());
    onTestFinished(() => solver.close?.());
    const signal = new AbortController().signal;
    for (const challenge of challenges) await solver.present(challenge, { signal });
    return port;
  };

  test("passes when the certificate has the digest", async () => {
    const { checked, tools } = await check(await present(asked));
    expect(await checked).toBeUndefined();
    expect(heard(tools, "debug").join()).toMatch(/www\.example\.com:443 at \S+: the response/);
  });

  test("fails at a certificate for another challenge of the name", async () => {
    const { checked } = await check(await present(challengeFor("tls-alpn-01", "www.example.com")));
    expect((await problemOf(checked)).message).toContain("a certificate for another challenge");
  });

  test("fails at a server that does not speak acme-tls/1, with the way to pass it on", async () => {
    const http = await serve("127.0.0.1", right);
    const { checked } = await check(http);
    const problem = await problemOf(checked);
    expect(problem.exitCode).toBe(7);
    expect(problem.message).toContain("a server that does not accept acme-tls/1");
    expect(problem.hint).toContain("--tls-alpn-port");
  });

  test("does not fail if nothing listens: a router may hide this host from itself", async () => {
    const unseen = await (await check(await freePort())).checked;
    expect(unseen?.text).toMatch(/could not reach www\.example\.com:443 from here .*ECONNREFUSED/);
  });
});

describe("the self-check of a response that takes a while", () => {
  const lookLater = async (listener: RequestListener, answers: readonly boolean[]) => {
    await serve("127.0.0.1", listener);
    const dns = unexpected<Dns>("dns", { addresses: async () => ["127.0.0.1"] });
    const tools = await toolsOf({ dns: () => dns });
    const open = solverOf("cluster", { types: ["http-01"] });
    const left = [...answers];
    const checkPropagation = async () => left.shift() ?? true;
    const pending = pendingBy({ ...open, solver: { ...open.solver, checkPropagation } }, challenge);
    const item = { challenge: pending, receipt: null };
    return checkWhenLive(item, challenge, requestFor(["www.example.com"]), tools);
  };

  test("is repeated while the solver says that it is not live, and while the answer is wrong", async () => {
    let asked = 0;
    const late: RequestListener = (request, response) =>
      ((asked += 1) < 3 ? wrong : right)(request, response);
    expect(await lookLater(late, [false, false])).toBeUndefined();
    expect(asked).toBe(3);
  });

  test("fails after two minutes with what it saw last", async () => {
    const problem = await problemOf(lookLater(wrong, []));
    expect(problem.message).toContain("answers status 404");
  });
});
