import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { main } from "../../src/main.ts";
import { systemClock } from "../../src/clock.ts";
import { run } from "../support/run.ts";
import { temporaryFolder } from "../support/state.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(() => folder[Symbol.asyncDispose]());

const acmectl = (line: string, env: Record<string, string> = {}) =>
  run(line, { cwd: folder.path, env: { HOME: folder.path, ACMECTL_STATE: folder.path, ...env } });

/** Runs until something is printed on stdout, then stops it as Ctrl-C does. */
async function untilAnnounced(...argv: readonly string[]) {
  const stopping = new AbortController();
  const parts: string[] = [];
  const stderr: string[] = [];
  const stdout = (text: string) => {
    parts.push(text);
    stopping.abort();
  };
  const code = await main(argv, {
    env: { HOME: folder.path, ACMECTL_STATE: folder.path },
    cwd: folder.path,
    uid: 1000,
    node: process.version,
    stdin: Object.assign((await import("node:stream")).Readable.from([]), { isTTY: false }),
    stdout: { isTTY: false, columns: undefined, write: stdout },
    stderr: { isTTY: false, columns: undefined, write: (text: string) => stderr.push(text) },
    signal: stopping.signal,
    clock: systemClock,
  });
  return { code, first: parts[0] ?? "", stdout: parts.join(""), stderr: stderr.join("") };
}

describe("test-ca", () => {
  it("prints its address at once, with --json as one document on one line", async () => {
    const { code, first, stdout } = await untilAnnounced("test-ca", "--port", "0", "--json");
    expect(code).toBe(0);
    expect(first).toBe(stdout);
    expect(first.trimEnd()).not.toContain("\n");
    expect(JSON.parse(first)).toEqual({
      command: "test-ca",
      outcome: "listening",
      directory: expect.stringMatching(/^https:\/\/127\.0\.0\.1:\d+\/directory$/),
      root: join(folder.path, "test-ca/root.pem"),
    });
    expect(await readFile(JSON.parse(first).root, "utf8")).toContain("BEGIN CERTIFICATE");
  });

  it("prints only its address with --quiet", async () => {
    const { code, stdout, stderr } = await untilAnnounced("test-ca", "--port", "0", "-q");
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^directory: https:\S+\nroot: +\S+root\.pem\n$/);
  });

  it("writes its keys with mode 0600 under any umask", async () => {
    const before = process.umask(0o777);
    onTestFinished(() => void process.umask(before));
    const state = join(folder.path, "new", "state");
    const { code } = await untilAnnounced("test-ca", "--port", "0", "--state", state);
    expect(code).toBe(0);
    for (const [path, mode] of [
      ["", 0o700],
      ["test-ca", 0o700],
      ["test-ca/root.pem", 0o600],
      ["test-ca/authority.json", 0o600],
    ] as const) {
      expect([path, (await stat(join(state, path))).mode & 0o777]).toEqual([path, mode]);
    }
  });

  it.each([
    ["--host banana", /cannot listen on banana, which is not an address of this machine/],
    ["--host 192.0.2.1", /cannot listen on 192\.0\.2\.1, which is not an address/],
    ["--resolver banana", /cannot ask "banana": that is not the address of a DNS server/],
    ["--resolver 127.0.0.1:0", /cannot ask "127\.0\.0\.1:0"/],
    ["--resolver ::1:53x", /cannot ask/],
    ["--eab-kid kid-1", /The HMAC key of the external account binding is missing/],
  ])("refuses %s as wrong usage", async (flags, message) => {
    const { code, stderr } = await acmectl(`test-ca --port 0 ${flags}`);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain("bug in acmectl");
    expect(code).toBe(2);
  });

  it("refuses an EAB key without an id, and a broken one", async () => {
    const alone = await acmectl("test-ca --port 0", { ACMECTL_EAB_HMAC: "c2VjcmV0" });
    expect([alone.code, alone.stderr]).toEqual([
      2,
      expect.stringContaining("key id of the external account binding is missing"),
    ]);
    const broken = await acmectl("test-ca --port 0 --eab-kid k", { ACMECTL_EAB_HMAC: "no key!" });
    expect([broken.code, broken.stderr]).toEqual([2, expect.stringContaining("not base64")]);
  });

  it("reports a port in use and broken keys as machine Problems", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    const taken = await acmectl(`test-ca --port ${port}`);
    expect(taken.code).toBe(3);
    expect(taken.stderr).toContain(`cannot listen on 127.0.0.1:${port}: the port is in use`);

    await writeFile(join(folder.path, "test-ca/authority.json"), "{");
    const broken = await acmectl("test-ca --port 0");
    expect(broken.code).toBe(3);
    expect(broken.stderr).toContain(`keys in ${folder.path}/test-ca/authority.json cannot be read`);
    expect(broken.stderr).toContain(`Remove ${folder.path}/test-ca/authority.json`);
  });

  it("reports a state folder that cannot be used", async () => {
    await mkdir(join(folder.path, "used"));
    await writeFile(join(folder.path, "used/test-ca"), "a file");
    const { code, stderr } = await acmectl("test-ca --port 0 --state used");
    expect(stderr).toContain(`cannot keep its keys in ${folder.path}/used/test-ca: ENOTDIR`);
    expect(code).toBe(3);
  });
});

describe("--server local", () => {
  it("reports broken keys of the embedded CA, and the file to remove", async () => {
    await mkdir(join(folder.path, "test-ca"));
    await writeFile(join(folder.path, "test-ca/authority.json"), "{}");
    const { code, stderr } = await acmectl("issue -d shop.localhost --server local --standalone");
    expect(stderr).toContain(`Hint: Remove ${folder.path}/test-ca/authority.json`);
    expect(code).toBe(3);
  });

  it("refuses an invalid --local-resolver", async () => {
    const line = "issue -d shop.localhost --server local --standalone --local-resolver banana";
    const { code, stderr } = await acmectl(line);
    expect(stderr).toContain('cannot ask "banana"');
    expect(code).toBe(2);
  });
});
