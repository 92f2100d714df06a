import { floods } from "../../test/support/fakes/faults.ts";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OptionsOf } from "acmectl/plugin";
import { recordingLog } from "acmectl/testing";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import {
  googleError,
  googleProject,
  googleSubjectToken,
  startGoogleFake,
} from "../../test/support/fakes/google.ts";
import { optionsFrom } from "../../test/support/options.ts";
import {
  call,
  challenge,
  providerTest,
  providerTools,
  target,
  tlsa,
} from "../../test/support/provider-test.ts";
import google from "./index.ts";

const os = vi.hoisted((): { home: string | undefined } => ({ home: "/nonexistent" }));
vi.mock("node:os", async (original) => ({
  ...(await original<typeof import("node:os")>()),
  homedir: () => {
    if (os.home === undefined) throw new Error("uv_os_homedir returned ENOENT");
    return os.home;
  },
}));

type Options = OptionsOf<typeof google.options>;

const fake = await startGoogleFake();
const folder = await mkdtemp(join(tmpdir(), "google-"));
const email = "acme@example-project.iam.gserviceaccount.com";
const key = fake.serviceAccount(email);
const working: Options = {
  credentials: key,
  credentialsFile: undefined,
  gcloudConfig: join(folder, "gcloud"),
  impersonateServiceAccount: undefined,
  project: undefined,
  zone: undefined,
  allowPrivateZone: false,
  ttl: 60,
  apiUrl: fake.url,
  iamUrl: fake.url,
  metadataHost: new URL(fake.url).host,
};
const secrets = [
  key["private_key"]?.split("\n")[3] ?? "no key",
  "fake-refresh-token",
  "fake-client-secret",
  "ya29.",
];
const setup = { plugin: google, fake, options: working, secrets };
const tools = providerTools(setup);
const { open, options, since, failure, problem } = tools;

afterAll(() => rm(folder, { recursive: true }));
afterEach(() => {
  vi.unstubAllEnvs();
  fake.pageSize = 100;
  fake.pendingPolls = 1;
  fake.machine = false;
  fake.allowAll();
});

const says = (status: number, reason: string, message = "No.", headers = {}) => ({
  status,
  body: googleError(status, { reason, message }),
  headers: { "content-type": "application/json", ...headers },
});

async function file(name: string, content: unknown): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

const idOf = (name: string) => name.replaceAll(".", "-");

