import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { storedCertificates } from "../../src/status/certificates.ts";
import { storedLike } from "../bench/stored.ts";
import { startIssuing } from "../support/issuing.ts";
import { run } from "../support/run.ts";
import { temporaryFolder } from "../support/state.ts";

vi.mock("../../src/status/certificates.ts", { spy: true });

const day = 86_400_000;

test("a night after a run with nothing due, none of 60 certificates is read and the CA is not asked", async () => {
  await using folder = await temporaryFolder();
  await using issuing = await startIssuing();
  await issuing.issue(["-d", "a.example.test"]);
  const state = storedLike(issuing.state, "a.example.test", folder.path).with(60);
  await sleep(300);
  const renew = async (words: readonly string[] = [], now = Date.now()) => {
    vi.mocked(storedCertificates).mockClear();
    const ran = await run(["renew", ...words, "--state", state], {
      env: { HOME: folder.path },
      clock: { ...systemClock, now: () => new Date(now) },
    });
    return { ...ran, isRead: vi.mocked(storedCertificates).mock.calls.length > 0 };
  };

  const first = await renew();
  expect(first.stdout).toMatch(/^Nothing is due\. Next: n\d+\.example\.test, .*, in \d+ days\.$/m);
  const asked = issuing.ca.requests.length;
  const second = await renew();
  expect(second).toEqual({ ...first, isRead: false });
  expect(issuing.ca.requests).toHaveLength(asked);

  for (const words of [["--json"], ["n1.example.test"], ["--every", "12h"]]) {
    expect((await renew(words)).isRead, words.join(" ")).toBe(true);
  }
  expect((await renew(["--every", "12h"])).isRead, "the same interval").toBe(false);
  const path = join(state, "index.json");
  const index = await readFile(path, "utf8");
  const broken = index.replace(/"until":"[^"]*"/, '"until":"later"');
  expect(broken).not.toBe(index);
  await writeFile(path, broken);
  expect((await renew(["--every", "12h"])).isRead, "a broken note").toBe(true);
  const yesterday = Date.now() - day;
  expect((await renew(["--every", "12h"], yesterday)).isRead, "a clock set back").toBe(true);

  await appendFile(join(state, "certificates/n1.example.test/certificate.json"), "\n");
  expect((await renew(["--every", "12h"])).isRead, "a changed record").toBe(true);
  expect((await renew(["--every", "12h"], Date.now() + 80 * day)).isRead, "due").toBe(true);
});
