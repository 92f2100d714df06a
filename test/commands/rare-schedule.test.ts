import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { testClock } from "../support/clock.ts";
import { schedulerPath } from "../support/scheduled.ts";
import { startIssuing } from "../support/issuing.ts";

const day = 86_400_000;

test("issue, apply, plan and schedule install warn if the schedule is too rare for a certificate", async () => {
  const clock = testClock();
  await using issuing = await startIssuing({
    now: () => clock.now(),
    profiles: {
      long: { description: "90 days", validity: 90 * day },
      short: { description: "24 hours", validity: day },
    },
  });
  const folder = join(issuing.state, "..");
  const line =
    "27 3,15 * * * PATH=/bin node acmectl.js renew -q --every 12h --jitter # acmectl schedule";
  await writeFile(join(folder, "crontab"), `${line}\n`);
  const settings = { env: { HOME: folder, PATH: schedulerPath }, clock };
  const warning =
    "Renewals run every 12 hours, which is too rare for a certificate that is valid for 24 hours. " +
    `Run: acmectl schedule install --every 2h --state ${issuing.state}`;
  const told = async (words: readonly string[]) => {
    const { stderr } = await issuing.run(words, settings);
    return stderr.replaceAll(/\s+/g, " ").includes(warning);
  };
  const long = await issuing.issue(["-d", "a.example.test", "--profile", "long"], settings);
  expect(long.stderr).not.toContain("too rare");
  expect(await told(["plan"])).toBe(false);

  const short = await issuing.issue(["-d", "b.example.test", "--profile", "short"], settings);
  expect(short.code).toBe(0);
  expect(short.stderr.replaceAll(/\s+/g, " ")).toContain(warning);
  expect(await told(["plan"])).toBe(true);
  expect(await told(["apply"])).toBe(true);
  const asked = ["schedule", "install", "--by", "cron", "--force", "--dry-run"];
  const rare = await issuing.run([...asked, "--every", "12h"], settings);
  expect(rare.stderr).toContain("too rare");
  expect(rare.stderr).not.toContain("announce a revocation");
  const chosen = await issuing.run(asked, settings);
  expect(chosen.stderr).not.toContain("too rare");
  expect(chosen.stdout).toContain("renew -q --every 2h --jitter");
});

test("schedule install --every 12h warns that a revocation may be announced a day before", async () => {
  await using issuing = await startIssuing();
  const env = { HOME: join(issuing.state, ".."), PATH: schedulerPath };
  const asked = ["schedule", "install", "--by", "cron", "--force", "--dry-run", "--every"];
  const warned = async (every: string) => {
    const { code, stderr } = await issuing.run([...asked, every], { env });
    expect(code, stderr).toBe(0);
    return stderr.replaceAll(/\s+/g, " ");
  };
  expect(await warned("12h")).toContain(
    "asked for at least every 6 hours. Run: acmectl schedule install --every 6h --state",
  );
  expect(await warned("6h")).not.toContain("revocation");
});

test("issue warns if a crontab line that was written by hand is too rare for the certificate", async () => {
  const clock = testClock();
  await using issuing = await startIssuing({
    now: () => clock.now(),
    profiles: { short: { description: "6 hours", validity: day / 4 } },
  });
  const folder = join(issuing.state, "..");
  await writeFile(join(folder, "crontab"), "27 3,15 * * * acmectl renew -q\n");
  const settings = { env: { HOME: folder, PATH: schedulerPath }, clock };
  const { stderr } = await issuing.issue(["-d", "a.example.test"], settings);
  expect(stderr.replaceAll(/\s+/g, " ")).toContain(
    "Renewals run every 12 hours, which is too rare for a certificate that is valid for 6 hours. Run: acmectl schedule install --every 30m",
  );
});

test("renew looks ahead by the interval of a crontab line that was written by hand", async () => {
  const clock = testClock();
  await using issuing = await startIssuing({
    now: () => clock.now(),
    profiles: { short: { description: "24 hours", validity: day } },
  });
  const folder = join(issuing.state, "..");
  const settings = { env: { HOME: folder, PATH: schedulerPath }, clock };
  const issued = await issuing.issue(["-d", "a.example.test", "--profile", "short"], settings);
  expect(issued.code).toBe(0);
  clock.advance(day / 2 - 7_200_000);
  expect((await issuing.run(["renew"], settings)).stdout).toContain("Nothing is due");
  await writeFile(join(folder, "crontab"), "27 3,15 * * * acmectl renew -q\n");
  const { code, stderr } = await issuing.run(["renew"], settings);
  expect(code).toBe(0);
  expect(stderr.replaceAll(/\s+/g, " ")).toContain("before the next run, in 12 hours");
});

test("issue and renew say that a deploy step was repeated", async () => {
  await using issuing = await startIssuing();
  const marker = join(issuing.state, "..", "ready");
  const words = ["-d", "a.example.test", "--deploy-hook", `test -e ${marker}`];
  expect((await issuing.issue(words)).code).toBe(9);
  await writeFile(marker, "");
  const again = await issuing.issue(words);
  expect(again, again.stderr).toMatchObject({ code: 0 });
  expect(again.stdout).toContain("exists already; its deploy steps were repeated");
  expect((await issuing.issue(words)).stdout).toContain("nothing was done");

  const other = ["-d", "b.example.test", "--deploy-hook", `test -e ${marker}.2`];
  expect((await issuing.issue(other)).code).toBe(9);
  await writeFile(`${marker}.2`, "");
  const renewed = await issuing.run(["renew"]);
  expect(renewed.stdout).toBe("Repeated the deploy steps of b.example.test.\n");
});