fake.addZone("conform", "conform.test");
fake.addZone("conform-inside", "conform.test", { visibility: "private" });
providerTest(setup, tools, {
  conformance: {
    names: ["one.conform.test", "two.conform.test"],
    foreign: {
      plant: async ({ recordName }) =>
        fake.plant("conform", {
          name: `${recordName}.`,
          type: "TXT",
          ttl: 1_800,
          rrdatas: ['"somebody else\'s"'],
        }),
      look: async ({ recordName }) => {
        const set = fake.set(recordName);
        return set?.rrdatas.includes('"somebody else\'s"') === true ? [set.ttl, true] : undefined;
      },
      remove: async ({ recordName }) => fake.unplant("conform", recordName),
    },
    broken: [
      {
        when: "the service account is unknown",
        options: options({
          credentials: { ...key, client_email: "who@else.iam.gserviceaccount.com" },
        }),
        says: /as service account who@else\..*account not found.*revoked/s,
      },
      {
        when: "the key is no key",
        options: options({ credentials: { ...key, private_key: "-----BEGIN NONSENSE" } }),
        says: /private_key that is not PEM/,
      },
      {
        when: "half of the credentials are missing",
        options: options({ credentials: { ...key, client_email: undefined } }),
        says: /credentials has no client_email/,
      },
      {
        when: "the credentials are of an unknown type",
        options: options({ credentials: { type: "password" } }),
        says: /unknown type password/,
      },
      {
        when: "the credentials are no document",
        options: options({ credentials: "hunter2" }),
        says: /has no type.*service account's key/s,
      },
      {
        when: "the file with the credentials is not there",
        options: options({ credentials: undefined, credentialsFile: join(folder, "absent.json") }),
        says: /absent\.json cannot be read: no such file/,
      },
      {
        when: "there are no credentials",
        options: options({ credentials: undefined, metadataHost: "127.0.0.1:9" }),
        says: /no .*application_default_credentials\.json, and no metadata server.*GCE_SERVICE_ACCOUNT_FILE/s,
      },
      {
        when: "the project is another",
        options: options({ project: "else" }),
        says: /named 'else' does not exist.*GCE_PROJECT/s,
      },
      {
        when: "the configured zone is not there",
        options: options({ zone: "absent" }),
        says: /in managed zone absent as service account acme@.*GCE_ZONE_ID/s,
      },
    ],
  },
  addZone: (name) => fake.addZone(idOf(name), name),
  removeZone: (name) => fake.removeZone(idOf(name)),
  show: (name) => `${name} (${idOf(name)})`,
  actions: { list: "GET managedZones", write: "POST changes", remove: "POST changes" },
  refusal: says,
  limit: { code: "rateLimitExceeded", hint: /raise the quota/, attempts: 6 },
  failures: [
    [
      "credentials that were revoked",
      401,
      "authError",
      "Google's own words.",
      /iam service-accounts keys create/,
    ],
    [
      "an API that is off",
      403,
      "accessNotConfigured",
      "Google's own words.",
      /gcloud services enable dns\.googleapis\.com/,
    ],
    [
      "a scope that is too narrow",
      403,
      "insufficientPermissions",
      "Google's own words.",
      /ndev\.clouddns\.readwrite/,
    ],
    [
      "a right that is missing",
      403,
      "forbidden",
      "Google's own words.",
      /roles\/dns\.admin on the zone.*dns\.changes\.create/,
    ],
    [
      "a CNAME in the way",
      400,
      "cnameResourceRecordSetConflict",
      "Google's own words.",
      /follow the CNAME/,
    ],
    ["a full zone", 403, "quotaExceeded", "Google's own words.", /old _acme-challenge ones first/],
    ["another error", 400, "invalid", "Google's own words.", /status\.cloud\.google\.com/],
  ],
  identity: `as service account ${email}`,
  portal: /captive portal/,
  vendor: "Google",
  startFake: startGoogleFake,
});

