/** A state folder as a test sees it from outside: read synchronously, file by file, and not by acmectl's own store. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { isRecord, parseJson } from "../../../src/json.ts";

export interface StateSeen {
  readonly root: string;
  /** Relative path of every file, folder and link → permission bits; links have 0. */
  readonly modes: ReadonlyMap<string, number>;
  /** Folder of a certificate → the number that `current` points to. */
  readonly current: ReadonlyMap<string, number>;
  /** File in `pending/` → what it holds. */
  readonly pending: ReadonlyMap<string, Pending>;
  /** Folder of a certificate → its last attempt, as JSON. */
  readonly attempts: ReadonlyMap<string, string>;
}

/** The part of an unfinished order that must not be lost. */
export interface Pending extends PendingOrder {
  readonly name: string;
  /** At other CAs of the request. */
  readonly others: readonly PendingOrder[];
  readonly presented: number;
}
export interface PendingOrder {
  readonly directory: string;
  readonly accountId: string;
  readonly requestHash: string;
  readonly orderUrl: string | undefined;
  readonly csr: string | undefined;
  readonly privateKey: string | undefined;
}

/** Empty for a folder that does not exist. */
export function seeState(root: string): StateSeen {
  const modes = new Map<string, number>();
  walk(root, "", modes);
  return {
    root,
    modes,
    current: currentOf(root),
    pending: pendingOf(root),
    attempts: attemptsOf(root),
  };
}

function walk(root: string, below: string, modes: Map<string, number>): void {
  for (const entry of namesIn(join(root, below))) {
    const path = join(below, entry);
    const found = lstatSync(join(root, path), { throwIfNoEntry: false });
    // Removed by a run that works at the same time.
    if (found === undefined) continue;
    modes.set(path, found.isSymbolicLink() ? 0 : found.mode & 0o777);
    if (found.isDirectory()) walk(root, path, modes);
  }
}

function currentOf(root: string): ReadonlyMap<string, number> {
  const found = namesIn(join(root, "certificates")).flatMap((folder) => {
    const target = linkOf(join(root, "certificates", folder, "current"));
    const number = /^versions\/(\d+)$/.exec(target)?.[1];
    return number === undefined ? [] : [[folder, Number(number)] as const];
  });
  return new Map(found);
}

function pendingOf(root: string): ReadonlyMap<string, Pending> {
  const found = namesIn(join(root, "pending")).flatMap((file) => {
    const record = jsonIn(join(root, "pending", file));
    if (record === undefined || !Array.isArray(record["presented"])) return [];
    const others = Array.isArray(record["others"]) ? record["others"].filter(isRecord) : [];
    const pending: Pending = {
      ...orderIn(record),
      name: memberOf(record, "name") ?? "",
      others: others.map(orderIn),
      presented: record["presented"].length,
    };
    return [[file, pending] as const];
  });
  return new Map(found);
}

function orderIn(record: Readonly<Record<string, unknown>>): PendingOrder {
  return {
    directory: memberOf(record, "directory") ?? "",
    accountId: memberOf(record, "accountId") ?? "",
    requestHash: memberOf(record, "requestHash") ?? "",
    orderUrl: memberOf(record, "orderUrl"),
    csr: memberOf(record, "csr"),
    privateKey: memberOf(record, "privateKey"),
  };
}

function memberOf(record: Readonly<Record<string, unknown>>, member: string): string | undefined {
  const value = record[member];
  return typeof value === "string" ? value : undefined;
}

function attemptsOf(root: string): ReadonlyMap<string, string> {
  const found = namesIn(join(root, "certificates")).flatMap((folder) => {
    const { status } = jsonIn(join(root, "certificates", folder, "certificate.json")) ?? {};
    const attempt = isRecord(status) ? status["lastAttempt"] : undefined;
    return attempt === undefined ? [] : [[folder, JSON.stringify(attempt)] as const];
  });
  return new Map(found);
}

/** Why a server could not use what a version has, if so. */
export function faultOfVersion(root: string, folder: string, version: number): string | undefined {
  const path = join(root, "certificates", folder, "versions", `${version}`);
  const files = namesIn(path);
  if (!files.includes("cert.pem")) return "has no cert.pem";
  const suffixes = files.flatMap((file) => /^cert(.*)\.pem$/.exec(file)?.[1] ?? []);
  const faults = suffixes.map((suffix) => faultOfPair(path, files, suffix));
  return faults.find((fault) => fault !== undefined);
}

function faultOfPair(path: string, files: readonly string[], suffix: string): string | undefined {
  const read = (file: string) => readFileSync(join(path, `${file}${suffix}.pem`), "utf8");
  try {
    const [certificate, chain, fullchain] = [read("cert"), read("chain"), read("fullchain")];
    const [leaf, ...others] = blocks(fullchain);
    if (leaf !== blocks(certificate)[0]) return "has a fullchain.pem of another certificate";
    if (others.join() !== blocks(chain).join())
      return "has a chain.pem that is not in fullchain.pem";
    const parsed = new X509Certificate(certificate);
    // A certificate for a CSR has no key here.
    if (!files.includes(`privkey${suffix}.pem`)) return undefined;
    const isPair = parsed.checkPrivateKey(createPrivateKey(read("privkey")));
    return isPair ? undefined : "has the key of another certificate";
  } catch (error) {
    return `cannot be read: ${String(error)}`;
  }
}

function blocks(pem: string): readonly string[] {
  const found = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return found.map((block) => block.replaceAll(/\s/g, ""));
}

/** The facts of a version; empty when there are none. */
export function metaOf(root: string, folder: string, version: number): Record<string, unknown> {
  return jsonIn(join(root, "certificates", folder, "versions", `${version}`, "meta.json")) ?? {};
}

/** The names in what `current` shows. */
export function namesHeld(root: string, folder: string): readonly string[] {
  try {
    const pem = readFileSync(join(root, "certificates", folder, "current", "cert.pem"));
    const names = new X509Certificate(pem).subjectAltName ?? "";
    return names.split(", ").map((name) => name.replace(/^(DNS|IP Address):/, "").toLowerCase());
  } catch {
    return [];
  }
}

/** Every file of the state whose path this is true for, with its text. */
export function textsOf(
  { root, modes }: StateSeen,
  wanted: (path: string) => boolean,
): ReadonlyMap<string, string> {
  const found = [...modes.keys()].filter(wanted).flatMap((path) => {
    const text = textIn(join(root, path));
    return text === undefined ? [] : [[path, text] as const];
  });
  return new Map(found);
}

export function jsonIn(path: string): Record<string, unknown> | undefined {
  const value = parseJson(textIn(path) ?? "");
  return isRecord(value) ? value : undefined;
}

function textIn(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
