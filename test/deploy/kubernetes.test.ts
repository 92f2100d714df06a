import { X509Certificate } from "node:crypto";
import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { stringify } from "yaml";
import type { KubernetesSetting } from "../../src/certificate.ts";
import { startKubernetesFake } from "../support/fakes/kubernetes.ts";
import { temporaryFolder } from "../support/state.ts";
import { name, openWorld } from "./world.ts";

const secretAt = (namespace: string) => `/api/v1/namespaces/${namespace}/secrets/shop-tls`;
const deploymentAt = "/apis/apps/v1/namespaces/web/deployments/web";

async function withCluster(setting: Partial<KubernetesSetting> = {}) {
  const folder = await temporaryFolder();
  const fake = await startKubernetesFake(folder.path);
  onTestFinished(async () => {
    await fake.close();
    await folder[Symbol.asyncDispose]();
  });
  const env = { PATH: process.env["PATH"], KUBECONFIG: fake.kubeconfig, KEYSTORE: "changeit" };
  const want = (more: Partial<KubernetesSetting>) => [
    { kubernetes: { secret: "shop-tls", ...more } },
  ];
  const world = await openWorld(want(setting), { env });
  const data = (namespace = "web") => {
    const entries = fake.objects.get(secretAt(namespace))?.["data"] ?? {};
    const decoded = Object.entries(entries).map(([key, value]) => {
      return [key, Buffer.from(String(value), "base64")] as const;
    });
    return Object.fromEntries(decoded);
  };
  return { fake, folder: folder.path, world, want, data };
}

test("writes certificate and key into a Secret of the context's namespace", async () => {
  const { fake, world, data } = await withCluster();
  const { certificate, privateKey } = await world.issue();
  expect(await world.deploy()).toBeUndefined();
  expect(String(data()["tls.crt"])).toBe(`${certificate}\n`);
  expect(String(data()["tls.key"])).toBe(`${privateKey}\n`);
  const serial = (await world.read()).held?.meta.serial;
  expect(fake.objects.get(secretAt("web"))).toMatchObject({
    type: "kubernetes.io/tls",
    metadata: {
      annotations: {
        "acmectl/certificate-name": name,
        "acmectl/serial": serial,
        "acmectl/not-after": (await world.read()).held?.meta.notAfter,
        "acmectl/issuer": expect.stringMatching(/^https:/),
      },
    },
  });
  expect(world.masked).toContain(fake.token);
});

test("leaves foreign keys, labels and annotations in the Secret", async () => {
  const { fake, world } = await withCluster({ labels: { team: "shop" } });
  fake.plant(secretAt("web"), {
    type: "kubernetes.io/tls",
    metadata: { labels: { app: "web" }, annotations: { note: "mine" } },
    data: { "dhparam.pem": "AAAA" },
  });
  expect(await world.deploy()).toBeUndefined();
  expect(fake.objects.get(secretAt("web"))).toMatchObject({
    metadata: { labels: { app: "web", team: "shop" }, annotations: { note: "mine" } },
    data: { "dhparam.pem": "AAAA", "tls.crt": expect.any(String) },
  });
});

test("fields of another manager are refused by name, and taken over with force", async () => {
  const { fake, world, want } = await withCluster();
  fake.plant(secretAt("web"), { type: "kubernetes.io/tls", data: { "tls.crt": "AAAA" } }, "helm");
  const problem = await world.deploy();
  expect(problem?.message).toContain(
    "another field manager owns what is to be written: helm (.data.tls.crt).",
  );
  expect(problem?.exitCode).toBe(9);
  await world.want(want({ force: true }));
  expect(await world.deploy()).toBeUndefined();
});

test.each([
  [{ type: "Opaque" }, "its type is Opaque, not kubernetes.io/tls"],
  [{ type: "kubernetes.io/tls", immutable: true }, "it is immutable"],
])("refuses to write into %j", async (object, words) => {
  const { fake, world } = await withCluster();
  fake.plant(secretAt("web"), object);
  expect((await world.deploy())?.message).toContain(words);
  expect(fake.requests.some((one) => one.startsWith("patch"))).toBe(false);
});

