import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { describe, expect, test } from "vitest";
import { acceptCertificate } from "../../src/acme/certificate/accept.ts";
import { chooseChain } from "../../src/acme/certificate/chain.ts";
import { createAccountKey } from "../../src/acme/keys.ts";
import { signerOf } from "../../src/acme/signer.ts";
import {
  client,
  dns,
  fulfil,
  problemOf,
  quickClock,
  registered,
  signal,
  waiting,
  world,
} from "./world.ts";

const urn = (name: string) => `urn:ietf:params:acme:error:${name}`;

describe("issuance", () => {
  test("issuing one name takes only the requests that RFC 8555 requires", async () => {
    const here = await world();
    const { url } = await registered(here.ca);
    const key = await createAccountKey();
    const first = here.ca.session(signerOf(key), undefined);
    await first.register({ contact: [], termsOfServiceAgreed: true }, signal);
    expect(url).not.toBe(first.url);

    const { server } = here;
    const fresh = client(server.directoryUrl, { caBundle: server.rootPem });
    const before = server.requests.length;
    const session = fresh.session(signerOf(key), first.url);
    const order = await session.newOrder({ identifiers: [dns("one.example.com")] }, signal);
    const { chains, publicKey } = await fulfil(here, session, order);
    const kinds = server.requests.slice(before).map(({ kind }) => kind);
    // The embedded CA finalizes within the request, so that the final look at the order falls away.
    expect(kinds).toEqual([
      "directory",
      "newNonce",
      "newOrder",
      "authz",
      "challenge",
      "authz",
      "finalize",
      "certificate",
    ]);
    const accepted = acceptCertificate(chooseChain(chains, undefined), {
      publicKey,
      identifiers: [dns("one.example.com")],
      now: new Date(),
    });
    const leaf = new X509Certificate(accepted.leaf);
    expect(leaf.subjectAltName).toBe("DNS:one.example.com");
    expect(accepted.fingerprint).toBe(leaf.fingerprint256.replaceAll(":", "").toLowerCase());
    const info = await fresh.renewalInfo(accepted.ariId ?? "", signal);
    expect(info.start.getTime()).toBeLessThan(info.end.getTime());
  });

  test("a CA that issues in the background costs one more read of the order", async () => {
    const here = await world({ asynchronous: { delay: 1, retryAfter: 1 } }, { clock: patient() });
    const session = await registered(here.ca);
    const order = await session.newOrder({ identifiers: [dns("slow.example.com")] }, signal);
    await fulfil(here, session, order);
    const kinds = here.server.requests.map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === "order")).toHaveLength(1);
    expect(kinds.filter((kind) => kind === "authz")).toHaveLength(2);
  });

  test("issues 50 names when the CA rejects every second nonce, with few newNonce requests", async () => {
    const here = await world({ badNonceRate: 0.5 });
    const session = await registered(here.ca);
    const names = Array.from({ length: 50 }, (_, index) => dns(`n${index}.example.com`));
    const order = await session.newOrder({ identifiers: names }, signal);
    const { chains, publicKey } = await fulfil(here, session, order);
    const expected = { publicKey, identifiers: names, now: new Date() };
    expect(acceptCertificate(chooseChain(chains, undefined), expected).identifiers).toHaveLength(
      50,
    );
    const nonces = here.server.requests.filter(({ kind }) => kind === "newNonce");
    expect(nonces.length).toBeLessThanOrEqual(8);
    expect(here.server.requests.some(({ status }) => status === 400)).toBe(true);
  });

  test("two CAs used at the same time share no nonces, hosts or roots", async () => {
    const [one, other] = await Promise.all([world(), world()]);
    await Promise.all(
      [one, other].map(async (here) => {
        const session = await registered(here.ca);
        const order = await session.newOrder({ identifiers: [dns("both.example.com")] }, signal);
        await fulfil(here, session, order);
        const other = here === one ? two() : first();
        expect((await problemOf(session.order(`${other}/order/1`, signal))).is("protocol")).toBe(
          true,
        );
      }),
    );
    function two() {
      return new URL(other.server.directoryUrl).origin;
    }
    function first() {
      return new URL(one.server.directoryUrl).origin;
    }
    for (const { server } of [one, other]) {
      expect(server.requests.every(({ status }) => status !== undefined && status < 400)).toBe(
        true,
      );
    }
  });

  test("an alternate chain is chosen by its root's name", async () => {
    const here = await world();
    const session = await registered(here.ca);
    const order = await session.newOrder({ identifiers: [dns("alt.example.com")] }, signal);
    const { chains, publicKey } = await fulfil(here, session, order, { alternates: true });
    expect(chains).toHaveLength(2);
    const root = new X509Certificate(here.server.alternateRootPem);
    const name = root.subject.split("\n").find((part) => part.startsWith("CN="));
    const chosen = chooseChain(chains, name?.slice(3));
    expect(chosen).toBe(chains[1]);
    const expected = { publicKey, identifiers: order.identifiers, now: new Date() };
    const { chain } = acceptCertificate(chosen, expected);
    const last = new X509Certificate(chain.slice(chain.lastIndexOf("-----BEGIN")));
    expect(last.checkIssued(root)).toBe(true);
    const warnings: string[] = [];
    const log = { warn: (message: string) => void warnings.push(message) };
    expect(chooseChain(chains, "No Such Root", log)).toBe(chains[0]);
    expect(warnings[0]).toContain('"No Such Root"');
  });
});

