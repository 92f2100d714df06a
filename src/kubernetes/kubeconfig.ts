/** Finds the cluster and its user as kubectl does, else uses the service account of the pod. */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { codeOf, messageOf, systemReason } from "../errors.ts";
import { isRecord } from "../json.ts";
import { Problem, type ProblemKind } from "../problem.ts";
import { firstWords } from "../shorten.ts";

/** Names a cluster. */
export interface ClusterSetting {
  /** Instead of the files of KUBECONFIG; absolute. */
  readonly kubeconfig?: string | undefined;
  /** The current context when absent. */
  readonly context?: string | undefined;
}

export interface ClusterTools {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The kind of the Problems: of a cluster that cannot be reached, and of settings and permissions that are wrong. */
  readonly kind: ProblemKind;
  readonly wrong: ProblemKind;
  readonly mask?: ((secret: string) => void) | undefined;
}

/** Keys as kubeconfig files have them. */
type Entry = Readonly<Record<string, unknown>>;

/** A context with its cluster and user; paths are absolute. */
export interface ClusterAccess {
  /** For messages: the context, or `the cluster of this pod`. */
  readonly name: string;
  readonly server: string;
  readonly namespace: string;
  readonly cluster: Entry;
  readonly user: Entry;
}

/** Rejects with a Problem where no cluster is configured, or what is configured cannot be used. */
export async function findCluster(
  setting: ClusterSetting,
  tools: ClusterTools,
): Promise<ClusterAccess> {
  const { kubeconfig, context } = setting;
  const { env, wrong: kind } = tools;
  const listed = env["KUBECONFIG"]?.split(delimiter).filter((path) => path !== "") ?? [];
  const usual = join(env["HOME"] ?? homedir(), ".kube", "config");
  const paths = kubeconfig === undefined ? (listed.length > 0 ? listed : [usual]) : [kubeconfig];
  const files = await Promise.all(
    paths.map((path) => readKubeconfig(resolve(path), kubeconfig !== undefined, kind)),
  );
  const found = files.filter((file) => file !== undefined);
  if (found.length === 0 && context === undefined) {
    const own = await podAccess(env);
    if (own !== undefined) return own;
  }
  return accessIn(found, context, paths, kind);
}

interface Kubeconfig {
  readonly path: string;
  readonly root: Entry;
}

async function readKubeconfig(
  path: string,
  required: boolean,
  kind: ProblemKind,
): Promise<Kubeconfig | undefined> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    // As kubectl does: files of KUBECONFIG need not exist.
    if (codeOf(error) === "ENOENT" && !required) return undefined;
    const detail = `Cannot read the kubeconfig file ${path}: ${systemReason(error)}.`;
    throw new Problem(kind, { detail, cause: error });
  });
  if (text === undefined) return undefined;
  const { parse } = await import("yaml");
  try {
    const root: unknown = parse(text);
    return { path, root: isRecord(root) ? root : {} };
  } catch (error) {
    const [line = ""] = messageOf(error).split("\n");
    const detail = `The kubeconfig file ${path} is not YAML: ${line.replace(/:$/u, "")}.`;
    throw new Problem(kind, { detail, retryable: false });
  }
}

/** As for kubectl, the first of several files that has a value wins. */
function accessIn(
  files: readonly Kubeconfig[],
  wanted: string | undefined,
  paths: readonly string[],
  kind: ProblemKind,
): ClusterAccess {
  const current = files.map(({ root }) => root["current-context"]).find((one) => one);
  const name = wanted ?? (typeof current === "string" ? current : undefined);
  const fail = (detail: string, hint?: string) =>
    new Problem(kind, { detail, hint, retryable: false });
  const where = paths.join(", ");
  if (name === undefined)
    throw fail(
      `No Kubernetes cluster is configured: ${where} names no current context.`,
      "Set KUBECONFIG, or run `kubectl config use-context NAME`.",
    );
  const context = entryOf(files, "contexts", "context", name);
  if (context === undefined)
    throw fail(`The context ${name} is not in ${where}.`, contextsIn(files));
  const cluster = entryOf(files, "clusters", "cluster", textIn(context, "cluster"));
  const user = entryOf(files, "users", "user", textIn(context, "user"));
  const server = cluster && textIn(cluster, "server");
  if (cluster === undefined || !server)
    throw fail(`The context ${name} in ${where} names a cluster without \`server\`.`);
  if (user === undefined && textIn(context, "user") !== "")
    throw fail(
      `The user ${textIn(context, "user")} of the context ${name} is missing in ${where}.`,
    );
  return {
    name,
    server,
    namespace: textIn(context, "namespace") || "default",
    cluster,
    user: user ?? {},
  };
}

/** A hint that lists them. */
function contextsIn(files: readonly Kubeconfig[]): string {
  const all = files.flatMap(({ root }) => root["contexts"]);
  const names = new Set(all.filter(isRecord).map((one) => textIn(one, "name")));
  return names.size === 0
    ? "Set KUBECONFIG, or give another kubeconfig: it has no contexts."
    : `Use one of ${firstWords([...names].join(", "), 500)}.`;
}

const paths = ["certificate-authority", "client-certificate", "client-key", "tokenFile"];

/** The value of a named entry, with its paths made absolute against the folder of its file. */
function entryOf(
  files: readonly Kubeconfig[],
  list: string,
  key: string,
  name: string,
): Entry | undefined {
  for (const { path, root } of files) {
    const entries = Array.isArray(root[list]) ? root[list] : [];
    const found: unknown = entries.find((one: unknown) => isRecord(one) && one["name"] === name);
    const value = isRecord(found) ? found[key] : undefined;
    if (!isRecord(value)) continue;
    const folder = dirname(path);
    const absolute = paths.flatMap((one) =>
      textIn(value, one) === "" ? [] : [[one, resolve(folder, textIn(value, one))]],
    );
    const exec = isRecord(value["exec"]) ? { exec: { ...value["exec"], folder } } : {};
    return { ...value, ...Object.fromEntries(absolute), ...exec };
  }
  return undefined;
}

/** The text at a key; "" if it has none. */
export function textIn(entry: Entry, key: string): string {
  const value = entry[key];
  return typeof value === "string" ? value : "";
}

const podFolder = "/var/run/secrets/kubernetes.io/serviceaccount";

/** What Kubernetes gives each container, unless the pod says otherwise. */
async function podAccess(env: ClusterTools["env"]): Promise<ClusterAccess | undefined> {
  const host = env["KUBERNETES_SERVICE_HOST"];
  const folder = env["ACMECTL_KUBERNETES_SERVICE_ACCOUNT"] ?? podFolder;
  if (!host) return undefined;
  const namespace = await readFile(join(folder, "namespace"), "utf8").catch(() => undefined);
  if (namespace === undefined) return undefined;
  const port = env["KUBERNETES_SERVICE_PORT"] ?? "443";
  return {
    name: "the cluster of this pod",
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    namespace: namespace.trim(),
    cluster: { "certificate-authority": join(folder, "ca.crt") },
    user: { tokenFile: join(folder, "token") },
  };
}
