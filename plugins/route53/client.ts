/** The calls of the AWS SDK that the solver needs. */
import { Route53 } from "@aws-sdk/client-route-53";
import type {
  Change,
  HostedZone,
  ListResourceRecordSetsCommandInput,
  ResourceRecordSet,
} from "@aws-sdk/client-route-53";
import { AssumeRoleCommand, STSClient } from "@aws-sdk/client-sts";
import type { Log } from "acmectl/plugin";
import { everyPage, plainName } from "acmectl/plugin/http";
import { isTxtOf } from "./changes.ts";
import { replaceHome } from "./credentials.ts";
import type { Asked, Keys } from "./credentials.ts";
import { refusalOf } from "./errors.ts";
import type { Attempt } from "./errors.ts";

export type { Change, HostedZone, ResourceRecordSet };

interface Connection {
  readonly region: string | undefined;
  readonly asked: Asked;
  readonly keys: Keys | undefined;
  readonly role: Role | undefined;
  readonly endpoint: string | undefined;
  /** How often one request is sent at most. */
  readonly attempts: number;
  readonly log: Log;
}

interface Role {
  readonly arn: string;
  readonly externalId: string | undefined;
}

/** A page, or more; `all` is false if there are further items. */
export interface Zones {
  readonly zones: readonly HostedZone[];
  readonly all: boolean;
}

export type Api = Awaited<ReturnType<typeof connect>>;

/**
 * Route 53's API (2013-04-01). Every call rejects with a `Refusal` or a Problem, or with the signal's reason. Files of the
 * profile may be read, but nothing is sent yet.
 */
export async function connect(connection: Connection) {
  const { asked, endpoint } = connection;
  replaceHome();
  const region = await regionOf(connection);
  const settings = settingsOf(connection, region);
  const sdk = new Route53(endpoint === undefined ? settings : { ...settings, endpoint });
  return { ...zoneCalls(sdk, asked), ...recordCalls(sdk, asked), close: () => sdk.destroy() };
}

function zoneCalls(sdk: Route53, asked: Asked) {
  return {
    /** All zones of a name; without one, the first page of all zones. */
    async zonesByName(name: string | undefined, signal: AbortSignal): Promise<Zones> {
      const attempt = { action: "ListHostedZonesByName", asked, signal };
      const zones: HostedZone[] = [];
      // The listing starts at the name: later names come along, and zones of one name may be on several pages.
      let start: { DNSName?: string | undefined; HostedZoneId?: string | undefined } = {
        DNSName: name,
      };
      for (;;) {
        const input = { ...start, MaxItems: 100 };
        const page = await send(attempt, (at) => sdk.listHostedZonesByName(input, at));
        zones.push(...(page.HostedZones ?? []));
        const all = page.IsTruncated !== true;
        if (all || name === undefined || plainName(page.NextDNSName ?? "") !== name)
          return { zones, all };
        start = { DNSName: page.NextDNSName, HostedZoneId: page.NextHostedZoneId };
      }
    },
    /** All zones, for those who may only ListHostedZones. */
    async zones(signal: AbortSignal): Promise<Zones> {
      const attempt = { action: "ListHostedZones", asked, signal };
      const zones = await everyPage(async (marker: string | undefined) => {
        const page = await send(attempt, (at) => sdk.listHostedZones({ Marker: marker }, at));
        return {
          items: page.HostedZones ?? [],
          next: page.IsTruncated ? page.NextMarker : undefined,
        };
      });
      return { zones, all: true };
    },
    async nameservers(zoneId: string, signal: AbortSignal) {
      const attempt = { action: "GetHostedZone", zoneId, asked, signal };
      const zone = await send(attempt, (at) => sdk.getHostedZone({ Id: zoneId }, at));
      return zone.DelegationSet?.NameServers ?? [];
    },
  };
}

