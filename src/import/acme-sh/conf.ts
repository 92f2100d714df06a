/** The files of `KEY='value'` lines that acme.sh writes and sources. They are read here, never run. */
import { unquoted } from "../certbot/ini.ts";
import { readText } from "../files.ts";
import type { FoundOption } from "../found.ts";

export interface Conf {
  readonly file: string;
  readonly values: Readonly<Record<string, string>>;
}

/** Values are decoded where acme.sh has encoded them. */
export function parseConf(text: string, file: string): Conf {
  const values: Record<string, string> = Object.create(null);
  for (const line of text.split(/\r?\n/)) {
    const [, key, raw = ""] = /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined) values[key] = decoded(unquoted(raw));
  }
  return { file, values };
}

export async function readConf(file: string): Promise<Conf> {
  return parseConf((await readText(file)) ?? "", file);
}

/** A value with something in it. */
export function valueIn({ values }: Conf, key: string): string | undefined {
  const value = values[key];
  return value === undefined || value === "" ? undefined : value;
}

/** The value that a DNS script of acme.sh would read: the saved one, in the first of these files that has it. */
export function savedIn(confs: readonly Conf[], name: string): FoundOption | undefined {
  for (const conf of confs) {
    for (const key of [`SAVED_${name}`, name]) {
      const value = valueIn(conf, key);
      if (value !== undefined) {
        return { value, at: { file: conf.file, key, script: scriptFor(key) } };
      }
    }
  }
  return undefined;
}

/** Prints the value of one key, with or without `export` and quotes. */
function scriptFor(key: string): string {
  const blanks = "[[:space:]]*";
  const quote = `["']\\{0,1\\}`;
  return `s/^${blanks}\\(export${blanks}\\)\\{0,1\\}${key}=${quote}\\(.*[^"'[:space:]]\\)${quote}${blanks}$/\\2/p`;
}

function decoded(value: string): string {
  const base64 = /^__ACME_BASE64__START_(.*)__ACME_BASE64__END_$/.exec(value)?.[1];
  return base64 === undefined ? value : Buffer.from(base64, "base64").toString("utf8");
}
