/** Reads TSIG keys: from three options, one line, or a key file. */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { Problem } from "acmectl/plugin";
import { plainName, systemReason } from "acmectl/plugin/http";
import { algorithms } from "./tsig.ts";
import type { Algorithm, TsigKey } from "./tsig.ts";

export interface KeyOptions {
  readonly tsigKey: string | undefined;
  readonly tsigKeyName: string | undefined;
  readonly tsigSecret: string | undefined;
  readonly tsigAlgorithm: string | undefined;
  readonly tsigFile: string | undefined;
}

/** The key from the options; undefined if none is set. Half a key, or two, is a Problem. */
export async function keyFrom(options: KeyOptions): Promise<TsigKey | undefined> {
  const { tsigKey, tsigKeyName, tsigSecret, tsigFile } = options;
  const ways = Object.entries({ tsigKey, tsigSecret, tsigFile }).flatMap(([name, value]) =>
    value === undefined ? [] : [name],
  );
  if (ways.length > 1) throw wrong(`${ways.join(" and ")} are both set.`, "Remove one of them.");
  if (tsigKey !== undefined) return parseKey(tsigKey, "the option tsigKey", options);
  if (tsigFile !== undefined)
    return parseKey(await readKeyFile(tsigFile), `the key file ${tsigFile}`, options, tsigFile);
  if (tsigSecret !== undefined && tsigKeyName !== undefined)
    return makeKey(tsigKeyName, options.tsigAlgorithm, tsigSecret, "the option tsigSecret");
  if (tsigSecret !== undefined)
    throw wrong("tsigSecret is set without tsigKeyName.", "Set tsigKeyName to the key's name.");
  if (tsigKeyName === undefined) return undefined;
  throw wrong(
    `tsigKeyName is ${tsigKeyName}, but its secret is not set.`,
    "Set tsigSecret, or tsigFile to the key file from tsig-keygen.",
  );
}

async function readKeyFile(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new Problem("machine", {
      detail: `Cannot read the TSIG key file ${file}: ${systemReason(error)}.`,
      hint: "Check the path, and that this user can read the file.",
      cause: error,
    });
  }
}

/** A key as it is written somewhere; what is missing there is undefined. */
interface WrittenKey {
  readonly name: string | undefined;
  readonly algorithm: string | undefined;
  readonly secret: string | undefined;
}

/** The key in a text, in any of the formats of key files, or as `[ALGORITHM:]NAME:SECRET`. `file` may have its name. */
function parseKey(text: string, source: string, options: KeyOptions, file = ""): TsigKey {
  const keys = keysIn(text.replace(/^\uFEFF/, "").replaceAll("\r\n", "\n"), file);
  const { name, algorithm, secret } = choose(keys, source, options.tsigKeyName);
  if (name === undefined || secret === undefined) throw unreadable(source);
  return makeKey(name, algorithm ?? options.tsigAlgorithm, secret, source);
}

function keysIn(text: string, file: string): readonly WrittenKey[] {
  if (text.includes("{")) return keyClauses(text);
  if (/^Private-key-format:/m.test(text)) return [privateKeyFile(text, file)];
  if (/^\s*key:\s*(?:#.*)?$/m.test(text)) return yamlKeys(text);
  const records = [
    ...text.matchAll(/^([^\s;]+)\s+(?:\d+\s+)?IN\s+KEY\s+\d+\s+3\s+(\d+)\s+([^;\n]+)/gim),
  ];
  if (records.length > 0)
    return records.map(([, name, number = "", secret]) => {
      return { name, algorithm: algorithmNumbers[number] ?? number, secret };
    });
  const lines = [...text.matchAll(/^\s*key\s+(?:([\w.-]+):)?([^\s:]+)\s+(\S+)\s*$/gm)];
  if (lines.length > 0)
    return lines.map(([, algorithm, name, secret]) => ({ name, algorithm, secret }));
  const parts = text.trim().split(":");
  const [secret, name, algorithm] = parts.toReversed();
  return parts.length === 2 || parts.length === 3 ? [{ name, algorithm, secret }] : [];
}

/** `key "name" { algorithm …; secret "…"; };` of BIND and tsig-keygen. */
function keyClauses(text: string): readonly WrittenKey[] {
  // Base64 may have two slashes, so a quoted string is not a comment.
  const plain = text.replaceAll(/"[^"]*"|\/\*[\s\S]*?\*\/|(?:\/\/|#).*$/gm, (part) =>
    part.startsWith('"') ? part : "",
  );
  return [...plain.matchAll(/\bkey\s+"?([^\s"{]+)"?\s*\{([^}]*)\}/g)].map(
    ([, name, body = ""]) => ({
      name,
      algorithm: /\balgorithm\s*=?\s*"?([\w.-]+)"?\s*;/.exec(body)?.[1],
      secret: /\bsecret\s+"?([^";\s]+)"?\s*;/.exec(body)?.[1],
    }),
  );
}

