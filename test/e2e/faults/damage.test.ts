/** Files of the state that a disk, an editor or a newer release has changed: said or put right, never a crash or a new account. */
import {
  cpSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import { expect, test } from "vitest";
import { seeState } from "../../support/invariants/state.ts";
import { startIssuing, type Issuing } from "../../support/issuing.ts";
import { drawn, patience, survived } from "../../support/counted.ts";
import { expectDone } from "./scenarios.ts";

const [a, b] = ["a.example.test", "b.example.test"];

const damages: Readonly<Record<string, (path: string) => void>> = {
  "is empty": (path) => truncateSync(path),
  "is cut in the middle": (path) => truncateSync(path, Math.floor(statSync(path).size / 2)),
  "is full of NUL bytes": (path) => writeFileSync(path, Buffer.alloc(statSync(path).size)),
  "has other text": (path) => writeFileSync(path, "<html>404</html>\n"),
  "is a list": (path) => writeFileSync(path, "[1]\n"),
  "is of a newer release": (path) => writeFileSync(path, newer(readFileSync(path, "utf8"))),
  "is missing": (path) => rmSync(path),
};

/** Its version is the next one, and it has members that this release does not know. */
function newer(text: string): string {
  if (!text.startsWith("{")) return `${text}# of a newer release\n`;
  const record = JSON.parse(text);
  const next = typeof record.version === "number" ? record.version + 1 : 99;
  return JSON.stringify({ ...record, version: next, ofTheFuture: { a: 1 } });
}

test(
  "a damaged file of the state is said or put right, costs no other certificate and no new account",
  async () => {
    await using issuing = await prepared();
    const { state } = issuing;
    const files = filesIn(state);
    expect(files.length).toBeGreaterThan(12);
    const kinds = files.map((file) => file.replaceAll(/[ab]\.example\.test|~[0-9a-f]+/g, "NAME"));
    const faults = files.flatMap((file, index) =>
      Object.entries(damages).map(([how, damage]) => ({
        file,
        kind: kinds[index] ?? "",
        how,
        damage,
      })),
    );
    const chosen = drawn(faults, 5, ({ kind, how }) => `${kind} ${how}`);
    const copy = `${state}-before`;
    cpSync(state, copy, { recursive: true, verbatimSymlinks: true });
    for (const { file, how, damage } of chosen) {
      rmSync(state, { recursive: true });
      cpSync(copy, state, { recursive: true, verbatimSymlinks: true });
      damage(join(state, file));
      await withDamage(issuing, file).catch((error: unknown) => {
        throw new Error(`${file} ${how}`, { cause: error });
      });
    }
    survived("damaged files of the state", chosen.length);
  },
  patience,
);

/** Two certificates are held, and the order of a third one is not finished. */
async function prepared(): Promise<Issuing> {
  const issuing = await startIssuing();
  for (const name of [a, b]) await expectDone(issuing.issue(["-d", name]));
  issuing.ca.faults.add({ on: "certificate", times: Infinity, do: { destroy: true } });
  expect((await issuing.issue(["-d", "c.example.test"])).code).toBe(4);
  issuing.ca.faults.clear();
  return issuing;
}

async function withDamage(issuing: Issuing, file: string): Promise<void> {
  const accounts = accountsOf(issuing);
  for (const words of [["list"], ["status"], ["plan"]]) {
    const { code, stdout, stderr } = await issuing.run(words);
    expect([0, 3], `${words.join(" ")}: ${stdout}${stderr}`).toContain(code);
  }
  const ran = await issuing.run(["renew", "--force", "--no-jitter"]);
  const said = unfolded(ran.stdout + ran.stderr);
  expect([0, 2, 3, 11], said).toContain(ran.code);
  if (ran.code !== 0) {
    // What went wrong has a file and a way out.
    expect(said).toContain(issuing.state);
    expect(said).toContain("Hint: ");
  }
  if (/certificates\/a\.example\.test/.test(file)) expect(versionOf(issuing, b), said).toBe(2);
  const checked = await issuing.run(["state", "check", "--repair"]);
  expect([0, 3, 11], checked.stderr).toContain(checked.code);
  expect(accountsOf(issuing)).toBe(accounts);
}

function versionOf({ state }: Issuing, name: string): number | undefined {
  return seeState(state).current.get(name);
}

function filesIn(state: string): readonly string[] {
  const all = readdirSync(state, { recursive: true, withFileTypes: true });
  return all
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(state, join(parentPath, name)))
    .toSorted();
}

const unfolded = (text: string) => text.replaceAll(/\s+/g, " ");
const accountsOf = ({ ca }: Issuing) =>
  ca.requests.filter(({ kind }) => kind === "newAccount").length;
