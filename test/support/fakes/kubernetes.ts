/** A Kubernetes API server, as much as acmectl uses, with the rules that it can break: owners of fields, RBAC, preconditions. */
import { createServer } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { stringify } from "yaml";
import { makeTls } from "../servers/tls.ts";

type Json = Record<string, unknown>;

export interface KubernetesFake {
  readonly url: string;
  readonly token: string;
  /** With the context `test` in the namespace `web`. */
  readonly kubeconfig: string;
  /** `VERB PATH`, in order; RBAC's verbs. */
  readonly requests: string[];
  /** By path. */
  readonly objects: Map<string, Json>;
  /** `verb resource` that RBAC does not allow. */
  readonly forbidden: Set<string>;
  /** Namespaces that do not exist; all others do. */
  readonly missing: Set<string>;
  /** Statuses that are answered to the next requests instead. */
  readonly failures: number[];
  /** An object that another manager owns. */
  plant(path: string, object: Json, manager?: string): void;
  /** The names below a path, e.g. `/api/v1/namespaces/web/services`. */
  names(path: string): readonly string[];
  close(): Promise<void>;
}

interface Asked {
  readonly verb: string;
  readonly path: string;
  /** The path of the one object. */
  readonly at: string;
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly type: string;
  readonly force: boolean;
  readonly body: Json;
}

const verbs: Record<string, string> = { POST: "create", PATCH: "patch", DELETE: "delete" };

export async function startKubernetesFake(folder: string): Promise<KubernetesFake> {
  const tls = await makeTls(folder);
  const token = "kubernetes-token-0123456789";
  const objects = new Map<string, Json>();
  /** By path: who owns which field. */
  const owners = new Map<string, Map<string, string>>();
  const requests: string[] = [];
  const forbidden = new Set<string>();
  const missing = new Set<string>();
  const failures: number[] = [];
  let version = 0;

  const store = (at: string, object: Json) => {
    const metadata = { uid: `uid-${(version += 1)}`, ...(object["metadata"] as Json) };
    const stored = { ...object, metadata: { ...metadata, resourceVersion: String(version) } };
    objects.set(at, stored);
    return stored;
  };

  const apply = ({ at, body, force }: Asked): [number, Json] => {
    const found = objects.get(at);
    const owned = owners.get(at) ?? new Map<string, string>();
    const foreign = leaves(body).filter(
      ([field, value]) =>
        !/^\.(apiVersion|kind|type|metadata\.name|metadata\.namespace)/.test(field) &&
        owned.has(field) &&
        owned.get(field) !== "acmectl" &&
        valueAt(found, field) !== value,
    );
    if (foreign.length > 0 && !force) {
      const causes = foreign.map(([field]) => ({
        message: `conflict with "${owned.get(field)}" using v1`,
        field: field.replace(/\["(.*)"\]/, ".$1"),
      }));
      return [409, status("Conflict", "Apply failed with conflicts", { causes })];
    }
    for (const [field] of leaves(body)) owned.set(field, "acmectl");
    owners.set(at, owned);
    return [found === undefined ? 201 : 200, store(at, merged(found ?? {}, body))];
  };

  const patch = (asked: Asked): [number, Json] => {
    if (asked.type.includes("apply")) return apply(asked);
    const found = objects.get(asked.at);
    if (found === undefined) return [404, notFound(asked)];
    const wanted = (asked.body["metadata"] as Json | undefined)?.["resourceVersion"];
    if (wanted !== undefined && wanted !== (found["metadata"] as Json)["resourceVersion"])
      return [409, status("Conflict", "the object has been modified")];
    return [200, store(asked.at, merged(found, asked.body))];
  };

  const handle = (asked: Asked): [number, Json] => {
    const { verb, at, body } = asked;
    const found =
      asked.resource === "namespaces" && !missing.has(asked.name) ? {} : objects.get(at);
    if (verb === "get") return found === undefined ? [404, notFound(asked)] : [200, found];
    if (verb === "list") {
      const items = [...objects].filter(([key]) => key.startsWith(`${at}/`) || isBelow(key, at));
      return [200, { kind: "List", items: items.map(([, object]) => object) }];
    }
    if (asked.resource === "selfsubjectaccessreviews") {
      const { resourceAttributes } = body["spec"] as { resourceAttributes: Json };
      const right = `${String(resourceAttributes["verb"])} ${String(resourceAttributes["resource"])}`;
      return [201, { ...body, status: { allowed: !forbidden.has(right) } }];
    }
    if (verb === "create") {
      const name = String((body["metadata"] as Json)["name"]);
      if (objects.has(`${at}/${name}`))
        return [409, status("AlreadyExists", `${asked.resource} "${name}" already exists`)];
      return [201, store(`${at}/${name}`, body)];
    }
    if (verb === "patch") return patch(asked);
    if (found === undefined) return [404, notFound(asked)];
    const wanted = (body["preconditions"] as Json | undefined)?.["uid"];
    if (wanted !== undefined && wanted !== (found["metadata"] as Json)["uid"])
      return [409, status("Conflict", "the UID in the precondition does not match")];
    objects.delete(at);
    return [200, status("", "")];
  };

  const refusedFor = ({
    verb,
    resource,
    at,
    namespace,
    type,
  }: Asked): [number, Json] | undefined => {
    const makes = type.includes("apply") && !objects.has(at) && forbidden.has(`create ${resource}`);
    const refused = makes ? "create" : verb;
    if (!makes && !forbidden.has(`${verb} ${resource}`)) return undefined;
    const user = "system:serviceaccount:acme:acmectl";
    const where = namespace === "" ? "at the cluster scope" : `in the namespace "${namespace}"`;
    const words = `User "${user}" cannot ${refused} resource "${resource}" in API group "" ${where}`;
    return [403, status("Forbidden", `${resource} is forbidden: ${words}`)];
  };

  const server = createServer(
    { key: tls.keyPem, cert: tls.certificatePem },
    (request, response) => void answer(request, response),
  );
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const asked = readRequest(request, await text(request));
    requests.push(`${asked.verb} ${asked.at}`);
    const send = ([code, json]: [number, Json]) =>
      response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(json));
    const failure = failures.shift();
    if (failure !== undefined) return send([failure, status("", "a bad day")]);
    if (request.headers.authorization !== `Bearer ${token}`)
      return send([401, status("Unauthorized", "Unauthorized")]);
    return send(refusedFor(asked) ?? handle(asked));
  };
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const kubeconfig = join(folder, "kubeconfig");
  await writeFile(
    kubeconfig,
    stringify({
      "current-context": "test",
      contexts: [{ name: "test", context: { cluster: "one", user: "me", namespace: "web" } }],
      clusters: [{ name: "one", cluster: { server: url, "certificate-authority": tls.rootFile } }],
      users: [{ name: "me", user: { token } }],
    }),
  );
  return {
    url,
    token,
    kubeconfig,
    requests,
    objects,
    forbidden,
    missing,
    failures,
    plant(path, object, manager = "kubectl") {
      const { name, namespace = "" } =
        /namespaces\/(?<namespace>[^/]+)\/[^/]+\/(?<name>[^/]+)$/.exec(path)?.groups ?? {};
      store(path, { ...object, metadata: { name, namespace, ...(object["metadata"] as Json) } });
      owners.set(path, new Map(leaves(object).map(([field]) => [field, manager])));
    },
    names: (path) =>
      [...objects.keys()].flatMap((key) =>
        key.startsWith(`${path}/`) ? [key.slice(path.length + 1)] : [],
      ),
    close: async () => {
      server.closeAllConnections();
      await new Promise<unknown>((resolve) => server.close(resolve));
    },
  };
}

