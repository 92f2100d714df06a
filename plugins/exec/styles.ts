/** The arguments of a call, by the conventions of the client that the program was written for. */
import { basename, dirname, join } from "node:path";
import { Problem, type Challenge, type ChallengeType } from "acmectl/plugin";

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

/** What a script can answer. */
export type Answerable = Exclude<Challenge, { type: "dns-persist-01" }>;

/** One call of the program. `zone` is undefined if it was not found. */
export interface Task {
  readonly action: Action;
  readonly challenge: Answerable;
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
  assertKnown(style, task.challenge.type);
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

/** What the style's own client calls a program for. */
const typesOf: Readonly<Record<Style, readonly ChallengeType[]>> = {
  lego: ["dns-01"],
  "lego-raw": ["dns-01", "http-01", "tls-alpn-01"],
  certbot: ["dns-01", "http-01"],
  dehydrated: ["dns-01", "http-01", "tls-alpn-01"],
  uacme: ["dns-01", "http-01", "tls-alpn-01"],
  "acme.sh": ["dns-01"],
  template: ["dns-01", "http-01", "tls-alpn-01"],
};

function assertKnown(style: Style, type: ChallengeType): void {
  if (typesOf[style].includes(type)) return;
  const able = styles.filter((one) => typesOf[one].includes(type)).join(", ");
  throw new Problem("config", {
    detail: `The exec solver's style ${style} has no calling convention for ${type}.`,
    hint: `Set style to one that has: ${able}.`,
  });
}

/** What has to be published: a TXT value, the content of a file, or a digest. */
export function responseOf(challenge: Answerable): string {
  if (challenge.type === "dns-01") return challenge.recordValue;
  return challenge.type === "http-01" ? challenge.body : challenge.digest;
}

/** Where: the name of a record, the path of a URL, or the server name of a TLS connection. */
export function placeOf(challenge: Answerable): string {
  if (challenge.type === "dns-01") return challenge.recordName;
  return challenge.type === "http-01" ? challenge.path : challenge.serverName;
}

const argumentsOf: Record<Exclude<Style, "acme.sh" | "template">, (task: Task) => string[]> = {
  lego: ({ action, challenge }) => [action, `${placeOf(challenge)}.`, responseOf(challenge)],
  // A token may begin with a dash.
  "lego-raw": ({ action, challenge: { identifier, token, keyAuthorization } }) => [
    action,
    "--",
    identifier.value,
    token,
    keyAuthorization,
  ],
  certbot: () => [],
  dehydrated: ({ action, challenge }) => [
    action === "present" ? "deploy_challenge" : "clean_challenge",
    challenge.identifier.value,
    challenge.token,
    // As `openssl dgst -c` prints it.
    challenge.type === "tls-alpn-01"
      ? challenge.digest.replaceAll(/..(?!$)/g, "$&:")
      : responseOf(challenge),
  ],
  uacme: ({ action, challenge }) => [
    action === "present" ? "begin" : "done",
    challenge.type,
    challenge.identifier.value,
    challenge.token,
    challenge.type === "tls-alpn-01"
      ? Buffer.from(challenge.digest, "hex").toString("base64url")
      : responseOf(challenge),
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
    fqdn: challenge.type === "dns-01" ? challenge.recordName : undefined,
    path: challenge.type === "http-01" ? challenge.path : undefined,
    value: responseOf(challenge),
    token: challenge.token,
    keyAuth: challenge.keyAuthorization,
    type: challenge.type,
    zone,
  };
  return word.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = Object.hasOwn(known, name) ? known[name] : undefined;
    if (value !== undefined) return value;
    const names = Object.keys(known).map((one) => `{${one}}`);
    throw new Problem("config", {
      detail: whyMissing(name, known, challenge),
      hint: `Use one of ${names.join(", ")}.`,
    });
  });
}

function whyMissing(name: string, known: object, challenge: Challenge): string {
  const command = "The exec solver's command";
  if (!Object.hasOwn(known, name)) return `${command} has an unknown placeholder {${name}}.`;
  return name === "zone" && challenge.type === "dns-01"
    ? `${command} uses {zone}, but the zone of ${challenge.recordName} was not found.`
    : `${command} uses {${name}}, which ${challenge.type} does not have.`;
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
  const values = [placeOf(challenge), responseOf(challenge)];
  return {
    argv: ["sh", "-c", acmeShScript, "sh", acmeSh, path, call, ...values],
    files: [acmeSh, path],
  };
}
