/** The objects of a challenge, as the API takes them. */
import { isIPv6 } from "node:net";
import { type Http01Challenge, Problem } from "acmectl/plugin";
import type { KubeObject } from "acmectl/plugin/http";
import type { Backend } from "./backend.ts";
import { withPath } from "./ingress.ts";
import type { RouteOptions } from "./permissions.ts";

export interface Options extends RouteOptions {
  readonly ingressClassName: string | undefined;
  readonly serviceType: string;
  readonly port: number;
  readonly labels: Readonly<Record<string, string>> | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
}

/** What was made, as the journal keeps it. */
export interface Made {
  readonly namespace: string;
  readonly name: string;
  readonly kinds: readonly string[];
  /** The existing Ingress that got a path. */
  readonly ingress?: string;
}

export const apis: Readonly<Record<string, string>> = {
  httproutes: "gateway.networking.k8s.io/v1",
  ingresses: "networking.k8s.io/v1",
  endpointslices: "discovery.k8s.io/v1",
  services: "v1",
};

const managedBy = { "app.kubernetes.io/managed-by": "acmectl" };

/** In the order in which they are made: what a route leads to comes before it. */
export function objectsOf(
  challenge: Http01Challenge,
  backend: Backend,
  { name, kinds, namespace }: Made,
  options: Options,
): readonly (readonly [string, KubeObject])[] {
  const { port, serviceType, labels, annotations } = options;
  const own = { ...labels, ...managedBy, "acmectl/challenge": name };
  const metadata = { name, namespace, labels: own };
  const ports = [{ name: "http", port, targetPort: port, protocol: "TCP" }];
  const selector = "selector" in backend ? backend.selector : undefined;
  // The pod that runs acmectl may not be ready.
  const spec = { type: serviceType, ports, selector, publishNotReadyAddresses: selector && true };
  const service = { apiVersion: "v1", kind: "Service", metadata, spec };
  const slices = "endpoints" in backend ? slicesOf(backend.endpoints, name, metadata, port) : [];
  const route = {
    metadata: { ...metadata, annotations },
    ...(kinds.includes("httproutes")
      ? httpRoute(challenge, name, options)
      : ingress(challenge, name, options)),
  };
  const routes = kinds.filter((kind) => kind === "httproutes" || kind === "ingresses");
  return [
    ["services", service],
    ...slices.map((slice) => ["endpointslices", slice] as const),
    ...routes.map((kind) => [kind, route] as const),
  ];
}

function slicesOf(
  addresses: readonly string[],
  name: string,
  metadata: { readonly labels: object },
  port: number,
): readonly KubeObject[] {
  const byType = Map.groupBy(addresses, (one) => (isIPv6(one) ? "IPv6" : "IPv4"));
  return [...byType].map(([addressType, all]) => ({
    apiVersion: apis["endpointslices"],
    kind: "EndpointSlice",
    metadata: {
      ...metadata,
      name: addressType === "IPv6" ? `${name}-v6` : name,
      labels: {
        ...metadata.labels,
        "kubernetes.io/service-name": name,
        "endpointslice.kubernetes.io/managed-by": "acmectl",
      },
    },
    addressType,
    endpoints: all.map((one) => ({ addresses: [one], conditions: { ready: true } })),
    ports: [{ name: "http", port, protocol: "TCP" }],
  }));
}

function ingress(challenge: Http01Challenge, name: string, options: Options): KubeObject {
  const { ingressClassName, port } = options;
  return {
    apiVersion: apis["ingresses"],
    kind: "Ingress",
    spec: { ingressClassName, ...withPath({}, challenge, name, port) },
  };
}

function httpRoute(
  { identifier, path }: Http01Challenge,
  name: string,
  { gateways = [], port }: Options,
): KubeObject {
  const matches = [{ path: { type: "Exact", value: path } }];
  const rules = [{ matches, backendRefs: [{ name, port }] }];
  const spec = { parentRefs: gateways.map(parentOf), hostnames: [identifier.value], rules };
  return { apiVersion: apis["httproutes"], kind: "HTTPRoute", spec };
}

/** The parentRef of a Gateway. Throws a `config` Problem. */
export function parentOf(gateway: string) {
  const [, namespace, name, sectionName] =
    /^(?:([^/#]+)\/)?([^/#]+)(?:#(.+))?$/.exec(gateway) ?? [];
  if (name !== undefined) return { name, namespace, sectionName };
  throw new Problem("config", {
    detail: `${JSON.stringify(gateway)} is not a Gateway.`,
    hint: "Write NAME, NAMESPACE/NAME, or either with #SECTION.",
  });
}
