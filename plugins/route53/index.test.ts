import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { recordingLog, solverContext } from "acmectl/testing";
import type { OptionsOf } from "acmectl/plugin";
import { Refusal } from "acmectl/plugin/http";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { awsError, route53Keys, startRoute53Fake } from "../../test/support/fakes/route53.ts";
import {
  call,
  challenge,
  providerTest,
  providerTools,
  target,
  tlsa,
} from "../../test/support/provider-test.ts";
import { explainer } from "./errors.ts";
import route53 from "./index.ts";

const [[accessKeyId, secretAccessKey]] = Object.entries(route53Keys) as [[string, string]];
const fake = await startRoute53Fake();
const folder = await mkdtemp(join(tmpdir(), "route53-"));
const working: OptionsOf<typeof route53.options> = {
  hostedZoneId: undefined,
  privateZone: false,
  profile: undefined,
  region: undefined,
  accessKeyId,
  secretAccessKey,
  sessionToken: undefined,
  assumeRoleArn: undefined,
  externalId: undefined,
  ttl: 10,
  waitForInsync: true,
  maxRetries: 7,
  endpoint: fake.url,
};
const setup = { plugin: route53, fake, options: working, secrets: [secretAccessKey] };
const tools = providerTools(setup);
const { open, options, since, problem } = tools;
type Options = OptionsOf<typeof route53.options>;

afterAll(() => rm(folder, { recursive: true }));

/** Nothing of this machine's AWS set-up may reach a test. */
beforeEach(() => {
  for (const name of Object.keys(process.env).filter((name) => name.startsWith("AWS_")))
    vi.stubEnv(name, undefined);
  vi.stubEnv("AWS_CONFIG_FILE", join(folder, "config"));
  vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", join(folder, "credentials"));
  vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
});
afterEach(() => {
  vi.unstubAllEnvs();
  fake.pageSize = 300;
});

const nextDoor = (name: string) => ({
  name: `${name}.`,
  type: "TXT",
  ttl: 300,
  values: ['"somebody else\'s"', '"v=spf1 -all"'],
});
const arn = "arn:aws:sts::111122223333:assumed-role/acme/i-0abc";

