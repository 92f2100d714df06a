/** Finds what is wrong in a state folder after it was copied, restored or changed by hand, and repairs it without a CA. */
import { chmod, lstat, readdir, rename, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { messageOf } from "../../errors.ts";
import { isRecord } from "../../json.ts";
import { quotedWord } from "../../options/words.ts";
import { Problem } from "../../problem.ts";
import type { Finding, Store } from "../store.ts";
import { nameOfRecord, recordFile } from "./certificate-record.ts";
import { attempt, entriesOf, ifPresent, readText, removedPrefix, sweep } from "./files.ts";
import { leftoversIn, removeLeftovers } from "./leftovers.ts";
import { journalRemedy } from "./journal.ts";
import { asideMark, parseObject, type Folder } from "./records.ts";
import { certificateFolderName } from "./names.ts";
import { faultOf } from "./fault.ts";
import { currentNumber, linkCurrent, numbersIn } from "./versions.ts";

type Parts = Pick<Store, "accounts" | "certificates" | "journal" | "lock">;

/** What is wrong, and, with `repair`, what was done about it. A certificate that another run works on is left out. */
export async function checkFolder(
  folder: Folder,
  parts: Parts,
  { repair }: { repair: boolean },
): Promise<readonly Finding[]> {
  await folder.check();
  const certificates = join(folder.root, "certificates");
  // First, since taking a lock removes them.
  const findings = [...(await leftovers(folder, repair)), ...(await movedAside(folder))];
  for (const entry of await visibleEntries(certificates)) {
    const path = join(certificates, entry);
    const found = await underLock(entry, parts, async () => {
      const renamed = await checkName(path, entry, repair);
      const place = renamed?.moved ?? path;
      const link = renamed?.isCopy === true ? [] : await checkCurrent(place, repair);
      const key = await checkKeys(place, repair);
      return [...(renamed === undefined ? [] : [renamed.finding]), ...link, ...key];
    });
    findings.push(...found);
  }
  return [...findings, ...(await unreadable(folder, parts, findings))];
}

async function visibleEntries(path: string): Promise<readonly string[]> {
  return (await entriesOf(path)).filter((entry) => !entry.startsWith("."));
}

async function underLock(
  entry: string,
  { lock }: Parts,
  work: () => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  const signal = new AbortController().signal;
  try {
    const held = await lock(`certificate:${entry.replace(/^_\./, "*.")}`, { wait: 0, signal });
    try {
      return await work();
    } finally {
      await held.release();
    }
  } catch (error) {
    if (!Problem.is(error)) throw error;
    return [{ where: entry, fault: error.message, remedy: error.hint }];
  }
}

/** A folder that was renamed by hand goes back to its name, unless another folder has it. */
async function checkName(
  path: string,
  entry: string,
  repair: boolean,
): Promise<{ finding: Finding; moved: string; isCopy?: boolean } | undefined> {
  const name = await nameOfRecord(path);
  if (name === undefined || certificateFolderName(name) === entry) return undefined;
  const right = join(path, "..", certificateFolderName(name));
  const fault = `it is the folder of the certificate ${name}, renamed by hand`;
  if ((await modeOf(right)) !== undefined) {
    const remedy = `Move it out of the state folder: ${right} has the same certificate.`;
    return {
      finding: { where: path, fault: `${fault} or copied`, remedy },
      moved: path,
      isCopy: true,
    };
  }
  const remedy = `Rename it to ${right}.`;
  if (!repair) return { finding: { where: path, fault, remedy, repairable: true }, moved: path };
  await attempt("rename", path, () => rename(path, right));
  return { finding: { where: path, fault, done: `renamed to ${right}` }, moved: right };
}

/** `current` must be a link to a version whose key and certificate belong together. */
async function checkCurrent(path: string, repair: boolean): Promise<readonly Finding[]> {
  const versions = join(path, "versions");
  const current = join(path, "current");
  const numbers = (await numbersIn(versions)).toSorted((a, b) => b - a);
  const fault = await currentFault(path, numbers);
  if (fault === undefined) return [];
  const good = await firstGood(versions, numbers);
  if (good === undefined) {
    const name = (await nameOfRecord(path)) ?? basename(path);
    const command = `acmectl renew ${quotedWord(name)} --force --state ${quotedWord(dirname(dirname(path)))}`;
    const remedy = `Restore a backup, or issue the certificate again: ${command}`;
    return [{ where: current, fault, remedy }];
  }
  const target = `versions/${good}`;
  if (!repair)
    return [{ where: current, fault, remedy: `Make it a link to ${target}.`, repairable: true }];
  await attempt("repair", current, async () => {
    const found = await lstat(current).catch(() => undefined);
    if (found !== undefined && !found.isSymbolicLink())
      await rename(current, join(path, `${removedPrefix}current`));
    await linkCurrent(path, good);
    await sweep(path, removedPrefix);
  });
  return [{ where: current, fault, done: `linked to ${target}` }];
}

async function currentFault(path: string, numbers: readonly number[]): Promise<string | undefined> {
  try {
    const number = await attempt("read", path, () => currentNumber(path));
    if (number === undefined) {
      if (numbers.length > 0) return "the link is missing";
      return (await wasIssued(path)) ? "all versions are missing" : undefined;
    }
    if (!numbers.includes(number)) return `it points to versions/${number}, which does not exist`;
    const fault = await faultOf(join(path, "versions", `${number}`));
    return fault === undefined ? undefined : `versions/${number}: ${fault}`;
  } catch (error) {
    if (!Problem.is(error)) throw error;
    return messageOf(error);
  }
}

async function wasIssued(path: string): Promise<boolean> {
  const status = parseObject((await readText(join(path, recordFile))) ?? "")?.["status"];
  return isRecord(status) && status["lastSuccess"] !== undefined;
}

async function firstGood(versions: string, numbers: readonly number[]) {
  for (const number of numbers) {
    if ((await faultOf(join(versions, `${number}`))) === undefined) return number;
  }
  return undefined;
}

/** Private keys that every user can read. */
async function checkKeys(path: string, repair: boolean): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const versions = join(path, "versions");
  for (const number of await numbersIn(versions)) {
    const key = join(versions, `${number}`, "privkey.pem");
    const mode = await modeOf(key);
    if (mode === undefined || (mode & 0o007) === 0) continue;
    const fault = `its mode is 0${(mode & 0o777).toString(8)}: every user may read it`;
    if (repair) {
      await attempt("protect", key, () => chmod(key, mode & 0o770));
    }
    const result = repair
      ? { done: "made private" }
      : { remedy: `chmod o= ${quotedWord(key)}`, repairable: true };
    findings.push({ where: key, fault, ...result });
  }
  return findings;
}

