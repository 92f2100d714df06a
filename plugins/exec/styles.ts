/** The arguments of a call, by the conventions of the client that the program was written for. */
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

/** One call of the program. `zone` is undefined if it was not found. */
export interface Task {
  readonly action: Action;
  readonly challenge: Dns01Challenge;
  readonly zone: string | undefined;
}

/** A program with its arguments, and the files that it reads. */
export interface Invocation {
  readonly argv: readonly [program: string, ...args: string[]];
  readonly files: readonly string[];
}

/** Throws a Problem of kind `config` if the settings do not fit together. */
export function invocationOf(settings: StyleSettings, task: Task): Invocation {
  const { style, shell } = settings;
  const words = task.action === "present" ? settings.command : settings.cleanupCommand;
  if (style === "acme.sh") return acmeShInvocation(settings, words, task);
  const { program, args } =
    style === "template"
      ? { program: template(words, task, shell), args: [] }
      : { program: words, args: argumentsOf[style](task) };
  if (shell) {
    // The shell parses only what the user wrote. What comes from the CA is passed as "$@".
    const line = args.length === 0 ? program.join(" ") : `${program.join(" ")} "$@"`;
    return { argv: ["sh", "-c", line, "sh", ...args], files: [] };
  }
  const [first = "", ...before] = program;
  return { argv: [first, ...before, ...args], files: [] };
}

/** True if the program gets the domain and derives the record name from it. */
export function derivesName(style: Style): boolean {
  return ["lego-raw", "certbot", "dehydrated", "uacme"].includes(style);
}

const argumentsOf: Record<Exclude<Style, "acme.sh" | "template">, (task: Task) => string[]> = {
  lego: ({ action, challenge }) => [action, `${challenge.recordName}.`, challenge.recordValue],
  // A token may begin with a dash.
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

function template(words: readonly string[], task: Task, shell: boolean): readonly string[] {
  if (!shell) return words.map((word) => fill(word, task));
  if (!words.some((word) => /\{\w+\}/.test(word.replaceAll(/\$\{\w+\}/g, "")))) return words;
  throw new Problem("config", {
    detail:
      "The exec solver's template cannot have placeholders together with `shell`: sh would parse their values.",
    hint: 'Use the quoted variables instead: "$ACMECTL_FQDN", "$ACMECTL_VALUE", "$ACMECTL_ACTION"; or remove `shell`.',
  });
}

function fill(word: string, { action, challenge, zone }: Task): string {
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
        ? `The exec solver's command uses {${name}}, but the zone of ${challenge.recordName} was not found.`
        : `The exec solver's command has an unknown placeholder {${name}}.`,
      hint: `Use one of ${Object.keys(known)
        .map((one) => `{${one}}`)
        .join(", ")}.`,
    });
  });
}

/** `set --`, since acme.sh would take our arguments as its own. */
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
  { action, challenge }: Task,
): Invocation {
  const name = basename(script, ".sh");
  if (!/^dns_\w+$/.test(name) || more.length > 0)
    throw new Problem("config", {
      detail: `The exec solver's command ${JSON.stringify([script, ...more].join(" "))} is not a dnsapi script of acme.sh.`,
      hint: "Give only its name (dns_cf) or its path (/root/.acme.sh/dnsapi/dns_cf.sh).",
    });
  if (acmeSh === undefined)
    throw new Problem("config", {
      detail: "A dnsapi script needs the functions of acme.sh, but acmeSh is not set.",
      hint: "Set acmeSh to the path of acme.sh, such as /root/.acme.sh/acme.sh.",
    });
  const path = script.includes("/") ? script : join(dirname(acmeSh), "dnsapi", `${name}.sh`);
  const call = `${name}_${action === "present" ? "add" : "rm"}`;
  const { recordName, recordValue } = challenge;
  return {
    argv: ["sh", "-c", acmeShScript, "sh", acmeSh, path, call, recordName, recordValue],
    files: [acmeSh, path],
  };
}
