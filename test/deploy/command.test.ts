import { mkdir, readFile, writeFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { systemClock, type Clock } from "../../src/clock.ts";
import { argvOf, runCommand } from "../../src/deploy/command.ts";
import { redactor } from "../../src/deploy/secrets.ts";
import { never } from "../state/state.ts";
import { openWorld, shell } from "./world.ts";

const log = { debug() {}, info() {}, warn() {} };
const plain = redactor([]);
/** Every time limit passes at once, when the test says so. */
function stoppedClock(): Clock & { pass: () => void } {
  const waiting: (() => void)[] = [];
  return {
    now: () => new Date(),
    monotonic: () => performance.now(),
    sleep: (_, signal) =>
      new Promise((resolve, reject) => {
        waiting.push(resolve);
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      }),
    pass: () => waiting.splice(0).forEach((resolve) => resolve()),
  };
}

test("a hanging command is killed with all its children, even those that ignore SIGTERM", async () => {
  const world = await openWorld();
  const pids = world.at("pids");
  const stubborn = await world.script(
    "stubborn",
    `trap '' TERM; echo $$ >> ${pids}; while :; do sleep 1; done`,
  );
  const clock = stoppedClock();
  const argv = ["/bin/sh", "-c", `echo waiting; ${stubborn} & echo $$ >> ${pids}; wait`];
  const run = runCommand(
    { title: "The command", argv, env: { PATH: "/usr/bin:/bin" }, timeout: 120_000 },
    plain,
    { log, clock, signal: never },
  );
  const running = async () =>
    (await readFile(pids, "utf8").catch(() => "")).split("\n").filter((pid) => pid !== "");
  await expect.poll(running, { timeout: 10_000 }).toHaveLength(2);
  const pass = setInterval(() => clock.pass(), 20);
  await expect(run).rejects.toThrow(
    "The command did not end within 120 s. It printed last:\nwaiting",
  );
  clearInterval(pass);
  for (const pid of await running()) await expect.poll(() => isAlive(Number(pid))).toBe(false);
});

test.each([
  ["lines", "yes"],
  ["one line without an end", "tr '\\0' x < /dev/zero"],
  ["terminal control sequences", "while :; do printf '\\033]0;owned\\007\\033[2J%s' $$; done"],
])("a command that floods its output with %s costs bounded time and memory", async (_, flood) => {
  const before = process.memoryUsage().rss;
  const argv = ["/bin/sh", "-c", `${flood} & ${flood} >&2`];
  const command = { title: "The command", argv, env: { PATH: "/usr/bin:/bin" }, timeout: 1_000 };
  const run = runCommand(command, plain, { log, clock: systemClock, signal: never });
  const error = await run.catch((reason: unknown) => reason);
  expect(String(error)).toContain("did not end within 1 s");
  expect(String(error).length).toBeLessThan(10_000);
  expect(String(error)).not.toContain("\u001b");
  expect(process.memoryUsage().rss - before).toBeLessThan(400 * 2 ** 20);
});

test("a daemon started by a command survives and is not waited for", async () => {
  const world = await openWorld();
  const pid = world.at("pid");
  const argv = ["/bin/sh", "-c", `sleep 60 & echo $! > ${pid}; echo started`];
  await runCommand({ title: "it", argv, env: { PATH: "/usr/bin:/bin" }, timeout: 50_000 }, plain, {
    log,
    clock: systemClock,
    signal: never,
  });
  const daemon = Number(await readFile(pid, "utf8"));
  expect(await isAlive(daemon)).toBe(true);
  process.kill(daemon);
});

test("a command text is split into words; a list and a shell line are kept as they are", () => {
  expect(argvOf({ run: "cp 'a b' $HOME;x" })).toEqual(["cp", "a b", "$HOME;x"]);
  expect(argvOf({ run: ["cp", "a b"] })).toEqual(["cp", "a b"]);
  expect(argvOf({ run: "a && b", shell: true })).toEqual(["/bin/sh", "-c", "a && b"]);
  expect(() => argvOf({ run: "cp 'a" })).toThrow("has an unclosed quote");
});

test("explains why a command cannot be run", async () => {
  const world = await openWorld();
  const broken = await world.script("no-interpreter", "");
  await writeFile(broken, "#!/nowhere/python\n", { mode: 0o755 });
  const text = world.at("text");
  await writeFile(text, "true\n", { mode: 0o644 });
  await mkdir(world.at("folder"));
  const detailOf = async (...[step]: Parameters<typeof world.want>[0]) => {
    if (step !== undefined) await world.want([step]);
    const problem = await world.deploy();
    return `${problem?.message} ${problem?.hint}`;
  };
  expect(await detailOf({ run: "no-such-program now" })).toContain(
    "the program no-such-program was not found",
  );
  expect(await detailOf({ run: broken })).toContain(
    "exists, but the interpreter that its first line names does not",
  );
  expect(await detailOf({ run: text })).toContain(`${text} is not executable by this user`);
  expect(await detailOf({ run: "true", cwd: world.at("gone") })).toContain("its folder");
  expect(await detailOf(shell(text))).toContain(
    "exit code 126 (the shell may not execute the program)",
  );
  expect(await detailOf(shell("no-such-program"))).toContain(
    "127 (the shell did not find the program",
  );
  expect(await detailOf({ run: "ls / && false" })).toContain("`&&` needs a shell");
});

test("keeps the last lines of a command without control characters", async () => {
  const world = await openWorld([
    shell(
      "i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo line $i; done; printf 'red \\033[31m end' >&2; false",
    ),
  ]);
  const message = (await world.deploy())?.message ?? "";
  expect(message).not.toContain("line 80\n");
  expect(message).toContain("line 100");
  expect(message).toContain("red  [31m end");
});

test.each([
  ["a line", "printf '%03990d s3cr3t-of-ours\\n' 0"],
  ["an unfinished line", "printf 's3cr3t-of-ours %03995d' 0"],
])("never cuts a word of %s, for half of a secret could not be masked", async (_, print) => {
  const world = await openWorld([shell(`${print}; false`)]);
  const output = (await world.deploy())?.message.split("\n").at(-1);
  expect(output).toMatch(/^0+ …$|^s3cr3t-of-ours …$/);
});

test.each([
  ["a line", "printf '%03990d %s\\n' 0 s3cr3t-of-ours"],
  ["an unfinished line", "printf 's3cr3t-of-ours %03995d' 0"],
  ["a long word", "printf '%03990d%s' 0 s3cr3t-of-ours"],
])("masks a secret in %s before the output is cut between words", async (_, print) => {
  const said: string[] = [];
  const argv = ["/bin/sh", "-c", `${print}; exit 1`];
  const command = { title: "it", argv, env: { PATH: "/usr/bin:/bin" }, timeout: 50_000 };
  const running = runCommand(command, redactor(["s3cr3t-of-ours"]), {
    log: { ...log, debug: (message: string) => void said.push(message) },
    clock: systemClock,
    signal: never,
  });
  const problem = await running.catch((error: unknown) => error);
  said.push(String(problem));
  expect(said.join("\n")).toMatch(/0{3000}|\*\*\*/);
  expect(said.join("\n")).not.toContain("s3cr");
});

test("a command gets no input", async () => {
  const world = await openWorld([shell("read line && exit 7; exit 0")]);
  expect(await world.deploy()).toBeUndefined();
});

/** A zombie that nobody has reaped is dead enough. */
async function isAlive(pid: number): Promise<boolean> {
  const state = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "x (x) X");
  return !/\) [ZX]/.test(state);
}
