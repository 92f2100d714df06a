/** The disk refuses a change to the state: the run says so and loses nothing, and the next one puts all right. */
import { expect, test } from "vitest";
import { drawn, patience, survived } from "./counted.ts";
import { kindOf, recorded, startWith } from "./recorded.ts";
import { begin, expectConverged, issuedBy, scenarios, type Scenario } from "./scenarios.ts";

/** What the disk does from one change on, as settings of the preload. */
const refusals: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "is full": { code: "ENOSPC", times: "Infinity" },
  "is full for a moment": { code: "ENOSPC" },
  "has reached the user's quota": { code: "EDQUOT", times: "Infinity" },
  "fails once": { code: "EIO" },
  "fails from then on": { code: "EIO", times: "Infinity" },
  "becomes read-only": { code: "EROFS", times: "Infinity" },
  "reports a stale handle": { code: "ESTALE" },
  "does the change and reports a failure": { code: "EIO", done: "1" },
};

test.concurrent.each(Object.entries(scenarios))(
  "%s loses nothing when the disk refuses any change to the state, and the next run puts all right",
  async (name, scenario) => {
    const faults = [];
    {
      await using issuing = await begin(scenario);
      const { operations } = await recorded(scenario, issuing);
      const changes = operations.map((operation) => kindOf(operation, issuing));
      faults.push(
        ...Object.entries(refusals).flatMap(([kind, settings]) =>
          changes.map((change, at) => ({ kind, settings, change, at })),
        ),
      );
    }
    const chosen = drawn(faults, 2, ({ kind, change }) => `${kind} ${change}`);
    for (const { kind, settings, change, at } of chosen)
      await refused(scenario, { ...settings, fail: `${at}` }).catch((error: unknown) => {
        throw new Error(`${name}, the disk ${kind} at change ${at}: ${change}`, { cause: error });
      });
    survived("changes that the disk refused", chosen.length);
  },
  patience,
);

async function refused(scenario: Scenario, settings: Record<string, string>): Promise<void> {
  await using issuing = await begin(scenario);
  const issued = issuedBy(issuing);
  const excused = { "nothing temporary is left": "nothing can be removed" };
  const { code, stderr } = await startWith(scenario, issuing, settings, excused).ended;
  expect([0, 3, 9, 11], stderr).toContain(code);
  if (code === 3) expect(stderr).toMatch(/Hint: /);
  await expectConverged(scenario, issuing, issued);
}
