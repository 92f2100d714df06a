import { once } from "node:events";
import { createServer, type OutgoingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { lstat, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Problem, type OptionsOf, type Target } from "acmectl/plugin";
import {
  challengeFor,
  memoryState,
  recordingLog,
  solverConformance,
  solverContext,
} from "acmectl/testing";
import { startDnsServer, testZone } from "../../test/support/dns-server.ts";
import { startFakeAcmeDns, type FakeAcmeDns } from "../../test/support/fakes/acme-dns.ts";
import { startIssuing } from "../../test/support/issuing.ts";
import { startProxy } from "../../test/support/servers/proxy.ts";
import { freePort } from "../../test/support/servers/process.ts";
import { befall, floods } from "../../test/support/fakes/faults.ts";
import { temporaryFolder } from "../../test/support/state.ts";
import acmeDns from "./index.ts";

type Options = OptionsOf<typeof acmeDns.options>;

const pauses = vi.hoisted((): number[] => []);
// Two values of one account are set a second apart; the fake does not look at the clock.
vi.mock(import("node:timers/promises"), async (original) => ({
  ...(await original()),
  setTimeout: (async (milliseconds: number) => {
    pauses.push(milliseconds);
  }) as never,
}));

const call = { signal: new AbortController().signal };
const defaults: Options = {
  server: undefined,
  storage: undefined,
  allowlist: undefined,
  username: undefined,
  password: undefined,
  subdomain: undefined,
  fulldomain: undefined,
  timeout: 30_000,
};
let fake: FakeAcmeDns;
beforeEach(async () => {
  fake = await startFakeAcmeDns();
  pauses.length = 0;
  return () => fake[Symbol.asyncDispose]();
});

function solver(given: Partial<Options>, log = recordingLog(), state = memoryState()) {
  return acmeDns.create({ ...defaults, ...given }, solverContext({ log, state }));
}

function target(name: string, recordName = `_acme-challenge.${name}`, wildcard = false): Target {
  const identifier = { type: "dns", value: name } as const;
  return { identifier, wildcard, validationName: `_acme-challenge.${name}`, recordName };
}

async function problemOf(promise: Promise<unknown> | undefined): Promise<Problem> {
  const error = await promise?.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!Problem.is(error)) throw new Error(`no Problem but ${String(error)}`);
  return error;
}

/** A solver with one account, and challenges for it. */
const own = async (log = recordingLog()) => {
  const account = fake.register();
  const { username, password, subdomain, fulldomain } = account;
  const given = await solver({ server: fake.url, username, password, subdomain, fulldomain }, log);
  const challenge = (wildcard = false) =>
    challengeFor("dns-01", "example.com", { recordName: fulldomain, wildcard });
  return { given, challenge, fulldomain };
};

const updates = () => fake.requests.filter(({ what }) => what === "POST /update").length;

describe("conformance of the acme-dns solver", async () => {
  const server = await startFakeAcmeDns();
  const account = server.register();
  const { username, password, subdomain, fulldomain } = account;
  const options = { ...defaults, server: server.url, username, password, subdomain, fulldomain };
  /** acme-dns deletes nothing: a value that was taken back may be there still, and no longer counts. */
  const givenUp = new Set<string>();
  const watched = {
    ...acmeDns,
    async create(...given: Parameters<typeof acmeDns.create>) {
      const made = await acmeDns.create(...given);
      const cleanup: typeof made.cleanup = async (challenge, receipt, call) => {
        await made.cleanup(challenge, receipt, call);
        givenUp.add(challenge.recordValue);
      };
      return { ...made, cleanup };
    },
  };
  afterAll(() => server[Symbol.asyncDispose]());
  const cases = solverConformance({
    plugin: watched,
    options,
    values: 2,
    adapt: (challenge) => ({ ...challenge, recordName: account.fulldomain }),
    visible: async ({ recordName }) =>
      (server.values(recordName) ?? []).filter((value) => !givenUp.has(value)),
    broken: [
      {
        when: "the password is wrong",
        options: { ...options, password: "not-the-password" },
        says: /username and password, that the subdomain belongs to this account, and that this machine's address/,
      },
      {
        when: "half of an account is given",
        options: { ...options, password: undefined },
        says: /incomplete: password missing/,
      },
      {
        when: "the CNAME leads to another account",
        options: { ...options, fulldomain: "other.auth.example.org" },
        says: /leads to .*, not to other\.auth\.example\.org\./,
      },
      {
        when: "no server is given",
        options: { ...options, server: undefined },
        says: /--acme-dns-server/,
      },
      {
        when: "nothing listens at the server's port",
        options: { ...options, server: `http://127.0.0.1:${await freePort()}` },
        says: /ECONNREFUSED/,
      },
    ],
  });
  for (const { name, run } of cases) it(name, run);
});

