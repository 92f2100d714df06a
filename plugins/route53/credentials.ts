/** Which credentials the options ask for, and why the SDK found none: it has the same sentence for every cause. */
import { readFile } from "node:fs/promises";
import { devNull, homedir } from "node:os";
import { join } from "node:path";
import { env } from "node:process";
import { misconfigured } from "acmectl/plugin/http";

export type Keys = NonNullable<ReturnType<typeof keysOf>>;

/** The options about credentials. */
export interface Asked {
  readonly accessKeyId: string | undefined;
  readonly secretAccessKey: string | undefined;
  readonly sessionToken: string | undefined;
  readonly profile: string | undefined;
  readonly assumeRoleArn: string | undefined;
  readonly externalId: string | undefined;
}

/** The keys of the options, if there are any. */
export function keysOf(options: Asked) {
  const { accessKeyId, secretAccessKey, sessionToken } = options;
  needs(options, "externalId", "assumeRoleArn");
  needs(options, "accessKeyId", "secretAccessKey");
  needs(options, "secretAccessKey", "accessKeyId");
  needs(options, "sessionToken", "accessKeyId");
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  if (options.profile !== undefined)
    throw misconfigured(
      "route53",
      "both profile and accessKeyId are set",
      "Keep one of them: a profile brings its own credentials.",
    );
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}

function needs(options: Asked, one: keyof Asked, other: keyof Asked): void {
  if (options[one] === undefined || options[other] !== undefined) return;
  throw misconfigured(
    "route53",
    `${one} is set without ${other}`,
    `Set ${other} too, or drop ${one}.`,
  );
}

/** Whose credentials they are, as `as access key AKID… (accessKeyId)`; never what is secret of them. */
export function identityOf({ profile, accessKeyId, assumeRoleArn }: Asked): string {
  const found = accessKeyId === undefined ? foundIn(profile) : `access key ${accessKeyId}`;
  return assumeRoleArn === undefined
    ? `as ${found}`
    : `as role ${assumeRoleArn}, assumed by ${found}`;
}

/** In the order of the SDK's chain, which asks the profile alone when one is named. */
function foundIn(asked: string | undefined): string {
  const profile = asked ?? read("AWS_PROFILE");
  if (profile !== undefined) return `profile ${profile}`;
  const key = read("AWS_ACCESS_KEY_ID");
  if (key !== undefined) return `access key ${key} (AWS_ACCESS_KEY_ID)`;
  const role = read("AWS_ROLE_ARN");
  if (role !== undefined) return `role ${role} (AWS_ROLE_ARN)`;
  return "the default profile, or the role of this container or instance";
}

function read(name: string): string | undefined {
  return env[name] === "" ? undefined : env[name];
}

/**
 * Without HOME and without an entry in the password file the SDK fails, even if it needs no file: it looks for the folder
 * whatever the credentials are. On Unix only the SDK reads this variable.
 */
export function replaceHome(): void {
  if (homeFolder() === undefined) env["USERPROFILE"] ||= devNull;
}

function homeFolder(): string | undefined {
  try {
    return homedir();
  } catch {
    return undefined;
  }
}

/** Searches where the SDK's default chain does, in its order. The findings are whole sentences. */
export async function diagnose(asked: Asked) {
  const set = sources.filter((name) => read(name) !== undefined);
  const profile = await findProfile(asked.profile ?? env["AWS_PROFILE"] ?? "default");
  const wanted = asked.profile !== undefined || set.includes("AWS_PROFILE");
  const findings = [
    set.length === 0
      ? "None of AWS's variables is set."
      : `These AWS variables are set: ${set.join(", ")}.`,
    ...halves(set),
    profileText(profile),
    ...(await webIdentity()),
    metadata(set, wanted),
  ];
  return { findings, hint: hintOf(set, wanted && !profile.found, profile) };
}

function profileText({ name, found, files, known }: Profile): string {
  if (found)
    return `Profile "${name}" is in ${files.join(" and ")}, but it does not provide credentials.`;
  if (files.length === 0)
    return `There are no files to look for profile "${name}" in: neither HOME, AWS_CONFIG_FILE nor AWS_SHARED_CREDENTIALS_FILE is set.`;
  const others = known.length === 0 ? "" : ` (there are: ${known.join(", ")})`;
  return `There is no profile "${name}" in ${files.join(" or ")}${others}.`;
}

const sources = [
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "AWS_PROFILE",
  "AWS_CONFIG_FILE",
  "AWS_SHARED_CREDENTIALS_FILE",
  "AWS_WEB_IDENTITY_TOKEN_FILE",
  "AWS_ROLE_ARN",
  "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
  "AWS_CONTAINER_CREDENTIALS_FULL_URI",
  "AWS_EC2_METADATA_DISABLED",
];

function halves(set: readonly string[]): readonly string[] {
  const pairs = [
    ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
    ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"],
  ] as const;
  return pairs.flatMap(([one, other]) => {
    if (set.includes(one) === set.includes(other)) return [];
    const [here, missing] = set.includes(one) ? [one, other] : [other, one];
    return [`${here} is set without ${missing}: each requires the other.`];
  });
}

type Profile = Awaited<ReturnType<typeof findProfile>>;

async function findProfile(name: string) {
  const home = homeFolder();
  const inHome = (file: string) => (home === undefined ? [] : join(home, ".aws", file));
  const files = [
    read("AWS_CONFIG_FILE") ?? inHome("config"),
    read("AWS_SHARED_CREDENTIALS_FILE") ?? inHome("credentials"),
  ].flat();
  const sections = await Promise.all(files.map(profilesIn));
  const holding = files.filter((_, index) => sections[index]?.includes(name));
  return {
    name,
    found: holding.length > 0,
    files: holding.length > 0 ? holding : files,
    known: [...new Set(sections.flat())].slice(0, 20),
  };
}

async function profilesIn(file: string): Promise<readonly string[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  return Array.from(
    text.matchAll(/^\s*\[\s*(?:profile\s+)?["']?([^\]"']+?)["']?\s*\]/gm),
    (match) => match[1] ?? "",
  );
}

async function webIdentity(): Promise<readonly string[]> {
  const file = env["AWS_WEB_IDENTITY_TOKEN_FILE"];
  if (file === undefined) return [];
  const text = await readFile(file).catch(() => undefined);
  return text === undefined ? [`The web identity token file ${file} cannot be read.`] : [];
}

function metadata(set: readonly string[], wanted: boolean): string {
  if (env["AWS_EC2_METADATA_DISABLED"]?.toLowerCase() === "true")
    return "The instance metadata service was not asked, because AWS_EC2_METADATA_DISABLED is true.";
  if (wanted) return "The instance metadata service was not asked, because a profile was given.";
  return set.some((name) => name.startsWith("AWS_CONTAINER_CREDENTIALS_"))
    ? "The container's credential endpoint returned none."
    : "The instance metadata service (169.254.169.254) returned none.";
}

function hintOf(set: readonly string[], noSuchProfile: boolean, profile: Profile): string {
  if (noSuchProfile && profile.files.length === 0)
    return "Set HOME, or AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE, so that the profile can be found.";
  if (noSuchProfile)
    return `Create the profile with \`aws configure --profile ${profile.name}\`, correct its name (profile, AWS_PROFILE), or check that this user may read ${profile.files.join(" and ")}.`;
  const [half] = halves(set);
  if (half !== undefined) return `${half} Set both, or neither.`;
  return "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run where a role is attached. Under sudo, cron and systemd the variables and the home folder of your shell are absent.";
}
