/** Commands that change the state, each as a run that a fault may hit and a next run that must put all right. */
import { lutimesSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import { systemClock, type Clock } from "../../../src/clock.ts";
import { isRecord } from "../../../src/json.ts";
import { materialIn, writeCertbot, writeLego, type Material } from "../../import/folders.ts";
import { seeState } from "../../support/invariants/state.ts";
import { startIssuing, type Issuing } from "../../support/issuing.ts";
import type { Ran } from "../../support/run.ts";

export interface Scenario {
  /** Brings the state to where the run begins. */
  readonly prepare?: (issuing: Issuing, clock: Clock) => Promise<void>;
  readonly words: (issuing: Issuing) => readonly string[];
  /** The next run; by default the same words. */
  readonly next?: (issuing: Issuing) => Promise<Ran>;
  /** How many certificates the CA issues, in the run and the next one together. */
  readonly issues: number;
  /** The certificates that are held at the end. */
  readonly held: readonly string[];
}

const [a, b, c] = ["a.example.test", "b.example.test", "c.example.test"];

export const scenarios: Readonly<Record<string, Scenario>> = {
  issue: {
    words: (issuing) => issueWords(issuing, a),
    issues: 1,
    held: [a],
  },
  "renew of three certificates": {
    async prepare(issuing, clock) {
      for (const name of [a, b, c]) await expectDone(issuing.issue(["-d", name], { clock }));
    },
    words: ({ state }) => ["renew", "--no-jitter", "--state", state],
    issues: 3,
    held: [a, b, c],
  },
  "apply of a new and a changed certificate": {
    async prepare(issuing, clock) {
      await writeConfig(issuing, `  two: { domains: [${b}] }`);
      await expectDone(issuing.run(applyWords(issuing), { clock }));
      await writeConfig(issuing, `  one: { domains: [${a}] }\n  two: { domains: [${b}, ${c}] }`);
    },
    words: (issuing) => [...applyWords(issuing), "--state", issuing.state],
    issues: 2,
    held: ["one", "two"],
  },
  revoke: {
    prepare: (issuing, clock) => expectDone(issuing.issue(["-d", a], { clock })),
    words: ({ state }) => ["revoke", a, "--yes", "--state", state],
    issues: 0,
    held: [a],
  },
  "account rollover": {
    prepare: (issuing, clock) =>
      expectDone(issuing.run(["account", "register", ...issuing.words], { clock })),
    words: ({ words }) => [
      "account",
      "rollover",
      ...words.filter((word) => word !== "--agree-tos"),
    ],
    next: (issuing) => issuing.issue(["-d", a]),
    issues: 1,
    held: [a],
  },
  "import of certbot's folder": {
    async prepare({ home }) {
      await writeCertbot(join(home, "letsencrypt"), a, await material());
    },
    words: ({ home, state, words }) => {
      const from = ["certbot", join(home, "letsencrypt"), "--ca-bundle", words[3] ?? ""];
      return ["import", ...from, "--state", state];
    },
    issues: 0,
    held: [a],
  },
  "import of lego's folder": {
    async prepare({ home }) {
      const known = await material();
      await writeLego(join(home, "lego"), a, known);
      await writeFile(join(home, "directory"), known.directory);
    },
    words: ({ home, state }) => {
      const server = readFileSync(join(home, "directory"), "utf8");
      const solver = ["--server", server, "--standalone"];
      return ["import", "lego", join(home, "lego"), ...solver, "--state", state];
    },
    issues: 0,
    held: [a],
  },
};

let made: Promise<Material> | undefined;

/** An account and a certificate of another CA, for the folders of other clients. */
function material(): Promise<Material> {
  made ??= (async () => {
    await using other = await startIssuing();
    await expectDone(other.issue(["-d", a]));
    return await materialIn(other.state, a);
  })();
  return made;
}

/** A CA and a state where the run begins. What is there already was made 70 days ago, so that it is due. */
export async function begin({ prepare }: Pick<Scenario, "prepare">): Promise<Issuing> {
  let behind = 70 * 86_400_000;
  const now = () => new Date(Date.now() - behind);
  const issuing = await startIssuing({ now });
  await prepare?.(issuing, { ...systemClock, now });
  behind = 0;
  return issuing;
}

export async function expectDone(run: Promise<Ran>): Promise<void> {
  const ran = await run;
  expect(ran, ran.stderr).toMatchObject({ code: 0 });
}

/** What must be true once the next run has ended. */
export async function expectConverged(
  { next, words, issues, held }: Scenario,
  issuing: Issuing,
  issuedBefore?: number,
): Promise<void> {
  age(issuing.state);
  await expectDone(next === undefined ? issuing.run(words(issuing)) : next(issuing));
  const { current, modes, pending } = seeState(issuing.state);
  expect([...current.keys()].toSorted()).toEqual(held);
  expect([...pending.keys()]).toEqual([]);
  // What a loss of power leaves beside a file, and a lock that is free, goes when it is written or taken again. A run with
  // nothing to change does neither.
  if (issuedBefore === undefined) return;
  expect(
    [...modes.keys()].filter((path) => temporary.test(path) || path.startsWith("locks/")),
  ).toEqual([]);
  expect(issuedBy(issuing) - issuedBefore).toBe(issues);
}

const temporary = /(^|\/)\.[^/]*-[0-9a-f]+$/;

/** A run leaves alone what is less than a minute old: the next one comes later. */
function age(state: string): void {
  const then = new Date(Date.now() - 120_000);
  for (const path of seeState(state).modes.keys())
    if (temporary.test(path)) lutimesSync(join(state, path), then, then);
}

/** How many certificates the CA has issued: each has a URL of its own. */
export function issuedBy({ ca }: Issuing): number {
  const done = ca.requests.flatMap(({ answer }) => {
    const url = isRecord(answer) ? answer["certificate"] : undefined;
    return typeof url === "string" ? [url] : [];
  });
  return new Set(done).size;
}

export function issueWords(issuing: Issuing, name: string): readonly string[] {
  const port = String(issuing.httpPort);
  const solver = ["--solver", "standalone", "--standalone-port", port];
  const place = ["--self-check-at", `127.0.0.1:${port}`];
  return ["issue", "-d", name, ...solver, ...issuing.words, ...place];
}

export function applyWords({ state }: Issuing): readonly string[] {
  return ["apply", "--no-jitter", "--config", join(dirname(state), "config.yaml")];
}

export async function writeConfig(issuing: Issuing, certificates: string): Promise<void> {
  const path = join(dirname(issuing.state), "config.yaml");
  await mkdir(dirname(path), { recursive: true });
  const text = `issuers:
  lab: { server: "${issuing.ca.directoryUrl}", agreeTos: true, caBundle: "${issuing.words[3]}" }
solvers:
  here: { use: standalone, port: ${issuing.httpPort} }
defaults: { selfCheckAt: "127.0.0.1:${issuing.httpPort}" }
certificates:
${certificates}
`;
  await writeFile(path, text);
}
