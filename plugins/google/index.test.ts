import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Call, Dns01Challenge, OptionsOf, Target } from "acmectl/plugin";
import { Problem } from "acmectl/plugin";
import { challengeFor, recordingLog, solverConformance, solverContext } from "acmectl/testing";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import {
  googleError,
  googleProject,
  googleSubjectToken,
  startGoogleFake,
} from "../../test/support/fakes/google.ts";
import { optionsFrom } from "../../test/support/options.ts";
import google from "./index.ts";
import type { Receipt } from "./solver.ts";

type Options = OptionsOf<typeof google.options>;

const fake = await startGoogleFake();
const call = { signal: new AbortController().signal };
const folder = await mkdtemp(join(tmpdir(), "google-"));
const email = "acme@example-project.iam.gserviceaccount.com";
const key = fake.serviceAccount(email);
const secrets = [
  key["private_key"]?.split("\n")[3] ?? "no key",
  "fake-refresh-token",
  "fake-client-secret",
  "ya29.",
];

afterAll(async () => {
  await fake.close();
  await rm(folder, { recursive: true });
});
afterEach(() => {
  vi.unstubAllEnvs();
  fake.faults.clear();
  fake.pageSize = 100;
  fake.pendingPolls = 1;
  fake.machine = false;
  fake.allowAll();
});

function options(more: Partial<Options> = {}): Options {
  return {
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
    ...more,
  };
}

async function open(more: Partial<Options> = {}, context = {}) {
  const solver = await google.create(options(more), solverContext(context));
  return {
    ...solver,
    preflight: (targets: readonly Target[], at: Call) =>
      solver.preflight?.(targets, at) ?? absent(),
    presentAll: (challenges: readonly Dns01Challenge[], at: Call) =>
      solver.presentAll?.(challenges, at) ?? absent(),
    isDone: (one: Dns01Challenge, receipt: Receipt, at: Call) =>
      solver.checkPropagation?.(one, receipt, at) ?? absent(),
  };
}
const absent = () => Promise.reject(new Error("the method is absent"));

const challenge = (name: string) => challengeFor("dns-01", name);
const target = (name: string) => ({
  identifier: { type: "dns", value: name } as const,
  wildcard: false,
  validationName: `_acme-challenge.${name}`,
  recordName: `_acme-challenge.${name}`,
});
const since = (from: number) => fake.requests.slice(from).map(({ action }) => action);
const says = (status: number, reason: string, message = "No.", headers = {}) => ({
  status,
  body: googleError(status, { reason, message }),
  headers: { "content-type": "application/json", ...headers },
});

async function failure(work: Promise<unknown>): Promise<Problem> {
  const error: unknown = await work.then(
    () => expect.unreachable("it did not fail"),
    (reason: unknown) => reason,
  );
  if (!Problem.is(error)) throw error;
  const shown = JSON.stringify([error, error.message, error.hint, error.stack, error.cause]);
  for (const secret of secrets) expect(shown).not.toContain(secret);
  return error;
}

async function problem(work: Promise<unknown>) {
  const { message, hint } = await failure(work);
  return `${message}\n${hint}`;
}

async function file(name: string, content: unknown): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

describe("conformance", () => {
  fake.addZone("conform", "conform.test");
  fake.addZone("conform-inside", "conform.test", { visibility: "private" });
  const cases = solverConformance({
    plugin: google,
    options: options(),
    names: ["one.conform.test", "two.conform.test"],
    visible: async ({ recordName }) => fake.values(recordName),
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
        says: /private_key that is no PEM/,
      },
      {
        when: "half of the credentials are missing",
        options: options({ credentials: { ...key, client_email: undefined } }),
        says: /credentials has no client_email/,
      },
      {
        when: "the credentials are of an unknown type",
        options: options({ credentials: { type: "password" } }),
        says: /type password, which is not known/,
      },
      {
        when: "the credentials are no document",
        options: options({ credentials: "hunter2" }),
        says: /has no type.*service account's key/s,
      },
      {
        when: "the file with the credentials is not there",
        options: options({ credentials: undefined, credentialsFile: join(folder, "absent.json") }),
        says: /absent\.json cannot be read: ENOENT/,
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
        says: /in zone absent as service account acme@.*GCE_ZONE_ID/s,
      },
    ],
  });
  for (const one of cases) it(one.name, one.run);
});

