import { writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { stringify } from "yaml";
import { openCluster } from "../../src/kubernetes/cluster.ts";
import { startProxy } from "../support/servers/proxy.ts";
import { makeTls } from "../support/servers/tls.ts";
import { temporaryFolder } from "../support/state.ts";

const { path: folder, ...temporary } = await temporaryFolder();
const tls = await makeTls(folder);
const setting = {
  key: tls.keyPem,
  cert: tls.certificatePem,
  requestCert: true,
  rejectUnauthorized: false,
};
/** Answers what it was shown. */
const server = createServer(setting, ({ headers, socket }, response) => {
  const shown = socket as TLSSocket & { readonly servername?: string };
  const { CN: subject } = shown.getPeerCertificate().subject ?? {};
  const { authorization, "impersonate-user": as, "impersonate-group": groups } = headers;
  const { servername } = shown;
  const all = JSON.stringify({ subject, authorization, as, groups, servername });
  response.end(authorization === "Bearer login" ? "<h1>Log in</h1>" : all);
});
beforeAll(() => new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve)));
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await temporary[Symbol.asyncDispose]();
});

/** What the server is shown by a user and a cluster of a kubeconfig. */
async function shownBy(user: object, cluster: object = {}) {
  const { port } = server.address() as AddressInfo;
  const own = { server: `https://127.0.0.1:${port}`, "certificate-authority": "root.pem" };
  const kubeconfig = join(folder, "kubeconfig");
  const text = stringify({
    "current-context": "own",
    contexts: [{ name: "own", context: { cluster: "c", user: "u" } }],
    clusters: [{ name: "c", cluster: { ...own, ...cluster } }],
    users: [{ name: "u", user }],
  });
  await writeFile(kubeconfig, text);
  const tools = { env: { PATH: process.env["PATH"] }, kind: "deploy", wrong: "deploy" } as const;
  const opened = await openCluster({ kubeconfig }, tools);
  const asked = { verb: "get", api: "v1", kind: "secrets", namespace: "web", name: "a" } as const;
  return (await opened.ask(asked, new AbortController().signal)).object;
}

const data = (pem: string) => Buffer.from(pem).toString("base64");
const status = { clientCertificateData: tls.certificatePem, clientKeyData: tls.keyPem };
const credential = JSON.stringify({ kind: "ExecCredential", status });

test.each([
  [
    "a client certificate in files beside the kubeconfig",
    { "client-certificate": "tls.pem", "client-key": "tls.key" },
    { subject: "localhost" },
  ],
  [
    "a client certificate in the kubeconfig",
    { "client-certificate-data": data(tls.certificatePem), "client-key-data": data(tls.keyPem) },
    { subject: "localhost" },
  ],
  [
    "the client certificate of a credential plugin, which gets its variables",
    {
      exec: {
        command: "sh",
        args: ["-c", 'printf "%s" "$CREDENTIAL"'],
        env: [{ name: "CREDENTIAL", value: credential }],
      },
    },
    { subject: "localhost" },
  ],
  ["a token in the kubeconfig", { token: "t0" }, { authorization: "Bearer t0" }],
  [
    "a token in a file, instead of one beside it",
    { tokenFile: "token", token: "t0" },
    { authorization: "Bearer t1" },
  ],
  [
    "a name and a password",
    { username: "me", password: "pass" },
    { authorization: "Basic bWU6cGFzcw==" },
  ],
  ["a user to act as", { token: "t0", as: "other" }, { as: "other" }],
  [
    "a user and groups to act as",
    { token: "t0", as: "other", "as-groups": ["a", "b"] },
    { as: "other", groups: "a, b" },
  ],
])("the server is shown %s", async (_, user, expected) => {
  await writeFile(join(folder, "token"), "t1\n");
  expect(await shownBy(user)).toMatchObject(expected);
});

test("tls-server-name is the name that the server's certificate is checked for", async () => {
  const shown = await shownBy({ token: "t" }, { "tls-server-name": "localhost" });
  expect(shown).toMatchObject({ servername: "localhost" });
  const refused = shownBy({ token: "t" }, { "tls-server-name": "other.test" });
  await expect(refused).rejects.toMatchObject({
    message: expect.stringContaining("other.test"),
    retryable: false,
  });
});

test("an answer that is not JSON is not taken for success", async () => {
  await expect(shownBy({ token: "login" })).rejects.toMatchObject({
    message: expect.stringContaining("does not answer like a Kubernetes API server"),
    retryable: false,
  });
});

test("a client certificate that cannot be read is not tried again", async () => {
  const user = { "client-certificate-data": data("none"), "client-key-data": data("none") };
  await expect(shownBy(user)).rejects.toMatchObject({ retryable: false });
});

test("proxy-url leads through a proxy", async () => {
  await using proxy = await startProxy(() => (server.address() as AddressInfo).port);
  const shown = await shownBy({ token: "t" }, { "proxy-url": proxy.url });
  expect(shown).toMatchObject({ authorization: "Bearer t" });
  expect(proxy.seen).toHaveLength(1);
});
