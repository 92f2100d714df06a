import { generateKeyPairSync } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import kubernetes from "../../plugins/kubernetes/index.ts";
import { recordingLog, solverContext } from "../../src/testing.ts";
import { openWorld } from "../deploy/world.ts";
import {
  account,
  apply,
  documented,
  type Manifest,
  mountPod,
  plantSite,
  podOf,
  printedRole,
  serialInSecret,
  servedAt,
  serveSlices,
} from "../support/kubernetes-world.ts";
import { startChallengeDns } from "../support/servers/challtestsrv.ts";
import {
  type Cluster,
  definitionsOf,
  hasCluster,
  outerAddress,
  startCluster,
} from "../support/servers/kubernetes.ts";
import { startPebble } from "../support/servers/pebble.ts";
import { freePort } from "../support/servers/process.ts";
import { acmectl } from "../support/spawn.ts";
import { temporaryFolder } from "../support/state.ts";

const { signal } = new AbortController();

async function start() {
  await using starting = new AsyncDisposableStack();
  const folder = starting.use(await temporaryFolder());
  const cluster = starting.use(await startCluster());
  const ports = await cluster.startTraefik();
  const dns = await startChallengeDns();
  const env = { PEBBLE_AUTHZREUSE: "0" };
  const pebble = await startPebble({ dnsServer: dns.dnsServer, httpPort: ports.http, env });
  starting.defer(() => dns.close());
  starting.defer(() => pebble.close());
  const all = await documented();
  const others = all.filter(({ kind }) => kind !== "Namespace");
  const web = { apiVersion: "v1", kind: "Namespace", metadata: { name: "web" } };
  await apply(cluster, [...all.filter((one) => !others.includes(one)), web]);
  const [pod] = all.flatMap(podOf);
  if (pod === undefined) throw new Error("the documentation has no pod");
  const state = join(folder.path, "state");
  return {
    folder: folder.path,
    cluster,
    ...ports,
    pebble,
    others,
    pod,
    state,
    started: starting.move(),
  };
}

type World = Awaited<ReturnType<typeof start>>;

/** Writes a config and answers the words that lead to it. */
async function configure({ folder, state, http }: World, name: string, text: string) {
  const path = join(folder, `${name}.yaml`);
  await writeFile(path, `defaults: { selfCheckAt: "127.0.0.1:${http}" }\n${text}`);
  return ["--config", path, "--state", state];
}

function issuerAt({ pebble }: World): string {
  return `{ server: "${pebble.directoryUrl}", email: ops@example.com, agreeTos: true, caBundle: ${pebble.rootFile} }`;
}

