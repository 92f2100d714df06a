/** A Kubernetes API server, with the credentials of a kubeconfig or of the pod. */
import type { Dispatcher } from "undici";
import { systemClock } from "../clock.ts";
import { createLimit } from "../limit.ts";
import { Problem } from "../problem.ts";
import { proxyFor } from "../proxy.ts";
import { type Credentials, credentialsOf, pemIn } from "./credentials.ts";
import {
  type ClusterAccess,
  type ClusterSetting,
  type ClusterTools,
  findCluster,
  textIn,
} from "./kubeconfig.ts";
import { accepted, type ClusterAnswer, type ClusterRequest, isBusy, send } from "./request.ts";

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
  { name, cluster, server }: ClusterAccess,
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
  if (proxy === undefined) return new Agent({ ...common, connect: { ...tls, timeout: 15_000 } });
  try {
    return new ProxyAgent({ ...common, uri: proxy, requestTls: tls });
  } catch (error) {
    throw new Problem(tools.wrong, {
      detail: `The proxy-url of the context ${name} is not the URL of a proxy.`,
      hint: "Write http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT.",
      cause: error,
    });
  }
}
