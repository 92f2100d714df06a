/** A clock that is wrong, or set during a run: it is noticed and said, nothing is renewed for it and nothing thrown away. */
import { expect, test } from "vitest";
import { seeState } from "../../support/invariants/state.ts";
import { testClock, type TestClock } from "../../support/clock.ts";
import { startIssuing, type Issuing } from "../../support/issuing.ts";
import { drawn, patience, survived } from "../../support/counted.ts";
import { expectDone } from "./scenarios.ts";

const name = "a.example.test";
const [minute, hour, day] = [60_000, 3_600_000, 86_400_000];

const wrong: readonly (readonly [text: string, milliseconds: number])[] = [
  ["6 minutes ahead of", 6 * minute],
  ["6 minutes behind", -6 * minute],
  ["26 hours ahead of", 26 * hour],
  ["26 hours behind", -26 * hour],
  ["70 days ahead of", 70 * day],
  ["70 days behind", -70 * day],
  ["730 days ahead of", 730 * day],
  ["730 days behind", -730 * day],
];

test.each(drawn(wrong, 2, ([text]) => text.replace(/^\d+ \w+/, "")))(
  "a clock that is %s the CA's is said by renew, status and check, and a month of runs renews nothing",
  async (text, error) => {
    const { issuing, clock } = await world(error);
    await using _ = issuing;
    await expectDone(issuing.issue(["-d", name], { clock: right(clock, error) }));
    const said = new RegExp(`clock of this machine is ${text} that of 127\\.0\\.0\\.1`);
    const was = new RegExp(`clock of this machine was ${text} that of 127\\.0\\.0\\.1`);
    const first = await issuing.run(["renew", "--no-jitter"], { clock });
    expect([first.code, first.stderr]).toEqual([0, expect.stringMatching(said)]);
    // One that is not expired by this clock either is compared after the CA was asked for its renewal.
    if (error > 90 * day) expect(first.stderr).toContain("is kept: it is good by the CA's clock");
    for (let run = 0; run < 3; run++) {
      expect((await issuing.run(["renew", "--no-jitter"], { clock })).code).toBe(0);
      expect((await issuing.issue(["-d", name], { clock })).code).toBe(0);
      clock.advance(10 * day);
    }
    expect([orders(issuing), seeState(issuing.state).current.get(name)]).toEqual([1, 1]);
    const status = await issuing.run(["status"], { clock });
    expect(unfolded(status.stdout)).toMatch(was);
    const watched = await issuing.run(["status", "--check", "--json"], { clock });
    expect([watched.code, watched.stdout]).toEqual([11, expect.stringMatching(was)]);
    const check = await issuing.run(["check", name], { clock });
    expect(unfolded(check.stdout + check.stderr)).toMatch(new RegExp(said, "i"));

    // Set right, all goes on as before.
    const set = right(clock, error);
    set.advance(33 * day);
    expect((await issuing.run(["renew", "--no-jitter"], { clock: set })).stdout).toMatch(
      /renewed/i,
    );
    expect(orders(issuing)).toBe(2);
    expect((await issuing.run(["status", "--check"], { clock: set })).code).toBe(0);
    survived("wrong clocks", 1);
  },
  patience,
);

test("a clock that is behind lets no certificate expire", async () => {
  const { issuing, clock } = await world(-70 * day);
  await using _ = issuing;
  await expectDone(issuing.issue(["-d", name], { clock: right(clock, -70 * day) }));
  clock.advance(63 * day);
  const { code, stdout } = await issuing.run(["renew", "--no-jitter"], { clock });
  expect([code, stdout]).toEqual([0, expect.stringMatching(/renewed/i)]);
  expect((await issuing.run(["renew", "--no-jitter"], { clock })).code).toBe(0);
  expect(orders(issuing)).toBe(2);
});

const kinds = ["directory", "newAccount", "newOrder", "authz", "challenge", "finalize"] as const;
const jumps = [hour, -hour, 400 * day, -400 * day];

test(
  "a clock that is set during a run costs no certificate, and nothing is renewed for it",
  async () => {
    const faults = [...kinds, "certificate" as const].flatMap((kind) =>
      jumps.map((jump) => ({ kind, jump })),
    );
    const chosen = drawn(faults, 4, ({ kind }) => kind);
    for (const { kind, jump } of chosen) {
      const clock = testClock();
      await using issuing = await startIssuing();
      const call = () => clock.set(new Date(clock.now().getTime() + jump));
      issuing.ca.faults.add({ on: kind, do: { call } });
      const { code, stderr } = await issuing.issue(["-d", name], { clock });
      expect(code, `${jump} at ${kind}: ${stderr}`).toBe(0);
      for (const words of [["renew", "--no-jitter"], ["status"]])
        expect((await issuing.run(words, { clock })).code).toBe(0);
      clock.set(new Date());
      expect((await issuing.run(["renew", "--no-jitter"], { clock })).code).toBe(0);
      expect(orders(issuing), `${jump} at ${kind}`).toBe(1);
    }
    survived("clocks set during a run", chosen.length);
  },
  patience,
);

/** A clock that is wrong by `error`, and a CA that goes by the right one. */
async function world(error: number): Promise<{ issuing: Issuing; clock: TestClock }> {
  const clock = testClock(new Date(Date.now() + error));
  const now = () => new Date(clock.now().getTime() - error);
  return { issuing: await startIssuing({ now, authorizationReuse: 0 }), clock };
}

function right(clock: TestClock, error: number): TestClock {
  return {
    ...clock,
    now: () => new Date(clock.now().getTime() - error),
  };
}

const unfolded = (text: string) => text.replaceAll(/\s+/g, " ");
const orders = ({ ca }: Issuing) => ca.requests.filter(({ kind }) => kind === "newOrder").length;
