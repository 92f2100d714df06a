/** Requests to a Kubernetes API server. Objects are plain JSON: what acmectl needs of them is little. */
import type { Dispatcher } from "undici";
import { beginningOf } from "../body.ts";
import { systemClock } from "../clock.ts";
import { codeOf, systemReason } from "../errors.ts";
import { isRecord, parseJson } from "../json.ts";
import { createLimit } from "../limit.ts";
import { Problem } from "../problem.ts";
import { proxyFor } from "../proxy.ts";
import { firstWords } from "../shorten.ts";
import { type Credentials, credentialsOf, pemIn } from "./credentials.ts";
import {
  type ClusterAccess,
  type ClusterSetting,
  type ClusterTools,
  findCluster,
  textIn,
} from "./kubeconfig.ts";

export type KubeObject = Readonly<Record<string, unknown>>;

/** One object, or all of them if `name` is absent. */
export interface Resource {
  /** As in the path: `v1`, `apps/v1`, `networking.k8s.io/v1`. */
  readonly api: string;
  /** In the plural: `secrets`. */
  readonly kind: string;
  /** All namespaces when absent. */
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
}

/** Verbs of RBAC; `apply` is server-side apply, which RBAC calls patch. */
export type Verb = "get" | "list" | "create" | "apply" | "patch" | "delete";

export interface ClusterRequest extends Resource {
  readonly verb: Verb;
  readonly body?: unknown;
  /** Of server-side apply: take fields over from other managers. */
  readonly force?: boolean | undefined;
  /** Of `patch`: the kind of patch; a merge patch (RFC 7396) when absent. */
  readonly type?: "strategic-merge" | "json" | undefined;
  /** Statuses that are answered instead of thrown, beside those of success. */
  readonly answers?: readonly number[];
}

export interface ClusterAnswer {
  readonly status: number;
  readonly object: KubeObject;
}

export interface Cluster {
  /** For messages. */
  readonly name: string;
  /** Of the context, else `default`. */
  readonly namespace: string;
  /** Rejects with a Problem, or with the signal's reason. */
  ask(request: ClusterRequest, signal: AbortSignal): Promise<ClusterAnswer>;
}

export async function openCluster(setting: ClusterSetting, tools: ClusterTools): Promise<Cluster> {
  const access = await findCluster(setting, tools);
  const server = serverOf(access, tools);
  const { name, namespace } = access;
  let known: { credentials: Credentials; dispatcher: Dispatcher } | undefined;
  // One at a time, so that parallel requests share the credentials.
  const inTurn = createLimit(1);
  const connect = (signal: AbortSignal, refused?: Credentials) =>
    inTurn(async () => {
      const { until = Infinity } = known?.credentials ?? {};
      if (known !== undefined && known.credentials !== refused && Date.now() < until) return known;
      const credentials = await credentialsOf(access, tools, signal);
      const isSame = known?.credentials.cert === credentials.cert;
      const dispatcher = (isSame && known?.dispatcher) || (await dial(access, credentials, tools));
      return (known = { credentials, dispatcher });
    }, signal);
  return {
    name,
    namespace,
    async ask(request, signal) {
      for (let attempt = 1; ; attempt += 1) {
        const one = { request, server, access, tools, signal, ...(await connect(signal)) };
        const answer = await send(one).catch((error: unknown) => {
          if (Problem.is(error) && error.retryable && attempt < mostAttempts) return undefined;
          throw error;
        });
        // A token may have been renewed or revoked before it expires.
        if (answer?.status === 401 && attempt === 1) await connect(signal, one.credentials);
        else if (answer !== undefined && !isBusy(answer.status)) return accepted(answer, one);
        else if (answer !== undefined && attempt >= mostAttempts) return accepted(answer, one);
        else await systemClock.sleep(250 * 2 ** attempt, signal);
      }
    },
  };
}

const mostAttempts = 5;
const isBusy = (status: number) => status === 429 || status >= 500;

/** Refuses a server that TLS does not authenticate, since it gets private keys. */
function serverOf({ server, cluster, name }: ClusterAccess, { wrong: kind }: ClusterTools): URL {
  const fail = (detail: string, hint: string) =>
    new Problem(kind, { detail, hint, retryable: false });
  const url = URL.parse(server);
  if (url === null || !/^https?:$/u.test(url.protocol))
    throw fail(
      `The server ${server} of the context ${name} is not a URL.`,
      "Write https://HOST:PORT.",
    );
  const isLocal = /^(localhost|127\.[\d.]+|\[::1\])$/u.test(url.hostname);
  if (url.protocol === "http:" && !isLocal)
    throw fail(
      `The server ${server} of the context ${name} does not use TLS.`,
      "Use its https address: acmectl sends private keys to it.",
    );
  if (cluster["insecure-skip-tls-verify"] === true)
    throw fail(
      `The context ${name} sets insecure-skip-tls-verify: acmectl sends private keys only to a server that it can verify.`,
      "Give the cluster's CA as certificate-authority instead.",
    );
  return url;
}

async function dial(
  { cluster, server }: ClusterAccess,
  { cert, key }: Credentials,
  tools: ClusterTools,
): Promise<Dispatcher> {
  const { Agent, ProxyAgent } = await import("undici");
  const ca = await pemIn(cluster, "certificate-authority", tools);
  const servername = textIn(cluster, "tls-server-name") || undefined;
  const given = { ca, cert, key, servername, rejectUnauthorized: true };
  const tls = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const proxy = textIn(cluster, "proxy-url") || proxyFor(tools.env, server);
  const common = { headersTimeout: 30_000, bodyTimeout: 30_000 };
  return proxy === undefined
    ? new Agent({ ...common, connect: { ...tls, timeout: 15_000 } })
    : new ProxyAgent({ ...common, uri: proxy, requestTls: tls });
}

