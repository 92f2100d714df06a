import { createServer, isIP } from "node:net";
import { join } from "node:path";
import type { Ca } from "../acme/acme.ts";
import { openCa } from "../acme/ca.ts";
import { embeddedCa } from "../acme/presets.ts";
import type { CertificateRequest } from "../certificate.ts";
import { codeOf } from "../errors.ts";
import { Problem } from "../problem.ts";
import type { Store } from "../state/store.ts";
import type { TestCa, TestCaOptions } from "../test-ca/test-ca.ts";
import type { SelfCheckAt } from "../issue/tools.ts";
import { variableOf } from "../options/names.ts";
import { answeredTypes } from "../solvers/select.ts";
import { loadSolver } from "../solvers/registry.ts";
import { userAgent } from "../version.ts";
import type { Context } from "../context.ts";

/** One kind of issuer: a CA, and the solver options that it sets. */
export interface OpenIssuer {
  readonly ca: Ca;
  readonly selfCheckAt?: SelfCheckAt;
  readonly context?: Pick<Context, "solverFlags">;
  close(): Promise<void>;
}

export interface EmbeddedOptions {
  /** Where the embedded CA asks for http-01; the standalone solver's port, or a free one, when absent. */
  readonly httpPort?: number | undefined;
  /** The same for tls-alpn-01 and the tls-alpn solver. */
  readonly tlsPort?: number | undefined;
  /** `ADDRESS:PORT` of the DNS that it asks; every name is on this machine when absent. */
  readonly resolver?: string | undefined;
  /** Where it keeps its keys; below the state folder when absent. */
  readonly folder?: string | undefined;
}

/**
 * `--server local`: the embedded CA inside this process, on loopback, its root kept in the state folder. It validates for
 * real, on ports that need no rights; the standalone and tls-alpn solvers listen there by default.
 */
export async function openEmbedded(
  requests: readonly CertificateRequest[],
  context: Context,
  store: Store,
  options: EmbeddedOptions = {},
): Promise<OpenIssuer> {
  await store.checkWritable();
  const { resolver, folder = await context.stateFolder() } = options;
  const portFor = async (solver: string, given: number | undefined) =>
    given ??
    portOf(solver, requests, context) ??
    (await usualPort(solver, requests, context)) ??
    (await freePort());
  const httpPort = await portFor("standalone", options.httpPort);
  const tlsPort = await portFor("tls-alpn", options.tlsPort);
  const dns = resolver ?? (await dnsOf(requests, context));
  const { log, clock, solverFlags } = context;
  const now = () => clock.now();
  const testCa = await startLocalCa(folder, { httpPort, tlsPort, resolver: dns, now });
  log.info(
    `the embedded CA is for testing only: no client trusts its root in ${localCaFolder(folder)}`,
    { step: "ca" },
  );
  const ca = clientOf(testCa, context);
  const onPort = (solver: string, port: number) => ({
    [solver]: { port: String(port), ...solverFlags[solver] },
  });
  return {
    ca,
    selfCheckAt: { "http-01": `127.0.0.1:${httpPort}`, "tls-alpn-01": `127.0.0.1:${tlsPort}` },
    context: {
      solverFlags: {
        ...solverFlags,
        ...onPort("standalone", httpPort),
        ...onPort("tls-alpn", tlsPort),
      },
    },
    async close() {
      await ca.close();
      await testCa.close();
    },
  };
}

function clientOf(testCa: TestCa, { env, log, clock, redact }: Context): Ca {
  return openCa({
    url: testCa.directoryUrl,
    flags: `--server ${embeddedCa}`,
    userAgent,
    env: withoutProxies(env),
    log,
    clock,
    redact,
    caBundle: testCa.rootPem,
  });
}

/** If another CA is asked first, its solvers were opened for it: they listen where they do without the embedded CA. */
async function usualPort(
  solver: string,
  requests: readonly CertificateRequest[],
  context: Context,
): Promise<number | undefined> {
  if (requests.every(({ issuer }) => issuer.server === embeddedCa)) return undefined;
  return Number((await loadSolver(solver, context)).plugin.options["port"]?.default);
}

