/** The fakes that our solvers are tested against, met by clients that know nothing of them. */
import { execFile } from "node:child_process";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  cloudflareKey,
  cloudflareToken,
  startCloudflareFake,
} from "../support/fakes/cloudflare.ts";
import { startDnsServer, testZone } from "../support/dns-server.ts";
import { digitalOceanToken, startDigitalOceanFake } from "../support/fakes/digitalocean.ts";
import { route53Keys, startRoute53Fake, type Route53Fake } from "../support/fakes/route53.ts";
import { available, find, program } from "../support/servers/catalog.ts";
import { startPebble } from "../support/servers/pebble.ts";
import { temporaryFolder } from "../support/state.ts";

const environment = { PATH: process.env["PATH"] ?? "" };

describe.skipIf(!available("moto"))("boto3, which comes with moto, at the Route 53 fake", () => {
  let fake: Route53Fake;
  beforeAll(async () => {
    fake = await startRoute53Fake();
    fake.pageSize = 2;
  });
  afterAll(() => fake.close());

  /** Runs with `r53` as the client and `zone` as the zone's id; what it gives to `tell` comes back. */
  async function boto3(zone: string, script: string): Promise<readonly unknown[]> {
    const [[id, secret] = ["", ""]] = Object.entries(route53Keys);
    const python = join(dirname(find("moto_server") ?? ""), "python");
    const { stdout } = await promisify(execFile)(python, ["-c", prelude + script], {
      env: {
        ...environment,
        AWS_ACCESS_KEY_ID: id,
        AWS_SECRET_ACCESS_KEY: secret,
        AWS_EC2_METADATA_DISABLED: "true",
        AWS_CONFIG_FILE: "/dev/null",
        AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
        ENDPOINT: fake.url,
        ZONE: zone,
      },
      timeout: 60_000,
    });
    return JSON.parse(stdout) as unknown[];
  }

  const prelude = `
import atexit, json, os, boto3
from botocore.exceptions import ClientError
r53 = boto3.client("route53", region_name="us-east-1", endpoint_url=os.environ["ENDPOINT"])
zone = os.environ["ZONE"]
told = []
tell = told.append
atexit.register(lambda: print(json.dumps(told)))
def change(action, *values, name="_acme-challenge.boto.test.", ttl=60):
    records = [{"Value": '"%s"' % value} for value in values]
    record_set = {"Name": name, "Type": "TXT", "TTL": ttl, "ResourceRecords": records}
    changes = [{"Action": action, "ResourceRecordSet": record_set}]
    try:
        answer = r53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
        return answer["ChangeInfo"]["Id"]
    except ClientError as error:
        return error.response["Error"]["Code"]
`;

  test("rejects a second CREATE and an inexact DELETE, and accepts UPSERT", async () => {
    const zone = fake.addZone("boto.test");
    const told = await boto3(
      zone,
      `
tell(change("CREATE", "one"))
tell(change("CREATE", "two"))
tell(change("DELETE", "two"))
tell(change("DELETE", "one", ttl=61))
tell(change("UPSERT", "one", "two"))
tell(change("DELETE", "one"))
tell(change("CREATE", "x", name="_acme-challenge.else.test."))
`,
    );
    const done = expect.stringMatching(/^\/change\/\w+$/);
    const refused = "InvalidChangeBatch";
    expect(told).toEqual([done, refused, refused, refused, done, refused, refused]);
    expect(fake.values("_acme-challenge.boto.test")).toEqual(["one", "two"]);
    expect(await boto3(zone, `tell(change("DELETE", "one", "two"))`)).toEqual([done]);
    expect(fake.values("_acme-challenge.boto.test")).toEqual([]);
  });

  test("lists zones and record sets page by page, in Route 53's order", async () => {
    const zone = fake.addZone("pages.test");
    for (const name of ["alpha.pages.test", "pages.test", "deep.alpha.pages.test"])
      fake.plant(zone, { name: `_acme-challenge.${name}.`, type: "TXT", ttl: 60, values: ['"v"'] });
    const [names, zones, byName] = await boto3(
      zone,
      `
pages = r53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone)
tell([one["Name"] for page in pages for one in page["ResourceRecordSets"] if one["Type"] == "TXT"])
tell([one["Name"] for page in r53.get_paginator("list_hosted_zones").paginate() for one in page["HostedZones"]])
tell(r53.list_hosted_zones_by_name(DNSName="pages.test", MaxItems="1")["HostedZones"][0]["Id"])
`,
    );
    expect(names).toEqual([
      "_acme-challenge.pages.test.",
      "_acme-challenge.alpha.pages.test.",
      "_acme-challenge.deep.alpha.pages.test.",
    ]);
    expect(zones).toContain("pages.test.");
    expect(byName).toBe(`/hostedzone/${zone}`);
  });

  test("waits until a change is INSYNC, and is rejected with a wrong secret", async () => {
    const zone = fake.addZone("wait.test");
    const [states, refused, absent] = await boto3(
      zone,
      `
made = change("CREATE", "one", name="_acme-challenge.wait.test.")
tell([r53.get_change(Id=made)["ChangeInfo"]["Status"] for _ in range(3)])
r53 = boto3.client("route53", region_name="us-east-1", endpoint_url=os.environ["ENDPOINT"], aws_secret_access_key="wrong", aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"])
tell(change("CREATE", "two"))
r53 = boto3.client("route53", region_name="us-east-1", endpoint_url=os.environ["ENDPOINT"])
zone = "ZABSENT"
tell(change("CREATE", "two"))
`,
    );
    expect(states).toEqual(["PENDING", "INSYNC", "INSYNC"]);
    expect(refused).toBe("SignatureDoesNotMatch");
    expect(absent).toBe("NoSuchHostedZone");
  });
});

