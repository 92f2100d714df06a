/** acmectl is killed right before a change to its state; the next run puts all right. */
import { expect, test } from "vitest";
import { drawn, patience, survived } from "./counted.ts";
import { kindOf, recorded, startToDie } from "./recorded.ts";
import { begin, expectConverged, issuedBy, scenarios } from "./scenarios.ts";

test.concurrent.each(Object.entries(scenarios))(
  "%s, killed right before any change to the state, is put right by the next run",
  async (name, scenario) => {
    const faults = [];
    {
      await using issuing = await begin(scenario);
      const { operations } = await recorded(scenario, issuing);
      const kinds = operations.map((operation, at) => ({ at, kind: kindOf(operation, issuing) }));
      expect(kinds.length).toBeGreaterThan(10);
      faults.push(...drawn(kinds, 4, ({ kind }) => kind));
    }
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