describe("the first run of acme-dns", () => {
  it("registers every name once, saves the accounts and lists all CNAMEs", async () => {
    const state = memoryState();
    const given = await solver({ server: `${fake.url}/` }, undefined, state);
    const targets = [
      target("example.com"),
      target("example.com", undefined, true),
      target("b.test"),
    ];
    const problem = await problemOf(given.preflight?.(targets, call));
    expect(problem.is("config")).toBe(true);
    const accounts = (await state.get("accounts")) as Record<string, Record<string, string>>;
    expect(Object.keys(accounts)).toEqual(["example.com", "b.test"]);
    expect(problem.hint).toContain(
      [
        `_acme-challenge.example.com. CNAME ${accounts["example.com"]?.["fulldomain"]}.`,
        `_acme-challenge.b.test. CNAME ${accounts["b.test"]?.["fulldomain"]}.`,
      ].join("\n"),
    );
    const again = await solver({ server: fake.url }, undefined, state);
    expect((await problemOf(again.preflight?.(targets, call))).hint).toBe(problem.hint);
    expect(fake.requests.filter(({ what }) => what === "POST /register")).toHaveLength(2);
    const delegated = targets.map((one) => ({
      ...one,
      recordName: accounts[one.identifier.value]?.["fulldomain"] ?? "",
    }));
    await again.preflight?.(delegated, call);
    expect(updates()).toBe(0);
  });

  it("passes the allowlist on, and explains a rejected one", async () => {
    const given = await solver({ server: fake.url, allowlist: ["127.0.0.0/8"] });
    await problemOf(given.preflight?.([target("example.com")], call));
    expect(fake.requests.at(-1)).toEqual({
      what: "POST /register",
      body: '{"allowfrom":["127.0.0.0/8"]}',
    });
    const wrong = await solver({ server: fake.url, allowlist: ["office"] });
    const problem = await problemOf(wrong.preflight?.([target("example.com")], call));
    expect(problem.message).toContain("rejects the allowlist office");
  });

  it("explains disabled registration, and a server that is not acme-dns", async () => {
    await using closed = await startFakeAcmeDns({ registration: false });
    const given = await solver({ server: closed.url });
    const problem = await problemOf(given.preflight?.([target("example.com")], call));
    expect(problem.hint).toContain("disable_registration");
    fake.faults.add({ action: "POST /register", kind: "garbage" });
    const portal = await solver({ server: fake.url });
    const second = await problemOf(portal.preflight?.([target("example.com")], call));
    expect(second.message).toContain("HTTP status 200, not JSON");
  });
});

