/** dns-01 by dynamic updates (RFC 2136), signed with TSIG, to the primary server of the zone. */
import { defineSolver } from "acmectl/plugin";
import type { Call, CleanupItem, Dns01Challenge, Solver, Target } from "acmectl/plugin";
import { plainName } from "acmectl/plugin/http";
import { endpointOf, openPrimary, type Primary } from "./client.ts";
import { keyFrom } from "./key.ts";
import { byServer, publish, rehearse, remove } from "./updates.ts";
import type { Receipt, SolverSettings } from "./updates.ts";

export default defineSolver({
  summary: "sends dynamic updates (RFC 2136) for dns-01 to BIND, Knot, PowerDNS and others",
  challengeTypes: ["dns-01"],
  recordTypes: ["TXT", "TLSA"],
  concurrency: 4,
  options: {
    server: {
      type: "string",
      required: true,
      env: ["RFC2136_NAMESERVER", "DNSUPDATE_NAMESERVER", "NSUPDATE_SERVER"],
      placeholder: "HOST[:PORT]",
      description: "Primary server of the zone: host name or address, with a port if not 53.",
    },
    port: {
      type: "port",
      env: ["NSUPDATE_SERVER_PORT"],
      description: "Port of the server, if server has none. Default: 53.",
    },
    zone: {
      type: "string",
      env: ["NSUPDATE_ZONE"],
      description: "Zone to update. Default: looked up at the server.",
    },
    tsigKeyName: {
      type: "string",
      env: ["RFC2136_TSIG_KEY", "DNSUPDATE_TSIG_KEY"],
      description: "Name of the TSIG key; with tsigFile, the key to use from it.",
    },
    tsigSecret: {
      type: "string",
      secret: true,
      env: ["RFC2136_TSIG_SECRET", "DNSUPDATE_TSIG_SECRET"],
      description: "Secret of the TSIG key in Base64.",
    },
    tsigAlgorithm: {
      type: "string",
      env: ["RFC2136_TSIG_ALGORITHM", "DNSUPDATE_TSIG_ALGORITHM"],
      description: "Algorithm of the TSIG key, such as hmac-sha512. Default: hmac-sha256.",
    },
    tsigFile: {
      type: "path",
      env: ["RFC2136_TSIG_FILE", "DNSUPDATE_TSIG_FILE", "NSUPDATE_KEY"],
      description: "Key file of tsig-keygen, dnssec-keygen, Knot, NSD or nsupdate.",
    },
    tsigKey: {
      type: "string",
      secret: true,
      description:
        "Whole key: ALGORITHM:NAME:SECRET as for nsupdate -y, or the text of a key file.",
    },
    protocol: {
      type: "string",
      choices: ["tcp", "udp"],
      default: "tcp",
      description: "Transport; udp falls back to tcp if messages are large or lost.",
    },
    signQuery: {
      type: "boolean",
      default: false,
      description: "Sign queries too, for servers that select a view by key.",
    },
    ttl: {
      type: "integer",
      min: 0,
      max: 86_400,
      default: 60,
      env: ["RFC2136_TTL", "DNSUPDATE_TTL"],
      description: "TTL of new records in seconds; existing records keep theirs.",
    },
    timeout: {
      type: "duration",
      default: 10_000,
      description: "Time limit for one response of the server.",
    },
  },
  async create(options, context) {
    const key = await keyFrom(options);
    if (key?.algorithm === "hmac-md5" || key?.algorithm === "hmac-sha1")
      context.log.warn(
        `TSIG key ${key.name} uses the outdated ${key.algorithm}: create a new key with tsig-keygen -a hmac-sha256`,
      );
    return updatingSolver({
      ...options,
      ...endpointOf(options.server, options.port),
      zone: options.zone && plainName(options.zone),
      log: context.log,
      now: Date.now,
      key,
    });
  },
});

/** A solver for one server with one key. Each call has its own connection. */
export function updatingSolver(settings: SolverSettings): Solver<"dns-01", Receipt> {
  const solver = {
    preflight: (targets: readonly Target[], call: Call) =>
      withPrimary(settings, call, (primary) => rehearse(primary, targets, settings)),
    presentAll: (challenges: readonly Dns01Challenge[], call: Call) =>
      withPrimary(settings, call, (primary) => publish(primary, challenges, settings)),
    async cleanupAll(items: readonly CleanupItem<"dns-01", Receipt>[], call: Call) {
      for (const [server, group] of byServer(items, settings))
        await withPrimary({ ...settings, ...endpointOf(server, undefined) }, call, (primary) =>
          remove(primary, group, settings),
        );
    },
  };
  return {
    ...solver,
    async present(challenge, call) {
      const [receipt] = await solver.presentAll([challenge], call);
      if (receipt === undefined) throw new Error("a present without a receipt");
      return receipt;
    },
    cleanup: (challenge, receipt, call) => solver.cleanupAll([{ challenge, receipt }], call),
  };
}

async function withPrimary<T>(
  settings: SolverSettings,
  { signal }: Call,
  work: (primary: Primary) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const primary = openPrimary(settings, signal);
  try {
    return await work(primary);
  } finally {
    primary.close();
  }
}