const zones = new Map<string, string>();
const conformZone = fake.addZone("conform.test");
providerTest(setup, tools, {
  conformance: {
    names: ["one.conform.test", "two.conform.test"],
    foreign: {
      plant: async ({ recordName }) => fake.plant(conformZone, nextDoor(recordName)),
      look: async ({ recordName }) =>
        fake.sets(recordName).map((set) => ({
          ttl: set.ttl,
          values: set.values.filter((value) => value.includes(" ")),
        })),
      remove: async ({ recordName }) => fake.unplant(conformZone, nextDoor(recordName)),
    },
    broken: [
      {
        when: "the secret is wrong",
        options: options({ secretAccessKey: "not-the-secret-of-this-key" }),
        says: /signature.*clock/is,
      },
      {
        when: "the zone id is wrong",
        options: options({ hostedZoneId: "ZNOPE" }),
        says: /ZNOPE/,
      },
      { when: "a key has no secret", options: options({ secretAccessKey: undefined }) },
      { when: "an external id has no role", options: options({ externalId: "x" }) },
      { when: "a profile and a key are set", options: options({ profile: "shop" }) },
      {
        when: "a session token has no key",
        options: options({
          accessKeyId: undefined,
          secretAccessKey: undefined,
          sessionToken: "FwoGZXIvYXdzEXAMPLETOKEN",
        }),
      },
    ],
  },
  addZone: (name) => zones.set(name, fake.addZone(name)),
  removeZone: (name) => fake.removeZone(zones.get(name) ?? ""),
  show: (name) => `${name} (${zones.get(name)})`,
  actions: {
    list: "ListHostedZonesByName",
    write: "ChangeResourceRecordSets",
    remove: "ChangeResourceRecordSets",
  },
  refusal: (status, code, message) => ({ status, body: awsError(code, message) }),
  failures: [
    [
      "no right to write",
      403,
      "AccessDenied",
      `User: ${arn} is not authorized to perform: route53:ChangeResourceRecordSets on resource: arn:aws:route53:::hostedzone/Z1 because no identity-based policy allows the route53:ChangeResourceRecordSets action`,
      /assumed-role\/acme\/i-0abc may not route53:ChangeResourceRecordSets.*\{"Effect":"Allow","Action":"route53:ChangeResourceRecordSets","Resource":"arn:aws:route53:::hostedzone\/Z1"\}/s,
    ],
    [
      "an explicit deny",
      403,
      "AccessDenied",
      `User: ${arn} is not authorized to perform: route53:ChangeResourceRecordSets on resource: x with an explicit deny in a service control policy`,
      /Lift the Deny/,
    ],
    [
      "a role that may not be assumed",
      403,
      "AccessDenied",
      "User: arn:aws:iam::111122223333:user/acme is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::444455556666:role/dns",
      /user\/acme may not sts:AssumeRole.*name arn:aws:iam::111122223333:user\/acme in the trust policy of arn:aws:iam::444455556666:role\/dns.*AWS_EXTERNAL_ID/s,
    ],
    [
      "an unknown key",
      403,
      "InvalidClientTokenId",
      "The security token included in the request is invalid.",
      /sts get-caller-identity/,
    ],
    [
      "an old session",
      403,
      "ExpiredToken",
      "The security token included in the request is expired",
      /clock shows \d{4}-.*aws sso login/s,
    ],
    [
      "a throttled account",
      400,
      "Throttling",
      "Rate exceeded",
      /Throttling.*five requests a second/s,
    ],
    [
      "somebody else's change",
      400,
      "PriorRequestNotComplete",
      "still processing a prior request",
      /keeps writing to the same hosted zone/,
    ],
    [
      "a CNAME in the way",
      400,
      "InvalidChangeBatch",
      "[RRSet of type TXT with DNS name x. is not permitted as it conflicts with other records with the same DNS name in zone fail.test.]",
      /follow the CNAME/,
    ],
    [
      "a protected record",
      400,
      "InvalidChangeBatch",
      "[The resource record set is protected]",
      /what protects or rewrites/,
    ],
    [
      "another error",
      400,
      "InvalidInput",
      "Something new",
      /InvalidInput: Something new.*CloudTrail/s,
    ],
    ["a broken server", 500, "InternalFailure", "oops", /InternalFailure/],
  ],
  impatient: { maxRetries: 0 },
  identity: `as access key ${accessKeyId}`,
  portal: /captive portal/,
  vendor: "Route 53",
  startFake: startRoute53Fake,
});

const denied = (action: string) => ({
  action,
  kind: {
    status: 403,
    body: awsError(
      "AccessDenied",
      `User: arn:aws:iam::111122223333:user/acme is not authorized to perform: route53:${action} on resource: *`,
    ),
  },
});

const delegated = {
  findZone: async () => ({ name: "twin.test", nameservers: ["NS-8.awsdns.net"] }),
};

