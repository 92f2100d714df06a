/** What vendors' SDKs do once they are bundled: the built program writes and removes a TXT record at each provider's fake. */
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { azureApp, startAzureFake } from "../support/fakes/azure.ts";
import { cloudflareToken, startCloudflareFake } from "../support/fakes/cloudflare.ts";
import { digitalOceanToken, startDigitalOceanFake } from "../support/fakes/digitalocean.ts";
import { startGoogleFake } from "../support/fakes/google.ts";
import { route53Keys, startRoute53Fake } from "../support/fakes/route53.ts";
import { acmectl } from "../support/spawn.ts";
import { temporaryFolder } from "../support/state.ts";

const [aws, google, cloudflare, azure, digitalocean] = await Promise.all([
  startRoute53Fake(),
  startGoogleFake(),
  startCloudflareFake(),
  startAzureFake(),
  startDigitalOceanFake(),
]);
aws.addZone("example.test");
google.addZone("example-test", "example.test");
cloudflare.addZone("example.test");
azure.addZone("example.test");
digitalocean.addDomain("example.test");
const fakes = { route53: aws, google, cloudflare, azure, digitalocean };
afterAll(() => Promise.all(Object.values(fakes).map((fake) => fake.close())));

const [accessKeyId, secretAccessKey] = Object.entries(route53Keys)[0] ?? [];
const key = google.serviceAccount("acme@example-project.iam.gserviceaccount.com");
const login = { authorityHost: azure.url, armUrl: azure.url };
const change = "ChangeResourceRecordSets";
const writing = /^(Change|PUT|DELETE|POST (?!token))/;

test.each([
  ["route53", { accessKeyId, secretAccessKey, endpoint: aws.url }, [change, change]],
  ["google", { credentials: key, apiUrl: google.url }, ["POST changes", "POST changes"]],
  [
    "cloudflare",
    { apiToken: cloudflareToken, baseUrl: cloudflare.url },
    ["POST dns_records", "DELETE dns_records"],
  ],
  ["azure", { ...azureApp, ...login }, ["PUT TXT", "DELETE TXT"]],
  [
    "digitalocean",
    { token: digitalOceanToken, apiUrl: digitalocean.url },
    ["POST records", "DELETE records"],
  ],
] as const)("the bundled %s writes and removes a TXT record", async (use, options, actions) => {
  await using folder = await temporaryFolder();
  const config = join(folder.path, "config.json");
  await writeFile(config, JSON.stringify({ solvers: { own: { use, ...options } } }));
  await chmod(config, 0o600);
  const fake = fakes[use];
  // No DNS is asked: the fake's zones are in no DNS.
  const dns = ["--dns-cname", "none", "--dns-wait", "1s"];
  const place = ["--config", config, "--state", join(folder.path, "state"), "--json"];
  const words = ["solvers", "test", "own", "-d", "www.example.test", ...dns, ...place];
  const { code, stdout, stderr } = await acmectl(words, { env: { HOME: folder.path } }).ended;
  expect(code, stderr).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ outcome: "visible" });
  const writes = fake.requests.map(({ action }) => action).filter((one) => writing.test(one));
  expect(writes).toEqual(actions);
  expect(fake.values("_acme-challenge.www.example.test")).toEqual([]);
});