describe.skipIf(!available("lego") || !available("pebble"))("lego at the DigitalOcean fake", () => {
  test("presents a name and its wildcard, and removes both values", async () => {
    await using home = await temporaryFolder();
    const fake = await startDigitalOceanFake();
    fake.addDomain("lego.test");
    const theirs = fake.plant("lego.test", {
      type: "TXT",
      name: "_acme-challenge",
      data: "theirs",
      ttl: 1_800,
    });
    const dns = await startDnsServer({ zones: [testZone("lego.test", ["ns1.lego.test"])] });
    const pebble = await startPebble({ env: { PEBBLE_VA_ALWAYS_VALID: "1" } });
    try {
      const { file, env } = program("lego");
      const args = [
        ["--path", join(home.path, ".lego"), "--server", pebble.directoryUrl],
        ["--email", "ops@lego.test", "--accept-tos", "--dns", "digitalocean"],
        ["--dns.disable-cp", "--dns.resolvers", dns.server],
        ["--domains", "lego.test", "--domains", "*.lego.test", "run"],
      ].flat();
      await promisify(execFile)(file, args, {
        env: {
          ...environment,
          ...env,
          HOME: home.path,
          LEGO_CA_CERTIFICATES: pebble.rootFile,
          DO_API_URL: fake.url,
          DO_AUTH_TOKEN: digitalOceanToken,
        },
        timeout: 100_000,
      });
      const posted = fake.requests.filter(({ action }) => action === "POST records");
      expect(posted.map(({ body }) => body)).toMatchObject(
        Array.from({ length: 2 }, () => ({
          type: "TXT",
          data: expect.stringMatching(/^[\w-]{43}$/),
        })),
      );
      const taken = fake.requests.filter(({ action }) => action === "DELETE records");
      expect(taken).toHaveLength(2);
      expect(fake.records("_acme-challenge.lego.test").map(({ id }) => id)).toEqual([theirs]);
    } finally {
      await pebble.close();
      await dns.close();
      await fake.close();
    }
  });
});

describe.skipIf(!available("lexicon"))("lexicon at the Cloudflare fake", () => {
  test("finds the zone, creates a record once, lists by name, and deletes one of two values", async () => {
    const fake = await startCloudflareFake();
    fake.pageSize = 2;
    for (const name of ["one.test", "lexicon.test", "two.test"]) fake.addZone(name);
    const script = `
import json, os
from lexicon._private.providers.cloudflare import Provider
from lexicon.config import ConfigResolver
from requests.exceptions import HTTPError
name = "_acme-challenge.lexicon.test"
def opened(**auth):
    options = {"provider_name": "cloudflare", "domain": "lexicon.test", "cloudflare": auth}
    provider = Provider(ConfigResolver().with_dict(options))
    provider.api_endpoint = os.environ["ENDPOINT"]
    provider.authenticate()
    return provider
provider = opened(auth_token=os.environ["TOKEN"])
told = [provider.create_record("TXT", name, value) for value in ("one", "two", "two")]
provider.create_record("TXT", "www.lexicon.test", "else")
told.append([one["content"] for one in provider.list_records("TXT", name)])
provider.delete_record(rtype="TXT", name=name, content="one")
by_key = opened(auth_username=os.environ["EMAIL"], auth_token=os.environ["KEY"])
told.append([one["content"] for one in by_key.list_records("TXT")])
try:
    opened(auth_token=os.environ["TOKEN"][::-1])
except HTTPError as error:
    told.append(error.response.json()["errors"][0]["code"])
print(json.dumps(told))
`;
    try {
      const python = join(dirname(find("lexicon") ?? ""), "python");
      const { stdout } = await promisify(execFile)(python, ["-c", script], {
        env: {
          ...environment,
          ENDPOINT: fake.url,
          TOKEN: cloudflareToken,
          EMAIL: cloudflareKey.email,
          KEY: cloudflareKey.apiKey,
        },
        timeout: 60_000,
      });
      const said: unknown = JSON.parse(stdout);
      expect(said).toEqual([true, true, true, ["one", "two"], ["two", "else"], 1000]);
      expect(fake.values("_acme-challenge.lexicon.test")).toEqual(["two"]);
    } finally {
      await fake.close();
    }
  });
});
