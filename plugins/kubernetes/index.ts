/** http-01 through the Ingress or Gateway of a cluster, which leads to acmectl's own server. */
import { defineSolver, type Http01Challenge } from "acmectl/plugin";
import {
  createAnswering,
  hostOf,
  openCluster,
  placesOf,
  type Responses,
  sharedListeners,
} from "acmectl/plugin/http";
import { backendOf } from "./backend.ts";
import { assertAllowed } from "./permissions.ts";
import type { Made } from "./objects.ts";
import { openRoutes } from "./routes.ts";

const listeners = sharedListeners<Responses>({
  advice: {
    solver: "kubernetes",
    highPort: 8090,
    inUse: "Give another port with --kubernetes-port.",
  },
  create: createAnswering,
});

export default defineSolver({
  summary: "answers http-01 through an Ingress or a Gateway (HTTPRoute) of Kubernetes",
  challengeTypes: ["http-01"],
  concurrency: 8,
  options: {
    kubeconfig: {
      type: "path",
      description: "Kubeconfig file; by default as kubectl finds it, else the pod's account.",
    },
    context: {
      type: "string",
      description: "Context of the kubeconfig; the current one if absent.",
    },
    namespace: {
      type: "string",
      description: "Namespace of the objects; that of the context if absent.",
    },
    ingressClassName: { type: "string", description: "Class of the Ingress that is made." },
    ingress: {
      type: "string",
      description: "Existing Ingress that gets a path instead, while the CA validates.",
    },
    gateways: {
      type: "list",
      description: "Gateways of an HTTPRoute instead: [NAMESPACE/]NAME[#SECTION].",
      placeholder: "GATEWAY",
    },
    selector: {
      type: "map",
      description: "Labels of the pod that runs acmectl; by default read from labelsFile.",
    },
    labelsFile: {
      type: "path",
      default: "/etc/podinfo/labels",
      description: "File with the pod's labels, from the downward API.",
    },
    endpoints: {
      type: "list",
      description: "Outside the cluster: IP addresses at which it reaches this machine.",
      placeholder: "ADDRESS",
    },
    serviceType: {
      type: "string",
      choices: ["ClusterIP", "NodePort"],
      default: "ClusterIP",
      description: "Type of the Service; NodePort for controllers that need it.",
    },
    labels: { type: "map", description: "Further labels of the objects." },
    annotations: { type: "map", description: "Annotations of the Ingress or HTTPRoute." },
    address: {
      type: "list",
      description: "IP addresses to listen on. Default: all, IPv6 and IPv4.",
      placeholder: "ADDRESS",
    },
    port: {
      type: "port",
      default: 8089,
      description: "Port to listen on; the Service leads to it.",
    },
    wait: {
      type: "duration",
      default: 120_000,
      min: 0,
      description: "Time to wait for another acmectl run that uses the port.",
    },
  },
  async create(options, { log, name }) {
    const bodies = new Map<string, string>();
    const responses: Responses = { bodies, hostSource: "none", log };
    const places = placesOf({ ...options, socket: undefined, socketMode: "" });
    const listen = (signal: AbortSignal) =>
      listeners.join(places, responses, { wait: options.wait, signal });
    const tools = { env: process.env, kind: "solver", wrong: "config" } as const;
    const cluster = await openCluster(options, tools);
    const namespace = options.namespace ?? cluster.namespace;
    const routes = openRoutes(options, namespace, cluster);
    return {
      async preflight(targets, { signal }) {
        routes.check(targets);
        await backendOf(options, name);
        await assertAllowed(options, namespace, cluster, signal);
        await listen(signal);
      },
      async present(challenge, { signal }): Promise<Made> {
        bodies.set(keyOf(challenge), challenge.body);
        await listen(signal);
        return routes.make(challenge, await backendOf(options, name), signal);
      },
      checkPropagation: (_, made, { signal }) => routes.isAccepted(made, signal),
      async cleanup(challenge, made, { signal }) {
        bodies.delete(keyOf(challenge));
        await routes.remove(challenge, made, signal);
        if (bodies.size === 0) await listeners.leave(responses);
      },
      async close() {
        bodies.clear();
        await listeners.leave(responses);
      },
    };
  },
});

function keyOf({ identifier, path }: Http01Challenge): string {
  return `${hostOf(identifier.value)} ${path}`;
}
