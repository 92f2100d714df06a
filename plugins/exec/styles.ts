/** What a program expects to be called with, by whose conventions. */
import { basename, dirname, join } from "node:path";
import { Problem, type Dns01Challenge } from "acmectl/plugin";

export const styles = [
  "lego",
  "lego-raw",
  "certbot",
  "dehydrated",
  "uacme",
  "acme.sh",
  "template",
] as const;
export type Style = (typeof styles)[number];
export type Action = "present" | "cleanup";

export interface StyleSettings {
  readonly style: Style;
  readonly command: readonly string[];
  readonly cleanupCommand: readonly string[];
  readonly shell: boolean;
  readonly acmeSh: string | undefined;
}

/** What one call says; `zone` where it is known. */
export interface Said {
  readonly action: Action;
  readonly challenge: Dns01Challenge;
  readonly zone: string | undefined;
}

/** A program and its arguments, and the files that have to be there. */
export interface Invocation {
  readonly argv: readonly [program: string, ...args: string[]];
  readonly files: readonly string[];
}

/** Throws a Problem of kind `config` where the settings do not fit together. */
export function invocationOf(settings: StyleSettings, said: Said): Invocation {
  const { style, shell } = settings;
  const words = said.action === "present" ? settings.command : settings.cleanupCommand;
  if (style === "acme.sh") return acmeShInvocation(settings, words, said);
  const { program, args } =
    style === "template"
      ? { program: template(words, said, shell), args: [] }
      : { program: words, args: argumentsOf[style](said) };
  if (shell) {
    // The shell reads what the user wrote, and never what a CA or a name brings: that comes as "$@".
    const line = args.length === 0 ? program.join(" ") : `${program.join(" ")} "$@"`;
    return { argv: ["sh", "-c", line, "sh", ...args], files: [] };
  }
  const [first = "", ...before] = program;
  return { argv: [first, ...before, ...args], files: [] };
}

/** True where the program learns the name of the record only from `ACMECTL_FQDN`, and else makes it from the domain. */
export function guessesName(style: Style): boolean {
  return ["lego-raw", "certbot", "dehydrated", "uacme"].includes(style);
}

const argumentsOf: Record<Exclude<Style, "acme.sh" | "template">, (said: Said) => string[]> = {
  lego: ({ action, challenge }) => [action, `${challenge.recordName}.`, challenge.recordValue],
  // `--`, since a token may begin with a dash.
  "lego-raw": ({ action, challenge: { identifier, token, keyAuthorization } }) => [
    action,
    "--",
    identifier.value,
    token,
    keyAuthorization,
  ],
  certbot: () => [],
  dehydrated: ({ action, challenge: { identifier, token, recordValue } }) => [
    action === "present" ? "deploy_challenge" : "clean_challenge",
    identifier.value,
    token,
    recordValue,
  ],
  uacme: ({ action, challenge: { type, identifier, token, recordValue } }) => [
    action === "present" ? "begin" : "done",
    type,
    identifier.value,
    token,
    recordValue,
  ],
};

function template(words: readonly string[], said: Said, shell: boolean): readonly string[] {
  if (!shell) return words.map((word) => fill(word, said));
  if (!words.some((word) => /\{\w+\}/.test(word.replaceAll(/\$\{\w+\}/g, "")))) return words;
  throw new Problem("config", {
    detail:
      "The exec solver's template would be read by a shell after its placeholders were filled in.",
    hint: 'Use the variables instead, quoted: "$ACMECTL_FQDN", "$ACMECTL_VALUE", "$ACMECTL_ACTION"; or drop `shell`.',
  });
}

function fill(word: string, { action, challenge, zone }: Said): string {
  const known: Readonly<Record<string, string | undefined>> = {
    action,
    domain: challenge.identifier.value,
    fqdn: challenge.recordName,
    value: challenge.recordValue,
    token: challenge.token,
    keyAuth: challenge.keyAuthorization,
    type: challenge.type,
    zone,
  };
  return word.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = Object.hasOwn(known, name) ? known[name] : undefined;
    if (value !== undefined) return value;
    throw new Problem("config", {
      detail: Object.hasOwn(known, name)
        ? `The zone of ${challenge.recordName} could not be found, and the exec solver's command asks for {${name}}.`
        : `The exec solver's command has the placeholder {${name}}, which means nothing.`,
      hint: `There are ${Object.keys(known)
        .map((one) => `{${one}}`)
        .join(", ")}.`,
    });
  });
}

/** `set --` before acme.sh is read: it takes arguments for its own. */
const acmeShScript = `
acmesh=$1 script=$2 call=$3 name=$4 value=$5
set --
export LE_WORKING_DIR="\${LE_WORKING_DIR:-$(dirname "$acmesh")}"
. "$acmesh" >/dev/null || exit 1
if command -v _initpath >/dev/null; then _initpath >/dev/null; fi
. "$script" || exit 1
"$call" "$name" "$value"
`;

function acmeShInvocation(
  { acmeSh }: StyleSettings,
  [script = "", ...more]: readonly string[],
  { action, challenge }: Said,
): Invocation {
  const name = basename(script, ".sh");
  if (!/^dns_\w+$/.test(name) || more.length > 0) {
    throw new Problem("config", {
      detail: `The exec solver's command ${JSON.stringify([script, ...more].join(" "))} is no dnsapi script of acme.sh.`,
      hint: "Give its name, e.g. dns_cf, or its path, e.g. /root/.acme.sh/dnsapi/dns_cf.sh, and nothing more.",
    });
  }
  if (acmeSh === undefined) {
    throw new Problem("config", {
      detail:
        "A dnsapi script needs the functions of acme.sh, and the exec solver is not told where that is.",
      hint: "Set acmeSh to the file, e.g. /root/.acme.sh/acme.sh.",
    });
  }
  const path = script.includes("/") ? script : join(dirname(acmeSh), "dnsapi", `${name}.sh`);
  const call = `${name}_${action === "present" ? "add" : "rm"}`;
  const { recordName, recordValue } = challenge;
  return {
    argv: ["sh", "-c", acmeShScript, "sh", acmeSh, path, call, recordName, recordValue],
    files: [acmeSh, path],
  };
}
