import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { closeSync, openSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { defineCommand } from "../src/commands/command.ts";
import type { Context } from "../src/context.ts";
import { run as runProcess } from "../src/main.ts";
import type { Config } from "../src/config/config.ts";
import type { OptionDeclarations } from "../src/options/declaration.ts";
import { exitCodes, Problem } from "../src/problem.ts";
import type { Replacements } from "../src/program/execute.ts";
import type { Result } from "../src/result.ts";
import { commandsOf, run, type RunOptions } from "./support/run.ts";
import { compiledCode } from "./support/spawn.ts";
import { temporaryFolder } from "./support/state.ts";

const bin = fileURLToPath(new URL("../bin/acmectl.js", import.meta.url));
const done: Result = { exitCode: 0, document: { outcome: "done" }, view: [] };

/** A command `try` that does what the test says. */
function trying(
  doing: (context: Context, options: Record<string, unknown>) => Promise<Result | void>,
  options: OptionDeclarations = {},
) {
  const run = async (values: Record<string, unknown>, context: Context) =>
    (await doing(context, values)) ?? done;
  return commandsOf(defineCommand({ name: "try", summary: "Try", options, run }));
}

describe("main", () => {
  test("prints the result of the command and returns its exit code", async () => {
    const parts = trying(async () => ({
      exitCode: 10,
      document: { outcome: "issued", certificates: [] },
      view: [{ kind: "line", text: "Issued example.com" }],
    }));
    expect(await run("try", { parts })).toEqual({
      code: 10,
      stdout: "Issued example.com\n",
      stderr: "",
    });
    const { stdout } = await run("try --json", { parts });
    expect(JSON.parse(stdout)).toEqual({ command: "try", outcome: "issued", certificates: [] });
    const named = async (line: string) => JSON.parse((await run(line)).stdout).command;
    expect(await named("issue --foo --json")).toBe("issue");
    expect(await named("--json account show --foo")).toBe("account show");
    expect(await named("isue --json")).toBe("acmectl");
  });

  test.each(
    Object.entries({
      usage: 2,
      machine: 3,
      network: 4,
      refused: 5,
      backoff: 6,
      solver: 7,
      locked: 8,
      deploy: 9,
      partial: 11,
    }),
  )("a Problem of kind %s ends with %i, on stderr alone", async (kind, code) => {
    const parts = trying(async () => {
      throw new Problem(kind, { detail: "The CA is on holiday.", hint: "Wait for Monday." });
    });
    const ran = await run("try", { parts });
    expect(ran.code).toBe(code);
    expect(ran.stdout).toBe("");
    expect(ran.stderr).toMatch(/The CA is on holiday\.\nHint: Wait for Monday\./);
  });

  test("any other error is a bug: exit code 1, and the stack with -v only", async () => {
    const parts = trying(async () => {
      throw new TypeError("undefined is not a certificate");
    });
    const excused = { "no words of the machine are shown": "the command has a bug" };
    const { code, stdout, stderr } = await run("try", { parts, excused });
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/bug in acmectl: undefined is not a certificate/);
    expect(stderr).not.toMatch(/main\.test\.ts/);
    expect((await run("try -v", { parts, excused })).stderr).toMatch(/main\.test\.ts/);
    const broken = {
      commands: {
        names: ["try"],
        load: async () => Promise.reject(new SyntaxError("no")),
        summaries: async () => ({}),
      },
    };
    expect((await run("try", { parts: broken, excused })).code).toBe(1);
  });

  test("a secret given by variable is masked in all output", async () => {
    const parts = trying(
      async ({ log, mask }, { token }) => {
        log.info(`The token is ${String(token)}`);
        mask("made-up-later");
        throw new Problem("refused", { detail: `${String(token)} or made-up-later was refused.` });
      },
      { token: { type: "string", secret: true, required: true, description: "A token." } },
    );
    const env = { ACMECTL_TOKEN: "t0ken-of-mine" };
    for (const line of ["try", "try -v", "try --json", "try --log-format json"]) {
      const { stdout, stderr } = await run(line, { parts, env });
      expect(stdout + stderr).not.toMatch(/t0ken|made-up-later/);
      expect(stdout + stderr).toMatch(/was refused/);
    }
  });

  test("colours follow --color and --no-color before anything else", async () => {
    const parts = trying(async () => {
      throw new Problem("refused", { detail: "No." });
    });
    const escape = "\u001B[";
    const coloured = async (line: string, more: RunOptions) =>
      (await run(line, { parts, ...more })).stderr.includes(escape);
    expect(await coloured("try", {})).toBe(false);
    expect(await coloured("try --color", { env: { NO_COLOR: "1" } })).toBe(true);
    expect(await coloured("try", { terminal: true, env: { TERM: "xterm" } })).toBe(true);
    expect(await coloured("try --no-color", { terminal: true, env: { FORCE_COLOR: "1" } })).toBe(
      false,
    );
    expect(await coloured("--no-color bogus", { terminal: true })).toBe(false);
  });
});

