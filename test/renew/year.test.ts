import { expect, test } from "vitest";
import { day, simulate, type Plan } from "../bench/fleet.ts";

const plan: Plan = {
  certificates: 300,
  days: 120,
  lifetime: 45 * day,
  perSecond: 8,
  outage: [40, 41],
  revocation: { day: 60, share: 0.3, within: day },
  failing: 0.05,
};

/** The same numbers in each run. */
function seeded(): () => number {
  let state = 7;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

test("four months of a fleet, with a day without CA and a mass revocation, let nothing expire and pass no limit", async () => {
  const { months, expired, revoked, refused } = await simulate(plan, seeded());
  expect({ expired, revoked, refused }).toEqual({ expired: 0, revoked: 0, refused: 0 });
  expect(months).toHaveLength(4);
  const renewals = months.reduce((all, month) => all + month.renewals, 0);
  // Four times thirty days, and ninety of three hundred once more for the revocation.
  expect(renewals).toBeGreaterThan(1_200);
  expect(renewals).toBeLessThan(1_500);
});

test("a CA that revokes an hour after it says so finds certificates in use", async () => {
  const revocation = { ...plan.revocation, within: day / 24 };
  const { revoked } = await simulate({ ...plan, revocation, failing: 0 }, seeded());
  expect(revoked).toBeGreaterThan(0);
});

test("a fleet whose CA is down for longer than certificates last has certificates that expire", async () => {
  const { expired } = await simulate({ ...plan, outage: [40, 70] }, seeded());
  expect(expired).toBeGreaterThan(0);
});
