/** Machines as they are: odd users, umasks, languages and names. A run works there, or says why not before it orders. */
import { chmodSync, chownSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { seeState } from "../../support/invariants/state.ts";
import { startIssuing, type Issuing } from "../../support/issuing.ts";
import { run } from "../../support/run.ts";
import { acmectl } from "../../support/spawn.ts";
import { drawn, patience, survived } from "../../support/counted.ts";
import { made, type Made } from "./mounts.ts";
import { expectDone, issueWords } from "./scenarios.ts";

const name = "a.example.test";
const isRoot = process.getuid?.() === 0;
const stranger = 1_000_660_000;

type Options = Parameters<typeof acmectl>[1];

const sh = (line: string): Options => ({ through: ["sh", "-c", `${line}; exec "$@"`, "sh"] });
const as = (user: number): Options => ({
  through: ["setpriv", `--reuid=${user}`, `--regid=${user}`, "--clear-groups"],
});

/** Where a run works as usual. */
const odd: Readonly<Record<string, (issuing: Issuing) => Options>> = {
  "umask 000": () => sh("umask 000"),
  "umask 077": () => sh("umask 077"),
  "umask 777": () => sh("umask 777"),
  "few open files": () => sh("ulimit -n 32"),
  "a user without HOME and without a passwd entry": ({ home }) => {
    chownSync(home, stranger, stranger);
    return { ...as(stranger), env: {} };
  },
  "the language Turkish": () => ({ env: { LANG: "tr_TR.UTF-8", LC_ALL: "tr_TR.UTF-8" } }),
  "the language C": () => ({ env: { LC_ALL: "C" } }),
  "a language that does not exist": () => ({ env: { LANG: "xx_YY.KLINGON" } }),
  "no environment at all": () => ({ env: {} }),
  "a state folder that is a symbolic link": ({ state }) => {
    mkdirSync(`${state}-real`);
    symlinkSync(`${state}-real`, state);
    return {};
  },
  "a state folder that its group may write to": ({ state }) => {
    mkdirSync(state);
    chmodSync(state, 0o770);
    return {};
  },
  "a state folder that belongs to another user": ({ state }) => {
    mkdirSync(state);
    chownSync(state, stranger, stranger);
    return {};
  },
  "a state folder that everybody may write to": ({ state }) => {
    mkdirSync(state);
    chmodSync(state, 0o777);
    return {};
  },
};
const needRoot = /passwd|another user/;

test(
  "issues under odd umasks, users and languages",
  async () => {
    const rows = Object.entries(odd).filter(([row]) => isRoot || !needRoot.test(row));
    const chosen = drawn(rows, 4, ([row]) => row);
    for (const [row, options] of chosen) {
      await using issuing = await startIssuing();
      const { code, stderr } = await start(issuing, options(issuing)).ended;
      expect([row, code], stderr).toEqual([row, 0]);
      expect(seeState(issuing.state).current.get(name), row).toBe(1);
    }
    survived("odd umasks, users and languages", chosen.length);
  },
  patience,
);

const odder = [..."blanks in it,grüße-猫,quo'te\"s,a\nnew line,-d,$(touch x)".split(",")];

test.each(drawn(odder, 1, (folder) => folder))(
  "issues and renews with a state folder named %j",
  async (folder) => {
    await using issuing = await startIssuing();
    const state = join(dirname(issuing.state), folder);
    const words = issueWords(issuing, name).map((word) => (word === issuing.state ? state : word));
    for (const line of [words, ["renew", "--force", "--no-jitter", "--state", state]]) {
      const { code, stderr } = await start(issuing, {}, line).ended;
      expect(code, stderr).toBe(0);
    }
    expect(seeState(state).current.get(name)).toBe(2);
    const listed = await run(["list", "--json", "--state", state]);
    expect(JSON.parse(listed.stdout)).toMatchObject({ certificates: [{ name, outcome: "valid" }] });
  },
);

/** Where nothing can be written: makes it so, and answers what undoes it. */
const refusing: Readonly<Record<string, (state: string) => Made>> = {
  "has a folder that belongs to another user": (state) => owned(join(state, "certificates")),
  "has a folder that every user may write to": (state) => {
    const folder = join(state, "accounts");
    mkdirSync(folder, { recursive: true });
    chmodSync(folder, 0o777);
    return made(() => chmodSync(folder, 0o700));
  },
  "is a symbolic link to nothing": (state) => {
    symlinkSync(`${state}-gone`, state);
    return made(() => rmSync(state));
  },
  "is a file": (state) => {
    writeFileSync(state, "");
    return made(() => rmSync(state));
  },
};

const rows = Object.entries(refusing).filter(([row]) => isRoot || !/another user/.test(row));

test.each(drawn(rows, 2, ([row]) => row))(
  "nothing is ordered when the state folder %s, and the run after that is put right works",
  async (_, refuse) => {
    await using issuing = await startIssuing();
    using made = refuse(issuing.state);
    const { code, stderr } = await start(issuing, {}).ended;
    expect(code, stderr).toBe(3);
    expect(stderr.replaceAll(/\s+/g, " ")).toMatch(/Hint: \S/);
    expect(orders(issuing)).toBe(0);
    made.putRight();
    await expectDone(issuing.run(issueWords(issuing, name)));
    survived("state folders that cannot be written", 1);
  },
);

function owned(path: string): Made {
  mkdirSync(path, { recursive: true });
  chownSync(path, stranger, stranger);
  return made(() => chownSync(path, 0, 0));
}

const orders = ({ ca }: Issuing) => ca.requests.filter(({ kind }) => kind === "newOrder").length;

function start(issuing: Issuing, options: Options, words = issueWords(issuing, name)) {
  const env = { HOME: issuing.home, PATH: process.env["PATH"] ?? "" };
  return acmectl(words, { env, ...options });
}
