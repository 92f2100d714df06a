import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startIssuing } from "../support/issuing.ts";
import { acmectl, type Spawned } from "../support/spawn.ts";

test("two first runs at the same time, in two processes, register one account", async () => {
  await using issuing = await startIssuing();
  const proof = ["--webroot", join(issuing.state, ".."), "--no-self-check"];
  const runs = ["one.example.test", "two.example.test"].map((name) =>
    acmectl(["issue", "-d", name, ...proof, ...issuing.words], { env: { HOME: issuing.state } }),
  );
  const waits = ({ child }: Spawned) =>
    new Promise<void>((resolve) => {
      child.stderr?.on("data", (chunk) => {
        if (/waiting for .* is working on the account/.test(String(chunk))) resolve();
      });
    });
  const oneWaits = Promise.race(runs.map(waits));
  // Whoever registers is held until the other one wants an account too.
  issuing.ca.faults.add({ on: "newAccount", do: { call: () => oneWaits } });
  const ended = await Promise.all(runs.map((run) => run.ended));
  // Nothing answers on port 80 of the test's: the names cannot be validated, which is all that may fail.
  expect(ended.map(({ code }) => code)).toEqual([7, 7]);
  const kinds = issuing.ca.requests.map(({ kind }) => kind);
  expect(kinds.filter((kind) => kind === "newAccount")).toHaveLength(1);
  expect(kinds.filter((kind) => kind === "newOrder")).toHaveLength(2);
  const accounts = issuing.ca.requests.filter(({ kind }) => kind === "newOrder");
  expect(new Set(accounts.map(({ protected: header }) => header?.["kid"])).size).toBe(1);
  const [directory = ""] = await readdir(join(issuing.state, "accounts"));
  expect(await readdir(join(issuing.state, "accounts", directory))).toHaveLength(1);
});
