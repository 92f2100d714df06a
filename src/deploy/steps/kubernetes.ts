/** A Secret of Kubernetes, by server-side apply: what others have added to it stays, and a conflict is refused. */
import { certificateBlocks } from "../../acme/pem.ts";
import type { CertificateRequest, KubernetesSetting, SecretContent } from "../../certificate.ts";
import { isRecord } from "../../json.ts";
import { type Cluster, openCluster } from "../../kubernetes/cluster.ts";
import type { KubeObject, Resource } from "../../kubernetes/request.ts";
import { Problem } from "../../problem.ts";
import { withNewline } from "../../state/folder/versions.ts";
import type { CertificateFiles, HeldCertificate } from "../../state/store.ts";
import { commandTimeout } from "../command.ts";
import type { DeployTools } from "../tools.ts";
import type { Material } from "./copy.ts";
import { makeKeyStore, readPassword } from "./pkcs12.ts";
import { noKeyFor } from "./write-file.ts";

interface Subject {
  readonly request: CertificateRequest;
  readonly held: HeldCertificate;
  readonly files: CertificateFiles;
  readonly material: Material;
  readonly assertHeld?: (() => Promise<void>) | undefined;
}

type Tools = Pick<DeployTools, "env" | "cwd" | "mask" | "signal" | "clock" | "once">;

/** Rejects with a `deploy` Problem, or with the signal's reason. */
export async function writeKubernetesSecret(
  {
    kubernetes,
    timeout = commandTimeout,
  }: { kubernetes: KubernetesSetting; timeout?: number | undefined },
  subject: Subject,
  tools: Tools,
): Promise<void> {
  const signal = AbortSignal.any([tools.signal, AbortSignal.timeout(timeout)]);
  const { contexts = [undefined], namespaces, kubeconfig, restart = [] } = kubernetes;
  for (const context of contexts) {
    const cluster = await openCluster(
      { kubeconfig, context },
      { ...tools, kind: "deploy", wrong: "deploy" },
    );
    for (const namespace of namespaces ?? [cluster.namespace]) {
      const call: Call = { cluster, namespace, setting: kubernetes, signal };
      try {
        for (const secret of await secretsOf(call, subject, tools))
          await apply(secret, call, subject.assertHeld);
        for (const workload of restart) await restartOnce(workload, call, tools);
      } catch (error) {
        tools.signal.throwIfAborted();
        if (!signal.aborted) throw error;
        const detail = `${cluster.name} did not answer within ${timeout / 1000} s.`;
        throw new Problem("deploy", { detail, cause: error });
      }
    }
  }
}

interface Call {
  readonly cluster: Cluster;
  readonly namespace: string;
  readonly setting: KubernetesSetting;
  readonly signal: AbortSignal;
}

interface Secret {
  readonly name: string;
  readonly object: KubeObject;
}

const tlsType = "kubernetes.io/tls";

/** One, and another for the second key, as its files have another name. */
async function secretsOf(call: Call, subject: Subject, tools: Tools): Promise<readonly Secret[]> {
  const { files, material, held } = subject;
  const { second } = material;
  const first = await secretOf("", { ...subject, serial: held.meta.serial }, call, tools);
  if (second === undefined || files.second === undefined || held.meta.second === undefined)
    return [first];
  const other = {
    ...subject,
    material: second,
    files: files.second,
    serial: held.meta.second.serial,
  };
  return [first, await secretOf(second.suffix, other, call, tools)];
}

async function secretOf(
  suffix: string,
  subject: Subject & { readonly serial: string },
  { setting, namespace }: Call,
  tools: Tools,
): Promise<Secret> {
  const { secret, type = tlsType, keys = {}, labels, annotations } = setting;
  const name = secret + suffix;
  const wanted: readonly (readonly [string, SecretContent])[] = [
    ["tls.crt", "fullchain"],
    ["tls.key", "key"],
    ...Object.entries(keys),
  ];
  const data = await Promise.all(
    wanted.map(async ([key, content]) => {
      const bytes = await contentOf(
        content,
        `${key} of the Secret ${name}`,
        setting,
        subject,
        tools,
      );
      return [key, Buffer.from(bytes).toString("base64")] as const;
    }),
  );
  const { request, held, serial } = subject;
  const facts = {
    "acmectl/certificate-name": request.name,
    "acmectl/serial": serial,
    "acmectl/not-after": held.meta.notAfter,
    "acmectl/issuer": held.meta.directory,
  };
  const metadata = { name, namespace, labels, annotations: { ...annotations, ...facts } };
  const object = {
    apiVersion: "v1",
    kind: "Secret",
    metadata,
    type,
    data: Object.fromEntries(data),
  };
  return { name, object };
}

