import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { openDryRun, openRealRun } from "../../src/issuer/dry-run.ts";
import { contextOf } from "../support/context.ts";
import { temporaryFolder } from "../support/state.ts";

/** A temporary folder for everybody, as /tmp is. */
async function temporary() {
  const folder = await temporaryFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  vi.stubEnv("TMPDIR", folder.path);
  onTestFinished(() => void vi.unstubAllEnvs());
  const made = async (name: string, hours: number) => {
    const path = join(folder.path, name);
    await mkdir(path);
    await writeFile(join(path, "key.pem"), "secret");
    const then = new Date(Date.now() - hours * 3_600_000);
    await utimes(path, then, then);
  };
  return { made, left: async () => (await readdir(folder.path)).toSorted() };
}

/** The id of a process that has ended. */
async function endedProcess(): Promise<number | undefined> {
  const child = spawn(process.execPath, ["--version"], { stdio: "ignore" });
  await once(child, "exit");
  return child.pid;
}

test.each([
  ["real", openRealRun],
  ["dry", openDryRun],
])("a %s run removes the folder of a dry run that was killed over an hour ago", async (_, open) => {
  const { made, left } = await temporary();
  const pid = await endedProcess();
  await made(`acmectl-dry-run-${pid}-killed`, 2);
  await made(`acmectl-dry-run-${pid}-recent`, 0.5);
  await made(`acmectl-dry-run-${process.pid}-running`, 2);
  await made("other-program", 2);
  const run = await open(contextOf());
  await run[Symbol.asyncDispose]();
  expect(await left()).toEqual(
    [
      `acmectl-dry-run-${pid}-recent`,
      `acmectl-dry-run-${process.pid}-running`,
      "other-program",
    ].toSorted(),
  );
});

test("the folder of a dry run names the process, so that another run keeps it", async () => {
  const { left } = await temporary();
  await using run = await openDryRun(contextOf());
  const name = expect.stringContaining(`acmectl-dry-run-${process.pid}-`);
  expect([run.store.where, ...(await left())]).toEqual([name, name]);
});
