import { createPrivateKey, generateKeyPairSync, webcrypto, X509Certificate } from "node:crypto";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import * as x509 from "@peculiar/x509";
import type { OptionsOf } from "acmectl/plugin";
import { solverConformance, solverContext } from "acmectl/testing";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import {
  azureApp,
  azureError,
  azureIdentityHeader,
  azureJobToken,
  azureOuterToken,
  loginError,
  startAzureFake,
} from "../../test/support/fakes/azure.ts";
import { optionsFrom } from "../../test/support/options.ts";
import {
  call,
  challenge,
  providerTest,
  providerTools,
  target,
  tlsa,
} from "../../test/support/provider-test.ts";
import azure from "./index.ts";

type Options = OptionsOf<typeof azure.options>;

const fake = await startAzureFake();
const folder = await mkdtemp(join(tmpdir(), "azure-"));
const { subscriptionId, tenantId, clientId, clientSecret } = azureApp;
const secrets = [clientSecret, azureOuterToken, azureJobToken, azureIdentityHeader, "eyJ0"];

const nothing: Options = {
  subscriptionId: undefined,
  resourceGroup: undefined,
  zone: undefined,
  privateZone: false,
  tenantId: undefined,
  clientId: undefined,
  clientSecret: undefined,
  clientCertificate: undefined,
  clientCertificatePassword: undefined,
  federatedTokenFile: undefined,
  oidcRequestUrl: undefined,
  oidcRequestToken: undefined,
  accessToken: undefined,
  authMethod: undefined,
  managedIdentity: false,
  environment: "public",
  ttl: 60,
  authorityHost: fake.url,
  armUrl: fake.url,
  identityEndpoint: undefined,
  identityHeader: undefined,
  imdsUrl: fake.url,
};

const setup = { plugin: azure, fake, options: { ...nothing, ...azureApp }, secrets };
const tools = providerTools(setup);
const { open, options, since, failure, problem } = tools;

afterAll(() => rm(folder, { recursive: true }));
afterEach(() => {
  vi.unstubAllEnvs();
  fake.allowAll();
  fake.pageSize = 100;
  fake.machine = false;
  fake.subscriptions = [subscriptionId];
});

const says = (status: number, code: string, message = "No.", headers = {}) => ({
  status,
  body: azureError(code, message),
  headers: { "content-type": "application/json", ...headers },
});

