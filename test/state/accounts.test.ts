import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import type { Store } from "../../src/state/store.ts";
import { newVersion } from "./material.ts";
import { openStore, tree } from "./state.ts";

const directory = "https://acme.example.org/directory";
const newKey = async () => (await newVersion("01")).privateKey;
const isMachineProblem = { exitCode: 3, retryable: false };

async function create(store: Store, id = "thumb_print-1", at = directory) {
  const contact = ["mailto:ops@example.com"];
  return store.accounts.create({ id, directory: at, key: await newKey(), contact });
}

test("an account has a folder with its key, mode 0600, and its record", async () => {
  const { store, root } = await openStore();
  const made = await create(store);
  expect(made.where).toBe(join(root, "accounts/acme.example.org_directory/thumb_print-1"));
  expect(made).not.toHaveProperty("url");
  expect((await stat(join(made.where, "key.pem"))).mode & 0o777).toBe(0o600);

  const url = "https://acme.example.org/acct/1";
  const updated = await store.accounts.update(made, { url, status: "valid" });
  expect(updated).toEqual({ ...made, url, status: "valid" });
  expect(await store.accounts.list()).toEqual([updated]);
  expect(JSON.parse(await readFile(join(made.where, "account.json"), "utf8"))).toMatchObject({
    version: 1,
    id: "thumb_print-1",
    url,
  });
});

test("accounts of similar directory URLs are in folders of their own", async () => {
  const { store, root } = await openStore();
  const directories = [
    directory,
    `${directory}/`,
    `${directory}?ca=1`,
    "https://acme.example.org/Directory",
    "https://acme.example.org_directory",
    "https://acme.example.org/a/b",
    "https://acme.example.org/a_b",
    "https://127.0.0.1:14000/dir",
    "https://127.0.0.1/14000/dir",
    "https://acme.example.org/../../../etc",
    "local",
  ];
  for (const [index, each] of directories.entries()) await create(store, `id${index}`, each);
  const folders = await readdir(join(root, "accounts"));
  expect(folders).toHaveLength(directories.length);
  expect(folders).toContain("acme.example.org_directory");
  expect(folders).toContain("local");
  expect(folders.every((folder) => /^[A-Za-z0-9._~-]+$/.test(folder))).toBe(true);
  expect(await store.accounts.list()).toHaveLength(directories.length);
});

test.each([
  ["an empty key", "key.pem", ""],
  [
    "a key file without a key",
    "key.pem",
    "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
  ],
  ["an empty record", "account.json", ""],
  ["a record of NUL bytes", "account.json", "\0".repeat(300)],
  ["a record that lacks its directory", "account.json", '{"version":1,"id":"x"}'],
])(
  "%s is moved aside, and the account stays a Problem until it is repaired",
  async (_, file, text) => {
    const { store } = await openStore();
    const { where: path } = await create(store);
    const good = await readFile(join(path, file));
    await writeFile(join(path, file), text);

    const first = await store.accounts.ofDirectory(directory).catch((error) => error);
    expect(first).toMatchObject(isMachineProblem);
    expect(first.message).toContain(join(path, file));
    const aside = (await readdir(path)).find((entry) => entry.startsWith(`${file}.corrupt-`));
    expect(await readFile(join(path, aside ?? ""), "utf8")).toBe(text);

    const second = await store.accounts.ofDirectory(directory).catch((error) => error);
    expect(second).toMatchObject({ ...isMachineProblem, hint: expect.stringContaining(path) });
    await expect(store.accounts.list()).rejects.toMatchObject(isMachineProblem);

    await writeFile(join(path, file), good);
    expect(await store.accounts.list()).toHaveLength(1);
  },
);

test("importing the lost key again repairs the account", async () => {
  const { store } = await openStore();
  const made = await create(store);
  await rm(join(made.where, "key.pem"));
  await expect(store.accounts.list()).rejects.toThrow(/has no key.pem/);

  const { id, key, contact } = made;
  expect(await store.accounts.create({ id, directory, key, contact })).toEqual(made);
});

test("an id that could leave the folder of the accounts is rejected", async () => {
  const { store, root } = await openStore();
  for (const id of ["", "..", "../x", "a/b", ".hidden"]) {
    await expect(create(store, id)).rejects.toThrow(TypeError);
  }
  await mkdir(dirname(root), { recursive: true });
  expect(await tree(dirname(root))).toEqual([]);
});

test("a key.pem that was replaced by another key is found, with the file and the way out", async () => {
  const { store } = await openStore();
  const made = await create(store);
  const key = join(made.where, "key.pem");
  await writeFile(key, await newKey());
  const expected = {
    ...isMachineProblem,
    message: `${key} is not the key of its account: it was replaced by another key.`,
    hint: expect.stringMatching(
      /^Restore .* from a backup\. .* acmectl account import FILE --server \S+ --state \S+$/,
    ),
  };
  await expect(store.accounts.ofDirectory(directory)).rejects.toMatchObject(expected);
  await expect(store.accounts.update(made, { url: "https://ca/1" })).rejects.toMatchObject(
    expected,
  );
  const findings = await store.check?.({ repair: false });
  expect(findings).toEqual([
    expect.objectContaining({ fault: expected.message, remedy: expected.hint }),
  ]);
  await writeFile(key, made.key);
  expect(await store.accounts.list()).toEqual([made]);
});

test("a rollover changes the key that an account may have, wherever it is cut off", async () => {
  const { store } = await openStore();
  const made = await create(store);
  const next = await newKey();
  const begun = await store.accounts.beginRollover(made, next);
  // The kill was between the two files.
  await rename(join(made.where, "key.next.pem"), join(made.where, "key.pem"));
  expect((await store.accounts.list())[0]?.key).toBe(next);
  await rename(join(made.where, "key.pem"), join(made.where, "key.next.pem"));
  await writeFile(join(made.where, "key.pem"), made.key);
  const finished = await store.accounts.finishRollover(begun);
  await writeFile(join(made.where, "key.pem"), made.key);
  await expect(store.accounts.list()).rejects.toMatchObject(isMachineProblem);
  await writeFile(join(made.where, "key.pem"), next);
  const again = await store.accounts.beginRollover(finished, made.key);
  await store.accounts.abandonRollover(again);
  await writeFile(join(made.where, "key.pem"), made.key);
  await expect(store.accounts.list()).rejects.toMatchObject(isMachineProblem);
});

test("a record of an older release, which has no thumbprint, is read with any key and gets one", async () => {
  const { store } = await openStore();
  const made = await create(store);
  const path = join(made.where, "account.json");
  const { keyThumbprints, ...older } = JSON.parse(await readFile(path, "utf8"));
  await writeFile(path, JSON.stringify(older));
  const [read] = await store.accounts.list();
  expect(read).toMatchObject({ key: made.key });
  expect(read).not.toHaveProperty("keyThumbprints");
  await store.accounts.update(made, { status: "valid" });
  expect((await store.accounts.list())[0]?.keyThumbprints).toEqual(keyThumbprints);
});