describe("credentials", () => {
  fake.addZone("login", "login.test");
  const works = async (more: Partial<Options>) => {
    const from = fake.requests.length;
    const solver = await open({ credentials: undefined, ...more });
    await solver.preflight([target("login.test")], call);
    return since(from);
  };

  it("google reads credentials from lego's and gcloud's variables", async () => {
    const path = await file("key.json", key);
    const text = JSON.stringify(key);
    for (const [env, found] of [
      [{ GCE_SERVICE_ACCOUNT: text }, { credentials: key }],
      [{ GCE_SERVICE_ACCOUNT_FILE: path }, { credentials: key }],
      [{ ACMECTL_GOOGLE_CREDENTIALS: `file:${path}` }, { credentials: key }],
      [{ GOOGLE_APPLICATION_CREDENTIALS: path }, { credentialsFile: path }],
      [{ ACMECTL_GOOGLE_CREDENTIALS_FILE: path }, { credentialsFile: path }],
      [{ GCE_PROJECT: "a", GOOGLE_CLOUD_PROJECT: "b" }, { project: "a" }],
      [{ GCLOUD_PROJECT: "c" }, { project: "c" }],
      [
        {
          GCE_ZONE_ID: "z",
          GCE_ALLOW_PRIVATE_ZONE: "true",
          GCE_TTL: "120",
          GCE_IMPERSONATE_SERVICE_ACCOUNT: email,
        },
        { zone: "z", allowPrivateZone: true, ttl: 120, impersonateServiceAccount: email },
      ],
    ] as const) {
      const resolved = await optionsFrom(google, "google", env);
      expect(resolved).toMatchObject(found);
    }
  });

  it("google prefers credentials to credentialsFile", async () => {
    const path = await file("broken.json", "{");
    const log = recordingLog();
    await open({ credentialsFile: path }, { log });
    expect(log.entries.map(({ message }) => message)).toContain(
      `credentials are given, so ${path} is not read`,
    );
    expect(await problem(open({ credentials: undefined, credentialsFile: path }))).toContain(
      "is not JSON",
    );
  });

  it("google gets one token of a service account for many calls", async () => {
    const credentialsFile = await file("service.json", key);
    expect(await works({ credentialsFile })).toEqual([
      "POST token",
      "GET managedZones",
      "GET rrsets",
    ]);
    expect(fake.requests.at(-1)?.path).toContain(`/projects/${googleProject}/`);
  });

  it("google uses gcloud's login when nothing is configured", async () => {
    await mkdir(join(folder, "gcloud"), { recursive: true });
    const path = await file("gcloud/application_default_credentials.json", fake.userLogin());
    expect(await works({})).toEqual(["POST token", "GET managedZones", "GET rrsets"]);
    await writeFile(path, JSON.stringify({ ...fake.userLogin(), refresh_token: "1//old" }));
    expect(await problem(works({}))).toMatch(
      /as gcloud's login of a user: Token has been expired or revoked.*application-default login/s,
    );
    await rm(path);
  });

  it("google uses the machine's service account when nothing else exists", async () => {
    fake.machine = true;
    const asked = await works({});
    expect(asked.filter((action) => action !== "GET metadata")).toEqual([
      "GET managedZones",
      "GET rrsets",
    ]);
    expect(fake.requests.at(-1)?.path).toContain(`/projects/${googleProject}/`);
  });

  it("google uses the machine's service account, with a warning, when gcloud's file cannot be read", async () => {
    fake.machine = true;
    const path = join(folder, "gcloud/application_default_credentials.json");
    await mkdir(path, { recursive: true });
    const log = recordingLog();
    const solver = await open({ credentials: undefined }, { log });
    await solver.preflight([target("login.test")], call);
    await rm(path, { recursive: true });
    expect(log.entries.map(({ message }) => message)).toContainEqual(
      expect.stringMatching(/^cannot read .*application_default_credentials\.json: /),
    );
  });

  it("google uses the machine's service account when there is no home folder", async () => {
    os.home = undefined;
    fake.machine = true;
    expect(await works({ gcloudConfig: undefined })).toContain("GET managedZones");
    const alone = { gcloudConfig: undefined, metadataHost: "127.0.0.1:9" };
    expect(await problem(works(alone))).toMatch(/no home folder \(HOME\).*\(CLOUDSDK_CONFIG\)/);
    os.home = folder;
  });

  it("google exchanges the token of a workload identity pool by Google's library", async () => {
    const outer = await file("outer-token", googleSubjectToken);
    const pool = {
      type: "external_account",
      audience:
        "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/providers/git",
      subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
      token_url: `${fake.url}/sts`,
      credential_source: { file: outer },
    };
    const credentialsFile = await file("pool.json", pool);
    expect(await works({ credentialsFile, project: googleProject })).toEqual([
      "POST sts",
      "GET managedZones",
      "GET rrsets",
    ]);
    expect(await problem(works({ credentialsFile }))).toMatch(
      /workload identity .*GOOGLE_CLOUD_PROJECT/s,
    );
    await writeFile(outer, "stale");
    expect(await problem(works({ credentialsFile, project: googleProject }))).toMatch(
      /workload identity \/\/iam.*pool\.json.*rejected by the attribute condition.*workloadIdentityUser/s,
    );
    const half = await file("half.json", { ...pool, token_url: undefined });
    expect(await problem(works({ credentialsFile: half }))).toContain("no audience, token_url");
  });

  it("google exchanges a pool's token at its address alone, and reads no flood", async () => {
    const pool = {
      type: "external_account",
      audience: "//iam.googleapis.com/a-pool",
      subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
      token_url: `${fake.url}/sts`,
      credential_source: { file: await file("outer-alone", googleSubjectToken) },
    };
    const credentialsFile = await file("pool-alone.json", pool);
    const elsewhere = await startGoogleFake();
    const redirect = { status: 307, body: "", headers: { location: `${elsewhere.url}/sts` } };
    const from = floods.sent;
    for (const kind of [redirect, "flood"] as const) {
      fake.faults.add({ action: "POST sts", times: 9, kind });
      expect(await problem(works({ credentialsFile, project: googleProject }))).toMatch(
        /workload identity/,
      );
      fake.faults.clear();
    }
    expect(elsewhere.requests).toEqual([]);
    expect(floods.sent - from).toBeLessThan(40 * 2 ** 20);
    await elsewhere.close();
  });

  it("google accepts a pool's token from a program or an AWS role", async () => {
    const pool = {
      type: "external_account",
      audience:
        "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/providers/x",
      subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
      token_url: `${fake.url}/sts`,
    };
    const said = {
      version: 1,
      success: true,
      token_type: pool.subject_token_type,
      id_token: googleSubjectToken,
      expiration_time: 4_102_444_800,
    };
    const answer = await file("program-answer.json", said);
    const executable = { command: `/bin/cat ${answer}`, timeout_millis: 10_000 };
    const program = { ...pool, credential_source: { executable } };
    const path = ["POST sts", "GET managedZones", "GET rrsets"];
    expect(await problem(works({ credentials: program, project: googleProject }))).toContain(
      "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES",
    );
    vi.stubEnv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1");
    expect(await works({ credentials: program, project: googleProject })).toEqual(path);
    vi.stubEnv("AWS_REGION", "eu-central-1");
    vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE");
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "fake-aws-secret");
    const role = {
      ...pool,
      subject_token_type: "urn:ietf:params:aws:token-type:aws4_request",
      credential_source: {
        environment_id: "aws1",
        regional_cred_verification_url:
          "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
      },
    };
    expect(await works({ credentials: role, project: googleProject })).toEqual(path);
  });

  it("google impersonates a service account, by option or by the credentials' document", async () => {
    const other = "dns@other-project.iam.gserviceaccount.com";
    const path = ["POST token", "POST iam", "GET managedZones", "GET rrsets"];
    expect(await works({ credentials: key, impersonateServiceAccount: other })).toEqual(path);
    const document = {
      type: "impersonated_service_account",
      source_credentials: key,
      service_account_impersonation_url: `${fake.url}/v1/projects/-/serviceAccounts/${other}:generateAccessToken`,
    };
    expect(await works({ credentials: document })).toEqual(path);
    fake.deny("iam.serviceAccounts.getAccessToken");
    expect(await problem(works({ credentials: document }))).toMatch(
      /service account dns@other.*\(impersonated by service account acme@.*getAccessToken.*serviceAccountTokenCreator/s,
    );
    expect(await problem(open({ impersonateServiceAccount: "dns" }))).toContain("not an address");
  });
});