describe("the acme-dns accounts file", () => {
  it("of lego is used and preserved, and gets new accounts with mode 0600", async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "accounts.json");
    const link = join(folder.path, "link.json");
    const theirs = fake.register();
    const legos = { ...theirs, server_url: fake.url, extra: { kept: true } };
    await writeFile(path, JSON.stringify({ "example.com": legos }), { mode: 0o644 });
    await symlink(path, link);
    const log = recordingLog();
    const given = await solver({ storage: link, server: fake.url }, log);
    await given.preflight?.([target("example.com", theirs.fulldomain)], call);
    expect(log.entries[0]).toMatchObject({ level: "warn", message: /chmod 600/ });
    const challenge = challengeFor("dns-01", "example.com", { recordName: theirs.fulldomain });
    await given.present(challenge, call);
    expect(fake.values(theirs.fulldomain)).toEqual([challenge.recordValue]);
    await problemOf(given.preflight?.([target("new.example.com")], call));
    const kept = JSON.parse(await readFile(path, "utf8"));
    expect(kept["example.com"]).toEqual(legos);
    expect(Object.keys(kept["new.example.com"])).toEqual([
      "fulldomain",
      "subdomain",
      "username",
      "password",
      "server_url",
    ]);
    expect((await lstat(path)).mode & 0o777).toBe(0o600);
    expect((await readdir(folder.path)).toSorted()).toEqual(["accounts.json", "link.json"]);
  });

  it.each([
    ["example.com"],
    ["*.example.com"],
    ["_acme-challenge.example.com"],
    ["Example.COM."],
    ["_acme-challenge.Example.com."],
    ["example"],
  ])("keyed %s has the account to which the CNAME leads", async (key) => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "accounts.json");
    const [other, theirs] = [fake.register(), fake.register()];
    const text = `\uFEFF${JSON.stringify({ "other.example": other, [key]: { ...theirs, allowfrom: null } })}`;
    await writeFile(path, text, { mode: 0o600 });
    const given = await solver({ storage: path, server: fake.url });
    await given.preflight?.([target("example.com", theirs.fulldomain)], call);
    const challenge = challengeFor("dns-01", "example.com", { recordName: theirs.fulldomain });
    await given.present(challenge, call);
    expect(fake.values(theirs.fulldomain)).toEqual([challenge.recordValue]);
    expect(fake.requests.filter(({ what }) => what === "POST /register")).toEqual([]);
    expect(await readFile(path, "utf8")).toBe(text);
  });

  it.each(["*.example.com", "_acme-challenge.example.com", "Example.COM."])(
    "keyed %s has the account of the name while there is no CNAME",
    async (key) => {
      await using folder = await temporaryFolder();
      const path = join(folder.path, "accounts.json");
      const theirs = fake.register();
      await writeFile(path, JSON.stringify({ [key]: theirs }), { mode: 0o600 });
      const given = await solver({ storage: path, server: fake.url });
      const problem = await problemOf(given.preflight?.([target("example.com")], call));
      expect(problem.hint).toContain(`_acme-challenge.example.com. CNAME ${theirs.fulldomain}.`);
      expect(fake.requests.filter(({ what }) => what === "POST /register")).toEqual([]);
    },
  );

  it("is created if missing; without server_url, as for cert-manager, the option server applies", async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "accounts.json");
    const given = await solver({ storage: path, server: fake.url });
    await problemOf(given.preflight?.([target("example.com")], call));
    const kept = JSON.parse(await readFile(path, "utf8"));
    const { fulldomain, server_url } = kept["example.com"];
    expect(server_url).toBe(fake.url);
    delete kept["example.com"].server_url;
    await writeFile(path, JSON.stringify(kept));
    await (
      await solver({ storage: path, server: fake.url })
    ).preflight?.([target("example.com", fulldomain)], call);
  });

  it.each([
    ['{"example.com": {"password": "s3cret-word"', "it is not JSON"],
    ["[]", "not a JSON object of accounts"],
    ['{"example.com": {"password": "s3cret-word"}}', "the entry for example.com is not an account"],
  ])("with %s is rejected without quoting its content", async (text, says) => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "accounts.json");
    await writeFile(path, text, { mode: 0o600 });
    const given = await solver({ storage: path, server: fake.url });
    const problem = await problemOf(given.preflight?.([target("example.com")], call));
    expect(problem.message).toContain(says);
    expect(problem.message).toContain(path);
    expect(`${problem.message} ${String(problem.cause)}`).not.toContain("s3cret-word");
    expect(fake.requests).toEqual([]);
  });

  it("that cannot be written is reported before an account is registered", async () => {
    await using folder = await temporaryFolder();
    const storage = join(folder.path, "missing", "accounts.json");
    const given = await solver({ storage, server: fake.url });
    const problem = await problemOf(given.preflight?.([target("example.com")], call));
    expect(problem.is("machine")).toBe(true);
    expect(problem.message).toContain(`${storage} cannot be written: no such file or directory`);
    expect(fake.requests).toEqual([]);
  });

  it("with a server_url that is not a web address is rejected", async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "accounts.json");
    const account = { ...fake.register(), server_url: "auth.example.org" };
    await writeFile(path, JSON.stringify({ "example.com": account }), { mode: 0o600 });
    const given = await solver({ storage: path });
    const targets = [target("example.com", account.fulldomain)];
    const problem = await problemOf(given.preflight?.(targets, call));
    expect(problem.message).toContain('server_url "auth.example.org"');
  });
});

describe("the words of an acme-dns server", () => {
  const secret = "0123456789".repeat(6);
  const answers = {
    "an error": [400, {}, JSON.stringify({ error: `${"x".repeat(80)} ${secret}` })],
    "a redirect": [302, { location: `/${"x".repeat(180)}?${secret}` }, ""],
  } satisfies Record<string, [number, OutgoingHttpHeaders, string]>;

  it.each(Object.entries(answers))(
    "keep a secret in %s whole, so that it is masked",
    async (_, [status, headers, body]) => {
      const server = createServer((_, response) => response.writeHead(status, headers).end(body));
      await once(server.listen(0, "127.0.0.1"), "listening");
      const { port } = server.address() as AddressInfo;
      const account = {
        username: "me",
        password: secret,
        subdomain: "sub",
        fulldomain: "sub.test",
      };
      const given = await solver({ server: `http://127.0.0.1:${port}`, ...account });
      const challenge = challengeFor("dns-01", "example.com", { recordName: "sub.test" });
      const problem = await problemOf(Promise.resolve(given.present(challenge, call)));
      server.close();
      expect(problem.message).toContain(secret);
    },
  );
});