describe("choosing the hosted zone", () => {
  it("route53 finds a zone on a later page, and zones with one name across pages", async () => {
    const far = fake.addZone("far.zz.pages.test");
    fake.pageSize = 1;
    const solver = await open();
    const { zoneId } = await solver.present(challenge("www.far.zz.pages.test"), call);
    expect(zoneId).toBe(far);
    fake.addZone("far.zz.pages.test", { id: "ZZTWIN" });
    const said = await problem((await open()).preflight([target("far.zz.pages.test")], call));
    expect(said).toContain(far);
    expect(said).toContain("ZZTWIN");
  });

  it("route53 ignores the private zone of two with one name, or the public one with privateZone", async () => {
    const inside = fake.addZone("split.test", { private: true });
    const outside = fake.addZone("split.test");
    const publicly = await (await open()).present(challenge("split.test"), call);
    const privately = await (
      await open({ privateZone: true })
    ).present(challenge("split.test"), call);
    expect([publicly.zoneId, privately.zoneId]).toEqual([outside, inside]);
    fake.addZone("inside.test", { private: true });
    expect(await problem((await open()).preflight([target("inside.test")], call))).toMatch(
      /inside\.test.*private.*AWS_PRIVATE_ZONE=true/s,
    );
  });

  it("route53 takes the delegated one of two public zones with one name, or names both", async () => {
    fake.addZone("twin.test", { id: "ZDEAD", nameservers: ["ns-7.awsdns.net"] });
    fake.addZone("twin.test", { id: "ZLIVE", nameservers: ["ns-8.awsdns.net"] });
    const { zoneId } = await (await open({}, delegated)).present(challenge("twin.test"), call);
    expect(zoneId).toBe("ZLIVE");
    const said = await problem((await open()).preflight([target("twin.test")], call));
    expect(said).toMatch(/ZDEAD.*ZLIVE.*AWS_HOSTED_ZONE_ID/s);
  });

  it("route53 lists no zones when hostedZoneId is set", async () => {
    const id = fake.addZone("given.test");
    const solver = await open({ hostedZoneId: `/hostedzone/${id}` });
    const from = fake.requests.length;
    await solver.preflight([target("given.test"), target("www.given.test")], call);
    await solver.present(challenge("given.test"), call);
    expect(new Set(since(from))).toEqual(
      new Set(["ListResourceRecordSets", "ChangeResourceRecordSets"]),
    );
  });

  it("route53 works with certbot's policy, and asks for either permission when both are refused", async () => {
    const id = fake.addZone("certbot.test");
    fake.faults.add(denied("ListHostedZonesByName"));
    expect((await (await open()).present(challenge("certbot.test"), call)).zoneId).toBe(id);
    fake.faults.add(denied("ListHostedZonesByName"));
    fake.faults.add(denied("ListHostedZones"));
    const said = await problem((await open()).preflight([target("certbot.test")], call));
    expect(said).toMatch(/arn:aws:iam::111122223333:user\/acme.*"route53:ListHostedZonesByName"/s);
  });
});

