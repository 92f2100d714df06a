/** TLS connections: always verified, extra roots, and who issued what is not trusted. */
import { isIP } from "node:net";
import { connect, createSecureContext, type SecureContext, type TLSSocket } from "node:tls";
import { messageOf } from "../../errors.ts";
import { Problem } from "../../problem.ts";
import { tryCertificate } from "../certificate/chain.ts";
import { certificateBlocks } from "../pem.ts";

/** What every TLS connection is made with. */
export interface Trust {
  /** Set, so that NODE_TLS_REJECT_UNAUTHORIZED=0 has no effect. */
  readonly rejectUnauthorized: true;
  readonly secureContext?: SecureContext | undefined;
}

/** What this client shows to a CA that asks for it; PEM. */
export interface ClientCertificate {
  readonly certificate: string;
  readonly key: string;
}

/** `bundle` is PEM text. */
export function trustOf(bundle: string | undefined, client?: ClientCertificate): Trust {
  if (bundle === undefined && client === undefined) return { rejectUnauthorized: true };
  try {
    const secureContext = createSecureContext({ cert: client?.certificate, key: client?.key });
    // Given as `ca`, the 150 usual roots would be parsed once more, which takes 20 ms.
    const { context }: { context: { addCACert(pem: string): void } } = secureContext;
    for (const root of bundle === undefined ? [] : rootsIn(bundle)) context.addCACert(root);
    return { rejectUnauthorized: true, secureContext };
  } catch (cause) {
    if (client === undefined || Problem.is(cause)) throw cause;
    throw new Problem("config", {
      detail: `The client certificate for the CA cannot be used: ${messageOf(cause)}.`,
      hint: "Give --client-cert a certificate with its chain, and --client-key its private key, both in PEM form.",
      cause,
    });
  }
}

function rootsIn(bundle: string): readonly string[] {
  const extra = certificateBlocks(bundle);
  if (extra.length === 0 || !extra.every((pem) => tryCertificate(pem) !== undefined)) {
    throw new Problem("config", {
      detail: "The CA bundle does not contain a readable certificate in PEM form.",
      hint: "Give --ca-bundle a file with the root that signed the server's certificate, as -----BEGIN CERTIFICATE----- blocks.",
    });
  }
  return extra;
}

/** A connection that speaks HTTP/2 or HTTP/1.1, as its `alpnProtocol` says, until `closing` aborts. `limit` in milliseconds. */
export async function dial(
  { hostname, port }: URL,
  trust: Trust,
  limit: number,
  closing: AbortSignal,
): Promise<TLSSocket> {
  closing.throwIfAborted();
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const socket = connect({
    ...trust,
    host,
    port: port === "" ? 443 : Number(port),
    servername: isIP(host) === 0 ? host : "",
    ALPNProtocols: ["h2", "http/1.1"],
  });
  watchIssuer(socket);
  socket.setNoDelay(true).setKeepAlive(true, 60_000);
  const late = () =>
    socket.destroy(Object.assign(new Error("it took too long to connect"), { code: "ETIMEDOUT" }));
  const timer = setTimeout(late, limit);
  const close = () => socket.destroy(new Error("closed"));
  closing.addEventListener("abort", close);
  socket.once("close", () => closing.removeEventListener("abort", close));
  socket.on("error", reject);
  socket.once("secureConnect", () => resolve(socket));
  return promise.finally(() => clearTimeout(timer));
}

const untrusted = new WeakMap<Error, string>();

/** The name of the issuer at which verification ended, for an error of a connection that is watched. */
export function untrustedIssuer(error: unknown): string | undefined {
  return error instanceof Error ? untrusted.get(error) : undefined;
}

/** Node.js drops the peer's certificate with the connection, so it is read right before verification ends. */
export function watchIssuer(socket: TLSSocket): void {
  let issuer: string | undefined;
  socket.prependListener("secure", () => {
    issuer = lastIssuer(socket);
  });
  socket.prependListener("error", (error) => {
    if (issuer !== undefined) untrusted.set(error, issuer);
  });
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