describe("an acme-dns server", () => {
  it.each(["flood", "cut", "garbage", "twice"] as const)(
    "whose answer is a %s is named, in bounded time and memory",
    async (kind) => {
      const server = createServer((_, response) => befall({ kind }, response, () => undefined));
      await once(server.listen(0, "127.0.0.1"), "listening");
      const { port } = server.address() as AddressInfo;
      const url = `http://127.0.0.1:${port}`;
      const password = "0123456789".repeat(4);
      const account = { username: "me", password, subdomain: "sub", fulldomain: "sub.test" };
      const challenge = challengeFor("dns-01", "example.com", { recordName: "sub.test" });
      const from = floods.sent;
      const given = await solver({ server: url, ...account });
      const problem = await problemOf(Promise.resolve(given.present(challenge, call)));
      server.closeAllConnections();
      server.close();
      expect(problem.message).toContain(`acme-dns server at ${url}`);
      expect(JSON.stringify(problem)).not.toContain(password);
      expect(floods.sent - from).toBeLessThan(20 * 2 ** 20);
    },
  );
});

describe("a proxy from the environment", () => {
  afterEach(() => vi.unstubAllEnvs());

  it.each([
    ["", true],
    ["auth.example", false],
  ])("with NO_PROXY=%j leads to an acme-dns server: %s", async (exceptions, used) => {
    await using proxy = await startProxy(() => Number(new URL(fake.url).port));
    vi.stubEnv("HTTP_PROXY", proxy.url);
    vi.stubEnv("NO_PROXY", exceptions);
    const { username, password, subdomain, fulldomain } = fake.register();
    const account = { username, password, subdomain, fulldomain };
    const given = await solver({ server: "http://auth.example", ...account });
    const challenge = challengeFor("dns-01", "example.com", { recordName: fulldomain });
    const presented = Promise.resolve(given.present(challenge, call));
    if (used) await presented;
    else expect((await problemOf(presented)).message).toContain("auth.example");
    expect(fake.values(fulldomain)?.includes(challenge.recordValue)).toBe(used);
    expect(proxy.seen).toEqual(
      used ? [`auth.example:80 Basic ${Buffer.from("me:secret").toString("base64")}`] : [],
    );
  });
});

describe("an acme.sh account without a full name", () => {
  it("matches a CNAME that begins with its subdomain", async () => {
    const { username, password, subdomain, fulldomain } = fake.register();
    const given = await solver({ server: fake.url, username, password, subdomain });
    await given.preflight?.([target("example.com", fulldomain.toUpperCase())], call);
    const elsewhere = given.preflight?.([target("example.com", "other.auth.example.org")], call);
    const problem = await problemOf(elsewhere);
    expect(problem.message).toContain("leads to other.auth.example.org., not to");
    expect(problem.hint).toContain(`_acme-challenge.example.com. CNAME ${subdomain}.`);
  });
});

