import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Ca } from "../../src/acme/acme.ts";
import { resolveServer } from "../../src/acme/presets.ts";
import type { CertificateRequest, IssuerSetting } from "../../src/certificate.ts";
import { byIssuer } from "../../src/issue/issuers.ts";
import { refuseTestOverLive } from "../../src/issue/preconditions.ts";
import type { IssueTools } from "../../src/issue/tools.ts";
import { combined, Problem } from "../../src/problem.ts";
import type { HeldCertificate } from "../../src/state/store.ts";
import type { Fault } from "../../src/test-ca/server/faults.ts";
import { startTestCa, type TestCa } from "../../src/test-ca/test-ca.ts";
import { testClock } from "../support/clock.ts";
import { requestFor, toolsOf, unexpected } from "../issue/world.ts";
import { startDnsServer, testZone, type TestZone } from "../support/dns-server.ts";
import { startIssuing } from "../support/issuing.ts";

const day = 86_400_000;

/** A certificate with two issuers: `first` is the CA of the test world, `second` another one. */
async function twoCas({ names = "first, second", dns = "", solver = "" } = {}) {
  const clock = testClock();
  const now = () => clock.now();
  const issuing = await startIssuing({ now, authorizationReuse: 0 });
  const second = await startTestCa({ now, httpPort: issuing.httpPort });
  const folder = join(issuing.state, "..");
  const bundle = join(folder, "both.pem");
  await mkdir(issuing.state, { recursive: true });
  await writeFile(bundle, `${issuing.ca.rootPem}${second.rootPem}`);
  const config = join(folder, "config.yaml");
  const write = (issuers: string) =>
    writeFile(
      config,
      `issuers:
  first: { server: "${issuing.ca.directoryUrl}", agreeTos: true, caBundle: "${bundle}" }
  second: { server: "${second.directoryUrl}", agreeTos: true, caBundle: "${bundle}" }
  embedded: { server: local }
  public: { server: letsencrypt, agreeTos: true }
solvers:
  here: ${solver || `{ use: standalone, port: ${issuing.httpPort} }`}
defaults: { selfCheckAt: "127.0.0.1:${issuing.httpPort}" }
${dns}
certificates:
  shop: { domains: [shop.example.test], issuers: [${issuers}] }
`,
    );
  await write(names);
  const run = async (words: readonly string[]) => {
    const ran = await issuing.run([...words, "--config", config, "--json"], { clock });
    return { ...ran, document: JSON.parse(ran.stdout) };
  };
  return {
    clock,
    first: issuing.ca,
    second,
    write,
    run,
    apply: () => run(["apply", "--no-jitter"]),
    async [Symbol.asyncDispose]() {
      await second.close();
      await issuing[Symbol.asyncDispose]();
    },
  };
}

const orders = ({ requests }: TestCa) => requests.filter(({ kind }) => kind === "newOrder").length;
const always = (on: Fault["on"], action: Fault["do"]): Fault => ({
  on,
  times: Infinity,
  do: action,
});
const limited = { problem: { type: "rateLimited", detail: "Too many." }, retryAfter: 3600 };
const maintenance = { status: 503, problem: { type: "serverInternal" }, retryAfter: 600 };

test("plan, apply and issue show the records of the former account before another CA issues", async () => {
  const zone = testZone("example.test", ["ns1.example.test"]);
  await using dns = await startDns(zone);
  await using world = await twoCas({
    names: "first",
    dns: `dns: { resolvers: ["${dns.server}"], authoritative: false }`,
  });
  await world.apply();
  expect(dns.asked).toEqual([]);
  const [account] = (await world.run(["account", "list"])).document.accounts;
  const name = "_validation-persist.shop.example.test";
  zone.records.push({ name, type: "TXT", data: `first.example; accounturi=${account.url}` });
  await world.write("second");
  const said = new RegExp(
    `shop changes from 127\\.0\\.0\\.1:\\d+ to 127\\.0\\.0\\.1:\\d+, and these DNS records name the account ${account.url} with the former: TXT at ${name}\\.`,
  );
  const { document } = await world.run(["plan"]);
  expect(document.warnings).toEqual([expect.stringMatching(said)]);
  world.second.faults.add(always("newOrder", limited));
  const words = ["-d", "shop.example.test", "--name", "shop", "--server", "second"];
  const issued = await world.run(["issue", ...words]);
  expect(issued.stderr).toMatch(said);
  world.second.faults.clear();
  world.clock.advance(7_200_000);
  const { stderr, document: applied } = await world.apply();
  expect(stderr).toMatch(said);
  expect(applied.certificates[0].directory).toBe(world.second.directoryUrl);
  expect((await world.run(["plan"])).document.warnings).toEqual([]);
});

