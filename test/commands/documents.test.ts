import { Ajv2020 } from "ajv/dist/2020.js";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { commandSource } from "../../src/commands/definitions.ts";
import { Problem } from "../../src/problem.ts";
import { startIssuing } from "../support/issuing.ts";
import { freePort } from "../support/servers/process.ts";

const schema = new URL("../../schema/result.schema.json", import.meta.url);

test("the document of every command matches the schema, which describes all that is in it, for success and for failure", async () => {
  const ajv = new Ajv2020({ allErrors: true, validateFormats: false, strictTypes: false });
  const shape = JSON.parse(await readFile(schema, "utf8"));
  const isResult = ajv.compile(shape);
  const described = new Set(Object.keys(shape.properties));
  const ofCertificates = new Set(Object.keys(shape.$defs.certificate.properties));
  await using issuing = await startIssuing();
  const folder = join(issuing.state, "..");
  const config = join(folder, "config.yaml");
  const empty = join(folder, "empty");
  await mkdir(empty);
  const manifest = join(folder, "issuer.yaml");
  const issuer = { acme: { server: "https://ca.example.test/directory", solvers: [] } };
  const spec = { secretName: "web", dnsNames: ["web.example.test"], issuerRef: { name: "ca" } };
  const manifests = [
    { apiVersion: "cert-manager.io/v1", kind: "Issuer", metadata: { name: "ca" }, spec: issuer },
    { apiVersion: "cert-manager.io/v1", kind: "Certificate", metadata: { name: "web" }, spec },
  ];
  await writeFile(manifest, manifests.map((one) => JSON.stringify(one)).join("\n---\n"));
  const ca = issuing.words.filter(
    (word) => !["--agree-tos", "--state", issuing.state].includes(word),
  );
  const server = ca.join(" ");
  const free = await freePort();
  const port = `--standalone-port ${free}`;
  const unreachable = "--server https://127.0.0.1:1/directory --agree-tos";
  const seen = new Map<string, { succeeded: boolean; failed: boolean }>();
  const check = async (line: string, signal?: AbortSignal) => {
    const words = [...line.split(" "), "--json", "--config", config];
    const ran = await issuing.run(words, signal === undefined ? {} : { signal });
    const document = JSON.parse(ran.stdout);
    expect([line, isResult(document), isResult.errors]).toEqual([line, true, null]);
    const ofEach: string[] = (document.certificates ?? []).flatMap(Object.keys);
    const unknown = [
      ...Object.keys(document).filter((member) => !described.has(member)),
      ...ofEach.filter((member) => !ofCertificates.has(member)),
    ];
    expect([line, "not in the schema", unknown]).toEqual([line, "not in the schema", []]);
    const before = seen.get(document.command);
    const failed = ran.code !== 0;
    seen.set(document.command, {
      succeeded: before?.succeeded === true || !failed,
      failed: before?.failed === true || failed,
    });
    return ran;
  };

  await issuing.issue(["-d", "a.example.test", "--name", "a", "--deploy-hook", "exit 3"]);
  await issuing.issue(["-d", "b.example.test", "--name", "b"]);
  for (const line of [
    "config init",
    "config path",
    "config set issuers.ca.server letsencrypt",
    "config set issuers.ca.nonsense 1",
    "config get issuers.ca.server",
    "config get nothing.there",
    "config validate",
    "config set notify.ops.run /bin/true",
    "notify test",
    "notify test nobody",
    "config schema",
    "list",
    "plan",
    "apply",
    "status",
    "status a",
    "status --check",
    "describe a",
    "describe unknown",
    "deploy a",
    "deploy b",
    "renew b --force --no-jitter",
    "renew unknown",
    "state check",
    "state init",
    "pull",
    "pull --forget web1",
    `status --html ${join(folder, "status.html")}`,
    `state copy ${issuing.state} ${join(folder, "copy")}`,
    `state copy ${empty} ${empty}`,
    `state backup ${join(folder, "backup.tar.gz")}`,
    `import cert-manager ${manifest} --dry-run`,
    "completion bash",
    "solvers list",
    "solvers show standalone",
    "solvers show unknown",
    `solvers test standalone -d c.example.test ${port} --self-check-at 127.0.0.1:${free}`,
    "schedule show",
    "schedule install --dry-run",
    `import certbot ${empty} --dry-run`,
    `import lego ${empty} --dry-run`,
    `import acme.sh ${empty} --dry-run`,
    "import certbot /nowhere",
    `account register ${server} --agree-tos`,
    `account show ${server}`,
    "account list",
    `account persist ${server} -d a.example.test`,
    `account update ${server} -m ops@example.com`,
    `account rollover ${server}`,
    `account export ${server} --output ${join(folder, "account.pem")}`,
    `account import ${server} ${join(folder, "account.pem")}`,
    `issue -d d.example.test --standalone ${port} --self-check-at 127.0.0.1:1 ${server} --agree-tos`,
    `issue -d b.example.test --name b --standalone ${server} --agree-tos`,
    "check -d e.example.test --server local",
    `check -d e.example.test --standalone ${port} ${server}`,
    `issue --check -d e.example.test --standalone ${port} ${server}`,
    `issue --dry-run -d e.example.test --standalone ${port} ${server} --agree-tos`,
    `issue -d e.example.test --temporary --standalone ${port} ${unreachable}`,
    "list",
    "status e.example.test",
    "status --check",
    "plan",
    "renew --drill",
    "renew b --drill",
    `renew b --force --no-jitter --timings`,
    "renew b --force --dry-run",
    `account persist ${server} -d a.example.test --format zone`,
    `account persist ${server} -d a.example.test --until 365d --apply`,
    "delete e.example.test --yes",
    "revoke b --yes",
    "delete a b --yes",
    "apply --no-jitter",
    `account deactivate ${server} --yes`,
    `account deactivate ${server} --yes`,
  ]) {
    await check(line);
  }
  await writeFile(
    config,
    "certificates:\n  web: { domains: [web.example.test], solver: none-such }\n",
  );
  for (const line of ["config validate", "plan", "apply --no-jitter"]) await check(line);
  const stopping = new AbortController();
  await writeFile(config, "certificates: {}\n");
  const stopped = ["test-ca --port 0", "run", "respond --http 0"].map((line) =>
    check(line, stopping.signal),
  );
  const reason = new Problem("interrupted", { detail: "Stopped by SIGTERM.", exitCode: 143 });
  setTimeout(() => stopping.abort(reason), 1000);
  await Promise.all(stopped);

  const { names } = commandSource();
  for (const name of names) await check(`${name} --nonsense`);
  const missing = names.filter((name) => seen.get(name)?.succeeded !== true);
  // A conversation has no document. The others change this machine's schedule, or need a scheduler, a shared state or a new folder.
  const elsewhere = [
    "setup",
    "schedule install",
    "schedule remove",
    "state rekey",
    "state restore",
  ];
  expect(missing.filter((name) => !elsewhere.includes(name))).toEqual([]);
  expect(names.filter((name) => seen.get(name)?.failed !== true)).toEqual([]);
}, 120_000);
