import { generateKeyPairSync } from "node:crypto";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { readAccountKey } from "../../src/import/material.ts";
import { startKubernetesFake } from "../support/fakes/kubernetes.ts";
import { run } from "../support/run.ts";
import { temporaryFolder } from "../support/state.ts";

const fixture = join(import.meta.dirname, "fixtures/cert-manager.yaml");

async function open() {
  const folder = await temporaryFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const env = { HOME: folder.path, ACMECTL_STATE: join(folder.path, "state") };
  const output = join(folder.path, "acmectl.yaml");
  return { folder: folder.path, env, output };
}

interface Written {
  issuers: Record<string, object>;
  solvers: Record<string, object>;
  certificates: Record<string, object>;
}
interface Imported {
  config: string;
  accounts: { issuer: string; id: string; outcome: string }[];
  left: { what: string; why: string }[];
}

test("the configurations of cert-manager's documentation become a config that validate and plan accept", async () => {
  const { env, output } = await open();
  const imported = await run(`import cert-manager ${fixture} --output ${output} --json`, { env });
  expect(imported.code).toBe(0);
  const config = parse(await readFile(output, "utf8")) as Written;
  expect(config.issuers).toMatchObject({
    "http-ingress": {
      server: "https://acme-staging-v02.api.letsencrypt.org/directory",
      email: "ops@example.com",
      agreeTos: true,
    },
    "http-old": { preferredChain: "ISRG Root X1" },
    "by-dns": { profile: "tlsserver" },
    eab: {
      eabKid: "my-keyID-1",
      eabHmac:
        "cmd:kubectl -n cert-manager get secret eab-secret -o 'go-template={{index .data \"secret\" | base64decode}}'",
      caBundle: expect.stringContaining("-----BEGIN CERTIFICATE-----"),
    },
  });
  const reference = (name: string) => expect.stringContaining(`kubectl -n web get secret ${name}`);
  const none = { cname: "none" };
  expect(config.solvers).toEqual({
    "http-ingress": { use: "kubernetes", ingressClassName: "nginx", serviceType: "NodePort" },
    "http-old-1": {
      use: "kubernetes",
      annotations: {
        "kubernetes.io/ingress.class": "nginx",
        "nginx.ingress.kubernetes.io/whitelist-source-range": "0.0.0.0/0",
      },
    },
    "http-old-2": {
      use: "kubernetes",
      ingress: "shop",
      namespace: "web",
      select: { names: ["shop.example.com"] },
    },
    gateway: { use: "kubernetes", gateways: ["traefik/traefik", "other#http"] },
    "by-dns-1": {
      use: "cloudflare",
      apiToken: reference("cloudflare-api-token"),
      select: { zones: ["cloudflare.example.com"] },
    },
    "by-dns-2": expect.objectContaining({ apiKey: reference("cf"), email: "me@example.com" }),
    "by-dns-3": {
      use: "route53",
      region: "us-east-1",
      hostedZoneId: "DIKER8JEXAMPLE",
      assumeRoleArn: "arn:aws:iam::111122223333:role/dns-manager",
      accessKeyId: "AKIAIOSFODNN7EXAMPLE",
      secretAccessKey: reference("prod-route53"),
      dns: none,
      select: { zones: ["aws.example.com"] },
    },
    "by-dns-4": expect.objectContaining({
      use: "google",
      project: "my-project",
      credentials: reference("clouddns-dns01"),
    }),
    "by-dns-5": expect.objectContaining({
      use: "azure",
      clientSecret: reference("azuredns"),
      resourceGroup: "dns",
      environment: "AzurePublicCloud",
    }),
    "by-dns-6": expect.objectContaining({
      managedIdentity: true,
      clientId: "00000000-0000-0000-0000-000000000004",
      tenantId: "00000000-0000-0000-0000-000000000003",
    }),
    "by-dns-7": expect.objectContaining({ use: "digitalocean", dns: none }),
    "by-dns-8": expect.objectContaining({
      use: "rfc2136",
      server: "192.0.2.53",
      tsigAlgorithm: "hmac-sha512",
    }),
    "by-dns-9": expect.objectContaining({
      use: "acme-dns",
      server: "https://acme-dns.example.org",
    }),
    eab: {
      use: "kubernetes",
      ingressClassName: "traefik",
      select: { labels: { "use-http": "true" } },
    },
  });
  expect(config.certificates).toEqual({
    "example-com": {
      domains: ["example.com", "www.example.com"],
      labels: { "use-http": "true" },
      issuer: "http-ingress",
      solvers: ["http-ingress"],
      keyType: "rsa4096",
      reuseKey: true,
      deploy: [
        {
          kubernetes: {
            secret: "example-com-tls",
            namespaces: ["web"],
            labels: { team: "shop" },
            annotations: { note: "a" },
          },
        },
      ],
    },
    "web-stores": expect.objectContaining({
      keyType: "ec384",
      duration: "720h",
      deploy: [
        {
          kubernetes: {
            secret: "stores-tls",
            namespaces: ["web"],
            keys: { "tls-combined.pem": "combined", "keystore.p12": "pkcs12" },
            password: reference("store"),
            profile: "legacy",
          },
        },
      ],
    }),
    "api-stores": expect.objectContaining({ issuer: "eab", solvers: ["eab"] }),
  });
  // Its CA bundle is a dummy; everything else has to make sense.
  await writeFile(
    output,
    (await readFile(output, "utf8")).replace(/ +caBundle: \|\n( {6}.*\n)+/, ""),
  );
  expect(await run(`config validate --config ${output}`, { env })).toMatchObject({ code: 0 });
  const planned = await run(`plan --config ${output}`, { env });
  expect(planned).toMatchObject({ code: 0 });
  expect(planned.stdout).toContain("web-stores");
});

