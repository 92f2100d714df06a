/** The power is lost at any moment of a run: all that a disk may hold then is usable, and the next run goes on with it. */
import { readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { openAt } from "../../state/state.ts";
import { faultOfVersion, seeState } from "../../support/invariants/state.ts";
import { drawn, patience, randomOf, survived } from "../../support/counted.ts";
import type { Operation } from "./operations.ts";
import { afterPowerLoss, hashOf, readDisk, unsynced, writeDisk } from "./power-loss.ts";
import type { Folder, Kept } from "./power-loss.ts";
import { recorded, type Asked } from "./recorded.ts";
import { begin, expectConverged, scenarios } from "./scenarios.ts";

test.concurrent.each(Object.entries(scenarios))(
  "%s loses nothing that it needs when the power is lost, and the next run puts all right",
  async (name, scenario) => {
    await using issuing = await begin(scenario);
    const start = readDisk(issuing.state);
    const before = seeState(issuing.state).current;
    const { operations, asked } = await recorded(scenario, issuing);
    const { state } = issuing;
    const lost = (at: number, keep: (index: number) => Kept) =>
      afterPowerLoss(start, state, operations, at, keep);

    const moments = Array.from({ length: operations.length + 1 }, (_, at) =>
      choices(operations, at).map((keep) => ({ at, keep })),
    ).flat();
    const disks = new Map<string, { at: number; disk: Folder }>();
    for (const { at, keep } of drawn(moments, 80, ({ at }) => `${at}`)) {
      const disk = lost(at, keep);
      disks.set(hashOf(disk), { at, disk });
    }
    const folder = join(dirname(state), "lost");
    for (const { at, disk } of disks.values()) {
      writeDisk(folder, disk);
      const where = `${name} after change ${at}, ${JSON.stringify(operations[at - 1])?.slice(0, 300)}`;
      await expectUsable(folder, before).catch((error: unknown) => {
        throw new Error(where, { cause: error });
      });
      rmSync(folder, { recursive: true });
    }
    for (const request of asked) {
      writeDisk(
        folder,
        lost(request.at, () => "none"),
      );
      expectPromised(folder, request);
      rmSync(folder, { recursive: true });
    }
    // What was reported as done is done.
    writeDisk(
      folder,
      lost(operations.length, () => "none"),
    );
    const final = seeState(folder).current;
    for (const [held, version] of seeState(state).current) expect(final.get(held)).toBe(version);
    rmSync(folder, { recursive: true });

    // All that the CA did in this run has happened: so has the time of its last answer.
    const last = asked.at(-1)?.at ?? 0;
    const late = [...disks.values()].filter(({ at }) => at > last);
    const next = drawn(late, 2, ({ at }) => `${at}`, name);
    for (const { at, disk } of next) {
      rmSync(state, { recursive: true });
      writeDisk(state, disk);
      await expectConverged(scenario, issuing).catch((error: unknown) => {
        throw new Error(`${name}, the run after a loss of power at change ${at}`, { cause: error });
      });
    }
    survived("states of the disk after a loss of power", disks.size);
    survived("runs after a loss of power", next.length);
  },
  patience,
);

test("a loss of power would be noticed if nothing were synced", async () => {
  const scenario = scenarios["issue"];
  if (scenario === undefined) throw new Error("the scenario does not exist");
  await using issuing = await begin(scenario);
  const start = readDisk(issuing.state);
  const { operations, asked } = await recorded(scenario, issuing);
  const careless = operations.filter((operation) => operation.do !== "sync");
  const folder = join(dirname(issuing.state), "lost");
  const all = careless.length;
  const withoutContent = (index: number): Kept =>
    careless[index]?.do === "write" ? "none" : "all";
  writeDisk(folder, afterPowerLoss(start, issuing.state, careless, all, withoutContent));
  await expect(expectUsable(folder, new Map())).rejects.toThrow(/version 1 of a\.example\.test/);
  rmSync(folder, { recursive: true });
  writeDisk(
    folder,
    afterPowerLoss(start, issuing.state, careless, all, () => "none"),
  );
  const finalized = asked.find(({ kind }) => kind === "finalize");
  expect(() => finalized && expectPromised(folder, finalized)).toThrow();
});

/** Which of the changes that were not synced reach the disk: all, none, each one alone, all but one, and some by chance. */
function choices(
  operations: readonly Operation[],
  at: number,
): readonly ((index: number) => Kept)[] {
  const random = randomOf(Number(process.env["ACMECTL_SEED"] ?? 1) + at);
  const open = unsynced(operations, at).slice(-12);
  const isOpen = new Set(open);
  const alone = open.flatMap((one) => [
    (index: number) => (index === one ? ("all" as const) : ("none" as const)),
    (index: number) => (index === one ? ("none" as const) : ("all" as const)),
  ]);
  const chance = Array.from({ length: open.length < 2 ? 0 : 8 }, () => {
    const drawn = new Map(
      open.map((one) => [one, (["all", "half", "none"] as const)[Math.floor(random() * 3)]]),
    );
    return (index: number): Kept => drawn.get(index) ?? "all";
  });
  const withoutContent = (index: number): Kept =>
    operations[index]?.do === "write" ? "none" : "all";
  const half = (index: number): Kept => (isOpen.has(index) ? "half" : "all");
  return [() => "all", () => "none", withoutContent, half, ...alone, ...chance];
}

/** Servers and acmectl can read all of it, and nothing is older than before. */
async function expectUsable(folder: string, before: ReadonlyMap<string, number>): Promise<void> {
  const { current } = seeState(folder);
  for (const [held, version] of current)
    expect(faultOfVersion(folder, held, version), `version ${version} of ${held}`).toBeUndefined();
  for (const [held, version] of before) expect(current.get(held)).toBeGreaterThanOrEqual(version);
  const { store, warnings } = openAt(folder);
  const listed = await Array.fromAsync(store.certificates.list());
  expect(listed.filter((one) => "problem" in one)).toEqual([]);
  await store.accounts.list();
  for (const name of await store.journal.names()) await store.journal.read(name);
  expect(warnings).toEqual([]);
}

/** What the CA hears of is on disk before, even if nothing is that was not synced. */
function expectPromised(folder: string, { kind, path }: Asked): void {
  const paths = readdirSync(folder, { recursive: true }).map(String);
  const pending = [...seeState(folder).pending.values()];
  if (kind === "newAccount")
    expect(paths).toContainEqual(expect.stringMatching(/^accounts\/.*\/key\.pem$/));
  if (kind === "keyChange")
    expect(paths).toContainEqual(expect.stringMatching(/\/key\.next\.pem$/));
  if (kind === "authz") expect(pending.some(({ orderUrl }) => orderUrl !== undefined)).toBe(true);
  if (kind === "challenge") expect(pending.some(({ presented }) => presented > 0)).toBe(true);
  if (kind !== "finalize") return;
  const order = path.replace(/\/finalize$/, "");
  const own = pending.find(({ orderUrl }) => orderUrl?.endsWith(order) === true);
  expect(own?.csr).toBeDefined();
  expect(own?.privateKey).toBeDefined();
}
