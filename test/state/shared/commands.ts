/** The commands on every state that hosts share. */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { startIssuing, type Issuing } from "../../support/issuing.ts";
import { acmectl } from "../../support/spawn.ts";
import { temporaryFolder } from "../../support/state.ts";
import { openAt } from "./state.ts";

export interface Place {
  /** As `--state`. */
  readonly url: string;
  readonly env: Readonly<Record<string, string>>;
  /** Gives the versions of a certificate this time of issuance. */
  setIssuedAt(name: string, at: string): Promise<unknown>;
  /** All that is stored, as text. */
  dump(): Promise<string>;
}

const day = 86_400_000;

/** `initialized` is what `state init` prints. Answers how a host with a state of its own is made. */
export function commandCases(newPlace: () => Promise<Place>, initialized: RegExp) {
  let issuing: Issuing;
  /** Of the CA's clock. */
  let behind = 0;
  beforeAll(async () => {
    issuing = await startIssuing({ now: () => new Date(Date.now() - behind) });
  });
  afterAll(() => issuing[Symbol.asyncDispose]());

  async function newHost() {
    const place = await newPlace();
    const folder = await temporaryFolder();
    onTestFinished(() => folder[Symbol.asyncDispose]());
    const files = join(folder.path, "files");
    const env = {
      ...place.env,
      HOME: folder.path,
      ACMECTL_STATE: place.url,
      ACMECTL_STATE_FILES: files,
      ACMECTL_STATE_KEY: randomBytes(32).toString("base64"),
    };
    const goal = { "exit code 0 means that the goal is met": "it is looked for in a folder" };
    const run = (...words: string[]) =>
      acmectl(words, { env, excused: words.includes("--state") ? {} : goal }).ended;
    const [, , ...ca] = issuing.words.filter(
      (word) => word !== "--state" && word !== issuing.state,
    );
    const solver = ["--solver", "standalone", "--standalone-port", `${issuing.httpPort}`];
    const at = ["--self-check-at", `127.0.0.1:${issuing.httpPort}`];
    const issue = (...words: string[]) =>
      run("issue", ...words, ...issuing.words.slice(0, 2), ...ca, ...solver, ...at);
    return { ...place, run, issue, files, folderState: join(folder.path, "state") };
  }
  const orders = () => issuing.ca.requests.filter(({ path }) => path.endsWith("/new-order")).length;

  test("state init, issue, list, status, renew and state check work, and files are written for servers", async () => {
    const host = await newHost();
    const begun = await host.run("state", "init");
    expect(begun, begun.stderr).toMatchObject({ code: 0 });
    expect(begun.stdout).toMatch(initialized);
    const issued = await host.issue("-d", "a.example.test");
    expect(issued, issued.stderr).toMatchObject({ code: 0 });
    const key = join(host.files, "certificates/a.example.test/current/privkey.pem");
    expect(await readFile(key, "utf8")).toContain("PRIVATE KEY");
    expect((await host.run("list")).stdout).toContain("a.example.test");
    expect((await host.run("status", "--check")).code).toBe(0);
    expect((await host.run("renew")).stdout).toContain("Nothing is due");
    expect((await host.run("state", "check")).stdout).toMatch(/Found no damage in (s3|postgres):/);
    expect(await host.dump()).not.toContain("PRIVATE KEY");
  });

  test("two processes that renew at once order each certificate once", async () => {
    const host = await newHost();
    await host.run("state", "init");
    behind = 80 * day;
    const issued = await host.issue("-d", "b.example.test");
    expect(issued, issued.stderr).toMatchObject({ code: 0 });
    behind = 0;
    // A certificate that was just issued is not renewed.
    await host.setIssuedAt("b.example.test", new Date(Date.now() - 80 * day).toISOString());
    const store = await openAt(host.url, { env: host.env });
    const request = (await store.certificates.read("b.example.test"))?.request;
    if (request !== undefined) await store.certificates.saveRequest(request);
    const before = orders();
    const runs = await Promise.all([1, 2].map(() => host.run("renew", "--no-jitter")));
    for (const ran of runs) expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(orders() - before).toBe(1);
    expect((await store.certificates.read("b.example.test"))?.held?.version).toBe(2);
  });

  test("state copy brings a folder into a shared state and back", async () => {
    const host = await newHost();
    const { url } = host;
    const issued = await host.issue("-d", "c.example.test", "--state", host.folderState);
    expect(issued, issued.stderr).toMatchObject({ code: 0 });
    await host.run("state", "init");
    const copied = await host.run("state", "copy", host.folderState, url);
    expect(copied, copied.stderr).toMatchObject({ code: 0 });
    expect(copied.stdout).toMatch(/Copied \d+ of \d+ items from .* to (s3|postgres):.*/);
    const again = await host.run("state", "copy", host.folderState, url, "--json");
    expect(again.stdout).toContain('"outcome": "unchanged"');
    const before = orders();
    const unchanged = await host.issue("-d", "c.example.test");
    expect(unchanged.stdout, unchanged.stderr).toContain("nothing was done");
    expect(orders()).toBe(before);

    const back = join(host.folderState, "..", "back");
    expect((await host.run("state", "copy", url, back)).code).toBe(0);
    expect((await host.run("state", "check", "--state", back)).code).toBe(0);
    expect(existsSync(join(back, "certificates/c.example.test/current/privkey.pem"))).toBe(true);
    expect(await host.run("state", "copy", url, url)).toMatchObject({ code: 2 });
  });
  return newHost;
}
