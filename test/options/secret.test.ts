import type { ChildProcess } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { Problem } from "../../src/problem.ts";
import { isReference, readSecret, type SecretSources } from "../../src/options/secret.ts";

const started = vi.hoisted(() => ({ hook: (_child: ChildProcess) => {} }));
vi.mock(import("node:child_process"), async (original) => {
  const real = await original();
  const execFile = (...all: Parameters<typeof real.execFile>) => {
    const child = real.execFile(...all);
    started.hook(child);
    return child;
  };
  return { ...real, execFile: execFile as never };
});

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "secret-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** A program that does what `source` says. */
async function program(name: string, source: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `#!${process.execPath}\n${source}`);
  await chmod(path, 0o755);
  return path;
}

async function read(reference: string, more: Partial<SecretSources> = {}) {
  const masked: string[] = [];
  const mask = (secret: string) => masked.push(secret);
  try {
    const env = { PATH: process.env["PATH"] };
    const secret = await readSecret(reference, { env, folder, ...more, mask });
    return { secret, masked };
  } catch (error) {
    if (!Problem.is(error)) throw error;
    return { problem: error.message, code: error.exitCode };
  }
}

test("a text that is not a reference is the secret itself", async () => {
  expect(await read("s3cret")).toEqual({ secret: "s3cret", masked: ["s3cret"] });
  expect(isReference("environment:prod")).toBe(false);
  expect(isReference("env:")).toBe(false);
});

test("env: reads a variable, and the error names a missing one", async () => {
  const env = { LAB_TSIG: "c2VjcmV0", EMPTY: "" };
  expect(await read("env:LAB_TSIG", { env })).toMatchObject({ secret: "c2VjcmV0" });
  expect(await read("env:EMPTY", { env })).toEqual({
    problem: "The variable EMPTY is empty.",
    code: 2,
  });
  expect(await read("env:NONE", { env })).toEqual({
    problem: "The variable NONE is not set.",
    code: 2,
  });
});

test("file: reads a file without its last line end, relative to the folder that names it", async () => {
  await writeFile(join(folder, "token"), "t0ken\r\n");
  await writeFile(join(folder, "two"), "t0ken\n\n");
  await writeFile(join(folder, "blank"), " \n");
  await writeFile(join(folder, "large"), "x".repeat(70_000));
  expect(await read("file:token")).toMatchObject({ secret: "t0ken", masked: ["t0ken"] });
  expect(await read(`file:${folder}/token`)).toMatchObject({ secret: "t0ken" });
  expect(await read(`file://${folder}/token`)).toMatchObject({ secret: "t0ken" });
  expect((await read("file:two")).problem).toMatch(/line breaks/);
  expect((await read("file:blank")).problem).toMatch(/is empty/);
  expect((await read("file:large")).problem).toMatch(/larger than 65536 bytes/);
  expect((await read("file:none")).problem).toBe(
    `file: cannot read ${folder}/none: no such file or directory.`,
  );
  expect((await read("file:.")).problem).toMatch(/it is a directory/);
});

test("the error for an unreadable reference names the option, the reference and the reason", async () => {
  const named = "--account-key";
  const nowhere = `file:${folder}/none`;
  expect((await read(nowhere, { named })).problem).toBe(
    `--account-key (${nowhere}) cannot be read: no such file or directory.`,
  );
  expect((await read("env:NONE", { named })).problem).toBe(
    "--account-key (env:NONE) cannot be read: the variable NONE is not set.",
  );
  expect((await read("cmd:/no/such --token t0ken", { named })).problem).toBe(
    "--account-key (cmd:/no/such) cannot be read: the program /no/such that should print the secret was not found.",
  );
});

test("a prefix without a reference is not masked as a secret", async () => {
  expect((await read("file:")).masked).toEqual([]);
});

test("cmd: runs a program without a shell and reads what it prints", async () => {
  const echo = await program(
    "echo",
    "process.stdout.write(process.argv.slice(2).join('|') + '\\n')",
  );
  expect(await read(`cmd:${echo} 'a b' $HOME ;`)).toMatchObject({ secret: "a b|$HOME|;" });
});

test("cmd: shows stderr of a program that fails, and never its stdout", async () => {
  const fail = await program(
    "fail",
    "console.log('half a secret'); console.error('no such entry'); process.exit(3)",
  );
  const { problem } = await read(`cmd:${fail}`);
  expect(problem).toMatch(/failed \(3\): no such entry$/);
  expect(problem).not.toMatch(/half/);
  expect((await read("cmd:/no/such/program")).problem).toMatch(/was not found/);
  expect((await read("cmd:echo 'open")).problem).toMatch(/unclosed quote/);
});

test("cmd: ends a program that waits for input or runs too long", async () => {
  const asks = await program("asks", "process.stdin.resume().on('end', () => process.exit(9))");
  expect((await read(`cmd:${asks}`)).problem).toMatch(/failed \(9\)/);
  const hangs = await program("hangs", "setInterval(() => {}, 1000)");
  expect((await read(`cmd:${hangs}`, { timeLimit: 300 })).problem).toMatch(
    /did not end within 0.3 seconds/,
  );
  const signal = AbortSignal.abort(new Problem("interrupted", { detail: "Stopped by SIGINT." }));
  expect((await read(`cmd:${hangs}`, { signal })).problem).toBe("Stopped by SIGINT.");
});

test("cmd: reads what a program printed that closed its input early", async () => {
  started.hook = ({ stdin }) => setImmediate(() => stdin?.emit("error", new Error("EPIPE")));
  onTestFinished(() => void (started.hook = () => {}));
  expect(await read("cmd:echo token")).toMatchObject({ secret: "token" });
});

test("cmd: passes no ACMECTL_ variable to the program", async () => {
  const prints = await program(
    "env",
    "process.stdout.write(Object.keys(process.env).filter((n) => n !== 'PATH').sort().join())",
  );
  const env = { PATH: process.env["PATH"], VAULT_TOKEN: "x", ACMECTL_CLOUDFLARE_API_TOKEN: "y" };
  expect((await read(`cmd:${prints}`, { env })).secret).toMatch(/^VAULT_TOKEN/);
});

test("control characters are refused without showing the secret", async () => {
  const { problem } = await read("Bearer abc\r\nX-Evil: 1");
  expect(problem).toBe("The secret has line breaks or other control characters.");
  expect(await read('{\n"key": 1\n}', { multiline: true })).toMatchObject({
    secret: '{\n"key": 1\n}',
  });
});
