/** Names of folders and files that mean something to a shell, a scheduler, a terminal or an option parser stay names. */
import { execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import webroot from "../plugins/webroot/index.ts";
import { runHook } from "../src/deploy/command.ts";
import { systemClock } from "../src/clock.ts";
import { quotedWord, splitWords } from "../src/options/words.ts";
import { cronLine } from "../src/schedule/cron.ts";
import { serviceUnit } from "../src/schedule/units.ts";
import { challengeFor, silentLog, solverContext } from "../src/testing.ts";
import { openWorld } from "./deploy/world.ts";
import { temporaryFolder } from "./support/state.ts";

const { signal } = new AbortController();

/** As one part of a path. */
const hostile = [
  "-rf",
  "--help",
  "$(touch owned)",
  "`touch owned`",
  "a;touch owned;",
  "a&&touch owned",
  "a|touch owned",
  'it\'s "quoted" \\',
  "%s%n%%",
  "*?[a]{b,c}~",
  "#comment!",
  "a\nb",
  "a\u001b[2J",
  "a\u202eb",
  "${HOME} $HOME",
  "  ",
];
const oneLine = hostile.filter((text) => !/\p{Cc}/u.test(text));

async function folder(): Promise<string> {
  const made = await temporaryFolder();
  onTestFinished(() => made[Symbol.asyncDispose]());
  return made.path;
}

/** What a shell makes of these words, run in an empty folder in which it leaves nothing. */
async function byShell(words: string): Promise<string[]> {
  const cwd = await folder();
  const script = `set -- ${words}\nfor word; do printf '%s\\0' "$word"; done`;
  const said = execFileSync("/bin/sh", ["-c", script], { cwd, env: {}, encoding: "utf8" });
  expect(await readdir(cwd)).toEqual([]);
  return said.split("\0").slice(0, -1);
}

test("a shell reads a suggested command's words as they are", async () => {
  const words = hostile.map(quotedWord).join(" ");
  expect(await byShell(words)).toEqual(hostile);
  expect(splitWords(words)).toEqual(hostile);
});

describe("a schedule for a state folder", () => {
  const times = { second: 7, minute: 18, hour: 3, every: 720 };
  const jobFor = (name: string) => ({
    program: { node: `/opt/${name}/node`, nodeOptions: [], script: "/opt/acmectl.js" },
    stateFolder: `/srv/${name}`,
    configPath: `/etc/${name}/config.yaml`,
    jitter: false,
  });

  test.each(oneLine)("called %j runs acmectl with that folder by cron", async (name) => {
    const line = cronLine(jobFor(name), times);
    const [, command = ""] = / PATH=\S+ (.*) # acmectl schedule$/.exec(line) ?? [];
    // cron takes a bare percent sign for the end, and the backslash from the others.
    expect(command.replaceAll(String.raw`\%`, "")).not.toContain("%");
    const words = await byShell(command.replaceAll(String.raw`\%`, "%"));
    expect(words[0]).toBe(`/opt/${name}/node`);
    expect(words.slice(-4)).toEqual([
      "--state",
      `/srv/${name}`,
      "--config",
      `/etc/${name}/config.yaml`,
    ]);
  });

  test.each(oneLine)("called %j is one line of a unit, with its specials doubled", (name) => {
    const unit = serviceUnit(jobFor(name), times, { root: true, writable: [`/srv/${name}`] });
    const [line = ""] = /^ExecStart=.*$/m.exec(unit) ?? [];
    expect(line.replaceAll("%%", "").replaceAll("$$", "")).not.toMatch(/[%$]/);
    expect(unit.split("\n").filter((one) => one.startsWith("ExecStart="))).toHaveLength(1);
  });
});

test("hooks get hostile paths as variables, and nothing of them is run", async () => {
  const cwd = await folder();
  for (const text of hostile) {
    const said: string[] = [];
    const variables = { ACMECTL_PATH: text };
    const run = [
      "/bin/sh",
      "-c",
      `printf '%s' "$ACMECTL_PATH" | od -An -v -tx1 | tr -d ' \\n'; exit 3`,
    ];
    const failed = runHook(
      { run, cwd },
      "The hook",
      { inherited: { PATH: "/usr/bin:/bin" }, variables },
      {
        log: { ...silentLog, debug: (line) => said.push(line) },
        clock: systemClock,
        signal,
        env: {},
      },
    );
    await expect(failed).rejects.toThrow(Buffer.from(text).toString("hex"));
  }
  expect(await readdir(cwd)).toEqual([]);
});

test("files are deployed under hostile names, and nowhere else", async () => {
  const world = await openWorld();
  const { certificate } = await world.issue();
  await mkdir(world.at("out"));
  const names = hostile.map((name) => `out/${name}`);
  await world.want(names.map((name) => ({ copy: { cert: world.at(name) } })));
  expect(await world.deploy()).toBeUndefined();
  expect((await readdir(world.at("out"))).toSorted()).toEqual(hostile.toSorted());
  expect(await readdir(world.folder)).toEqual(["out"]);
  for (const name of names)
    expect((await readFile(world.at(name), "utf8")).trim()).toBe(certificate.trim());
});

test("a webroot may have any name", async () => {
  const base = await folder();
  await writeFile(join(base, "before"), "");
  for (const name of hostile) {
    const directory = join(base, name);
    await mkdir(directory);
    const options = { directory, directories: undefined, owner: undefined };
    const modes = { fileMode: "0644", directoryMode: "0755" };
    const solver = await webroot.create({ ...options, ...modes }, solverContext());
    const challenge = challengeFor("http-01", "example.com");
    const receipt = await solver.present(challenge, { signal });
    expect(await readFile(join(directory, challenge.path), "utf8")).toBe(challenge.body);
    await solver.cleanup(challenge, receipt, { signal });
    expect(await readdir(directory)).toEqual([]);
  }
  expect((await readdir(base)).toSorted()).toEqual([...hostile, "before"].toSorted());
});
