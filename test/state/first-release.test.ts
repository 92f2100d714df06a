import { cp, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { openFolderStore } from "../../src/state/folder/folder.ts";
import { startTestCa } from "../../src/test-ca/test-ca.ts";
import { silentLog } from "../../src/testing.ts";
import { run } from "../support/run.ts";
import { temporaryFolder } from "../support/state.ts";

const name = "shop.example.test";
const fixture = new URL("fixtures/first-release", import.meta.url).pathname;

/** A copy of a state folder that the first release wrote. */
async function firstRelease() {
  const folder = await temporaryFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const state = join(folder.path, "state");
  await cp(fixture, state, { recursive: true, verbatimSymlinks: true });
  const store = openFolderStore(state, { log: silentLog, clock: systemClock });
  return { folder: folder.path, state, store };
}

test("everything in a state folder of the first release can be read", async () => {
  const { store, state } = await firstRelease();
  const [account] = await store.accounts.list();
  expect(account).toMatchObject({ status: "valid", contact: ["mailto:ops@example.com"] });
  expect(account?.key).toContain("PRIVATE KEY");

  expect(await store.certificates.names()).toEqual(["*.example.test", name]);
  const stored = await store.certificates.read(name);
  expect(stored?.held).toMatchObject({ version: 2, meta: { account: account?.id } });
  expect(stored?.status.lastAttempt?.outcome).toBe("issued");
  const files = await store.certificates.files(name);
  expect(await readFile(files?.fullchain ?? "", "utf8")).toContain("BEGIN CERTIFICATE");
  expect(await store.certificates.readPrivateKey(name)).toContain("PRIVATE KEY");

  expect(await store.journal.names()).toEqual(["*.example.test"]);
  expect((await store.journal.read("*.example.test"))?.presented[0]?.receipt).toEqual({
    record: 7,
  });
  const credentials = await store.solverState("acme-dns").get(name);
  expect(credentials).toMatchObject({ fulldomain: "d420.auth.example.test" });

  const hook = { run: 'touch "$HOME/post-hook-ran"', shell: true };
  const pending = await store.pendingHooks.list();
  expect(Object.values(pending)).toEqual([[hook]]);
  // From the first change on they are in their new place alone.
  await store.pendingHooks.add("this-run", hook);
  expect(Object.values(await store.pendingHooks.list())).toEqual([[hook], [hook]]);
  expect(await readdir(join(state, "solvers"))).toEqual(["acme-dns.json"]);
});

test("a certificate of the first release is renewed with its account, and its pending post hook runs", async () => {
  const { folder, state, store } = await firstRelease();
  const [account] = await store.accounts.list();
  const ca = await startTestCa({ port: 24_117, httpPort: 24_118 });
  onTestFinished(() => ca.close());
  const bundle = join(folder, "ca.pem");
  await writeFile(bundle, ca.rootPem);
  // This CA does not know the account yet: acmectl finds or registers it by its key.
  if (account === undefined) throw new Error("there is no account");
  const record = join(account.where, "account.json");
  const { url: _, status: __, ...unregistered } = JSON.parse(await readFile(record, "utf8"));
  await writeFile(record, JSON.stringify(unregistered));
  const stored = join(state, "certificates", name, "certificate.json");
  const text = await readFile(stored, "utf8");
  await writeFile(stored, text.replaceAll("/first-release/ca.pem", bundle));

  const words = ["renew", name, "--force", "--no-jitter", "--state", state];
  const ran = await run(words, { env: { HOME: folder, PATH: process.env["PATH"] ?? "" } });
  expect(ran).toMatchObject({ code: 0, stdout: expect.stringContaining(`Renewed ${name}`) });
  expect(ran.stderr).toContain("running the post hook of an earlier run that was stopped");
  await stat(join(folder, "post-hook-ran"));
  expect((await store.certificates.read(name))?.held?.version).toBe(3);
  expect(await store.pendingHooks.list()).toEqual({});
  const [kept] = await store.accounts.list();
  expect(kept).toMatchObject({ id: account.id, key: account.key, status: "valid" });
});
