import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { renewPass } from "../../src/renew/pass.ts";
import { testClock } from "../support/clock.ts";
import { startIssuing, type Issuing } from "../support/issuing.ts";

vi.mock("../../src/renew/pass.ts", { spy: true });

const day = 86_400_000;

interface Shown {
  outcome: string;
  certificates: { name: string; outcome: string; reason: string; dueAt?: string }[];
}

async function configured() {
  const clock = testClock();
  const issuing = await startIssuing({ now: () => clock.now(), authorizationReuse: 0 });
  const path = join(issuing.state, "..", "config.yaml");
  const bundle = issuing.words[3];
  const write = async (certificates: string) => {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(
      path,
      `issuers:
  lab: { server: "${issuing.ca.directoryUrl}", agreeTos: true, caBundle: "${bundle}" }
solvers:
  here: { use: standalone, port: ${issuing.httpPort} }
defaults: { selfCheckAt: "127.0.0.1:${issuing.httpPort}" }
certificates:
${certificates}
`,
    );
  };
  return { clock, issuing, write, config: ["--config", path] };
}

async function show(
  issuing: Issuing,
  words: readonly string[],
  clock: ReturnType<typeof testClock>,
) {
  const ran = await issuing.run([...words, "--json"], { clock });
  return { ...ran, shown: JSON.parse(ran.stdout) as Shown };
}

