import { Problem, defineSolver } from "acmectl/plugin";
import type { Keys } from "./client.ts";

/** dns-01 with Amazon Route 53. */
export default defineSolver({
  summary: "dns-01 with Amazon Route 53, by the credentials that the AWS SDK finds",
  challengeTypes: ["dns-01"],
  concurrency: 4,
  options: {
    hostedZoneId: {
      type: "string",
      env: ["AWS_HOSTED_ZONE_ID"],
      placeholder: "ID",
      description:
        "The hosted zone to write to, e.g. Z0123456789ABC; without it the longest zone that fits the name.",
    },
    privateZone: {
      type: "boolean",
      default: false,
      env: ["AWS_PRIVATE_ZONE"],
      description:
        "Use private hosted zones instead of public ones, for a CA that looks from inside.",
    },
    profile: {
      type: "string",
      placeholder: "NAME",
      description:
        "A profile of ~/.aws/config or ~/.aws/credentials; without it AWS_PROFILE counts, as for every AWS tool.",
    },
    region: {
      type: "string",
      env: ["AWS_REGION", "AWS_DEFAULT_REGION"],
      description:
        "Needed in GovCloud and China alone; without it the profile's region, else us-east-1.",
    },
    accessKeyId: {
      type: "string",
      placeholder: "ID",
      description:
        "An access key of this solver's own, beside what AWS's variables say; needs secretAccessKey.",
    },
    secretAccessKey: {
      type: "string",
      secret: true,
      description: "The secret of accessKeyId.",
    },
    sessionToken: {
      type: "string",
      secret: true,
      description: "The session token of accessKeyId, if that key is temporary.",
    },
    assumeRoleArn: {
      type: "string",
      env: ["AWS_ASSUME_ROLE_ARN"],
      placeholder: "ARN",
      description:
        "A role to assume with the credentials found, e.g. of the account that holds the zone.",
    },
    externalId: {
      type: "string",
      env: ["AWS_EXTERNAL_ID"],
      description: "The external id that the role's trust policy asks for.",
    },
    ttl: {
      type: "integer",
      default: 10,
      min: 0,
      max: 86_400,
      env: ["AWS_TTL"],
      description: "Seconds that resolvers may keep a record set that acmectl creates.",
    },
    waitForInsync: {
      type: "boolean",
      default: true,
      env: ["AWS_WAIT_FOR_RECORD_SETS_CHANGED"],
      description: "Wait until Route 53 reports a change INSYNC, beside looking at the DNS.",
    },
    maxRetries: {
      type: "integer",
      default: 7,
      min: 0,
      max: 100,
      env: ["AWS_MAX_RETRIES"],
      description: "How often a request that was throttled or lost is repeated.",
    },
    endpoint: {
      type: "url",
      description: "Another address of the Route 53 API; AWS_ENDPOINT_URL works too.",
    },
  },
  async create(options, context) {
    const keys = keysOf(options);
    // The SDK takes a tenth of a second to load: only whoever chose this solver pays.
    const [{ connect }, { zoneFinder }, { solve }] = await Promise.all([
      import("./client.ts"),
      import("./zones.ts"),
      import("./solver.ts"),
    ]);
    const { log } = context;
    const { assumeRoleArn: arn, externalId, profile, region, endpoint } = options;
    const role = arn === undefined ? undefined : { arn, externalId };
    const attempts = options.maxRetries + 1;
    const api = await connect({ region, profile, keys, role, endpoint, attempts, log });
    const findZone = zoneFinder(api, {
      ...options,
      log,
      findZone: (name) => context.findZone(name),
    });
    const asked = {
      profile,
      accessKeyId: keys?.accessKeyId,
      roleArn: arn,
      externalId: externalId !== undefined,
    };
    return solve(api, { ...options, asked, log, findZone });
  },
});

interface KeyOptions {
  readonly accessKeyId: string | undefined;
  readonly secretAccessKey: string | undefined;
  readonly sessionToken: string | undefined;
  readonly profile: string | undefined;
  readonly assumeRoleArn: string | undefined;
  readonly externalId: string | undefined;
}

function keysOf(options: KeyOptions): Keys | undefined {
  const { accessKeyId, secretAccessKey, sessionToken } = options;
  needs(options, "externalId", "assumeRoleArn");
  needs(options, "accessKeyId", "secretAccessKey");
  needs(options, "secretAccessKey", "accessKeyId");
  needs(options, "sessionToken", "accessKeyId");
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  if (options.profile !== undefined)
    throw contradiction(
      "both profile and accessKeyId are set",
      "Keep one of them: a profile brings its own credentials.",
    );
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}

function needs(options: KeyOptions, one: keyof KeyOptions, other: keyof KeyOptions): void {
  if (options[one] === undefined || options[other] !== undefined) return;
  throw contradiction(`${one} is set without ${other}`, `Set ${other} too, or drop ${one}.`);
}

function contradiction(what: string, hint: string): Problem {
  return new Problem("config", { detail: `Solver route53: ${what}`, hint });
}
