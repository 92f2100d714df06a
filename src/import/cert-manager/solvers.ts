/** Solvers of an Issuer, as entries of acmectl's config. */
import { isRecord } from "../../json.ts";
import { type Json, listIn, recordIn, textIn, textsIn } from "./manifests.ts";

/** Writes a reference to a key of a Secret in the issuer's namespace. */
export type Refer = (secret: Json, key?: string) => string | undefined;

/** How acmectl will find the Secrets and the cluster; as kubectl does when absent. */
export interface Origin {
  /** A folder where Secrets are mounted, `<name>/<key>`; without it, kubectl is asked. */
  readonly secrets?: string | undefined;
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
}

export interface Translated {
  /** Absent where acmectl has no solver for it. */
  readonly entry?: Json | undefined;
  readonly notes: readonly string[];
}

export function translateSolver(solver: Json, refer: Refer): Translated {
  const selector = recordIn(solver, "selector");
  const select = {
    names: some(listIn(selector, "dnsNames")),
    zones: some(listIn(selector, "dnsZones")),
    labels: someOf(textsIn(selector, "matchLabels")),
  };
  const { dns01, http01 } = solver;
  const found = isRecord(http01)
    ? byHttp(http01)
    : isRecord(dns01)
      ? byDns(dns01, refer)
      : { notes: ["it has neither http01 nor dns01"] };
  if (found.entry === undefined) return found;
  const given = someOf(select);
  return { ...found, entry: given === undefined ? found.entry : { ...found.entry, select: given } };
}

function byHttp(http01: Json): Translated {
  const { ingress, gatewayHTTPRoute: route } = http01;
  const at = isRecord(route) ? route : isRecord(ingress) ? ingress : {};
  const notes = Object.hasOwn(at, "podTemplate")
    ? ["podTemplate has no equivalent: acmectl does not start pods"]
    : [];
  if (isRecord(route)) {
    const parents = Array.isArray(route["parentRefs"]) ? route["parentRefs"].filter(isRecord) : [];
    const gateways = parents.map((parent) => {
      const [namespace, section] = [textIn(parent, "namespace"), textIn(parent, "sectionName")];
      const name = textIn(parent, "name") ?? "";
      return `${namespace ? `${namespace}/` : ""}${name}${section ? `#${section}` : ""}`;
    });
    const labels = someOf(textsIn(route, "labels"));
    const foreign = parents.flatMap((parent) => [
      ...noteIf(parent, "port", "port of a parentRef has no equivalent: give the listener's name"),
      ...((textIn(parent, "kind") ?? "Gateway") === "Gateway"
        ? []
        : [`parentRefs of the kind ${textIn(parent, "kind")} have no equivalent: give a Gateway`]),
    ]);
    const serviceType = textIn(route, "serviceType");
    const entry = defined({ use: "kubernetes", gateways, labels, serviceType });
    return { entry, notes: [...notes, ...foreign] };
  }
  const metadata = recordIn(recordIn(at, "ingressTemplate"), "metadata");
  const className = textIn(at, "class");
  const byClass = className === undefined ? {} : { "kubernetes.io/ingress.class": className };
  const entry = defined({
    use: "kubernetes",
    ingressClassName: textIn(at, "ingressClassName"),
    ingress: textIn(at, "name"),
    serviceType: textIn(at, "serviceType"),
    annotations: someOf({ ...byClass, ...textsIn(metadata, "annotations") }),
    labels: someOf(textsIn(metadata, "labels")),
  });
  return { entry, notes };
}

type Provider = (setting: Json, refer: Refer) => Translated;

function byDns(dns01: Json, refer: Refer): Translated {
  // cert-manager does not follow CNAMEs by default; acmectl does.
  const dns = dns01["cnameStrategy"] === "Follow" ? {} : { dns: { cname: "none" } };
  for (const [name, provider] of Object.entries(providers)) {
    const setting = dns01[name];
    if (!isRecord(setting)) continue;
    const { entry, notes } = provider(setting, refer);
    return entry === undefined ? { notes } : { entry: { ...defined(entry), ...dns }, notes };
  }
  const names = Object.keys(dns01).filter((key) => key !== "cnameStrategy");
  return {
    notes: [
      `acmectl has no solver for ${names.join(", ") || "it"}: use the solver \`exec\` or \`webhook\``,
    ],
  };
}