test("renewal information is asked of the CA that issued, and of no other after the issuer was changed", async () => {
  await using world = await twoCas({ names: "first" });
  const { clock, first, second, write, apply, run } = world;
  /** Who was asked in the next run, and about which certificates. */
  const asked = async (words: readonly string[]) => {
    clock.advance(day / 3);
    const before = [first.requests.length, second.requests.length] as const;
    await run([...words, "--no-jitter"]);
    return [first.requests.slice(before[0]), second.requests.slice(before[1])].map((requests) =>
      requests.filter(({ kind }) => kind === "renewalInfo").map(({ path }) => path),
    );
  };
  await apply();
  const [byFirst, none] = await asked(["apply"]);
  expect([byFirst?.length, none]).toEqual([1, []]);

  // The new issuer issues nothing yet, so the certificate stays that of the first one.
  second.faults.add(always("newOrder", limited));
  await write("second");
  expect(await asked(["apply"])).toEqual([[], []]);
  expect(orders(second)).toBe(1);
  expect(await asked(["renew"])).toEqual([byFirst, []]);
  await write("second, first");
  expect(await asked(["apply"])).toEqual([byFirst, []]);
  expect(await asked(["renew"])).toEqual([byFirst, []]);

  second.faults.clear();
  await write("second");
  const [former, bySecond] = await asked(["apply"]);
  expect([former, bySecond?.length]).toEqual([[], 1]);
  expect(bySecond).not.toEqual(byFirst);
  await write("first, second");
  expect(await asked(["apply"])).toEqual([[], bySecond]);
});

async function startDns(zone: TestZone) {
  const server = await startDnsServer({ zones: [zone], recursive: true });
  return { ...server, [Symbol.asyncDispose]: server.close };
}

