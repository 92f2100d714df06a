import { createServer } from "node:net";
import { join } from "node:path";
import { openCa } from "../acme/ca.ts";
import type { CertificateRequest } from "../certificate.ts";
import { userAgent } from "../version.ts";
import type { Ambient } from "./ambient.ts";
import type { Issuing } from "./open.ts";

export interface LocalCaOptions {
  /** Where the embedded CA asks for http-01; the standalone solver's port, or a free one, when absent. */
  readonly httpPort?: number;
  /** `ADDRESS:PORT` of the DNS that it asks; every name is on this machine when absent. */
  readonly resolver?: string;
}

/**
 * `--server local`: the embedded CA inside this process, on loopback, its root kept in the state folder. It validates for
 * real, on a port that needs no rights; the standalone solver listens there unless told otherwise.
 */
export async function openLocalCa(
  requests: readonly CertificateRequest[],
  ambient: Ambient,
  { httpPort, resolver }: LocalCaOptions,
): Promise<Issuing> {
  const port = httpPort ?? standalonePort(requests, ambient) ?? (await freePort());
  const { startTestCa } = await import("../test-ca/test-ca.ts");
  const testCa = await startTestCa({
    folder: localCaFolder(ambient.stateFolder),
    httpPort: port,
    ...(resolver === undefined ? {} : { resolver }),
  });
  const { env, log, clock, solverFlags } = ambient;
  log.info(
    `the embedded CA is for trying and testing only: nobody trusts ${localCaFolder(ambient.stateFolder)}`,
    { step: "ca" },
  );
  const ca = openCa({
    url: testCa.directoryUrl,
    userAgent,
    env: withoutProxies(env),
    log,
    clock,
    caBundle: testCa.rootPem,
  });
  return {
    ca,
    selfCheckAt: `127.0.0.1:${port}`,
    ambient: {
      ...ambient,
      solverFlags: {
        ...solverFlags,
        standalone: { port: String(port), ...solverFlags["standalone"] },
      },
    },
    async close() {
      await ca.close();
      await testCa.close();
    },
  };
}

/** Where the embedded CA keeps its root, below the state folder. */
export function localCaFolder(stateFolder: string): string {
  return join(stateFolder, "test-ca");
}

function standalonePort(
  requests: readonly CertificateRequest[],
  { env, solverFlags }: Ambient,
): number | undefined {
  const setting = requests
    .flatMap(({ solvers }) => solvers)
    .find(({ use }) => use === "standalone");
  const given =
    solverFlags["standalone"]?.["port"] ??
    env["ACMECTL_STANDALONE_PORT"] ??
    setting?.options["port"];
  const port = Number(given ?? Number.NaN);
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

/** The embedded CA is on this machine; no proxy stands between. */
function withoutProxies(env: Ambient["env"]): Ambient["env"] {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/_proxy$/i.test(name)));
}
