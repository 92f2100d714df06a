import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { challengeFor, solverContext } from "acmectl/testing";
import { afterAll, describe, expect, it } from "vitest";
import cloudflare from "../../plugins/cloudflare/index.ts";
import route53 from "../../plugins/route53/index.ts";
import { resolveOptions } from "../../src/options/resolve.ts";
import {
  cloudflareKey,
  cloudflareToken,
  startCloudflareFake,
} from "../support/fakes/cloudflare.ts";

const folder = await mkdtemp(join(tmpdir(), "variables-"));
afterAll(() => rm(folder, { recursive: true }));

const from = (plugin: string, env: Record<string, string>) => ({
  plugin,
  env,
  cwd: folder,
  mask: () => {},
});

/** The names under which lego, acme.sh, certbot, external-dns and the vendors' own tools keep things. */
const known = {
  cloudflare: {
    apiToken:
      "CLOUDFLARE_API_TOKEN CLOUDFLARE_DNS_API_TOKEN CF_DNS_API_TOKEN CF_API_TOKEN CF_Token",
    zoneToken: "CLOUDFLARE_ZONE_API_TOKEN CF_ZONE_API_TOKEN",
    apiKey: "CLOUDFLARE_API_KEY CF_API_KEY CF_Key",
    email: "CLOUDFLARE_EMAIL CF_API_EMAIL CF_Email",
    accountId: "CF_Account_ID",
    zoneId: "CF_Zone_ID",
    baseUrl: "CLOUDFLARE_BASE_URL",
    ttl: "CLOUDFLARE_TTL",
  },
  route53: {
    hostedZoneId: "AWS_HOSTED_ZONE_ID",
    region: "AWS_REGION AWS_DEFAULT_REGION",
    assumeRoleArn: "AWS_ASSUME_ROLE_ARN",
    externalId: "AWS_EXTERNAL_ID",
    privateZone: "AWS_PRIVATE_ZONE",
    ttl: "AWS_TTL",
    maxRetries: "AWS_MAX_RETRIES",
    waitForInsync: "AWS_WAIT_FOR_RECORD_SETS_CHANGED",
  },
};
const texts: Record<string, [string, unknown]> = {
  ttl: ["120", 120],
  maxRetries: ["3", 3],
  privateZone: ["true", true],
  waitForInsync: ["false", false],
  baseUrl: ["https://cf.example.com/v4", "https://cf.example.com/v4"],
};
const plugins = { cloudflare, route53 };

describe.each(Object.entries(plugins))("%s", (name, { options }) => {
  const rows = Object.entries(known[name as keyof typeof known]).flatMap(([option, names]) =>
    names.split(" ").map((variable) => ({ option, variable })),
  );
  it.each(rows)(
    "takes $option from $variable and from $variable_FILE",
    async ({ option, variable }) => {
      const [text, value] = texts[option] ?? ["some-text", "some-text"];
      const plain = await resolveOptions(options, from(name, { [variable]: text }));
      expect(plain.values).toHaveProperty(option, value);
      const file = join(folder, variable);
      await writeFile(file, `${text}\n`, { mode: 0o600 });
      const filed = await resolveOptions(options, from(name, { [`${variable}_FILE`]: file }));
      expect(filed.values).toHaveProperty(option, value);
    },
  );

  it("leaves to the vendor's own tool chain what is not declared", async () => {
    const env = {
      AWS_ACCESS_KEY_ID: "AKID",
      AWS_PROFILE: "shop",
      CLOUDFLARE_API_USER_SERVICE_KEY: "v1.0",
    };
    const { sources } = await resolveOptions(options, from(name, env));
    expect(new Set(Object.values(sources))).toEqual(new Set(["default"]));
  });
});

it("a Cloudflare token or key in a file reaches Cloudflare without its line break", async () => {
  const fake = await startCloudflareFake();
  fake.addZone("example.test");
  const common = { CLOUDFLARE_BASE_URL: fake.url };
  await writeFile(join(folder, "token"), `${cloudflareToken}\n`);
  await writeFile(join(folder, "key"), `${cloudflareKey.apiKey}\n`);
  for (const env of [
    { ...common, CF_DNS_API_TOKEN_FILE: join(folder, "token") },
    { ...common, CF_Email: cloudflareKey.email, CF_Key_FILE: join(folder, "key") },
  ]) {
    const { values } = await resolveOptions(cloudflare.options, from("cloudflare", env));
    const solver = await cloudflare.create(values, solverContext());
    const challenge = challengeFor("dns-01", "example.test");
    await solver.present(challenge, { signal: new AbortController().signal });
    expect(fake.values(challenge.recordName)).toContain(challenge.recordValue);
  }
  await fake.close();
});