describe("account", () => {
  test("an account is registered once, found by its key, updated, rolled over and deactivated", async () => {
    const { ca } = await world();
    const key = await createAccountKey();
    const session = ca.session(signerOf(key), undefined);
    expect(await session.find(signal)).toBeUndefined();
    const contact = ["mailto:ops@example.com"];
    const made = await session.register({ contact, termsOfServiceAgreed: true }, signal);
    expect(made).toMatchObject({ status: "valid", contact });
    expect(await ca.session(signerOf(key), undefined).find(signal)).toMatchObject({
      url: made.url,
    });
    const changed = ["mailto:new@example.com"];
    expect(await session.update({ contact: changed }, signal)).toMatchObject({ contact: changed });
    const before = session.thumbprint;
    const next = await createAccountKey();
    await session.rollover(signerOf(next), signal);
    expect(session.thumbprint).not.toBe(before);
    expect(await session.read(signal)).toMatchObject({ url: made.url, contact: changed });
    expect(await ca.session(signerOf(key), undefined).find(signal)).toBeUndefined();
    expect(await session.deactivate(signal)).toMatchObject({ status: "deactivated" });
    expect((await problemOf(session.read(signal))).document.type).toBe(urn("unauthorized"));
  });

  test("an external account binding requires a key id and an HMAC key", async () => {
    const hmacKey = Buffer.alloc(32, 7).toString("base64url");
    const { ca, server } = await world({ eab: { "kid-1": hmacKey } });
    const session = ca.session(signerOf(await createAccountKey()), undefined);
    const plain = { contact: [], termsOfServiceAgreed: true };
    const missing = await problemOf(session.register(plain, signal));
    expect(missing.document.type).toBe(urn("externalAccountRequired"));
    expect(missing.hint).toContain("--eab-kid");
    const broken = { ...plain, eab: { kid: "kid-1", hmacKey: "not base64!" } };
    const refused = await problemOf(session.register(broken, signal));
    expect([refused.is("config"), refused.message.includes("not base64!")]).toEqual([true, false]);
    expect(server.requests.map(({ kind }) => kind)).toEqual(["directory"]);
    const eab = { kid: "kid-1", hmacKey };
    expect(await session.register({ ...plain, eab }, signal)).toMatchObject({ status: "valid" });
  });

  const random = Buffer.from(
    "fbff3e07fbef9a0bfcfe11d0a7ffbbee8ecdfbff3e07fbef9a0bfcfe11d0a7ff",
    "hex",
  );

  test.each([
    ["standard base64", random.toString("base64")],
    ["base64 without padding", random.toString("base64").replace(/=+$/, "")],
    ["base64 in quotes", `"${random.toString("base64url")}"`],
    [
      "base64 with blanks and line ends",
      ` ${random.toString("base64url").slice(0, 20)}\n${random.toString("base64url").slice(20)} \n`,
    ],
  ])("an HMAC key is read as %s", async (_, hmacKey) => {
    const { ca } = await world({ eab: { "kid-1": random.toString("base64url") } });
    const session = ca.session(signerOf(await createAccountKey()), undefined);
    const account = { contact: [], termsOfServiceAgreed: true, eab: { kid: " 'kid-1' ", hmacKey } };
    expect(await session.register(account, signal)).toMatchObject({ status: "valid" });
  });

  test.each([
    ["both alphabets", "ab+cd_ef", "has both _ or - and / or +"],
    ["a letter too few", "abcde", "is not whole: no base64 has 5 letters"],
    ["other letters", "ab!d", "is not base64"],
  ])("an HMAC key with %s is refused before the CA is asked", async (_, hmacKey, detail) => {
    const { ca, server } = await world();
    const session = ca.session(signerOf(await createAccountKey()), undefined);
    const account = { contact: [], termsOfServiceAgreed: true, eab: { kid: "kid-1", hmacKey } };
    expect((await problemOf(session.register(account, signal))).message).toContain(detail);
    expect(server.requests.filter(({ kind }) => kind === "newAccount")).toEqual([]);
  });

  test("an HMAC key that was encoded twice is recognized when the CA refuses it", async () => {
    const { ca } = await world({ eab: { "kid-1": random.toString("base64url") } });
    const hmacKey = Buffer.from(random.toString("base64url")).toString("base64");
    const session = ca.session(signerOf(await createAccountKey()), undefined);
    const account = { contact: [], termsOfServiceAgreed: true, eab: { kid: "kid-1", hmacKey } };
    const problem = await problemOf(session.register(account, signal));
    expect(problem.document.type).toBe(urn("unauthorized"));
    expect(problem.hint).toContain("base64-encoded twice");
    const wrong = { kid: "kid-1", hmacKey: Buffer.alloc(32, 9).toString("base64") };
    const other = await problemOf(session.register({ ...account, eab: wrong }, signal));
    expect(other.hint).toContain("--eab-kid");
  });

  test("a contact that is not a single address is refused before the CA is asked", async () => {
    const { ca, server } = await world();
    const session = ca.session(signerOf(await createAccountKey()), undefined);
    for (const contact of ["mailto:a@b.c,d@e.f", "mailto:a@b.c?subject=x", "tel:1"]) {
      const account = { contact: [contact], termsOfServiceAgreed: true };
      expect((await problemOf(session.register(account, signal))).is("usage")).toBe(true);
    }
    expect(server.requests).toHaveLength(0);
  });

  test("an account that the CA has forgotten is reported, not created again", async () => {
    const { ca } = await world();
    const url = `${new URL(ca.url).origin}/account/999`;
    const session = ca.session(signerOf(await createAccountKey()), url);
    const problem = await problemOf(session.read(signal));
    expect(problem.document.type).toBe(urn("accountDoesNotExist"));
    expect(problem.hint).toContain("acmectl account register");
  });
});

