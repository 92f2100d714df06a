import { mkdir, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import { once } from "node:events";
import { type AddressInfo, type Server as SocketServer } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { startIssuing, type Issuing } from "../support/issuing.ts";
import type { Ran } from "../support/run.ts";
import { startBind, type Bind } from "../support/servers/bind.ts";
import { available } from "../support/servers/catalog.ts";
import { signZone, type SignedZone } from "../support/servers/dnssec.ts";
import { zoneFile, type TsigKey, type ZoneSettings } from "../support/servers/nameserver.ts";
import { freePort } from "../support/servers/process.ts";
import { makeTls } from "../support/servers/tls.ts";
import { openssl } from "../support/state.ts";

const key: TsigKey = {
  name: "check",
  algorithm: "hmac-sha256",
  secret: Buffer.from("the secret of this test").toString("base64"),
};
const identity = "ca.example.net";

interface Finding {
  severity: string;
  name?: string;
  detail: string;
  remedy: string;
}
interface Report {
  outcome: string;
  certificates: {
    outcome: string;
    checks: { check: string; outcome: string; findings: Finding[] }[];
  }[];
}

/** The zones below a signed root, as the Internet has them, each with its own fault. */
async function zones() {
  const files = {
    shop: {
      name: "shop.test",
      records: [
        "@ IN A 127.0.0.1",
        "www IN A 127.0.0.1",
        "six IN AAAA ::1",
        "web IN A 127.0.0.1",
        "tls IN A 127.0.0.1",
        'other IN CAA 0 issue "other.example"',
        'none IN CAA 0 issue ";"',
        `account IN CAA 0 issue "${identity}; accounturi=https://${identity}/acct/1"`,
        `method IN CAA 0 issue "${identity}; validationmethods=http-01"`,
        'critical IN CAA 128 tbs "Unknown"',
        `wild IN CAA 0 issue "${identity}"`,
        'wild IN CAA 0 issuewild ";"',
        "alias IN CNAME other",
        `good IN CAA 0 issue "${identity}; validationmethods=dns-01"`,
        'good IN CAA 0 iodef "mailto:security@shop.test"',
        "_acme-challenge.loop IN CNAME _acme-challenge.pool",
        "_acme-challenge.pool IN CNAME _acme-challenge.loop",
        "_acme-challenge.dangling IN CNAME x.gone.invalid.",
      ],
    },
    half: { name: "half.test", nameservers: ["ns1.half.test.", "ns2.half.test."], records: hosts },
    good: { name: "good.test" },
    expired: { name: "expired.test" },
    wrong: { name: "wrong.test" },
  } as const satisfies Record<string, ZoneSettings>;
  const text = (zone: ZoneSettings) => zoneFile(zone, "127.0.0.1");
  const [good, expired, wrong, other] = await Promise.all([
    signZone("good.test", text(files.good)),
    signZone("expired.test", text(files.expired), { expired: true }),
    signZone("wrong.test", text(files.wrong)),
    signZone("wrong.test", text(files.wrong)),
  ]);
  const delegated = [...Object.values(files).map(({ name }) => name), "lame.test"];
  const top = await signZone("test", parent("test", delegated, [good, expired, other]));
  const root = await signZone(".", parent(".", ["test"], [top]));
  return {
    anchor: root.anchor,
    served: [
      { name: ".", text: root.text, updatePolicy: [] },
      { name: "test", text: top.text, updatePolicy: [] },
      files.shop,
      { ...files.half, updatePolicy: [] },
      { ...files.good, text: good.text, clauses: [] },
      { ...files.expired, text: expired.text, updatePolicy: [] },
      { ...files.wrong, text: wrong.text, updatePolicy: [] },
    ],
  };
}

/** A zone that delegates these names to servers on loopback. */
function parent(name: string, delegated: readonly string[], signed: readonly SignedZone[]): string {
  const origin = name === "." ? "." : `${name}.`;
  const server = `ns1.${name === "." ? "root" : name}.`;
  return [
    "$TTL 60",
    `${origin} IN SOA ${server} hostmaster.${server} 1 3600 600 86400 1`,
    `${origin} IN NS ${server}`,
    `${server} IN A 127.0.0.1`,
    ...delegated.flatMap((one) => [`${one}. IN NS ns1.${one}.`, `ns1.${one}. IN A 127.0.0.1`]),
    ...signed.map(({ ds }) => ds),
  ].join("\n");
}

const hasIpv6 = Object.values(networkInterfaces())
  .flat()
  .some((one) => one?.address === "::1");

const hosts = ["ns1 IN A 127.0.0.1", "ns2 IN A 127.0.0.98"];

describe.skipIf(!available("bind"))("check", () => {
  let authority: Bind;
  let resolver: Bind;
  let issuing: Issuing;
  let webroot: string;
  let tlsPort: number;
  const open: (Server | SocketServer)[] = [];

  beforeAll(async () => {
    const { anchor, served } = await zones();
    authority = await startBind({ keys: [key], zones: served });
    resolver = await startBind({
      zones: [],
      options: [
        "recursion yes; allow-recursion { any; }; max-cache-ttl 1; max-ncache-ttl 1;",
        `forward only; forwarders { 127.0.0.1 port ${authority.port}; };`,
      ],
      validation: true,
      statements: [`trust-anchors { "." static-key ${anchor}; };`],
    });
    tlsPort = await freePort();
    const profiles = { classic, short };
    issuing = await startIssuing({ resolver: resolver.server, tlsPort, profiles });
    webroot = join(issuing.state, "..", "webroot");
    await mkdir(webroot);
    name(issuing);
  });
  afterEach(async () => {
    for (const server of open.splice(0)) server.close();
    issuing.ca.faults.clear();
    name(issuing);
    // What a CA in maintenance said stops no other test.
    await rm(join(issuing.state, "ledger"), { recursive: true, force: true });
  });
  afterAll(async () => {
    await issuing?.[Symbol.asyncDispose]();
    await resolver?.close();
    await authority?.close();
  });

  const classic = { description: "ninety days", validity: 90 * 86_400_000 };
  const short = { description: "six days", validity: 6 * 86_400_000 };

  /** The directory says by which name the CA goes in CAA records. */
  function name({ ca }: Issuing, more: object = {}): void {
    const mutate = (json: Record<string, unknown>) => ({
      ...json,
      meta: { ...(json["meta"] as object), caaIdentities: [identity], ...more },
    });
    ca.faults.add({ on: "directory", times: Infinity, do: { mutate } });
  }

  const dnsWords = () => ["--dns-resolvers", resolver.server, "--dns-port", String(authority.port)];
  const byDns = () => [
    ...["--solver", "rfc2136", "--rfc2136-server", authority.server],
    ...dnsWords(),
  ];
  const byHttp = () => ["--webroot", webroot, ...dnsWords()];
  const byTls = (port = tlsPort) => [
    ...["--solver", "tls-alpn", "--tls-alpn-port", String(tlsPort), ...dnsWords()],
    ...["--tls-alpn-address", "127.0.0.1", "--self-check-at", `127.0.0.1:${port}`],
  ];
  const byStandalone = (address: string) => [
    ...["--standalone", "--standalone-port", String(issuing.httpPort), ...dnsWords()],
    ...["--standalone-address", address],
    ...["--self-check-at", `${address === "::1" ? "[::1]" : address}:${issuing.httpPort}`],
  ];
  const byPersist = () => ["--challenge", "dns-persist-01", ...dnsWords()];
  const env = () => ({
    HOME: issuing.state,
    ACMECTL_RFC2136_TSIG_KEY: `${key.algorithm}:${key.name}:${key.secret}`,
  });
  const atCa = () => issuing.words.filter((word) => word !== "--state" && word !== issuing.state);
  const check = async (words: readonly string[]): Promise<{ ran: Ran; report: Report }> => {
    const ran = await issuing.run(["check", "--json", ...words], { env: env() });
    return { ran, report: JSON.parse(ran.stdout) as Report };
  };
  const findingsOf = ({ certificates }: Report) =>
    certificates.flatMap(({ checks }) =>
      checks.flatMap(({ check, findings }) => findings.map((one) => ({ check, ...one }))),
    );

  /** A web server in front of the webroot that does something else; the words that lead to it. */
  async function answering(listener: RequestListener): Promise<string[]> {
    const server = createServer(listener);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    open.push(server);
    const { port } = server.address() as AddressInfo;
    return ["-d", "www.shop.test", ...byHttp(), ...atCa(), "--self-check-at", `127.0.0.1:${port}`];
  }
  /** The same for a TLS server on the port of tls-alpn-01. */
  async function answeringTls(settings: TlsOptions): Promise<string[]> {
    const tls = await makeTls(webroot);
    const server = createTlsServer({ key: tls.keyPem, cert: tls.certificatePem, ...settings });
    server.on("tlsClientError", () => undefined).listen(0, "127.0.0.1");
    await once(server, "listening");
    open.push(server);
    const { port } = server.address() as AddressInfo;
    return ["-d", "www.shop.test", ...byTls(port), ...atCa()];
  }

  /** Register the account, and publish its record of this name after the change. */
  async function publish(name: string, change = (text: string) => text): Promise<void> {
    const register = await issuing.run(["account", "register", ...atCa()], { env: env() });
    expect(register.code, register.stderr).toBe(0);
    const words = ["account", "persist", "--json", "-d", name, ...atCa()];
    const printed = await issuing.run(words.filter((word) => word !== "--agree-tos"));
    expect(printed.code, printed.stderr).toBe(0);
    const { records } = JSON.parse(printed.stdout) as {
      records: { name: string; value: string }[];
    };
    const adding = records.map(
      (one) => `update add ${one.name} 60 TXT ${JSON.stringify(change(one.value))}`,
    );
    const update = await authority.update(["zone shop.test", ...adding], key);
    expect(update.code, update.output).toBe(0);
  }
  const redirecting = (location: string) =>
    answering((_, response) => void response.writeHead(302, { location }).end());

  const faults: Readonly<
    Record<string, readonly [check: string, severity: string, text: RegExp, words: Words]>
  > = {
    "a CA that does not answer": [
      "ca",
      "error",
      /refused/,
      async () => [
        ...["-d", "shop.test", ...byDns(), "--agree-tos"],
        ...["--server", `https://127.0.0.1:${await freePort()}/directory`],
      ],
    ],
    "a server that is not a CA": [
      "ca",
      "error",
      /not with an ACME directory/,
      () => {
        issuing.ca.faults.clear();
        const page = { body: "<html></html>", contentType: "text/html" };
        issuing.ca.faults.add({ on: "directory", do: page });
        return ["-d", "shop.test", ...byDns(), ...atCa()];
      },
    ],
    "a CA in maintenance": [
      "ca",
      "error",
      /maintenance/,
      () => {
        issuing.ca.faults.clear();
        const problem = { type: "serverInternal", detail: "The CA is in maintenance." };
        issuing.ca.faults.add({
          on: "directory",
          times: Infinity,
          do: { status: 503, problem, retryAfter: 3600 },
        });
        return ["-d", "shop.test", ...byDns(), ...atCa()];
      },
    ],
    "a CA whose root is not trusted": [
      "ca",
      "error",
      /certificate/,
      () => ["-d", "shop.test", ...byDns(), ...withoutBundle(atCa())],
    ],
    "a profile that the CA does not offer": [
      "ca",
      "error",
      /does not offer the profile "tlsserver"/,
      () => ["-d", "shop.test", "--profile", "tlsserver", ...byDns(), ...atCa()],
    ],
    "terms of service that were not agreed to": [
      "ca",
      "error",
      /terms of service/,
      () => {
        issuing.ca.faults.clear();
        name(issuing, { termsOfService: "https://ca.example.net/terms" });
        const words = atCa().filter((word) => word !== "--agree-tos");
        return ["-d", "shop.test", ...byDns(), ...words];
      },
    ],
    "an external account binding that is missing": [
      "ca",
      "error",
      /external account binding/,
      () => {
        issuing.ca.faults.clear();
        name(issuing, { externalAccountRequired: true });
        return ["-d", "shop.test", ...byDns(), ...atCa()];
      },
    ],
    "a preset that requires a contact": [
      "ca",
      "error",
      /google requires a contact address/,
      () => ["-d", "shop.test", ...byDns(), "--server", "google"],
    ],
    "a preset whose profile takes no IP addresses": [
      "ca",
      "error",
      /letsencrypt does not issue for the IP address 192\.0\.2\.1/,
      () => ["-d", "192.0.2.1", ...byHttp(), "--server", "letsencrypt"],
    ],
    "more names than a profile takes": [
      "ca",
      "error",
      /at most 25 names with the profile tlsserver, and this one has 26/,
      () => {
        const names = Array.from({ length: 26 }, (_, n) => `n${n}.shop.test`).join(",");
        const words = ["--server", "letsencrypt", "--profile", "tlsserver"];
        return ["-d", names, "--solver", "none", ...dnsWords(), ...words];
      },
    ],
    "an internal name at a public CA": [
      "ca",
      "error",
      /internal names such as shop\.test/,
      () => ["-d", "shop.test", ...byDns(), "--server", "letsencrypt"],
    ],
    "a CSR for client authentication at Google": [
      "ca",
      "error",
      /client authentication/,
      async () => {
        const file = join(webroot, "request.pem");
        await openssl(
          ...["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
          ...["-keyout", join(webroot, "request.key"), "-out", file, "-subj", "/"],
          ...["-addext", "subjectAltName=DNS:shop.test"],
          ...["-addext", "extendedKeyUsage=serverAuth,clientAuth"],
        );
        return ["--csr", file, ...byDns(), "--server", "google", "-m", "ops@shop.test"];
      },
    ],
    "a clock that is an hour behind": [
      "clock",
      "warning",
      / (59|60) minutes behind/,
      () => {
        const date = new Date(Date.now() + 3_600_000).toUTCString();
        issuing.ca.faults.clear();
        issuing.ca.faults.add({ on: "*", times: Infinity, do: { headers: { date } } });
        return ["-d", "shop.test", ...byDns(), ...atCa()];
      },
    ],
    "two options of the solver that exclude each other": [
      "solver",
      "error",
      /tsigKey and tsigFile are both set/,
      () => ["-d", "shop.test", ...byDns(), "--rfc2136-tsig-file", "/gone", ...atCa()],
    ],
    "a key that may not change the zone": [
      "solver",
      "error",
      /half\.test/,
      () => ["-d", "half.test", ...byDns(), ...atCa()],
    ],
    "a wildcard with a solver for http-01": [
      "solver",
      "error",
      /wildcard needs dns-01/,
      () => ["-d", "*.shop.test", ...byHttp(), ...atCa()],
    ],
    "a webroot that does not exist": [
      "solver",
      "error",
      /does not exist/,
      () => ["-d", "shop.test", "--webroot", join(webroot, "gone"), ...dnsWords(), ...atCa()],
    ],
    "CNAMEs in a loop": [
      "solver",
      "error",
      /loop/,
      () => ["-d", "loop.shop.test", ...byDns(), ...atCa()],
    ],
    "a CNAME into a domain that does not exist": [
      "solver",
      "error",
      /gone\.invalid/,
      () => ["-d", "dangling.shop.test", ...byDns(), ...atCa()],
    ],
    "a delegation to a server that does not serve the zone": [
      "delegation",
      "error",
      /do not serve its zone: ns1\.lame\.test/,
      () => ["-d", "www.lame.test", ...byExec(), ...atCa()],
    ],
    "a name server that is down": [
      "delegation",
      "warning",
      /ns2\.half\.test/,
      () => ["-d", "half.test", ...byExec(), ...atCa()],
    ],
    "DNSSEC signatures that have expired": [
      "dnssec",
      "error",
      /expired\.test fails DNSSEC validation/,
      () => ["-d", "expired.test", ...byExec(), ...atCa()],
    ],
    "a DS record for another key": [
      "dnssec",
      "error",
      /wrong\.test fails DNSSEC validation/,
      () => ["-d", "wrong.test", ...byExec(), ...atCa()],
    ],
    "a DS record for another key, and a resolver that does not validate": [
      "dnssec",
      "error",
      /matches none of the zone's 1 keys/,
      () => ["-d", "wrong.test", ...byExec(authority.server), ...atCa()],
    ],
    "expired signatures, and a resolver that does not validate": [
      "dnssec",
      "error",
      /have expired on 2020-02-01/,
      () => ["-d", "expired.test", ...byExec(authority.server), ...atCa()],
    ],
    "a signed zone that nothing here can validate": [
      "dnssec",
      "unknown",
      /does not validate DNSSEC/,
      () => ["-d", "good.test", ...byExec(authority.server), ...atCa()],
    ],
    "a CAA record for another CA": caa("other", /permit only other\.example and not this CA/),
    "a CAA record that forbids every CA": caa("none", /permit no CA/),
    "a CAA record of the name above": caa(
      "deep.below.other",
      /other\.shop\.test: .*other\.example/,
    ),
    "a CAA record behind a CNAME": caa("alias", /permit only other\.example/),
    "a CAA record for another account": caa("account", /no account is registered here/),
    "a CAA record for another challenge type": caa("method", /validation by http-01 only/),
    "a critical CAA record that no CA knows": caa("critical", /unknown tag "tbs"/),
    "a CAA record that forbids wildcards": [
      "caa",
      "error",
      /to issue a wildcard/,
      () => ["-d", "*.wild.shop.test", ...byDns(), ...atCa()],
    ],
    "CAA queries that fail": [
      "caa",
      "error",
      /The CAA query for www\.lame\.test fails \(SERVFAIL\)/,
      () => ["-d", "www.lame.test", ...byExec(), ...atCa()],
    ],
    "CAA answers that fail validation": [
      "caa",
      "error",
      /DNSSEC signatures are not valid/,
      () => ["-d", "expired.test", ...byExec(), ...atCa()],
    ],
    "a CA that does not say how it goes in CAA records": [
      "caa",
      "unknown",
      /does not say by which name/,
      () => {
        issuing.ca.faults.clear();
        return ["-d", "other.shop.test", ...byDns(), ...atCa()];
      },
    ],
    "a name without an address": [
      "http",
      "error",
      /nowhere\.shop\.test has no A or AAAA record/,
      () => ["-d", "nowhere.shop.test", ...byHttp(), ...atCa()],
    ],
    "a web server with another folder": [
      "http",
      "error",
      /answers with status 404 from nginx/,
      () => answering((_, response) => void response.writeHead(404, { server: "nginx" }).end()),
    ],
    "a web server that answers everything": [
      "http",
      "error",
      /answers with another response/,
      () => answering((_, response) => void response.end("Welcome!")),
    ],
    "a redirect to another port": [
      "http",
      "error",
      /redirect to port 8080/,
      () => redirecting("http://www.shop.test:8080/"),
    ],
    "a redirect to an address": [
      "http",
      "error",
      /redirect to the address 192\.0\.2\.1/,
      () => redirecting("http://192.0.2.1/"),
    ],
    "a redirect to another scheme": [
      "http",
      "error",
      /redirect to ftp:/,
      () => redirecting("ftp://www.shop.test/"),
    ],
    "redirects without an end": [
      "http",
      "error",
      /more than 10 redirects/,
      () => redirecting("/.well-known/acme-challenge/again"),
    ],
    "a redirect to a host without an address": [
      "http",
      "error",
      /nowhere\.shop\.test, which has no address/,
      () => redirecting("http://nowhere.shop.test/"),
    ],
    "a web server that is down": [
      "http",
      "unknown",
      /cannot be reached from here \(connection refused\)/,
      async () => [
        ...["-d", "www.shop.test", ...byHttp(), ...atCa()],
        ...["--self-check-at", `127.0.0.1:${await freePort()}`],
      ],
    ],
    "a private address at a public CA": [
      "http",
      "error",
      /127\.0\.0\.1 is private/,
      () => ["-d", "www.shop.test", ...byHttp(), "--server", "letsencrypt"],
    ],
    "a port of tls-alpn-01 on which nothing listens": [
      "tls",
      "unknown",
      /could not reach www\.shop\.test:443 from here .*REFUSED/,
      async () => ["-d", "www.shop.test", ...byTls(await freePort()), ...atCa()],
    ],
    "a TLS server that speaks only http/1.1": [
      "tls",
      "error",
      /a server that does not accept acme-tls\/1/,
      () => answeringTls({ ALPNProtocols: ["http/1.1"] }),
    ],
    "a TLS server without ALPN": [
      "tls",
      "error",
      /a server that does not accept acme-tls\/1/,
      () => answeringTls({}),
    ],
    "a TLS server that accepts acme-tls/1 with a certificate of its own": [
      "tls",
      "error",
      /a certificate for another challenge/,
      () => answeringTls({ ALPNProtocols: ["acme-tls/1"] }),
    ],
    "a record of dns-persist-01 without an account": [
      "persist",
      "error",
      /name the account, and none is registered here/,
      () => ["-d", "p0.shop.test", ...byPersist(), ...atCa()],
    ],
    "a record of dns-persist-01 that is missing": persist(
      "p1.shop.test",
      /_validation-persist\.p1\.shop\.test has no TXT record that allows this account/,
      undefined,
    ),
    "a record of dns-persist-01 for another account": persist(
      "p2.shop.test",
      /one is for the account \S+\/sha-256\/other/,
      (text) => text.replace(/sha-256\/[\w-]+/, "sha-256/other"),
    ),
    "a record of dns-persist-01 for another CA": persist(
      "p3.shop.test",
      /one is for the CA other\.example/,
      (text) => text.replace(/^[^;]+/, "other.example"),
    ),
    "a record of dns-persist-01 that is past its persistUntil": persist(
      "p4.shop.test",
      /one ended at 2001-09-09/,
      (text) => `${text}; persistUntil=1000000000`,
    ),
    "a record of dns-persist-01 without policy=wildcard for a wildcard": persist(
      "*.p5.shop.test",
      /_validation-persist\.p5\.shop\.test .*one is without policy=wildcard/,
      (text) => text.replace("; policy=wildcard", ""),
    ),
  };
  type Words = () => readonly string[] | Promise<readonly string[]>;

  function caa(label: string, text: RegExp): readonly [string, string, RegExp, Words] {
    return ["caa", "error", text, () => ["-d", `${label}.shop.test`, ...byDns(), ...atCa()]];
  }

  /** A persist record with one change; without a change none is published. */
  function persist(
    identifier: string,
    text: RegExp,
    change: ((text: string) => string) | undefined,
  ): readonly [string, string, RegExp, Words] {
    const words = async () => {
      if (change === undefined) await issuing.run(["account", "register", ...atCa()]);
      else await publish(identifier, change);
      return ["-d", identifier, ...byPersist(), ...atCa()];
    };
    return ["persist", "error", text, words];
  }

  /** A solver without a check of its own. */
  function byExec(resolvers = resolver.server): readonly string[] {
    const solver = ["--solver", "exec", "--exec-command", "true"];
    return [...solver, "--dns-resolvers", resolvers, "--dns-port", String(authority.port)];
  }

  function withoutBundle(words: readonly string[]): readonly string[] {
    const at = words.indexOf("--ca-bundle");
    return words.toSpliced(at, 2);
  }

  test.each(Object.entries(faults))("finds %s", async (_, [about, severity, text, words]) => {
    const { ran, report } = await check(await words());
    const found = findingsOf(report);
    const lines = found.map((one) => `${one.check} ${one.severity}: ${one.detail}`);
    const expected = new RegExp(`^${about} ${severity}: .*(?:${text.source})`, text.flags);
    expect(lines).toContainEqual(expect.stringMatching(expected));
    expect(found.every(({ remedy }) => /^[A-Z].*[.)"\]a-z]$/.test(remedy))).toBe(true);
    const errors = found.some((one) => one.severity === "error");
    const unknown = found.some((one) => one.severity === "unknown");
    expect(ran.code).toBe(errors ? 11 : unknown ? 4 : 0);
    expect(issuing.ca.requests.some(({ kind }) => kind === "newOrder")).toBe(false);
  });

  test("finds an account that the CA does not know", async () => {
    const register = await issuing.run(["account", "register", ...atCa()], { env: env() });
    expect(register.code).toBe(0);
    const problem = { type: "accountDoesNotExist", detail: "No such account." };
    issuing.ca.faults.add({ on: "account", do: { status: 400, problem } });
    const { ran, report } = await check(["-d", "good.shop.test", ...byDns(), ...atCa()]);
    expect(ran.code).toBe(11);
    expect(findingsOf(report)).toEqual([
      expect.objectContaining({ check: "ca", severity: "error", detail: "No such account." }),
    ]);
  });

  const good: Readonly<Record<string, readonly [check: string, names: string, words: Words]>> = {
    "a name and a wildcard with CAA records for this CA": [
      "delegation",
      "good.shop.test,n.good.shop.test",
      byDns,
    ],
    "a wildcard": ["delegation", "*.shop.test", byDns],
    "a name by http-01": ["http", "web.shop.test", () => byStandalone("127.0.0.1")],
    "a name with nothing but an IPv6 address by http-01": [
      "http",
      "six.shop.test",
      () => byStandalone("::1"),
    ],
    "a name by tls-alpn-01": ["tls", "tls.shop.test", () => byTls()],
    "a name and a wildcard by dns-persist-01": [
      "persist",
      "p6.shop.test,*.p6.shop.test",
      async () => {
        await publish("*.p6.shop.test");
        return byPersist();
      },
    ],
  };

  test.each(Object.entries(good).filter(([, [, names]]) => hasIpv6 || !names.startsWith("six")))(
    "finds nothing for %s, and the certificate is then issued",
    async (_, [about, names, how]) => {
      const words = ["-d", names, ...(await how()), ...atCa()];
      const { ran, report } = await check(words);
      expect(findingsOf(report)).toEqual([]);
      expect({ code: ran.code, outcome: report.outcome }).toEqual({ code: 0, outcome: "ready" });
      const looked = report.certificates[0]?.checks.find((one) => one.check === about);
      expect(looked).toMatchObject({ outcome: "good" });
      const since = issuing.ca.requests.length;
      const more = ["--name", about, "--force"];
      const issued = await issuing.run(["issue", ...words, ...more], { env: env() });
      expect({ code: issued.code, stderr: issued.code === 0 ? "" : issued.stderr }).toEqual({
        code: 0,
        stderr: "",
      });
      const kinds = issuing.ca.requests.slice(since).map(({ kind }) => kind);
      expect(kinds).toContain("challenge");
    },
  );

  test("`issue --check` orders nothing", async () => {
    const orders = issuing.ca.requests.filter(({ kind }) => kind === "newOrder").length;
    const words = ["issue", "--check", "-d", "www.shop.test", ...byDns(), ...atCa()];
    const ran = await issuing.run(words, { env: env() });
    expect(ran.code).toBe(0);
    expect(ran.stdout).toContain("caa: nothing found");
    expect(issuing.ca.requests.filter(({ kind }) => kind === "newOrder")).toHaveLength(orders);
  });

  test("keeps nothing but what a run would", async () => {
    await writeFile(join(webroot, "index.html"), "");
    const { stdout } = await issuing.run(["list"], { env: env() });
    expect(stdout).not.toContain("www.shop.test");
  });
});