/** `K<name>.+163+12345.private` of dnssec-keygen and ldns-keygen, which has the name only in its file name. */
function privateKeyFile(text: string, file: string): WrittenKey {
  const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, "m").exec(text)?.[1]?.trim();
  const [, number = "", word] = /^(\d+)\s*(?:\((.*)\))?$/.exec(field("Algorithm") ?? "") ?? [];
  const [, name] = /^K(.+)\.\+\d{3}\+\d{5}\.private$/.exec(basename(file)) ?? [];
  return { name, algorithm: word ?? algorithmNumbers[number] ?? number, secret: field("Key") };
}

/** As BIND and ldns number HMACs in KEY records and private key files. */
const algorithmNumbers: Readonly<Record<string, string>> = {
  157: "hmac-md5",
  158: "hmac-sha1",
  159: "hmac-sha256",
  161: "hmac-sha1",
  162: "hmac-sha224",
  163: "hmac-sha256",
  164: "hmac-sha384",
  165: "hmac-sha512",
};

/** The `key:` sections of Knot (`keymgr -t`), where each key begins with `- id:`, and of NSD, one per key with `name:`. */
function yamlKeys(text: string): readonly WrittenKey[] {
  const keys: Record<string, string>[] = [];
  let inKeys = false;
  for (const line of text.split("\n")) {
    const [, item, field, raw = ""] = /^\s*(-\s+)?([\w-]+):\s*(.*?)\s*$/.exec(line) ?? [];
    if (field === undefined) continue;
    const value = /^"[^"]*"|^[^\s#]+/.exec(raw)?.[0].replaceAll('"', "");
    if (value === undefined) inKeys = field === "key";
    if (!inKeys) continue;
    if (value === undefined || item !== undefined) keys.push({});
    Object.assign(keys.at(-1) ?? {}, { [field]: value });
  }
  const named = keys.filter(({ id, name }) => id !== undefined || name !== undefined);
  return named.map(({ id, name, algorithm, secret }) => ({ name: id ?? name, algorithm, secret }));
}

/** The key named `wanted`, or the only one. A key file without a name takes the wanted one. */
function choose(
  keys: readonly WrittenKey[],
  source: string,
  wanted: string | undefined,
): WrittenKey {
  const [only, second] = keys;
  if (only !== undefined && only.name === undefined && second === undefined)
    return { ...only, name: wanted };
  const [key, ...more] = keys.filter(
    ({ name = "" }) => wanted === undefined || plainName(name) === plainName(wanted),
  );
  const names = keys.map(({ name }) => name).join(", ");
  if (more.length > 0)
    throw wrong(`There are several keys in ${source}: ${names}.`, "Choose one with tsigKeyName.");
  if (key !== undefined) return key;
  if (names === "") throw unreadable(source);
  throw wrong(`There is no key ${wanted} in ${source}, only ${names}.`, "Fix tsigKeyName.");
}

function makeKey(
  name: string,
  algorithm: string | undefined,
  secret: string,
  source: string,
): TsigKey {
  const key = plainName(name);
  if (!/^(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/.test(key))
    throw wrong("The name of the TSIG key is not a domain name.", spell);
  const compact = secret.replaceAll(/\s/g, "");
  const bytes = Buffer.from(compact, "base64");
  const base64 = /^[A-Za-z0-9+/]+={0,2}$/.test(compact) && bytes.length > 0;
  if (!base64) throw wrong(`The secret of TSIG key ${key} in ${source} is not Base64.`, spell);
  return { name: key, algorithm: algorithmFrom(algorithm ?? "hmac-sha256"), secret: bytes };
}

/** `hmac-sha256`, `HMAC-SHA256.`, `HMACSHA256`, `hmac-md5.sig-alg.reg.int.` */
function algorithmFrom(text: string): Algorithm {
  const compact = text.toLowerCase().replace(/\.sig-alg\.reg\.int\.?$/, "");
  const letters = compact.replaceAll(/[^a-z0-9]/g, "").replace(/^hmac/, "");
  const known = algorithms.find((name) => name === `hmac-${letters}`);
  if (known !== undefined) return known;
  throw wrong(`The TSIG algorithm ${text} is unknown.`, `Use one of ${algorithms.join(", ")}.`);
}

const spell =
  "Copy name, algorithm and secret from the key clause of the server, as written by tsig-keygen.";

function unreadable(source: string): Problem {
  return wrong(
    `There is no TSIG key in ${source}.`,
    "Use a key file of tsig-keygen, dnssec-keygen, Knot or NSD, or ALGORITHM:NAME:SECRET. For a K*.private file with another name, set tsigKeyName.",
  );
}

function wrong(detail: string, hint: string): Problem {
  return new Problem("config", { detail, hint });
}