describe("the two values of an acme-dns account", () => {
  it("are the most that one certificate may need", async () => {
    const { given, challenge, fulldomain } = await own();
    const targets = [
      target("a.test", fulldomain),
      target("a.test", fulldomain, true),
      target("b.test", fulldomain),
    ];
    const problem = await problemOf(given.preflight?.(targets, call));
    expect(problem.message).toContain("a.test, *.a.test, b.test use the same acme-dns account");
    const three = [challenge(), challenge(), challenge()];
    await problemOf(given.presentAll?.(three, call));
    expect(updates()).toBe(0);
  });

  it("are never sent twice, also after a lost response", async () => {
    const log = recordingLog();
    const { given, challenge, fulldomain } = await own(log);
    const [one, two] = [challenge(), challenge(true)];
    await given.present(one, call);
    fake.faults.add({ action: "POST /update", kind: "drop after" });
    await given.present(two, call);
    expect(log.entries.at(-1)).toMatchObject({ level: "warn", message: /not sent again/ });
    await given.presentAll?.([two, one], call);
    expect(fake.values(fulldomain)).toEqual([one.recordValue, two.recordValue]);
    expect(updates()).toBe(2);
  });

  it("are set at least a second apart, since the server counts in seconds", async () => {
    const { given, challenge } = await own();
    await given.presentAll?.([challenge(), challenge(true)], call);
    expect(pauses).toHaveLength(1);
    expect(pauses[0]).toBeGreaterThan(1000);
  });

  it("wait together until others are cleaned up, or until the run is aborted", async () => {
    const log = recordingLog();
    const { given, challenge, fulldomain } = await own(log);
    const [one, two, three, four] = [challenge(), challenge(true), challenge(), challenge(true)];
    await given.presentAll?.([one, two], call);
    const order: string[] = [];
    const waiting = given.presentAll?.([three, four], call).then(() => order.push("second"));
    const impatient = new AbortController();
    const aborted = given.presentAll?.([challenge()], { signal: impatient.signal });
    impatient.abort(new Error("Ctrl-C"));
    await expect(aborted).rejects.toThrow("Ctrl-C");
    await given.cleanup(one, undefined, call);
    expect(fake.values(fulldomain)).toEqual([one.recordValue, two.recordValue]);
    expect(log.entries.map(({ message }) => message)).toContainEqual(
      expect.stringMatching(/^waiting for another order that uses the acme-dns account/),
    );
    order.push("cleaned up");
    await given.cleanup(two, undefined, call);
    await waiting;
    expect(order).toEqual(["cleaned up", "second"]);
    expect(fake.values(fulldomain)).toEqual([three.recordValue, four.recordValue]);
  });

  it("report the error of the server, and can be sent again", async () => {
    const { given, challenge } = await own();
    const body = '{"error":"db_error"}';
    fake.faults.add({ action: "POST /update", kind: { status: 500, body } });
    const one = challenge();
    const problem = await problemOf(given.present(one, call));
    expect(problem.message).toContain("500 db_error");
    expect(problem.retryable).toBe(true);
    await given.present(one, call);
    fake.faults.add({
      action: "POST /update",
      kind: { status: 307, body: "", headers: { location: "https://elsewhere.test/update" } },
    });
    const moved = await problemOf(given.present(challenge(), call));
    expect(moved.message).toContain("https://elsewhere.test/update");
  });

  it("end with a warning if the server does not answer, since they may be set", async () => {
    const log = recordingLog();
    const account = fake.register();
    const { username, password, subdomain } = account;
    const own = { server: fake.url, username, password, subdomain, timeout: 100 };
    fake.faults.add({ action: "POST /update", kind: "hang" });
    const recordName = account.fulldomain;
    const challenge = challengeFor("dns-01", "example.com", { recordName });
    await (await solver(own, log)).present(challenge, call);
    expect(log.entries).toMatchObject([{ level: "warn" }]);
  });
});

describe("acme-dns with the embedded CA", () => {
  it("shows the CNAME first, then issues name and wildcard when it exists", async () => {
    const zone = testZone("example.test", ["ns.example.test"]);
    const auth = testZone("auth.example.org", ["ns.auth.example.org"]);
    const onUpdate = (name: string, values: readonly string[]) => {
      auth.records.splice(
        1,
        Infinity,
        ...values.map((data) => ({ name, type: "TXT", data }) as const),
      );
    };
    const dns = await startDnsServer({ zones: [zone, auth], recursive: true });
    await using server = await startFakeAcmeDns({ onUpdate });
    await using issuing = await startIssuing({ resolver: dns.server });
    const words = ["-d", "example.test,*.example.test", "--dns-resolvers", dns.server];
    const choice = ["--solver", "acme-dns", "--acme-dns-server", server.url];
    const issue = () =>
      issuing.issue([...words, "--no-dns-authoritative", "--dns-interval", "10ms"], {
        solver: choice,
      });
    const test = ["solvers", "test", "acme-dns", ...words, "--acme-dns-server", server.url];
    const tested = await issuing.run(test);
    expect(tested.code).toBe(2);
    const first = await issue();
    expect(first.code).toBe(2);
    const [line = "", data = ""] =
      /_acme-challenge\.example\.test\. CNAME (\S+)\./.exec(first.stderr) ?? [];
    expect(tested.stderr).toContain(line);
    expect(issuing.ca.requests.filter(({ kind }) => kind === "newOrder")).toEqual([]);
    zone.records.push({ name: "_acme-challenge.example.test", type: "CNAME", data });
    const second = await issue();
    expect(second.stderr).not.toContain("Error");
    expect(second.code).toBe(0);
    await dns.close();
  });
});
