/** The only importer of the AWS SDK, and of it only the calls that the solver needs. */
import { Route53 } from "@aws-sdk/client-route-53";
import type { Change, HostedZone, ResourceRecordSet } from "@aws-sdk/client-route-53";
import { AssumeRoleCommand, STSClient } from "@aws-sdk/client-sts";
import type { Log } from "acmectl/plugin";

export type { Change, HostedZone, ResourceRecordSet };

export interface Connection {
  readonly region: string | undefined;
  readonly profile: string | undefined;
  readonly keys: Keys | undefined;
  readonly role: Role | undefined;
  readonly endpoint: string | undefined;
  /** How often one request is sent at most. */
  readonly attempts: number;
  readonly log: Log;
}

export interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface Role {
  readonly arn: string;
  readonly externalId: string | undefined;
}

export interface ZonePage {
  readonly zones: readonly HostedZone[];
  /** Where the next page starts. */
  readonly next:
    | { readonly name?: string | undefined; readonly id?: string | undefined }
    | undefined;
}

export interface RecordPage {
  readonly sets: readonly ResourceRecordSet[];
  readonly next: RecordStart | undefined;
}

export interface RecordStart {
  readonly name?: string | undefined;
  readonly type?: ResourceRecordSet["Type"];
  readonly identifier?: string | undefined;
}

/** Route 53's API (2013-04-01); every call rejects with the SDK's error, or with the signal's reason once it aborts. */
export interface Api {
  /** A page of at most 100, sorted by reversed name, that begins at `start` rather than matching it. */
  zonesByName(start: NonNullable<ZonePage["next"]>, signal: AbortSignal): Promise<ZonePage>;
  /** The same without order, for those who may only ListHostedZones. */
  zones(start: NonNullable<ZonePage["next"]>, signal: AbortSignal): Promise<ZonePage>;
  nameservers(zoneId: string, signal: AbortSignal): Promise<readonly string[]>;
  /** A page of at most 300 sets that begins at `start` rather than matching it. */
  recordSets(zoneId: string, start: RecordStart, signal: AbortSignal): Promise<RecordPage>;
  /** All changes or none; the id of the change, for `insync`. */
  change(
    zoneId: string,
    changes: readonly Change[],
    signal: AbortSignal,
  ): Promise<string | undefined>;
  insync(changeId: string, signal: AbortSignal): Promise<boolean>;
  close(): void;
}

/** Opens the API. Nothing is asked of AWS yet, but files of the profile may be read. */
export async function connect(connection: Connection): Promise<Api> {
  const region = await regionOf(connection);
  const sdk = new Route53({ ...settingsOf(connection, region), ...endpointOf(connection) });
  return {
    async zonesByName(start, signal) {
      const input = {
        ...(start.name === undefined ? {} : { DNSName: start.name }),
        ...(start.id === undefined ? {} : { HostedZoneId: start.id }),
        MaxItems: 100,
      };
      const page = await race(signal, (at) => sdk.listHostedZonesByName(input, at));
      const next = page.IsTruncated
        ? { name: page.NextDNSName, id: page.NextHostedZoneId }
        : undefined;
      return { zones: page.HostedZones ?? [], next };
    },
    async zones(start, signal) {
      const input = start.id === undefined ? {} : { Marker: start.id };
      const page = await race(signal, (at) => sdk.listHostedZones(input, at));
      const next = page.IsTruncated ? { id: page.NextMarker } : undefined;
      return { zones: page.HostedZones ?? [], next };
    },
    async nameservers(zoneId, signal) {
      const zone = await race(signal, (at) => sdk.getHostedZone({ Id: zoneId }, at));
      return zone.DelegationSet?.NameServers ?? [];
    },
    ...recordCalls(sdk),
    close: () => sdk.destroy(),
  };
}

function recordCalls(sdk: Route53): Pick<Api, "recordSets" | "change" | "insync"> {
  return {
    async recordSets(zoneId, start, signal) {
      const input = {
        HostedZoneId: zoneId,
        ...(start.name === undefined ? {} : { StartRecordName: start.name }),
        ...(start.type === undefined ? {} : { StartRecordType: start.type }),
        ...(start.identifier === undefined ? {} : { StartRecordIdentifier: start.identifier }),
      };
      const page = await race(signal, (at) => sdk.listResourceRecordSets(input, at));
      const { NextRecordName: name, NextRecordType: type, NextRecordIdentifier: identifier } = page;
      return {
        sets: page.ResourceRecordSets ?? [],
        next: page.IsTruncated ? { name, type, identifier } : undefined,
      };
    },
    async change(zoneId, changes, signal) {
      const input = {
        HostedZoneId: zoneId,
        ChangeBatch: { Comment: "acmectl", Changes: [...changes] },
      };
      const answer = await race(signal, (at) => sdk.changeResourceRecordSets(input, at));
      return answer.ChangeInfo?.Id?.replace(/^\/change\//, "");
    },
    async insync(changeId, signal) {
      const answer = await race(signal, (at) => sdk.getChange({ Id: changeId }, at));
      return answer.ChangeInfo?.Status === "INSYNC";
    },
  };
}

/** The SDK looks at AWS_REGION and the profile, and throws when both are silent, though Route 53 is one global service. */
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
        ...(role.externalId === undefined ? {} : { ExternalId: role.externalId }),
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

function profileOf({ profile }: Connection) {
  return profile === undefined ? {} : { profile };
}

function endpointOf({ endpoint }: Connection) {
  return endpoint === undefined ? {} : { endpoint };
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

/** The SDK's waits between attempts do not listen to the signal. */
async function race<T>(
  signal: AbortSignal,
  call: (options: { abortSignal: AbortSignal }) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([call({ abortSignal: signal }), aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