describe.skipIf(!(await hasCluster()))("in a Kubernetes cluster", () => {
  let world: World;
  /** acmectl in the pod, and outside the cluster. */
  let inside: { env: Record<string, string>; words: string[] };
  let outside: typeof inside;

  beforeAll(async () => {
    world = await start();
  });
  afterAll(() => world.started.disposeAsync());

  const run = async ({ env, words }: typeof inside, ...more: string[]) => {
    const ran = await acmectl([...more, ...words], { env }).ended;
    expect(ran.code, ran.stderr).toBe(0);
  };
  const left = (cluster: Cluster) => {
    const kinds = "services,ingresses,endpointslices,httproutes";
    const ours = ["-l", "app.kubernetes.io/managed-by=acmectl", "-o", "name"];
    return cluster.kubectl(["get", kinds, "-n", "acme", ...ours]);
  };

  test("the API server accepts every manifest of the documentation, and its pods under restricted Pod Security", async () => {
    const { cluster, others, http } = world;
    const pods = others.flatMap(podOf);
    expect(pods.map(({ metadata }) => metadata.name)).toEqual([
      "acmectl-cronjob",
      "acmectl-deployment",
    ]);
    await apply(cluster, others, "--dry-run=server");
    await apply(cluster, others);
    await apply(cluster, pods);
    const lax = { ...world.pod, metadata: { name: "lax", namespace: "acme" } };
    const spec = { serviceAccountName: "acmectl", containers: [{ name: "a", image: "a" }] };
    const refused = expect(apply(cluster, [{ ...lax, spec }])).rejects;
    await refused.toThrow('violates PodSecurity "restricted');
    const preflight = await attemptAt("get httproutes", cluster.kubeconfig);
    expect(await preflight()).toContain("does not know HTTPRoutes");
    await plantSite(cluster, http);
  });

  test("a pod with exactly the documented Role and config gets a certificate through Traefik, which serves it", async () => {
    const { cluster, folder, others, pod, https } = world;
    const config = others.find(({ kind }) => kind === "ConfigMap") as Manifest & {
      data: Record<string, string>;
    };
    const text = (config.data["acmectl.yaml"] ?? "").replace(
      /le: \{.*\}/,
      `le: ${issuerAt(world)}`,
    );
    const words = await configure(world, "inside", text);
    const env = {
      HOME: folder,
      ACMECTL_KUBERNETES_PORT: String(await freePort()),
      ...(await mountPod(cluster, pod, folder)),
    };
    inside = { env, words };
    await using meanwhile = new AsyncDisposableStack();
    meanwhile.use(serveSlices(cluster, pod));
    await run(inside, "apply");
    const written = await serialInSecret(cluster, "shop-tls");
    await expect.poll(() => servedAt(https, "shop.example.com")).toBe(written);
    const shown = await cluster.kubectl(["get", "secret", "shop-tls", "-n", "acme", "-o", "yaml"]);
    expect(shown).toContain("type: kubernetes.io/tls");
    expect(shown).toContain("acmectl/certificate-name: shop");
    expect(await left(cluster)).toBe("");
  });

  test("a renewed certificate replaces the one that is served, and no connection fails", async () => {
    const { cluster, pod, https } = world;
    const before = await serialInSecret(cluster, "shop-tls");
    const seen = new Set<string>();
    const over = new AbortController();
    const connecting = (async () => {
      while (!over.signal.aborted) seen.add(await servedAt(https, "shop.example.com"));
    })();
    await using meanwhile = new AsyncDisposableStack();
    meanwhile.defer(() => over.abort());
    meanwhile.use(serveSlices(cluster, pod));
    await run(inside, "renew", "shop", "--force");
    const after = await serialInSecret(cluster, "shop-tls");
    await expect.poll(() => [...seen]).toContain(after);
    over.abort();
    await connecting;
    expect([...seen]).toEqual([before, after]);
  });

  test("a host outside, with the Role that is printed, is reached through an HTTPRoute, a new and an existing Ingress", async () => {
    const { cluster, folder, https } = world;
    await apply(cluster, account("outside", (await printedRole()).rules));
    const token = await cluster.tokenOf("acme", "outside");
    const solver = async (more: string) =>
      `{ use: kubernetes, ${more}, endpoints: ["${outerAddress()}"], port: ${await freePort()} }`;
    const certificate = (name: string) =>
      `{ domains: [${name}.example.com], solvers: [${name}], deploy: [{ kubernetes: { secret: ${name}-tls, restart: [deployment/acmectl] } }] }`;
    const text = `issuers: { le: ${issuerAt(world)} }
solvers:
  new: ${await solver("ingressClassName: nginx")}
  path: ${await solver("ingress: shop")}
  route: ${await solver('gateways: ["public#http"]')}
certificates:
  new: ${certificate("new")}
  path: ${certificate("path")}
  route: ${certificate("route")}
`;
    const words = await configure(world, "outside", text);
    const KUBECONFIG = await cluster.kubeconfigOf("outside", { token });
    outside = {
      env: { HOME: folder, KUBECONFIG },
      words,
    };
    const shop = () =>
      cluster.kubectl(["get", "ingress", "shop", "-n", "acme", "-o", "jsonpath={.spec}"]);
    const before = await shop();
    await run(outside, "apply");
    for (const name of ["new", "path", "route"])
      expect(await serialInSecret(cluster, `${name}-tls`)).not.toBe("");
    expect(await shop()).toBe(before);
    expect(await left(cluster)).toBe("");
    expect(await servedAt(https, "shop.example.com")).not.toBe("");
  });

  test.each([
    ["new", "/api/v1/namespaces/acme/services"],
    ["new", "/apis/discovery.k8s.io/v1/namespaces/acme/endpointslices"],
    ["new", "/apis/networking.k8s.io/v1/namespaces/acme/ingresses"],
    ["path", "/apis/networking.k8s.io/v1/namespaces/acme/ingresses"],
    ["route", "/apis/gateway.networking.k8s.io/v1/namespaces/acme/httproutes"],
  ])(
    "a run for %s that is killed when it writes to %s leaves nothing after the next run",
    async (name, path) => {
      const { cluster } = world;
      const { env, words } = outside;
      const shop = () =>
        cluster.kubectl(["get", "ingress", "shop", "-n", "acme", "-o", "jsonpath={.spec}"]);
      const before = await shop();
      const { promise: written, resolve } = Promise.withResolvers<void>();
      const { resourceVersion } = (await cluster.ask(path))["metadata"] as Record<string, string>;
      await using meanwhile = new AsyncDisposableStack();
      meanwhile.use(cluster.watch(`${path}?resourceVersion=${resourceVersion}`, () => resolve()));
      const killed = acmectl(["renew", name, "--force", ...words], { env });
      await written;
      killed.child.kill("SIGKILL");
      expect(await killed.ended).toMatchObject({ signal: "SIGKILL" });
      await run(outside, "renew", name, "--force");
      expect(await left(cluster)).toBe("");
      expect(await shop()).toBe(before);
    },
  );

  test("without any one of the printed permissions a Problem names the verb, the resource and the namespace", async () => {
    const { cluster } = world;
    const rights = (await printedRole()).rules.flatMap(({ apiGroups, resources, verbs }) =>
      resources.flatMap((one) =>
        verbs.map((verb) => ({ apiGroups, resources: [one], verbs: [verb] })),
      ),
    );
    const asked = [...new Map(rights.map((one) => [`${one.verbs[0]} ${one.resources[0]}`, one]))];
    const roles = asked.map(([right], index) => {
      const rest = asked.flatMap(([other, rule]) => (other === right ? [] : [rule]));
      return account(`lacks-${index}`, rest);
    });
    await apply(cluster, roles.flat());
    const refusals = asked.map(async ([right], index) => {
      const as = `system:serviceaccount:acme:lacks-${index}`;
      const kubeconfig = await cluster.kubeconfigOf(`lacks-${index}`, { as });
      const attempt = await attemptAt(right, kubeconfig);
      // The API server takes a moment to know the Role.
      await expect.poll(attempt).toContain(` may not ${right} in the namespace acme.`);
    });
    await Promise.all(refusals);
    expect(asked.length).toBeGreaterThan(15);
  });

  test("a Secret keeps what others have written, and is refused if it is another's, immutable or of another type", async () => {
    const { cluster } = world;
    const { KUBECONFIG: kubeconfig } = outside.env;
    const step = {
      secret: "keep",
      kubeconfig,
      keys: { "ca.crt": "ca", "keystore.p12": "pkcs12" },
    } as const;
    const deploying = await openWorld([{ kubernetes: { ...step, password: "changeit" } }]);
    expect(await deploying.deploy()).toBeUndefined();
    const patched = JSON.stringify({
      metadata: { labels: { team: "shop" } },
      data: { more: "AAAA" },
    });
    await cluster.kubectl(["patch", "secret", "keep", "-n", "acme", "-p", patched]);
    await deploying.issue();
    expect(await deploying.deploy()).toBeUndefined();
    const shown = await cluster.kubectl(["get", "secret", "keep", "-n", "acme", "-o", "yaml"]);
    for (const key of ["team: shop", "more: AAAA", "ca.crt: ", "keystore.p12: ", "tls.key: "])
      expect(shown).toContain(key);

    const secret = (name: string, more: object) => ({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name, namespace: "acme" },
      ...more,
    });
    const data = { "tls.crt": "AAAA", "tls.key": "AAAA" };
    const type = "kubernetes.io/tls";
    await apply(cluster, [
      secret("other", { type, data }),
      secret("fixed", { type, data, immutable: true }),
      secret("opaque", { type: "Opaque" }),
    ]);
    const message = async (name: string, force = false) => {
      await deploying.want([{ kubernetes: { secret: name, kubeconfig, force } }]);
      return (await deploying.deploy())?.message;
    };
    expect(await message("other")).toContain(
      "another field manager owns what is to be written: kubectl (.data.tls.crt, .data.tls.key)",
    );
    expect(await message("other", true)).toBeUndefined();
    expect(await message("fixed", true)).toContain("it is immutable");
    expect(await message("opaque", true)).toContain("its type is Opaque, not kubernetes.io/tls");
  });

  test("cert-manager's own definitions accept the manifests of the import's tests, which it reads from the cluster", async () => {
    const { cluster, folder } = world;
    const fixture = new URL("../import/fixtures/cert-manager.yaml", import.meta.url).pathname;
    const definitions = ["-f", definitionsOf("cert-manager")];
    await cluster.kubectl(["apply", "--server-side", ...definitions]);
    await cluster.kubectl(["wait", "--for", "condition=established", ...definitions]);
    await cluster.kubectl(["create", "namespace", "api"]);
    await cluster.kubectl(["apply", "--server-side", "-f", fixture]);
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const stringData = { "tls.key": privateKey.export({ type: "sec1", format: "pem" }) };
    const metadata = { name: "by-dns-key", namespace: "web" };
    await apply(cluster, [{ apiVersion: "v1", kind: "Secret", metadata, stringData }]);
    const words = ["import", "cert-manager", "--kubeconfig", cluster.kubeconfig];
    const state = ["--state", join(folder, "imported")];
    const imported = await acmectl([...words, ...state], { env: { HOME: folder } }).ended;
    expect(imported.code, imported.stderr).toBe(0);
    expect(imported.stdout).toContain("hostedZoneId: DIKER8JEXAMPLE");
    expect(imported.stdout).toContain("api-stores:");
    expect(imported.stdout).toContain("The account of by-dns was taken over");
  });
});

