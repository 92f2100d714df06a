import { expect, test } from "vitest";
import { requestFlags } from "../../src/options/declared/request.ts";
import { describeOption } from "../../src/options/describe.ts";

const flag = (name: string, standard?: boolean) =>
  describeOption(name, {
    type: "boolean",
    description: "Wait.",
    ...(standard === undefined ? {} : { default: standard }),
  }).flag;

test("an option is described in full by its declaration", () => {
  const described = describeOption("keyType", {
    type: "string",
    description: "Kind of the private key.",
    choices: ["ec256", "rsa2048"],
    default: "ec256",
    short: "k",
    aliases: ["keylength"],
    placeholder: "TYPE",
    group: "Key:",
  });
  expect(described).toEqual({
    name: "keyType",
    description: "Kind of the private key.",
    group: "Key:",
    hidden: false,
    required: false,
    secret: false,
    flag: {
      long: "--key-type",
      short: "-k",
      placeholder: "TYPE",
      aliases: ["--keylength"],
      means: true,
    },
    variables: ["ACMECTL_KEY_TYPE"],
    default: "ec256",
    accepts: "one of ec256, rsa2048",
    choices: ["ec256", "rsa2048"],
  });
});

test("a boolean has a positive and a negative flag, and help shows the one that changes something", () => {
  expect(flag("jitter", true)).toMatchObject({
    long: "--no-jitter",
    means: false,
    opposite: "--jitter",
  });
  expect(flag("force")).toMatchObject({ long: "--force", means: true, opposite: "--no-force" });
  expect(flag("noWait")).toEqual({ long: "--no-wait", means: true, aliases: [] });
});

test("a secret and a structure have no flag, a reference to a secret has one", () => {
  const description = "What it is.";
  expect(
    describeOption("token", { type: "string", secret: true, description }).flag,
  ).toBeUndefined();
  expect(describeOption("rules", { type: "json", description }).flag).toBeUndefined();
  const reference = { type: "string", secret: true, reference: true, description } as const;
  expect(describeOption("eabHmac", reference).flag?.long).toBe("--eab-hmac");
});

test("an option of a plugin has its plugin's prefix everywhere, and no single letter", () => {
  const described = describeOption(
    "ttl",
    {
      type: "duration",
      short: "t",
      aliases: ["time"],
      default: 60_000,
      min: 1000,
      description: "How long.",
      env: ["CF_TTL"],
    },
    "cloudflare",
  );
  expect(described).toMatchObject({
    flag: { long: "--cloudflare-ttl", aliases: ["--cloudflare-time"] },
    variables: ["ACMECTL_CLOUDFLARE_TTL", "CF_TTL"],
    default: "1m",
    accepts: "a duration such as 90s, 5m, 12h or 10d not below 1s",
  });
  expect(described.flag?.short).toBeUndefined();
});

test("descriptions give the value of an absent option in words, since help adds brackets", () => {
  const bracketed = Object.values(requestFlags).filter(({ description }) =>
    /\([^ )]+\)\.$/.test(description),
  );
  expect(bracketed).toEqual([]);
});

test("a boolean may take further values behind =", () => {
  const described = describeOption("dryRun", {
    type: "boolean",
    choices: ["authorizations"],
    description: "Rehearse.",
  });
  expect(described.flag).toMatchObject({ long: "--dry-run", values: ["authorizations"] });
  expect(described).toMatchObject({
    accepts: "one of true, false, authorizations",
    choices: [],
  });
});
