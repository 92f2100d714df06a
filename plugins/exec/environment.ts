/** The environment of the program, and the secrets in it to mask. */
import { openMask } from "acmectl/plugin/http";
import { responseOf, type Task } from "./styles.ts";

export interface EnvironmentSettings {
  readonly inherited: Readonly<Record<string, string | undefined>>;
  readonly env: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
  readonly passEnv: readonly string[];
}

/** What certbot passes to its hooks besides the challenge. */
export interface Round {
  /** The names of the run, without `*.`. */
  readonly names: readonly string[];
  /** Number of challenges still to present after this one. */
  readonly remaining: number;
  /** What the program printed on stdout when it presented. */
  readonly output: string;
}

/** The inherited environment without acmectl's own variables, which may hold secrets. */
export function environmentOf(
  settings: EnvironmentSettings,
  task: Task,
  round: Round,
): Record<string, string | undefined> {
  const { inherited, passEnv, env, secrets } = settings;
  const theirs = Object.entries(inherited).filter(
    ([name]) => !name.startsWith("ACMECTL_") || passEnv.includes(name),
  );
  return {
    ...Object.fromEntries(theirs),
    // As in certbot, which removes what an outer run has set.
    CERTBOT_TOKEN: undefined,
    CERTBOT_AUTH_OUTPUT: undefined,
    ...env,
    ...secrets,
    ...own(task),
    ...certbot(task, round),
  };
}

/** Masks the secrets in one line of output. */
export function masking(settings: EnvironmentSettings): (text: string) => string {
  const { inherited, passEnv, env, secrets } = settings;
  const known = Object.entries({ ...inherited, ...env }).flatMap(([name, value = ""]) => [
    ...(passEnv.includes(name) || isSecret(name, value) ? [value] : []),
    ...passwordIn(value),
  ]);
  const mask = openMask();
  for (const value of [...Object.values(secrets), ...known])
    for (const form of [value, ...value.split(/\r?\n/)]) mask.add(form);
  return mask.text;
}

/** Shorter values are switches, numbers and common words. */
const shortest = 6;

function isSecret(name: string, value: string): boolean {
  return value.length >= shortest && sensitive.some((pattern) => pattern.test(name));
}

/** Names that acme.sh, lego, database programs and CI systems use for secrets. */
const sensitive = [
  /TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|API_?KEY|AUTH_?DATA|COOKIE/i,
  /(?:KEY|PASS|AUTH|BEARER|HMAC)\d*$/i,
  /(?:^|_)(?:PAT|PSK|PIN|PW)\d*$/i,
  // PWD and OLDPWD of the shell are folders.
  /^(?!(?:OLD)?PWD$).*PWD\d*$/i,
  /^OVH_(?:AK|AS|CK)$/,
];

/** The password in a URL such as `postgres://user:password@host`, as written there. */
function passwordIn(value: string): readonly string[] {
  const [, password] = /^[\w+.-]+:\/\/[^/:@\s]*:([^/\s]+)@/.exec(value) ?? [];
  return password === undefined || password.length < shortest ? [] : [password];
}

function own({ action, challenge, zone }: Task): Record<string, string> {
  return {
    ACMECTL_ACTION: action,
    ACMECTL_TYPE: challenge.type,
    ACMECTL_DOMAIN: challenge.identifier.value,
    ACMECTL_FQDN: challenge.type === "dns-01" ? challenge.recordName : "",
    ACMECTL_PATH: challenge.type === "http-01" ? challenge.path : "",
    ACMECTL_SERVER_NAME: challenge.type === "tls-alpn-01" ? challenge.serverName : "",
    ACMECTL_VALUE: responseOf(challenge),
    ACMECTL_TOKEN: challenge.token,
    ACMECTL_KEY_AUTH: challenge.keyAuthorization,
    ACMECTL_ZONE: zone ?? "",
  };
}

function certbot(
  { action, challenge }: Task,
  { names, remaining, output }: Round,
): Record<string, string> {
  const { identifier, type, token } = challenge;
  const all = names.includes(identifier.value) ? names : [identifier.value];
  return {
    CERTBOT_DOMAIN: identifier.value,
    CERTBOT_IDENTIFIER: identifier.value,
    CERTBOT_VALIDATION: responseOf(challenge),
    ...(type === "http-01" ? { CERTBOT_TOKEN: token } : {}),
    CERTBOT_REMAINING_CHALLENGES: String(remaining),
    CERTBOT_ALL_DOMAINS: all.join(","),
    CERTBOT_ALL_IDENTIFIERS: all.join(","),
    ...(action === "cleanup" ? { CERTBOT_AUTH_OUTPUT: output } : {}),
  };
}