describe("credentials", () => {
  fake.addZone("login", "login.test");
  const works = async (more: Partial<Options>) => {
    const from = fake.requests.length;
    const solver = await open({ credentials: undefined, ...more });
    await solver.preflight([target("login.test")], call);
    return since(from);
  };

  it("come from the variables that users have already", async () => {
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

  it("of both kinds those that were given count, since the file may be meant for other tools", async () => {
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

  it("of a service account buy one token for many calls", async () => {
    const credentialsFile = await file("service.json", key);
    expect(await works({ credentialsFile })).toEqual([
      "POST token",
      "GET managedZones",
      "GET rrsets",
    ]);
    expect(fake.requests.at(-1)?.path).toContain(`/projects/${googleProject}/`);
  });

  it("are those that gcloud left, when nothing is configured", async () => {
    await mkdir(join(folder, "gcloud"), { recursive: true });
    const path = await file("gcloud/application_default_credentials.json", fake.userLogin());
    expect(await works({})).toEqual(["POST token", "GET managedZones", "GET rrsets"]);
    await writeFile(path, JSON.stringify({ ...fake.userLogin(), refresh_token: "1//old" }));
    expect(await problem(works({}))).toMatch(
      /as gcloud's login of a user: Token has been expired or revoked.*application-default login/s,
    );
    await rm(path);
  });

  it("are the machine's, when there is nothing else", async () => {
    fake.machine = true;
    const asked = await works({});
    expect(asked.filter((action) => action !== "GET metadata")).toEqual([
      "GET managedZones",
      "GET rrsets",
    ]);
    expect(fake.requests.at(-1)?.path).toContain(`/projects/${googleProject}/`);
  });

  it("of a workload identity pool are exchanged by Google's library", async () => {
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

  it("of a pool may come from a program or an AWS role", async () => {
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

  it("act as another service account, by option or by their document", async () => {
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
    expect(await problem(open({ impersonateServiceAccount: "dns" }))).toContain("no address");
  });
});

const nameServers = (letter: string) => [`ns-cloud-${letter}1.googledomains.com.`];

const findZone = async () => ({
  name: "twin.test",
  nameservers: ["NS-Cloud-B1.googledomains.com"],
});

const lost = async () => Promise.reject(new Error("no network"));

describe("choosing the zone", () => {
  it("takes the longest public one on a label boundary, asking once", async () => {
    fake.addZone("pick", "pick.test");
    fake.addZone("child", "child.pick.test");
    fake.addZone("ick", "ick.test");
    fake.addZone("inside", "inside.pick.test", { visibility: "private" });
    const solver = await open();
    const from = fake.requests.length;
    const found: string[] = [];
    for (const name of [
      "pick.test",
      "a.child.pick.test",
      "grandchild.pick.test",
      "inside.pick.test",
    ])
      found.push((await solver.present(challenge(name), call)).zone);
    expect(found).toEqual(["pick", "child", "pick", "pick"]);
    expect(since(from).filter((action) => action === "GET managedZones")).toHaveLength(1);
    const inside = await open({ allowPrivateZone: true });
    expect((await inside.present(challenge("inside.pick.test"), call)).zone).toBe("inside");
    expect((await inside.present(challenge("conform.test"), call)).zone).toBe("conform");
  });

  it("asks for each suffix once in a project with many zones, page by page", async () => {
    fake.addZone("far", "far.pages.test", { nameServers: ["ns-cloud-b1.googledomains.com."] });
    fake.addZone("far-inside", "far.pages.test", { visibility: "private" });
    fake.pageSize = 1;
    const solver = await open();
    const from = fake.requests.length;
    for (const name of ["a.far.pages.test", "b.far.pages.test"])
      expect((await solver.present(challenge(name), call)).zone).toBe("far");
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

  it("asks once what a configured one is, and does without where that is not allowed", async () => {
    const from = fake.requests.length;
    await (
      await open({ zone: "pick" })
    ).preflight([target("pick.test"), target("www.pick.test")], call);
    expect(since(from)).toEqual(["POST token", "GET managedZones", "GET rrsets"]);
    const wrong = await open({ zone: "pick" });
    expect(await problem(wrong.preflight([target("www.unpicked.test")], call))).toMatch(
      /_acme-challenge\.www\.unpicked\.test is not in the configured zone pick, which is pick\.test.*GCE_ZONE_ID/s,
    );
    await wrong.cleanup(challenge("www.unpicked.test"), undefined, call);
    fake.deny("dns.managedZones.list");
    const blind = await open({ zone: "pick" });
    await blind.preflight([target("pick.test")], call);
    fake.deny();
  });

  it("of two public twins takes the delegated one, or names both", async () => {
    fake.addZone("twin-a", "twin.test", { nameServers: nameServers("a") });
    fake.addZone("twin-b", "twin.test", { nameServers: nameServers("b") });
    const solver = await open({}, { findZone });
    expect((await solver.present(challenge("twin.test"), call)).zone).toBe("twin-b");
    const blind = await open({}, { findZone: lost });
    expect(await problem(blind.preflight([target("twin.test")], call))).toMatch(
      /twin\.test \(twin-a\), twin\.test \(twin-b\).*GCE_ZONE_ID/s,
    );
  });

  it("lists the zones that it sees when none holds the name", async () => {
    const solver = await open();
    const said = await problem(solver.preflight([target("www.unseen.example")], call));
    expect(said).toMatch(/of project example-project holds _acme-challenge\.www\.unseen\.example/);
    for (const seen of ["conform.test (conform)", "conform.test (conform-inside, private)"])
      expect(said).toContain(seen);
    fake.addZone("only-inside", "only-inside.example", { visibility: "private" });
    expect(await problem((await open()).preflight([target("only-inside.example")], call))).toMatch(
      /is private: a public CA cannot see it.*GCE_ALLOW_PRIVATE_ZONE/s,
    );
  });
});

const slow = (seconds: string, status = 429, reason = "rateLimitExceeded") => ({
  action: "POST changes",
  kind: says(status, reason, "Quota exceeded.", { "retry-after": seconds }),
});

describe("writing", () => {
  fake.addZone("write", "write.test");
  fake.addZone("write-too", "write-too.test");

  it("puts 20 names of two zones into one change for each, and takes them back in as many", async () => {
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
      expect(await solver.isDone(each, receipt, call)).toBe(false);
    }
    expect(since(then)).toEqual(["GET changes", "GET changes"]);
    const items = all.map((each, index) => ({ challenge: each, receipt: receipts[index] }));
    const last = fake.requests.length;
    await solver.cleanupAll?.(items, call);
    expect(since(last).filter((action) => action === "POST changes")).toHaveLength(2);
    for (const each of all) expect(fake.set(each.recordName)).toBeUndefined();
  });

  it("sends the exact old set and the new one, with its TTL, in one change", async () => {
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
    expect(await solver.present(mine, call)).toEqual({ zone: "write" });
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

  it("gives up when others never stop", { timeout: 60_000 }, async () => {
    fake.faults.add({ action: "POST changes", times: 12, kind: says(412, "conditionNotMet") });
    const error = await failure((await open()).present(challenge("busy.write.test"), call));
    expect(error.document.title).toBe("Others change the records all the time");
  });

  it("does not mind work that was done though its answer got lost", async () => {
    const lost = challenge("lost.write.test");
    const solver = await open();
    fake.faults.add({ action: "POST changes", kind: "drop after" });
    const receipt = await solver.present(lost, call);
    expect(fake.values(lost.recordName)).toEqual([lost.recordValue]);
    expect(await solver.isDone(lost, receipt, call)).toBe(true);
  });

  it("says when a change is done, and relies on the DNS where it may not ask", async () => {
    const mine = challenge("done.write.test");
    const log = recordingLog();
    const solver = await open({}, { log });
    fake.pendingPolls = 0;
    expect(await solver.isDone(mine, await solver.present(mine, call), call)).toBe(true);
    fake.deny("dns.changes.get");
    await solver.cleanup(mine, undefined, call);
    expect(await solver.isDone(mine, await solver.present(mine, call), call)).toBe(true);
    expect(
      log.entries.filter(({ level }) => level === "warn").map(({ message }) => message),
    ).toEqual(["dns.changes.get is not allowed; relying on the DNS alone"]);
  });

  it("has nothing to clean up in a zone that is gone, and says so", async () => {
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
      "zone gone is gone, and its records with it",
      expect.stringContaining("nothing to clean up: No public managed zone"),
    ]);
  });

  it("touches no set that answers by a routing policy", async () => {
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

  it("comes back when Google says so, and leaves long waits to the next run", async () => {
    const solver = await open();
    fake.faults.add(slow("0"));
    fake.faults.add(slow("0", 403));
    fake.faults.add(slow("0", 503, "backendError"));
    await solver.present(challenge("slow.write.test"), call);
    fake.faults.add(slow("300"));
    const blocked = await failure(solver.present(challenge("slower.write.test"), call));
    expect(blocked.document.title).toBe("Google is rate limiting");
    expect(Number(blocked.retryAt) - Date.now()).toBeGreaterThan(290_000);
    fake.faults.add({ ...slow("0"), times: 6 });
    expect(await problem(solver.present(challenge("slower.write.test"), call))).toContain(
      "after 6 attempts",
    );
  });

  it("stops at once when aborted, in a request as in a wait", async () => {
    const solver = await open();
    for (const kind of [
      "hang",
      says(429, "rateLimitExceeded", "Slow.", { "retry-after": "50" }),
    ] as const) {
      fake.faults.add({ action: "POST changes", kind });
      const controller = new AbortController();
      const from = fake.requests.length;
      const waiting = solver.present(challenge("abort.write.test"), { signal: controller.signal });
      await expect.poll(() => since(from), { interval: 5 }).toContain("POST changes");
      controller.abort(new Error("Ctrl-C"));
      await expect(waiting).rejects.toThrow("Ctrl-C");
    }
  });
});

describe("failures say which zone, which name, as whom, and what to do", () => {
  fake.addZone("fail", "fail.test");
  const rows = [
    ["credentials that were revoked", 401, "authError", /iam service-accounts keys create/],
    [
      "an API that is off",
      403,
      "accessNotConfigured",
      /gcloud services enable dns\.googleapis\.com/,
    ],
    ["a scope that is too narrow", 403, "insufficientPermissions", /ndev\.clouddns\.readwrite/],
    [
      "a right that is missing",
      403,
      "forbidden",
      /roles\/dns\.admin on the zone.*dns\.changes\.create/,
    ],
    ["a CNAME in the way", 400, "cnameResourceRecordSetConflict", /follow it/],
    ["a full zone", 403, "quotaExceeded", /old _acme-challenge ones first/],
    ["another error", 400, "invalid", /status\.cloud\.google\.com/],
  ] as const;
  it.for(rows)("%s", async ([, status, reason, hint]) => {
    fake.faults.add({ action: "POST changes", kind: says(status, reason, "Google's own words.") });
    const said = await problem((await open()).present(challenge("www.fail.test"), call));
    expect(said).toMatch(hint);
    for (const known of [
      `_acme-challenge.www.fail.test in zone fail as service account ${email}`,
      "Google's own words.",
      reason,
    ])
      expect(said).toContain(known);
  });

  it("a disabled API as newer answers tell it", async () => {
    const details = [
      { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "SERVICE_DISABLED" },
    ];
    const body = JSON.stringify({
      error: { code: 403, message: "Cloud DNS API has not been used", details },
    });
    fake.faults.add({ action: "GET managedZones", kind: { status: 403, body } });
    expect(
      (await failure((await open()).preflight([target("fail.test")], call))).document.title,
    ).toBe("The API is switched off");
  });

  it("a right to list zones that is missing", async () => {
    fake.deny("dns.managedZones.list");
    expect(await problem((await open()).preflight([target("fail.test")], call))).toMatch(
      /find the managed zone of _acme-challenge\.fail\.test.*dns\.managedZones\.list.*GCE_ZONE_ID/s,
    );
  });

  it.for(["GET managedZones", "POST changes", "POST token"])(
    "a captive portal that answers %s",
    async (action) => {
      fake.faults.add({ action, kind: "garbage" });
      const error = await failure((await open()).present(challenge("www.fail.test"), call));
      expect(error.is("network")).toBe(true);
      expect(error.hint).toMatch(/captive portal/);
    },
  );

  it("a redirect, after which no token is sent", async () => {
    const elsewhere = await startGoogleFake();
    const headers = { location: `${elsewhere.url}/dns/v1/projects/p/managedZones` };
    fake.faults.add({ action: "GET managedZones", kind: { status: 302, body: "", headers } });
    const lost = (await open()).present(challenge("www.fail.test"), call);
    expect(await problem(lost)).toMatch(/HTTP 302.*must not redirect/s);
    expect(elsewhere.requests).toEqual([]);
    await elsewhere.close();
  });
});
