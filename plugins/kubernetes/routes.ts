/** The objects of a challenge: a Service, and an Ingress or HTTPRoute that leads the path to it. */
import { createHash } from "node:crypto";
import { type Http01Challenge, Problem, type Target } from "acmectl/plugin";
import {
  type Cluster,
  fieldOf,
  inTurns,
  isRecord,
  type KubeObject,
  listOf,
  type Resource,
  textOf,
} from "acmectl/plugin/http";
import type { Backend } from "./backend.ts";
import { withPath, withoutPath } from "./ingress.ts";
import { apis, type Made, objectsOf, type Options, parentOf } from "./objects.ts";

export interface Routes {
  /** Rejects with a `config` Problem if the options are wrong or the cluster lacks what they name. */
  check(targets: readonly Target[], signal: AbortSignal): Promise<void>;
  make(challenge: Http01Challenge, backend: Backend, signal: AbortSignal): Promise<Made>;
  /** False until a Gateway reports the status of the route. */
  isAccepted(made: Made, signal: AbortSignal): Promise<boolean>;
  /** Without a receipt, removes what the challenge would have made. */
  remove(challenge: Http01Challenge, made: Made | undefined, signal: AbortSignal): Promise<void>;
}

interface Setting {
  readonly options: Options;
  readonly namespace: string;
  readonly cluster: Cluster;
  /** Changes of one Ingress, one after the other. */
  readonly inTurn: ReturnType<typeof inTurns>;
}

export function openRoutes(options: Options, namespace: string, cluster: Cluster): Routes {
  const setting: Setting = { options, namespace, cluster, inTurn: inTurns() };
  return {
    async check(targets, signal) {
      check(targets, options);
      await assertKnown(setting, signal);
    },
    async make(challenge, backend, signal) {
      const made = madeBy(challenge, setting);
      const objects = objectsOf(challenge, backend, made, options);
      for (const [kind, object] of objects) await create(kind, object, made, setting, signal);
      if (made.ingress !== undefined)
        await edit(
          made,
          (spec) => withPath(spec, challenge, made.name, options.port),
          setting,
          signal,
        );
      return made;
    },
    isAccepted: (made, signal) => isAccepted(made, cluster, signal),
    async remove(challenge, made = madeBy(challenge, setting), signal) {
      if (made.ingress !== undefined)
        await edit(made, (spec) => withoutPath(spec, challenge, made.name), setting, signal);
      for (const kind of made.kinds)
        for (const name of namesOf(kind, made.name))
          await remove(kind, name, made, setting, signal);
    },
  };
}

function check(targets: readonly Target[], { ingress, gateways = [], ingressClassName }: Options) {
  for (const gateway of gateways) parentOf(gateway);
  const said = [ingress, ingressClassName, gateways[0]].filter((one) => one !== undefined);
  if (said.length > 1)
    throw new Problem("config", {
      detail: "`ingress`, `ingressClassName` and `gateways` cannot be combined.",
      hint: "Keep one of them in the options of the solver.",
    });
  const address = targets.find(({ identifier }) => identifier.type === "ip");
  if (address !== undefined)
    throw new Problem("solver", {
      detail: `An Ingress or HTTPRoute serves DNS names, not IP addresses such as ${address.identifier.value}.`,
      hint: "Use the solver standalone or webroot for IP addresses.",
    });
}

async function assertKnown(
  { options: { ingress, gateways = [] }, namespace, cluster }: Setting,
  signal: AbortSignal,
): Promise<void> {
  const kind = ingress === undefined ? "httproutes" : "ingresses";
  if (ingress === undefined && gateways.length === 0) return;
  const resource = resourceOf(kind, namespace, ingress ?? "acmectl");
  const { status, object } = await cluster.ask(
    { ...resource, verb: "get", answers: [403, 404] },
    signal,
  );
  if (status !== 404) return;
  if (ingress !== undefined) throw missingIngress(ingress, namespace, cluster);
  // The server answers in plain text if it does not know the API.
  if (object["kind"] === "Status") return;
  throw new Problem("config", {
    detail: `${cluster.name} does not know HTTPRoutes (${apis["httproutes"]}).`,
    hint: "Install the Gateway API, or use an Ingress: `ingressClassName` instead of `gateways`.",
  });
}

function missingIngress(name: string, namespace: string, cluster: Cluster): Problem {
  return new Problem("config", {
    detail: `The Ingress ${name} does not exist in the namespace ${namespace} of ${cluster.name}.`,
    hint: "Correct `ingress` or `namespace` of the solver.",
  });
}