async function file(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

/** Of another tool, with a TTL and metadata of its own. */
const foreignIn = (zone: string, zoneId: string) => ({
  plant: async ({ recordName }: { recordName: string }) =>
    fake.plant(zoneId, recordName.replace(`.${zone}`, ""), {
      ttl: 1_800,
      records: [["somebody", " else's"]],
      metadata: { team: "mail" },
    }),
  look: async ({ recordName }: { recordName: string }) => {
    const set = fake.set(recordName);
    const own = set?.records.filter(([first]) => first === "somebody") ?? [];
    return own.length === 0 ? undefined : [set?.ttl, set?.metadata, own];
  },
  remove: async ({ recordName }: { recordName: string }) => fake.unplant(recordName),
});

const brokenIn = (zone: string) => [
  {
    when: "the secret is wrong",
    options: options({ clientSecret: "stale~secret~value" }),
    says: /as app 22222222-.* \(by client secret\): AADSTS7000215.*and not its id/s,
  },
  {
    when: "the app is unknown",
    options: options({ clientId: "else" }),
    says: /AADSTS700016.*not the object id/s,
  },
  {
    when: "the tenant is unknown",
    options: options({ tenantId: "else.example" }),
    says: /AADSTS90002.*AZURE_TENANT_ID/s,
  },
  {
    when: "the tenant would lead elsewhere",
    options: options({ tenantId: "../else" }),
    says: /"\.\.\/else", which is not a tenant/,
  },
  {
    when: "half of the credentials are missing",
    options: options({ tenantId: undefined, clientId: undefined }),
    says: /clientSecret is set without tenantId \(AZURE_TENANT_ID\) and clientId/,
  },
  {
    when: "there are two kinds of credentials",
    options: options({ clientCertificate: "/app.pem" }),
    says: /both clientSecret and clientCertificate.*ARM_CLIENT_SECRET/s,
  },
  {
    when: "the subscription is another",
    options: options({ subscriptionId: "else" }),
    says: /'else' could not be found.*AZURE_SUBSCRIPTION_ID/s,
  },
  {
    when: "the configured zone does not hold the name",
    options: options({ zone: "else.test" }),
    says: /not in the configured zone else\.test/,
  },
  {
    when: "the configured zone is not in the group",
    options: options({ zone, resourceGroup: "else" }),
    says: /resource group else.*was not found.*Leave both out/s,
  },
];

const zones = new Map<string, string>();
providerTest(setup, tools, {
  conformance: {
    names: ["one.conform.test", "two.conform.test"],
    foreign: foreignIn("conform.test", fake.addZone("conform.test")),
    broken: brokenIn("conform.test"),
  },
  addZone: (name) => zones.set(name, fake.addZone(name)),
  removeZone: (name) => fake.removeZone(zones.get(name) ?? ""),
  show: (name) => `${name} (resource group dns)`,
  actions: { list: "GET zones", write: "PUT TXT", remove: "DELETE TXT" },
  refusal: says,
  limit: { code: "TooManyRequests", hint: /200 times/, attempts: 6 },
  failures: [
    [
      "a token that has expired",
      401,
      "ExpiredAuthenticationToken",
      "The words of Azure.",
      /AZURE_ENVIRONMENT/,
    ],
    ["a lock", 409, "ScopeLocked", "The words of Azure.", /Lift the lock/],
    [
      "a zone that is gone",
      404,
      "ParentResourceNotFound",
      "The words of Azure.",
      /AZURE_RESOURCE_GROUP/,
    ],
    ["another error", 400, "BadRequest", "The words of Azure.", /activity log/],
  ],
  identity: `as app ${clientId} of tenant ${tenantId}`,
  portal: /captive portal/,
  vendor: "Azure",
  startFake: startAzureFake,
});

describe("conformance with private zones", () => {
  const zone = "conform.internal";
  const cases = solverConformance({
    plugin: azure,
    options: options({ privateZone: true }),
    names: [`one.${zone}`, `two.${zone}`],
    visible: async ({ recordName }) => fake.values(recordName),
    foreign: foreignIn(zone, fake.addZone(zone, { isPrivate: true })),
    broken: brokenIn(zone).map(({ options, ...rest }) => {
      return { ...rest, options: { ...options, privateZone: true } };
    }),
  });
  for (const one of cases) it(one.name, one.run);
});

describe("credentials", () => {
  fake.addZone("login.test");
  const works = async (more: Partial<Options>) => {
    const from = fake.requests.length;
    const given = { ...nothing, subscriptionId, ...more };
    const solver = await azure.create(given, solverContext());
    await solver.preflight?.([target("login.test")], call);
    return since(from);
  };
  const reading = ["GET zones", "GET TXT", "GET zone"];
  const app = { tenantId, clientId };

  it("azure reads credentials from lego's, cert-manager's and Terraform's variables", async () => {
    const secretFile = await file("secret", `${clientSecret}\n`);
    for (const [env, found] of [
      [
        {
          AZURE_TENANT_ID: "t",
          AZURE_CLIENT_ID: "c",
          AZURE_CLIENT_SECRET: "s",
          AZURE_SUBSCRIPTION_ID: "u",
        },
        { tenantId: "t", clientId: "c", clientSecret: "s", subscriptionId: "u" },
      ],
      [
        {
          AZUREDNS_TENANTID: "t",
          AZUREDNS_APPID: "c",
          AZUREDNS_CLIENTSECRET: "s",
          AZUREDNS_SUBSCRIPTIONID: "u",
        },
        { tenantId: "t", clientId: "c", clientSecret: "s", subscriptionId: "u" },
      ],
      [
        {
          ARM_TENANT_ID: "t",
          ARM_CLIENT_ID: "c",
          ARM_CLIENT_SECRET: "s",
          ARM_SUBSCRIPTION_ID: "u",
        },
        { tenantId: "t", clientId: "c", clientSecret: "s", subscriptionId: "u" },
      ],
      [{ AZURE_CLIENT_SECRET_FILE: secretFile }, { clientSecret }],
      [{ AZURE_FEDERATED_TOKEN_FILE: "/var/run/token" }, { federatedTokenFile: "/var/run/token" }],
      [
        { AZUREDNS_BEARERTOKEN: "b", AZUREDNS_MANAGEDIDENTITY: "true" },
        { accessToken: "b", managedIdentity: true },
      ],
      [
        {
          AZURE_RESOURCE_GROUP: "g",
          AZURE_ZONE_NAME: "z",
          AZURE_PRIVATE_ZONE: "1",
          AZURE_TTL: "30",
          AZURE_ENVIRONMENT: "china",
          AZURE_AUTH_METHOD: "msi",
        },
        {
          resourceGroup: "g",
          zone: "z",
          privateZone: true,
          ttl: 30,
          environment: "china",
          authMethod: "msi",
        },
      ],
    ] as const)
      expect(await optionsFrom(azure, "azure", env)).toMatchObject(found);
  });

  it("azure uses the addresses of the configured cloud, by lego's or cert-manager's name", async () => {
    for (const [environment, resource] of [
      ["china", "https://management.chinacloudapi.cn"],
      ["AzureUSGovernmentCloud", "https://management.usgovcloudapi.net"],
    ] as const) {
      const from = fake.requests.length;
      const asked = works({ ...app, clientSecret, environment });
      expect((await failure(asked)).document.title).toBe("Azure rejects the login");
      expect(fake.requests[from]?.body).toMatchObject({ scope: `${resource}/.default` });
    }
  });

  it("azure gets one token by client secret for many calls", async () => {
    expect(await works({ ...app, clientSecret })).toEqual(["POST token", ...reading]);
  });

  it("azure signs a statement with the key of a certificate, encrypted or not", async () => {
    const { pem, encrypted, certificate } = await appCertificate("app");
    fake.trust(certificate);
    const plainFile = await file("app.pem", pem);
    expect(await works({ ...app, clientCertificate: plainFile })).toEqual([
      "POST token",
      ...reading,
    ]);
    const lockedFile = await file("locked.pem", encrypted);
    const locked = { ...app, clientCertificate: lockedFile };
    await works({ ...locked, clientCertificatePassword: "open sesame" });
    expect(await problem(works(locked))).toMatch(/locked\.pem does not hold.*openssl pkcs12/s);
    const stranger = await file("stranger.pem", (await appCertificate("stranger")).pem);
    expect(await problem(works({ ...app, clientCertificate: stranger }))).toMatch(
      /by certificate\): AADSTS700027.*Certificates & secrets/s,
    );
    const mixed =
      pem.replace(/-----BEGIN CERT[^]*/, "") + certificateIn((await appCertificate("x")).pem);
    expect(
      await problem(works({ ...app, clientCertificate: await file("mixed.pem", mixed) })),
    ).toContain("not the certificate's");
    expect(await problem(works({ ...app, clientCertificate: "/absent.pem" }))).toContain(
      "no such file",
    );
  });

  it("azure exchanges a token of Kubernetes or GitHub for its own", async () => {
    const federatedTokenFile = await file("token", `${azureOuterToken}\n`);
    expect(await works({ ...app, federatedTokenFile })).toEqual(["POST token", ...reading]);
    const oidc = {
      oidcRequestUrl: `${fake.url}/github?api-version=1`,
      oidcRequestToken: azureJobToken,
    };
    expect(await works({ ...app, ...oidc })).toEqual(["GET github", "POST token", ...reading]);
    expect(
      await problem(works({ ...app, federatedTokenFile: await file("stale", "stale") })),
    ).toMatch(/by federated token\): AADSTS70021.*letter by letter/s);
    expect(await problem(works({ ...app, authMethod: "oidc" }))).toMatch(/id-token: write/);
    expect(await problem(works({ ...app, authMethod: "wli" }))).toMatch(/workload\.identity\/use/);
    expect(await problem(works({ federatedTokenFile }))).toContain("without tenantId");
    expect(await problem(works({ ...app, federatedTokenFile: "/absent" }))).toContain(
      "no such file",
    );
  });

  it("azure uses the managed identity of a virtual machine and of App Service", async () => {
    fake.machine = true;
    const asked = await works({});
    expect(asked.filter((action) => action !== "GET imds")).toEqual(reading);
    await works({ clientId, authMethod: "msi" });
    expect(await problem(works({ clientId: "else", managedIdentity: true }))).toMatch(
      /the managed identity else: Identity not found.*client id/s,
    );
    fake.machine = false;
    const endpoint = {
      identityEndpoint: `${fake.url}/msi/token`,
      identityHeader: azureIdentityHeader,
    };
    expect(await works({ ...endpoint, imdsUrl: "http://127.0.0.1:9" })).toEqual([
      "GET endpoint",
      ...reading,
    ]);
    expect(
      await problem(works({ managedIdentity: true, imdsUrl: "http://127.0.0.1:9" })),
    ).toContain("no metadata service answers at http://127.0.0.1:9");
  });

  it("azure rejects tenantId and clientId without a secret, unless authMethod is msi", async () => {
    fake.machine = true;
    expect(await problem(works(app))).toMatch(
      new RegExp(
        `clientSecret is missing.*AZURE_CLIENT_SECRET.*${clientId}.*AZURE_AUTH_METHOD=msi`,
        "s",
      ),
    );
    expect(await works({ ...app, authMethod: "msi" })).toContain("GET imds");
    expect(await works({ ...app, managedIdentity: true })).toContain("GET imds");
    fake.machine = false;
  });

  it("azure uses az's login when nothing else exists, and a failure names everything it tried", async () => {
    const imdsUrl = "http://127.0.0.1:9";
    const bin = await mkdtemp(join(folder, "bin-"));
    vi.stubEnv("PATH", bin);
    expect(await problem(works({ imdsUrl }))).toMatch(
      /none of clientSecret.*program az is not installed.*AZURE_CLIENT_SECRET/s,
    );
    const az = async (script: string) => {
      await writeFile(join(bin, "az"), `#!/bin/sh\n${script}\n`);
      await chmod(join(bin, "az"), 0o755);
    };
    vi.stubEnv("PATH", [bin, "/usr/bin", "/bin"].join(delimiter));
    await az(
      `[ "$1 $2 $6" = "account get-access-token https://management.azure.com" ] && echo '{"accessToken":"given-by-az","expires_on":4102444800}'`,
    );
    expect(await works({ imdsUrl })).toEqual(reading);
    await az("echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1");
    expect(await problem(works({ authMethod: "cli" }))).toMatch(
      /Please run 'az login'.*Log in with/s,
    );
    await az("echo Hello");
    expect(await problem(works({ authMethod: "cli" }))).toContain("not JSON");
  });

  it("azure uses an access token as it is given", async () => {
    expect(await works({ accessToken: "given-token" })).toEqual(reading);
    expect(await problem(works({ accessToken: "expired" }))).toMatch(
      /\(accessToken\): The access token is invalid/,
    );
    expect(await problem(works({ accessToken: "two lines\n" }))).toContain(
      "another character that no credential has",
    );
    expect(await problem(works({ authMethod: "env" }))).toContain("neither clientSecret nor");
  });
});

