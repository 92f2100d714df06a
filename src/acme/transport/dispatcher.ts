/** Connections: verified TLS, extra roots, proxies, keep-alive. */
import { createSecureContext, TLSSocket, type SecureContext } from "node:tls";
import type { buildConnector, Dispatcher } from "undici";
import { Problem } from "../../problem.ts";
import { certificateBlocks } from "../pem.ts";
import { defaultRoots, tryCertificate } from "../certificate/chain.ts";
import { proxyFor } from "../../proxy.ts";

export interface Dialing {
  /** PEM text of roots to trust beside the default ones. */
  readonly caBundle?: string | undefined;
  /** Read for HTTPS_PROXY, ALL_PROXY and NO_PROXY, in either case. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Milliseconds and bytes. `idle` is how long the CA may stay silent; the answer to a signed request may take up to `total`. */
export interface Limits {
  readonly connect: number;
  readonly idle: number;
  readonly total: number;
  readonly body: number;
}

export interface Dispatchers {
  /** One request, which has a connection to itself until `work` ends: through the proxy or not, as the environment says for this URL. */
  use<T>(url: string, work: (dispatcher: Dispatcher) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Opens no connection yet. `timeout` in milliseconds bounds each connection attempt. */
export async function openDispatchers(dialing: Dialing, timeout: number): Promise<Dispatchers> {
  const { Agent, ProxyAgent, buildConnector } = await import("undici");
  const settings = { ...trust(dialing.caBundle), timeout, allowH2: false };
  const options = {
    connect: rememberIssuer(buildConnector(settings)),
    connections: 1,
    allowH2: false,
    keepAliveTimeout: 20_000,
  };
  const open = (uri: string | undefined) =>
    uri === undefined
      ? new Agent(options)
      : new ProxyAgent({ ...options, uri, requestTls: settings, proxyTls: settings });
  const lanes: Lane[] = [];
  return {
    async use(url, work) {
      const lane = lanes.find(({ isBusy }) => !isBusy) ?? { isBusy: false, open: new Map() };
      if (!lanes.includes(lane)) lanes.push(lane);
      lane.isBusy = true;
      const uri = proxyFor(dialing.env, url);
      const dispatcher = lane.open.get(uri) ?? open(uri);
      lane.open.set(uri, dispatcher);
      try {
        return await work(dispatcher);
      } finally {
        lane.isBusy = false;
      }
    },
    async close() {
      const all = lanes.flatMap((lane) => [...lane.open.values()]);
      await Promise.all(all.map((dispatcher) => dispatcher.destroy()));
    },
  };
}

/** The first free one is used, so that requests in turn have one connection, where a pool would open several. */
interface Lane {
  isBusy: boolean;
  readonly open: Map<string | undefined, Dispatcher>;
}

/** `rejectUnauthorized` is set so that NODE_TLS_REJECT_UNAUTHORIZED=0 has no effect. */
function trust(bundle: string | undefined): {
  rejectUnauthorized: true;
  secureContext?: SecureContext;
} {
  if (bundle === undefined) return { rejectUnauthorized: true };
  const extra = certificateBlocks(bundle);
  if (extra.length === 0 || !extra.every((pem) => tryCertificate(pem) !== undefined)) {
    throw new Problem("config", {
      detail: "The CA bundle does not contain a readable certificate in PEM form.",
      hint: "Give --ca-bundle a file with the root that signed the server's certificate, as -----BEGIN CERTIFICATE----- blocks.",
    });
  }
  // Reading 150 roots takes 20 ms, so it is done once, not for each connection.
  const secureContext = createSecureContext({ ca: [...defaultRoots(), ...extra] });
  return { rejectUnauthorized: true, secureContext };
}

const untrusted = new WeakMap<Error, string>();

/** The name of the issuer at which verification ended, for an error of a connection of ours. */
export function untrustedIssuer(error: unknown): string | undefined {
  return error instanceof Error ? untrusted.get(error) : undefined;
}

/** Node.js drops the peer's certificate with the connection, so it is read right before verification ends. */
function rememberIssuer(connect: buildConnector.connector): buildConnector.connector {
  return (options, callback) => {
    const socket: unknown = connect(options, callback);
    if (!(socket instanceof TLSSocket)) return;
    let issuer: string | undefined;
    socket.prependListener("secure", () => {
      issuer = lastIssuer(socket);
    });
    socket.prependListener("error", (error) => {
      if (issuer !== undefined) untrusted.set(error, issuer);
    });
  };
}

/** The same call that Node.js makes right after; getPeerX509Certificate() here would leave Node.js without the names. */
function lastIssuer(socket: TLSSocket): string | undefined {
  let certificate = socket.getPeerCertificate(true);
  // A peer without a certificate is an empty object; a root is its own issuer.
  for (let depth = 0; depth < 10; depth += 1) {
    const above = certificate.issuerCertificate;
    if (!above || above === certificate || above.fingerprint256 === certificate.fingerprint256)
      break;
    certificate = above;
  }
  const { CN, O } = certificate.issuer ?? {};
  return [CN, O].flat().find((name) => typeof name === "string" && name !== "");
}
