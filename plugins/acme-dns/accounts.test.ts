import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { memoryState, recordingLog } from "acmectl/testing";
import { runHint } from "../../test/support/shell.ts";
import { temporaryFolder } from "../../test/support/state.ts";
import { fileAccounts, stateAccounts, type Account } from "./accounts.ts";

const account = (subdomain: string): Account => ({
  fulldomain: `${subdomain}.auth.example.org`,
  subdomain,
  username: `user-${subdomain}`,
  password: "password",
  server: "https://auth.example.org",
});

it("no account is lost when six processes add one at the same time", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "accounts.json");
  const names = ["a", "b", "c", "d", "e", "f"];
  await Promise.all(
    names.map((name) => fileAccounts(path, recordingLog()).add(`${name}.test`, account(name))),
  );
  const kept: Record<string, unknown> = JSON.parse(await readFile(path, "utf8"));
  expect(Object.keys(kept).toSorted()).toEqual(names.map((name) => `${name}.test`));
});

it("two processes that register the same name get the same account", async () => {
  const state = memoryState();
  const adding = ["one", "two"].map((one) =>
    stateAccounts(state).add("example.test", account(one)),
  );
  const [first, second] = await Promise.all(adding);
  expect(first).toEqual(second);
  expect(await stateAccounts(state).find("example.test", "")).toEqual(first);
  expect(await stateAccounts(state).add("example.test", account("late"))).toEqual(first);
});

it("an accounts file that other users can read is reported once, with the command that protects it", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "accounts.json");
  await writeFile(path, JSON.stringify({ "example.test": account("one") }), { mode: 0o644 });
  const warnings = async () => {
    const log = recordingLog();
    const accounts = fileAccounts(path, log);
    await accounts.find("example.test", "");
    await accounts.find("example.test", "");
    return log.entries.filter(({ level }) => level === "warn").map(({ message }) => message);
  };
  const warned = await warnings();
  expect(warned).toEqual([expect.stringContaining("other users can read it")]);
  runHint(warned[0]);
  expect(await warnings()).toEqual([]);
});

it("an accounts file is not written to when acmectl checks that it can be", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "accounts.json");
  const book = fileAccounts(path, recordingLog());
  await book.assertWritable();
  await expect(stat(path)).rejects.toThrow("ENOENT");
  await book.add("example.test", account("one"));
  const { ino } = await stat(path);
  await book.assertWritable();
  expect((await stat(path)).ino).toBe(ino);
});