const nameServers = (letter: string) => [`ns-cloud-${letter}1.googledomains.com.`];

const findZone = async () => ({
  name: "twin.test",
  nameservers: ["NS-Cloud-B1.googledomains.com"],
});

const lost = async () => Promise.reject(new Error("no network"));

describe("choosing the zone", () => {
  it("google ignores private zones unless they are allowed and no public one holds the name", async () => {
    fake.addZone("choose", "choose.test");
    fake.addZone("inside", "inside.choose.test", { visibility: "private" });
    const solver = await open();
    expect((await solver.present(challenge("inside.choose.test"), call)).zoneId).toBe("choose");
    const inside = await open({ allowPrivateZone: true });
    expect((await inside.present(challenge("inside.choose.test"), call)).zoneId).toBe("inside");
    expect((await inside.present(challenge("conform.test"), call)).zoneId).toBe("conform");
  });

  it("google asks for each suffix once in a project with many zones, page by page", async () => {
    fake.addZone("far", "far.pages.test", { nameServers: ["ns-cloud-b1.googledomains.com."] });
    fake.addZone("far-inside", "far.pages.test", { visibility: "private" });
    fake.pageSize = 1;
    const solver = await open();
    const from = fake.requests.length;
    for (const name of ["a.far.pages.test", "b.far.pages.test"])
      expect((await solver.present(challenge(name), call)).zoneId).toBe("far");
    const asked = fake.requests
      .slice(from)
      .flatMap(({ action, query }) => (action === "GET managedZones" ? [query] : []));
    expect(asked).toEqual([
      {},
      { dnsName: "_acme-challenge.a.far.pages.test." },
      { dnsName: "a.far.pages.test." },
      { dnsName: "far.pages.test." },
      { dnsName: "far.pages.test.", pageToken: "1" },
      { dnsName: "_acme-challenge.b.far.pages.test." },
      { dnsName: "b.far.pages.test." },
    ]);
  });

  it("google reads the name of a configured zone once, and works without that permission", async () => {
    const from = fake.requests.length;
    await (
      await open({ zone: "choose" })
    ).preflight([target("choose.test"), target("www.choose.test")], call);
    expect(since(from)).toEqual(["POST token", "GET managedZones", "GET rrsets"]);
    const wrong = await open({ zone: "choose" });
    expect(await problem(wrong.preflight([target("www.unpicked.test")], call))).toMatch(
      /_acme-challenge\.www\.unpicked\.test is not in the configured managed zone choose\.test \(choose\).*GCE_ZONE_ID/s,
    );
    await wrong.cleanup(challenge("www.unpicked.test"), undefined, call);
    fake.deny("dns.managedZones.list");
    const blind = await open({ zone: "choose" });
    await blind.preflight([target("choose.test")], call);
    fake.deny();
  });

  it("google takes the delegated one of two public zones with one name, or names both", async () => {
    fake.addZone("twin-a", "twin.test", { nameServers: nameServers("a") });
    fake.addZone("twin-b", "twin.test", { nameServers: nameServers("b") });
    const solver = await open({}, { findZone });
    expect((await solver.present(challenge("twin.test"), call)).zoneId).toBe("twin-b");
    const blind = await open({}, { findZone: lost });
    expect(await problem(blind.preflight([target("twin.test")], call))).toMatch(
      /twin\.test \(twin-a\), twin\.test \(twin-b\).*GCE_ZONE_ID/s,
    );
  });

  it("google lists the zones it sees when none holds the name", async () => {
    const solver = await open();
    const said = await problem(solver.preflight([target("www.unseen.example")], call));
    expect(said).toMatch(
      /holds _acme-challenge\.www\.unseen\.example\..*in project example-project/,
    );
    for (const seen of ["conform.test (conform)", "conform.test (conform-inside, private)"])
      expect(said).toContain(seen);
    fake.addZone("only-inside", "only-inside.example", { visibility: "private" });
    expect(await problem((await open()).preflight([target("only-inside.example")], call))).toMatch(
      /GCE_ALLOW_PRIVATE_ZONE.*is private, and a public CA cannot see it/s,
    );
  });
});

