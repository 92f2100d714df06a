import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { CertificateRequest, ProbeSetting, VersionMeta } from "../../certificate.ts";
import { dateOf } from "../../dates.ts";
import { Problem } from "../../problem.ts";
import { startTls } from "./starttls.ts";
import type { DeployTools } from "../tools.ts";
import { messageOf } from "../../errors.ts";

/** Milliseconds. */
const defaults = { timeout: 15_000, attempt: 5000, pause: 500 };

/**
 * Connect to a server until it shows the new certificate: servers reload in their own time. All addresses of a host that
 * accept a connection have to show it. Rejects with a `deploy` Problem that says what is served instead.
 */
export async function probe(
  setting: ProbeSetting,
  { request, meta }: { request: CertificateRequest; meta: VersionMeta },
  tools: Pick<DeployTools, "clock" | "log" | "signal">,
): Promise<void> {
  const { clock, log, signal } = tools;
  const { host, port } = placeOf(setting.probe);
  const wanted = {
    port,
    servername: setting.servername ?? servernameFor(host, request),
    starttls: setting.starttls,
    fingerprint: meta.fingerprint,
  };
  const deadline = clock.monotonic() + (setting.timeout ?? defaults.timeout);
  for (;;) {
    signal.throwIfAborted();
    const found = await lookAtHost(host, wanted, signal);
    signal.throwIfAborted();
    if (found === undefined) return;
    log.debug(`probe of ${setting.probe}: ${found}`);
    const left = deadline - clock.monotonic();
    if (left <= 0) throw notServed(setting, found);
    await clock.sleep(Math.min(defaults.pause, left), signal);
  }
}

function placeOf(text: string): { host: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/u.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) > 65_535) {
    throw new Problem("deploy", {
      detail: `The probe ${JSON.stringify(text)} is not HOST:PORT or [ADDRESS]:PORT.`,
      retryable: false,
    });
  }
  return { host, port: Number(port) };
}

/** The host itself where the certificate is for it; else the first of its names, since servers choose by it. */
function servernameFor(host: string, { identifiers }: CertificateRequest): string | undefined {
  const names = identifiers.filter(({ type }) => type === "dns").map(({ value }) => value);
  const covered = names.some(
    (name) => name === host || (name.startsWith("*.") && host.endsWith(name.slice(1))),
  );
  if (covered && isIP(host) === 0) return host;
  return names[0]?.replace(/^\*\./u, "probe.");
}

interface Wanted {
  readonly port: number;
  readonly servername: string | undefined;
  readonly starttls: ProbeSetting["starttls"] | undefined;
  readonly fingerprint: string;
}

/** What is wrong, in words; undefined when the new certificate is served. */
async function lookAtHost(
  host: string,
  wanted: Wanted,
  signal: AbortSignal,
): Promise<string | undefined> {
  const addresses = await addressesOf(host);
  if (typeof addresses === "string") return addresses;
  const looks = await Promise.all(addresses.map((address) => lookAt(address, wanted, signal)));
  const served = looks.flatMap((look) => ("served" in look ? [look.served] : []));
  if (served.length === 0)
    return looks.flatMap((l) => ("failed" in l ? [l.failed] : [])).join("; ");
  return served.filter((one) => one !== undefined).join("; ") || undefined;
}

async function addressesOf(host: string): Promise<readonly string[] | string> {
  if (isIP(host) !== 0) return [host];
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (error) {
    return `${host} has no address (${messageOf(error)})`;
  }
}

/** `served` holds what is wrong with the certificate that was shown. */
type Look = { readonly served: string | undefined } | { readonly failed: string };

async function lookAt(address: string, wanted: Wanted, run: AbortSignal): Promise<Look> {
  const signal = AbortSignal.any([run, AbortSignal.timeout(defaults.attempt)]);
  const place = address.includes(":") ? `[${address}]:${wanted.port}` : `${address}:${wanted.port}`;
  let socket: Socket | undefined;
  try {
    socket = await openSocket(address, wanted.port, signal);
    if (wanted.starttls !== undefined) await startTls(socket, wanted.starttls, signal);
    return { served: await differenceOf(socket, place, wanted, signal) };
  } catch (error) {
    return { failed: `${place}: ${signal.aborted ? "no answer in time" : reasonOf(error)}` };
  } finally {
    socket?.destroy();
  }
}

/** OpenSSL's errors are a line of places in its source; their `reason` is what is meant. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const reason = "reason" in error && typeof error.reason === "string" ? error.reason : undefined;
  return reason === undefined ? error.message : `no TLS there (${reason})`;
}

async function openSocket(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const socket = connectTcp({ host, port, signal });
  // Once it is open, each wait listens for errors; between two waits an error must not be an exception.
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

async function differenceOf(
  socket: Socket,
  place: string,
  { servername, fingerprint }: Wanted,
  signal: AbortSignal,
): Promise<string | undefined> {
  // Which certificate it is, is all that is asked: no data goes over this connection.
  const options = { socket, rejectUnauthorized: false };
  const tls = connectTls(servername === undefined ? options : { ...options, servername });
  const closed = once(tls, "close", { signal }).then(() => {
    throw new Error("the server closed the connection during the TLS handshake");
  });
  await Promise.race([once(tls, "secureConnect", { signal }), closed]);
  tls.on("error", () => undefined);
  const shown = tls.getPeerX509Certificate();
  tls.destroy();
  if (shown === undefined) return `${place} shows no certificate`;
  if (shown.fingerprint256.replaceAll(":", "").toLowerCase() === fingerprint) return undefined;
  return `${place} serves another certificate: serial ${shown.serialNumber.toLowerCase()}, valid from ${iso(shown.validFrom)} until ${iso(shown.validTo)}`;
}

function iso(date: string): string {
  const time = new Date(date);
  return Number.isNaN(time.getTime()) ? date : dateOf(time);
}

function notServed({ probe, servername }: ProbeSetting, found: string): Problem {
  return new Problem("deploy", {
    detail: `${probe} does not show the new certificate: ${found}.`,
    hint: `Check that the server reads the files of this certificate${servername === undefined ? "" : `, knows the name ${servername}`} and is reloaded by a step before this one, e.g. reload: nginx.`,
  });
}