/** Accounts, records and journals that cannot be read have no repair but a backup. */
async function unreadable(
  { root }: Folder,
  { accounts, certificates, journal }: Parts,
  known: readonly Finding[],
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const look = async (where: string, read: () => Promise<unknown>) => {
    try {
      await read();
    } catch (error) {
      if (!Problem.is(error)) throw error;
      const { message: fault, hint: remedy } = error;
      if (!known.some((one) => one.fault === fault)) findings.push({ where, fault, remedy });
    }
  };
  await look("accounts", () => accounts.list());
  for (const name of await certificates.names()) {
    const path = join(root, "certificates", certificateFolderName(name));
    const isMisplaced = known.some(({ where, done }) => where === path && done === undefined);
    if (!isMisplaced) await look(name, () => certificates.read(name));
  }
  for (const name of await journal.names())
    await look(`the journal of ${name}`, () => journal.read(name));
  return findings;
}

/** Broken files that a run moved aside. Where the good file is missing and needed, reading fails and `unreadable` says so. */
async function movedAside({ root }: Folder): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const entries = await ifPresent(() => readdir(root, { recursive: true, withFileTypes: true }));
  for (const { name, parentPath } of entries ?? []) {
    const original = join(parentPath, name.slice(0, name.indexOf(asideMark)));
    if (!name.includes(asideMark) || !/\d{8}T\d+Z$/.test(name)) continue;
    const isReplaced = (await modeOf(original)) !== undefined;
    const isReported = [recordFile, "account.json", "key.pem"].includes(basename(original));
    if (isReported && !isReplaced) continue;
    const remedy =
      parentPath === join(root, "pending")
        ? journalRemedy
        : isReplaced
          ? `${basename(original)} is in its place again: delete this file.`
          : `Repair it and move it back to ${original}, or restore a backup; to go on without it, delete it.`;
    const fault = "it was broken, and a run moved it aside";
    findings.push({ where: join(parentPath, name), fault, remedy });
  }
  return findings;
}

async function leftovers({ root, clock }: Folder, repair: boolean): Promise<readonly Finding[]> {
  const found = await leftoversIn(root, clock);
  if (repair) await removeLeftovers(root, clock);
  const result = repair
    ? { done: "removed" }
    : { remedy: "Run acmectl state check --repair.", repairable: true };
  return found.map((where) => ({ where, fault: "a killed run left it behind", ...result }));
}

async function modeOf(path: string): Promise<number | undefined> {
  return (await ifPresent(() => stat(path)))?.mode;
}
