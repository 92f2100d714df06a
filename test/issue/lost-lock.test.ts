import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { never, openAt } from "../state/state.ts";
import { seeState } from "../support/invariants/state.ts";
import { startIssuing, type Issuing } from "../support/issuing.ts";

const name = "a.example.test";

test("a run that lost its lock does not put its older request in the place of a newer one", async () => {
  await using issuing = await startIssuing();
  const { state } = issuing;
  expect((await issuing.issue(["-d", name])).code).toBe(0);
  const { store } = openAt(state);
  const call = async () => {
    const other = await takeOver(issuing);
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

test("a run that lost its lock leaves a response that the next one may have presented again", async () => {
  await using issuing = await startIssuing();
  const root = join(issuing.state, "..", "www");
  await mkdir(root);
  const call = () => takeOver(issuing).then(() => undefined);
  issuing.ca.faults.add({ on: "challenge", do: { call } });
  const words = ["issue", "-d", name, "--webroot", root, ...issuing.words];
  const excused = { "nothing temporary is left": "the other run has the lock" };
  const { code, stderr } = await issuing.run(words, { excused });
  expect(code, stderr).toBe(8);
  expect(stderr).toContain("another run cleans up");
  expect(await readdir(join(root, ".well-known", "acme-challenge"))).toHaveLength(1);
});

/** Of the certificate, as another run does once this one seems dead. */
async function takeOver({ state }: Issuing) {
  for (const file of await readdir(join(state, "locks"))) await rm(join(state, "locks", file));
  return openAt(state).store.lock(`certificate:${name}`, { wait: 0, signal: never });
}
