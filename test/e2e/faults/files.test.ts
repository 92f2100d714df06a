/** acmectl is killed right before a change to its state, or the disk refuses the change; the next run puts all right. */
import { expect, test } from "vitest";
import { drawn, patience, survived } from "../../support/counted.ts";
import { kindOf, recorded, startToDie, startWith } from "./recorded.ts";
import { begin, expectConverged, issuedBy, scenarios, type Scenario } from "./scenarios.ts";

const changes = new Map<string, Promise<readonly string[]>>();

/** The kinds of the changes that a run makes which nothing happens to. */
function changesOf(name: string, scenario: Scenario): Promise<readonly string[]> {
  const known = changes.get(name);
  if (known !== undefined) return known;
  const found = (async () => {
    await using issuing = await begin(scenario);
    const { operations } = await recorded(scenario, issuing);
    return operations.map((operation) => kindOf(operation, issuing));
  })();
  changes.set(name, found);
  return found;
}

test.concurrent.each(Object.entries(scenarios))(
  "%s, killed right before any change to the state, is put right by the next run",
  async (name, scenario) => {
    const kinds = (await changesOf(name, scenario)).map((kind, at) => ({ at, kind }));
    expect(kinds.length).toBeGreaterThan(10);
    const faults = drawn(kinds, 2, ({ kind }) => kind, name);
    for (const { at, kind } of faults) {
      await using issuing = await begin(scenario);
      const issued = issuedBy(issuing);
      const killed = startToDie(scenario, issuing, at);
      expect((await killed.ended).signal ?? "none").toMatch(/SIGKILL|none/);
      await expectConverged(scenario, issuing, issued).catch((error: unknown) => {
        throw new Error(`${name}, killed before change ${at}: ${kind}`, { cause: error });
      });
    }
    survived("kills right before a change to the state", faults.length);
  },
  patience,
);

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
    const kinds = await changesOf(name, scenario);
    const faults = Object.entries(refusals).flatMap(([kind, settings]) =>
      kinds.map((change, at) => ({ kind, settings, change, at })),
    );
    const chosen = drawn(faults, 1, ({ kind }) => kind, name);
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
