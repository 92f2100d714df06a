/** Servers read `current` at any time: also while it is replaced fifty times, key and certificate belong together. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startIssuing } from "../../support/issuing.ts";
import { survived } from "../../support/counted.ts";

test("a thousand readers of current never see a mismatched pair during fifty renewals", async () => {
  await using issuing = await startIssuing();
  expect((await issuing.issue(["-d", "a.example.test"])).code).toBe(0);
  const folder = join(issuing.state, "certificates", "a.example.test");
  const readers = fork(new URL("readers.ts", import.meta.url), [folder, "1000"]);
  onTestFinished(() => void readers.kill("SIGKILL"));
  await once(readers, "message");
  for (let renewal = 0; renewal < 50; renewal++) {
    const { code, stderr } = await issuing.run(["renew", "--force", "--no-jitter"]);
    expect(code, stderr).toBe(0);
  }
  readers.send("stop");
  const [seen] = await once(readers, "message");
  expect(seen).toMatchObject({ mismatched: [], versions: expect.any(Number) });
  expect(seen.versions).toBeGreaterThan(25);
  expect(seen.reads).toBeGreaterThan(2000);
  survived("reads of current during renewals", seen.reads);
});
