import { solverConformance } from "acmectl/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digitalOceanToken, startDigitalOceanFake } from "../../test/support/fakes/digitalocean.ts";
import type { DigitalOceanFake } from "../../test/support/fakes/digitalocean.ts";
import { available } from "../../test/support/servers/catalog.ts";
import { startPrism } from "../../test/support/servers/prism.ts";
import type { Prism } from "../../test/support/servers/prism.ts";
import digitalocean from "./index.ts";

describe.skipIf(!available("prism"))("with DigitalOcean's OpenAPI between solver and fake", () => {
  let fake: DigitalOceanFake;
  let prism: Prism;
  const options = { token: digitalOceanToken, domain: undefined, ttl: 30, apiUrl: "" };
  let planted = 0;

  beforeAll(async () => {
    fake = await startDigitalOceanFake();
    fake.addDomain("conform.test");
    prism = await startPrism("digitalocean.com.json", fake.url);
    options.apiUrl = prism.url;
  });
  afterAll(async () => {
    await prism.close();
    await fake.close();
  });

  const cases = solverConformance({
    plugin: digitalocean,
    options,
    names: ["one.conform.test", "two.conform.test"],
    visible: async ({ recordName }) => fake.values(recordName),
    foreign: {
      plant: async ({ recordName }) => {
        const name = recordName.replace(".conform.test", "");
        planted = fake.plant("conform.test", { type: "TXT", name, data: "theirs", ttl: 1_800 });
      },
      look: async ({ recordName }) => fake.records(recordName).filter(({ id }) => id === planted),
      remove: async () => fake.unplant(planted),
    },
  });
  for (const one of cases) it(one.name, one.run);

  it("the proxy rejects a request that the vendor's OpenAPI document does not allow", async () => {
    const from = fake.requests.length;
    const refused = await fetch(`${prism.url}/v2/domains/conform.test/records`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${digitalOceanToken}`,
        "content-type": "application/json",
      },
      body: JSON.stringify({ type: "TXT", name: "@", data: "x", ttl: "thirty" }),
    });
    expect(refused.status).toBe(422);
    expect(await refused.text()).toContain("ttl");
    expect(fake.requests).toHaveLength(from);
  });
});
