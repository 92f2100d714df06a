import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { never, openAt } from "../state/state.ts";
import { seeState } from "../support/invariants/state.ts";
import { startIssuing } from "../support/issuing.ts";

const name = "a.example.test";

test("a run that lost its lock does not put its older request in the place of a newer one", async () => {
  await using issuing = await startIssuing();
  const { state } = issuing;
  expect((await issuing.issue(["-d", name])).code).toBe(0);
  const { store } = openAt(state);
  const call = async () => {
    for (const file of await readdir(join(state, "locks"))) await rm(join(state, "locks", file));
    const other = await store.lock(`certificate:${name}`, { wait: 0, signal: never });
    const { request } = (await store.certificates.read(name)) ?? {};
    if (request)
      await store.certificates.saveRequest({ ...request, labels: { changed: "meanwhile" } });
    await other.release();
  };
  issuing.ca.faults.add({ on: "certificate", do: { call } });
  const { code, stderr } = await issuing.issue(["-d", name, "--force"]);
  expect(code, stderr).toBe(8);
  expect((await store.certificates.read(name))?.request.labels).toEqual({ changed: "meanwhile" });
  expect(seeState(state).current.get(name)).toBe(1);
});