async function appCertificate(name: string) {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  const keyOf = (key: typeof privateKey, form: "pkcs8" | "spki", use: "sign" | "verify") =>
    webcrypto.subtle.importKey(form, key.export({ type: form, format: "der" }), algorithm, true, [
      use,
    ]);
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys: {
      privateKey: await keyOf(privateKey, "pkcs8", "sign"),
      publicKey: await keyOf(publicKey, "spki", "verify"),
    },
    signingAlgorithm: algorithm,
  });
  const text = made.toString("pem");
  const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const locked = createPrivateKey(key)
    .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "open sesame" })
    .toString();
  const certificate = new X509Certificate(text);
  return { pem: `${key}${text}\n`, encrypted: `${locked}${text}\n`, certificate };
}

const certificateIn = (pem: string) => /-----BEGIN CERT[^]*/.exec(pem)?.[0] ?? "";

describe("choosing the zone", () => {
  it("azure ignores private zones unless privateZone is set", async () => {
    fake.addZone("choose.test", { group: "one" });
    fake.addZone("inside.choose.test", { isPrivate: true });
    fake.addZone("old.choose.test", { zoneType: "Private" });
    const solver = await open();
    for (const name of ["inside.choose.test", "old.choose.test"])
      expect((await solver.present(challenge(name), call)).zoneName).toBe("choose.test");
    const inside = await open({ privateZone: true });
    expect((await inside.present(challenge("inside.choose.test"), call)).zoneId).toContain(
      "/privateDnsZones/",
    );
  });

  it("azure finds a zone on a later page, and follows no address to another server", async () => {
    const elsewhere = await startAzureFake();
    fake.addZone("far.pages.test");
    fake.pageSize = 2;
    expect((await (await open()).present(challenge("far.pages.test"), call)).zoneName).toBe(
      "far.pages.test",
    );
    const body = JSON.stringify({
      value: [],
      nextLink: `${elsewhere.url}/subscriptions/${subscriptionId}/providers/Microsoft.Network/dnsZones?api-version=2018-05-01`,
    });
    fake.faults.add({ action: "GET zones", kind: { status: 200, body } });
    await (await open()).preflight([target("far.pages.test")], call);
    expect(elsewhere.requests).toEqual([]);
    await elsewhere.close();
  });

  it("azure lists no zones with zone and resourceGroup, and only the group's with resourceGroup", async () => {
    fake.addZone("fixed.test", { group: "fixed" });
    const from = fake.requests.length;
    const solver = await open({ zone: "Fixed.test.", resourceGroup: "fixed" });
    await solver.preflight([target("fixed.test"), target("www.fixed.test")], call);
    expect(since(from)).toEqual(["POST token", "GET TXT", "GET zone"]);
    const grouped = await open({ resourceGroup: "fixed" });
    expect(await problem(grouped.preflight([target("login.test")], call))).toMatch(
      /see fixed\.test \(resource group fixed\) in resource group fixed/,
    );
  });

  it("azure takes the delegated one of two zones with one name, or names both", async () => {
    fake.addZone("twin.test", { group: "old", nameServers: ["ns1-01.azure-dns.com."] });
    fake.addZone("twin.test", { group: "new", nameServers: ["ns1-07.azure-dns.com."] });
    const zone = { name: "twin.test", nameservers: ["NS1-07.azure-dns.com"] };
    const solver = await open({}, { findZone: async () => zone });
    expect((await solver.present(challenge("twin.test"), call)).zoneId).toContain(
      "/resourceGroups/new/",
    );
    const blind = await open({}, { findZone: async () => Promise.reject(new Error("no network")) });
    expect(await problem(blind.preflight([target("twin.test")], call))).toMatch(
      /twin\.test \(resource group old\), twin\.test \(resource group new\).*AZURE_RESOURCE_GROUP/s,
    );
  });

  it("azure takes the only subscription, or names all", async () => {
    await (await open({ subscriptionId: undefined })).preflight([target("choose.test")], call);
    fake.subscriptions = [subscriptionId, "00000000-0000-4000-8000-000000000002"];
    const solver = await open({ subscriptionId: undefined });
    expect(await problem(solver.preflight([target("choose.test")], call))).toMatch(
      /Subscription 1 \(0.*1\), Subscription 2 \(0.*2\).*AZURE_SUBSCRIPTION_ID/s,
    );
    fake.subscriptions = [];
    const blind = await open({ subscriptionId: undefined });
    expect(await problem(blind.preflight([target("choose.test")], call))).toContain(
      "no subscription",
    );
  });

  it("azure lists the zones it sees when none holds the name, and mentions a private one", async () => {
    const solver = await open();
    const said = await problem(solver.preflight([target("www.unseen.example")], call));
    for (const known of [
      "_acme-challenge.www.unseen.example",
      "choose.test (resource group one)",
      "AZURE_SUBSCRIPTION_ID",
    ])
      expect(said).toContain(known);
    fake.addZone("only.inside", { isPrivate: true });
    expect(await problem(solver.preflight([target("only.inside")], call))).toMatch(
      /AZURE_PRIVATE_ZONE.*is private, and a public CA cannot see it/s,
    );
  });
});

