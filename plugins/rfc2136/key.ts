/** Reads TSIG keys: from three options, one line, or a key file. */
import { readFile } from "node:fs/promises";
import { Problem } from "acmectl/plugin";
import { systemReason } from "acmectl/plugin/http";
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
  if (tsigFile !== undefined) {
    return parseKey(await readKeyFile(tsigFile), `the key file ${tsigFile}`, options);
  }
  if (tsigSecret !== undefined && tsigKeyName !== undefined) {
    return makeKey(tsigKeyName, options.tsigAlgorithm, tsigSecret, "the option tsigSecret");
  }
  if (tsigSecret !== undefined) {
    throw wrong(
      "tsigSecret is set without tsigKeyName.",
      "Set tsigKeyName to the name of the key.",
    );
  }
  if (tsigKeyName !== undefined) {
    throw wrong(
      `tsigKeyName is ${tsigKeyName}, but its secret is not set.`,
      "Set tsigSecret, or tsigFile to the key file from tsig-keygen.",
    );
  }
  return undefined;
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

/** `[ALGORITHM:]NAME:SECRET` as for `nsupdate -y`, or the text of a key file. */
function parseKey(text: string, source: string, options: KeyOptions): TsigKey {
  if (text.includes("{")) return keyInFile(text, source, options.tsigKeyName);
  const parts = text.trim().split(":");
  const [secret = "", name = "", algorithm] = parts.toReversed();
  if (parts.length < 2 || parts.length > 3) throw unreadable(source);
  return makeKey(name, algorithm ?? options.tsigAlgorithm, secret, source);
}

function keyInFile(text: string, source: string, wanted: string | undefined): TsigKey {
  // Base64 may have two slashes, so a quoted string is not a comment.
  const plain = text.replaceAll(/"[^"]*"|\/\*[\s\S]*?\*\/|(?:\/\/|#).*$/gm, (part) =>
    part.startsWith('"') ? part : "",
  );
  const keys = [...plain.matchAll(/\bkey\s+"?([^\s"{]+)"?\s*\{([^}]*)\}/g)].map(
    ([, name = "", body = ""]) => ({
      name,
      algorithm: /\balgorithm\s+"?([\w.-]+)"?\s*;/.exec(body)?.[1],
      secret: /\bsecret\s+"?([^";\s]+)"?\s*;/.exec(body)?.[1],
    }),
  );
  const named = keys.filter(
    ({ name }) => wanted === undefined || plainName(name) === plainName(wanted),
  );
  const [key, ...more] = named;
  if (key === undefined && wanted !== undefined && keys.length > 0) {
    const names = keys.map(({ name }) => name).join(", ");
    throw wrong(`There is no key ${wanted} in ${source}, only ${names}.`, "Fix tsigKeyName.");
  }
  if (more.length > 0) {
    const names = named.map(({ name }) => name).join(", ");
    throw wrong(`There are several keys in ${source}: ${names}.`, "Choose one with tsigKeyName.");
  }
  if (key?.secret === undefined) throw unreadable(source);
  return makeKey(key.name, key.algorithm, key.secret, source);
}

function makeKey(
  name: string,
  algorithm: string | undefined,
  secret: string,
  source: string,
): TsigKey {
  const key = plainName(name);
  if (!/^[a-z0-9_.-]{1,253}$/.test(key))
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
  const known = `hmac-${letters}`;
  if (isAlgorithm(known)) return known;
  const all = Object.keys(algorithms).join(", ");
  throw wrong(`The TSIG algorithm ${text} is unknown.`, `Use one of ${all}.`);
}

function isAlgorithm(text: string): text is Algorithm {
  return Object.hasOwn(algorithms, text);
}

const plainName = (name: string) => name.toLowerCase().replace(/\.$/, "");
const spell =
  "Copy name, algorithm and secret from the key clause of the server, as written by tsig-keygen.";

function unreadable(source: string): Problem {
  return wrong(
    `There is no TSIG key in ${source}.`,
    'Use the output of tsig-keygen, key "name" { algorithm hmac-sha256; secret "…"; };, or ALGORITHM:NAME:SECRET.',
  );
}

function wrong(detail: string, hint: string): Problem {
  return new Problem("config", { detail, hint });
}
