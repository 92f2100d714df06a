/** Credentials of a kubeconfig's user for the API server: a client certificate, a token, or the output of a plugin program. */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { systemReason } from "../errors.ts";
import { isRecord, parseJson } from "../json.ts";
import { Problem } from "../problem.ts";
import { runProgram } from "../run-program.ts";
import { lastWords } from "../shorten.ts";
import { type ClusterAccess, type ClusterTools, textIn } from "./kubeconfig.ts";

export interface Credentials {
  readonly headers: Readonly<{ authorization?: string } & Record<string, string | string[]>>;
  /** Of a client certificate, PEM. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Milliseconds since the epoch; without a limit when absent. */
  readonly until?: number | undefined;
}

/** Rejects with a Problem, or with the signal's reason. */
export async function credentialsOf(
  access: ClusterAccess,
  tools: ClusterTools,
  signal: AbortSignal,
): Promise<Credentials> {
  const { user, name } = access;
  if (isRecord(user["auth-provider"])) {
    throw new Problem(tools.wrong, {
      detail: `The user of the context ${name} has an auth-provider, which acmectl does not support.`,
      hint: "Use the `exec` plugin of your provider instead, as kubectl 1.26 and later require.",
      retryable: false,
    });
  }
  const found = isRecord(user["exec"])
    ? await askPlugin(user["exec"], access, tools, signal)
    : await written(access, tools);
  return { ...found, headers: { ...found.headers, ...impersonation(user) } };
}

/** Credentials in the kubeconfig or in files that it names. Kubernetes renews a service account's token in its file, so it is read again after a minute. */
async function written({ user }: ClusterAccess, tools: ClusterTools): Promise<Credentials> {
  const cert = await pemIn(user, "client-certificate", tools);
  const key = await pemIn(user, "client-key", tools);
  const file = textIn(user, "tokenFile");
  const token = file === "" ? textIn(user, "token") : (await read(file, tools)).trim();
  if (token !== "") return { cert, key, ...bearer(token, tools), until: Date.now() + 60_000 };
  const username = textIn(user, "username");
  if (username === "") return { cert, key, headers: {} };
  const password = textIn(user, "password");
  tools.mask?.(password);
  const basic = Buffer.from(`${username}:${password}`).toString("base64");
  return { cert, key, headers: { authorization: `Basic ${basic}` } };
}

function bearer(token: string, { mask }: ClusterTools) {
  mask?.(token);
  return { headers: { authorization: `Bearer ${token}` } };
}

function impersonation(user: ClusterAccess["user"]): Record<string, string | string[]> {
  const as = textIn(user, "as");
  return as === ""
    ? {}
    : { "impersonate-user": as, "impersonate-group": textsOf(user["as-groups"]) };
}

/** PEM from `<name>-data`, in base64, or from the file at `<name>`. */
export async function pemIn(
  entry: ClusterAccess["user"],
  name: string,
  tools: ClusterTools,
): Promise<string | undefined> {
  const data = textIn(entry, `${name}-data`);
  if (data !== "") return Buffer.from(data, "base64").toString();
  const path = textIn(entry, name);
  return path === "" ? undefined : read(path, tools);
}

async function read(path: string, { wrong: kind }: ClusterTools): Promise<string> {
  return readFile(path, "utf8").catch((error: unknown) => {
    const detail = `Cannot read ${path}, which the kubeconfig names: ${systemReason(error)}.`;
    throw new Problem(kind, { detail, cause: error });
  });
}

/** Milliseconds. */
const pluginTimeout = 60_000;

/** A credential plugin, by https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins */
async function askPlugin(
  exec: Readonly<Record<string, unknown>>,
  access: ClusterAccess,
  tools: ClusterTools,
  signal: AbortSignal,
): Promise<Credentials> {
  const answer = parseJson(await runPlugin(exec, access, tools, signal));
  const status = isRecord(answer) ? answer["status"] : undefined;
  if (!isRecord(status)) {
    const detail = `The credential plugin ${textIn(exec, "command")} did not print an ExecCredential with a status.`;
    throw new Problem(tools.wrong, { detail });
  }
  const token = textIn(status, "token");
  const cert = textIn(status, "clientCertificateData");
  if (token === "" && cert === "") {
    const detail = `The credential plugin ${textIn(exec, "command")} printed neither a token nor a client certificate.`;
    throw new Problem(tools.wrong, { detail });
  }
  const until = Date.parse(textIn(status, "expirationTimestamp"));
  return {
    headers: token === "" ? {} : bearer(token, tools).headers,
    cert: cert || undefined,
    key: textIn(status, "clientKeyData") || undefined,
    until: Number.isNaN(until) ? undefined : until,
  };
}

/** Its stdout. It gets the environment, since its own credentials are there, but not acmectl's secrets. */
async function runPlugin(
  exec: Readonly<Record<string, unknown>>,
  { cluster, server }: ClusterAccess,
  { env, wrong: kind }: ClusterTools,
  signal: AbortSignal,
): Promise<string> {
  const command = textIn(exec, "command");
  const about = exec["provideClusterInfo"] === true ? { cluster: { ...cluster, server } } : {};
  const spec = { interactive: false, ...about };
  const info = { kind: "ExecCredential", apiVersion: exec["apiVersion"], spec };
  const others = Object.entries(env).filter(([name]) => !name.startsWith("ACMECTL_"));
  const lines = { stdout: "", stderr: "" };
  const { end, timedOut } = await runProgram({
    // As in a shell, a name is looked up in PATH; a path is relative to the file's folder.
    argv: [
      command.includes("/") ? resolve(textIn(exec, "folder"), command) : command,
      ...textsOf(exec["args"]),
    ],
    env: {
      ...Object.fromEntries(others),
      ...variablesOf(exec["env"]),
      KUBERNETES_EXEC_INFO: JSON.stringify(info),
    },
    timeout: pluginTimeout,
    signal,
    onLine: (line, from) => void (lines[from] += `${line}\n`),
  });
  const fail = (why: string, hint?: string) =>
    new Problem(kind, { detail: `The credential plugin ${command} ${why}.`, hint });
  if (end === "ENOENT") throw fail("was not found", textIn(exec, "installHint") || undefined);
  if (timedOut) throw fail(`did not finish within ${pluginTimeout / 1000} s`);
  if (end === 0) return lines.stdout;
  const said = lastWords(lines.stderr.replaceAll(/\p{Cc}/gu, " ").trim(), 500);
  throw fail(`failed (${end})${said === "" ? "" : `: ${said.replace(/\.$/u, "")}`}`);
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function variablesOf(value: unknown): Record<string, string> {
  const all = Array.isArray(value) ? value.filter(isRecord) : [];
  return Object.fromEntries(all.map((one) => [textIn(one, "name"), textIn(one, "value")]));
}
