import { solverConformance } from "acmectl/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { azureApp, startAzureFake } from "../../test/support/fakes/azure.ts";
import type { AzureFake } from "../../test/support/fakes/azure.ts";
import { optionsFrom } from "../../test/support/options.ts";
import { available } from "../../test/support/servers/catalog.ts";
import { startPrism } from "../../test/support/servers/prism.ts";
import type { Prism } from "../../test/support/servers/prism.ts";
import azure from "./index.ts";

const unset = await optionsFrom(azure, "azure", {});

describe.skipIf(!available("prism")).each([
  ["public zones", "azure.com/dns.json", "conform.test", false],
  ["private zones", "azure.com/privatedns.json", "conform.internal", true],
] as const)("with Azure's OpenAPI for %s between solver and fake", (_, file, zone, privateZone) => {
  let fake: AzureFake;
  let prism: Prism;
  let id = "";
  const options = { ...unset, ...azureApp, privateZone, authorityHost: "", armUrl: "" };

  beforeAll(async () => {
    fake = await startAzureFake();
    id = fake.addZone(zone, { isPrivate: privateZone });
    prism = await startPrism(file, fake.url);
    options.authorityHost = fake.url;
    options.armUrl = prism.url;
  });
  afterAll(async () => {
    await prism.close();
    await fake.close();
  });

  const cases = solverConformance({
    plugin: azure,
    options,
    names: [`one.${zone}`, `two.${zone}`],
    visible: async ({ recordName }) => fake.values(recordName),
    foreign: {
      plant: async ({ recordName }) =>
        fake.plant(id, recordName.replace(`.${zone}`, ""), {
          ttl: 1_800,
          records: [["theirs"]],
          metadata: { team: "mail" },
        }),
      look: async ({ recordName }) => {
        const set = fake.set(recordName);
        const isThere = set?.records.some(([first]) => first === "theirs") === true;
        return isThere ? [set.ttl, set.metadata] : undefined;
      },
      remove: async ({ recordName }) => fake.unplant(recordName),
    },
  });
  for (const one of cases) it(one.name, one.run);

  it("the proxy rejects a request that the vendor's OpenAPI document does not allow", async () => {
    const from = fake.requests.length;
    const path = `${id.replace("dnszones", "dnsZones")}/TXT/x`;
    const refused = await fetch(`${prism.url}${path}?api-version=1`, {
      method: "PUT",
      headers: { authorization: "Bearer x", "content-type": "application/json" },
      body: JSON.stringify({ properties: { TTL: "sixty", ttl: "sixty" } }),
    });
    expect(refused.status).toBe(422);
    expect(await refused.text()).toContain("integer");
    expect(fake.requests).toHaveLength(from);
  });
});
