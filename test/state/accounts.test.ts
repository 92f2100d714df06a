import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
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

test("an account is on disk with its key before the CA knows it, and keeps what is learned later", async () => {
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

test("two changes at once are both kept", async () => {
  const { store } = await openStore();
  const made = await create(store);
  await Promise.all([
    store.accounts.update(made, { url: "https://acme.example.org/acct/1" }),
    store.accounts.update(made, { contact: [] }),
    store.accounts.update(made, { status: "valid" }),
  ]);
  expect(await store.accounts.list()).toEqual([
    { ...made, url: "https://acme.example.org/acct/1", contact: [], status: "valid" },
  ]);
});

test("directories that differ only a little do not share accounts", async () => {
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
  for (const [index, each] of directories.entries()) {
    const ids = (await store.accounts.ofDirectory(each)).map((account) => account.id);
    expect(ids, each).toEqual([`id${index}`]);
  }
  const folders = await readdir(join(root, "accounts"));
  expect(folders).toHaveLength(directories.length);
  expect(folders).toContain("acme.example.org_directory");
  expect(folders).toContain("local");
  expect(folders.every((folder) => /^[A-Za-z0-9._~-]+$/.test(folder))).toBe(true);
  expect(await store.accounts.list()).toHaveLength(directories.length);
});

test("of several accounts the usable one comes first", async () => {
  const { store } = await openStore();
  const gone = await create(store, "a");
  await store.accounts.update(gone, {
    url: "https://acme.example.org/acct/1",
    status: "deactivated",
  });
  await create(store, "b");
  const usable = await create(store, "c");
  await store.accounts.update(usable, { url: "https://acme.example.org/acct/2", status: "valid" });

  const found = await store.accounts.ofDirectory(directory);
  expect(found.map((account) => account.id)).toEqual(["c", "b", "a"]);
});

test("of several usable accounts the one that was chosen last comes first", async () => {
  const { store } = await openStore();
  for (const id of ["a", "b", "c"]) {
    const made = await create(store, id);
    await store.accounts.update(made, { url: `https://acme.example.org/acct/${id}` });
  }
  const ids = async () => (await store.accounts.ofDirectory(directory)).map(({ id }) => id);
  const choose = async (id: string, chosenAt: string) => {
    const found = (await store.accounts.ofDirectory(directory)).find((one) => one.id === id);
    if (found !== undefined) await store.accounts.update(found, { chosenAt });
  };
  await choose("c", "2026-01-02T00:00:00.000Z");
  expect((await ids())[0]).toBe("c");
  await choose("b", "2026-01-03T00:00:00.000Z");
  expect((await ids()).slice(0, 2)).toEqual(["b", "c"]);
});

test("making an account that is there changes nothing", async () => {
  const { store } = await openStore();
  const made = await create(store);
  const again = await create(store);
  expect(again).toEqual(made);
});

test.each([
  ["an empty key", "key.pem", ""],
  [
    "a key that is no key",
    "key.pem",
    "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
  ],
  ["an empty record", "account.json", ""],
  ["a record of NUL bytes", "account.json", "\0".repeat(300)],
  ["a record that lacks its directory", "account.json", '{"version":1,"id":"x"}'],
])(
  "%s is moved aside, and no other account ever takes its place silently",
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

test("importing the lost key again mends the account", async () => {
  const { store } = await openStore();
  const made = await create(store);
  await rm(join(made.where, "key.pem"));
  await expect(store.accounts.list()).rejects.toThrow(/has no key.pem/);

  const { id, key, contact } = made;
  expect(await store.accounts.create({ id, directory, key, contact })).toEqual(made);
});

test("a rollover has two phases, and neither loses a key", async () => {
  const { store } = await openStore();
  const made = await create(store);
  const [nextKey, third] = [await newKey(), await newKey()];

  const begun = await store.accounts.beginRollover(made, nextKey);
  expect(begun).toEqual({ ...made, nextKey });
  expect(await store.accounts.beginRollover(made, nextKey)).toEqual(begun);
  await expect(store.accounts.beginRollover(made, third)).rejects.toThrow(
    /rollover of this account is unfinished/,
  );
  expect(await store.accounts.list()).toEqual([begun]);

  const finished = await store.accounts.finishRollover(begun);
  expect(finished).toEqual({ ...made, key: nextKey });
  expect(await store.accounts.finishRollover(begun)).toEqual(finished);
  expect((await readdir(made.where)).toSorted()).toEqual(["account.json", "key.pem"]);

  const again = await store.accounts.beginRollover(finished, third);
  expect(await store.accounts.abandonRollover(again)).toEqual(finished);
});

test("no id leaves the accounts' folder", async () => {
  const { store, root } = await openStore();
  for (const id of ["", "..", "../x", "a/b", ".hidden"]) {
    await expect(create(store, id)).rejects.toThrow(TypeError);
  }
  await mkdir(dirname(root), { recursive: true });
  expect(await tree(dirname(root))).toEqual([]);
});
