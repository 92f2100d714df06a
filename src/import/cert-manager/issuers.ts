/** Issuers and ClusterIssuers, as entries of acmectl's config. */
import { isRecord } from "../../json.ts";
import { type Json, listIn, type Manifest, recordIn, textIn } from "./manifests.ts";
import { defined, type Origin, type Refer, type Translated, translateSolver } from "./solvers.ts";

/** An issuer with its names in the config. */
export interface TranslatedIssuer {
  readonly manifest: Manifest;
  readonly name: string;
  readonly entry: Json;
  readonly solvers: Readonly<Record<string, Json>>;
  readonly notes: readonly string[];
  readonly server: string;
  /** The Secret of the account's key. */
  readonly accountKey?: { readonly name: string; readonly key: string } | undefined;
  /** cert-manager sends the duration only where this is set. */
  readonly sendsDuration: boolean;
}

/** The default of cert-manager's `--cluster-resource-namespace`, where the Secrets of a ClusterIssuer are. */
const clusterNamespace = "cert-manager";

/** Undefined if the issuer is not an ACME CA. */
export function translateIssuer(
  manifest: Manifest,
  name: string,
  referTo: (namespace: string) => Refer,
  origin: Origin,
): TranslatedIssuer | undefined {
  const { acme } = manifest.spec;
  const server = textIn(recordIn(manifest.spec, "acme"), "server");
  if (acme === undefined || server === undefined) return undefined;
  const setting = recordIn(manifest.spec, "acme");
  const refer = referTo(secretsOf(manifest));
  const binding = recordIn(setting, "externalAccountBinding");
  const bundle = textIn(setting, "caBundle");
  const entry = defined({
    server,
    email: textIn(setting, "email"),
    agreeTos: true,
    eabKid: textIn(binding, "keyID"),
    eabHmac: refer(recordIn(binding, "keySecretRef")),
    eabHmacAlg: textIn(binding, "keyAlgorithm"),
    caBundle: bundle === undefined ? undefined : Buffer.from(bundle, "base64").toString(),
    preferredChain: textIn(setting, "preferredChain"),
    profile: textIn(setting, "profile"),
  });
  const all = Array.isArray(setting["solvers"]) ? setting["solvers"].filter(isRecord) : [];
  const translated = all.map((one) => placed(translateSolver(one, refer), manifest, origin));
  const named = translated.flatMap(({ entry }, index) =>
    entry === undefined ? [] : [[all.length === 1 ? name : `${name}-${index + 1}`, entry] as const],
  );
  const key = recordIn(setting, "privateKeySecretRef");
  const keyName = textIn(key, "name");
  return {
    manifest,
    name,
    entry,
    server,
    solvers: Object.fromEntries(named),
    notes: [
      ...translated.flatMap(({ notes }, index) =>
        notes.map((note) => `solver ${index + 1}: ${note}`),
      ),
      ...(setting["skipTLSVerify"] === true
        ? ["skipTLSVerify has no equivalent: give the CA's root as caBundle"]
        : []),
    ],
    accountKey:
      keyName === undefined ? undefined : { name: keyName, key: textIn(key, "key") ?? "tls.key" },
    sendsDuration: setting["enableDurationFeature"] === true,
  };
}

/** With the cluster, and the namespace of the Issuer, where it looks for an Ingress or Gateway. */
function placed(
  { entry, notes }: Translated,
  { kind, namespace }: Manifest,
  { kubeconfig, context }: Origin,
): Translated {
  if (entry?.["use"] !== "kubernetes") return { entry, notes };
  const cluster = defined({ kubeconfig, context });
  const gateways = listIn(entry, "gateways");
  const isRelative = entry["ingress"] !== undefined || gateways.some((one) => !one.includes("/"));
  if (!isRelative) return { entry: { ...entry, ...cluster }, notes };
  if (kind === "ClusterIssuer") {
    const note = "cert-manager looks in the namespace of each Certificate: set `namespace`";
    return { entry: { ...entry, ...cluster }, notes: [...notes, note] };
  }
  const own =
    gateways.length === 0
      ? { namespace }
      : { gateways: gateways.map((one) => (one.includes("/") ? one : `${namespace}/${one}`)) };
  return { entry: { ...entry, ...own, ...cluster }, notes };
}

export function secretsOf({ kind, namespace }: Manifest): string {
  return kind === "ClusterIssuer" ? clusterNamespace : namespace;
}

/** For messages: the kind of an issuer that is not an ACME CA. */
export function otherKind({ spec }: Manifest): string {
  return Object.keys(spec).join(", ") || "nothing";
}
