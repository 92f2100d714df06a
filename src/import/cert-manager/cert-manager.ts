/** cert-manager's objects become a config of acmectl. */
import { quotedWord } from "../../options/words.ts";
import type { Left } from "../found.ts";
import { translateCertificate } from "./certificates.ts";
import { otherKind, type TranslatedIssuer, translateIssuer } from "./issuers.ts";
import { type Manifest, type Manifests, recordIn, textIn } from "./manifests.ts";
import { defined, type Origin, type Refer } from "./solvers.ts";

export interface Translation {
  /** YAML. */
  readonly config: string;
  readonly issuers: readonly TranslatedIssuer[];
  readonly certificates: readonly string[];
  readonly left: readonly Left[];
}

export async function translate({ all }: Manifests, origin: Origin): Promise<Translation> {
  const left: Left[] = [];
  const referTo = (namespace: string) => referenceIn(namespace, origin);
  const ofKinds = (...kinds: string[]) => all.filter(({ kind }) => kinds.includes(kind));
  const named = withNames(ofKinds("ClusterIssuer", "Issuer"));
  const issuers = named.flatMap(([name, manifest]) => {
    const issuer = translateIssuer(manifest, name, referTo, origin);
    const what = titleOf(manifest);
    if (issuer === undefined)
      left.push({ what, why: `it is not an ACME CA (${otherKind(manifest)})` });
    for (const why of issuer?.notes ?? []) left.push({ what, why });
    return issuer ?? [];
  });
  const certificates = withNames(ofKinds("Certificate")).flatMap(([name, manifest]) => {
    const what = titleOf(manifest);
    const issuer = issuerOf(manifest, issuers);
    if (issuer === undefined) {
      left.push({ what, why: "its issuer was not imported" });
      return [];
    }
    const refer = referTo(manifest.namespace);
    const { entry, notes } = translateCertificate(manifest, issuer, refer, origin);
    for (const why of notes) left.push({ what, why });
    return [[name, entry] as const];
  });
  for (const manifest of ofKinds("Ingress", "Gateway")) {
    const asks = Object.keys(manifest.annotations).some((key) =>
      key.startsWith("cert-manager.io/"),
    );
    const why = "cert-manager makes its Certificate from annotations: import that from the cluster";
    if (asks) left.push({ what: titleOf(manifest), why });
  }
  const solvers = Object.fromEntries(issuers.flatMap((issuer) => Object.entries(issuer.solvers)));
  const sections = {
    issuers: Object.fromEntries(issuers.map(({ name, entry }) => [name, entry])),
    solvers,
    certificates: Object.fromEntries(certificates),
  };
  const filled = Object.entries(sections).filter(([, entries]) => Object.keys(entries).length > 0);
  const { stringify } = await import("yaml");
  const config = stringify(Object.fromEntries(filled), { lineWidth: 0 });
  return { config, issuers, certificates: certificates.map(([name]) => name), left };
}

/** With their names in the config: their own, prefixed with the namespace if several have the same. */
function withNames(all: readonly Manifest[]): readonly (readonly [string, Manifest])[] {
  return all.map((one) => {
    const isShared = all.filter(({ name }) => name === one.name).length > 1;
    const place = one.kind === "ClusterIssuer" ? "cluster" : one.namespace;
    return [isShared ? `${place}-${one.name}` : one.name, one];
  });
}

function titleOf({ kind, namespace, name }: Manifest): string {
  return kind === "ClusterIssuer" ? `${kind} ${name}` : `${kind} ${namespace}/${name}`;
}

function issuerOf(
  { spec, namespace }: Manifest,
  issuers: readonly TranslatedIssuer[],
): TranslatedIssuer | undefined {
  const ref = recordIn(spec, "issuerRef");
  const kind = textIn(ref, "kind") ?? "Issuer";
  // An issuer of another project may have the same kind and name.
  if ((textIn(ref, "group") ?? "cert-manager.io") !== "cert-manager.io") return undefined;
  return issuers.find(
    ({ manifest }) =>
      manifest.kind === kind &&
      manifest.name === ref["name"] &&
      (kind === "ClusterIssuer" || manifest.namespace === namespace),
  );
}

/** As the API server accepts them. Others could add arguments to kubectl, or lead out of the folder. */
const isName = /^[a-z\d][-.a-z\d]*$/u;
const isKey = /^(?!\.\.?$)[-.\w]+$/u;

function referenceIn(namespace: string, { secrets, kubeconfig, context }: Origin): Refer {
  const cluster = Object.entries(defined({ kubeconfig, context }));
  const options = cluster.map(([name, value]) => quotedWord(`--${name}=${String(value)}`));
  return (secret) => {
    const name = textIn(secret, "name");
    const key = textIn(secret, "key") ?? "password";
    if (name === undefined || !isName.test(name) || !isName.test(namespace)) return undefined;
    if (!isKey.test(key)) return undefined;
    if (secrets !== undefined) return `file:${secrets}/${name}/${key}`;
    const template = `{{index .data "${key}" | base64decode}}`;
    return `cmd:${["kubectl", ...options].join(" ")} -n ${namespace} get secret ${name} -o 'go-template=${template}'`;
  };
}
