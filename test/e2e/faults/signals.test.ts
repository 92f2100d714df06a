/** Signals, closed pipes and a lost terminal in every phase of a run: it cleans up, says so, and the next one goes on at once. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { openAt } from "../../state/state.ts";
import { seeState } from "../../support/invariants/state.ts";
import { startIssuing, type Issuing } from "../../support/issuing.ts";
import { find } from "../../support/servers/catalog.ts";
import { acmectl, conditions, program } from "../../support/spawn.ts";
import { drawn, patience, survived } from "../../support/counted.ts";
import {
  begin,
  expectConverged,
  expectDone,
  issuedBy,
  issueWords,
  scenarios,
} from "./scenarios.ts";

const name = "a.example.test";
const signals = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
type Signal = keyof typeof signals;
const each = Object.keys(signals) as Signal[];

const kinds = [
  ...(["directory", "newNonce", "newAccount", "newOrder", "authz"] as const),
  ...(["challenge", "finalize", "order", "certificate"] as const),
];

test(
  "issue, stopped by any signal at any request, leaves no back-off, and the next run ends it",
  async () => {
    const faults = kinds.flatMap((kind) => each.map((signal) => ({ signal, kind })));
    const chosen = drawn(faults, 4, ({ kind }) => kind);
    for (const { signal, kind } of chosen) {
      await using issuing = await startIssuing({ asynchronous: true });
      const words = issueWords(issuing, name);
      const { child, ended } = start(words, issuing);
      const over = ended.catch(() => undefined);
      const call = async () => {
        child.kill(signal);
        await over;
      };
      issuing.ca.faults.add({ on: kind, do: { call } });
      await expectStopped(issuing, signal, ended, words).catch((error: unknown) => {
        throw new Error(`${signal} at ${kind}`, { cause: error });
      });
    }
    survived("signals at a request to the CA", chosen.length);
  },
  patience,
);

/** A solver that makes a file, and then waits; with `slow`, its clean-up waits as well. */
function waitingSolver(file: string, slow = false): string {
  const path = join(dirname(file), "solver.ts");
  const text = `import { rmSync, writeFileSync } from "node:fs";
const wait = (signal) => new Promise((_, reject) =>
  signal.addEventListener("abort", () => reject(signal.reason)));
export default { summary: "Waits", challengeTypes: ["http-01"], options: {}, create: () => ({
  async present(challenge, { signal }) { writeFileSync(${JSON.stringify(file)}, ""); await wait(signal); },
  async cleanup(challenge, receipt, { signal }) { ${slow ? "await wait(signal);" : ""} rmSync(${JSON.stringify(file)}, { force: true }); } }) };`;
  writeFileSync(path, text);
  return path;
}

/** Words that make the run wait in a phase, once it has made the file. The next run does not wait. */
const phases: Readonly<Record<string, (file: string) => readonly string[]>> = {
  "its solver presents": (file) => ["--solver", waitingSolver(file)],
  "its pre hook runs": (file) => hook("pre", file),
  "its deploy hook runs": (file) => hook("deploy", file),
};

const hook = (kind: string, file: string) => [
  `--${kind}-hook`,
  `test -e ${file} || { touch ${file}; sleep 60; }`,
];

test(
  "issue, stopped by any signal between requests, cleans up, and the next run ends it",
  async () => {
    const faults = Object.entries(phases).flatMap(([phase, more]) =>
      each.map((signal) => ({ phase, more, signal })),
    );
    const chosen = drawn(faults, 3, ({ phase }) => phase);
    for (const { phase, more, signal } of chosen) {
      await using issuing = await startIssuing();
      const file = join(dirname(issuing.state), "reached");
      const words = issueWords(issuing, name);
      const added = more(file);
      const isSolver = added[0] === "--solver";
      const first = isSolver
        ? ["issue", "-d", name, ...added, ...issuing.words]
        : [...words, ...added];
      const { child, ended } = start(first, issuing);
      await reached(file);
      child.kill(signal);
      await expectStopped(issuing, signal, ended, isSolver ? words : first).catch(
        (error: unknown) => {
          throw new Error(`${signal} while ${phase}`, { cause: error });
        },
      );
      expect(existsSync(file)).toBe(!isSolver);
    }
    survived("signals between requests", chosen.length);
  },
  patience,
);