describe("writing", () => {
  fake.addZone("write", "write.test");
  fake.addZone("write-too", "write-too.test");

  it("google writes 20 names of two zones in one change per zone, and removes them in as many", async () => {
    const solver = await open();
    const zones = ["write.test", "write-too.test"];
    const all = Array.from({ length: 20 }, (_, index) =>
      challenge(`n${index}.${zones[index % 2]}`),
    );
    const from = fake.requests.length;
    const receipts = await solver.presentAll(all, call);
    for (const each of all) expect(fake.values(each.recordName)).toEqual([each.recordValue]);
    expect(since(from).filter((action) => action === "POST changes")).toHaveLength(2);
    const then = fake.requests.length;
    for (const [index, each] of all.entries()) {
      const receipt = receipts[index];
      if (receipt === undefined) throw new Error("a receipt is missing");
      expect(await solver.checkPropagation(each, receipt, call)).toBe(false);
    }
    expect(since(then)).toEqual(["GET changes", "GET changes"]);
    const items = all.map((each, index) => ({ challenge: each, receipt: receipts[index] }));
    const last = fake.requests.length;
    await solver.cleanupAll(items, call);
    expect(since(last).filter((action) => action === "POST changes")).toHaveLength(2);
    for (const each of all) expect(fake.set(each.recordName)).toBeUndefined();
  });

  it("google sends the exact old set and the new one, with its TTL, in one change", async () => {
    const mine = challenge("swap.write.test");
    const name = `${mine.recordName}.`;
    fake.plant("write", { name, type: "TXT", ttl: 1_800, rrdatas: ['"theirs"'] });
    const solver = await open();
    await solver.present(mine, call);
    expect(fake.requests.at(-1)?.body).toEqual({
      deletions: [{ name, type: "TXT", ttl: 1_800, rrdatas: ['"theirs"'] }],
      additions: [
        { name, type: "TXT", ttl: 1_800, rrdatas: ['"theirs"', `"${mine.recordValue}"`] },
      ],
    });
    const from = fake.requests.length;
    expect(await solver.present(mine, call)).toEqual({ zoneId: "write", zoneName: "write.test" });
    expect(since(from)).toEqual(["GET rrsets"]);
  });

  it.for([
    ["changed", 412, "conditionNotMet"],
    ["made", 409, "alreadyExists"],
    ["taken away", 404, "notFound"],
  ] as const)("reads again when the set was %s meanwhile", async ([, status, reason]) => {
    const mine = challenge(`${reason.toLowerCase()}.write.test`);
    fake.faults.add({ action: "POST changes", kind: says(status, reason) });
    const solver = await open();
    const from = fake.requests.length;
    await solver.present(mine, call);
    expect(fake.values(mine.recordName)).toEqual([mine.recordValue]);
    expect(since(from).slice(2)).toEqual([
      "GET rrsets",
      "POST changes",
      "GET rrsets",
      "POST changes",
    ]);
  });

  it(
    "google gives up when another program changes the record set at every attempt",
    { timeout: 60_000 },
    async () => {
      fake.faults.add({ action: "POST changes", times: 12, kind: says(412, "conditionNotMet") });
      const error = await failure((await open()).present(challenge("busy.write.test"), call));
      expect(error.document.title).toBe("Another program keeps changing the records");
    },
  );

  it("google reports when a change is done, and relies on the DNS without that permission", async () => {
    const mine = challenge("done.write.test");
    const log = recordingLog();
    const solver = await open({}, { log });
    fake.pendingPolls = 0;
    expect(await solver.checkPropagation(mine, await solver.present(mine, call), call)).toBe(true);
    fake.deny("dns.changes.get");
    await solver.cleanup(mine, undefined, call);
    expect(await solver.checkPropagation(mine, await solver.present(mine, call), call)).toBe(true);
    expect(
      log.entries.filter(({ level }) => level === "warn").map(({ message }) => message),
    ).toEqual([
      "not allowed to ask whether a change is done (dns.changes.get); asking only the DNS",
    ]);
  });

  it("google warns that a zone is gone, and has nothing to clean up in it", async () => {
    fake.addZone("gone", "gone.test");
    const mine = challenge("gone.test");
    const log = recordingLog();
    const solver = await open({}, { log });
    const receipt = await solver.present(mine, call);
    fake.removeZone("gone");
    await solver.cleanup(mine, receipt, call);
    await (await open({}, { log })).cleanup(mine, undefined, call);
    expect(
      log.entries.filter(({ level }) => level === "warn").map(({ message }) => message),
    ).toEqual([
      "managed zone gone.test (gone) is gone, and its records with it",
      expect.stringContaining("nothing to clean up: Cloud DNS: no usable managed zone"),
    ]);
  });

  it("google repeats a request that is throttled with 403", async () => {
    const headers = { "retry-after": "0" };
    const kind = says(403, "rateLimitExceeded", "Quota exceeded.", headers);
    fake.faults.add({ action: "POST changes", kind });
    const mine = challenge("quota.write.test");
    await (await open()).present(mine, call);
    expect(fake.values(mine.recordName)).toEqual([mine.recordValue]);
  });

  it("google does not touch a record set with a routing policy", async () => {
    const name = "_acme-challenge.routed.write.test.";
    fake.plant("write", { name, type: "TXT", ttl: 60, rrdatas: [], routingPolicy: { geo: {} } });
    const solver = await open();
    expect(await problem(solver.present(challenge("routed.write.test"), call))).toContain(
      "routing policy",
    );
    await solver.presentAll(
      ["p", "q", "r"].map((label) => challenge(`${label}.write.test`)),
      call,
    );
    expect(fake.set(name.slice(0, -1))?.routingPolicy).toEqual({ geo: {} });
  });
});