/** Named after the challenge, so that a run after a crash finds them. In the order in which they are removed. */
function madeBy(
  { identifier, keyAuthorization }: Http01Challenge,
  { options: { ingress, gateways = [], endpoints = [] }, namespace }: Setting,
): Made {
  const hash = createHash("sha256").update(`${identifier.value} ${keyAuthorization}`).digest("hex");
  const route = gateways.length > 0 ? ["httproutes"] : ingress === undefined ? ["ingresses"] : [];
  const slices = endpoints.length > 0 ? ["endpointslices"] : [];
  const name = `acmectl-${hash.slice(0, 16)}`;
  const made = { namespace, name, kinds: [...route, ...slices, "services"] };
  return ingress === undefined ? made : { ...made, ingress };
}

/** Slices have one family of addresses each. */
function namesOf(kind: string, name: string): readonly string[] {
  return kind === "endpointslices" ? [name, `${name}-v6`] : [name];
}

async function create(
  kind: string,
  object: KubeObject,
  { namespace }: Made,
  { cluster }: Setting,
  signal: AbortSignal,
): Promise<void> {
  const name = isRecord(object["metadata"]) ? String(object["metadata"]["name"]) : "";
  const resource = resourceOf(kind, namespace, name);
  const add = { ...resource, verb: "create", body: object } as const;
  const { status } = await cluster.ask({ ...add, answers: [409] }, signal);
  if (status !== 409) return;
  // An earlier run has made it, maybe with other settings.
  await removeOwn(resource, cluster, signal);
  await cluster.ask(add, signal);
}

function resourceOf(kind: string, namespace: string, name: string) {
  return { api: apis[kind] ?? "v1", kind, namespace, name };
}

async function remove(
  kind: string,
  name: string,
  { namespace }: Made,
  { cluster }: Setting,
  signal: AbortSignal,
): Promise<void> {
  await removeOwn(resourceOf(kind, namespace, name), cluster, signal);
}

/** Removes only an object with acmectl's label, and not one that replaced it in between. */
async function removeOwn(resource: Resource, cluster: Cluster, signal: AbortSignal): Promise<void> {
  const { status, object } = await cluster.ask(
    { ...resource, verb: "get", answers: [404] },
    signal,
  );
  if (status === 404) return;
  const metadata = isRecord(object["metadata"]) ? object["metadata"] : {};
  const labels = isRecord(metadata["labels"]) ? metadata["labels"] : {};
  if (labels["app.kubernetes.io/managed-by"] !== "acmectl")
    throw new Problem("solver", {
      detail: `${resource.kind}/${resource.name} in the namespace ${resource.namespace} of ${cluster.name} is not acmectl's: its label app.kubernetes.io/managed-by is not acmectl.`,
      hint: "Remove or rename it.",
    });
  const body = { preconditions: { uid: metadata["uid"] } };
  await cluster.ask({ ...resource, verb: "delete", body, answers: [404, 409] }, signal);
}

const mostTurns = 10;

/** Changes the rules of an existing Ingress. Reads and writes it again if it was changed in between. */
async function edit(
  { namespace, ingress: name }: Made,
  change: (spec: KubeObject) => KubeObject | undefined,
  { cluster, inTurn }: Setting,
  signal: AbortSignal,
): Promise<void> {
  const resource = resourceOf("ingresses", namespace, name ?? "");
  await inTurn(`${namespace}/${name}`, async () => {
    for (let turn = 1; ; turn += 1) {
      const found = await cluster.ask({ ...resource, verb: "get", answers: [404] }, signal);
      const { spec, metadata } = found.object;
      const changed = change(isRecord(spec) ? spec : {});
      if (changed === undefined) return;
      if (found.status === 404) throw missingIngress(name ?? "", namespace, cluster);
      const resourceVersion = isRecord(metadata) ? metadata["resourceVersion"] : undefined;
      const body = { metadata: { resourceVersion }, spec: changed };
      const answers = turn < mostTurns ? [409] : [];
      const { status } = await cluster.ask({ ...resource, verb: "patch", body, answers }, signal);
      if (status !== 409) return;
    }
  });
}

async function isAccepted(made: Made, cluster: Cluster, signal: AbortSignal): Promise<boolean> {
  if (!made.kinds.includes("httproutes")) return true;
  const resource = resourceOf("httproutes", made.namespace, made.name);
  const { object } = await cluster.ask({ ...resource, verb: "get" }, signal);
  const conditions = listOf(object["status"], "parents").flatMap((parent) => {
    const gateway = textOf(fieldOf(parent, "parentRef"), "name");
    const all = listOf(parent, "conditions").filter(isRecord);
    return all.map(({ type, status, reason, message }) => {
      return { gateway, type, status, why: `${String(message)} (${String(reason)})` };
    });
  });
  const accepted = conditions.filter(({ type }) => type === "Accepted");
  if (accepted.some(({ status }) => status === "True")) return true;
  const refused = accepted.find(({ status }) => status === "False");
  if (refused === undefined) return false;
  const { gateway = "", why } = refused;
  throw new Problem("config", {
    detail: `The Gateway ${gateway} of ${cluster.name} did not accept the HTTPRoute: ${why}.`,
    hint: "Check `gateways` of the solver, and that the listener allows routes of this namespace and host.",
  });
}
