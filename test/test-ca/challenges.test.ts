import type { Answer } from "dns-packet";
import { createHash } from "node:crypto";
import type { RequestListener } from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import { startTestCa, type TestCaOptions } from "../../src/test-ca/test-ca.ts";
import {
  alpnServer,
  challengeOf,
  csrFor,
  dnsServer,
  keyAuthorization,
  webServer,
  wellKnown,
} from "./loopback.ts";
import { rawClient, type RawClient } from "./raw-client.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const urn = (type: string): string => `urn:ietf:params:acme:error:${type}`;

async function open(options: TestCaOptions): Promise<RawClient> {
  const ca = await startTestCa(options);
  closers.push(() => ca.close());
  const client = rawClient(ca);
  await client.register();
  return client;
}

async function serve(listener?: RequestListener, host?: string) {
  const web = await webServer(listener, host);
  closers.push(web.close);
  return web;
}

/** Orders one name, prepares the response, and gives the authorization after the CA looked. */
async function attempt(
  client: RawClient,
  name: string,
  type: string,
  prepare: (challenge: { token: string; keyAuthorization: string }) => void,
) {
  const { body } = await client.order([name]);
  const [url = ""] = body.authorizations;
  const challenge = await challengeOf(client, url, type);
  const { token } = challenge;
  prepare({ token, keyAuthorization: keyAuthorization(token, client.keys) });
  await client.post(challenge.url, {});
  const authorization = (await client.post(url, "")).body;
  const settled = authorization.challenges.find((each) => each.type === type);
  return { url, challenge, authorization, error: settled?.error, finalize: body.finalize };
}

describe("challenges", () => {
  test("challenges come in random order, with one of an unknown type, and depend on the identifier", async () => {
    const client = await open({});
    const typesOf = async (name: string) => {
      const { body } = await client.order([name]);
      const authorization = await client.post(String(body.authorizations[0]), "");
      return authorization.body.challenges.map(({ type }) => type);
    };
    const orders = new Set<string>();
    for (let count = 0; count < 40; count += 1) {
      const types = await typesOf(`n${count}.example.com`);
      expect(types.filter((type) => !type.startsWith("x-")).toSorted()).toEqual([
        "dns-01",
        "dns-account-01",
        "dns-persist-01",
        "http-01",
        "tls-alpn-01",
      ]);
      expect(types).toHaveLength(6);
      orders.add(types.map((type) => type.replace(/^x-.*/, "x")).join());
    }
    expect(orders.size).toBeGreaterThan(3);
    expect(known(await typesOf("*.example.com"))).toEqual([
      "dns-01",
      "dns-account-01",
      "dns-persist-01",
    ]);
    expect(known(await typesOf("127.0.0.1"))).toEqual(["http-01", "tls-alpn-01"]);
  });

  test("a challenge response must be {}, is accepted once, and only for a type that the CA validates", async () => {
    const web = await serve();
    const client = await open({ httpPort: web.port });
    const { body } = await client.order(["example.com"]);
    const [url = ""] = body.authorizations;
    const challenge = await challengeOf(client, url, "http-01");
    const old = await client.post(challenge.url, { keyAuthorization: "x.y" });
    expect(old.body.detail).toMatch(/must be \{\}/);
    const read = await client.post(challenge.url, "");
    expect(read.body.status).toBe("pending");
    expect(read.headers["link"]).toContain(`<${url}>;rel="up"`);
    const all = (await client.post(url, "")).body.challenges;
    const strange = all.find(({ type }) => type.startsWith("x-"));
    expect((await client.post(String(strange?.url), {})).body.type).toBe(urn("malformed"));
    const other = all.find(({ type }) => type === "dns-01");
    const failed = await client.post(challenge.url, {});
    expect(failed.body.status).toBe("invalid");
    expect((await client.post(challenge.url, {})).body.type).toBe(urn("malformed"));
    expect((await client.post(String(other?.url), {})).body.type).toBe(urn("malformed"));
  });
});