describe("revocation", () => {
  test("a certificate is revoked by its account, twice without an error, or by its own key", async () => {
    const here = await world();
    const session = await registered(here.ca);
    const issue = async () => {
      const order = await session.newOrder({ identifiers: [dns("gone.example.com")] }, signal);
      const { chains, key } = await fulfil(here, session, order);
      return { der: new X509Certificate(chains[0]?.pem ?? "").raw, key };
    };
    const first = await issue();
    await session.revoke({ der: first.der, reason: 4 }, signal);
    await session.revoke({ der: first.der }, signal);
    const second = await issue();
    await here.ca
      .session(signerOf(second.key), undefined)
      .revoke({ der: second.der, reason: 1 }, signal);
    const wrong = { der: second.der, reason: 99 };
    const third = await issue();
    const problem = await problemOf(session.revoke({ ...wrong, der: third.der }, signal));
    expect(problem.document.type).toBe(urn("badRevocationReason"));
  });
});

describe("an untrusted CA", () => {
  test.each([
    [
      "adds a name",
      { identifiers: [dns("a.example.com"), dns("evil.example.com")] },
      /names evil.example.com, which was not ordered/,
    ],
    ["drops a name", { identifiers: [] }, /lacks a.example.com/],
    ["has an unknown status", { status: "weird\u001b[31m" }, /its "status" is "weird \[31m"/],
    ["finalizes elsewhere", { finalize: "https://evil.example/f" }, /its "finalize" is/],
    [
      "lists http authorizations",
      { authorizations: ["http://127.0.0.1/a"] },
      /its "authorizations" is/,
    ],
  ])("an order that %s is refused", async (_, change, message) => {
    const { ca, server } = await world();
    const session = await registered(ca);
    server.faults.add({ on: "newOrder", do: { mutate: (json) => ({ ...json, ...change }) } });
    const order = session.newOrder({ identifiers: [dns("a.example.com")] }, signal);
    const problem = await problemOf(order);
    expect([problem.is("protocol"), problem.exitCode]).toEqual([true, 4]);
    expect(problem.message).toMatch(message);
  });

  test("an order with its names in another case and order is accepted", async () => {
    const { ca, server } = await world();
    const session = await registered(ca);
    const identifiers = [dns("B.example.COM"), dns("A.example.com")];
    server.faults.add({ on: "newOrder", do: { mutate: (json) => ({ ...json, identifiers }) } });
    const wanted = [dns("a.example.com"), dns("b.example.com")];
    expect((await session.newOrder({ identifiers: wanted }, signal)).identifiers).toEqual([
      dns("b.example.com"),
      dns("a.example.com"),
    ]);
  });

  test.each([
    ["../../etc/passwd", /token of its http-01 challenge/],
    ["short", /token of its http-01 challenge/],
    ["x".repeat(513), /token of its http-01 challenge/],
    ["abcdefghijklmnopqrstuv\n", /token of its http-01 challenge/],
    [7, /token of its http-01 challenge/],
  ])("the token %j is refused before any solver sees it", async (token, message) => {
    const { ca, server } = await world();
    const session = await registered(ca);
    const order = await session.newOrder({ identifiers: [dns("a.example.com")] }, signal);
    const challenges = [{ type: "http-01", url: order.url, status: "pending", token }];
    server.faults.add({ on: "authz", do: { mutate: (json) => ({ ...json, challenges }) } });
    const [url = ""] = order.authorizations;
    expect((await problemOf(session.authorization(url, signal))).message).toMatch(message);
  });

  test("an unknown challenge type is accepted, without its token", async () => {
    const { ca, server } = await world();
    const session = await registered(ca);
    const order = await session.newOrder({ identifiers: [dns("a.example.com")] }, signal);
    const strange = { type: "dns-strange-01", url: order.url, status: "pending", token: "../x" };
    server.faults.add({
      on: "authz",
      do: { mutate: (json) => ({ ...json, extra: 1, challenges: [strange] }) },
    });
    const { challenges } = await session.authorization(order.authorizations[0] ?? "", signal);
    expect(challenges).toEqual([{ type: "dns-strange-01", url: order.url, status: "pending" }]);
  });

  test.each([
    [
      "the error of an order",
      "order",
      (text: string) => ({ status: "invalid", error: { detail: text } }),
    ],
    ["a status", "order", (text: string) => ({ status: text.slice(-70) })],
    ["a link", "order", (text: string) => ({ finalize: text.slice(-210) })],
    [
      "the error of a challenge",
      "authz",
      (text: string) => ({
        status: "invalid",
        challenges: [{ type: "x-01", error: { detail: text } }],
      }),
    ],
  ] as const)("a secret in %s is masked before the text is cut", async (_, on, change) => {
    const secret = "s3cr3t-token-of-the-website";
    const redact = (text: string) => text.replaceAll(secret, "***");
    const { ca, server } = await world({}, { redact });
    const session = await registered(ca);
    const order = await session.newOrder({ identifiers: [dns("a.example.com")] }, signal);
    const text = "x".repeat(1990) + secret;
    const mutate = (json: object) => ({ ...json, ...change(text) });
    server.faults.add({ on, times: 9, do: { mutate } });
    const asked =
      on === "order"
        ? session.waitForOrder(order, waiting)
        : session.waitForAuthorization(order.authorizations[0] ?? "", waiting);
    const problem = await problemOf(asked);
    expect(problem.message).toContain("xxx***");
    expect(JSON.stringify(problem.document)).not.toContain("s3cr3t");
  });

  test("a challenge without token is left aside, and one with a token is still of use", async () => {
    const { ca, server } = await world();
    const session = await registered(ca);
    const order = await session.newOrder({ identifiers: [dns("a.example.com")] }, signal);
    const token = "abcdefghijklmnopqrstuv";
    const challenges = [
      { type: "http-01", url: order.url, status: "pending" },
      { type: "dns-01", url: order.url, status: "pending", token },
    ];
    server.faults.add({ on: "authz", do: { mutate: (json) => ({ ...json, challenges }) } });
    const read = await session.authorization(order.authorizations[0] ?? "", signal);
    expect(read.challenges.map((one) => one.token)).toEqual([undefined, token]);
  });

  test.each([{ authorizations: [] }, { authorizations: undefined }, { authorizations: null }])(
    "an order may have no authorizations: %j",
    async (none) => {
      const { ca, server } = await world();
      const session = await registered(ca);
      const mutate = (json: object) => ({ ...json, status: "ready", ...none });
      server.faults.add({ on: "newOrder", do: { mutate } });
      const order = await session.newOrder({ identifiers: [dns("a.example.com")] }, signal);
      expect(order).toMatchObject({ status: "ready", authorizations: [] });
    },
  );

  test("queries in the URLs of a CA, unknown members, and members with hyphens are read", async () => {
    const { server } = await world();
    const ca = client(`${server.directoryUrl}?client_auth=true`, { caBundle: server.rootPem });
    const asked = "caa.example";
    server.faults.add({
      on: "directory",
      do: {
        mutate: ({ newNonce, newOrder, newAccount, renewalInfo, meta, ...rest }) => ({
          ...rest,
          "new-nonce": newNonce,
          newAccount: `${String(newAccount)}?client_auth=true`,
          newOrder: `${String(newOrder)}?client_auth=true`,
          renewalInfo: `${String(renewalInfo)}/?client_auth=true`,
          meta: { ...(meta as object), "caa-identities": [asked], "x-y": 1 },
        }),
      },
    });
    expect((await ca.directory(signal)).meta.caaIdentities).toEqual([asked]);
    const session = await registered(ca);
    await session.newOrder({ identifiers: [dns("a.example.com")] }, signal);
    await problemOf(ca.renewalInfo("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE", signal));
    const paths = server.requests.map(({ path }) => path.slice(path.lastIndexOf("/")));
    expect(paths).toContain("/directory?client_auth=true");
    expect(paths).toContain("/new-order?client_auth=true");
    expect(paths).toContain("/aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE?client_auth=true");
  });

  test("an authorization for a name that was not ordered is not answered", async () => {
    const { ca, server } = await world();
    const session = await registered(ca);
    const order = await session.newOrder({ identifiers: [dns("a.example.com")] }, signal);
    const identifier = dns("victim.example.com");
    server.faults.add({ on: "authz", do: { mutate: (json) => ({ ...json, identifier }) } });
    const problem = await problemOf(session.authorization(order.authorizations[0] ?? "", signal));
    expect(problem.message).toContain("victim.example.com, which was not ordered");
  });

  test("an authorization that names the wildcard itself beside wildcard: true is that of the wildcard", async () => {
    const { ca, server } = await world();
    const session = await registered(ca);
    const order = await session.newOrder({ identifiers: [dns("*.b.example.com")] }, signal);
    const [url = ""] = order.authorizations;
    const name = dns("*.b.example.com");
    server.faults.add({ on: "authz", do: { mutate: (json) => ({ ...json, identifier: name }) } });
    expect(await session.authorization(url, signal)).toMatchObject({
      identifier: dns("b.example.com"),
      wildcard: true,
    });
    const bare = (json: object) => ({ ...json, identifier: name, wildcard: undefined });
    server.faults.add({ on: "authz", do: { mutate: bare } });
    expect((await problemOf(session.authorization(url, signal))).message).toMatch(/wildcard/);
  });

  test.each([
    ["no challenges", { challenges: undefined }],
    ["challenges without token and url", { challenges: [{ type: "http-01", status: "valid" }] }],
  ])("an authorization that is valid already may have %s", async (_, change) => {
    const { ca, server } = await world();
    const session = await registered(ca);
    const order = await session.newOrder({ identifiers: [dns("a.example.com")] }, signal);
    const mutate = (json: object) => ({ ...json, status: "valid", ...change });
    server.faults.add({ on: "authz", do: { mutate } });
    const [url = ""] = order.authorizations;
    expect((await session.authorization(url, signal)).status).toBe("valid");
  });

  test.each(["0001-01-01T00:00:00Z", "tomorrow", null])(
    "an order and an authorization may expire at %j, which is not a date",
    async (expires) => {
      const { ca, server } = await world();
      const session = await registered(ca);
      const mutate = (json: object) => ({ ...json, expires });
      server.faults.add({ on: "newOrder", do: { mutate } });
      server.faults.add({ on: "authz", do: { mutate } });
      const order = await session.newOrder({ identifiers: [dns("a.example.com")] }, signal);
      const authorization = await session.authorization(order.authorizations[0] ?? "", signal);
      expect([order.expires, authorization.expires]).toEqual([undefined, undefined]);
    },
  );

  test("an order answer without Location is refused, not looked for at newOrder", async () => {
    const { ca, server } = await world();
    const session = await registered(ca);
    server.faults.add({ on: "newOrder", phase: "after", do: { headers: { location: undefined } } });
    const order = session.newOrder({ identifiers: [dns("a.example.com")] }, signal);
    expect((await problemOf(order)).message).toMatch(/"Location" is not a URL/);
  });

  test.each([
    ["a web page", { body: "<html>login</html>", contentType: "text/html" }, /web page/],
    ["a text", { body: "OK", contentType: "text/plain" }, /not a JSON object/],
  ])(
    "a challenge response that is answered with 200 and %s counts as not received",
    async (_, page, message) => {
      const { ca, server } = await world();
      const session = await registered(ca);
      const order = await session.newOrder({ identifiers: [dns("a.example.com")] }, signal);
      const { challenges } = await session.authorization(order.authorizations[0] ?? "", signal);
      server.faults.add({ on: "challenge", times: Infinity, do: { status: 200, ...page } });
      const [challenge] = challenges;
      if (challenge === undefined) throw new Error("no challenge");
      const problem = await problemOf(session.respond(challenge, signal));
      expect([problem.is("protocol"), problem.exitCode]).toEqual([true, 4]);
      expect(problem.message).toMatch(message);
    },
  );

  test("a key change that is answered with a web page fails", async () => {
    const { ca, server } = await world();
    const session = await registered(ca);
    server.faults.add({ on: "keyChange", do: { status: 200, body: "<html></html>" } });
    const problem = await problemOf(session.rollover(signerOf(await createAccountKey()), signal));
    expect(problem.message).toMatch(/answered the key change with 200 and a web page/);
    expect((await session.read(signal)).status).toBe("valid");
  });

  test("nonces that are not base64url are never used", async () => {
    const { ca, server } = await world();
    server.faults.add({ on: "newNonce", do: { headers: { "replay-nonce": "a b\t" } } });
    const problem = await problemOf(registered(ca));
    expect(problem.message).toContain("no usable Replay-Nonce");
    server.faults.clear();
    server.faults.add({ on: "newAccount", do: { headers: { "replay-nonce": '"quoted"' } } });
    await registered(ca);
    const nonces = server.requests.map(({ protected: header }) => header?.["nonce"]);
    expect(nonces).not.toContain('"quoted"');
  });
});