describe("apply and plan", () => {
  test("apply makes certificates match the config: missing, changed, due and removed ones", async () => {
    const { clock, issuing, write, config } = await configured();
    await using _ = issuing;
    await write(
      "  shop: { domains: [shop.example.test] }\n  mail: { domains: [mail.example.test] }",
    );

    const before = await show(issuing, ["plan", "--detailed-exitcode", ...config], clock);
    expect(before.code).toBe(10);
    expect(before.shown.certificates.map(({ name, outcome }) => [name, outcome])).toEqual([
      ["shop", "issue"],
      ["mail", "issue"],
    ]);
    expect(issuing.ca.requests).toEqual([]);

    const applied = await show(issuing, ["apply", "--no-jitter", ...config], clock);
    expect(applied.stderr).not.toContain("Hint");
    expect(applied.stderr).toContain("issuing shop\n");
    expect(applied.stderr).not.toMatch(/renew|no certificate/);
    expect(applied.code).toBe(0);
    expect(applied.shown.certificates.map(({ outcome }) => outcome)).toEqual(["issued", "issued"]);
    expect((await show(issuing, ["plan", "--detailed-exitcode", ...config], clock)).code).toBe(0);

    await write("  shop: { domains: [shop.example.test, www.example.test] }");
    const drift = await show(issuing, ["plan", ...config], clock);
    expect(drift.shown.certificates).toMatchObject([
      { name: "shop", outcome: "re-issue", reason: expect.stringContaining("www.example.test") },
      { name: "mail", outcome: "orphaned" },
    ]);
    const changed = await issuing.run(["apply", "--no-jitter", "--prune", ...config], { clock });
    expect(changed.code).toBe(0);
    expect(changed.stdout).toContain("Removed mail");
    const list = await show(issuing, ["list"], clock);
    expect(list.shown.certificates.map(({ name }) => name)).toEqual(["shop"]);

    clock.advance(75 * day);
    expect((await show(issuing, ["plan", ...config], clock)).shown.certificates).toMatchObject([
      { name: "shop", outcome: "renew" },
    ]);
    const renewed = await show(issuing, ["apply", "--no-jitter", ...config], clock);
    expect(renewed.shown.certificates).toMatchObject([{ name: "shop", outcome: "renewed" }]);
  });

  test("apply with nothing new or due starts no pass, takes no lock and sends no request", async () => {
    const { clock, issuing, write, config } = await configured();
    await using _ = issuing;
    await write("  shop: { domains: [shop.example.test] }");
    const apply = () => issuing.run(["apply", "--no-jitter", ...config], { clock });
    await apply();
    await apply();
    const asked = issuing.ca.requests.length;
    vi.mocked(renewPass).mockClear();
    // Where a lock is taken, the folder of locks changes.
    const locks = join(issuing.state, "locks");
    const { mtimeMs } = await stat(locks);
    const { code, stdout } = await apply();
    expect((await stat(locks)).mtimeMs).toBe(mtimeMs);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^Nothing is due\./)]);
    expect(issuing.ca.requests).toHaveLength(asked);
    expect(renewPass).not.toHaveBeenCalled();
    await write("  shop: { domains: [shop.example.test, www.example.test] }");
    expect((await apply()).stdout).not.toContain("Nothing is due");
    expect(renewPass).toHaveBeenCalledTimes(1);
  });

  test("apply re-issues at once when the solver changes", async () => {
    const { clock, issuing, write, config } = await configured();
    await using _ = issuing;
    await write("  shop: { domains: [shop.example.test] }");
    expect((await issuing.run(["apply", "--no-jitter", ...config], { clock })).code).toBe(0);
    await write("  shop: { domains: [shop.example.test], solver: other }");
    const path = config[1] ?? "";
    const other = `  other: { use: standalone, port: ${issuing.httpPort} }\n  here:`;
    await writeFile(path, (await readFile(path, "utf8")).replace("  here:", other));
    const plan = await show(issuing, ["plan", ...config], clock);
    expect(plan.shown.certificates).toMatchObject([
      { outcome: "re-issue", reason: "its solvers changed" },
    ]);
    const applied = await show(issuing, ["apply", "--no-jitter", ...config], clock);
    expect(applied.shown.certificates).toMatchObject([{ outcome: "renewed" }]);
    expect((await show(issuing, ["plan", ...config], clock)).shown.outcome).toBe("unchanged");
  });

  test("apply with nothing to do remembers new settings, lists in the config's order and reports what left the config", async () => {
    const { clock, issuing, write, config } = await configured();
    await using _ = issuing;
    const [shop, mail] = [
      "  shop: { domains: [shop.example.test] }",
      "  mail: { domains: [mail.example.test] }",
    ];
    await write(`${shop}\n${mail}\n  old: { domains: [old.example.test] }`);
    expect((await issuing.run(["apply", ...config], { clock })).code).toBe(0);

    await write(`${shop.replace(" }", ", labels: { team: web } }")}\n${mail}`);
    vi.mocked(renewPass).mockClear();
    const again = await show(issuing, ["apply", ...config], clock);
    expect(renewPass).not.toHaveBeenCalled();
    expect(again.shown.certificates).toMatchObject([
      { name: "shop", outcome: "not-due", paths: { privateKey: expect.any(String) } },
      { name: "mail", outcome: "not-due" },
    ]);
    expect((await issuing.run(["apply", ...config], { clock })).stdout).toContain(
      "old is not in the config any more; --prune removes it.",
    );
    const record = await readFile(
      join(issuing.state, "certificates/shop/certificate.json"),
      "utf8",
    );
    expect(JSON.parse(record)).toMatchObject({ request: { labels: { team: "web" } } });
  });

  test("apply deploys only in the window, unless expiry is near", async () => {
    const { clock, issuing, write, config } = await configured();
    await using _ = issuing;
    clock.set(new Date("2026-11-20T12:00:00Z"));
    const copy = join(issuing.state, "..", "copy.pem");
    await write(`  shop:
    domains: [shop.example.test]
    windows: [{ start: "0 2 * * 6", duration: 2h, timeZone: UTC }]
    deploy: [{ copy: { fullchain: "${copy}" } }]`);
    const first = await issuing.run(["apply", "--no-jitter", ...config], { clock });
    expect(first.code).toBe(0);
    expect(first.stderr).toContain("its window opens, 2026-11-21 02:00 UTC\n");
    await expect(readFile(copy)).rejects.toMatchObject({ code: "ENOENT" });
    const plan = await show(issuing, ["plan", ...config], clock);
    expect(plan.shown.certificates).toMatchObject([
      { outcome: "wait", retryAt: "2026-11-21T02:00:00.000Z" },
    ]);
    const check = ["status", "--check", ...config];
    expect((await issuing.run(check, { clock })).code).toBe(0);
    clock.set(new Date("2026-11-21T02:30:00Z"));
    const asked = issuing.ca.requests.filter(({ kind }) => kind === "newOrder").length;
    expect((await issuing.run(["renew", "--no-jitter"], { clock })).code).toBe(0);
    expect(await readFile(copy, "utf8")).toContain("BEGIN CERTIFICATE");
    expect(issuing.ca.requests.filter(({ kind }) => kind === "newOrder")).toHaveLength(asked);
  });

  test("a certificate whose renewal is off is not announced for renewal before it is due", async () => {
    const { clock, issuing, write, config } = await configured();
    await using _ = issuing;
    await write("  shop: { domains: [shop.example.test] }");
    await issuing.run(["apply", "--no-jitter", ...config], { clock });
    await write("  shop: { domains: [shop.example.test], renew: false }");
    const off = "its renewal is off; run acmectl renew shop --force";
    const plan = await show(issuing, ["plan", ...config], clock);
    expect(plan.shown.certificates).toMatchObject([{ outcome: "wait", reason: off }]);
    const again = await issuing.run(["apply", "--no-jitter", ...config], { clock });
    expect(again.stdout).toBe("Nothing is due: the renewal of every certificate is off.\n");
    const status = await issuing.run(["status", "shop", ...config], { clock });
    expect(status.stdout).toMatch(new RegExp(`^Next +wait: ${off}\nAt +-$`, "m"));
    expect((await issuing.run(["list"], { clock })).stdout).toMatch(/ days  -  +acmectl test/);
  });

  test("a certificate is not renewed in a freeze window, unless with --force", async () => {
    const { clock, issuing, write, config } = await configured();
    await using _ = issuing;
    const shop = (more: string) => write(`  shop: { domains: [shop.example.test]${more} }`);
    await shop("");
    await issuing.run(["apply", "--no-jitter", ...config], { clock });
    clock.advance(75 * day);
    const today = clock.now().toISOString().slice(8, 10);
    const month = clock.now().getUTCMonth() + 1;
    const freeze = `{ start: "0 0 ${Number(today)} ${month} *", duration: 2d, timeZone: UTC }`;
    await shop(`, freeze: [${freeze}]`);
    const apply = async (...more: string[]) =>
      (await issuing.run(["apply", "--no-jitter", "--json", ...config, ...more], { clock })).stdout;
    const plan = await show(issuing, ["plan", ...config], clock);
    expect(plan.shown.certificates).toMatchObject([
      { outcome: "none", reason: expect.stringContaining("; frozen until then") },
    ]);
    expect(JSON.parse(await apply())).toMatchObject({ outcome: "unchanged" });
    expect(JSON.parse(await apply("--force"))).toMatchObject({ outcome: "renewed" });
  });

  test("status shows why a certificate of the config was never ordered", async () => {
    const { clock, issuing, write, config } = await configured();
    await using _ = issuing;
    await write('  shop: { domains: ["*.example.test"] }');
    expect((await issuing.run(["apply", "--no-jitter", ...config], { clock })).code).toBe(2);
    const status = await issuing.run(["status", "shop", ...config], { clock });
    expect(status.stdout).toContain("The last attempt failed; the next run tries again: No solver");
    expect((await issuing.run(["list"], { clock })).stdout).toMatch(/missing, last attempt failed/);
    expect(issuing.ca.requests).toEqual([]);

    const issued = await issuing.run(["issue", "--name", "shop", ...config], { clock });
    expect([issued.code, issued.stderr]).toEqual([2, expect.stringContaining("`acmectl apply ")]);
  });

  test("apply and plan reject an invalid domain in the config before any request", async () => {
    const { clock, issuing, write, config } = await configured();
    await using _ = issuing;
    await write("  shop: { domains: [https://shop.example.test/] }");
    const { code, stderr } = await issuing.run(["apply", ...config], { clock });
    expect(code).toBe(2);
    expect(stderr).toContain("certificates.shop.domains");
    expect(issuing.ca.requests).toEqual([]);
  });
});
