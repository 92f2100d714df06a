import { webcrypto } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";
import { Agent, fetch } from "undici";
import { freePort, startProcess, withFreePort } from "./process.ts";
import { offsetVariable } from "./shiftable.ts";
import { openDoor } from "./door.ts";

/** A CA that connects to ports of the test. */
export interface RunningCa {
  readonly directoryUrl: string;
  readonly rootFile: string;
  /** Where it connects instead of ports 80 and 443. */
  readonly httpPort: number;
  readonly tlsPort: number;
  readonly log: () => string;
  readonly close: () => Promise<void>;
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

interface StepCaSettings {
  /** Its clock is ahead by the seconds in this file. */
  offsetFile?: string;
  /** `ADDRESS:PORT`; the system's resolver when absent. */
  dnsServer?: string;
  /** Names that it does not issue for. */
  denied?: readonly string[];
}

/** Start step-ca with an ACME provisioner and its default lifetimes. */
export async function startStepCa(settings: StepCaSettings): Promise<RunningCa> {
  const { offsetFile, dnsServer, denied = [] } = settings;
  const folder = await mkdtemp(join(tmpdir(), "step-ca-"));
  await makeAuthority(folder);
  const [httpPort, tlsPort] = [await freePort(), await freePort()];
  const ports = ["--acme-http-port", String(httpPort), "--acme-tls-port", String(tlsPort)];
  const clock = offsetFile === undefined ? {} : { [offsetVariable]: offsetFile };
  const resolver = dnsServer === undefined ? [] : ["--resolver", dnsServer];
  const agent = new Agent({ connect: { rejectUnauthorized: false } });
  const started = await withFreePort(async (port) => {
    const config = join(folder, "ca.json");
    await writeFile(config, JSON.stringify(configOf(folder, port, denied)));
    const running = await startProcess({
      program: "step-ca",
      args: [config, "--insecure", ...ports, ...resolver],
      env: { ...clock, STEPPATH: folder },
      ready: async () =>
        (await fetch(`https://127.0.0.1:${port}/health`, { dispatcher: agent })).status === 200,
    });
    return { running, port };
  });
  const door = await openDoor(`https://127.0.0.1:${started.port}`, folder);
  return {
    directoryUrl: `https://127.0.0.1:${door.port}/acme/acme/directory`,
    rootFile: door.rootFile,
    httpPort,
    tlsPort,
    log: started.running.log,
    async close() {
      await door.close();
      await started.running.close();
      await agent.destroy();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function configOf(folder: string, port: number, denied: readonly string[]): object {
  const policy = denied.length === 0 ? {} : { policy: { x509: { deny: { dns: denied } } } };
  return {
    root: join(folder, "root.pem"),
    crt: join(folder, "intermediate.pem"),
    key: join(folder, "intermediate.key"),
    address: `127.0.0.1:${port}`,
    dnsNames: ["127.0.0.1", "localhost"],
    logger: { format: "text" },
    db: { type: "badgerv2", dataSource: join(folder, "db") },
    authority: { provisioners: [{ type: "ACME", name: "acme" }], ...policy },
  };
}

/** A root and an intermediate of a year, as `step ca init` makes them. */
export async function makeAuthority(folder: string): Promise<void> {
  x509.cryptoProvider.set(webcrypto);
  const notBefore = new Date(Date.now() - 3_600_000);
  const notAfter = new Date(Date.now() + 365 * 24 * 3_600_000);
  const [rootKeys, keys] = await Promise.all([
    webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]),
    webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]),
  ]);
  const common = { notBefore, notAfter, signingAlgorithm: algorithm };
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    ...common,
    name: "CN=step-ca test root",
    keys: rootKeys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 1, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(rootKeys.publicKey),
    ],
  });
  const intermediate = await x509.X509CertificateGenerator.create({
    ...common,
    subject: "CN=step-ca test intermediate",
    issuer: root.subject,
    publicKey: keys.publicKey,
    signingKey: rootKeys.privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(rootKeys.publicKey),
    ],
  });
  const key = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  await writeFile(join(folder, "root.pem"), root.toString("pem"));
  await writeFile(join(folder, "intermediate.pem"), intermediate.toString("pem"));
  const keyPem = x509.PemConverter.encode(key, "PRIVATE KEY");
  await writeFile(join(folder, "intermediate.key"), keyPem, { mode: 0o600 });
}