test("writes a CA, a key store and a combined file as further keys", async () => {
  const { world, data } = await withCluster({
    type: "Opaque",
    keys: { "ca.crt": "ca", "keystore.p12": "pkcs12", "all.pem": "combined" },
    password: "env:KEYSTORE",
  });
  const { certificate, privateKey } = await world.issue();
  expect(await world.deploy()).toBeUndefined();
  expect(new X509Certificate(data()["ca.crt"] ?? "").raw).toEqual(
    new X509Certificate(certificate).raw,
  );
  expect(data()["keystore.p12"]?.[0]).toBe(0x30);
  expect(String(data()["all.pem"])).toBe(`${certificate}\n${privateKey}\n`);
});

test("repeats only the namespace that failed", async () => {
  const { fake, world } = await withCluster({ namespaces: ["web", "api"], contexts: ["test"] });
  fake.plant(secretAt("api"), { type: "Opaque" });
  expect((await world.deploy())?.message).toContain("in the namespace api of test");
  fake.objects.delete(secretAt("api"));
  fake.requests.length = 0;
  expect(await world.deploy()).toBeUndefined();
  expect(fake.requests).toEqual([`get ${secretAt("api")}`, `patch ${secretAt("api")}`]);
});

test("restarts a deployment by the annotation of kubectl", async () => {
  const { fake, world } = await withCluster({ restart: ["deployment/web"] });
  fake.plant(deploymentAt, { spec: { template: { metadata: {} } } });
  expect(await world.deploy()).toBeUndefined();
  expect(fake.objects.get(deploymentAt)).toMatchObject({
    spec: {
      template: {
        metadata: {
          annotations: { "kubectl.kubernetes.io/restartedAt": expect.stringMatching(/^20/) },
        },
      },
    },
  });
});

test("shows how to write a workload that it cannot restart", async () => {
  const { world } = await withCluster({ restart: ["web"] });
  expect(await world.deploy()).toMatchObject({
    message: expect.stringContaining("Cannot restart web."),
    hint: expect.stringContaining("deployment/NAME"),
  });
});

test.each([
  ["get secrets", "may not get secrets in the namespace web"],
  ["create secrets", "may not create secrets in the namespace web"],
  ["patch secrets", "may not patch secrets in the namespace web"],
  ["patch deployments", "may not patch deployments in the namespace web"],
])("names what is missing without the verb %s", async (verb, words) => {
  const { fake, world } = await withCluster({ restart: ["deployment/web"] });
  fake.plant(deploymentAt, {});
  fake.forbidden.add(verb);
  const problem = await world.deploy();
  expect(problem?.message).toContain(words);
  expect(problem?.hint).toContain("acmectl solvers show kubernetes");
});

test("tries again when the server is busy", async () => {
  const { fake, world } = await withCluster();
  fake.failures.push(429, 503);
  expect(await world.deploy()).toBeUndefined();
});

const kubeconfigOf = (user: object, cluster: object) =>
  stringify({
    contexts: [{ name: "own", context: { cluster: "c", user: "u" } }],
    "current-context": "own",
    clusters: [{ name: "c", cluster }],
    users: [{ name: "u", user }],
  });

test("asks the credential plugin of the kubeconfig, whose path is relative to the file, without acmectl's variables", async () => {
  const { fake, folder, world, want } = await withCluster();
  Object.assign(world.tools.env, { ACMECTL_EAB_HMAC: "secret" });
  const status = { token: fake.token, expirationTimestamp: "2999-01-01T00:00:00Z" };
  const answer = JSON.stringify({ kind: "ExecCredential", status });
  const check = `test -n "$KUBERNETES_EXEC_INFO" && test "$1$A$ACMECTL_EAB_HMAC" = ab`;
  const plugin = `#!/bin/sh\n${check} && cat <<'E'\n${answer}\nE\n`;
  await writeFile(join(folder, "plugin"), plugin, { mode: 0o755 });
  const exec = {
    apiVersion: "client.authentication.k8s.io/v1",
    command: "./plugin",
    args: ["a"],
    env: [{ name: "A", value: "b" }],
  };
  const kubeconfig = join(folder, "exec");
  await writeFile(
    kubeconfig,
    kubeconfigOf({ exec }, { server: fake.url, "certificate-authority": "root.pem" }),
  );
  await world.want(want({ kubeconfig, namespaces: ["api"] }));
  expect(await world.deploy()).toBeUndefined();
  expect(fake.objects.has(secretAt("api"))).toBe(true);
});