test("says what has no equivalent", async () => {
  const { env } = await open();
  const { stdout } = await run(`import cert-manager ${fixture} --dry-run --json`, { env });
  const { left } = JSON.parse(stdout) as Imported;
  const of = (what: string) => left.flatMap((one) => (one.what === what ? one.why : []));
  expect(of("Certificate web/example-com")).toEqual([
    "encoding PKCS1: acmectl writes keys as PKCS#8",
    "duration is left out, since the issuer does not have enableDurationFeature",
    expect.stringContaining("renewBefore has no equivalent"),
  ]);
  expect(of("Certificate web/stores").join()).toContain("keystores.jks has no equivalent");
  expect(of("Certificate api/stores")).toEqual([
    expect.stringContaining("keys of Ed25519 are not supported"),
    expect.stringContaining("set the variable KEYSTORE_PASSWORD"),
    expect.stringContaining("truststore.p12 is not written"),
    "signatureAlgorithm: the CA chooses how it signs",
  ]);
  expect(of("Certificate api/orphan")).toEqual(["its issuer was not imported"]);
  expect(of("ClusterIssuer self-signed")).toEqual(["it is not an ACME CA (selfSigned)"]);
  expect(of("ClusterIssuer eab").join()).toContain("skipTLSVerify");
  expect(of("ClusterIssuer gateway").join()).toContain("port of a parentRef");
  expect(of("Issuer web/http-old").join()).toContain("podTemplate");
  expect(of("Issuer web/by-dns").join()).toContain("acmectl has no solver for akamai");
  expect(of("Ingress web/shop").join()).toContain("import that from the cluster");
  expect(of("account of eab").join()).toContain("cannot read the Secret cert-manager/eab-key");
});

test("with --secrets references lead to mounted files", async () => {
  const { env } = await open();
  const words = `import cert-manager ${fixture} --dry-run --secrets /etc/keys --json`;
  const { config } = JSON.parse((await run(words, { env })).stdout) as Imported;
  expect(config).toContain("apiToken: file:/etc/keys/cloudflare-api-token/api-token");
  expect(config).toContain("storage: /etc/keys/acme-dns/acmedns.json");
});

const key = () => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return String(privateKey.export({ type: "sec1", format: "pem" }));
};

