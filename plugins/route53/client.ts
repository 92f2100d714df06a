/** The calls of the AWS SDK that the solver needs. */
import { Route53 } from "@aws-sdk/client-route-53";
import type {
  Change,
  HostedZone,
  ListHostedZonesByNameCommandInput,
  ListResourceRecordSetsCommandInput,
  ResourceRecordSet,
} from "@aws-sdk/client-route-53";
import { AssumeRoleCommand, STSClient } from "@aws-sdk/client-sts";
import { bounded } from "./bounded.ts";
import type { Log } from "acmectl/plugin";
import { abortable, everyPage, plainName } from "acmectl/plugin/http";
import { isSetOf } from "./changes.ts";
import type { Owner } from "./changes.ts";
import { replaceHome } from "./credentials.ts";
import type { Asked, Keys } from "./credentials.ts";
import { refusalOf } from "./errors.ts";
import type { Attempt } from "./errors.ts";

export type { Change, HostedZone, ResourceRecordSet };

interface Connection extends Asked {
  readonly region: string | undefined;
  readonly keys: Keys | undefined;
  readonly endpoint: string | undefined;
  readonly maxRetries: number;
  readonly log: Log;
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
  const { endpoint } = connection;
  replaceHome();
  const region = await regionOf(connection);
  const settings = settingsOf(connection, region);
  const sdk = bounded(new Route53(endpoint === undefined ? settings : { ...settings, endpoint }));
  const send: Send = (action, signal, call, zoneId) =>
    sendOnce({ action, zoneId, asked: connection }, signal, call);
  return { ...zoneCalls(sdk, send), ...recordCalls(sdk, send), close: () => sdk.destroy() };
}

function zoneCalls(sdk: Route53, send: Send) {
  return {
    /** All zones of a name; without one, the first page of all zones. */
    async zonesByName(name: string | undefined, signal: AbortSignal): Promise<Zones> {
      const zones: HostedZone[] = [];
      // The listing starts at the name: later names come along, and zones of one name may be on several pages.
      let start: ListHostedZonesByNameCommandInput = { DNSName: name, MaxItems: 100 };
      for (;;) {
        const page = await send("ListHostedZonesByName", signal, (at) =>
          sdk.listHostedZonesByName(start, at),
        );
        zones.push(...(page.HostedZones ?? []));
        const all = page.IsTruncated !== true;
        if (all || name === undefined || plainName(page.NextDNSName ?? "") !== name)
          return { zones, all };
        start = { ...start, DNSName: page.NextDNSName, HostedZoneId: page.NextHostedZoneId };
      }
    },
    /** All zones, for those who may only ListHostedZones. */
    async zones(signal: AbortSignal): Promise<Zones> {
      const zones = await everyPage(async (Marker: string | undefined) => {
        const page = await send("ListHostedZones", signal, (at) =>
          sdk.listHostedZones({ Marker }, at),
        );
        const next = page.IsTruncated ? page.NextMarker : undefined;
        return { items: page.HostedZones ?? [], next };
      });
      return { zones, all: true };
    },
    async nameservers(Id: string, signal: AbortSignal) {
      const zone = await send("GetHostedZone", signal, (at) => sdk.getHostedZone({ Id }, at), Id);
      return zone.DelegationSet?.NameServers ?? [];
    },
  };
}

function recordCalls(sdk: Route53, send: Send) {
  return {
    /** All sets of a name and type; without one, the first page of all sets, the zone's own first. */
    async recordSets(HostedZoneId: string, owner: Owner | undefined, signal: AbortSignal) {
      const sets: ResourceRecordSet[] = [];
      let start: ListResourceRecordSetsCommandInput = { HostedZoneId };
      if (owner !== undefined) {
        const { name, type } = owner;
        start = { HostedZoneId, StartRecordName: `${name}.`, StartRecordType: type };
      }
      for (;;) {
        const list = (at: Options) => sdk.listResourceRecordSets(start, at);
        const page = await send("ListResourceRecordSets", signal, list, HostedZoneId);
        sets.push(...(page.ResourceRecordSets ?? []));
        const { NextRecordName: next = "", NextRecordType: type } = page;
        const all = page.IsTruncated !== true;
        if (owner === undefined) return { sets, all };
        if (all || plainName(next) !== owner.name || type !== owner.type)
          return { sets: sets.filter(isSetOf(owner)), all };
        start = {
          HostedZoneId,
          StartRecordName: next,
          StartRecordType: type,
          StartRecordIdentifier: page.NextRecordIdentifier,
        };
      }
    },
    /** All changes or none; the id of the change, for `insync`. */
    async change(HostedZoneId: string, changes: readonly Change[], signal: AbortSignal) {
      const ChangeBatch = { Comment: "acmectl", Changes: [...changes] };
      const change = (at: Options) =>
        sdk.changeResourceRecordSets({ HostedZoneId, ChangeBatch }, at);
      const answer = await send("ChangeResourceRecordSets", signal, change, HostedZoneId);
      return answer.ChangeInfo?.Id?.replace(/^\/change\//, "");
    },
    async insync(Id: string, signal: AbortSignal) {
      const answer = await send("GetChange", signal, (at) => sdk.getChange({ Id }, at));
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
    maxAttempts: connection.maxRetries + 1,
    retryMode: "adaptive",
    requestHandler: {
      connectionTimeout: 5_000,
      requestTimeout: 30_000,
      throwOnRequestTimeout: true,
    },
    logger: loggerOf(connection.log),
  };
  const { assumeRoleArn: arn, externalId } = connection;
  return arn === undefined
    ? settings
    : { ...settings, credentials: () => assume(arn, externalId, bounded(new STSClient(settings))) };
}

/** The SDK calls this again when the credentials are about to expire. */
async function assume(arn: string, externalId: string | undefined, sts: STSClient) {
  try {
    const role = { RoleArn: arn, RoleSessionName: "acmectl", ExternalId: externalId };
    const { Credentials: given } = await sts.send(new AssumeRoleCommand(role));
    if (given?.AccessKeyId === undefined || given.SecretAccessKey === undefined)
      throw new Error(`AssumeRole of ${arn} answered without credentials`);
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

function profileOf({ profile }: Connection) {
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

type Options = { readonly abortSignal: AbortSignal };

type Send = <T>(
  action: string,
  signal: AbortSignal,
  call: (options: Options) => Promise<T>,
  zoneId?: string,
) => Promise<T>;

/** Sends a request. The SDK's waits between attempts do not listen to the signal. */
async function sendOnce<T>(
  attempt: Attempt,
  signal: AbortSignal,
  call: (options: Options) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  try {
    return await abortable(call({ abortSignal: signal }), signal);
  } catch (error) {
    signal.throwIfAborted();
    throw await refusalOf(error, attempt);
  }
}