describe("network and CA failures", () => {
  test("an order whose answer is lost is not placed twice", async () => {
    const { ca, server } = await world();
    const session = await registered(ca);
    server.faults.add({ on: "newOrder", phase: "after", do: { destroy: true } });
    const order = session.newOrder({ identifiers: [dns("a.example.com")] }, signal);
    expect((await problemOf(order)).is("network")).toBe(true);
    expect(server.requests.filter(({ kind }) => kind === "newOrder")).toHaveLength(1);
  });

  test("after a lost answer to finalize the order is read again", async () => {
    const here = await world();
    const session = await registered(here.ca);
    here.server.faults.add({ on: "finalize", phase: "after", do: { destroy: true } });
    const order = await session.newOrder({ identifiers: [dns("a.example.com")] }, signal);
    const { chains } = await fulfil(here, session, order);
    expect(chains).toHaveLength(1);
    expect(here.server.requests.filter(({ kind }) => kind === "finalize")).toHaveLength(1);
  });

  test("reads are retried with a fresh nonce after a cut connection, a 502 and a short Retry-After", async () => {
    const { ca, server, clock } = await world();
    const session = await registered(ca);
    const { url } = await session.newOrder({ identifiers: [dns("a.example.com")] }, signal);
    server.faults.add({ on: "order", do: { destroy: true } });
    server.faults.add({
      on: "order",
      nth: 2,
      do: { status: 502, body: "<html>", contentType: "text/html" },
    });
    expect((await session.order(url, signal)).status).toBe("pending");
    expect(clock.slept).toEqual([250, 1000]);
    server.faults.add({ on: "order", do: { status: 503, body: "", retryAfter: 3 } });
    await session.order(url, signal);
    expect(clock.slept.at(-1)).toBe(3000);
  });

  test("a Retry-After of a day ends the run with exit code 6 and the time to come back", async () => {
    const { ca, server, clock } = await world();
    const session = await registered(ca);
    const problem = { type: "rateLimited", detail: "too many\r\n\u001b]0;pwned\u0007 orders" };
    server.faults.add({ on: "newOrder", do: { status: 429, problem, retryAfter: 86_400 } });
    const order = session.newOrder({ identifiers: [dns("a.example.com")] }, signal);
    const limited = await problemOf(order);
    expect([limited.document.type, limited.exitCode, limited.retryable]).toEqual([
      urn("rateLimited"),
      6,
      true,
    ]);
    expect(limited.message).toBe("too many ]0;pwned orders");
    expect(limited.retryAt?.getTime()).toBe(clock.now().getTime() + 86_400_000);
    expect(clock.slept).toEqual([]);
    expect(server.requests.filter(({ kind }) => kind === "newOrder")).toHaveLength(1);
  });

  test("a refused replaces costs one more newOrder, without it", async () => {
    const { ca, server } = await world();
    const session = await registered(ca);
    const wanted = { identifiers: [dns("a.example.com")], replaces: "aYhba4dG.AIdlQyE" };
    const order = await session.newOrder(wanted, signal);
    expect(order.status).toBe("pending");
    const asked = server.requests.filter(({ kind }) => kind === "newOrder");
    expect(asked.map(({ payload }) => Object.hasOwn(Object(payload), "replaces"))).toEqual([
      true,
      false,
    ]);
  });

  test("a renewal whose answer is lost is asked for again as the one that replaces the certificate", async () => {
    const here = await world();
    const session = await registered(here.ca);
    const identifiers = [dns("a.example.com")];
    const replaces = await issuedId(here, session, identifiers);
    const sent = () =>
      here.server.requests
        .filter(({ kind }) => kind === "newOrder")
        .map(({ payload }) => Object.hasOwn(Object(payload), "replaces"));
    const before = sent().length;
    here.server.faults.add({ on: "newOrder", phase: "before", do: { destroy: true } });
    const order = await session.newOrder({ identifiers, replaces }, signal);
    expect(order.replaces).toBe(replaces);
    expect(sent().slice(before)).toEqual([true, true]);
  });

  test("a renewal whose answer is lost after it was placed is ordered without replaces, which is taken once", async () => {
    const here = await world();
    const session = await registered(here.ca);
    const identifiers = [dns("a.example.com")];
    const replaces = await issuedId(here, session, identifiers);
    here.server.faults.add({ on: "newOrder", phase: "after", do: { destroy: true } });
    const order = await session.newOrder({ identifiers, replaces }, signal);
    expect([order.status, order.replaces]).toEqual(["ready", undefined]);
  });

  test.each(["renewalInfo", "keyChange", "revokeCert"] as const)(
    "a broken %s URL in the directory is ignored",
    async (name) => {
      const { ca, server } = await world();
      const mutate = (json: object) => ({ ...json, [name]: "http://evil.example" });
      server.faults.add({ on: "directory", do: { mutate } });
      expect((await ca.directory(signal))[name]).toBeUndefined();
    },
  );

  test.each([
    ["500 and a problem", { status: 500, problem: { type: "serverInternal" } }],
    ["502 and a web page", { status: 502, body: "<html>", contentType: "text/html" }],
    ["a connection that is closed", { destroy: true as const }],
  ])("a replaces that is answered with %s is left out as well", async (_, action) => {
    const { ca, server } = await world();
    const session = await registered(ca);
    const wants = ({ kind, payload }: { kind: string; payload?: unknown }) =>
      kind === "newOrder" && Object.hasOwn(Object(payload), "replaces");
    server.faults.add({ on: wants, times: Infinity, do: action });
    const wanted = { identifiers: [dns("a.example.com")], replaces: "aYhba4dG.AIdlQyE" };
    expect((await session.newOrder(wanted, signal)).status).toBe("pending");
  });

  test("a CAA refusal of a challenge names issuer domain, account and method, and is not retried", async () => {
    const { ca, server } = await world();
    server.faults.add({
      on: "directory",
      do: { mutate: (json) => ({ ...json, meta: { caaIdentities: ["ca.example"] } }) },
    });
    const session = await registered(ca);
    const order = await session.newOrder({ identifiers: [dns("*.example.com")] }, signal);
    const error = { type: urn("caa"), detail: "CAA forbids" };
    const challenges = [
      { type: "dns-01", url: order.url, status: "invalid", token: "x".repeat(20), error },
    ];
    const mutate = (json: object) => ({ ...json, status: "invalid", challenges });
    server.faults.add({ on: "authz", times: Infinity, do: { mutate } });
    const [url = ""] = order.authorizations;
    const problem = await problemOf(session.waitForAuthorization(url, waiting));
    expect(problem.hint).toContain('example.com. CAA 0 issuewild "ca.example"');
    expect(problem.hint).toContain(session.url);
    expect(problem.hint).toContain("it must list dns-01");
    expect([problem.exitCode, problem.retryable]).toEqual([7, false]);
  });

  test("an order that failed at a rate limit has the retry time from the CA's detail", async () => {
    const { ca, server, clock } = await world();
    const session = await registered(ca);
    const order = await session.newOrder({ identifiers: [dns("a.example.com")] }, signal);
    const until = new Date(Math.ceil(clock.now().getTime() / 1000) * 1000 + 3_600_000);
    const words = until.toISOString().slice(0, 19).replace("T", " ");
    const error = { type: urn("rateLimited"), detail: `too many, retry after ${words} UTC` };
    const mutate = (json: object) => ({ ...json, status: "invalid", error });
    server.faults.add({ on: "order", do: { mutate } });
    const failed = await problemOf(session.waitForOrder(order, waiting));
    expect([failed.exitCode, failed.retryable]).toEqual([6, true]);
    expect(failed.retryAt).toEqual(until);
  });

  test("a challenge that failed at a rate limit has the retry time from the CA's detail", async () => {
    const { ca, server, clock } = await world();
    const session = await registered(ca);
    const order = await session.newOrder({ identifiers: [dns("a.example.com")] }, signal);
    const until = new Date(Math.ceil(clock.now().getTime() / 1000) * 1000 + 3_600_000);
    const words = until.toISOString().slice(0, 19).replace("T", " ");
    const error = { type: urn("rateLimited"), detail: `too many, retry after ${words} UTC` };
    const challenges = [
      { type: "dns-01", url: order.url, status: "invalid", token: "x".repeat(20), error },
    ];
    const mutate = (json: object) => ({ ...json, status: "invalid", challenges });
    server.faults.add({ on: "authz", do: { mutate } });
    const failed = await problemOf(
      session.waitForAuthorization(order.authorizations[0] ?? "", waiting),
    );
    expect([failed.is("validation"), failed.exitCode, failed.retryable]).toEqual([true, 6, true]);
    expect(failed.retryAt).toEqual(until);
  });

  test("a profile that is not offered is refused before the order, with the list of those that are", async () => {
    const { ca, server } = await world();
    const session = await registered(ca);
    const wanted = { identifiers: [dns("a.example.com")], profile: "platinum" };
    const problem = await problemOf(session.newOrder(wanted, signal));
    expect(problem.is("config")).toBe(true);
    expect(problem.hint).toMatch(/classic \(.*\); tlsserver \(45 days\)/);
    expect(server.requests.some(({ kind }) => kind === "newOrder")).toBe(false);
  });

  test("a failed validation is reported in the CA's words, with a hint for the challenge type", async () => {
    const { ca, responses } = await world();
    const session = await registered(ca);
    const order = await session.newOrder({ identifiers: [dns("bad.example.com")] }, signal);
    const [url = ""] = order.authorizations;
    const { challenges } = await session.authorization(url, signal);
    const challenge = challenges.find(({ type }) => type === "http-01");
    responses.set(challenge?.token ?? "", "something else");
    if (challenge !== undefined) await session.respond(challenge, signal);
    const problem = await problemOf(session.waitForAuthorization(url, waiting));
    expect([problem.is("validation"), problem.exitCode]).toEqual([true, 7]);
    expect(problem.message).toMatch(/^bad\.example\.com: http-01: ./);
    expect(problem.document.identifier).toEqual(dns("bad.example.com"));
    expect(problem.document.subproblems?.[0]?.type).toMatch(/^urn:ietf:params:acme:error:/);
    expect(problem.hint).toMatch(/web server|response/i);
    const invalid = await session.order(order.url, signal);
    const failed = await problemOf(session.waitForOrder(invalid, waiting));
    expect(failed.message).toBe(problem.message);
  });
});

