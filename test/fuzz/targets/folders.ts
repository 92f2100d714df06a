/** Folders: the state, and those of other clients. An input is a JSON object, by path the content of a file. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, normalize } from "node:path";
import { systemClock } from "../../../src/clock.ts";
import { readAcmeSh } from "../../../src/import/acme-sh/acme-sh.ts";
import { readCertbot } from "../../../src/import/certbot/certbot.ts";
import type { Found } from "../../../src/import/found.ts";
import { readLego } from "../../../src/import/lego.ts";
import { isRecord, parseJson } from "../../../src/json.ts";
import { openFolderStore } from "../../../src/state/folder/folder.ts";
import { readIndex } from "../../../src/state/folder/index/index-file.ts";
import type { Store } from "../../../src/state/store.ts";
import { storedCertificates } from "../../../src/status/certificates.ts";
import { clockDifferences } from "../../../src/status/clock.ts";
import { check } from "../../../src/status/check.ts";
import { documentsOf, viewsOf } from "../../../src/status/describe.ts";
import { limitLines, limitsLeft } from "../../../src/status/limits.ts";
import { prometheusText } from "../../../src/status/metrics.ts";
import { planOf, plannedStep } from "../../../src/status/plan.ts";
import { now, orProblemOf, type Target } from "../target.ts";

const log = { debug() {}, info() {}, warn() {} };
const directory = "https://acme.example.org/directory";

export const folderTargets: readonly Target[] = [
  {
    name: "state",
    promise:
      "a state folder with any content is read, repaired and shown, or refused with a Problem",
    words: ["versions/1", "certificate.json", "meta.json", "failures", "notAfter"],
    slow: true,
    check: (input) =>
      inFolder(input, async (root) => {
        const store = openFolderStore(root, { log, clock: systemClock });
        readIndex(root);
        await readAll(store);
        await orProblemOf(() => store.check({ repair: true }));
        await readAll(store);
      }),
  },
  {
    name: "other-clients",
    promise:
      "folders of certbot, lego and acme.sh with any content are read, or refused with a Problem",
    words: ["renewal/", "live/", "accounts/", "certificates/", "ca/", "_ecc"],
    slow: true,
    check: (input) =>
      inFolder(input, async (root) => {
        const found: (Found | undefined)[] = [];
        found.push(await orProblemOf(() => readCertbot(root)));
        found.push(await orProblemOf(() => readLego(root, [directory])));
        found.push(await orProblemOf(() => readAcmeSh(root)));
        JSON.stringify(found);
      }),
  },
];

/** What commands read and show of a state, offline. */
async function readAll(store: Store): Promise<void> {
  await orProblemOf(async () => {
    const found = await storedCertificates(store);
    documentsOf(found, now);
    viewsOf(found, { detailed: true }, now);
    prometheusText(found, now);
    const steps = found.certificates.map((one) => plannedStep(one, {}, now));
    planOf(steps, found.broken, true, now);
    const requests = found.certificates.map(({ request }) => request);
    const clocks = await clockDifferences(requests, store, now);
    for (const one of found.certificates) check(one, { faults: [], clocks }, 0, now);
    for (const one of await limitsLeft(requests, store, now)) limitLines(one, now);
  });
  await orProblemOf(() => store.accounts.list());
  for (const name of (await orProblemOf(() => store.journal.names())) ?? [])
    await orProblemOf(() => store.journal.read(name));
  await orProblemOf(() => store.pendingHooks.list());
  await orProblemOf(() => store.solverState("acme-dns").get("x"));
}

async function inFolder(input: Buffer, work: (root: string) => Promise<void>): Promise<void> {
  const files = parseJson(input.toString());
  if (!isRecord(files)) return;
  const root = mkdtempSync(join(tmpdir(), "acmectl-fuzz-"));
  try {
    for (const [path, content] of Object.entries(files)) {
      const safe = normalize(`/${path}`.replaceAll("\0", ""));
      try {
        mkdirSync(dirname(root + safe), { recursive: true, mode: 0o700 });
        writeFileSync(root + safe, typeof content === "string" ? content : JSON.stringify(content));
      } catch {
        // A path that is not possible, or is a folder already.
      }
    }
    for (const name of entriesOf(join(root, "certificates"))) {
      const certificate = join(root, "certificates", name);
      if (entriesOf(join(certificate, "versions")).includes("1"))
        symlinkSync("versions/1", join(certificate, "current"));
    }
    await work(root);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function entriesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
