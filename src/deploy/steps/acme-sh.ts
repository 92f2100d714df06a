/** acme.sh's deploy scripts, unchanged: called as acme.sh calls them, with its functions around them. */
import { mkdir, readdir, readFile, realpath, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { AcmeShSetting, CertificateRequest } from "../../certificate.ts";
import { systemReason } from "../../errors.ts";
import { isRecord } from "../../json.ts";
import { isReference, isSecretName, readSecret } from "../../options/secret.ts";
import { quotedWord } from "../../options/words.ts";
import { asProblem, Problem } from "../../problem.ts";
import type { HeldCertificate } from "../../state/store.ts";
import { makeTemporaryFolder, removeAbandoned } from "../../temporary-folders.ts";
import { changeableByOthers } from "../../trusted-code.ts";
import { commandTimeout, runCommand } from "../command.ts";
import type { Variables } from "../environment.ts";
import { redactor, type Redact } from "../secrets.ts";
import { scriptState, scriptValuesOf } from "../script-values.ts";
import type { DeployTools } from "../tools.ts";
import { functions } from "./acme-sh/functions.ts";
import { httpFunctions } from "./acme-sh/http.ts";

interface ScriptSubject {
  readonly request: CertificateRequest;
  readonly held: HeldCertificate;
  readonly inherited: Variables;
  readonly variables: Variables;
  readonly redact: Redact;
}

/** Rejects with a `deploy` Problem. What the script saves is remembered, whether it succeeds or not, as acme.sh does. */
export async function runDeployScript(
  setting: AcmeShSetting,
  { request, held, inherited, variables, redact }: ScriptSubject,
  tools: DeployTools,
): Promise<void> {
  const script = await findScript(setting, tools);
  const given = await givenVariables(setting, script, tools);
  const memory = await openMemory(request.name, setting.variables ?? {}, tools);
  await removeAbandoned();
  const folder = await makeTemporaryFolder("deploy");
  try {
    await memory.write(folder);
    const env: Variables = {
      ...inherited,
      ...variables,
      ...ofAcmeSh(request, held, script.path, variables),
      ...given,
      ACMECTL_DEPLOY: folder,
      ACMECTL_SCRIPT: script.path,
      ACMECTL_SCRIPTS: dirname(script.path),
      ACMECTL_FUNCTION: `${script.name}_deploy`,
    };
    const args = parameters.map((name) => env[name] ?? "");
    const shell = /^#!.*\bbash\b/u.test(script.text) ? "bash" : "/bin/sh";
    const argv = [shell, "-c", functions + httpFunctions + main, "acmectl", ...args];
    const title = `The deploy script ${script.path}`;
    const { timeout = commandTimeout } = setting;
    const hide = redactor(secretsOf({ ...memory.values, ...given }));
    const command = { title, argv, env, timeout };
    await runCommand(command, (text) => hide(redact(text)), tools);
  } finally {
    await memory.keep(folder);
    await rm(folder, { recursive: true, force: true });
  }
}

const parameters = [
  "Le_Domain",
  "CERT_KEY_PATH",
  "CERT_PATH",
  "CA_CERT_PATH",
  "CERT_FULLCHAIN_PATH",
  "CERT_PFX_PATH",
] as const;

/** What a script keeps for itself comes as variables, as from acme.sh's own files; what it saves for later is asked for. */
const main = String.raw`
for _acmectl_file in "$ACMECTL_DEPLOY"/account/* "$ACMECTL_DEPLOY"/domain/*; do
  _acmectl_name=$(basename "$_acmectl_file")
  case $_acmectl_name in SAVED_* | \*) continue ;; esac
  eval "[ -n \"\$$_acmectl_name\" ] || $_acmectl_name=\$(cat \"\$_acmectl_file\")"
done
. "$ACMECTL_SCRIPT" || exit
_exists "$ACMECTL_FUNCTION" || _err "$ACMECTL_SCRIPT has no function $ACMECTL_FUNCTION." || exit
"$ACMECTL_FUNCTION" "$@"
`;

interface Script {
  readonly name: string;
  readonly path: string;
  readonly text: string;
}

/** Rejects with a `deploy` Problem if it is missing, cannot be read, or could be another user's for root. */
export async function findScript(
  { "acme.sh": said, scripts }: AcmeShSetting,
  { env }: Pick<DeployTools, "env">,
): Promise<Script> {
  const name = basename(said, ".sh");
  const usual = [join(env["HOME"] ?? homedir(), ".acme.sh", "deploy"), "/usr/share/acme.sh/deploy"];
  const folders = scripts === undefined ? usual : [scripts];
  const isPath = said.startsWith("/");
  for (const path of isPath ? [said] : folders.map((one) => join(one, `${name}.sh`))) {
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile() !== true) continue;
    await refuseForeign(path, found.uid);
    return { name, path, text: await readScript(path) };
  }
  throw new Problem("deploy", {
    detail: `The deploy script ${said} of acme.sh was not found${isPath ? "" : ` in ${folders.join(" or ")}`}.`,
    hint: isPath
      ? "Correct its path."
      : "Install acme.sh, or give the folder of its deploy scripts: `scripts: /path/to/acme.sh/deploy`.",
  });
}