async function contentOf(
  content: SecretContent,
  place: string,
  { password, profile, alias }: KubernetesSetting,
  { material, files, request }: Subject,
  tools: Tools,
): Promise<string | Uint8Array> {
  const certificate = withNewline(material.certificate);
  const chain = withNewline(material.chain);
  const key = () => {
    if (material.privateKey !== undefined) return withNewline(material.privateKey);
    throw noKeyFor(place, "Write the Secret where the key is.");
  };
  if (content === "cert") return certificate;
  if (content === "chain") return chain;
  if (content === "fullchain") return certificate + chain;
  if (content === "key") return key();
  if (content === "combined") return certificate + chain + key();
  if (content === "ca") return withNewline(certificateBlocks(chain).at(-1) ?? certificate);
  const store = { alias: alias ?? request.name, files, hasChain: chain.trim() !== "" };
  const opened = await readPassword(password ?? "", place, tools);
  return makeKeyStore({ path: place, profile }, store, opened, tools);
}

/** Checks beforehand what the server refuses only with the name of a field. */
async function apply(
  { name, object }: Secret,
  { cluster, namespace, setting, signal }: Call,
  assertHeld: Subject["assertHeld"],
): Promise<void> {
  const resource: Resource = { api: "v1", kind: "secrets", namespace, name };
  const { status, object: found } = await cluster.ask(
    { ...resource, verb: "get", answers: [404] },
    signal,
  );
  const where = `the Secret ${name} in the namespace ${namespace} of ${cluster.name}`;
  const type = setting.type ?? tlsType;
  if (status !== 404 && found["type"] !== type)
    throw refused(
      `Cannot write ${where}: its type is ${String(found["type"])}, not ${type}.`,
      "Delete it, or give another name as `secret`: the type of a Secret cannot be changed.",
    );
  if (found["immutable"] === true)
    throw refused(
      `Cannot write ${where}: it is immutable.`,
      "Delete it, or give another name as `secret`.",
    );
  await assertHeld?.();
  const answer = await cluster.ask(
    { ...resource, verb: "apply", body: object, force: setting.force, answers: [409] },
    signal,
  );
  if (answer.status === 409) {
    const conflicts = conflictsIn(answer.object);
    throw refused(
      `Cannot write ${where}: another field manager owns what is to be written: ${conflicts}.`,
      "Add `force: true` to the step to take these fields over.",
    );
  }
}

function refused(detail: string, hint: string): Problem {
  return new Problem("deploy", { detail, hint, retryable: false });
}

/** `kubectl (.data.tls.crt, .data.tls.key)` */
function conflictsIn(status: KubeObject): string {
  const details = isRecord(status["details"]) ? status["details"]["causes"] : undefined;
  const causes = Array.isArray(details) ? details.filter(isRecord) : [];
  const managers = Map.groupBy(causes, ({ message }) => {
    return /conflict with "([^"]+)"/u.exec(String(message))?.[1] ?? String(message);
  });
  const said = [...managers].map(
    ([manager, all]) => `${manager} (${all.map(({ field }) => String(field)).join(", ")})`,
  );
  return said.length > 0 ? said.join("; ") : String(status["message"]);
}

const kinds: Readonly<Record<string, string>> = {
  deployment: "deployments",
  statefulset: "statefulsets",
  daemonset: "daemonsets",
};

/** As `kubectl rollout restart` does. Certificates that want the same restart share it. */
async function restartOnce(
  workload: string,
  { cluster, namespace, signal, setting }: Call,
  { clock, once }: Tools,
): Promise<void> {
  const [word = "", name = ""] = workload.split("/");
  const kind = kinds[word.toLowerCase()];
  if (kind === undefined || name === "") {
    throw new Problem("deploy", {
      detail: `Cannot restart ${workload}.`,
      hint: "Write deployment/NAME, statefulset/NAME or daemonset/NAME.",
      retryable: false,
    });
  }
  const annotations = { "kubectl.kubernetes.io/restartedAt": clock.now().toISOString() };
  const body = { spec: { template: { metadata: { annotations } } } };
  const key = [setting.kubeconfig, cluster.name, namespace, kind, name];
  await once.after(JSON.stringify(key), async () => {
    const resource = { api: "apps/v1", kind, namespace, name };
    await cluster.ask({ ...resource, verb: "patch", type: "strategic-merge", body }, signal);
  });
}
