import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { storedCertificates } from "../../src/status/certificates.ts";
import { storedLike } from "../bench/stored.ts";
import { startIssuing } from "../support/issuing.ts";
import { run } from "../support/run.ts";
import { temporaryFolder } from "../support/state.ts";

vi.mock("../../src/status/certificates.ts", { spy: true });

const hour = 3_600_000;
test("of 150 certificates each run asks the CA about a share, and a run with none to ask about reads nothing", async () => {
  await using folder = await temporaryFolder();
  const start = Date.now();
  let now = start;
  await using issuing = await startIssuing({ now: () => new Date(now) });
  await issuing.issue(["-d", "a.example.test"]);
  const state = storedLike(issuing.state, "a.example.test", folder.path).with(150);
  await sleep(300);
  /** The run this many hours after the first. */
  const renewAt = async (time: number) => {
    now = start + time * hour;
    vi.mocked(storedCertificates).mockClear();
    const before = issuing.ca.requests.length;
    const words = ["renew", "--no-jitter", "--every", "1h", "--state", state];
    const clock = { ...systemClock, now: () => new Date(now) };
    const { code } = await run(words, { env: { HOME: folder.path }, clock });
    const requests = issuing.ca.requests.slice(before);
    const asked = requests.filter(({ kind }) => kind === "renewalInfo").length;
    const isRead = vi.mocked(storedCertificates).mock.calls.length > 0;
    return { code, asked, requests: requests.length - asked, isRead };
  };
  const nothing = { code: 0, asked: 0, requests: 0, isRead: false };

  expect(await renewAt(0)).toMatchObject({ code: 0, asked: 100 });
  expect(await renewAt(0.4), "while the others wait").toEqual(nothing);
  expect(await renewAt(1)).toMatchObject({ code: 0, asked: 50 });
  for (const time of [1.1, 2, 3, 4, 5, 5.9]) {
    expect(await renewAt(time), `before Retry-After, after ${time} h`).toEqual(nothing);
  }
  expect(await renewAt(6.1)).toMatchObject({ code: 0, asked: 100 });
  expect(await renewAt(6.2)).toEqual(nothing);
});
