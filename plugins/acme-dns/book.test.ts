import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { memoryState, recordingLog } from "acmectl/testing";
import { temporaryFolder } from "../../test/support/state.ts";
import type { Account } from "./account.ts";
import { fileBook, stateBook } from "./book.ts";

const account = (subdomain: string): Account => ({
  fulldomain: `${subdomain}.auth.example.org`,
  subdomain,
  username: `user-${subdomain}`,
  password: "password",
  server: "https://auth.example.org",
});

it("loses no account when several processes add theirs at once", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "accounts.json");
  const names = ["a", "b", "c", "d", "e", "f"];
  await Promise.all(
    names.map((name) => fileBook(path, recordingLog()).add(`${name}.test`, account(name))),
  );
  const kept: Record<string, unknown> = JSON.parse(await readFile(path, "utf8"));
  expect(Object.keys(kept).toSorted()).toEqual(names.map((name) => `${name}.test`));
});

it("keeps one account of a name for all who register it at once, and tells each which", async () => {
  const state = memoryState();
  const adding = ["one", "two"].map((one) => stateBook(state).add("example.test", account(one)));
  const [first, second] = await Promise.all(adding);
  expect(first).toEqual(second);
  expect(await stateBook(state).find("example.test")).toEqual(first);
  expect(await stateBook(state).add("example.test", account("late"))).toEqual(first);
});

it("is not written to only to see whether it can be", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "accounts.json");
  const book = fileBook(path, recordingLog());
  await book.assertWritable();
  await expect(stat(path)).rejects.toThrow("ENOENT");
  await book.add("example.test", account("one"));
  const { ino } = await stat(path);
  await book.assertWritable();
  expect((await stat(path)).ino).toBe(ino);
});