const providers: Readonly<Record<string, Provider>> = {
  cloudflare: (setting, refer) => ({
    entry: {
      use: "cloudflare",
      apiToken: refer(recordIn(setting, "apiTokenSecretRef")),
      apiKey: refer(recordIn(setting, "apiKeySecretRef")),
      email: Object.hasOwn(setting, "apiKeySecretRef") ? textIn(setting, "email") : undefined,
    },
    notes: [],
  }),
  route53: (setting, refer) => ({
    entry: {
      use: "route53",
      region: textIn(setting, "region"),
      hostedZoneId: textIn(setting, "hostedZoneID"),
      assumeRoleArn: textIn(setting, "role"),
      accessKeyId: textIn(setting, "accessKeyID"),
      secretAccessKey: refer(recordIn(setting, "secretAccessKeySecretRef")),
    },
    notes: [
      ...noteIf(
        setting,
        "auth",
        "auth.kubernetes has no equivalent: set AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE",
      ),
      ...noteIf(
        setting,
        "accessKeyIDSecretRef",
        "accessKeyIDSecretRef: write the key's id, which is not a secret, as accessKeyId",
      ),
    ],
  }),
  cloudDNS: (setting, refer) => ({
    entry: {
      use: "google",
      project: textIn(setting, "project"),
      zone: textIn(setting, "hostedZoneName"),
      credentials: refer(recordIn(setting, "serviceAccountSecretRef")),
    },
    notes: [],
  }),
  azureDNS: (setting, refer) => {
    const identity = recordIn(setting, "managedIdentity");
    const managed = Object.hasOwn(setting, "managedIdentity");
    return {
      entry: {
        use: "azure",
        subscriptionId: textIn(setting, "subscriptionID"),
        resourceGroup: textIn(setting, "resourceGroupName"),
        zone: textIn(setting, "hostedZoneName"),
        tenantId: textIn(setting, "tenantID") ?? textIn(identity, "tenantID"),
        clientId: textIn(setting, "clientID") ?? textIn(identity, "clientID"),
        clientSecret: refer(recordIn(setting, "clientSecretSecretRef")),
        environment: textIn(setting, "environment"),
        managedIdentity: managed || undefined,
      },
      notes: noteIf(
        identity,
        "resourceID",
        "managedIdentity.resourceID has no equivalent: give its client id as clientId",
      ),
    };
  },
  digitalocean: (setting, refer) => ({
    entry: { use: "digitalocean", token: refer(recordIn(setting, "tokenSecretRef")) },
    notes: [],
  }),
  rfc2136: (setting, refer) => ({
    entry: {
      use: "rfc2136",
      server: textIn(setting, "nameserver"),
      tsigKeyName: textIn(setting, "tsigKeyName"),
      tsigAlgorithm: textIn(setting, "tsigAlgorithm")
        ?.replace(/^HMAC(?=[A-Z]+\d)/u, "hmac-")
        .toLowerCase(),
      tsigSecret: refer(recordIn(setting, "tsigSecretSecretRef")),
      protocol: textIn(setting, "protocol")?.toLowerCase(),
    },
    notes: [],
  }),
  acmeDNS: (setting, refer) => {
    const secret = recordIn(setting, "accountSecretRef");
    const { name, key } = secret;
    const reference = refer(secret);
    const isMounted = reference?.startsWith("file:") === true;
    const file = isMounted
      ? reference.slice("file:".length)
      : `/etc/acmectl/secrets/${String(name)}/${String(key)}`;
    const storage = reference === undefined ? undefined : file;
    const note = `put the accounts of the Secret ${String(name)} into ${file}`;
    return {
      entry: { use: "acme-dns", server: textIn(setting, "host"), storage },
      notes: isMounted || storage === undefined ? [] : [note],
    };
  },
};

function noteIf(setting: Json, key: string, note: string): readonly string[] {
  return Object.hasOwn(setting, key) ? [note] : [];
}

/** Without what is undefined. */
export function defined(object: Json): Json {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}

function some<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length === 0 ? undefined : list;
}

/** Undefined if it is empty. */
export function someOf(object: Json): Json | undefined {
  const given = defined(object);
  return Object.keys(given).length === 0 ? undefined : given;
}
