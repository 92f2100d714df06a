import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { jitterOf } from "../../src/renew/pass.ts";
import type { StoredCertificate } from "../../src/state/store.ts";
import { requestFor } from "../issue/world.ts";
import { testClock } from "../support/clock.ts";
import { startIssuing } from "../support/issuing.ts";

const minute = 60_000;
const day = 24 * 60 * minute;
const now = new Date("2026-03-01T00:00:00Z");
const waiting = "so that not all hosts renew at once";

/** This much time is left. */
function certificate(left: number): StoredCertificate {
  const request = requestFor(["example.com"]);
  const notAfter = new Date(now.getTime() + left).toISOString();
  const held = { version: 1, meta: { notAfter } } as NonNullable<StoredCertificate["held"]>;
  return { name: request.name, request, status: { failures: 0 }, held };
}

describe("the random wait of a scheduled run", () => {
  const longest = (left: number, every: number) =>
    jitterOf(certificate(left), every, now, () => 0.999_999_999);

  test("the random wait is at most 8 minutes, a tenth of the time left, and a tenth of the interval", () => {
    expect(longest(30 * day, 0)).toBe(8 * minute - 1);
    expect(longest(30 * day, 12 * 60 * minute)).toBe(8 * minute - 1);
    expect(longest(4 * minute, 12 * 60 * minute)).toBe(0.4 * minute - 1);
    expect(longest(30 * day, 10 * minute)).toBe(minute - 1);
    expect(jitterOf(certificate(30 * day), 0, now, () => 0.5)).toBe(4 * minute);
  });

  test("there is no random wait for a first certificate and for an expired one", () => {
    const { held: _, ...missing } = certificate(day);
    expect(jitterOf(missing, 0, now)).toBe(0);
    expect(longest(-day, 0)).toBe(0);
  });

  test("the random wait needs --jitter, differs per certificate, and is left out at a terminal", async () => {
    const clock = testClock();
    await using issuing = await startIssuing({ now: () => clock.now(), authorizationReuse: 0 });
    for (const name of ["a", "b"]) await issuing.issue(["-d", `${name}.example.test`], { clock });
    clock.advance(75 * day);
    const words = ["renew", "--force"];
    expect((await issuing.run(words, { clock })).stderr).not.toContain(waiting);
    const atTerminal = await issuing.run([...words, "--jitter"], { clock, terminal: true });
    expect(atTerminal.stderr).not.toContain(waiting);
    const scheduled = await issuing.run([...words, "--jitter"], { clock });
    expect(scheduled.code).toBe(0);
    for (const name of ["a", "b"])
      expect(scheduled.stderr).toMatch(
        new RegExp(`${name}.example.test: waiting \\d+ s, ${waiting}`),
      );
  });

  test("the random wait does not delay a dry run, a first certificate by apply, and a run that local checks stop", async () => {
    const clock = testClock();
    await using issuing = await startIssuing({ now: () => clock.now(), authorizationReuse: 0 });
    await issuing.issue(["-d", "a.example.test"], { clock });
    const rehearsed = await issuing.run(["renew", "--dry-run", "--jitter"], { clock });
    expect(rehearsed).toMatchObject({ code: 0, stderr: expect.not.stringContaining(waiting) });

    const config = join(issuing.state, "../config.yaml");
    const apply = async (solver: string) => {
      const lab = `{ server: "${issuing.ca.directoryUrl}", agreeTos: true, caBundle: "${issuing.words[3]}" }`;
      await writeFile(
        config,
        `issuers: { lab: ${lab} }
solvers: { here: ${solver} }
defaults: { selfCheckAt: "127.0.0.1:${issuing.httpPort}" }
certificates: { shop: { domains: [shop.example.test] } }
`,
      );
      return issuing.run(["apply", "--force", "--jitter", "--config", config], {
        clock,
      });
    };
    await rm(join(issuing.state, "certificates", "a.example.test"), { recursive: true });
    const first = await apply(`{ use: standalone, port: ${issuing.httpPort} }`);
    expect(first).toMatchObject({ code: 0, stderr: expect.not.stringContaining(waiting) });
    const stopped = await apply('{ use: cloudflare, apiToken: "file:/nowhere/token" }');
    expect(stopped).toMatchObject({ code: 2, stderr: expect.not.stringContaining(waiting) });
    expect(stopped.stderr).toContain("/nowhere/token");
    const second = await apply(`{ use: standalone, port: ${issuing.httpPort} }`);
    expect(second).toMatchObject({ code: 0, stderr: expect.stringContaining(waiting) });
  });

  test("the random wait comes after the local checks", async () => {
    const clock = testClock();
    await using issuing = await startIssuing({ now: () => clock.now(), authorizationReuse: 0 });
    const bundle = join(issuing.state, "..", "gone.pem");
    await writeFile(bundle, issuing.ca.rootPem);
    const words = issuing.words.map((word) => (word.endsWith("ca.pem") ? bundle : word));
    const port = String(issuing.httpPort);
    const solver = ["--standalone", "--standalone-port", port, "--no-self-check"];
    const first = await issuing.run(["issue", "-d", "a.example.test", ...solver, ...words], {
      clock,
    });
    expect(first.code).toBe(0);
    await rm(bundle);
    const { code, stderr } = await issuing.run(["renew", "--force", "--jitter"], { clock });
    expect(code).toBe(2);
    expect(stderr).toContain("gone.pem");
    expect(stderr).not.toContain(waiting);
  });
});