async function refuseForeign(script: string, owner: number): Promise<void> {
  const path = await realpath(script);
  const isForeign = process.geteuid?.() === 0 && owner !== 0;
  const changeable = isForeign ? path : await changeableByOthers(path);
  if (changeable === undefined) return;
  throw new Problem("deploy", {
    title: "Deploy script refused",
    detail: `acmectl runs as root, and users other than root can change ${changeable}; the deploy script ${script} is not run.`,
    hint: `Make root the owner and the only one to write: chown root ${quotedWord(changeable)} && chmod go-w ${quotedWord(changeable)}`,
  });
}

async function readScript(path: string): Promise<string> {
  return readFile(path, "utf8").catch((cause: unknown) => {
    const detail = `The deploy script ${path} cannot be read: ${systemReason(cause)}.`;
    throw new Problem("deploy", { detail, cause });
  });
}

/** The variables of the setting, and those of our own environment that the script asks for by name, though they look like secrets. */
async function givenVariables(
  { variables = {} }: AcmeShSetting,
  { text }: Script,
  tools: DeployTools,
): Promise<Record<string, string>> {
  const asked =
    /_(?:getdeployconf|readdomainconf|readaccountconf(?:_mutable)?)\s+"?([A-Za-z_]\w*)/gu;
  const named = Array.from(text.matchAll(asked), ([, name = ""]) => name);
  const given: Record<string, string> = {};
  for (const name of named) if (tools.env[name]) given[name] = tools.env[name];
  for (const [name, value] of Object.entries(variables)) {
    const sources = { ...tools, folder: tools.cwd, multiline: true };
    given[name] = isReference(value)
      ? await readSecret(value, sources).catch((error: unknown) => {
          const { message, hint } = asProblem(error);
          throw new Problem("deploy", {
            detail: `Cannot read the variable ${name}. ${message}`,
            hint,
          });
        })
      : value;
  }
  return given;
}

function secretsOf(values: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(values).flatMap(([name, value]) => (isSecretName(name) ? [value] : []));
}

function ofAcmeSh(
  { keyType, identifiers }: CertificateRequest,
  { version }: HeldCertificate,
  script: string,
  { CERT_PATH: certificate = "", CERT_KEY_PATH: key = "", LEGO_CERT_PFX_PATH: store }: Variables,
): Variables {
  const folder = dirname(certificate);
  const home = dirname(dirname(script));
  return {
    DOMAIN_PATH: folder,
    DOMAIN_BACKUP_PATH: join(folder, "backup"),
    // Made by a step `pkcs12` before.
    CERT_PFX_PATH: store ?? `${key.replace(/\.key$/u, "")}.pfx`,
    Le_Keylength: keyType.replace(/^ec/u, "ec-").replace(/^rsa/u, ""),
    Le_Domain: identifiers[0]?.value ?? "",
    LE_WORKING_DIR: home,
    LE_CONFIG_HOME: home,
    _SCRIPT_HOME: home,
    PROJECT_NAME: "acme.sh",
    IS_RENEW: version > 1 ? "1" : "",
  };
}

type Saved = Readonly<Record<string, string>>;

/**
 * What scripts have saved: `domain` for this certificate, `account` for all, both where secrets are encrypted in a shared state. Variables of the setting are not kept: they come
 * again each time.
 */
async function openMemory(name: string, given: Saved, { store }: DeployTools) {
  const state = store.solverState(scriptState);
  const keys = { domain: scriptValuesOf(name), account: "account" } as const;
  const before = {
    domain: savedOf(await state.get(keys.domain)),
    account: savedOf(await state.get(keys.account)),
  };
  const scopes = ["domain", "account"] as const;
  return {
    values: { ...before.account, ...before.domain },
    async write(folder: string): Promise<void> {
      for (const scope of scopes) {
        await mkdir(join(folder, scope), { mode: 0o700 });
        for (const [key, value] of Object.entries(before[scope]))
          await writeFile(join(folder, scope, key), value, { mode: 0o600 });
      }
    },
    async keep(folder: string): Promise<void> {
      for (const scope of scopes) {
        const after: Record<string, string> = {};
        for (const key of await readdir(join(folder, scope)).catch(() => []))
          after[key] = await readFile(join(folder, scope, key), "utf8");
        for (const key of Object.keys(given)) delete after[`SAVED_${key}`];
        const kept = savedOf(after);
        if (!isDeepStrictEqual(kept, before[scope])) await state.set(keys[scope], kept);
      }
    },
  };
}

function savedOf(value: unknown): Saved {
  if (!isRecord(value)) return {};
  const entries = Object.entries(value).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string" && isVariable(entry[0]),
  );
  return Object.fromEntries(entries);
}

const isVariable = (name: string) => /^[A-Za-z_]\w*$/u.test(name);