test.each([
  ["renew of three certificates", "finalize", "SIGTERM"],
  ["apply of a new and a changed certificate", "newOrder", "SIGINT"],
  ["revoke", "revokeCert", "SIGHUP"],
  ["account rollover", "keyChange", "SIGTERM"],
] as const)("%s, stopped at %s by %s, ends, and the next run does the rest", async (...fault) => {
  const [title, kind, signal] = fault;
  const scenario = scenarios[title];
  if (scenario === undefined) throw new Error(`there is no scenario "${title}"`);
  await using issuing = await begin(scenario);
  const before = issuedBy(issuing);
  const { child, ended } = start(scenario.words(issuing), issuing);
  const over = ended.catch(() => undefined);
  const call = async () => {
    child.kill(signal);
    await over;
  };
  issuing.ca.faults.add({ on: kind, do: { call } });
  const { code, stderr } = await ended;
  expect(code, stderr).toBe(signals[signal]);
  issuing.ca.faults.clear();
  await expectConverged(scenario, issuing, before);
  survived("signals at a request to the CA", 1);
});

test("deploy, stopped in a command, leaves that step to the next run", async () => {
  await using issuing = await startIssuing();
  const [armed, file] = ["armed", "reached"].map((one) => join(dirname(issuing.state), one)) as [
    string,
    string,
  ];
  const hook = `[ ! -e ${armed} ] || [ -e ${file} ] || { touch ${file}; sleep 60; }`;
  const env = { HOME: issuing.home, PATH: process.env["PATH"] ?? "" };
  await expectDone(issuing.run([...issueWords(issuing, name), "--deploy-hook", hook], { env }));
  writeFileSync(armed, "");
  const deploy = ["deploy", name, "--all", "--state", issuing.state];
  const { child, ended } = start(deploy, issuing);
  await reached(file);
  child.kill("SIGTERM");
  const { code, stderr } = await ended;
  expect(code, stderr).toBe(143);
  const stepOf = async () =>
    Object.values(
      (await openAt(issuing.state).store.certificates.read(name))?.status.deploy ?? {},
    ).map(({ state }) => state);
  expect(await stepOf()).toEqual(["pending"]);
  await expectDone(issuing.run(["renew", "--no-jitter"], { env }));
  expect(await stepOf()).toEqual(["done"]);
  survived("signals between requests", 1);
});

test.each(["pre", "deploy"])(
  "a %s hook that kills acmectl costs no certificate, and the next run does the rest",
  async (kind) => {
    await using issuing = await startIssuing();
    const file = join(dirname(issuing.state), "reached");
    const words = [
      ...issueWords(issuing, name),
      ...[`--${kind}-hook`, `[ -e ${file} ] || { touch ${file}; kill -9 $PPID; }`],
    ];
    const excused = { "nothing temporary is left": "it was killed" };
    expect((await start(words, issuing, { excused }).ended).signal).toBe("SIGKILL");
    const env = { HOME: issuing.home, PATH: process.env["PATH"] ?? "" };
    await expectDone(issuing.run(words, { env }));
    expect(issuedBy(issuing)).toBe(1);
    const { status } = (await openAt(issuing.state).store.certificates.read(name)) ?? {};
    const steps = Object.values(status?.deploy ?? {}).map(({ state }) => state);
    expect(steps).toEqual(kind === "deploy" ? ["done"] : []);
    survived("hooks that killed acmectl", 1);
  },
);

test("a second signal ends the run at once, and the next one cleans up what was left", async () => {
  for (const [first, second] of [
    ["SIGINT", "SIGTERM"],
    ["SIGTERM", "SIGINT"],
    ["SIGHUP", "SIGINT"],
  ] as const) {
    await using issuing = await startIssuing();
    const file = join(dirname(issuing.state), "reached");
    const solver = waitingSolver(file, true);
    const words = ["issue", "-d", name, "--solver", solver, ...issuing.words];
    const excused = { "nothing temporary is left": "it ends as if it were killed" };
    const { child, ended } = start(words, issuing, { excused });
    await reached(file);
    child.kill(first);
    await sleep(100);
    expect(child.exitCode).toBeNull();
    child.kill(second);
    expect((await ended).code).toBe(signals[second]);
    const left = [...seeState(issuing.state).pending.values()];
    expect(left).toMatchObject([{ presented: 1 }]);
    waitingSolver(file);
    await expectDone(issuing.run(issueWords(issuing, name)));
    expect(existsSync(file)).toBe(false);
    expect(seeState(issuing.state).pending.size).toBe(0);
  }
  survived("second signals", 3);
});