describe("a certificate with two issuers", () => {
  test.each([
    ["an unfinished order", (order: object) => order],
    ["an order without an end", (order: object) => ({ ...order, expires: undefined })],
  ])("leaves %s at each one, which is resumed when that one is asked again", async (_, mutate) => {
    await using world = await twoCas();
    const { clock, first, second, run, apply } = world;
    for (const ca of [first, second])
      ca.faults.add({ on: "newOrder", phase: "after", times: Infinity, do: { mutate } });
    first.faults.add(always("authz", maintenance));
    second.faults.add(always("authz", maintenance));
    expect((await apply()).code).toBe(6);
    expect([orders(first), orders(second)]).toEqual([1, 1]);
    clock.advance(7_200_000);
    expect((await apply()).code).toBe(6);
    expect([orders(first), orders(second)]).toEqual([1, 1]);

    first.faults.clear();
    clock.advance(7_200_000);
    const { code, document } = await apply();
    expect([code, document.certificates[0].directory]).toEqual([0, first.directoryUrl]);
    expect([orders(first), orders(second)]).toEqual([1, 1]);
    expect((await run(["status"])).document.certificates[0].pendingOrder).toBeUndefined();
  });

  test("comes from the first one while that works", async () => {
    await using world = await twoCas();
    const { code, document } = await world.apply();
    expect(code).toBe(0);
    expect(document.certificates[0].directory).toBe(world.first.directoryUrl);
    expect(world.second.requests).toEqual([]);
  });

  test.each([
    ["is unreachable", always("*", { destroy: true })],
    ["is in maintenance", always("*", maintenance)],
    ["limits the account", always("newOrder", limited)],
  ])(
    "comes from the second one if the first %s, and from the first one again later",
    async (_, fault) => {
      await using world = await twoCas();
      const { clock, first, second, run, apply } = world;
      first.faults.add(fault);
      const { code, stderr, document } = await apply();
      expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
      expect(document.certificates[0].directory).toBe(second.directoryUrl);
      expect(stderr).toMatch(/Asking 127\.0\.0\.1:\d+ instead/);

      // It is good, and not drifted: the next run does nothing.
      expect((await apply()).document.outcome).toBe("unchanged");
      const [planned] = (await run(["plan"])).document.certificates;
      expect(planned.outcome).toBe("none");
      expect(planned.reason).toMatch(/issued it, and 127\.0\.0\.1:\d+ is asked first again/);
      const [listed] = (await run(["list"])).document.certificates;
      expect(listed.directory).toBe(second.directoryUrl);

      first.faults.clear();
      clock.advance(75 * day);
      const renewed = await apply();
      expect(renewed.document.certificates[0]).toMatchObject({
        outcome: "renewed",
        directory: first.directoryUrl,
      });
      expect(orders(second)).toBe(1);
    },
  );

  test("comes from the embedded CA, which connects to the port of the solver, if the first one is unreachable", async () => {
    await using world = await twoCas({ names: "first, embedded" });
    world.first.faults.add(always("*", { destroy: true }));
    const { code, stderr, document } = await world.apply();
    expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
    expect(document.certificates[0].directory).toBe("local");
  });

  test("is refused before the first request if the second CA cannot issue it", async () => {
    await using world = await twoCas({ names: "first, public" });
    const { code, document } = await world.apply();
    expect(code).toBe(2);
    expect(document.problem.detail).toMatch(/does not issue for internal names/);
    expect(world.first.requests).toEqual([]);
  });

  test("is checked at both CAs", async () => {
    await using world = await twoCas();
    world.first.faults.add(always("newOrder", limited));
    await world.apply();
    const { document } = await world.run(["check", "shop"]);
    const places = document.certificates.map((one: { ca: string }) => one.ca);
    expect(places).toEqual(
      [world.first, world.second].map(({ directoryUrl }) => new URL(directoryUrl).host),
    );
    const limits = document.certificates.map(
      (one: { checks: { check: string; findings: object[] }[] }) =>
        one.checks.find(({ check }) => check === "limits")?.findings.length,
    );
    expect(limits).toEqual([1, 0]);
  });

  test("is not asked for at the second CA after the first one refused it", async () => {
    await using world = await twoCas();
    const { first, second, apply } = world;
    const problem = { type: "rejectedIdentifier", detail: "Not for this name." };
    first.faults.add(always("newOrder", { problem }));
    expect((await apply()).code).toBe(5);
    expect(second.requests).toEqual([]);
  });

  test.each(["first", "second"])(
    "is resumed at the %s CA, and asked for at no other, after its download was cut",
    async (name) => {
      await using world = await twoCas();
      const { clock, first, second, apply } = world;
      const [one, other] = name === "first" ? [first, second] : [second, first];
      if (one === second) first.faults.add(always("*", { destroy: true }));
      one.faults.add(always("certificate", { destroy: true }));
      expect((await apply()).code).toBe(4);
      const asked = other.requests.length;
      other.faults.clear();
      clock.advance(7_200_000);
      expect((await apply()).code).toBe(4);
      one.faults.clear();
      clock.advance(14_400_000);
      const { code, document } = await apply();
      expect({ code, directory: document.certificates[0].directory }).toEqual({
        code: 0,
        directory: one.directoryUrl,
      });
      expect(orders(one)).toBe(1);
      expect(orders(other)).toBe(0);
      // A directory may be fetched ahead of its use.
      if (one === first) expect(other.requests).toHaveLength(asked);
    },
  );

  test("is asked for at the second CA with --new-order after the first one was lost while it issued", async () => {
    await using world = await twoCas();
    const { clock, first, second, run, apply } = world;
    first.faults.add(always("certificate", { destroy: true }));
    await apply();
    first.faults.add(always("*", { destroy: true }));
    clock.advance(7_200_000);
    expect((await apply()).code).toBe(4);
    expect(orders(second)).toBe(0);
    clock.advance(14_400_000);
    const { document } = await run(["apply", "--no-jitter", "--new-order"]);
    expect(document.certificates[0].directory).toBe(second.directoryUrl);
  });

  test("is not asked for at the second CA while the DNS cannot be reached", async () => {
    const solver = '{ use: webhook, url: "https://127.0.0.1:9" }';
    const dns = 'dns: { resolvers: ["127.0.0.1:9"] }';
    await using world = await twoCas({ solver, dns });
    const { code, document } = await world.apply();
    const { type } = document.problem;
    expect({ code, type }).toEqual({ code: 4, type: "urn:acmectl:problem:network" });
    expect(world.second.requests).toEqual([]);
  });

  test("is not asked for at the second CA while the service of a solver cannot be reached", async () => {
    const tools = await toolsOf({});
    const failure = new Problem("network", { detail: "api.dns.test: refused." });
    const request = {
      ...requestFor(["shop.test"]),
      issuers: ["a", "b"].map((server) => ({ server, agreeTos: true })),
    };
    const fails = () => Promise.reject(failure);
    await expect(byIssuer(request, undefined, tools, fails)).rejects.toBe(failure);
    // As a step that waits for several names at once reports it.
    const both = combined([failure, failure.with({ fromCa: true })], "validation");
    await expect(byIssuer(request, undefined, tools, () => Promise.reject(both))).rejects.toBe(
      both,
    );
  });

  test("is not asked for at the second CA after a failed validation", async () => {
    await using world = await twoCas();
    const { first, second, apply } = world;
    const failed = {
      type: "urn:ietf:params:acme:error:unauthorized",
      detail: "Another response was seen.",
    };
    const mutate = (json: Record<string, unknown>) => ({
      ...json,
      status: "invalid",
      challenges: (json["challenges"] as object[]).map((one) => ({
        ...one,
        status: "invalid",
        error: failed,
      })),
    });
    first.faults.add({ on: "authz", nth: 2, times: Infinity, do: { mutate } });
    const { code } = await apply();
    expect(code).toBe(7);
    expect(orders(second)).toBe(0);
  });

  test("is not asked for at a third CA after the second one refused it", async () => {
    const other = unexpected<IssueTools>("tools", {
      ...{ ca: unexpected<Ca>("ca"), eab: undefined },
      ...{ fetchEab: undefined, selfCheckAt: undefined },
    });
    const tools = await toolsOf({ other: () => Promise.resolve(other) });
    const failures = [
      new Problem("network", { detail: "Unreachable.", fromCa: true }),
      new Problem("refused", { detail: "Not for this name." }),
    ];
    const asked: string[] = [];
    const issuers = ["a", "b", "c"].map((one) => ({
      server: `https://${one}.test/dir`,
      agreeTos: true,
    }));
    const request = { ...requestFor(["shop.test"]), issuers };
    const obtain = ({ issuer }: CertificateRequest) => {
      asked.push(issuer.server);
      return Promise.reject(failures.shift() ?? new Error("a third CA was asked"));
    };
    await expect(byIssuer(request, undefined, tools, obtain)).rejects.toThrow(
      /failed as well: Not for/,
    );
    expect(asked).toHaveLength(2);
  });

  test("of which one is for testing is not asked for while a live certificate is held", () => {
    const [issuer, test] = ["letsencrypt", "letsencrypt-staging"]
      .map(resolveServer)
      .map((server) => {
        return { server, agreeTos: true };
      }) as [IssuerSetting, IssuerSetting];
    const held = { version: 1, meta: { directory: issuer.server } } as HeldCertificate;
    const request = requestFor(["shop.test"], { issuer, issuers: [issuer, test] });
    expect(() => refuseTestOverLive(request, held)).toThrow(/is for testing only/);
  });

  test("waits until the sooner of two limits ends if both CAs limit it", async () => {
    await using world = await twoCas();
    const { clock, first, second, run, apply } = world;
    first.faults.add(always("newOrder", limited));
    second.faults.add(always("newOrder", { ...limited, retryAfter: 600 }));
    const { code, document } = await apply();
    expect(code).toBe(6);
    expect(document.problem.detail).toContain("failed as well: Too many.");
    const [planned] = (await run(["plan"])).document.certificates;
    const wait = Date.parse(planned.retryAt) - clock.now().getTime();
    expect(Math.round(wait / 60_000)).toBe(10);
    const before = [orders(first), orders(second)];
    await apply();
    expect([orders(first), orders(second)]).toEqual(before);
    second.faults.clear();
    clock.advance(11 * 60_000);
    expect((await apply()).document.certificates[0].directory).toBe(second.directoryUrl);
    expect(orders(first)).toBe(before[0]);
  });
});