describe("http-01", () => {
  test("http-01 fetches the well-known path three times with the name as Host, and then only the valid challenge is shown", async () => {
    const web = await serve();
    const client = await open({ httpPort: web.port });
    const { authorization } = await attempt(client, "example.com", "http-01", (challenge) =>
      web.answer(challenge.token, `${challenge.keyAuthorization}\n`),
    );
    expect(authorization.status).toBe("valid");
    expect(authorization.challenges.map(({ type }) => type)).toEqual(["http-01"]);
    expect(web.hosts).toEqual(Array.from({ length: 3 }, () => `example.com:${web.port}`));
  });

  test("http-01 fails when the response is gone after the first request", async () => {
    let looks = 0;
    let body = "";
    const web = await serve((_, response) => {
      looks += 1;
      response.writeHead(looks === 1 ? 200 : 404).end(body);
    });
    const client = await open({ httpPort: web.port });
    const { authorization, error, finalize } = await attempt(
      client,
      "example.com",
      "http-01",
      (challenge) => {
        body = challenge.keyAuthorization;
      },
    );
    expect(authorization.status).toBe("invalid");
    expect(error).toMatchObject({
      type: urn("unauthorized"),
      identifier: { type: "dns", value: "example.com" },
    });
    expect(error?.detail).toContain("404");
    const csr = await csrFor(["example.com"]);
    expect((await client.post(finalize, { csr })).body.type).toBe(urn("orderNotReady"));
  });

  const listeners: [string, RequestListener, string, RegExp][] = [
    ["a wrong body", (_, response) => response.end("hello"), "unauthorized", /"hello" received/],
    ["another status", (_, response) => response.writeHead(403).end(), "unauthorized", /403/],
    ["an endless body", (_, response) => response.end("x".repeat(2000)), "unauthorized", /longer/],
    [
      "a hang-up",
      (request) => request.socket.destroy(),
      "connection",
      /cannot be fetched: (?!Error)/,
    ],
    [
      "a redirect to another port",
      (_, response) => response.writeHead(302, { location: "http://example.com:8080/" }).end(),
      "connection",
      /port 8080/,
    ],
    [
      "a redirect to another scheme",
      (_, response) => response.writeHead(302, { location: "file:///etc/passwd" }).end(),
      "connection",
      /file:/,
    ],
    [
      "redirects without end",
      (request, response) => response.writeHead(302, { location: `${request.url}x` }).end(),
      "connection",
      /redirects/,
    ],
  ];
  test.each(listeners)("http-01 fails on %s", async (_, listener, type, detail) => {
    const web = await serve(listener);
    const client = await open({ httpPort: web.port });
    const { error } = await attempt(client, "example.com", "http-01", () => undefined);
    expect(error?.type).toBe(urn(type));
    expect(error?.detail).toMatch(detail);
  });

  test("http-01 follows redirects to port 80, which is httpPort here", async () => {
    let wanted = "";
    const web = await serve((request, response) => {
      if (request.url === "/elsewhere") response.end(wanted);
      else response.writeHead(301, { location: "http://www.example.com/elsewhere" }).end();
    });
    const client = await open({ httpPort: web.port });
    const { authorization } = await attempt(client, "example.com", "http-01", (challenge) => {
      wanted = challenge.keyAuthorization;
    });
    expect(authorization.status).toBe("valid");
    expect(web.hosts).toContain(`www.example.com:${web.port}`);
  });

  test("http-01 looks the name up at the resolver, falls back from IPv6 to IPv4, and reports a name without addresses", async () => {
    const web = await serve();
    const records = new Map<string, Answer[]>([
      [
        "both.example",
        [
          { type: "AAAA", name: "both.example", data: "::1" },
          { type: "A", name: "both.example", data: "127.0.0.1" },
        ],
      ],
    ]);
    const dns = await dnsServer(records);
    closers.push(dns.close);
    const client = await open({ httpPort: web.port, resolver: dns.address });
    const both = await attempt(client, "both.example", "http-01", (challenge) =>
      web.answer(challenge.token, challenge.keyAuthorization),
    );
    expect(both.authorization.status).toBe("valid");
    const none = await attempt(client, "none.example", "http-01", () => undefined);
    expect(none.error).toMatchObject({ type: urn("dns") });
    expect(dns.questions).toContain("AAAA none.example");
  });

  test.each([
    ["127.0.0.1", "127.0.0.1"],
    ["192.0.2.7", "127.0.0.1"],
    ["2001:db8::7", "::1"],
  ])(
    "http-01 validates the address %s, in brackets for IPv6, and the order can be finalized",
    async (address, host) => {
      const web = await serve(undefined, host);
      const client = await open({ httpPort: web.port });
      const { authorization, finalize } = await attempt(client, address, "http-01", (challenge) =>
        web.answer(challenge.token, challenge.keyAuthorization),
      );
      expect(authorization.status).toBe("valid");
      const shown = address.includes(":") ? `[${address}]` : address;
      expect(web.hosts[0]).toBe(`${shown}:${web.port}`);
      const csr = await csrFor([address]);
      expect((await client.post(finalize, { csr })).body.status).toBe("valid");
    },
  );
});