/** What `look` sees of the context. */
async function look<T>(
  line: string,
  look: (context: Context) => Promise<T> | T,
  more: RunOptions = {},
) {
  let found: T | undefined;
  const { parts, ...rest } = more;
  const commands = trying(
    async (context) => {
      found = await look(context);
    },
    { name: { type: "string", default: "shop", description: "A name." } },
  );
  const ran = await run(line, { ...rest, parts: { ...parts, ...commands } });
  return { found, ...ran };
}

const state = async (line: string, more: RunOptions) =>
  (await look(line, (context) => context.stateFolder(), more)).found;

const twice = async (context: Context) => [await context.config(), await context.config()];

const configExists = async (context: Context) => (await context.config()).exists;

const interactive = async (line: string, more: RunOptions) =>
  (await look(line, (context) => context.interactive, more)).found;

const ask = async (context: Context) => context.ask("Agree?");

const source = async (line: string, env = {}) =>
  (
    await look(line, (context) => [context.sourceOf("name"), context.sourceOf("state")], {
      env,
    })
  ).found;

describe("the context of a command", () => {
  test("the state folder is that of --state, its variable, root or the user", async () => {
    const env = { ACMECTL_STATE: "/from/variable", HOME: "/home/ops" };
    expect(await state("try --state here", { env, cwd: "/srv" })).toBe("/srv/here");
    expect(await state("try", { env })).toBe("/from/variable");
    expect(await state("try", { uid: 0 })).toBe("/var/lib/acmectl");
    expect(await state("try", { env: { HOME: "/home/ops" } })).toBe(
      "/home/ops/.local/state/acmectl",
    );
  });

  test("without a home directory, only a command that needs the folder fails", async () => {
    expect((await look("try", () => 0)).code).toBe(0);
    const { code, stderr } = await look("try", (context) => context.stateFolder());
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /neither XDG_STATE_HOME nor HOME is set.*\nHint: Give --state, or set ACMECTL_STATE or HOME\./,
    );
  });

  test("the config is read once, when the command asks for it", async () => {
    const read: string[] = [];
    const parts = {
      loadConfig: async (path: string) => {
        read.push(path);
        return { ...emptyConfig, path };
      },
    };
    const env = { HOME: "/home/ops" };
    await look("try", () => 0, { parts, env });
    expect(read).toEqual([]);
    await look("try", twice, { parts, env });
    expect(read).toEqual(["/home/ops/.config/acmectl/config.yaml"]);
    await look("try --config my.yaml", (context) => context.configPath, { parts, cwd: "/srv" });
    expect(read).toHaveLength(1);
  });

  test("a config that was named must exist", async () => {
    const cwd = await mkdtemp(join(tmpdir(), "config-"));
    const env = { XDG_CONFIG_HOME: cwd };
    expect((await look("try", configExists, { env })).found).toBe(false);
    const named = await look("try --config such.yaml", configExists, { cwd });
    expect(named.code).toBe(2);
    expect(named.stderr).toMatch(`${cwd}/such.yaml`);
    const byVariable = { ACMECTL_CONFIG: "such.yaml" };
    expect((await look("try", configExists, { cwd, env: byVariable })).stderr).toBe(named.stderr);
    await writeFile(join(cwd, "such.yaml"), "issuers: {}\n");
    expect((await look("try --config such.yaml", configExists, { cwd })).found).toBe(true);
    await rm(cwd, { recursive: true });
  });

  test("questions are asked on a terminal only, and not with -n, --json or in CI", async () => {
    expect(await interactive("try", { terminal: true })).toBe(true);
    expect(await interactive("try", { terminal: true, env: { CI: "false" } })).toBe(true);
    expect(await interactive("try", { terminal: true, env: { CI: "true" } })).toBe(false);
    expect(await interactive("try --json", { terminal: true })).toBe(false);
    expect(await interactive("try -n", { terminal: true })).toBe(false);
    expect(
      await interactive("try", { terminal: true, env: { ACMECTL_NON_INTERACTIVE: "1" } }),
    ).toBe(false);
    expect(await interactive("try", {})).toBe(false);
  });

  test("an answer is one line; the end of the input and Ctrl-C are not answers", async () => {
    const answered = await look("try", ask, { terminal: true, stdin: " yes \nmore\n" });
    expect(answered).toMatchObject({ found: "yes", stderr: "Agree? " });
    const ended = await look("try", ask, { terminal: true });
    expect(ended.code).toBe(2);
    expect(ended.stderr).toMatch(/The input ended without an answer to: Agree\?/);
    const broken = new Readable({ read: () => broken.destroy(new Error("EIO")) });
    const lost = await look("try", ask, { terminal: true, stdin: broken });
    expect([lost.code, lost.stderr]).toEqual([2, expect.stringContaining("ended without")]);
    const signal = AbortSignal.abort(new Problem("interrupted", { detail: "Stopped by SIGINT." }));
    expect((await look("try", ask, { terminal: true, stdin: "yes\n", signal })).code).toBe(130);
  });

  test("names the source of an option", async () => {
    expect(await source("try --name a --state /s")).toEqual(["--name", "--state"]);
    expect(await source("try", { ACMECTL_NAME: "a" })).toEqual(["ACMECTL_NAME", "not given"]);
    expect(await source("try")).toEqual(["default", "not given"]);
  });
});

