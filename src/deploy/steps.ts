import { createHash } from "node:crypto";
import type {
  CertificateRequest,
  CopySetting,
  DeployStep,
  DockerSetting,
  KubernetesSetting,
  SshSetting,
} from "../certificate.ts";
import type { DeployState } from "../state/certificate-status.ts";
import type { Store, StoredCertificate } from "../state/store.ts";

/** A deploy step and how it is remembered. */
export interface KnownStep {
  /** A hash of what the step says: another place in the list is the same step, another command is not. */
  readonly key: string;
  /** For people, e.g. `run systemctl reload nginx`. */
  readonly title: string;
  readonly step: DeployStep;
}

/** All that is to be done with a new certificate: the copies of `outputs` first, then the steps in their order. */
export function stepsOf({ outputs, hooks }: CertificateRequest): readonly KnownStep[] {
  const wanted = Object.values(outputs).some((path) => path !== undefined);
  const copies: readonly DeployStep[] = wanted ? [{ copy: outputs }] : [];
  const steps = [...copies, ...(hooks.deploy ?? [])].flatMap(perTarget).map((step) => ({
    key: keyOf(step),
    title: titleOf(step),
    step,
  }));
  return steps.filter(({ key }, index) => steps.findIndex((one) => one.key === key) === index);
}

/** Each host, container, and namespace of a cluster is a step of its own, so that one that fails is repeated alone. */
function perTarget(step: DeployStep): readonly DeployStep[] {
  if ("ssh" in step) {
    const { ssh, ...others } = step;
    return ssh.hosts.map((host) => ({ ssh: { ...ssh, hosts: [host] }, ...others }));
  }
  if ("kubernetes" in step) {
    const { kubernetes, ...others } = step;
    return perNamespace(kubernetes).map((one) => ({ kubernetes: one, ...others }));
  }
  if (!("docker" in step)) return [step];
  const { docker, ...others } = step;
  return docker.containers.map((one) => ({ docker: { ...docker, containers: [one] }, ...others }));
}

function perNamespace(setting: KubernetesSetting): readonly KubernetesSetting[] {
  const { contexts, namespaces } = setting;
  const ofContexts = contexts?.map((one) => ({ ...setting, contexts: [one] })) ?? [setting];
  return ofContexts.flatMap(
    (of) => namespaces?.map((one) => ({ ...of, namespaces: [one] })) ?? [of],
  );
}

type StepState = Omit<DeployState, "version" | "at"> & { step: string; at?: string };

/** Each step of a certificate with what is known of it for the version held, for `status` and the like. */
export function deployStatesOf(certificate: StoredCertificate): readonly StepState[] {
  const { request, status, held } = certificate;
  // What is done with it is done when it is made.
  if (held?.meta.temporary === true) return [];
  return stepsOf(request).map(({ key, title }) => {
    const known = status.deploy?.[key];
    if (known === undefined || known.version !== held?.version) {
      return { step: title, state: "pending" };
    }
    const { state, at, detail } = known;
    return { step: title, state, at, detail };
  });
}

/** True when every deploy step was done for the version held; true when there is none. */
export function isDeployed(certificate: StoredCertificate): boolean {
  return deployStatesOf(certificate).every(({ state }) => state === "done");
}

/** True if steps were left to do before, and all are done now. */
export async function wasDeployed(
  before: StoredCertificate | undefined,
  { certificates }: Pick<Store, "certificates">,
): Promise<boolean> {
  if (before === undefined || isDeployed(before)) return false;
  const after = await certificates.read(before.name);
  return after !== undefined && isDeployed(after);
}

/** Where a command runs and how long it may take do not make it another one. */
function keyOf(step: DeployStep): string {
  const said = { ...step, timeout: undefined, cwd: undefined };
  return createHash("sha256")
    .update(JSON.stringify(sorted(said)))
    .digest("hex")
    .slice(0, 16);
}

function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const given = Object.entries(value).filter(([, one]) => one !== undefined);
  const entries = given.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([key, one]) => [key, sorted(one)]);
}

function titleOf(step: DeployStep): string {
  if ("run" in step) return `run ${[step.run].flat().join(" ")}`;
  if ("copy" in step) return copyTitle(step.copy);
  if ("pkcs12" in step) return `pkcs12 ${step.pkcs12.path}`;
  if ("acme.sh" in step) return `acme.sh ${step["acme.sh"]}`;
  if ("ssh" in step) return sshTitle(step.ssh);
  if ("docker" in step) return dockerTitle(step.docker);
  if ("kubernetes" in step) return kubernetesTitle(step.kubernetes);
  return "reload" in step ? `reload ${step.reload}` : `probe ${step.probe}`;
}

function copyTitle({ fullchain, key, cert, chain, combined }: CopySetting): string {
  const paths = [key, combined, chain, cert, fullchain].filter((path) => path !== undefined);
  return `copy to ${paths.join(", ")}`;
}

function sshTitle(setting: SshSetting): string {
  const copies = copyTitle(setting);
  const { hosts, run } = setting;
  const what = [copies === "copy to " ? [] : copies, run === undefined ? [] : `run ${run}`].flat();
  return `ssh ${hosts.join(", ")}: ${what.join(", then ")}`;
}

function dockerTitle({ containers, signal, exec }: DockerSetting): string {
  const what = signal === undefined ? "restart" : `signal ${signal}`;
  return `docker ${containers.join(", ")}: ${exec === undefined ? what : `exec ${[exec].flat().join(" ")}`}`;
}

function kubernetesTitle({ secret, contexts, namespaces, restart }: KubernetesSetting): string {
  const namespace = namespaces === undefined ? "" : `${namespaces.join(", ")}/`;
  const cluster = contexts === undefined ? "" : ` of ${contexts.join(", ")}`;
  const then = restart === undefined ? "" : `, then restart ${restart.join(", ")}`;
  return `kubernetes secret ${namespace}${secret}${cluster}${then}`;
}