test.each([
  [{}, { server: "http://cluster.example.com" }, "does not use TLS"],
  [{}, { server: "nowhere" }, "is not a URL"],
  [
    {},
    { server: "https://[::1]:1", "insecure-skip-tls-verify": true },
    "only to a server that it can verify",
  ],
  [{ "auth-provider": { name: "gcp" } }, { server: "https://[::1]:1" }, "auth-provider"],
  [{ exec: { command: "no-such-plugin" } }, { server: "https://[::1]:1" }, "was not found"],
  [{ exec: { command: "false" } }, { server: "https://[::1]:1" }, "failed (1)"],
  [{ exec: { command: "true" } }, { server: "https://[::1]:1" }, "did not print an ExecCredential"],
  [
    { exec: { command: "echo", args: ['{"status":{}}'] } },
    { server: "https://[::1]:1" },
    "neither a token nor a client certificate",
  ],
  [
    {},
    { server: "https://[::1]:1", "proxy-url": "proxy" },
    "The proxy-url of the context own is not the URL of a proxy.",
  ],
  [{ "client-key": "missing.pem" }, { server: "https://[::1]:1" }, "missing.pem"],
  [{ token: "wrong" }, undefined, "does not accept the token"],
  [{ username: "me", password: "wrong" }, undefined, "does not accept the user name and password"],
  [{}, undefined, "requires credentials, but the kubeconfig has none for it"],
])("refuses the user %j and the cluster %j", async (user, cluster, words) => {
  const { fake, folder, world, want } = await withCluster();
  const kubeconfig = join(folder, "other");
  const own = { server: fake.url, "certificate-authority": "root.pem" };
  await writeFile(kubeconfig, kubeconfigOf(user, cluster ?? own));
  await world.want(want({ kubeconfig }));
  expect((await world.deploy())?.message).toContain(words);
});

test.each([
  ["current-context: [", "is not YAML"],
  ["contexts: []", "names no current context"],
  ["current-context: gone", "The context gone is not in"],
  [kubeconfigOf({}, {}), "a cluster without `server`"],
  [undefined, "no such file or directory"],
])("refuses a kubeconfig of %j", async (text, words) => {
  const { folder, world, want } = await withCluster();
  const kubeconfig = join(folder, "other");
  if (text !== undefined) await writeFile(kubeconfig, text);
  await world.want(want({ kubeconfig }));
  expect((await world.deploy())?.message).toContain(words);
});

test("lists the contexts that exist if one does not", async () => {
  const { folder, world, want } = await withCluster({ contexts: ["prod"] });
  expect((await world.deploy())?.hint).toContain("Use one of test.");
  const kubeconfig = join(folder, "other");
  await writeFile(kubeconfig, "contexts: []");
  await world.want(want({ kubeconfig, contexts: ["prod"] }));
  expect((await world.deploy())?.hint).toContain("it has no contexts");
});

test("of several files in KUBECONFIG the first that names something wins, and missing ones are skipped", async () => {
  const { fake, folder, world, want } = await withCluster();
  const first = join(folder, "first");
  await writeFile(first, "current-context: test\ncontexts: []\n");
  Object.assign(world.tools.env, {
    KUBECONFIG: `${join(folder, "none")}:${first}:${fake.kubeconfig}`,
  });
  await world.want(want({}));
  expect(await world.deploy()).toBeUndefined();
});

test("in a pod uses the service account and its namespace", async () => {
  const { fake, folder, world } = await withCluster();
  const url = new URL(fake.url);
  await writeFile(join(folder, "namespace"), "api\n");
  await writeFile(join(folder, "token"), fake.token);
  await copyFile(join(folder, "root.pem"), join(folder, "ca.crt"));
  Object.assign(world.tools.env, {
    KUBECONFIG: undefined,
    HOME: folder,
    KUBERNETES_SERVICE_HOST: url.hostname,
    KUBERNETES_SERVICE_PORT: url.port,
    ACMECTL_KUBERNETES_SERVICE_ACCOUNT: folder,
  });
  expect(await world.deploy()).toBeUndefined();
  expect(fake.objects.has(secretAt("api"))).toBe(true);
});
