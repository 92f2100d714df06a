/** A Kubernetes API server on its etcd, with RBAC, and Traefik as its ingress controller. It has no nodes: nothing runs in it. */
import { execFile } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Agent, request } from "undici";
import { stringify } from "yaml";
import { available, find, program } from "./catalog.ts";
import { installServers } from "./install.ts";
import { freePort, type RunningProcess, startProcess } from "./process.ts";
import { makeTls, type Tls } from "./tls.ts";

export type Json = Record<string, unknown>;

export interface Cluster extends AsyncDisposable {
  readonly port: number;
  readonly rootFile: string;
  /** Of the administrator. */
  readonly kubeconfig: string;
  /** Runs kubectl as the administrator; rejects with what it printed. */
  kubectl(args: readonly string[], input?: string): Promise<string>;
  /** As the administrator; GET without a body. Rejects with what the server answered. */
  ask(path: string, body?: unknown): Promise<Json>;
  /** Calls back for each object below the path, now and whenever one changes. */
  watch(path: string, changed: (type: string, object: Json) => void): AsyncDisposable;
  tokenOf(namespace: string, account: string): Promise<string>;
  /** A kubeconfig of a token, or of the administrator acting as another user. Answers its path. */
  kubeconfigOf(name: string, user: { token: string } | { as: string }): Promise<string>;
  /** Its entry points, once it serves. */
  startTraefik(): Promise<{ readonly http: number; readonly https: number }>;
}

const parts = [
  ...(["kubernetes", "etcd", "traefik", "kubectl", "pebble"] as const),
  ...(["gateway-api", "cert-manager"] as const),
];

/** Waits until the servers are built; false, after saying so, where they cannot be. */
export async function hasCluster(): Promise<boolean> {
  await installServers({ slow: true });
  const isThere = parts.map(available).every(Boolean) && outerAddress() !== undefined;
  if (!isThere && process.env["CI"] === "true")
    throw new Error("the Kubernetes servers are missing");
  return isThere;
}

/** Of this machine, where a cluster could reach it; EndpointSlices must not have loopback addresses. */
export function outerAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((one) => one ?? []);
  return all.find(({ family, internal }) => family === "IPv4" && !internal)?.address;
}

/** The file of the definitions of one of these. */
export function definitionsOf(project: "gateway-api" | "cert-manager"): string {
  return find(`${project}.yaml`) ?? "";
}

const adminToken = "test-administrator-0123456789";

export async function startCluster(): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), "kubernetes-"));
  const tls = await makeTls(folder);
  const etcd = await startEtcd(folder);
  const port = await freePort();
  const url = `https://127.0.0.1:${port}`;
  const agent = new Agent({ connect: { ca: tls.rootPem } });
  const send = (path: string, body?: unknown) =>
    request(url + path, {
      dispatcher: agent,
      method: body === undefined ? "GET" : "POST",
      headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json" },
      body: body === undefined ? null : JSON.stringify(body),
    });
  const isReady = async () => {
    const { statusCode, body } = await send("/readyz");
    await body.dump();
    return statusCode === 200;
  };
  const processes = [etcd.running, await startApiServer(etcd.url, port, tls, folder, isReady)];
  const kubeconfigOf: Cluster["kubeconfigOf"] = async (name, user) => {
    const path = join(folder, `${name}.kubeconfig`);
    const one = "token" in user ? user : { token: adminToken, ...user };
    await writeFile(path, kubeconfig(url, tls.rootFile, one));
    return path;
  };
  const admin = await kubeconfigOf("admin", { token: adminToken });
  const ask: Cluster["ask"] = async (path, body) => {
    const answer = await send(path, body);
    const text = await answer.body.text();
    if (answer.statusCode >= 300) throw new Error(`${path}: ${answer.statusCode} ${text}`);
    return JSON.parse(text) as Json;
  };
  return {
    port,
    rootFile: tls.rootFile,
    kubeconfig: admin,
    ask,
    kubeconfigOf,
    kubectl: (args, input = "") => kubectl(args, input, { KUBECONFIG: admin, HOME: folder }),
    watch: (path, changed) => watch(path, changed, send),
    async tokenOf(namespace, account) {
      const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`;
      const asked = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: {} };
      const { status } = (await ask(path, asked)) as { status: { token: string } };
      return status.token;
    },
    async startTraefik() {
      const { running, ...ports } = await startTraefik({ KUBECONFIG: admin, HOME: folder });
      processes.push(running);
      return ports;
    },
    async [Symbol.asyncDispose]() {
      for (const one of processes.toReversed()) await one.close();
      await agent.destroy();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function startEtcd(folder: string): Promise<{ url: string; running: RunningProcess }> {
  const [url, peer] = [await freePort(), await freePort()].map(
    (port) => `http://127.0.0.1:${port}`,
  );
  const running = await startProcess({
    program: "etcd",
    args: [
      ...["--data-dir", join(folder, "etcd"), "--unsafe-no-fsync"],
      ...["--listen-client-urls", url, "--advertise-client-urls", url],
      ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
      ...["--initial-cluster", `default=${peer}`],
    ].map(String),
    ready: (log) => log.includes("ready to serve client requests"),
  });
  return { url: String(url), running };
}