/** As much of a process as `run` touches. */
function fakeProcess(...argv: readonly string[]) {
  const written: string[] = [];
  const stream = () =>
    Object.assign(new EventEmitter(), {
      isTTY: false,
      write(text: string, done?: () => void) {
        written.push(text);
        done?.();
      },
    });
  const exits: unknown[] = [];
  const fake = Object.assign(new EventEmitter(), {
    argv: ["node", "acmectl", ...argv],
    env: {},
    version: process.version,
    cwd: () => "/",
    getuid: () => 0,
    stdin: Readable.from([]),
    stdout: stream(),
    stderr: stream(),
    exitCode: undefined as number | undefined,
    exit: (code?: number) => exits.push(code ?? fake.exitCode),
  });
  return { fake: fake as typeof fake & NodeJS.Process, written, exits };
}

function runFake(fake: NodeJS.Process, parts: Replacements) {
  return runProcess(fake, parts, [fake.stdout, fake.stderr]);
}

/** A command that waits to be stopped; `started` resolves when it runs. */
function waiting(cleanup: Promise<void> = Promise.resolve()) {
  const started = Promise.withResolvers<void>();
  const parts = trying(async ({ signal }) => {
    started.resolve();
    await once(signal, "abort");
    await cleanup;
    signal.throwIfAborted();
  });
  return { parts, started: started.promise };
}