/** Where names are proven by dns-01 alone, the CA asks the DNS that was given for looking: the zones may be known there only. */
async function dnsOf(
  requests: readonly CertificateRequest[],
  context: Context,
): Promise<string | undefined> {
  const resolvers = requests.flatMap(({ dns, solvers }) => [dns, ...solvers.map((one) => one.dns)]);
  const first = resolvers
    .flatMap((one) => one?.resolvers ?? [])
    .find((one) => !one.startsWith("https:"));
  if (first === undefined) return undefined;
  const settings = requests.flatMap(({ solvers }) => solvers);
  const answered = await Promise.all(
    settings.map(async (one) => answeredTypes(one, (await loadSolver(one.use, context)).plugin)),
  );
  return answered.flat().every((type) => type.startsWith("dns-")) ? first : undefined;
}

/** Starts the embedded CA with the keys in the state folder; what an operator can fix rejects as a Problem. */
export async function startLocalCa(
  stateFolder: string,
  options: Omit<TestCaOptions, "folder">,
): Promise<TestCa> {
  const { host = "127.0.0.1", port = 0, resolver } = options;
  if (resolver !== undefined && !isDnsServer(resolver)) throw noDnsServer(resolver);
  const folder = localCaFolder(stateFolder);
  const { startTestCa, UnreadableAuthority } = await import("../test-ca/test-ca.ts");
  try {
    return await startTestCa({ ...options, folder });
  } catch (error) {
    if (error instanceof UnreadableAuthority) throw unreadable(error);
    throw unusableFolder(error, folder) ?? unusableAddress(error, host, port) ?? error;
  }
}

function isDnsServer(text: string): boolean {
  if (isIP(text) !== 0) return true;
  const [, inBrackets, plain = "", port] = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const isAddress = inBrackets === undefined ? isIP(plain) === 4 : isIP(inBrackets) === 6;
  return isAddress && Number(port) > 0 && Number(port) < 65_536;
}

function noDnsServer(text: string): Problem {
  return new Problem("usage", {
    detail: `The embedded CA cannot ask ${JSON.stringify(text.slice(0, 100))}: that is not the address of a DNS server.`,
    hint: "Write ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT, for example 127.0.0.1:5353.",
  });
}

function unreadable(error: Error & { readonly file: string }): Problem {
  return new Problem("machine", {
    detail: `${error.message}.`,
    hint: `Remove ${error.file}: the embedded CA then creates new keys, and a new root.pem to trust.`,
    cause: error,
  });
}

function unusableFolder(error: unknown, folder: string): Problem | undefined {
  if (!(error instanceof Error && "path" in error && "code" in error)) return undefined;
  return new Problem("machine", {
    detail: `The embedded CA cannot keep its keys in ${folder}: ${String(error.code)} at ${String(error.path)}.`,
    hint: "Check the folder's owner and mode, or give another state folder with --state DIR.",
    cause: error,
  });
}

function unusableAddress(error: unknown, host: string, port: number): Problem | undefined {
  const code = codeOf(error);
  if (["ENOTFOUND", "EAI_AGAIN", "EADDRNOTAVAIL", "EINVAL", "EAFNOSUPPORT"].includes(code)) {
    return new Problem("usage", {
      detail: `The embedded CA cannot listen on ${host}, which is not an address of this machine (${code}).`,
      hint: "Give one of its addresses with --host, or leave --host out: 127.0.0.1 is enough for clients on this machine.",
      cause: error,
    });
  }
  if (code !== "EADDRINUSE" && code !== "EACCES") return undefined;
  return new Problem("machine", {
    detail: `The embedded CA cannot listen on ${host}:${port}: ${code === "EACCES" ? "this user may not use that port" : "the port is in use"}.`,
    hint: "Choose another with --port N, or --port 0 for a free one.",
    cause: error,
  });
}

/** Where the embedded CA keeps its root, below the state folder. */
export function localCaFolder(stateFolder: string): string {
  return join(stateFolder, "test-ca");
}

function portOf(
  solver: string,
  requests: readonly CertificateRequest[],
  { env, solverFlags }: Context,
): number | undefined {
  const settings = requests.flatMap(({ solvers }) => solvers);
  const setting = settings.find(({ use }) => use === solver);
  const port = Number(
    solverFlags[solver]?.["port"] ?? env[variableOf("port", solver)] ?? setting?.options["port"],
  );
  return Number.isInteger(port) && port > 0 ? port : undefined;
}

function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server = createServer();
  server.on("error", reject);
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
  });
  return promise;
}

/** The embedded CA is on this machine, so no proxy is used. */
function withoutProxies(env: Context["env"]): Context["env"] {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/_proxy$/i.test(name)));
}