describe("writing", () => {
  let zoneId: string;
  beforeAll(() => {
    zoneId = fake.addZone("write.test");
  });

  it("route53 writes 20 names of a zone in one change, and removes them in one", async () => {
    const challenges = Array.from({ length: 20 }, (_, index) => challenge(`h${index}.write.test`));
    fake.plant(zoneId, {
      name: "_acme-challenge.h3.write.test.",
      type: "TXT",
      ttl: 77,
      values: ['"foreign"'],
    });
    const solver = await open();
    const from = fake.requests.length;
    const receipts = await solver.presentAll(challenges, call);
    for (const { recordName, recordValue } of challenges)
      expect(fake.values(recordName)).toContain(recordValue);
    const items = challenges.map((challenge, index) => ({ challenge, receipt: receipts[index] }));
    await solver.cleanupAll(JSON.parse(JSON.stringify(items)), call);
    expect(since(from).filter((action) => action.startsWith("Change"))).toHaveLength(2);
    expect(since(from)).toHaveLength(5);
    expect(challenges.flatMap(({ recordName }) => fake.sets(recordName))).toEqual([
      expect.objectContaining({ ttl: 77, values: ['"foreign"'] }),
    ]);
  });

  it("route53 splits a change that exceeds a request's limits, each name's changes together", async () => {
    const challenges = Array.from({ length: 130 }, (_, index) => challenge(`s${index}.write.test`));
    const solver = await open();
    const from = fake.requests.length;
    await solver.presentAll(challenges, call);
    await solver.cleanupAll(
      challenges.map((challenge) => ({ challenge, receipt: undefined })),
      call,
    );
    expect(since(from).filter((action) => action.startsWith("Change"))).toHaveLength(4);
    expect(challenges.flatMap(({ recordName }) => fake.values(recordName))).toEqual([]);
  });

  it("route53 puts both values of a name and its wildcard into one set", async () => {
    const [plain, wild] = [challenge("both.write.test"), challenge("both.write.test")];
    await (await open()).presentAll([plain, wild], call);
    const sets = fake.sets(plain.recordName);
    expect(sets).toHaveLength(1);
    expect(new Set(sets[0]?.values)).toEqual(
      new Set([`"${plain.recordValue}"`, `"${wild.recordValue}"`]),
    );
    expect(sets[0]?.ttl).toBe(10);
  });

  it("route53 adds its own set beside multivalue answers, and its value to every weighted set", async () => {
    const multi = challenge("multi.write.test");
    const weighted = challenge("weighted.write.test");
    const common = { type: "TXT", ttl: 60 };
    const planted = [
      {
        ...common,
        name: `${multi.recordName}.`,
        values: ['"a"'],
        identifier: '"a"',
        multivalue: true,
      },
      {
        ...common,
        name: `${weighted.recordName}.`,
        values: ['"b"'],
        identifier: "blue",
        weight: 1,
      },
      {
        ...common,
        name: `${weighted.recordName}.`,
        values: ['"g"'],
        identifier: "green",
        weight: 2,
      },
    ];
    for (const set of planted) fake.plant(zoneId, set);
    const solver = await open();
    await solver.presentAll([multi, weighted], call);
    expect(fake.sets(multi.recordName)).toHaveLength(2);
    for (const set of fake.sets(weighted.recordName))
      expect(set.values).toContain(`"${weighted.recordValue}"`);
    for (const challenge of [multi, weighted]) await solver.cleanup(challenge, undefined, call);
    const left = [multi, weighted].flatMap(({ recordName }) => fake.sets(recordName));
    expect(new Set(left)).toEqual(new Set(planted));
  });

  it("route53 succeeds when a change was made and its answer got lost", async () => {
    const lost = challenge("lost.write.test");
    fake.faults.add({ action: "ChangeResourceRecordSets", kind: "drop after" });
    const solver = await open();
    const receipt = await solver.present(lost, call);
    expect(fake.values(lost.recordName)).toEqual([lost.recordValue]);
    expect(await solver.checkPropagation(lost, receipt, call)).toBe(true);
    fake.faults.add({ action: "ChangeResourceRecordSets", kind: "drop after" });
    await solver.cleanup(lost, receipt, call);
    expect(fake.sets(lost.recordName)).toEqual([]);
  });

  it("route53 warns that a hosted zone is gone, and has nothing to clean up in it", async () => {
    const id = fake.addZone("gone.test");
    const log = recordingLog();
    const solver = await open({}, { log });
    const gone = challenge("gone.test");
    const receipt = await solver.present(gone, call);
    fake.removeZone(id);
    await solver.cleanup(gone, receipt, call);
    expect(
      log.entries.filter(({ level }) => level === "warn").map(({ message }) => message),
    ).toEqual([`hosted zone gone.test (${id}) is gone, and its records with it`]);
    expect(await problem(solver.present(gone, call))).toMatch(/gone\.test.*AWS_HOSTED_ZONE_ID/s);
  });

  it("route53 waits while it is throttled, and stops at once when aborted", async () => {
    const throttled = { status: 400, body: awsError("Throttling", "Rate exceeded") };
    fake.faults.add({ action: "ChangeResourceRecordSets", kind: throttled });
    const busy = challenge("busy.write.test");
    const solver = await open();
    await solver.present(busy, call);
    expect(fake.values(busy.recordName)).toEqual([busy.recordValue]);
    fake.faults.add({ kind: "hang" });
    const controller = new AbortController();
    const waiting = solver.cleanup(busy, undefined, { signal: controller.signal });
    controller.abort(new Error("Ctrl-C"));
    await expect(waiting).rejects.toThrow("Ctrl-C");
  });
});

