import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { stringify } from "yaml";
import { openCluster } from "../../src/kubernetes/cluster.ts";
import { startKubernetesFake } from "../support/fakes/kubernetes.ts";
import { temporaryFolder } from "../support/state.ts";

test("parallel requests run the credential plugin once, and once more when the server refuses its token", async () => {
  const { path: folder, ...temporary } = await temporaryFolder();
  const fake = await startKubernetesFake(folder);
  onTestFinished(async () => {
    await fake.close();
    await temporary[Symbol.asyncDispose]();
  });
  const log = join(folder, "log");
  // The first token has been revoked.
  const credential = `{"kind":"ExecCredential","status":{"token":"%s"}}`;
  const script = `test -e ${log} && token=${fake.token} || token=old; echo run >> ${log}; printf '${credential}' $token`;
  const kubeconfig = join(folder, "exec");
  const text = stringify({
    contexts: [{ name: "own", context: { cluster: "c", user: "u", namespace: "web" } }],
    "current-context": "own",
    clusters: [{ name: "c", cluster: { server: fake.url, "certificate-authority": "root.pem" } }],
    users: [{ name: "u", user: { exec: { command: "sh", args: ["-c", script] } } }],
  });
  await writeFile(kubeconfig, text);
  const tools = { env: { PATH: process.env["PATH"] }, kind: "deploy", wrong: "deploy" } as const;
  const cluster = await openCluster({ kubeconfig }, tools);
  const { signal } = new AbortController();
  const ask = () =>
    cluster.ask({ verb: "list", api: "v1", kind: "secrets", namespace: "web" }, signal);
  const answers = await Promise.all([ask(), ask(), ask()]);
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(await readFile(log, "utf8")).toBe("run\nrun\n");
});
