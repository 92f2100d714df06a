/** http-01 through the Ingress or Gateway of a cluster, which sends requests to acmectl's own server. */
import { defineSolver, type Http01Challenge } from "acmectl/plugin";
import {
  createAnswering,
  hostOf,
  openCluster,
  placesOf,
  portOptions,
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
      description: "Kubeconfig file. Default: those of kubectl, else the pod's service account.",
    },
    context: {
      type: "string",
      description: "Context of the kubeconfig. Default: the current one.",
    },
    namespace: {
      type: "string",
      description: "Namespace of the objects. Default: that of the context.",
    },
    ingressClassName: { type: "string", description: "Class of the Ingress to create." },
    ingress: {
      type: "string",
      description: "Existing Ingress to add a path to during validation, instead of a new one.",
    },
    gateways: {
      type: "list",
      description:
        "Gateways to create an HTTPRoute for, instead of an Ingress: [NAMESPACE/]NAME[#SECTION].",
      placeholder: "GATEWAY",
    },
    selector: {
      type: "map",
      description: "Labels of the pod that runs acmectl. Default: those in labelsFile.",
    },
    labelsFile: {
      type: "path",
      default: "/etc/podinfo/labels",
      description: "File with the pod's labels, from the downward API.",
    },
    endpoints: {
      type: "list",
      description: "IP addresses of this machine, if it is outside the cluster.",
      placeholder: "ADDRESS",
    },
    serviceType: {
      type: "string",
      choices: ["ClusterIP", "NodePort"],
      default: "ClusterIP",
      description: "Type of the Service; NodePort for controllers that need it.",
    },
    labels: { type: "map", description: "Additional labels of the objects." },
    annotations: { type: "map", description: "Annotations of the Ingress or HTTPRoute." },
    ...portOptions(8089, "Port to listen on; the Service leads to it."),
  },
  async create(options, { log, name }) {
    const bodies = new Map<string, string>();
    const responses: Responses = { bodies, hostSource: "none", log };
    const places = placesOf(options);
    const listen = (signal: AbortSignal) =>
      listeners.join(places, responses, { wait: options.wait, signal });
    const tools = { env: process.env, kind: "solver", wrong: "config" } as const;
    const cluster = await openCluster(options, tools);
    const namespace = options.namespace ?? cluster.namespace;
    const routes = openRoutes(options, namespace, cluster);
    return {
      async preflight(targets, { signal }) {
        await backendOf(options, name);
        await assertAllowed(options, namespace, cluster, signal);
        await routes.check(targets, signal);
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