function recordCalls(sdk: Route53, asked: Asked) {
  return {
    /** All TXT sets of a name; without one, the first page of all sets, the zone's own first. */
    async recordSets(zoneId: string, name: string | undefined, signal: AbortSignal) {
      const attempt = { action: "ListResourceRecordSets", zoneId, asked, signal };
      const sets: ResourceRecordSet[] = [];
      let start: Partial<ListResourceRecordSetsCommandInput> =
        name === undefined ? {} : { StartRecordName: `${name}.`, StartRecordType: "TXT" };
      for (;;) {
        const input = { ...start, HostedZoneId: zoneId };
        const page = await send(attempt, (at) => sdk.listResourceRecordSets(input, at));
        sets.push(...(page.ResourceRecordSets ?? []));
        const { NextRecordName: next = "", NextRecordType: type } = page;
        const all = page.IsTruncated !== true;
        if (all || name === undefined || plainName(next) !== name || type !== "TXT")
          return { sets: name === undefined ? sets : sets.filter(isTxtOf(name)), all };
        start = {
          StartRecordName: next,
          StartRecordType: type,
          StartRecordIdentifier: page.NextRecordIdentifier,
        };
      }
    },
    /** All changes or none; the id of the change, for `insync`. */
    async change(zoneId: string, changes: readonly Change[], signal: AbortSignal) {
      const attempt = { action: "ChangeResourceRecordSets", zoneId, asked, signal };
      const batch = { Comment: "acmectl", Changes: [...changes] };
      const answer = await send(attempt, (at) =>
        sdk.changeResourceRecordSets({ HostedZoneId: zoneId, ChangeBatch: batch }, at),
      );
      return answer.ChangeInfo?.Id?.replace(/^\/change\//, "");
    },
    async insync(changeId: string, signal: AbortSignal) {
      const attempt = { action: "GetChange", asked, signal };
      const answer = await send(attempt, (at) => sdk.getChange({ Id: changeId }, at));
      return answer.ChangeInfo?.Status === "INSYNC";
    },
  };
}

/** The SDK looks at AWS_REGION and the profile and throws without either, although Route 53 is one global service. */
async function regionOf(connection: Connection): Promise<string> {
  if (connection.region !== undefined) return connection.region;
  const probe = new Route53(profileOf(connection));
  try {
    return await probe.config.region();
  } catch {
    return "us-east-1";
  } finally {
    probe.destroy();
  }
}

function settingsOf(connection: Connection, region: string) {
  const settings = {
    ...profileOf(connection),
    region,
    ...(connection.keys === undefined ? {} : { credentials: connection.keys }),
    maxAttempts: connection.attempts,
    retryMode: "adaptive",
    requestHandler: {
      connectionTimeout: 5_000,
      requestTimeout: 30_000,
      throwOnRequestTimeout: true,
    },
    logger: loggerOf(connection.log),
  };
  const { role } = connection;
  return role === undefined
    ? settings
    : { ...settings, credentials: () => assume(role, new STSClient(settings)) };
}

/** The SDK calls this again when the credentials are about to expire. */
async function assume(role: Role, sts: STSClient) {
  try {
    const { Credentials: given } = await sts.send(
      new AssumeRoleCommand({
        RoleArn: role.arn,
        RoleSessionName: "acmectl",
        ExternalId: role.externalId,
      }),
    );
    if (given?.AccessKeyId === undefined || given.SecretAccessKey === undefined)
      throw new Error(`AssumeRole of ${role.arn} answered without credentials`);
    return {
      accessKeyId: given.AccessKeyId,
      secretAccessKey: given.SecretAccessKey,
      ...(given.SessionToken === undefined ? {} : { sessionToken: given.SessionToken }),
      ...(given.Expiration === undefined ? {} : { expiration: given.Expiration }),
    };
  } finally {
    sts.destroy();
  }
}

function profileOf({ asked: { profile } }: Connection) {
  return profile === undefined ? {} : { profile };
}

/** Without a logger the SDK warns on the console. Its own records hold whole requests: of them only warnings are kept. */
function loggerOf(log: Log) {
  const warn = (...parts: unknown[]) =>
    log.debug(`AWS SDK: ${parts.filter((part) => typeof part === "string").join(" ")}`);
  return { trace: quiet, debug: quiet, info: quiet, warn, error: warn };
}

function quiet(): void {
  // Requests and answers are not for the log.
}

/** Sends a request. The SDK's waits between attempts do not listen to the signal. */
async function send<T>(
  attempt: Attempt & { readonly signal: AbortSignal },
  call: (options: { abortSignal: AbortSignal }) => Promise<T>,
): Promise<T> {
  const { signal } = attempt;
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([call({ abortSignal: signal }), aborted]);
  } catch (error) {
    signal.throwIfAborted();
    throw await refusalOf(error, attempt);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
