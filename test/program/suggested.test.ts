import { join } from "node:path";
import { expect, test } from "vitest";
import { suggestionsFor } from "../../src/program/suggested.ts";
import { Problem } from "../../src/problem.ts";
import { line, table } from "../../src/result.ts";
import { run } from "../support/run.ts";
import { temporaryFolder } from "../support/state.ts";

const names = ["account deactivate", "account register", "config validate", "delete", "plan"];
const more = ["deploy", "renew", "solvers list", "status"];
const { problem, result } = suggestionsFor({ state: "/s", config: "/c d" }, [...names, ...more]);

const hints = [
  [
    "Run `acmectl deploy b.test` again.",
    "Run `acmectl deploy b.test --state /s --config '/c d'` again.",
  ],
  [
    "acmectl plan. Try: acmectl renew NAME",
    "acmectl plan --state /s --config '/c d'. Try: acmectl renew NAME --state /s --config '/c d'",
  ],
  ["Then: acmectl config validate", "Then: acmectl config validate --config '/c d'"],
  ["Run `acmectl delete a --state /s`.", "Run `acmectl delete a --state /s --config '/c d'`."],
  [
    "Delete it (acmectl delete NAME).",
    "Delete it (acmectl delete NAME --state /s --config '/c d').",
  ],
  [
    "acmectl account deactivate --server https://a.test/x && acmectl account register",
    "acmectl account deactivate --server https://a.test/x --state /s --config '/c d' && acmectl account register --state /s --config '/c d'",
  ],
  ["`acmectl solvers list` shows them.", "`acmectl solvers list` shows them."],
  ["See acmectl renew --help.", "See acmectl renew --help."],
  ["It runs /usr/bin/acmectl renew -q", "It runs /usr/bin/acmectl renew -q"],
] as const;

test.each(hints)("the hint %j becomes %j", (before, after) => {
  expect(problem(new Problem("usage", { detail: "x", hint: before })).hint).toBe(after);
});

test("lines, tables, and the advice in a document name the folder and the file that were typed", () => {
  const hint = "acmectl status b";
  const completed = `${hint} --state /s --config '/c d'`;
  const shown = result({
    document: { outcome: "failed", certificates: [{ name: hint, problem: { hint } }] },
    view: [line(hint), table(["WHY"], [[hint]])],
  });
  expect(shown.document).toEqual({
    outcome: "failed",
    certificates: [{ name: hint, problem: { hint: completed } }],
  });
  expect(shown.view).toEqual([line(completed), table(["WHY"], [[completed]])]);
});

test("the members of a document are read only when the document is printed", () => {
  let made = 0;
  const document = {
    outcome: "listed",
    get certificates() {
      made += 1;
      return [];
    },
  };
  const shown = result({ document, view: [] });
  expect(made).toBe(0);
  expect(shown.document).toEqual({ outcome: "listed", certificates: [] });
  expect(made).toBe(1);
});

test("what is typed as --state and --config is in the suggested commands, and what a variable says does not", async () => {
  await using folder = await temporaryFolder();
  const state = join(folder.path, "state");
  const config = join(folder.path, "c.yaml");
  const env = { HOME: folder.path };
  const created = await run(["config", "init", "--config", config], { env });
  expect(created.stdout).toContain(`acmectl config validate --config ${config}\n`);
  const unknown = ["status", "b.test"];
  expect((await run([...unknown, "--state", state], { env })).stderr).toContain(
    `acmectl issue -d NAME --state ${state}.`,
  );
  const byVariable = await run(unknown, { env: { ...env, ACMECTL_STATE: state } });
  expect(byVariable.stderr).toContain("acmectl issue -d NAME.");
});