describe("writing", () => {
  const zoneId = fake.addZone("write.test");

  it("azure writes all values of a name at once, and 20 names with two requests each", async () => {
    const solver = await open();
    const apex = challenge("write.test");
    const wildcard = { ...challenge("write.test"), wildcard: true };
    const others = Array.from({ length: 19 }, (_, index) => challenge(`n${index}.write.test`));
    const all = [apex, wildcard, ...others];
    const from = fake.requests.length;
    const receipts = await solver.presentAll(all, call);
    expect(fake.values(apex.recordName)).toEqual([apex.recordValue, wildcard.recordValue]);
    for (const each of others) expect(fake.values(each.recordName)).toEqual([each.recordValue]);
    expect(since(from).filter((action) => action.endsWith("TXT"))).toHaveLength(40);
    const items = all.map((each, index) => ({ challenge: each, receipt: receipts[index] }));
    await solver.cleanupAll(items, call);
    for (const each of all) expect(fake.set(each.recordName)).toBeUndefined();
  });

  it("azure writes a record at the zone itself, on condition of the ETag it read", async () => {
    const mine = { ...challenge("write.test"), recordName: "write.test" };
    const solver = await open();
    await solver.present(mine, call);
    const sent = fake.requests.at(-1);
    expect(sent).toMatchObject({
      path: `${zoneId.replace("dnszones", "dnsZones")}/TXT/%40`,
      query: { "api-version": "2018-05-01" },
    });
    expect(sent?.headers["if-none-match"]).toBe("*");
    expect(sent?.body).toEqual({
      properties: { TTL: 60, TXTRecords: [{ value: [mine.recordValue] }] },
    });
    const etag = fake.set("write.test")?.etag;
    const more = { ...challenge("write.test"), recordName: "write.test" };
    await solver.present(more, call);
    expect(fake.requests.at(-1)?.headers["if-match"]).toBe(etag);
    const from = fake.requests.length;
    await solver.present(more, call);
    expect(since(from)).toEqual(["GET TXT"]);
    await solver.cleanup(mine, undefined, call);
    await solver.cleanup(more, undefined, call);
    expect(since(from).at(-1)).toBe("DELETE TXT");
    expect(fake.set("write.test")).toBeUndefined();
  });

  it.for(["PUT TXT", "DELETE TXT"])(
    "reads again when the set changed before %s",
    async (action) => {
      const mine = challenge(`${action.slice(0, 3).toLowerCase()}.write.test`);
      const solver = await open();
      const receipt = action === "PUT TXT" ? undefined : await solver.present(mine, call);
      fake.faults.add({ action, kind: says(412, "PreconditionFailed") });
      fake.faults.add({ action, kind: says(409, "Conflict") });
      const from = fake.requests.length;
      await (action === "PUT TXT"
        ? solver.present(mine, call)
        : solver.cleanup(mine, receipt, call));
      expect(fake.values(mine.recordName)).toEqual(action === "PUT TXT" ? [mine.recordValue] : []);
      expect(since(from).filter((one) => one === action)).toHaveLength(3);
    },
  );

  it(
    "azure gives up when another program changes the record set at every attempt",
    { timeout: 60_000 },
    async () => {
      fake.faults.add({ action: "PUT TXT", times: 12, kind: says(412, "PreconditionFailed") });
      const error = await failure((await open()).present(challenge("busy.write.test"), call));
      expect(error.document.title).toBe("Another program keeps changing the records");
    },
  );

  it("azure adds no twenty-first record to a set, but removes its own from a full one", async () => {
    const mine = challenge("full.write.test");
    const records = Array.from({ length: 20 }, (_, index) => [`r${index}`]);
    fake.plant(zoneId, "_acme-challenge.full", { ttl: 300, records });
    const solver = await open();
    expect(await problem(solver.present(mine, call))).toMatch(
      /_acme-challenge\.full\.write\.test in zone write\.test \(resource group dns\) would have 21/,
    );
    await solver.cleanup({ ...mine, recordValue: "r7" }, undefined, call);
    expect(fake.values(mine.recordName)).toHaveLength(19);
    expect(fake.set(mine.recordName)?.ttl).toBe(300);
  });
});