interface Sending {
  readonly request: ClusterRequest;
  readonly server: URL;
  readonly access: ClusterAccess;
  readonly tools: ClusterTools;
  readonly credentials: Credentials;
  readonly dispatcher: Dispatcher;
  readonly signal: AbortSignal;
}

const methods = {
  get: "GET",
  list: "GET",
  create: "POST",
  apply: "PATCH",
  patch: "PATCH",
  delete: "DELETE",
} as const;

/** Bytes; a list of Secrets may be long. */
const longest = 32 * 2 ** 20;

async function send({
  request,
  server,
  access,
  tools,
  credentials,
  dispatcher,
  signal,
}: Sending): Promise<ClusterAnswer> {
  const { request: ask } = await import("undici");
  const { verb, body } = request;
  const headers = {
    accept: "application/json",
    "user-agent": "acmectl",
    ...(body === undefined ? {} : { "content-type": typeOf(request) }),
    ...credentials.headers,
  };
  const url = `${server.origin}${server.pathname.replace(/\/$/u, "")}${pathOf(request)}`;
  const sent = {
    dispatcher,
    headers,
    signal,
    body: body === undefined ? null : JSON.stringify(body),
  };
  try {
    const answer = await ask(url, { ...sent, method: methods[verb] });
    const { bytes, whole } = await beginningOf(answer.body, longest);
    const object = whole ? parseJson(bytes.toString()) : undefined;
    if (isRecord(object)) return { status: answer.statusCode, object };
    const words = whole ? firstWords(bytes.toString().replaceAll(/\p{Cc}/gu, " "), 300) : "";
    return { status: answer.statusCode, object: { message: words } };
  } catch (error) {
    signal.throwIfAborted();
    throw new Problem(tools.kind, {
      detail: `Cannot reach ${access.name} (${server.origin}): ${systemReason(error)}.`,
      hint: "Check the server's address and CA in the kubeconfig; `kubectl version` shows whether kubectl reaches it.",
      // A certificate that is not trusted will not be a moment later.
      retryable: !/CERT|UNABLE_TO/u.test(codeOf(error)),
      cause: error,
    });
  }
}

function typeOf({ verb, type }: ClusterRequest): string {
  if (verb === "apply") return "application/apply-patch+yaml";
  return verb === "patch" ? `application/${type ?? "merge"}-patch+json` : "application/json";
}

function pathOf({ api, kind, namespace, name, verb, force }: ClusterRequest): string {
  const parts = [
    api === "v1" ? "api/v1" : `apis/${api}`,
    namespace === undefined ? [] : ["namespaces", encodeURIComponent(namespace)],
    kind,
    name === undefined || verb === "create" ? [] : encodeURIComponent(name),
  ].flat();
  const writes = ["create", "apply", "patch"].includes(verb) ? "?fieldManager=acmectl" : "";
  return `/${parts.join("/")}${writes}${verb === "apply" ? `&force=${force === true}` : ""}`;
}

/** The answer, if it is one that the caller reads. */
function accepted(answer: ClusterAnswer, { request, access, tools, credentials }: Sending) {
  const { status, object } = answer;
  if ((status >= 200 && status < 300) || request.answers?.includes(status)) return answer;
  throw refusalOf({ status, said: textIn(object, "message") }, request, access, tools, credentials);
}

/** What the server says of a verb that is not allowed: `User "x" cannot patch resource "secrets" …`. */
const forbidden = /User "([^"]+)" cannot (\S+) resource "([^"]+)"/u;

function refusalOf(
  { status, said }: { status: number; said: string },
  request: ClusterRequest,
  access: ClusterAccess,
  { kind, wrong }: ClusterTools,
  credentials: Credentials,
): Problem {
  const { name, namespace } = request;
  const place = namespace === undefined ? "all namespaces" : `the namespace ${namespace}`;
  if (status === 401) {
    const who = Object.keys(credentials.headers).length > 0 ? "token" : "client certificate";
    const detail = `${access.name} (${access.server}) does not accept the ${who}.`;
    const hint = "Check it with `kubectl auth whoami`, and renew it if it has expired.";
    return new Problem(wrong, { detail, hint, retryable: false });
  }
  const [, user, verb, resource] = forbidden.exec(said) ?? [];
  if (status === 403 && user !== undefined) {
    return new Problem(wrong, {
      detail: `${access.name}: ${user} may not ${verb} ${resource} in ${place}.`,
      hint: `Allow the verb ${verb} for ${resource} in ${place}; \`acmectl solvers show kubernetes\` prints a Role with all permissions.`,
      retryable: false,
    });
  }
  const what = name === undefined ? request.kind : `${request.kind}/${name}`;
  const reason = firstWords(said.replaceAll(/[\p{Cc}\s]+/gu, " ").trim(), 800).replace(/\.$/u, "");
  return new Problem(kind, {
    detail: `${access.name} refused to ${request.verb} ${what} in ${place}: ${reason} (HTTP ${status}).`,
    retryable: isBusy(status) || status === 409 || status === 404,
  });
}
