/** Runs that meet: one of them works, the others wait or give way, and none is harmed by what an earlier one left. */
import { lutimes, mkdir, readdir, readlink, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { systemClock } from "../../../src/clock.ts";
import { openAt } from "../../state/state.ts";
import { seeState } from "../../support/invariants/state.ts";
import { startIssuing, type Issuing } from "../../support/issuing.ts";
import { acmectl } from "../../support/spawn.ts";
import { survived } from "../../support/counted.ts";
import { applyWords, begin, expectDone, issuedBy, issueWords, writeConfig } from "./scenarios.ts";

const name = "a.example.test";
const { signal: never } = new AbortController();

test.each([2, 10])(
  "%i processes that issue, renew and apply at once order one certificate, and all succeed",
  async (count) => {
    await using issuing = await begin({
      async prepare(issuing, clock) {
        await writeConfig(issuing, `  ${name}: { domains: [${name}] }`);
        await expectDone(issuing.issue(["-d", name], { clock }));
      },
    });
    const { state } = issuing;
    const commands = [
      ["renew", "--no-jitter", "--state", state],
      [...applyWords(issuing), "--state", state],
      issueWords(issuing, name),
    ];
    const issued = issuedBy(issuing);
    const runs = Array.from({ length: count }, (_, index) =>
      start(commands[index % 3] ?? [], issuing),
    );
    for (const { ended } of runs) {
      const { code, stderr } = await ended;
      expect(code, stderr).toBe(0);
    }
    expect(issuedBy(issuing) - issued).toBe(1);
    expect(issuing.ca.requests.filter(({ kind }) => kind === "newOrder")).toHaveLength(2);
    expect(seeState(state).current.get(name)).toBe(2);
    expect(await readdir(join(state, "locks"))).toEqual([]);
    survived("runs that met others", count);
  },
);

test("a run waits for another one and keeps what that one issued, and with --no-wait it exits with 8", async () => {
  await using issuing = await startIssuing();
  const { promise: over, resolve: goOn } = Promise.withResolvers<void>();
  const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
  const call = async () => {
    reach();
    await over;
  };
  issuing.ca.faults.add({ on: "newOrder", do: { call } });
  const first = start(issueWords(issuing, name), issuing);
  await reached;
  const refused = await issuing.issue(["-d", name, "--no-wait"]);
  expect(refused.code).toBe(8);
  expect(refused.stderr).toContain(`pid ${first.child.pid}`);
  const json = await issuing.issue(["-d", name, "--no-wait", "--json"]);
  expect(JSON.parse(json.stdout)).toMatchObject({ problem: { code: 8, retryable: true } });

  const waiting = start(issueWords(issuing, name), issuing);
  await expect.poll(() => waiting.said()).toContain("waiting for");
  goOn();
  expect((await first.ended).code).toBe(0);
  const second = await waiting.ended;
  expect(second).toMatchObject({ code: 0, stdout: expect.stringContaining("exists already") });
  expect(issuedBy(issuing)).toBe(1);
  survived("runs that met others", 3);
});

// Before that its listener is in the way of the other run, which waits for it.
test.each(["challenge", "finalize", "certificate"] as const)(
  "a process that was stopped at %s, and wakes up after another run took its lock, changes nothing",
  async (kind) => {
    await using issuing = await startIssuing();
    const stopped = start(issueWords(issuing, name), issuing);
    const { promise: asleep, resolve: sleeps } = Promise.withResolvers<void>();
    issuing.ca.faults.add({
      on: kind,
      phase: "after",
      do: {
        call: () => {
          stopped.child.kill("SIGSTOP");
          sleeps();
        },
      },
    });
    await asleep;
    // An hour later: what takes a lock watches for 15 s whether its holder lives.
    const now = () => new Date(Date.now() + 3_600_000);
    const sleep: typeof systemClock.sleep = (time, signal) =>
      systemClock.sleep(Math.min(time, 50), signal);
    await expectDone(issuing.issue(["-d", name], { clock: { ...systemClock, now, sleep } }));
    const before = seeState(issuing.state).current.get(name);

    stopped.child.kill("SIGCONT");
    const { code, stderr } = await stopped.ended;
    expect(code, stderr).toBe(8);
    expect(stderr).toContain("lost the lock");
    expect(seeState(issuing.state).current.get(name)).toBe(before);
    expect([...seeState(issuing.state).pending.keys()]).toEqual([]);
    const next = await issuing.issue(["-d", name]);
    expect(next).toMatchObject({ code: 0, stdout: expect.stringContaining("exists already") });
    expect((await issuing.run(["status", "--check"])).code).toBe(0);
    const { store } = openAt(issuing.state);
    expect((await store.certificates.read(name))?.status).toMatchObject({ failures: 0 });
    survived("stopped processes that woke up without their lock", 1);
  },
);

const dead = { startTime: "1", token: "0a" };
const abroad = { host: "elsewhere", bootId: "another", token: "0b" };

test.each([
  ["of a dead process", dead, 0],
  ["of a process whose id is another's now", { ...dead, pid: 1 }, 0],
  ["of another host that was silent for an hour", abroad, -3_600_000],
  ["from the future, of another host", abroad, 86_400_000],
  ["that is empty", undefined, -60_000],
])("a lock %s does not stop a run", async (_, holder, age) => {
  await using issuing = await startIssuing();
  await plant(issuing, holder, age);
  const sleep: typeof systemClock.sleep = (time, signal) =>
    systemClock.sleep(Math.min(time, 50), signal);
  await expectDone(issuing.issue(["-d", name], { clock: { ...systemClock, sleep } }));
  expect(await readdir(join(issuing.state, "locks"))).toEqual([]);
  survived("locks that were left", 1);
});

test("a lock of another host with a heartbeat is respected, and named", async () => {
  await using issuing = await startIssuing();
  await plant(issuing, abroad, 0);
  const { code, stderr } = await issuing.issue(["-d", name, "--no-wait"]);
  expect(code).toBe(8);
  expect(stderr).toMatch(/pid \d+ on elsewhere since/);
  expect(issuing.ca.requests.filter(({ kind }) => kind === "newOrder")).toEqual([]);
});

/** Leave the certificate's lock as this process would hold it, but for what `holder` says. */
async function plant(issuing: Issuing, holder: object | undefined, age: number): Promise<void> {
  const { store, root } = openAt(issuing.state);
  const lock = await store.lock(`certificate:${name}`, { wait: 0, signal: never });
  const [file = ""] = await readdir(join(root, "locks"));
  const path = join(root, "locks", file);
  const own: object = JSON.parse(await readlink(path));
  await lock.release();
  await mkdir(join(root, "locks"), { recursive: true });
  await (holder === undefined
    ? writeFile(path, "", { mode: 0o600 })
    : symlink(JSON.stringify({ ...own, ...holder }), path));
  const then = new Date(Date.now() + age);
  await lutimes(path, then, then);
}

function start(words: readonly string[], issuing: Issuing) {
  const started = acmectl(words, { env: { HOME: issuing.home } });
  let said = "";
  started.child.stderr?.on("data", (text) => (said += String(text)));
  return { ...started, said: () => said };
}
