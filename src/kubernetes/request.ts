/** One request to a Kubernetes API server. Objects are plain JSON: what acmectl needs of them is little. */
import type { Dispatcher } from "undici";
import { beginningOf } from "../body.ts";
import { codeOf, systemReason } from "../errors.ts";
import { isRecord, parseJson } from "../json.ts";
import { Problem } from "../problem.ts";
import { firstWords } from "../shorten.ts";
import type { Credentials } from "./credentials.ts";
import { type ClusterAccess, type ClusterTools, textIn } from "./kubeconfig.ts";

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

export interface Sending {
  readonly request: ClusterRequest;
  readonly server: URL;
  readonly access: ClusterAccess;
  readonly tools: ClusterTools;
  readonly credentials: Credentials;
  readonly dispatcher: Dispatcher;
  readonly signal: AbortSignal;
}

export const isBusy = (status: number) => status === 429 || status >= 500;

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

export async function send({
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
    if (answer.statusCode < 300) throw notKubernetes(access, tools);
    const words = whole ? firstWords(bytes.toString().replaceAll(/\p{Cc}/gu, " "), 300) : "";
    return { status: answer.statusCode, object: { message: words } };
  } catch (error) {
    signal.throwIfAborted();
    if (Problem.is(error)) throw error;
    throw new Problem(tools.kind, {
      detail: `Cannot reach ${access.name} (${server.origin}): ${systemReason(error)}.`,
      hint: "Check the server's address and CA in the kubeconfig; `kubectl version` shows whether kubectl reaches it.",
      // A certificate that is not trusted, or cannot be read, will not be a moment later.
      retryable: !/CERT|UNABLE_TO|^ERR_OSSL/u.test(codeOf(error)),
      cause: error,
    });
  }
}

/** Answered with success, but not in JSON, or not to its end: nothing shows that anything was written. */
function notKubernetes({ name, server }: ClusterAccess, { wrong: kind }: ClusterTools): Problem {
  return new Problem(kind, {
    detail: `${name} (${server}) does not answer like a Kubernetes API server.`,
    hint: "Check the server's address in the kubeconfig, and for a proxy in between.",
    retryable: false,
  });
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
export function accepted(answer: ClusterAnswer, { request, access, tools, credentials }: Sending) {
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
    const detail = `${access.name} (${access.server}) ${faultOf(credentials)}.`;
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
    detail: `${access.name} refused to ${request.verb} ${what} in ${place}: ${reason === "" ? "" : `${reason} `}(HTTP ${status}).`,
    retryable: isBusy(status) || status === 409 || status === 404,
  });
}

function faultOf({ headers, cert }: Credentials): string {
  const [scheme] = headers.authorization?.split(" ") ?? [];
  if (scheme === "Bearer") return "does not accept the token";
  if (scheme === "Basic") return "does not accept the user name and password";
  return cert === undefined
    ? "requires credentials, but the kubeconfig has none for it"
    : "does not accept the client certificate";
}