describe("failures", () => {
  fake.addZone("failing", "failing.test");
  it("google explains a disabled API in the newer form of the answer", async () => {
    const details = [
      { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "SERVICE_DISABLED" },
    ];
    const body = JSON.stringify({
      error: { code: 403, message: "Cloud DNS API has not been used", details },
    });
    fake.faults.add({ action: "GET managedZones", kind: { status: 403, body } });
    expect(
      (await failure((await open()).preflight([target("failing.test")], call))).document.title,
    ).toBe("The API is switched off");
  });

  it("google explains a missing permission to list zones", async () => {
    fake.deny("dns.managedZones.list");
    expect(await problem((await open()).preflight([target("failing.test")], call))).toMatch(
      /find the managed zone of _acme-challenge\.failing\.test.*dns\.managedZones\.list.*GCE_ZONE_ID/s,
    );
  });

  it("google explains a captive portal in place of the token endpoint", async () => {
    fake.faults.add({ action: "POST token", kind: "garbage" });
    const error = await failure((await open()).present(challenge("www.failing.test"), call));
    expect(error.is("network")).toBe(true);
    expect(error.hint).toMatch(/captive portal/);
  });
});

it("google writes TLSA records beside others, and removes only its own", async () => {
  const zone = "dane";
  fake.addZone(zone, "dane.test");
  const at = "_25._tcp.mail.dane.test";
  const foreign = `3 1 1 ${"00".repeat(32)}`;
  fake.plant(zone, { name: `${at}.`, type: "TLSA", ttl: 300, rrdatas: [foreign] });
  const [one, two] = [tlsa("mail.dane.test", "0f"), tlsa("mail.dane.test", "a0")];
  const solver = await open();
  await solver.preflight?.([{ ...target("mail.dane.test"), recordName: at }], call);
  const receipts = [await solver.present(one, call), await solver.present(two, call)];
  expect(fake.set(at)?.rrdatas).toEqual([foreign, one.recordValue, two.recordValue]);
  await solver.cleanup(one, receipts[0], call);
  await solver.cleanup(two, undefined, call);
  expect(fake.set(at)?.rrdatas).toEqual([foreign]);
});

it("google takes a TLSA value in capitals for the same", async () => {
  const zone = "upper";
  fake.addZone(zone, "upper.test");
  const at = "_25._tcp.mail.upper.test";
  const foreign = `3 1 1 ${"00".repeat(32)}`;
  const one = tlsa("mail.upper.test", "af");
  const upper = `3 1 1  ${"AF".repeat(16)} ${"AF".repeat(16)}`;
  fake.plant(zone, { name: `${at}.`, type: "TLSA", ttl: 300, rrdatas: [foreign, upper] });
  const solver = await open();
  await solver.present(one, call);
  expect(fake.set(at)?.rrdatas).toEqual([foreign, upper]);
  await solver.cleanup(one, undefined, call);
  expect(fake.set(at)?.rrdatas).toEqual([foreign]);
});
