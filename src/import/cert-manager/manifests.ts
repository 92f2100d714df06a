/** Objects of cert-manager, from files or from the cluster itself. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import type { Context } from "../../context.ts";
import { messageOf, systemReason } from "../../errors.ts";
import { isRecord } from "../../json.ts";
import { type Cluster, openCluster } from "../../kubernetes/open.ts";
import { Problem } from "../../problem.ts";
import type { Left } from "../found.ts";

export type Json = Readonly<Record<string, unknown>>;

export interface Manifest {
  readonly kind: string;
  readonly name: string;
  /** `default` where the file has none. */
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: Json;
  readonly status: Json;
  /** Of a Secret, decoded. */
  readonly data: Readonly<Record<string, string>>;
  readonly annotations: Json;
}

export interface Manifests {
  readonly from: string;
  readonly all: readonly Manifest[];
  readonly left: readonly Left[];
  /** A Secret that is not among them; undefined if it cannot be read. */
  secret(namespace: string, name: string): Promise<Manifest | undefined>;
}

/** YAML files, folders of them, or `-` for stdin. */
export async function manifestsIn(places: readonly string[], context: Context): Promise<Manifests> {
  const all: Manifest[] = [];
  const left: Left[] = [];
  const { parseAllDocuments } = await import("yaml");
  for (const { source, content } of await textsOf(places, context)) {
    for (const document of parseAllDocuments(content)) {
      try {
        const [error] = document.errors;
        if (error !== undefined) throw error;
        // Throws for an alias without its anchor, and for too many of them.
        all.push(...manifestsOf(document.toJS()));
      } catch (error) {
        const [why = ""] = messageOf(error).split("\n");
        left.push({ what: source, why: why.replace(/:$/u, "") });
      }
    }
  }
  const from = places.map((place) => (place === "-" ? "stdin" : place)).join(", ");
  return { from, all, left, secret: async () => undefined };
}

async function textsOf(places: readonly string[], { cwd, stdin }: Context) {
  const found: { source: string; content: string }[] = [];
  for (const place of places) {
    if (place === "-") {
      found.push({ source: "stdin", content: await text(stdin) });
      continue;
    }
    for (const file of await filesAt(resolve(cwd, place)).catch(unreadable(place)))
      found.push({ source: file, content: await readFile(file, "utf8").catch(unreadable(file)) });
  }
  return found;
}

function unreadable(path: string) {
  return (error: unknown): never => {
    const detail = `Cannot read ${path}: ${systemReason(error)}.`;
    throw new Problem("usage", { detail, cause: error });
  };
}

async function filesAt(path: string): Promise<readonly string[]> {
  if (!(await stat(path)).isDirectory()) return [path];
  const entries = await readdir(path, { withFileTypes: true });
  const files = entries.filter((one) => !one.isDirectory() && /\.(ya?ml|json)$/u.test(one.name));
  return files
    .map(({ name }) => name)
    .toSorted()
    .map((name) => join(path, name));
}

const api = "cert-manager.io/v1";

/** All objects that the credentials may list. */
export async function manifestsOfCluster(
  { kubeconfig, context: name, namespace }: Readonly<Record<string, string | undefined>>,
  context: Context,
): Promise<Manifests> {
  const { env, mask, signal } = context;
  const tools = { env, mask, kind: "network", wrong: "usage" } as const;
  const cluster = await openCluster({ kubeconfig, context: name }, tools);
  const lists = await Promise.all([
    list(cluster, "clusterissuers", "ClusterIssuer", undefined, signal),
    list(cluster, "issuers", "Issuer", namespace, signal),
    list(cluster, "certificates", "Certificate", namespace, signal),
  ]);
  return {
    from: cluster.name,
    all: lists.flatMap((one) => one.all),
    left: lists.flatMap((one) => one.left),
    async secret(namespace, secret) {
      const resource = { api: "v1", kind: "secrets", namespace, name: secret };
      const answers = [403, 404];
      const { status, object } = await cluster.ask({ ...resource, verb: "get", answers }, signal);
      return status === 200 ? manifestOf(object) : undefined;
    },
  };
}

async function list(
  cluster: Cluster,
  kind: string,
  itemKind: string,
  namespace: string | undefined,
  signal: AbortSignal,
): Promise<Pick<Manifests, "all" | "left">> {
  const asked = { api, kind, namespace, verb: "list", answers: [403, 404] } as const;
  const { status, object } = await cluster.ask(asked, signal);
  if (status === 404)
    throw new Problem("usage", {
      detail: `${cluster.name} has no cert-manager: it does not know ${kind}.${api.split("/")[0]}.`,
      hint: "Give the files of its objects, or another context with --kube-context.",
    });
  if (status === 403) return { all: [], left: [{ what: kind, why: refusalOf(kind, namespace) }] };
  const items = Array.isArray(object["items"]) ? object["items"].filter(isRecord) : [];
  const all = items.map((item) => manifestOf({ kind: itemKind, ...item }));
  return { all, left: [] };
}

function refusalOf(kind: string, namespace: string | undefined): string {
  return kind === "clusterissuers" || namespace !== undefined
    ? "your user may not list them"
    : "your user may not list them in all namespaces; give --namespace NAME";
}

function manifestsOf(value: unknown): readonly Manifest[] {
  if (!isRecord(value)) return [];
  const { kind, items } = value;
  return String(kind).endsWith("List") && Array.isArray(items)
    ? items.flatMap(manifestsOf)
    : [manifestOf(value)];
}

function manifestOf(object: Json): Manifest {
  const metadata = recordIn(object, "metadata");
  const plain = Object.entries(recordIn(object, "stringData"));
  const encoded = Object.entries(recordIn(object, "data")).map(([key, value]) => {
    return [key, Buffer.from(String(value), "base64").toString()];
  });
  return {
    kind: String(object["kind"]),
    name: textIn(metadata, "name") ?? "",
    namespace: textIn(metadata, "namespace") ?? "default",
    labels: textsIn(metadata, "labels"),
    annotations: recordIn(metadata, "annotations"),
    spec: recordIn(object, "spec"),
    status: recordIn(object, "status"),
    data: Object.fromEntries([...encoded, ...plain]),
  };
}

export function recordIn(object: Json, key: string): Json {
  const value = object[key];
  return isRecord(value) ? value : {};
}

export function textIn(object: Json, key: string): string | undefined {
  const value = object[key];
  return typeof value === "string" && value !== "" ? value : undefined;
}

export function listIn(object: Json, key: string): readonly string[] {
  const value = object[key];
  return Array.isArray(value) ? value.map(String) : [];
}

export function textsIn(object: Json, key: string): Readonly<Record<string, string>> {
  const entries = Object.entries(recordIn(object, key));
  return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]));
}
