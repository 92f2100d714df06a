import * as x509 from "@peculiar/x509";
import { createPrivateKey, KeyObject, randomBytes } from "node:crypto";
import { chmod, link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createAuthority, p256, type Authority, type CaPair } from "./authority.ts";
import { codeOf } from "../../errors.ts";
import { isRecord } from "../../json.ts";
import { UnreadableAuthority } from "./unreadable.ts";

/**
 * Loads the authority from `folder`, or creates one there: `authority.json` (0600) has the keys, `root.pem` is
 * the trust anchor. Two processes that start at once use the same authority. Rejects with `UnreadableAuthority`, or as the
 * file system does.
 */
export async function openAuthority(folder: string, now: Date): Promise<Authority> {
  await makeFolder(folder);
  const file = join(folder, "authority.json");
  const text = (await readIfThere(file)) ?? (await create(file, now));
  const authority = parse(text, file);
  await keepRoot(join(folder, "root.pem"), `${authority.root.certificate.toString("pem")}\n`);
  return authority;
}

/** 0700 regardless of the umask, also each folder above that is created. */
async function makeFolder(folder: string): Promise<void> {
  try {
    await makeOne(folder);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
    await makeFolder(dirname(folder));
    await makeOne(folder);
  }
}

async function makeOne(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 });
    await chmod(folder, 0o700);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  }
}

async function keepRoot(file: string, pem: string): Promise<void> {
  if ((await readIfThere(file)) === pem) return;
  await rename(await writeDraft(file, pem), file);
}

/** A new file beside `file`, 0600 regardless of the umask. */
async function writeDraft(file: string, text: string): Promise<string> {
  const draft = `${file}.${randomBytes(6).toString("hex")}`;
  await writeFile(draft, text, { mode: 0o600, flag: "wx" });
  await chmod(draft, 0o600);
  return draft;
}

async function create(file: string, now: Date): Promise<string> {
  const text = serialize(await createAuthority(now));
  const draft = await writeDraft(file, text);
  try {
    await link(draft, file);
    return text;
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
    return await readFile(file, "utf8");
  } finally {
    await rm(draft, { force: true });
  }
}

function serialize({ root, issuing, alternateRoot, alternateIssuing }: Authority): string {
  const stored = {
    root: pairOf(root),
    issuing: pairOf(issuing),
    alternateRoot: pairOf(alternateRoot),
    alternateIssuing: alternateIssuing.toString("pem"),
  };
  return `${JSON.stringify(stored, undefined, 2)}\n`;
}

function pairOf({ certificate, key }: CaPair) {
  const pkcs8 = KeyObject.from(key).export({ type: "pkcs8", format: "pem" });
  return { certificate: certificate.toString("pem"), key: pkcs8 };
}

function parse(text: string, file: string): Authority {
  try {
    const stored: unknown = JSON.parse(text);
    if (!isRecord(stored)) throw new Error("it is not a JSON object");
    return {
      root: parsePair(stored["root"]),
      issuing: parsePair(stored["issuing"]),
      alternateRoot: parsePair(stored["alternateRoot"]),
      alternateIssuing: new x509.X509Certificate(String(stored["alternateIssuing"])),
    };
  } catch (cause) {
    throw new UnreadableAuthority(file, cause);
  }
}

function parsePair(stored: unknown): CaPair {
  if (!isRecord(stored)) throw new Error("a certificate and its key are missing");
  return {
    certificate: new x509.X509Certificate(String(stored["certificate"])),
    key: createPrivateKey(String(stored["key"])).toCryptoKey(p256, true, ["sign"]),
  };
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