test.each([
  ["closed from the start", 'exec "$@" >&- 2>&-'],
  ["closed by their readers", 'exec "$@"'],
])("a run ends its work when stdout and stderr are %s", async (_, line) => {
  await using issuing = await startIssuing();
  const through = ["sh", "-c", line, "sh"];
  const hook = ["--deploy-hook", "echo of the hook; echo of the hook >&2"];
  const { child, ended } = start([...issueWords(issuing, name), ...hook], issuing, { through });
  child.stdout?.destroy();
  child.stderr?.destroy();
  expect((await ended).code).toBe(0);
  expect(issuedBy(issuing)).toBe(1);
  expect(seeState(issuing.state).current.get(name)).toBe(1);
  const again = await issuing.run(issueWords(issuing, name));
  expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining("exists already") });
  survived("runs whose output was closed", 1);
});

test.skipIf(find("script") === undefined)(
  "a run whose terminal is lost cleans up and ends with 129, and the next one goes on",
  async () => {
    await using issuing = await startIssuing();
    const [typed, code] = ["typed.sh", "code"].map((one) => join(dirname(issuing.state), one)) as [
      string,
      string,
    ];
    const words = [process.execPath, ...conditions, program, ...issueWords(issuing, name)];
    const line = words.map((word) => `'${word}'`).join(" ");
    // The shell stays, to note how acmectl ended.
    writeFileSync(typed, `trap "" HUP; ${line}; echo $? >${code}`);
    const terminal = spawn("script", ["-qec", `sh ${typed}`, "/dev/null"], {
      env: { HOME: issuing.home, PATH: process.env["PATH"] ?? "", SHELL: "/bin/sh" },
      stdio: "pipe",
    });
    onTestFinished(() => void terminal.kill("SIGKILL"));
    const call = async () => {
      terminal.kill("SIGKILL");
      await expect
        .poll(() => existsSync(code) && readFileSync(code, "utf8"), { interval: 20 })
        .toBe("129\n");
    };
    issuing.ca.faults.add({ on: "challenge", do: { call } });
    await expect
      .poll(() => existsSync(code) && readFileSync(code, "utf8"), { interval: 20 })
      .toBe("129\n");
    await expectRecovered(issuing, issueWords(issuing, name));
    survived("lost terminals", 1);
  },
);

async function expectStopped(
  issuing: Issuing,
  signal: Signal,
  run: ReturnType<typeof start>["ended"],
  next: readonly string[],
): Promise<void> {
  const { code, stderr } = await run;
  expect(code, stderr).toBe(signals[signal]);
  expect(stderr).toContain(`Stopped by ${signal}.`);
  await expectRecovered(issuing, next);
}

/** Nothing is left but the order, nothing is in the way of the next run, and that ends it. */
async function expectRecovered(issuing: Issuing, next: readonly string[]): Promise<void> {
  issuing.ca.faults.clear();
  const { pending } = seeState(issuing.state);
  for (const { presented } of pending.values()) expect(presented).toBe(0);
  const { status } = (await openAt(issuing.state).store.certificates.read(name)) ?? {};
  expect({ failures: 0, ...status }).toMatchObject({ failures: 0 });
  expect(status?.retryAt).toBeUndefined();
  await expectDone(issuing.run(next));
  expect(issuedBy(issuing)).toBe(1);
  const orders = issuing.ca.requests.filter(({ kind, status }) => kind === "newOrder" && status);
  expect(orders.length).toBeLessThanOrEqual(2);
}

async function reached(file: string): Promise<void> {
  await expect.poll(() => existsSync(file), { interval: 20 }).toBe(true);
}

function start(
  words: readonly string[],
  issuing: Issuing,
  options: Parameters<typeof acmectl>[1] = {},
) {
  const env = { HOME: issuing.home, PATH: process.env["PATH"] ?? "" };
  return acmectl(words, { env, ...options });
}
