import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startIssuing } from "../support/issuing.ts";
import { requestOf } from "../state/material.ts";
import { never, openAt } from "../state/state.ts";

const [good, first] = ["a.example.test", "b.example.test"];

/** A first order in the journal, as a run that was killed leaves it. */
async function withUnfinished() {
  const issuing = await startIssuing();
  expect((await issuing.issue(["-d", good])).code).toBe(0);
  const { store } = openAt(issuing.state);
  await store.certificates.saveRequest(requestOf(first));
  const orderUrl = "https://ca.example/order/1";
  const startedAt = new Date().toISOString();
  const order = { name: first, orderUrl, directory: "d", accountId: "a", requestHash: "h" };
  await store.journal.write({ ...order, startedAt, presented: [] });
  return { issuing, store };
}

test("a first order whose run was killed is not counted, and stays in the journal for the next issue", async () => {
  const { issuing, store } = await withUnfinished();
  await using _ = issuing;
  expect((await issuing.run(["list"])).stdout).not.toContain(first);
  expect(await issuing.run(["status", "--check"])).toMatchObject({ code: 0 });
  expect((await issuing.run(["renew"])).code).toBe(0);
  expect((await store.journal.read(first))?.orderUrl).toBeDefined();
  const named = await issuing.run(["status", first]);
  expect(named.stdout).toMatch(/^Open order +https:\/\/ca\.example\/order\/1$/m);
});

test("a first order is shown as issuing while a run has its lock", async () => {
  const { issuing, store } = await withUnfinished();
  await using _ = issuing;
  const lock = await store.lock(`certificate:${first}`, { wait: 0, signal: never });
  expect((await issuing.run(["list"])).stdout).toMatch(/^b\.example\.test .* issuing$/m);
  await lock.release();
  expect((await issuing.run(["list"])).stdout).not.toContain(first);
});

test.each([["nothing"], ["a temporary file"]])(
  "a first issue that was killed before its record was written, and left a folder with %s, is not counted",
  async (left) => {
    const { issuing } = await withUnfinished();
    await using _ = issuing;
    const folder = join(issuing.state, "certificates", "killed.example.test");
    await mkdir(folder, { mode: 0o700 });
    const temporary = join(folder, ".certificate.json.tmp-0a");
    if (left !== "nothing") await writeFile(temporary, "{", { mode: 0o600 });
    expect((await issuing.run(["list"])).stdout).not.toContain("killed");
    expect(await issuing.run(["status", "--check"])).toMatchObject({ code: 0 });
    expect(await issuing.run(["renew"])).toMatchObject({ code: 0 });
    expect((await issuing.issue(["-d", "killed.example.test"])).code).toBe(0);
  },
);