describe("waiting", () => {
  test.each([
    ["a day", 86_400, 10_000],
    ["for ever", 9_999_999, 10_000],
    ["three seconds", 3, 3000],
    ["no time", 0, 360],
  ])("polling follows a Retry-After of %s within its bounds", async (_, retryAfter, slept) => {
    const { ca, server, clock } = await world();
    const session = await registered(ca);
    const order = await session.newOrder({ identifiers: [dns("a.example.com")] }, signal);
    server.faults.add({ on: "authz", times: 2, do: { mutate: as("pending"), retryAfter } });
    server.faults.add({ on: "authz", nth: 3, do: { mutate: as("valid") } });
    await session.waitForAuthorization(order.authorizations[0] ?? "", waiting);
    expect(clock.slept.slice(0, 2)).toEqual([20, 40]);
    // The Date header has whole seconds, and dates are read on the CA's clock.
    expect(Math.abs((clock.slept[2] ?? 0) - slept)).toBeLessThan(5);
  });

  test.each([
    ["ahead", 3_600_000],
    ["back", -3 * 3_600_000],
  ])(
    "polling ends after its 60 s when the machine's clock is set %s meanwhile",
    async (_, jump) => {
      const clock = quickClock();
      let set = 0;
      const jumping = { ...clock, now: () => new Date(clock.now().getTime() + set) };
      const { ca } = await world({}, { clock: jumping });
      const session = await registered(ca);
      const order = await session.newOrder({ identifiers: [dns("a.example.com")] }, signal);
      const start = clock.monotonic();
      const waited = session.waitForAuthorization(order.authorizations[0] ?? "", waiting);
      set = jump;
      expect((await problemOf(waited)).message).toMatch(/after 60 s/);
      expect(clock.monotonic() - start).toBe(60_000);
    },
  );

  test.each([
    ["tells the time", {}],
    ["does not tell the time", { date: "unknown" }],
  ])("polling is not ended by a clock set 8 days ahead if the CA %s", async (_, headers) => {
    const clock = quickClock();
    let set = 0;
    const jumping = { ...clock, now: () => new Date(clock.now().getTime() + set) };
    const { ca, server } = await world({}, { clock: jumping });
    let reads = 0;
    const call = () => {
      reads += 1;
      if (reads === 2) set = 8 * 24 * 3_600_000;
    };
    const expires = new Date(clock.now().getTime() + 7 * 24 * 3_600_000).toISOString();
    const mutate = (json: object) => ({ ...json, expires });
    server.faults.add({ on: "authz", times: Infinity, do: { headers, call, mutate } });
    const session = await registered(ca);
    const order = await session.newOrder({ identifiers: [dns("a.example.com")] }, signal);
    const start = clock.monotonic();
    const waited = session.waitForAuthorization(order.authorizations[0] ?? "", waiting);
    expect((await problemOf(waited)).message).toMatch(/after 60 s/);
    expect(set).toBeGreaterThan(0);
    expect(clock.monotonic() - start).toBe(60_000);
  });

  test("polling ends at the timeout, at the object's expiry, and at a final state", async () => {
    const { ca, server, clock } = await world();
    const session = await registered(ca);
    const order = await session.newOrder({ identifiers: [dns("a.example.com")] }, signal);
    const [url = ""] = order.authorizations;
    const start = clock.now().getTime();
    const late = await problemOf(session.waitForAuthorization(url, waiting));
    expect(late.is("validation")).toBe(true);
    expect(late.message).toMatch(/still "pending" after 60 s/);
    expect(clock.now().getTime() - start).toBe(60_000);
    expect(clock.slept.every((pause) => pause <= 10_000)).toBe(true);

    const past = new Date(Date.now() - 1000).toISOString();
    const expiring = server.faults.add({
      on: "authz",
      times: Infinity,
      do: { mutate: (json) => ({ ...json, expires: past }) },
    });
    const fresh = client(server.directoryUrl, { caBundle: server.rootPem, clock: quickClock() });
    const again = fresh.session(signerOf(await createAccountKey()), undefined);
    await again.register({ contact: [], termsOfServiceAgreed: true }, signal);
    const other = await again.newOrder({ identifiers: [dns("b.example.com")] }, signal);
    const expired = again.waitForAuthorization(other.authorizations[0] ?? "", waiting);
    expect((await problemOf(expired)).message).toMatch(/expired before/);
    expiring.remove();

    server.faults.add({ on: "authz", do: { mutate: (json) => ({ ...json, status: "revoked" }) } });
    const before = server.requests.length;
    const revoked = await problemOf(session.waitForAuthorization(url, waiting));
    expect(revoked.message).toContain('the authorization is "revoked"');
    expect(server.requests.length - before).toBe(1);
  });

  test("polling survives a short network failure", async () => {
    const here = await world();
    const session = await registered(here.ca);
    here.server.faults.add({ on: "authz", nth: 2, times: 4, do: { destroy: true } });
    const order = await session.newOrder({ identifiers: [dns("a.example.com")] }, signal);
    expect((await fulfil(here, session, order)).chains).toHaveLength(1);
  });
});