describe("propagation", () => {
  it("route53 asks GetChange once for all names of a change until it is INSYNC", async () => {
    fake.addZone("sync.test");
    fake.pendingPolls = 1;
    const pair = [challenge("a.sync.test"), challenge("b.sync.test")];
    const solver = await open();
    const receipts = await solver.presentAll(pair, call);
    const from = fake.requests.length;
    const ask = () =>
      Promise.all(
        pair.map((one, index) =>
          solver.checkPropagation(one, receipts[index] ?? { zoneId: "" }, call),
        ),
      );
    expect(await ask()).toEqual([false, false]);
    await expect.poll(ask, { interval: 300, timeout: 5_000 }).toEqual([true, true]);
    expect(since(from)).toEqual(["GetChange", "GetChange"]);
    expect(await ask()).toEqual([true, true]);
    expect(since(from)).toHaveLength(2);
  });

  it("route53 warns once and relies on the DNS when GetChange is denied, and asks nothing without waitForInsync", async () => {
    fake.addZone("quiet.test");
    const log = recordingLog();
    const solver = await open({}, { log });
    const quiet = challenge("quiet.test");
    const receipt = await solver.present(quiet, call);
    fake.faults.add({
      action: "GetChange",
      kind: { status: 403, body: awsError("AccessDenied", "not authorized") },
    });
    expect(await solver.checkPropagation(quiet, receipt, call)).toBe(true);
    expect(await solver.checkPropagation(quiet, { ...receipt, changeId: "C2" }, call)).toBe(true);
    expect(log.entries.filter(({ level }) => level === "warn")).toHaveLength(1);
    const from = fake.requests.length;
    const careless = await route53.create(options({ waitForInsync: false }), solverContext());
    expect("checkPropagation" in careless).toBe(false);
    expect(since(from)).toEqual([]);
  });
});

