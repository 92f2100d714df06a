/** Disks that are full, read-only or layered: nothing is ordered without room, and a disk that becomes full costs no certificate. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Excused } from "../../support/invariants/invariants.ts";
import { seeState } from "../../support/invariants/state.ts";
import { startIssuing, type Issuing } from "../../support/issuing.ts";
import { acmectl } from "../../support/spawn.ts";
import { drawn, patience, survived } from "../../support/counted.ts";
import { fill, made, mayMount, mounted, unmount } from "./mounts.ts";
import { expectDone, issuedBy, issueWords } from "./scenarios.ts";

const name = "a.example.test";
const why = "mounting is not permitted here; files.test.ts refuses each change";

test.for([
  ["full", "no space left", "size=64k", true],
  ["without free inodes", "no space left", "nr_inodes=2", false],
  ["read-only", "read-only", "ro,size=10m", false],
] as const)(
  "nothing is ordered when the state is on a disk that is %s, and the run after that is put right works",
  async ([, said, option, isFilled], { skip }) => {
    skip(!mayMount, why);
    await using issuing = await startIssuing();
    using disk = mounted(issuing.state, option, isFilled);
    const { code, stderr } = await start(issuing).ended;
    expect([code, orders(issuing)], stderr).toEqual([3, 0]);
    expect(stderr).toContain(said);
    expect(stderr).toMatch(/^Hint: \S/m);
    disk.putRight();
    await expectDone(issuing.run(issueWords(issuing, name)));
    survived("disks without room", 1);
  },
);

test(
  "a disk that becomes full in the midst of a run costs no certificate",
  async ({ skip }) => {
    skip(!mayMount, why);
    const sizes = Array.from({ length: 24 }, (_, index) => `size=${68 + 4 * index}k`);
    const inodes = Array.from({ length: 36 }, (_, index) => `nr_inodes=${4 + index}`);
    const chosen = drawn([...sizes, ...inodes], 2, (option) => option.slice(0, 4));
    for (const option of chosen) {
      await using issuing = await startIssuing();
      using disk = mounted(issuing.state, option);
      const excused = { "nothing temporary is left": "another name may not fit" };
      const { code, stderr } = await start(issuing, issueWords(issuing, name), excused).ended;
      expect([0, 3], `${option}: ${stderr}`).toContain(code);
      disk.putRight();
      await expectDone(issuing.run(issueWords(issuing, name)));
      expect(issuedBy(issuing), option).toBe(1);
      expect(orders(issuing), option).toBeLessThanOrEqual(2);
    }
    survived("disks that became full in a run", chosen.length);
  },
  patience,
);

test("a renewal on a full disk orders nothing and leaves the certificate in use", async ({
  skip,
}) => {
  skip(!mayMount, why);
  await using issuing = await startIssuing();
  using disk = mounted(issuing.state, "size=400k");
  await expectDone(issuing.run(issueWords(issuing, name)));
  fill(issuing.state);
  const words = ["renew", "--force", "--no-jitter", "--state", issuing.state];
  const { code, stderr } = await start(issuing, words).ended;
  expect([code, orders(issuing)], stderr).toEqual([3, 1]);
  expect(stderr).toContain("no space left");
  expect(seeState(issuing.state).current.get(name)).toBe(1);
  disk.putRight();
  expect((await start(issuing, words).ended).code).toBe(0);
  expect(seeState(issuing.state).current.get(name)).toBe(2);
  survived("renewals on a full disk", 1);
});

test("renews in a container's overlay over a state that its image has", async ({ skip }) => {
  skip(!mayMount, why);
  await using issuing = await startIssuing();
  await expectDone(issuing.run(issueWords(issuing, name)));
  const { state } = issuing;
  // An overlay cannot have another one below it.
  using disk = mounted(`${state}-layers`, "size=10m");
  const [lower, upper, work] = ["lower", "upper", "work"].map((layer) => {
    mkdirSync(join(`${state}-layers`, layer));
    return join(`${state}-layers`, layer);
  }) as [string, string, string];
  cpSync(state, lower, { recursive: true, verbatimSymlinks: true });
  rmSync(state, { recursive: true });
  mkdirSync(state);
  const layers = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  const mounting = spawnSync("mount", ["-t", "overlay", "-o", layers, "overlay", state]);
  expect(mounting.status, String(mounting.stderr)).toBe(0);
  using _ = made(
    () => disk.putRight(),
    () => unmount(state),
  );
  for (const version of [2, 3]) {
    const words = ["renew", "--force", "--no-jitter", "--state", state];
    const { code, stderr } = await start(issuing, words).ended;
    expect(code, stderr).toBe(0);
    expect(seeState(state).current.get(name)).toBe(version);
  }
  survived("renewals in an overlay", 2);
});

const orders = ({ ca }: Issuing) => ca.requests.filter(({ kind }) => kind === "newOrder").length;

function start(issuing: Issuing, words = issueWords(issuing, name), excused: Excused = {}) {
  return acmectl(words, { env: { HOME: issuing.home }, excused });
}