describe("dns-01", () => {
  const name = "_acme-challenge.example.com";

  test("dns-01 finds the digest among other values and behind a CNAME", async () => {
    const records = new Map<string, Answer[]>();
    const client = await open01(records);
    const { authorization } = await attempt(client, "*.example.com", "dns-01", (challenge) => {
      const target = "challenges.example.net";
      records.set(name, [{ type: "CNAME", name, data: target }]);
      records.set(target, [
        { type: "TXT", name: target, data: "something else" },
        { type: "TXT", name: target, data: digest(challenge.keyAuthorization) },
      ]);
    });
    expect(authorization.status).toBe("valid");
  });

  test("dns-01 reports the wrong value, or that there is none", async () => {
    const records = new Map<string, Answer[]>();
    const client = await open01(records);
    const wrong = await attempt(client, "example.com", "dns-01", (challenge) =>
      records.set(name, [{ type: "TXT", name, data: challenge.keyAuthorization }]),
    );
    expect(wrong.error?.type).toBe(urn("unauthorized"));
    expect(wrong.error?.detail).toMatch(/^Incorrect TXT record/);
    records.clear();
    const none = await attempt(client, "example.com", "dns-01", () => undefined);
    expect(none.error?.detail).toBe(`No TXT record was found at ${name}.`);
  });

  test("dns-01 gives up in a loop of CNAMEs", async () => {
    const loop: Answer[] = [{ type: "CNAME", name, data: name }];
    const client = await open01(new Map([[name, loop]]));
    const { error } = await attempt(client, "example.com", "dns-01", () => undefined);
    expect(error?.type).toBe(urn("dns"));
  });
});

describe("tls-alpn-01", () => {
  const san = { type: "dns", value: "example.com" } as const;

  test("tls-alpn-01 accepts the right certificate for a name and for addresses", async () => {
    const named = await validate("example.com", san);
    expect(named.authorization.status).toBe("valid");
    const v4 = await validate("127.0.0.9", { type: "ip", value: "127.0.0.9" }, {}, "127.0.0.9");
    expect(v4.authorization.status).toBe("valid");
    expect(v4.serverNames[0]).toBe("9.0.0.127.in-addr.arpa");
    const v6 = await validate("2001:db8::7", { type: "ip", value: "2001:db8::7" }, {}, "::1");
    expect(v6.authorization.status).toBe("valid");
    expect(v6.serverNames[0]).toBe(`7.${"0.".repeat(23)}8.b.d.0.1.0.0.2.ip6.arpa`);
  });

  test.each([
    ["another name", { type: "dns", value: "example.org" }, {}, /example\.org/],
    ["a second name", san, { more: { type: "dns", value: "b.example" } }, /b\.example/],
    ["an extension that is not critical", san, { critical: false }, /not critical/],
    ["another digest", san, { digest: Buffer.alloc(32) }, /wrong key authorization/],
  ] as const)("tls-alpn-01 refuses a certificate with %s", async (_, name, wrong, detail) => {
    const { error } = await validate("example.com", name, wrong);
    expect(error?.type).toBe(urn("unauthorized"));
    expect(error?.detail).toMatch(detail);
  });

  test("tls-alpn-01 refuses a server that does not speak acme-tls/1, and fails without a server", async () => {
    const h2 = await validate("example.com", san, { protocol: "h2" });
    expect(h2.error?.type).toMatch(/connection|unauthorized/);
    const client = await open({ tlsPort: 1 });
    const { error } = await attempt(client, "example.com", "tls-alpn-01", () => undefined);
    expect(error?.type).toBe(urn("connection"));
  });
});

test("the http-01 path of a token is below /.well-known/acme-challenge/", async () => {
  const paths: string[] = [];
  const web = await serve((request, response) => {
    paths.push(request.url ?? "");
    response.end();
  });
  const client = await open({ httpPort: web.port });
  const { challenge } = await attempt(client, "example.com", "http-01", () => undefined);
  expect(paths[0]).toBe(wellKnown + challenge.token);
  expect(challenge.token).toMatch(/^[\w-]{43}$/);
});

async function open01(records: Map<string, Answer[]>): Promise<RawClient> {
  const dns = await dnsServer(records);
  closers.push(dns.close);
  return open({ resolver: dns.address });
}

async function validate(
  name: string,
  san: { type: "dns" | "ip"; value: string },
  wrong: Parameters<typeof alpnServer>[2] = {},
  host?: string,
) {
  let wanted = "";
  const server = await alpnServer(san, () => wanted, wrong, host);
  closers.push(server.close);
  const client = await open({ tlsPort: server.port });
  const outcome = await attempt(client, name, "tls-alpn-01", (challenge) => {
    wanted = challenge.keyAuthorization;
  });
  return { ...outcome, serverNames: server.serverNames };
}

function known(types: string[]): string[] {
  return types.filter((type) => !type.startsWith("x-")).toSorted();
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