describe("failures", () => {
  beforeAll(() => {
    fake.addZone("failing.test");
  });
  it("route53 shows both clocks but not the request when the signature is wrong", async () => {
    const solver = await open({
      secretAccessKey: "wrong",
      sessionToken: "FwoGZXIvYXdzEXAMPLETOKEN",
    });
    const said = await problem(solver.preflight([target("failing.test")], call));
    expect(said).toContain(`as access key ${accessKeyId}: SignatureDoesNotMatch`);
    expect(said).toMatch(/SignatureDoesNotMatch.*clock shows \d{4}-.*AWS's \d{4}-/s);
    expect(said).not.toMatch(/Canonical|FwoGZXIvYXdz/);
  });

  it.for([
    ["InvalidClientTokenId", 403],
    ["ExpiredToken", 403],
    ["Throttling", 400],
    ["NoSuchHostedZone", 404],
    ["SignatureDoesNotMatch", 403],
  ] as const)("route53 names the credentials it used: %s", async ([code, status]) => {
    const file = join(folder, "named");
    const keys = `aws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`;
    await writeFile(file, `[shop]\n${keys}`);
    vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", file);
    const fails = async (more: Partial<Options>) => {
      fake.faults.add({
        action: "ListHostedZonesByName",
        kind: { status, body: awsError(code, "refused") },
      });
      const solver = await open({ maxRetries: 0, ...more });
      return problem(solver.preflight([target("failing.test")], call));
    };
    const none = { accessKeyId: undefined, secretAccessKey: undefined };
    expect(await fails({})).toContain(`as access key ${accessKeyId}: `);
    expect(await fails({ ...none, profile: "shop" })).toContain("as profile shop: ");
    vi.stubEnv("AWS_ACCESS_KEY_ID", accessKeyId);
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", secretAccessKey);
    expect(await fails(none)).toContain(`as access key ${accessKeyId} (AWS_ACCESS_KEY_ID): `);
    vi.stubEnv("AWS_PROFILE", "shop");
    expect(await fails(none)).toContain("as profile shop: ");
    const arn = "arn:aws:iam::444455556666:role/dns";
    const work = () => Promise.reject(new Refusal({ words: "refused", reasons: [code] }));
    const role = explainer(options({ assumeRoleArn: arn }))("act", call.signal, work).catch(String);
    expect(await role).toContain(`as role ${arn}, assumed by access key ${accessKeyId}: `);
  });

  it("route53 explains a name outside the configured zone", async () => {
    const other = fake.addZone("other.test");
    const solver = await open({ hostedZoneId: other });
    const from = fake.requests.length;
    const targets = [target("other.test"), target("failing.test")];
    expect(await problem(solver.preflight(targets, call))).toMatch(
      new RegExp(
        `_acme-challenge\\.failing\\.test is not in the configured hosted zone other\\.test \\(${other}\\).*leave it out`,
        "s",
      ),
    );
    expect(since(from)).toEqual(["ListResourceRecordSets"]);
    expect(await problem(solver.present(challenge("failing.test"), call))).toMatch(
      /not permitted in zone other\.test.*Correct hostedZoneId/s,
    );
  });

  it("route53 explains a broken connection, a missing server and one that is not Route 53", async () => {
    fake.faults.add({ action: "ListHostedZonesByName", kind: "drop before" });
    const cut = (await open({ maxRetries: 0 })).preflight([target("failing.test")], call);
    expect(await problem(cut)).toMatch(/firewall/);
    const dead = await startRoute53Fake();
    await dead.close();
    const nobody = await open({ endpoint: dead.url, maxRetries: 0 });
    expect(await problem(nobody.preflight([target("failing.test")], call))).toMatch(/ECONNREFUSED/);
    fake.faults.add({ action: "ListHostedZonesByName", kind: "garbage" });
    const portal = await open({ maxRetries: 0 });
    expect(await problem(portal.preflight([target("failing.test")], call))).toMatch(
      /not an answer from Route 53/,
    );
  });
});

describe("credentials that cannot be found", () => {
  const none = { accessKeyId: undefined, secretAccessKey: undefined };
  const fails = async (more: Partial<Options> = {}) =>
    problem((await open({ ...none, ...more })).preflight([target("failing.test")], call));

  it("route53 without credentials reports that no variable is set and the metadata service was not asked", async () => {
    expect(await fails()).toMatch(
      /none is set|AWS_CONFIG_FILE.*AWS_EC2_METADATA_DISABLED is true/s,
    );
  });

  it("route53 names the missing half of a key pair, without the value of the other half", async () => {
    vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIDLONELY");
    const said = await fails();
    expect(said).toContain("AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY");
    expect(said).not.toContain("AKIDLONELY");
  });

  it("route53 names a profile that does not exist, and those that do", async () => {
    await writeFile(
      join(folder, "config"),
      "[default]\nregion = eu-west-1\n[profile shop]\nregion = eu-west-1\n",
    );
    const said = await fails({ profile: "shpo" });
    expect(said).toMatch(
      /no profile "shpo".*there are: default, shop.*aws configure --profile shpo/s,
    );
    vi.stubEnv("AWS_PROFILE", "shop");
    expect(await fails()).toMatch(
      /Profile "shop" is in .*config, but it does not provide credentials/,
    );
  });

  it("route53 names HOME if a profile is given and there is no home folder", async () => {
    const said = await homeless({ AWS_PROFILE: "shop" });
    expect(said).toMatch(/profile "shop" in: neither HOME, AWS_CONFIG_FILE nor.*Set HOME/s);
  });

  it("route53 reports a token file that is missing or has no role", async () => {
    vi.stubEnv("AWS_WEB_IDENTITY_TOKEN_FILE", join(folder, "absent"));
    expect(await fails()).toMatch(
      /AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN.*absent cannot be read/s,
    );
  });
});

describe("without a home folder", () => {
  it("route53 works without a home folder, by variables, an assumed role or options", async () => {
    fake.addZone("homeless.test");
    const keys = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
    expect(await homeless(keys)).toBe("it works");
    expect(await homeless({}, { accessKeyId, secretAccessKey })).toBe("it works");
    expect(await homeless({})).toMatch(/None of AWS's variables is set|AWS_ACCESS_KEY_ID/);
  });
});

/** What preflight says in a process that has neither HOME nor an entry in the password file. */
async function homeless(env: Record<string, string>, more: object = {}): Promise<string> {
  const none = { accessKeyId: undefined, secretAccessKey: undefined };
  const script = `
    import os from "node:os";
    import { syncBuiltinESMExports } from "node:module";
    os.homedir = () => { throw new Error("A system error occurred: uv_os_homedir returned ENOENT"); };
    syncBuiltinESMExports();
    const { default: route53 } = await import(${JSON.stringify(new URL("index.ts", import.meta.url))});
    const log = { debug() {}, info() {}, warn() {} };
    const findZone = () => Promise.reject(new Error("no DNS"));
    const options = ${JSON.stringify({ ...working, ...none, ...more })};
    try {
      const solver = await route53.create(options, { name: "aws", log, findZone, state: {} });
      await solver.preflight([${JSON.stringify(target("homeless.test"))}], { signal: AbortSignal.timeout(30_000) });
      console.log("it works");
    } catch (error) {
      console.log(error.message, error.hint);
    }`;
  const args = ["--conditions=source", "--no-warnings", "--input-type=module", "--eval", script];
  const found = { AWS_EC2_METADATA_DISABLED: "true", ...env };
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: found });
  return stdout.trim();
}

