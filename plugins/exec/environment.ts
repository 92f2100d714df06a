/** The variables that a program gets. */
import type { Said } from "./styles.ts";

export interface EnvironmentSettings {
  readonly inherited: Readonly<Record<string, string | undefined>>;
  readonly env: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
  readonly passEnv: readonly string[];
}

/** What certbot tells its hooks beside the challenge. */
export interface Round {
  /** The names of the run, without `*.`. */
  readonly names: readonly string[];
  /** Challenges that are presented after this one. */
  readonly remaining: number;
  /** What the program printed on stdout when it presented. */
  readonly output: string;
}

/** acmectl's own variables stay behind, for there are secrets among them; what the user's shell has goes on. */
export function environmentOf(
  settings: EnvironmentSettings,
  said: Said,
  round: Round,
): Record<string, string | undefined> {
  const { inherited, passEnv, env, secrets } = settings;
  const theirs = Object.entries(inherited).filter(
    ([name]) => !name.startsWith("ACMECTL_") || passEnv.includes(name),
  );
  return {
    ...Object.fromEntries(theirs),
    ...env,
    ...secrets,
    ...told(said),
    ...certbot(said, round),
  };
}

/** Hides what must not be shown of a program's output, which may come a line at a time. */
export function masking(settings: EnvironmentSettings): (text: string) => string {
  const { inherited, passEnv, env, secrets } = settings;
  const known = Object.entries({ ...inherited, ...env }).flatMap(([name, value = ""]) => [
    ...(passEnv.includes(name) || isSecret(name, value) ? [value] : []),
    ...passwordIn(value),
  ]);
  const hidden = [...Object.values(secrets), ...known]
    .flatMap((value) => [value, ...value.split(/\r?\n/)])
    .filter((value) => value.length >= 4)
    .toSorted((a, b) => b.length - a.length);
  const distinct = [...new Set(hidden)];
  return (text) => distinct.reduce((masked, secret) => masked.replaceAll(secret, "***"), text);
}

/** A shorter value is a switch, a number or a word that stands in every other line. */
const shortest = 6;

function isSecret(name: string, value: string): boolean {
  return value.length >= shortest && sensitive.some((pattern) => pattern.test(name));
}

/** As acme.sh, lego, database programs and CI systems call theirs. */
const sensitive = [
  /TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|API_?KEY|AUTH_?DATA|COOKIE/i,
  /(?:KEY|PASS|AUTH|BEARER|HMAC)\d*$/i,
  /(?:^|_)(?:PAT|PSK|PIN|PW)\d*$/i,
  // The shell's own two are folders.
  /^(?!(?:OLD)?PWD$).*PWD\d*$/i,
  /^OVH_(?:AK|AS|CK)$/,
];

/** That of `postgres://user:password@host`, of a proxy and the like, as it stands there. */
function passwordIn(value: string): readonly string[] {
  const [, password] = /^[\w+.-]+:\/\/[^/:@\s]*:([^/\s]+)@/.exec(value) ?? [];
  return password === undefined || password.length < shortest ? [] : [password];
}

function told({ action, challenge, zone }: Said): Record<string, string> {
  return {
    ACMECTL_ACTION: action,
    ACMECTL_TYPE: challenge.type,
    ACMECTL_DOMAIN: challenge.identifier.value,
    ACMECTL_FQDN: challenge.recordName,
    ACMECTL_VALUE: challenge.recordValue,
    ACMECTL_TOKEN: challenge.token,
    ACMECTL_KEY_AUTH: challenge.keyAuthorization,
    ACMECTL_ZONE: zone ?? "",
  };
}

function certbot(
  { action, challenge: { identifier, recordValue } }: Said,
  { names, remaining, output }: Round,
): Record<string, string> {
  const all = names.includes(identifier.value) ? names : [identifier.value];
  return {
    CERTBOT_DOMAIN: identifier.value,
    CERTBOT_IDENTIFIER: identifier.value,
    CERTBOT_VALIDATION: recordValue,
    CERTBOT_REMAINING_CHALLENGES: String(remaining),
    CERTBOT_ALL_DOMAINS: all.join(","),
    CERTBOT_ALL_IDENTIFIERS: all.join(","),
    ...(action === "cleanup" ? { CERTBOT_AUTH_OUTPUT: output } : {}),
  };
}
