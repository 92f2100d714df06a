import { access, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startIssuing } from "../support/issuing.ts";

test("deploy leaves a certificate alone if TLSA records are published and none is for its key", async () => {
  await using issuing = await startIssuing();
  const marker = join(issuing.state, "..", "deployed");
  const asked = ["-d", "mail.test", "--deploy-hook", `test -e ${marker}.ready && touch ${marker}`];
  expect((await issuing.issue(asked)).code).toBe(9);
  await writeFile(`${marker}.ready`, "");
  const path = join(issuing.state, "certificates", "mail.test", "certificate.json");
  const record = JSON.parse(await readFile(path, "utf8"));
  const challenge = {
    type: "dns-01",
    identifier: { type: "dns", value: "mail.test" },
    recordName: "_25._tcp.mail.test",
    recordType: "TLSA",
    recordValue: `3 1 1 ${"00".repeat(32)}`,
  };
  const solver = { name: "zone", use: "rfc2136", options: {} };
  const seenAt = new Date().toISOString();
  record.request.dane = { ports: [25] };
  record.status.dane = { records: [{ solver, challenge, seenAt }] };
  await writeFile(path, JSON.stringify(record));
  const { code, stderr } = await issuing.run(["deploy"]);
  expect([code, stderr.replaceAll(/\s+/g, " ")]).toEqual([
    9,
    expect.stringContaining(
      "The TLSA records at _25._tcp.mail.test are not for the key of mail.test",
    ),
  ]);
  expect(stderr).toContain("acmectl renew mail.test");
  await expect(access(marker)).rejects.toThrow(/ENOENT/);

  // Without any record no client looks at the key.
  record.status.dane = undefined;
  await writeFile(path, JSON.stringify(record));
  const deployed = await issuing.run(["deploy"]);
  expect([deployed.code, deployed.stderr]).toEqual([
    0,
    expect.stringContaining("the next run publishes them"),
  ]);
  await access(marker);
});