describe("the region", () => {
  it("route53 uses the region of the option, else of the profile, else us-east-1", async () => {
    fake.addZone("region.test");
    vi.stubEnv("AWS_CONFIG_FILE", join(folder, "regions"));
    vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", join(folder, "keys"));
    const keys = `aws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`;
    await writeFile(join(folder, "regions"), "[profile shop]\nregion = eu-west-1\n");
    await writeFile(join(folder, "keys"), `[shop]\n${keys}`);
    const profile = { profile: "shop", accessKeyId: undefined, secretAccessKey: undefined };
    const from = fake.requests.length;
    for (const more of [{ region: "eu-central-1" }, profile, {}]) {
      const solver = await open({ ...more, hostedZoneId: "ZNONE" });
      await solver.cleanup(challenge("region.test"), undefined, call);
    }
    expect(fake.requests.slice(from).map(({ region }) => region)).toEqual([
      "eu-central-1",
      "eu-west-1",
      "us-east-1",
    ]);
  });
});

it("route53 writes TLSA records beside others, and removes only its own", async () => {
  const zone = fake.addZone("dane.test");
  const at = "_25._tcp.mail.dane.test";
  const foreign = `3 1 1 ${"00".repeat(32)}`;
  fake.plant(zone, { name: `${at}.`, type: "TLSA", ttl: 300, values: [foreign] });
  const [one, two] = [tlsa("mail.dane.test", "0f"), tlsa("mail.dane.test", "a0")];
  const solver = await open();
  await solver.preflight?.([{ ...target("mail.dane.test"), recordName: at }], call);
  const receipts = [await solver.present(one, call), await solver.present(two, call)];
  expect(fake.sets(at).flatMap(({ values }) => values)).toEqual([
    foreign,
    one.recordValue,
    two.recordValue,
  ]);
  await solver.cleanup(one, receipts[0], call);
  await solver.cleanup(two, undefined, call);
  expect(fake.sets(at).flatMap(({ values }) => values)).toEqual([foreign]);
});

it("route53 takes a TLSA value in capitals for the same", async () => {
  const zone = fake.addZone("upper.test");
  const at = "_25._tcp.mail.upper.test";
  const foreign = `3 1 1 ${"00".repeat(32)}`;
  const one = tlsa("mail.upper.test", "af");
  const upper = `3 1 1  ${"AF".repeat(16)} ${"AF".repeat(16)}`;
  fake.plant(zone, { name: `${at}.`, type: "TLSA", ttl: 300, values: [foreign, upper] });
  const solver = await open();
  await solver.present(one, call);
  expect(fake.sets(at).flatMap(({ values }) => values)).toEqual([foreign, upper]);
  await solver.cleanup(one, undefined, call);
  expect(fake.sets(at).flatMap(({ values }) => values)).toEqual([foreign]);
});