test("takes over the account key of a Secret among the files", async () => {
  const { env, folder } = await open();
  const secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "example-issuer-account-key", namespace: "cert-manager" },
    data: { "tls.key": Buffer.from(key()).toString("base64") },
  };
  await writeFile(join(folder, "secret.json"), JSON.stringify(secret));
  const words = `import cert-manager ${fixture} ${join(folder, "secret.json")} --json`;
  const { accounts } = JSON.parse((await run(words, { env })).stdout) as Imported;
  expect(accounts).toMatchObject([{ issuer: "http-ingress", outcome: "taken" }]);
  const listed = await run("account list", { env });
  expect(listed.stdout).toContain("acme-staging-v02");
});

test("references, solvers and steps name the cluster of --kubeconfig and --kube-context", async () => {
  const { env } = await open();
  const flags = "--kubeconfig /etc/kube --kube-context user@prod";
  const words = `import cert-manager ${fixture} --dry-run --json ${flags}`;
  const imported = JSON.parse((await run(words, { env })).stdout) as Imported;
  const { solvers, certificates } = parse(imported.config) as Written;
  expect(solvers["http-ingress"]).toMatchObject({ kubeconfig: "/etc/kube", context: "user@prod" });
  expect(certificates["example-com"]).toMatchObject({
    deploy: [{ kubernetes: { kubeconfig: "/etc/kube", contexts: ["user@prod"] } }],
  });
  expect(imported.config).toContain(
    "cmd:kubectl --kubeconfig=/etc/kube --context=user@prod -n web get secret cf ",
  );
});

test("reads a Gateway without a namespace, a duration in seconds and empty list items, and leaves out other groups' issuers", async () => {
  const { env, folder } = await open();
  const issuer = issuerIn("web");
  const gatewayHTTPRoute = { parentRefs: [{ name: "public" }] };
  const spec = {
    acme: {
      ...issuer.spec.acme,
      enableDurationFeature: true,
      solvers: [{ http01: { gatewayHTTPRoute } }, null],
    },
  };
  const certificate = {
    kind: "Certificate",
    metadata: { name: "shop", namespace: "web" },
    spec: {
      secretName: "shop-tls",
      dnsNames: ["shop.example.com"],
      duration: "86400s",
      issuerRef: { name: "le" },
      additionalOutputFormats: [null],
    },
  };
  const other = {
    kind: "Certificate",
    metadata: { name: "other", namespace: "web" },
    spec: { ...certificate.spec, issuerRef: { name: "le", group: "awspca.cert-manager.io" } },
  };
  const items = [{ ...issuer, spec }, certificate, other];
  await writeFile(join(folder, "all.json"), JSON.stringify({ kind: "List", items }));
  const words = `import cert-manager ${join(folder, "all.json")} --dry-run --json`;
  const { config, left } = JSON.parse((await run(words, { env })).stdout) as Imported;
  const { solvers, certificates } = parse(config) as Written;
  expect(solvers).toEqual({ le: { use: "kubernetes", gateways: ["web/public"] } });
  expect(certificates).toEqual({ shop: expect.objectContaining({ duration: "24h" }) });
  expect(left).toContainEqual({
    what: "Certificate web/other",
    why: "its issuer was not imported",
  });
});

const issuerIn = (namespace: string) => ({
  kind: "Issuer",
  metadata: { name: "le", namespace },
  spec: {
    acme: {
      server: `https://${namespace}.example.com/directory`,
      privateKeySecretRef: { name: "account" },
    },
  },
});

test("takes each account key from the Secret in the namespace of its issuer", async () => {
  const { env, folder } = await open();
  const secretIn = (namespace: string, pem: string) => ({
    kind: "Secret",
    metadata: { name: "account", namespace },
    stringData: { "tls.key": pem },
  });
  const [api, web] = [key(), key()];
  const all = [issuerIn("web"), secretIn("api", api), secretIn("web", web)];
  await writeFile(join(folder, "all.json"), JSON.stringify({ kind: "List", items: all }));
  const { accounts } = JSON.parse(
    (await run(`import cert-manager ${join(folder, "all.json")} --json`, { env })).stdout,
  ) as Imported;
  expect(accounts.map(({ id }) => id)).toEqual([readAccountKey(web, "web").id]);
});

