import { createPrivateKey, X509Certificate } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { drawn, survived } from "../support/counted.ts";
import { startIssuing, type Issuing } from "../support/issuing.ts";
import { acmectl, type Spawned } from "../support/spawn.ts";
import { temporaryFolder } from "../support/state.ts";

const name = "crash.example.test";

function issue(issuing: Issuing, words: readonly string[]): Spawned {
  const solver = ["--solver", "standalone", "--standalone-port", String(issuing.httpPort)];
  const place = ["--self-check-at", `127.0.0.1:${issuing.httpPort}`];
  return acmectl(["issue", ...words, ...solver, ...issuing.words, ...place], {
    env: { HOME: issuing.state },
  });
}

/** What is held belongs together. */
async function expectPair(issuing: Issuing) {
  const folder = join(issuing.state, "certificates", name, "current");
  const leaf = new X509Certificate(await readFile(join(folder, "cert.pem")));
  expect(leaf.checkPrivateKey(createPrivateKey(await readFile(join(folder, "privkey.pem"))))).toBe(
    true,
  );
}

const kinds = [
  "newAccount",
  "newOrder",
  "authz",
  "challenge",
  "finalize",
  "order",
  "certificate",
] as const;

const deaths = kinds.flatMap((kind) => [[kind, "before"] as const, [kind, "after"] as const]);

describe.concurrent("a run that is killed", () => {
  test.each(drawn(deaths, kinds.length, ([kind]) => kind))(
    "at %s, %s the CA has worked on it, costs at most one order and no second certificate",
    async (kind, phase) => {
      await using issuing = await startIssuing({ asynchronous: true });
      const { ca } = issuing;
      const first = issue(issuing, ["-d", name]);
      ca.faults.add({
        on: kind,
        phase,
        do: {
          call: async () => {
            first.child.kill("SIGKILL");
            await first.ended;
          },
          destroy: true,
        },
      });
      expect((await first.ended).signal).toBe("SIGKILL");
      const second = await issue(issuing, ["-d", name]).ended;
      expect(second.stderr).not.toContain("Hint");
      expect(second.code).toBe(0);
      await expectPair(issuing);
      // A request that was killed before the CA worked on it has done nothing.
      const lost = (wanted: string) => (wanted === kind && phase === "before" ? 1 : 0);
      const asked = (wanted: string) =>
        ca.requests.filter((one) => one.kind === wanted && (one.status ?? 0) < 400).length -
        lost(wanted);
      expect(asked("newOrder")).toBeLessThanOrEqual(2);
      if (kind === "certificate" || kind === "order") expect(asked("newOrder")).toBe(1);
      expect(asked("finalize")).toBeLessThanOrEqual(1);
      expect(await readdir(join(issuing.state, "pending"))).toEqual([]);
      survived("kills before or after an answer of the CA", 1);
    },
  );

  test.each(["before", "after"] as const)(
    "between the certificates of its two keys, %s the CA has the second order, costs one more order",
    async (phase) => {
      await using issuing = await startIssuing();
      const { ca } = issuing;
      const words = ["-d", name, "--key-types", "ec256,rsa2048"];
      const first = issue(issuing, words);
      ca.faults.add({
        on: "newOrder",
        nth: 2,
        phase,
        do: {
          call: async () => {
            first.child.kill("SIGKILL");
            await first.ended;
          },
          destroy: true,
        },
      });
      expect((await first.ended).signal).toBe("SIGKILL");
      const before = ca.requests.length;
      const second = await issue(issuing, words).ended;
      expect([second.code, second.stderr]).toEqual([0, expect.not.stringContaining("Hint")]);
      const since = ca.requests.slice(before).map(({ kind }) => kind);
      const count = (wanted: string) => since.filter((kind) => kind === wanted).length;
      expect([count("newOrder"), count("finalize")]).toEqual([1, 1]);
      await expectPair(issuing);
      expect(await readdir(join(issuing.state, "pending"))).toEqual([]);
    },
  );

  test("by Ctrl-C cleans up, reports it and exits with 130", async () => {
    await using issuing = await startIssuing();
    const run = issue(issuing, ["-d", name]);
    issuing.ca.faults.add({
      on: "challenge",
      do: { call: () => void run.child.kill("SIGINT"), delay: 2_000 },
    });
    const { code, stderr } = await run.ended;
    expect(code).toBe(130);
    expect(stderr).toMatch(/interrupted/i);
    const again = await issue(issuing, ["-d", name]).ended;
    expect(again.code).toBe(0);
  });
});

test("a solver that never returns ends the run with a failure", async () => {
  await using issuing = await startIssuing();
  await using folder = await temporaryFolder();
  const solver = join(folder.path, "hang.ts");
  await writeFile(
    solver,
    `export default { summary: "Never answers", challengeTypes: ["http-01"], options: {},
      create: () => ({ present: () => new Promise(() => {}), cleanup: () => new Promise(() => {}), close: () => new Promise(() => {}) }) };`,
  );
  const words = ["issue", "-d", name, "--solver", solver, ...issuing.words];
  const run = acmectl(words, { env: { HOME: folder.path } });
  await expect
    .poll(() => issuing.ca.requests.some(({ kind }) => kind === "authz"), { timeout: 30_000 })
    .toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(run.child.exitCode).toBeNull();
  run.child.kill("SIGINT");
  expect((await run.ended).code).toBe(130);
});
