/** What a cluster would do around acmectl, and the documentation's manifests in it. */
import { X509Certificate } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "node:tls";
import { parseAllDocuments, stringify } from "yaml";
import { type Cluster, definitionsOf, type Json, outerAddress } from "./servers/kubernetes.ts";

export interface Manifest extends Json {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Json };
}

const root = new URL("../..", import.meta.url);

/** All of docs/kubernetes.md. */
export async function documented(): Promise<readonly Manifest[]> {
  const text = await readFile(new URL("docs/kubernetes.md", root), "utf8");
  const blocks = [...text.matchAll(/```yaml\n([\s\S]*?)```/gu)].map(([, block = ""]) => block);
  return blocks.filter((block) => /^kind:/mu.test(block)).flatMap(manifestsIn);
}

/** The Role that `acmectl solvers show kubernetes` prints. */
export async function printedRole(): Promise<Manifest & { readonly rules: readonly Rule[] }> {
  const text = await readFile(new URL("plugins/kubernetes/README.md", root), "utf8");
  const [, block = ""] = /<!-- permissions -->\s*```yaml\n([\s\S]*?)```/u.exec(text) ?? [];
  const [role] = manifestsIn(block);
  return role as Awaited<ReturnType<typeof printedRole>>;
}

export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

function manifestsIn(text: string): readonly Manifest[] {
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

/** The pod that a Deployment's or CronJob's controller would make of its template. */
export function podOf({ kind, metadata, spec }: Manifest): readonly Manifest[] {
  const job =
    kind === "CronJob" ? (spec as { jobTemplate: { spec: Json } }).jobTemplate.spec : spec;
  if (kind !== "CronJob" && kind !== "Deployment") return [];
  const { template } = job as { template: { metadata: { labels: Json }; spec: Json } };
  const name = `${metadata.name}-${kind.toLowerCase()}`;
  const own = { ...template.metadata, name, namespace: metadata.namespace ?? "" };
  return [{ apiVersion: "v1", kind: "Pod", metadata: own, spec: template.spec }];
}

/** `kubectl apply --server-side`, as one file. */
export function apply(cluster: Cluster, all: readonly object[], ...flags: readonly string[]) {
  const text = all.map((one) => stringify(one)).join("---\n");
  return cluster.kubectl(["apply", "--server-side", ...flags, "-f", "-"], text);
}

/** A Role with these rules for a service account of its own. */
export function account(
  name: string,
  rules: readonly Rule[],
  namespace = "acme",
): readonly object[] {
  const metadata = { name, namespace };
  const rbac = "rbac.authorization.k8s.io";
  const subjects = [{ kind: "ServiceAccount", name, namespace }];
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata },
    { apiVersion: `${rbac}/v1`, kind: "Role", metadata, rules },
    {
      apiVersion: `${rbac}/v1`,
      kind: "RoleBinding",
      metadata,
      roleRef: { apiGroup: rbac, kind: "Role", name },
      subjects,
    },
  ];
}

/** Classes `nginx` and `gateway` that Traefik serves, a Gateway, and the Ingress of a shop that serves the Secret `shop-tls`. */
export async function plantSite(cluster: Cluster, port: number): Promise<void> {
  await cluster.kubectl(["apply", "--server-side", "-f", definitionsOf("gateway-api")]);
  const networking = "networking.k8s.io/v1";
  const gateways = "gateway.networking.k8s.io/v1";
  const metadata = { name: "shop", namespace: "acme" };
  const backend = { service: { name: "shop", port: { number: 80 } } };
  const http = { paths: [{ path: "/", pathType: "Prefix", backend }] };
  await apply(cluster, [
    {
      apiVersion: networking,
      kind: "IngressClass",
      metadata: { name: "nginx" },
      spec: { controller: "traefik.io/ingress-controller" },
    },
    {
      apiVersion: gateways,
      kind: "GatewayClass",
      metadata: { name: "gateway" },
      spec: { controllerName: "traefik.io/gateway-controller" },
    },
    {
      apiVersion: gateways,
      kind: "Gateway",
      metadata: { name: "public", namespace: "acme" },
      spec: { gatewayClassName: "gateway", listeners: [{ name: "http", protocol: "HTTP", port }] },
    },
    { apiVersion: "v1", kind: "Service", metadata, spec: { ports: [{ port: 80 }] } },
    {
      apiVersion: networking,
      kind: "Ingress",
      metadata,
      spec: {
        ingressClassName: "nginx",
        tls: [{ secretName: "shop-tls", hosts: ["shop.example.com"] }],
        rules: ["shop", "path"].map((name) => ({ host: `${name}.example.com`, http })),
      },
    },
  ]);
}

/** What the kubelet gives the pod: its service account, and its labels by the downward API. */
export async function mountPod(cluster: Cluster, pod: Manifest, folder: string) {
  const [secrets, labelsFile] = [join(folder, "serviceaccount"), join(folder, "labels")];
  const labels = Object.entries(pod.metadata.labels ?? {});
  await mkdir(secrets);
  await writeFile(join(secrets, "namespace"), "acme");
  await writeFile(join(secrets, "token"), await cluster.tokenOf("acme", "acmectl"));
  await writeFile(join(secrets, "ca.crt"), await readFile(cluster.rootFile));
  await writeFile(labelsFile, labels.map(([key, value]) => `${key}="${String(value)}"\n`).join(""));
  return {
    KUBERNETES_SERVICE_HOST: "127.0.0.1",
    KUBERNETES_SERVICE_PORT: String(cluster.port),
    ACMECTL_KUBERNETES_SERVICE_ACCOUNT: secrets,
    ACMECTL_KUBERNETES_LABELS_FILE: labelsFile,
  };
}

/** What the controller of EndpointSlices does for Services that select the pod. */
export function serveSlices(cluster: Cluster, pod: Manifest): AsyncDisposable {
  return cluster.watch("/api/v1/namespaces/acme/services", (type, object) => {
    const { metadata, spec } = object as unknown as ServiceObject;
    const { name } = metadata;
    const selected = Object.entries(spec.selector ?? {});
    const isPod = selected.every(([key, value]) => pod.metadata.labels?.[key] === value);
    if (type !== "ADDED" || selected.length === 0 || !isPod) return;
    const owner = { apiVersion: "v1", kind: "Service", name, uid: metadata.uid };
    void cluster.ask("/apis/discovery.k8s.io/v1/namespaces/acme/endpointslices", {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: {
        name: `${name}-pod`,
        labels: { "kubernetes.io/service-name": name },
        ownerReferences: [owner],
      },
      addressType: "IPv4",
      endpoints: [{ addresses: [outerAddress()], conditions: { ready: true } }],
      ports: spec.ports.map((one) => ({ name: one.name, port: one.targetPort })),
    });
  });
}

interface ServiceObject {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly spec: {
    readonly selector?: Json;
    readonly ports: readonly { readonly name: string; readonly targetPort: number }[];
  };
}

/** The serial number of the certificate that is served; rejects if the connection fails. */
export function servedAt(port: number, servername: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const host = "127.0.0.1";
    const socket = connect({ host, port, servername, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate()?.serialNumber ?? "");
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

/** As kubectl shows it. */
export async function serialInSecret(cluster: Cluster, name: string): Promise<string> {
  const jsonpath = "jsonpath={.data.tls\\.crt}";
  const text = await cluster.kubectl(["get", "secret", name, "-n", "acme", "-o", jsonpath]);
  return new X509Certificate(Buffer.from(text, "base64")).serialNumber;
}