describe("renewal information", () => {
  const soon = Date.now() + 86_400_000;
  const good = {
    start: new Date(soon).toISOString(),
    end: new Date(soon + 3_600_000).toISOString(),
  };
  test.each([
    ["one second", { retryAfter: 1 }, 60_000],
    ["a year", { retryAfter: 31_536_000 }, 21_600_000],
    ["nothing", { headers: { "retry-after": undefined } }, 21_600_000],
    ["nonsense", { headers: { "retry-after": "soon" } }, 21_600_000],
  ])(
    "renewal information with a Retry-After of %s is asked again within RFC 9773's bounds",
    async (_, action, wait) => {
      const { ca, server, clock } = await world();
      const suggestedWindow = good;
      const body = JSON.stringify({ suggestedWindow, explanationURL: "javascript:alert(1)" });
      server.faults.add({
        on: "renewalInfo",
        do: { status: 200, body, contentType: "application/json", ...action },
      });
      const info = await ca.renewalInfo("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE", signal);
      expect(info.explanationUrl).toBeUndefined();
      expect(info.retryAfter.getTime() - clock.now().getTime()).toBe(wait);
    },
  );

  test.each([
    [
      "an end before the start",
      {
        status: 200,
        body: JSON.stringify({ suggestedWindow: { start: good.end, end: good.start } }),
        contentType: "application/json",
      },
      false,
      21_600_000,
    ],
    [
      "a 404",
      { status: 404, problem: { type: "malformed", detail: "unknown" } },
      false,
      21_600_000,
    ],
    ["a 500", { status: 500, body: "oops", contentType: "text/plain" }, true, 60_000],
  ])(
    "renewal information that is %s fails with the time to ask again",
    async (_, action, temporary, wait) => {
      const { ca, server, clock } = await world();
      server.faults.add({ on: "renewalInfo", times: Infinity, do: action });
      const problem = await problemOf(ca.renewalInfo("aYhba4dG.AIdlQyE", signal));
      expect(problem.retryable).toBe(temporary);
      expect((problem.retryAt?.getTime() ?? 0) - clock.now().getTime()).toBe(wait);
    },
  );
});

