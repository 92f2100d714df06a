/** Checks the namespace and the permissions of the solver before an order exists. */
import { Problem } from "acmectl/plugin";
import { type Cluster, isRecord } from "acmectl/plugin/http";

export interface RouteOptions {
  readonly ingress: string | undefined;
  readonly gateways: readonly string[] | undefined;
  readonly endpoints: readonly string[] | undefined;
}

interface Right {
  readonly group: string;
  readonly resource: string;
  readonly verbs: readonly string[];
  /** Of the one object, if a Role may be limited to it. */
  readonly name?: string | undefined;
}

function rightsFor({ ingress, gateways = [], endpoints = [] }: RouteOptions): readonly Right[] {
  const networking = "networking.k8s.io";
  const route =
    gateways.length > 0
      ? right(`gateway.${networking}`, "httproutes")
      : ingress === undefined
        ? right(networking, "ingresses")
        : { ...right(networking, "ingresses"), verbs: ["get", "patch"], name: ingress };
  const slices = endpoints.length > 0 ? [right("discovery.k8s.io", "endpointslices")] : [];
  return [right("", "services"), ...slices, route];
}

function right(group: string, resource: string): Right {
  return { group, resource, verbs: ["get", "create", "delete"] };
}

/** Rejects with a `config` Problem that names what is missing. */
export async function assertAllowed(
  options: RouteOptions,
  namespace: string,
  cluster: Cluster,
  signal: AbortSignal,
): Promise<void> {
  const exists = assertNamespace(namespace, cluster, signal);
  const asked = rightsFor(options).flatMap(({ group, resource, verbs, name }) =>
    verbs.map(async (verb) => {
      const resourceAttributes = { namespace, verb, group, resource, name };
      const { status, object } = await cluster.ask(
        {
          api: "authorization.k8s.io/v1",
          kind: "selfsubjectaccessreviews",
          verb: "create",
          body: {
            apiVersion: "authorization.k8s.io/v1",
            kind: "SelfSubjectAccessReview",
            spec: { resourceAttributes },
          },
          // Without the right to ask, a missing permission shows later.
          answers: [403, 404],
        },
        signal,
      );
      const answer = isRecord(object["status"]) ? object["status"]["allowed"] : undefined;
      return status >= 300 || answer === true ? [] : [`${verb} ${resource}`];
    }),
  );
  const [missing] = await Promise.all([Promise.all(asked).then((all) => all.flat()), exists]);
  if (missing.length === 0) return;
  throw new Problem("config", {
    detail: `${cluster.name}: acmectl may not ${missing.join(", ")} in the namespace ${namespace}.`,
    hint: `Allow ${missing.length === 1 ? "this verb" : "these verbs"} in the namespace ${namespace}; \`acmectl solvers show kubernetes\` prints a Role with all permissions.`,
  });
}

/** An administrator has all permissions in a namespace that does not exist; the Role's owner may not look. */
async function assertNamespace(name: string, cluster: Cluster, signal: AbortSignal): Promise<void> {
  const asked = { api: "v1", kind: "namespaces", name, verb: "get", answers: [403, 404] } as const;
  const { status } = await cluster.ask(asked, signal);
  if (status !== 404) return;
  throw new Problem("config", {
    detail: `The namespace ${name} does not exist in ${cluster.name}.`,
    hint: `Correct \`namespace\` of the solver, or create it: kubectl create namespace ${name}.`,
  });
}