test("writes no config if an account key is unusable, so that the command can be repeated", async () => {
  const { env, folder, output } = await open();
  const secret = {
    kind: "Secret",
    metadata: { name: "account", namespace: "web" },
    stringData: { "tls.key": "not a key" },
  };
  const file = join(folder, "all.json");
  await writeFile(file, JSON.stringify({ kind: "List", items: [issuerIn("web"), secret] }));
  const failed = await run(`import cert-manager ${file} --output ${output}`, { env });
  expect(failed.code).toBe(2);
  await writeFile(file, JSON.stringify(issuerIn("web")));
  expect(await run(`import cert-manager ${file} --output ${output}`, { env })).toMatchObject({
    code: 0,
  });
});

test.each(["token --kubeconfig=/tmp/x", "../token", "--token"])(
  "writes no reference to a Secret of the name %s",
  async (name) => {
    const { env, folder } = await open();
    const [issuer, file] = [issuerIn("web"), join(folder, "issuer.json")];
    const cloudflare = { apiTokenSecretRef: { name, key: "token" } };
    const acme = { ...issuer.spec.acme, solvers: [{ dns01: { cloudflare } }] };
    await writeFile(file, JSON.stringify({ ...issuer, spec: { acme } }));
    for (const secrets of ["", "--secrets /etc/keys"]) {
      const words = `import cert-manager ${file} --dry-run ${secrets} --json`;
      const { config } = JSON.parse((await run(words.trim(), { env })).stdout) as Imported;
      expect(config).toContain("use: cloudflare");
      expect(config).not.toContain("apiToken");
    }
  },
);

test("reads issuers, certificates and account keys from the cluster", async () => {
  const { env, folder } = await open();
  const fake = await startKubernetesFake(folder);
  onTestFinished(() => fake.close());
  const kinds: Record<string, string> = {
    ClusterIssuer: "clusterissuers",
    Issuer: "namespaces/web/issuers",
    Certificate: "namespaces/web/certificates",
  };
  for (const document of parseAllDocuments(await readFile(fixture, "utf8"))) {
    const { kind, metadata, ...object } = document.toJS() as {
      kind: string;
      metadata: { name: string };
    };
    const place = kinds[kind];
    if (place === undefined) continue;
    const path = `/apis/cert-manager.io/v1/${place}/${metadata.name}`;
    fake.plant(path, { ...object, metadata: { ...metadata } });
  }
  fake.plant("/api/v1/namespaces/web/secrets/by-dns-key", {
    data: { "tls.key": Buffer.from(key()).toString("base64") },
  });
  const words = `import cert-manager --kubeconfig ${fake.kubeconfig}`;
  const { code, stdout } = await run(words, { env });
  expect(code).toBe(0);
  expect(stdout).toContain("use: cloudflare");
  expect(stdout).toContain("The account of by-dns was taken over");
});

test("skips the folders in a folder, and names a file that cannot be read", async () => {
  const { env, folder } = await open();
  await mkdir(join(folder, "all", "old.yaml"), { recursive: true });
  await writeFile(join(folder, "all", "le.json"), JSON.stringify(issuerIn("web")));
  const words = "import cert-manager all --dry-run";
  expect(await run(words, { env, cwd: folder })).toMatchObject({ code: 0 });
  await symlink("nowhere", join(folder, "all", "gone.yaml"));
  const refused = await run(words, { env, cwd: folder });
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain("gone.yaml: no such file or directory.");
});

test.each([
  ["no-such-file.yaml", "Cannot read no-such-file.yaml: no such file or directory."],
  ["-", "No Issuer or ClusterIssuer of an ACME CA was found in stdin."],
  ["alias.yaml", "alias.yaml: Unresolved alias"],
])("refuses %s", async (place, words) => {
  const { env, folder } = await open();
  await writeFile(join(folder, "alias.yaml"), "a: *b\n");
  const ran = await run(`import cert-manager ${place}`, { env, cwd: folder, stdin: "a: 1\n" });
  expect(ran.code).toBe(2);
  expect(ran.stderr).toContain(words);
});