test("an RSA account key can sign requests", async () => {
  const { ca } = await world();
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const session = ca.session(
    signerOf(privateKey.export({ type: "pkcs8", format: "pem" }).toString()),
    undefined,
  );
  const account = await session.register({ contact: [], termsOfServiceAgreed: true }, signal);
  expect(account.status).toBe("valid");
});

/** Another status in a JSON answer. */
const as = (status: string) => (json: Record<string, unknown>) => ({ ...json, status });

/** Sleeps for real, but at most 50 ms. */
function patient() {
  const quick = quickClock();
  return {
    ...quick,
    async sleep(milliseconds: number, signal: AbortSignal) {
      await quick.sleep(milliseconds, signal);
      // Time enough for a CA on a busy machine to validate in the background.
      await new Promise((resolve) => setTimeout(resolve, 500));
    },
  };
}

/** What renewals name a certificate by (RFC 9773), of one that was just issued. */
async function issuedId(
  here: Awaited<ReturnType<typeof world>>,
  session: Awaited<ReturnType<typeof registered>>,
  identifiers: ReturnType<typeof dns>[],
): Promise<string | undefined> {
  const order = await session.newOrder({ identifiers }, signal);
  const { chains, publicKey } = await fulfil(here, session, order);
  const chain = chooseChain(chains, undefined);
  return acceptCertificate(chain, { publicKey, identifiers, now: new Date() }).ariId;
}
