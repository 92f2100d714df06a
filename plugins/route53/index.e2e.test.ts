/** Against moto: AWS's wire, and every way of the SDK to credentials. */
import { randomUUID } from "node:crypto";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Route53 } from "@aws-sdk/client-route-53";
import type { OptionsOf } from "acmectl/plugin";
import { challengeFor, solverConformance, solverContext } from "acmectl/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { route53Keys, startRoute53Fake } from "../../test/support/fakes/route53.ts";
import { startMoto } from "../../test/support/servers/moto.ts";
import route53 from "./index.ts";

const moto = await startMoto();
const folder = await mkdtemp(join(tmpdir(), "route53-"));
const keys = { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG" };
const aws = new Route53({ endpoint: moto.endpoint, region: "us-east-1", credentials: keys });
const call = { signal: new AbortController().signal };
let zoneId = "";

beforeAll(async () => {
  const made = await aws.createHostedZone({ Name: "example.test", CallerReference: "1" });
  zoneId = (made.HostedZone?.Id ?? "").replace("/hostedzone/", "");
});
afterAll(async () => {
  aws.destroy();
  await moto.close();
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  for (const name of Object.keys(process.env).filter((name) => name.startsWith("AWS_")))
    vi.stubEnv(name, undefined);
  vi.stubEnv("AWS_ENDPOINT_URL", moto.endpoint);
  vi.stubEnv("AWS_CONFIG_FILE", join(folder, "config"));
  vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", join(folder, "credentials"));
  vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
});
afterEach(() => {
  vi.unstubAllEnvs();
});

type Options = OptionsOf<typeof route53.options>;

function options(more: Partial<Options> = {}): Options {
  return {
    hostedZoneId: undefined,
    privateZone: false,
    profile: undefined,
    region: undefined,
    accessKeyId: undefined,
    secretAccessKey: undefined,
    sessionToken: undefined,
    assumeRoleArn: undefined,
    externalId: undefined,
    ttl: 10,
    waitForInsync: true,
    maxRetries: 2,
    endpoint: undefined,
    ...more,
  };
}

async function values(recordName: string): Promise<readonly string[]> {
  const page = await aws.listResourceRecordSets({ HostedZoneId: zoneId });
  return (page.ResourceRecordSets ?? [])
    .filter((set) => set.Type === "TXT" && set.Name === `${recordName}.`)
    .flatMap((set) => set.ResourceRecords ?? [])
    .map(({ Value }) => (Value ?? "").slice(1, -1));
}

describe("conformance against moto", () => {
  // moto lets a DELETE pass that is not exact, so writers side by side are the fake's part; and it refuses a CREATE that
  // equals one of long ago, though the same batch deletes what is there now.
  const cases = solverConformance({
    plugin: route53,
    options: options(keys),
    instances: 1,
    visible: ({ recordName }) => values(recordName),
  });
  const beyondMoto = "removes several responses at once like each alone";
  for (const one of cases) it.skipIf(one.name === beyondMoto)(one.name, one.run);
});

it("eight route53 processes that write one name lose no value, nor a foreign one", async () => {
  const fake = await startRoute53Fake();
  const foreign = {
    name: "_acme-challenge.example.test.",
    type: "TXT",
    ttl: 300,
    values: ['"foreign"'],
  };
  fake.plant(fake.addZone("example.test"), foreign);
  const writers = Array.from({ length: 8 }, () => writer(fake.url));
  const values = await Promise.all(writers.map(({ presented }) => presented));
  const name = "_acme-challenge.example.test";
  expect(new Set(fake.values(name))).toEqual(new Set([...values, "foreign"]));
  expect(await Promise.all(writers.map(({ finish }) => finish()))).toEqual(values.map(() => 0));
  expect(fake.sets(name)).toEqual([foreign]);
  await fake.close();
});

/** A process of its own that presents a value and waits. */
function writer(endpoint: string) {
  const script = fileURLToPath(new URL("../../test/support/route53-writer.ts", import.meta.url));
  const [[AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY]] = Object.entries(route53Keys) as [
    [string, string],
  ];
  const child = spawn(process.execPath, ["--conditions=source", script], {
    env: { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL: endpoint },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(child, "exit").then(([code]: unknown[]) => code);
  return {
    presented: once(child.stdout, "data").then(([data]: unknown[]) => String(data).trim()),
    finish: () => {
      child.stdin.write("go\n");
      return ended;
    },
  };
}

describe("credentials", () => {
  /** Presents and cleans up with whatever the environment holds. */
  async function works(more: Partial<Options> = {}) {
    const challenge = challengeFor("dns-01", "www.example.test");
    const solver = await route53.create(options(more), solverContext());
    const receipt = await solver.present(challenge, call);
    expect(await values(challenge.recordName)).toEqual([challenge.recordValue]);
    await solver.cleanup(challenge, receipt, call);
    expect(await values(challenge.recordName)).toEqual([]);
    await solver.close?.();
    return calls();
  }
  let seen = 0;
  function calls() {
    const all = moto.log();
    const fresh = all.slice(seen);
    seen = all.length;
    return fresh;
  }
  const role = "arn:aws:iam::123456789012:role/acme";
  const keyLines = `aws_access_key_id = ${keys.accessKeyId}\naws_secret_access_key = ${keys.secretAccessKey}\n`;

  it("route53 uses AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", async () => {
    vi.stubEnv("AWS_ACCESS_KEY_ID", keys.accessKeyId);
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", keys.secretAccessKey);
    await works();
  });

  it("route53 uses a profile that assumes a role", async () => {
    await profiles(
      `[profile base]\n${keyLines}\n[profile acme]\nrole_arn = ${role}\nsource_profile = base\n`,
    );
    calls();
    expect(await works({ profile: "acme" })).toContain("POST / ");
    vi.stubEnv("AWS_PROFILE", "acme");
    await works();
  });

  it("route53 assumes the role of assumeRoleArn with the credentials it found", async () => {
    vi.stubEnv("AWS_ACCESS_KEY_ID", keys.accessKeyId);
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", keys.secretAccessKey);
    calls();
    expect(await works({ assumeRoleArn: role, externalId: "42" })).toContain("POST / ");
  });

  it("route53 uses a web identity token, as in Kubernetes", async () => {
    const token = join(folder, "token");
    await writeFile(token, "e30.e30.e30");
    vi.stubEnv("AWS_WEB_IDENTITY_TOKEN_FILE", token);
    vi.stubEnv("AWS_ROLE_ARN", role);
    calls();
    expect(await works()).toContain("POST / ");
  });

  it("route53 uses a credential process", async () => {
    const answer = JSON.stringify({
      Version: 1,
      AccessKeyId: keys.accessKeyId,
      SecretAccessKey: keys.secretAccessKey,
    });
    await writeFile(join(folder, "process.json"), answer);
    await profiles(`[profile tool]\ncredential_process = cat ${join(folder, "process.json")}\n`);
    await works({ profile: "tool" });
  });

  it("route53 uses a container's credential endpoint", async () => {
    const endpoint = await containerCredentials();
    vi.stubEnv("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint.url);
    vi.stubEnv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "container-token");
    await works();
    expect(endpoint.asked).toEqual(["container-token"]);
    endpoint.server.close();
  });
});

async function containerCredentials(): Promise<{ url: string; asked: unknown[]; server: Server }> {
  const asked: unknown[] = [];
  const server = createServer((request, response) => {
    asked.push(request.headers.authorization);
    response.setHeader("content-type", "application/json");
    response.end(
      JSON.stringify({
        AccessKeyId: keys.accessKeyId,
        SecretAccessKey: keys.secretAccessKey,
        Token: "session",
        Expiration: new Date(Date.now() + 3_600_000).toISOString(),
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/role`, asked, server };
}

/** The SDK remembers a file by its path. */
function profiles(text: string): Promise<void> {
  const file = join(folder, `config-${randomUUID()}`);
  vi.stubEnv("AWS_CONFIG_FILE", file);
  return writeFile(file, text);
}