async function startApiServer(
  etcd: string,
  port: number,
  { certificateFile, keyFile }: Tls,
  folder: string,
  ready: () => Promise<boolean>,
): Promise<RunningProcess> {
  const keys = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const [signer, tokens] = [join(folder, "accounts.pem"), join(folder, "tokens.csv")];
  await writeFile(signer, keys.privateKey.export({ type: "pkcs1", format: "pem" }));
  await writeFile(tokens, `${adminToken},admin,admin,"system:masters"\n`);
  return startProcess({
    program: "kube-apiserver",
    args: [
      ...[`--etcd-servers=${etcd}`, `--secure-port=${port}`, "--bind-address=127.0.0.1"],
      ...["--advertise-address=127.0.0.1", "--service-cluster-ip-range=10.0.0.0/24"],
      ...[`--tls-cert-file=${certificateFile}`, `--tls-private-key-file=${keyFile}`],
      ...[`--token-auth-file=${tokens}`, "--authorization-mode=RBAC", `--cert-dir=${folder}`],
      "--service-account-issuer=https://kubernetes.default.svc",
      ...[`--service-account-key-file=${signer}`, `--service-account-signing-key-file=${signer}`],
      "--endpoint-reconciler-type=none",
    ],
    ready,
  });
}

async function startTraefik(env: Record<string, string>) {
  const [http, https] = [await freePort(), await freePort()];
  const gateway = "--providers.kubernetesgateway";
  const running = await startProcess({
    program: "traefik",
    args: [
      ...["--global.checknewversion=false", "--global.sendanonymoususage=false"],
      ...["--log.level=INFO", "--providers.providersthrottleduration=50ms"],
      `--entrypoints.web.address=127.0.0.1:${http}`,
      `--entrypoints.websecure.address=127.0.0.1:${https}`,
      ...["--providers.kubernetesingress=true", `${gateway}=true`],
      `${gateway}.statusaddress.ip=127.0.0.1`,
    ],
    env,
    ready: async () => (await fetch(`http://127.0.0.1:${http}/`)).status === 404,
  });
  return { http, https, running };
}

function kubeconfig(server: string, rootFile: string, user: object): string {
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "test",
    contexts: [{ name: "test", context: { cluster: "test", user: "test", namespace: "acme" } }],
    clusters: [{ name: "test", cluster: { server, "certificate-authority": rootFile } }],
    users: [{ name: "test", user }],
  });
}

function kubectl(args: readonly string[], input: string, more: Record<string, string>) {
  const { file, env } = program("kubectl");
  return new Promise<string>((resolve, reject) => {
    const settings = { env: { ...process.env, ...env, ...more } };
    const child = execFile(file, [...args], settings, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`kubectl ${args.join(" ")}: ${stderr}`));
    });
    child.stdin?.end(input);
  });
}

function watch(
  path: string,
  changed: (type: string, object: Json) => void,
  send: (path: string) => ReturnType<typeof request>,
): AsyncDisposable {
  const opened = send(`${path}${path.includes("?") ? "&" : "?"}watch=true`);
  const read = async () => {
    for await (const line of createInterface({ input: (await opened).body })) {
      const { type, object } = JSON.parse(line) as { type: string; object: Json };
      changed(type, object);
    }
  };
  const reading = read().catch(() => undefined);
  return {
    async [Symbol.asyncDispose]() {
      (await opened).body.destroy();
      await reading;
    },
  };
}