describe("run, the process around main", () => {
  test.each([
    ["SIGHUP", 129],
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("%s stops the command, which may clean up, and ends with %i", async (name, code) => {
    const { fake, written, exits } = fakeProcess("try");
    const { parts, started } = waiting();
    const ended = runFake(fake, parts);
    await started;
    fake.emit(name, name);
    await ended;
    expect([fake.exitCode, exits]).toEqual([code, []]);
    expect(exitCodes[code]).toMatch(name);
    expect(written.join("")).toMatch(
      new RegExp(`Interrupted: Stopped by ${name}\\.\nHint: .*same command`),
    );
    expect(fake.listenerCount(name)).toBe(0);
  });

  test("SIGHUP does not stop a command that listens to it", async () => {
    const heard: string[] = [];
    const started = Promise.withResolvers<void>();
    const parts = trying(async ({ onHangup, signal }) => {
      const end = onHangup(() => heard.push("hangup"));
      started.resolve();
      await once(signal, "abort");
      end();
      signal.throwIfAborted();
    });
    const { fake, exits } = fakeProcess("try");
    const ended = runFake(fake, parts);
    await started.promise;
    fake.emit("SIGHUP", "SIGHUP");
    fake.emit("SIGHUP", "SIGHUP");
    expect([heard, exits, fake.exitCode]).toEqual([["hangup", "hangup"], [], undefined]);
    fake.emit("SIGTERM", "SIGTERM");
    await ended;
    expect([heard.length, fake.exitCode]).toEqual([2, 143]);
  });

  test("the second signal ends at once", async () => {
    const { fake, exits } = fakeProcess("try");
    const cleanup = Promise.withResolvers<void>();
    const { parts, started } = waiting(cleanup.promise);
    const ended = runFake(fake, parts);
    await started;
    fake.emit("SIGINT", "SIGINT");
    expect(exits).toEqual([]);
    fake.emit("SIGTERM", "SIGTERM");
    expect(exits).toEqual([143]);
    cleanup.resolve();
    await ended;
  });

  test("a signal that npx repeats at once counts once", async () => {
    const { fake, exits } = fakeProcess("try");
    const cleanup = Promise.withResolvers<void>();
    const { parts, started } = waiting(cleanup.promise);
    const now = vi.spyOn(performance, "now").mockReturnValue(1000);
    onTestFinished(() => now.mockRestore());
    const ended = runProcess(fake, parts);
    await started;
    fake.emit("SIGINT", "SIGINT");
    fake.emit("SIGINT", "SIGINT");
    expect(exits).toEqual([]);
    now.mockReturnValue(1600);
    fake.emit("SIGINT", "SIGINT");
    expect(exits).toEqual([130]);
    cleanup.resolve();
    await ended;
  });

  test("an uncaught error stops the run as a bug", async () => {
    const { fake, written, exits } = fakeProcess("try");
    const { parts, started } = waiting();
    const ended = runFake(fake, parts);
    await started;
    fake.emit("uncaughtException", new TypeError("a socket was left alone"), "uncaughtException");
    await ended;
    expect([fake.exitCode, exits]).toEqual([1, []]);
    expect(written.join("")).toMatch(/bug in acmectl: a socket was left alone/);
    fake.emit("uncaughtException", new TypeError("and again"), "uncaughtException");
    expect(exits).toEqual([1]);
  });

  test("a full disk under stdout is a machine Problem, a closed pipe is not", async () => {
    const { fake, written } = fakeProcess("try");
    const { parts, started } = waiting();
    const ended = runFake(fake, parts);
    await started;
    fake.stdout.emit("error", Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
    expect(fake.exitCode).toBeUndefined();
    fake.stdout.emit(
      "error",
      Object.assign(new Error("ENOSPC: no space left"), { code: "ENOSPC" }),
    );
    await ended;
    expect(fake.exitCode).toBe(3);
    expect(written.join("")).toMatch(/The output cannot be written: ENOSPC/);
  });

  test("a full disk under stderr does not stop the command", async () => {
    const { fake } = fakeProcess("try");
    const parts = trying(async ({ signal }) => {
      fake.stderr.emit("error", Object.assign(new Error("ENOSPC"), { code: "ENOSPC" }));
      signal.throwIfAborted();
    });
    await runFake(fake, parts);
    expect(fake.exitCode).toBe(0);
  });
});

describe("the program as a process", () => {
  const node = ["--conditions=source"];

  test("--version prints the versions and loads no other module", async () => {
    const folder = await mkdtemp(join(tmpdir(), "loaded-"));
    const log = join(folder, "modules");
    const hooks = `import { registerHooks } from "node:module"; import { appendFileSync } from "node:fs";
      registerHooks({ load(url, context, next) { appendFileSync(${JSON.stringify(log)}, url + "\\n"); return next(url, context); } });`;
    const imported = `data:text/javascript,${encodeURIComponent(hooks)}`;
    const args = [...node, "--import", imported, bin, "--version"];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args);
    const loaded = (await readFile(log, "utf8")).trim().split("\n");
    await rm(folder, { recursive: true });
    expect(stdout).toMatch(/^acmectl \d+\.\d+\.\d+ node v\d+\.\d+\.\d+\n$/);
    expect(stderr).toBe("");
    const root = new URL("..", import.meta.url).href;
    const own = loaded
      .filter((url) => url.startsWith("file:"))
      .map((url) => url.slice(root.length));
    expect(own).toEqual([
      "bin/acmectl.js",
      "src/main.ts",
      "src/clock.ts",
      "src/compile-cache.ts",
      "src/installation.ts",
      "src/problem.ts",
      "src/prepared.ts",
      "src/version.ts",
      "src/json.ts",
      "src/streams.ts",
      "src/errors.ts",
    ]);
  });

  test("acmectl completion bash | head -c 1 succeeds", async () => {
    const child: ChildProcess = spawn(process.execPath, [...node, bin, "completion", "bash"], {
      stdio: "pipe",
    });
    child.stdout?.destroy();
    const errors = text(child.stderr!);
    const [code] = await once(child, "close");
    expect([code, await errors]).toEqual([0, ""]);
  });

  test("issues a certificate although the log cannot be written, and says so when its result cannot be", async () => {
    await using folder = await temporaryFolder();
    const full = openSync("/dev/full", "w");
    onTestFinished(() => closeSync(full));
    const acmectl = (words: readonly string[], stdio: ("pipe" | number)[]) =>
      spawnSync(process.execPath, [...node, bin, ...words, "--state", folder.path], {
        stdio: ["ignore", ...stdio],
        encoding: "utf8",
        env: compiledCode,
      });
    const words = ["issue", "-d", "shop.test", "--server", "local"];
    const issued = acmectl(words, ["pipe", full]);
    expect(issued).toMatchObject({ status: 0, stdout: expect.stringContaining("Issued") });
    const renewed = acmectl(["renew", "--force", "--json"], ["pipe", full]);
    expect(renewed.status).toBe(0);
    expect(JSON.parse(renewed.stdout)).toMatchObject({ certificates: [{ outcome: "renewed" }] });
    for (const command of [["list", "--json"], ["--version"]]) {
      const lost = acmectl(command, [full, "pipe"]);
      expect(lost).toMatchObject({
        status: 3,
        stderr: expect.stringContaining("The output cannot be written: ENOSPC"),
      });
    }
  });

  test("SIGUSR1 does not open the inspector", async () => {
    await using folder = await temporaryFolder();
    const words = ["test-ca", "--port", "0", "--state", folder.path];
    const child = spawn(process.execPath, [...node, bin, ...words], { stdio: "pipe", env: {} });
    const errors = text(child.stderr);
    await once(child.stdout, "data");
    child.kill("SIGUSR1");
    await new Promise((resolve) => setTimeout(resolve, 300));
    child.kill("SIGINT");
    expect(await once(child, "close")).toEqual([0, null]);
    expect(await errors).not.toContain("Debugger");
  });

  test("a user without HOME and passwd entry needs --state, and nothing else", async ({ skip }) => {
    skip(process.getuid?.() !== 0, "only root can become another user");
    await using folder = await temporaryFolder();
    const config = join(folder.path, "config.yaml");
    await writeFile(config, "solvers: {}\n");
    await chmod(folder.path, 0o777);
    const acmectl = async (...words: readonly string[]) => {
      const child = spawn(process.execPath, [...node, bin, ...words], { env: {}, uid: 54_321 });
      const [stdout, errors] = [text(child.stdout), text(child.stderr)];
      const [code] = await once(child, "close");
      return { code, output: (await stdout) + (await errors) };
    };
    const places = ["--state", join(folder.path, "state"), "--config", config];
    expect(await acmectl("plan", ...places)).toMatchObject({ code: 0 });
    const withPath = await acmectl("issue", "-d", "a.test", "--webroot", "/nowhere", ...places);
    expect(withPath.output).not.toContain("bug");
    expect(await acmectl("issue", "-d", "a.test", "--webroot", "~/www", ...places)).toMatchObject({
      code: 2,
      output: expect.stringContaining("begins with ~, and this user has no home directory"),
    });
    expect(await acmectl("list")).toMatchObject({
      code: 2,
      output: expect.stringContaining("Give --state"),
    });
  });

  test("a clone without a build names the command that builds it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "unbuilt-"));
    await mkdir(join(folder, "bin"));
    await copyFile(bin, join(folder, "bin/acmectl.js"));
    const imports = { "#main": "./dist/src/main.js" };
    await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module", imports }));
    const ran = spawnSync(process.execPath, [join(folder, "bin/acmectl.js"), "--version"]);
    expect(ran.stderr.toString()).toBe(
      "This clone of acmectl is not built. Run `npm ci && npm run build` in it.\n",
    );
    expect(ran.status).toBe(2);
  });

  test("an old Node.js is refused in one line", async () => {
    const source = (await readFile(bin, "utf8")).replace(/^#!.*\n/, "");
    const written: string[] = [];
    const old = {
      versions: { node: "18.20.4" },
      execPath: "/usr/bin/node",
      argv: ["/usr/bin/node", "/usr/bin/acmectl"],
      on: () => undefined,
      stderr: { write: (text: string) => written.push(text) },
      exitCode: 0,
    };
    // Node 18 would run the file unchanged; only its process is another.
    const copy = join(await mkdtemp(join(tmpdir(), "old-")), "old.mjs");
    await writeFile(copy, `const process = globalThis.oldProcess;\n${source}`);
    Object.assign(globalThis, { oldProcess: old });
    await import(/* @vite-ignore */ copy);
    expect(written).toEqual([
      "acmectl needs Node.js 22.12 or newer; this is 18.20.4 (/usr/bin/node). Install a newer one (https://nodejs.org), or run acmectl with it: /path/to/node /usr/bin/acmectl\n",
    ]);
    expect(old.exitCode).toBe(2);
  });
});

const emptyConfig: Config = {
  path: "/etc/acmectl/config.yaml",
  exists: true,
  issuers: {},
  solvers: {},
  certificates: {},
  defaults: {},
  dns: {},
  notify: {},
  pull: {},
  state: {},
};
