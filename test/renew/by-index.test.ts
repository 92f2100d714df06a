import { expect, test } from "vitest";
import { Problem } from "../../src/problem.ts";
import { dueByIndex } from "../../src/renew/by-index.ts";
import { openFolderStore } from "../../src/state/folder/folder.ts";
import { silentLog } from "../../src/testing.ts";
import { testClock } from "../support/clock.ts";

test("a broken certificate with an unfinished order does not stop the others", async () => {
  const clock = testClock();
  const problem = new Problem("machine", { detail: "The record of shop cannot be read." });
  const store = openFolderStore("/nowhere", { log: silentLog, clock });
  const indexed = {
    ...store,
    journal: { ...store.journal, names: async () => ["shop"] },
    certificates: {
      ...store.certificates,
      nextDue: async () => ({ name: "mail", at: new Date(clock.now().getTime() + 60_000) }),
      async *due() {},
      read: () => Promise.reject(problem),
    },
  };
  const found = await dueByIndex(1, indexed, { clock }, () => Promise.resolve(0));
  expect(found?.named).toMatchObject({ certificates: [], broken: [{ name: "shop", problem }] });
});
