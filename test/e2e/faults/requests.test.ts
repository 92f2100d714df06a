/** acmectl is killed before and after each answer of the CA; the next run puts all right. */
import { expect, test } from "vitest";
import type { Issuing } from "../../support/issuing.ts";
import { acmectl } from "../../support/spawn.ts";
import { drawn, patience, survived } from "../../support/counted.ts";
import { begin, expectConverged, issuedBy, scenarios, type Scenario } from "./scenarios.ts";

const phases = ["before", "after"] as const;
type Phase = (typeof phases)[number];

test.concurrent.each(Object.entries(scenarios).filter(([name]) => !name.startsWith("import")))(
  "%s, killed before or after any answer of the CA, is put right by the next run",
  async (name, scenario) => {
    const requests = await requestsOf(scenario);
    expect(requests.length).toBeGreaterThan(2);
    const faults = requests.flatMap((kind, index) =>
      phases.map((phase) => ({ phase, nth: index + 1, kind })),
    );
    const chosen = drawn(faults, 4, ({ phase, kind }) => `${phase} ${kind}`, name);
    for (const { phase, nth, kind } of chosen) {
      await killed(scenario, phase, nth).catch((error: unknown) => {
        throw new Error(`killed ${phase} answer ${nth} to ${name}, of ${kind}`, { cause: error });
      });
    }
    survived("kills before or after an answer of the CA", chosen.length);
  },
  patience,
);

/** The requests of a run that nothing happens to. */
async function requestsOf(scenario: Scenario): Promise<readonly string[]> {
  await using issuing = await begin(scenario);
  const before = issuing.ca.requests.length;
  const ended = await start(scenario, issuing).ended;
  expect(ended, ended.stderr).toMatchObject({ code: 0 });
  return issuing.ca.requests.slice(before).map(({ kind }) => kind);
}

async function killed(scenario: Scenario, phase: Phase, nth: number): Promise<void> {
  await using issuing = await begin(scenario);
  const issued = issuedBy(issuing);
  const { child, ended } = start(scenario, issuing);
  const call = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  issuing.ca.faults.add({ on: "*", nth, phase, do: { call, destroy: true } });
  // A renewal of several certificates may need a request less.
  expect((await ended).signal ?? "none").toMatch(/SIGKILL|none/);
  issuing.ca.faults.clear();
  await expectConverged(scenario, issuing, issued);
  const orders = issuing.ca.requests.filter(
    ({ kind, status }) => kind === "newOrder" && status === 201,
  );
  expect(orders.length).toBeLessThanOrEqual(2 * (issued + scenario.issues));
}

function start(scenario: Scenario, issuing: Issuing) {
  return acmectl(scenario.words(issuing), { env: { HOME: issuing.home } });
}
