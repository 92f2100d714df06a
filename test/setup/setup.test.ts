import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { Problem } from "../../src/problem.ts";
import { line } from "../../src/result.ts";
import type { Conversation, Question } from "../../src/setup/conversation.ts";
import { type Commands, setUp } from "../../src/setup/setup.ts";
import type { GivenFlags } from "../../src/setup/command-line.ts";
import { contextOf } from "../support/context.ts";
import { type Issuing, startIssuing } from "../support/issuing.ts";
import { run } from "../support/run.ts";

const terms = "https://ca.example/terms";
const answers: readonly (readonly [RegExp, string | boolean])[] = [
  [/^Which names/, "shop.example.test"],
  [/^Which email/, ""],
  [/^Do you agree/, true],
  [/^How should acmectl prove/, "standalone"],
  [/^Where should/, "folder"],
  [/^In which folder/, "/etc/ssl/acmectl/shop"],
];

/** A person who answers like this, and yes to all else; `false` for one that leaves. */
function person(more: readonly (readonly [RegExp, string | boolean | Error])[] = []) {
  const asked: string[] = [];
  const answer = (question: Question) => {
    const [, found] = [...more, ...answers].find(([about]) => about.test(question.message)) ?? [];
    if (found instanceof Error) throw found;
    return found ?? true;
  };
  const conversation: Conversation = {
    begin: () => undefined,
    async ask(question) {
      asked.push(question.message);
      return answer(question);
    },
    show: () => undefined,
    warn: () => undefined,
    end: () => undefined,
  };
  return { asked, conversation };
}

function recorded() {
  const done: string[] = [];
  const result = { document: { outcome: "issued" }, view: [line("Done.")] };
  const note = async (what: string) => {
    done.push(what);
    return result;
  };
  const acts: Commands = {
    issue: (flags, _, { rehearse }) =>
      note(`${rehearse ? "rehearse" : "issue"} ${flags.domains?.join(",")}`),
    configure: (key) => note(`set ${key}`),
    deploy: (name) => note(`deploy ${name}`),
    schedule: () => note("schedule"),
  };
  return { done, acts };
}

function world(issuing: Issuing) {
  const [, server = "", , caBundle] = issuing.words;
  const given: GivenFlags = { server, caBundle, dnsResolvers: ["127.0.0.1:1"] };
  const configPath = join(dirname(issuing.state), "no-config.yaml");
  const context = contextOf({ folder: issuing.state, env: { PATH: "/nowhere" }, configPath });
  return { given, context, kept: join(issuing.state, "setup.json") };
}

const left = new Problem("interrupted", { detail: "left", exitCode: 130 });

test("setup rehearses, issues, installs the schedule, and shows the commands that do the same", async () => {
  await using issuing = await startIssuing({ termsOfService: terms });
  const { given, context, kept } = world(issuing);
  const { done, acts } = recorded();
  const { document, view } = await setUp(given, context, acts, person().conversation);
  expect(done.filter((what) => !what.startsWith("deploy"))).toEqual([
    "rehearse shop.example.test",
    "issue shop.example.test",
    "schedule",
  ]);
  expect(document["commands"]).toEqual([
    expect.stringContaining(`-d shop.example.test --server ${given.server}`),
    "acmectl schedule install",
  ]);
  expect(view).toContainEqual(line("  acmectl schedule install"));
  expect(existsSync(kept)).toBe(false);
});

test("a conversation that was left continues with its answers", async () => {
  await using issuing = await startIssuing({ termsOfService: terms });
  const { given, context, kept } = world(issuing);
  const { done, acts } = recorded();
  const first = person([[/^How should/, left]]);
  await expect(setUp(given, context, acts, first.conversation)).rejects.toThrow("left");
  expect(done).toEqual([]);
  // Consent to terms is not kept: the next conversation may be about another CA.
  const expected = { domains: "shop.example.test", email: "" };
  expect(JSON.parse(await readFile(kept, "utf8"))).toEqual(expected);
  const second = person();
  await setUp(given, context, acts, second.conversation);
  expect(second.asked.slice(0, 3)).toEqual([
    "Continue with the answers of the last conversation?",
    "Do you agree to the CA's terms of service?",
    "How should acmectl prove that the names are yours?",
  ]);
  const third = person([[/^Which names/, left]]);
  await expect(setUp(given, context, acts, third.conversation)).rejects.toThrow("left");
  expect(existsSync(kept)).toBe(false);
});

test("nothing is ordered without agreement to the terms, or without a yes to the plan", async () => {
  await using issuing = await startIssuing({ termsOfService: terms });
  const { given, context, kept } = world(issuing);
  const { done, acts } = recorded();
  const refusing = person([[/^Do you agree/, false]]);
  await expect(setUp(given, context, acts, refusing.conversation)).rejects.toThrow(terms);
  expect(await readFile(kept, "utf8")).not.toContain("agreeTos");
  const hesitating = person([[/^Rehearse this/, false]]);
  await expect(setUp(given, context, acts, hesitating.conversation)).rejects.toThrow(
    "Nothing was ordered",
  );
  expect(done).toEqual([]);
});

test("a rehearsal that fails stops before the order, and a schedule that fails is reported after it", async () => {
  await using issuing = await startIssuing();
  const { given, context, kept } = world(issuing);
  const { done, acts } = recorded();
  const failing = new Problem("solver", { detail: "port 80 is in use" });
  const rehearsal: Commands = { ...acts, issue: async () => Promise.reject(failing) };
  await expect(setUp(given, context, rehearsal, person().conversation)).rejects.toThrow("port 80");
  expect(existsSync(kept)).toBe(true);
  const unscheduled: Commands = { ...acts, schedule: async () => Promise.reject(failing) };
  const { problem } = await setUp(given, context, unscheduled, person().conversation);
  expect(problem).toBe(failing);
  expect(done).toContain("issue shop.example.test");
});

test("lines for a server are shown, and its reload is repeated only if acmectl may reload it", async () => {
  await using issuing = await startIssuing({ termsOfService: terms });
  const { given, context } = world(issuing);
  const bin = dirname(issuing.state);
  const site = "server { server_name shop.example.test; root /srv/shop; }";
  await writeFile(join(bin, "nginx"), `#!/bin/sh\necho '${site}'\n`, { mode: 0o755 });
  const withNginx = { ...context, env: { PATH: bin } };
  for (const reload of [true, false]) {
    const { done, acts } = recorded();
    const { asked, conversation } = person([[/^Should acmectl check and reload nginx/, reload]]);
    await setUp(given, withNginx, acts, conversation);
    expect(asked.some((question) => question.startsWith("Have you added"))).toBe(reload);
    expect(done.includes("deploy shop.example.test")).toBe(reload);
  }
});

test("setup without a terminal names the commands to use instead", async () => {
  for (const line of ["setup", "setup --json"]) {
    const { code, stderr } = await run(line, { env: { HOME: "/nowhere" } });
    expect(code).toBe(2);
    expect(stderr).toMatch(/no terminal[^]*acmectl issue -d NAME[^]*acmectl schedule install/);
  }
});

test("setup refuses a certificate signing request, which has its own key and names", async () => {
  const { code, stderr } = await run("setup --csr shop.csr", { env: { HOME: "/nowhere" } });
  expect(code).toBe(2);
  expect(stderr).toMatch(/--csr does not go with[^]*acmectl issue --csr FILE/);
});