describe("failures", () => {
  fake.addZone("failing.test", { group: "web" });
  it("azure names the command that grants a missing role", async () => {
    fake.deny("Microsoft.Network/dnsZones/TXT/write");
    const scope = `/subscriptions/${subscriptionId}/resourceGroups/web/providers/Microsoft.Network/dnsZones/failing.test/TXT/_acme-challenge.www`;
    expect(await problem((await open()).present(challenge("www.failing.test"), call))).toContain(
      `az role assignment create --assignee 33333333-3333-4333-8333-333333333333 --role "DNS Zone Contributor" --scope "${scope}"`,
    );
    fake.deny("Microsoft.Network/dnsZones/read");
    expect(await problem((await open()).preflight([target("failing.test")], call))).toMatch(
      /find the zone of _acme-challenge\.failing\.test.*--role "Reader"/s,
    );
  });

  const logins = [
    [7_000_222, /Create a new one under App registrations/],
    [700_024, /this machine's clock/],
    [50_034, /login\.microsoftonline\.com\/error/],
  ] as const;
  it.for(logins)("a login refused with AADSTS%i", async ([code, hint]) => {
    const kind = { status: 401, body: loginError(code, "The words of the login.") };
    fake.faults.add({ action: "POST token", kind });
    const said = await problem((await open()).preflight([target("failing.test")], call));
    expect(said).toMatch(hint);
    expect(said).toContain(`AADSTS${code}: The words of the login.`);
  });

  it.for(["GET TXT", "POST token"])("a captive portal that answers %s", async (action) => {
    fake.faults.add({ action, kind: "garbage" });
    const error = await failure((await open()).present(challenge("www.failing.test"), call));
    expect(error.is("network")).toBe(true);
    expect(error.hint).toMatch(/captive portal/);
  });
});

it("azure writes TLSA records beside others, and removes only its own", async () => {
  const zone = fake.addZone("dane.test");
  const at = "_25._tcp.mail.dane.test";
  const foreign = `3 1 1 ${"00".repeat(32)}`;
  fake.plant(zone, "_25._tcp.mail", { ttl: 300, records: [[foreign]], type: "TLSA" });
  const [one, two] = [tlsa("mail.dane.test", "0f"), tlsa("mail.dane.test", "a0")];
  const solver = await open();
  await solver.preflight?.([{ ...target("mail.dane.test"), recordName: at }], call);
  const receipts = [await solver.present(one, call), await solver.present(two, call)];
  // Azure shows the digits in capitals.
  expect(fake.values(at).map((value) => value.toLowerCase())).toEqual([
    foreign,
    one.recordValue,
    two.recordValue,
  ]);
  expect(fake.set(at)?.ttl).toBe(300);
  await solver.present(two, call);
  expect(fake.values(at)).toHaveLength(3);
  await solver.cleanup(one, receipts[0], call);
  await solver.cleanup(two, undefined, call);
  expect(fake.values(at)).toEqual([foreign]);
});

it("azure refuses TLSA records in a private zone", async () => {
  fake.addZone("dane.internal", { isPrivate: true });
  const solver = await open(options({ privateZone: true }));
  const said = await problem(solver.present(tlsa("mail.dane.internal", "0f"), call));
  expect(said).toContain("private zones cannot have TLSA records");
});
