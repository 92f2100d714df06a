/** Certificates, as entries of acmectl's config. */
import { isRecord } from "../../json.ts";
import { type Json, listIn, type Manifest, recordIn, textIn, textsIn } from "./manifests.ts";
import type { TranslatedIssuer } from "./issuers.ts";
import { defined, type Origin, type Refer, someOf } from "./solvers.ts";

export interface TranslatedCertificate {
  readonly entry: Json;
  readonly notes: readonly string[];
}

export function translateCertificate(
  { spec, labels, namespace }: Manifest,
  issuer: TranslatedIssuer,
  refer: Refer,
  origin: Origin,
): TranslatedCertificate {
  const common = textIn(spec, "commonName");
  const domains = [...listIn(spec, "dnsNames"), ...listIn(spec, "ipAddresses")];
  const key = keyOf(recordIn(spec, "privateKey"));
  const secret = secretOf(spec, namespace, refer, origin);
  const duration = textIn(spec, "duration");
  const solvers = Object.keys(issuer.solvers);
  const entry = defined({
    domains: common === undefined || domains.includes(common) ? domains : [common, ...domains],
    labels: someOf(labels),
    issuer: issuer.name,
    solvers: solvers.length === 0 ? undefined : solvers,
    keyType: key.type,
    reuseKey: key.isReused || undefined,
    duration: issuer.sendsDuration && duration !== undefined ? durationOf(duration) : undefined,
    deploy: [{ kubernetes: secret.step }],
  });
  const unsent =
    duration !== undefined && !issuer.sendsDuration
      ? ["duration is left out, since the issuer does not have enableDurationFeature"]
      : [];
  const foreign = unknown.flatMap(([field, what]) => (isSet(spec[field]) ? [what] : []));
  return { entry, notes: [...key.notes, ...secret.notes, ...unsent, ...foreign] };
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== false;
}

const unknown: readonly (readonly [string, string])[] = [
  ["renewBefore", renewal("renewBefore")],
  ["renewBeforePercentage", renewal("renewBeforePercentage")],
  ["uris", "uris: ACME CAs issue for DNS names and IP addresses only"],
  ["emailAddresses", "emailAddresses: ACME CAs issue for DNS names and IP addresses only"],
  ["subject", "subject: ACME CAs set the subject themselves"],
  ["literalSubject", "literalSubject: ACME CAs set the subject themselves"],
  ["isCA", "isCA: ACME CAs issue no CA certificates"],
  ["otherNames", "otherNames: ACME CAs issue for DNS names and IP addresses only"],
  ["nameConstraints", "nameConstraints: ACME CAs issue no CA certificates"],
  ["signatureAlgorithm", "signatureAlgorithm: the CA chooses how it signs"],
  ["usages", "usages: the CA sets the usages of the key"],
];

function renewal(field: string): string {
  return `${field} has no equivalent: acmectl renews when the CA's renewal information says so, else in the last third of the lifetime`;
}

/** Go's durations, `2160h0m0s`, as acmectl writes them. */
function durationOf(duration: string): string {
  const parts = [...duration.matchAll(/([\d.]+)([hms])(?!s)/gu)];
  const minutes = parts.reduce((sum, [, count, unit]) => sum + Number(count) * inMinutes(unit), 0);
  return minutes % 60 === 0 ? `${minutes / 60}h` : `${Math.ceil(minutes)}m`;
}

function inMinutes(unit: string | undefined): number {
  return unit === "h" ? 60 : unit === "m" ? 1 : 1 / 60;
}

const keySizes: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  RSA: { "": "rsa2048", 2048: "rsa2048", 3072: "rsa3072", 4096: "rsa4096" },
  ECDSA: { "": "ec256", 256: "ec256", 384: "ec384" },
};

function keyOf(key: Json) {
  const algorithm = textIn(key, "algorithm") ?? "RSA";
  const size = typeof key["size"] === "number" ? String(key["size"]) : "";
  const type = keySizes[algorithm]?.[size];
  const notes = [
    ...(type === undefined
      ? [
          `keys of ${`${algorithm} ${size}`.trim()} are not supported, so the certificate gets ec256`,
        ]
      : []),
    ...(key["encoding"] === "PKCS1" ? ["encoding PKCS1: acmectl writes keys as PKCS#8"] : []),
  ];
  return { type, isReused: key["rotationPolicy"] === "Never", notes };
}

/** The Secret that cert-manager would write. */
function secretOf(spec: Json, namespace: string, refer: Refer, { kubeconfig, context }: Origin) {
  const template = recordIn(spec, "secretTemplate");
  const { pkcs12, jks } = recordIn(spec, "keystores");
  const formats = Array.isArray(spec["additionalOutputFormats"])
    ? spec["additionalOutputFormats"].filter(isRecord)
    : [];
  const types = formats.map(({ type }) => type);
  const store = recordIn({ pkcs12 }, "pkcs12");
  const wantsStore = store["create"] === true;
  const password = refer(recordIn(store, "passwordSecretRef"));
  const keys = {
    ...(types.includes("CombinedPEM") ? { "tls-combined.pem": "combined" } : {}),
    ...(wantsStore ? { "keystore.p12": "pkcs12" } : {}),
  };
  const step = defined({
    secret: textIn(spec, "secretName"),
    namespaces: [namespace],
    contexts: context === undefined ? undefined : [context],
    kubeconfig,
    keys: someOf(keys),
    password: wantsStore ? (password ?? "env:KEYSTORE_PASSWORD") : undefined,
    profile: wantsStore ? profileOf(store) : undefined,
    alias: wantsStore ? textIn(store, "alias") : undefined,
    labels: someOf(textsIn(template, "labels")),
    annotations: someOf(textsIn(template, "annotations")),
  });
  const notes = [
    ...(wantsStore ? storeNotes(password) : []),
    ...(jks === undefined ? [] : ["keystores.jks has no equivalent: Java reads keystore.p12"]),
    ...(types.includes("DER") ? ["additionalOutputFormats DER has no equivalent"] : []),
  ];
  return { step, notes };
}

function storeNotes(password: string | undefined): readonly string[] {
  const truststore = "truststore.p12 is not written; the CA of an ACME certificate is in the chain";
  if (password !== undefined) return [truststore];
  const own =
    "keystores.pkcs12 has its password in the Certificate: set the variable KEYSTORE_PASSWORD";
  return [own, truststore];
}

function profileOf(store: Json): string | undefined {
  return textIn(store, "profile")?.startsWith("Legacy") ? "legacy" : undefined;
}