/** True for an object of any namespace where all namespaces are listed. */
function isBelow(key: string, listed: string): boolean {
  const [, api = "", kind = ""] = /^(\/.*)\/([^/]+)$/.exec(listed) ?? [];
  return new RegExp(`^${api}/namespaces/[^/]+/${kind}/[^/]+$`).test(key);
}

function readRequest(request: IncomingMessage, body: string): Asked {
  const url = new URL(request.url ?? "", "https://api");
  const path = decodeURIComponent(url.pathname);
  const pattern =
    /^\/(?:api\/v1|apis\/[^/]+\/[^/]+)(?:\/namespaces\/([^/]+))?\/([a-z]+)(?:\/(.+))?$/;
  const [, namespace = "", resource = "", name = ""] = pattern.exec(path) ?? [];
  const read = name === "" ? "list" : "get";
  return {
    verb: verbs[request.method ?? ""] ?? read,
    path,
    at: path,
    resource,
    namespace,
    name,
    type: request.headers["content-type"] ?? "",
    force: url.searchParams.get("force") === "true",
    body: body === "" ? {} : (JSON.parse(body) as Json),
  };
}

function status(reason: string, message: string, details: Json = {}): Json {
  return { kind: "Status", status: "Failure", reason, message, details };
}

function notFound({ resource, name }: Asked): Json {
  return status("NotFound", `${resource} "${name}" not found`);
}

function merged(found: Json, change: Json): Json {
  const result = { ...found };
  for (const [key, value] of Object.entries(change)) {
    const before = result[key];
    if (value === null) delete result[key];
    else if (isMap(value)) result[key] = merged(isMap(before) ? before : {}, value);
    else result[key] = value;
  }
  return result;
}

const isMap = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** `.data["tls.crt"]` and its value; a list is one value. */
function leaves(value: Json, path = ""): [string, unknown][] {
  return Object.entries(value).flatMap(([key, one]): [string, unknown][] => {
    const field = `${path}${/\W/.test(key) ? `["${key}"]` : `.${key}`}`;
    return isMap(one) ? leaves(one, field) : [[field, one]];
  });
}

function valueAt(object: Json | undefined, field: string): unknown {
  return leaves(object ?? {}).find(([one]) => one === field)?.[1];
}
