/** RFC 2136: dynamic updates, signed with TSIG, to the primary server of the zone. */
import { defineSolver } from "acmectl/plugin";
import { endpointOf } from "./endpoint.ts";
import { keyFrom } from "./key.ts";
import { updatingSolver } from "./solver.ts";

export default defineSolver({
  summary: "dns-01 by dynamic updates (RFC 2136) to BIND, Knot, PowerDNS and others",
  challengeTypes: ["dns-01"],
  concurrency: 4,
  options: {
    server: {
      type: "string",
      required: true,
      env: ["RFC2136_NAMESERVER", "DNSUPDATE_NAMESERVER", "NSUPDATE_SERVER"],
      placeholder: "HOST[:PORT]",
      description:
        "The zone's primary server: a host name or an address, with a port if it is not 53.",
    },
    port: {
      type: "port",
      env: ["NSUPDATE_SERVER_PORT"],
      description:
        "The server's port, where it does not stand in server; 53 when neither is given.",
    },
    zone: {
      type: "string",
      env: ["NSUPDATE_ZONE"],
      description: "The zone to update; looked up at the server when absent.",
    },
    tsigKeyName: {
      type: "string",
      env: ["RFC2136_TSIG_KEY", "DNSUPDATE_TSIG_KEY"],
      description: "The name of the TSIG key; with tsigFile, which of its keys to take.",
    },
    tsigSecret: {
      type: "string",
      secret: true,
      env: ["RFC2136_TSIG_SECRET", "DNSUPDATE_TSIG_SECRET"],
      description: "The secret of the TSIG key in Base64.",
    },
    tsigAlgorithm: {
      type: "string",
      env: ["RFC2136_TSIG_ALGORITHM", "DNSUPDATE_TSIG_ALGORITHM"],
      description:
        "The algorithm of the TSIG key: hmac-sha256 unless given; also hmac-sha224, hmac-sha384, hmac-sha512, and the outdated hmac-sha1 and hmac-md5.",
    },
    tsigFile: {
      type: "path",
      env: ["RFC2136_TSIG_FILE", "DNSUPDATE_TSIG_FILE", "NSUPDATE_KEY"],
      description: "A key file as tsig-keygen writes it, instead of name, algorithm and secret.",
    },
    tsigKey: {
      type: "string",
      secret: true,
      description:
        "The whole key at once: ALGORITHM:NAME:SECRET as for nsupdate -y, or the text of a key file.",
    },
    protocol: {
      type: "string",
      choices: ["tcp", "udp"],
      default: "tcp",
      description: "How to talk to the server; udp goes on by tcp when messages are large or lost.",
    },
    signQuery: {
      type: "boolean",
      default: false,
      description: "Sign queries too, for servers that choose a view by the key.",
    },
    ttl: {
      type: "integer",
      min: 0,
      max: 86_400,
      default: 60,
      env: ["RFC2136_TTL", "DNSUPDATE_TTL"],
      description: "Seconds to live of new TXT records; a name that has some already keeps theirs.",
    },
    timeout: {
      type: "duration",
      default: 10_000,
      description: "How long to wait for one answer of the server.",
    },
  },
  async create(options, context) {
    const key = await keyFrom(options);
    if (key?.algorithm === "hmac-md5" || key?.algorithm === "hmac-sha1") {
      context.log.warn(
        `TSIG key ${key.name} uses ${key.algorithm}, which is outdated: make a new one with tsig-keygen -a hmac-sha256`,
      );
    }
    return updatingSolver({
      ...endpointOf(options.server, options.port),
      protocol: options.protocol,
      timeout: options.timeout,
      signQuery: options.signQuery,
      ttl: options.ttl,
      zone: options.zone?.toLowerCase().replace(/\.$/, ""),
      log: context.log,
      now: Date.now,
      key,
    });
  },
});
