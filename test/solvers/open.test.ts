import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { DnsSetting } from "../../src/certificate.ts";
import type { Dns } from "../../src/dns/dns.ts";
import { openSolverSet } from "../../src/solvers/open.ts";
import { challengeFor } from "../../src/testing.ts";
import { temporaryStore, unexpected } from "../issue/world.ts";
import { contextOf } from "../support/context.ts";
import { temporaryFolder } from "../support/state.ts";

const plugin = `export default {
  summary: "asks for the zone", challengeTypes: ["dns-01"], options: {},
  create: (_, { findZone }) => ({
    present: ({ recordName }) => findZone(recordName), cleanup: async () => {},
  }),
};`;

test("a solver finds zones by the DNS setting that it was opened with", async () => {
  await using folder = await temporaryFolder();
  const use = join(folder.path, "zones.mjs");
  await writeFile(use, plugin);
  const asked: DnsSetting[] = [];
  const dns = (setting: DnsSetting) =>
    unexpected<Dns>("dns", {
      findZone: async (name) => {
        asked.push(setting);
        return { name, nameservers: [] };
      },
    });
  const solvers = openSolverSet(contextOf(), await temporaryStore(), dns);
  const call = { signal: new AbortController().signal };
  for (const resolvers of [["192.0.2.1"], ["192.0.2.2"]]) {
    const setting = { name: "zones", use, options: {}, dns: { resolvers } };
    const { solver } = await solvers.open(setting);
    await solver.present(challengeFor("dns-01", "example.com"), call);
  }
  expect(asked).toEqual([{ resolvers: ["192.0.2.1"] }, { resolvers: ["192.0.2.2"] }]);
});

test("certificates that share a solver keep their own waiting times", async () => {
  await using folder = await temporaryFolder();
  const use = join(folder.path, "zones.mjs");
  await writeFile(use, plugin);
  const dns = () => unexpected<Dns>("dns", {});
  const solvers = openSolverSet(contextOf(), await temporaryStore(), dns);
  const [patient, quick] = await Promise.all(
    [600_000, 1_000].map((timeout) =>
      solvers.open({ name: "zones", use, options: {}, dns: { timeout } }),
    ),
  );
  expect(quick?.solver).toBe(patient?.solver);
  expect([patient, quick].map((one) => one?.setting.dns?.timeout)).toEqual([600_000, 1_000]);
});