/** What needs the permission; answers the message of its Problem. */
async function attemptAt(right: string, kubeconfig: string): Promise<() => Promise<string>> {
  const [verb, kind = ""] = right.split(" ");
  if (kind === "secrets" || (verb === "patch" && kind !== "ingresses")) {
    const restart = kind === "secrets" ? [] : [`${kind.replace(/s$/, "")}/acmectl`];
    const secret = right.replace(" ", "-");
    const deploying = await openWorld([{ kubernetes: { secret, kubeconfig, restart } }]);
    return async () => (await deploying.deploy())?.message ?? "";
  }
  const solver = await kubernetes.create(
    {
      kubeconfig,
      context: undefined,
      namespace: undefined,
      ingressClassName: undefined,
      ingress: right === "patch ingresses" ? "shop" : undefined,
      gateways: kind === "httproutes" ? ["public"] : undefined,
      selector: { app: "acmectl" },
      labelsFile: "/none",
      endpoints: kind === "endpointslices" ? [outerAddress() ?? ""] : undefined,
      serviceType: "ClusterIP",
      labels: undefined,
      annotations: undefined,
      address: ["127.0.0.1"],
      port: await freePort(),
      wait: 0,
    },
    solverContext({ log: recordingLog() }),
  );
  const target = {
    identifier: { type: "dns", value: "shop.example.com" },
    wildcard: false,
  } as const;
  return async () => {
    const refused = await solver.preflight?.([target], { signal }).catch((error: unknown) => error);
    return refused instanceof Error ? refused.message : "";
  };
}
