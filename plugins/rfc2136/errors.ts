/** What a failure of the server, or an unsuitable name or option, means, and what to do. */
import { Problem } from "acmectl/plugin";
import type { RecordType } from "acmectl/plugin";
import type { Endpoint } from "./connection.ts";
import { nameOfRcode } from "./message.ts";
import type { TsigKey, Verdict } from "./tsig.ts";

/** An UPDATE, for messages. */
export interface Attempt {
  /** `HOST:PORT` */
  readonly server: string;
  readonly zone: string;
  readonly names: readonly string[];
  readonly type: RecordType;
  readonly key: TsigKey | undefined;
}

export interface UpdateAnswer {
  readonly rcode: number;
  /** Of the signature of the response; undefined if the request was not signed. */
  readonly verdict: Verdict | undefined;
  /** Seconds since 1970, here. */
  readonly now: number;
}

/** The Problem for a response; undefined if the update was done. */
export function problemOf(answer: UpdateAnswer, attempt: Attempt): Problem | undefined {
  const meaning = meaningOf(answer, attempt);
  if (meaning === undefined) return undefined;
  const { zone, names } = attempt;
  const [kind, what, hint, retryable = false] = meaning;
  const all = names.length > 3 ? [...names.slice(0, 3), `${names.length - 3} more`] : names;
  const where = all.length === 0 ? `zone ${zone}` : `zone ${zone}, for ${all.join(", ")}`;
  return new Problem(kind, { detail: `${what}: ${where}.`, hint, retryable });
}

/** True if only some of the names may be refused. Knot answers BADKEY if its acl does not allow the key. */
export function isAboutNames({ verdict }: UpdateAnswer): boolean {
  return verdict?.kind === "good" || (verdict?.kind === "error" && verdict.error === "BADKEY");
}

/** True if the only error is that the server does not have the zone. */
export function isZoneGone({ rcode, verdict }: UpdateAnswer): boolean {
  return (
    nameOfRcode(rcode) === "NOTAUTH" && verdict?.kind !== "error" && verdict?.kind !== "forged"
  );
}

type Meaning = readonly [
  kind: "config" | "machine" | "solver",
  what: string,
  hint: string,
  retryable?: true,
];

function meaningOf({ rcode, verdict, now }: UpdateAnswer, attempt: Attempt): Meaning | undefined {
  const { server, key } = attempt;
  if (verdict?.kind === "error") return signatureRefused(verdict, now, attempt);
  if (verdict?.kind === "forged")
    return [
      "solver",
      `The response of ${server} does not have a valid signature by TSIG key ${key?.name}`,
      "Check that server is the right machine, and that nothing between the two changes messages.",
    ];
  if (rcode !== 0) return refused(nameOfRcode(rcode), verdict, attempt);
  if (verdict?.kind !== "unsigned") return undefined;
  return [
    "solver",
    `${server} reports success, but did not sign its response to a signed request`,
    "Check that server is the right machine: a server with the key signs its responses.",
  ];
}

function signatureRefused(
  { error, serverTime }: Verdict & { kind: "error" },
  now: number,
  { server, key }: Attempt,
): Meaning {
  const off = serverTime === undefined ? undefined : now - serverTime;
  switch (error) {
    case "BADSIG":
      return [
        "config",
        `${server} has a TSIG key ${key?.name} with another secret (BADSIG)`,
        `Copy the secret of key ${key?.name} from the configuration of the server.`,
      ];
    case "BADKEY":
      return [
        "config",
        `${server} has no TSIG key ${key?.name} with algorithm ${key?.algorithm} that is allowed to do this (BADKEY)`,
        "Compare the key's name and algorithm with the server's configuration (tsigKeyName, tsigAlgorithm). Knot answers the same if no acl of the zone lets the key update TXT records at these names (action: update, update-type: [TXT], update-owner-name).",
      ];
    case "BADTIME":
      return [
        "machine",
        `The clocks of this machine and of ${server} differ too much for TSIG (BADTIME${off === undefined ? "" : `, ${Math.abs(off)} s ${off > 0 ? "ahead" : "behind"}`})`,
        "Set the clock of the machine where it is wrong, for example by NTP.",
      ];
    default:
      return [
        "solver",
        `${server} does not accept the signature by TSIG key ${key?.name} (${error})`,
        "Check the log of the server.",
      ];
  }
}

function refused(rcode: string, verdict: Verdict | undefined, attempt: Attempt): Meaning {
  const { server, zone, names, type, key } = attempt;
  if (key === undefined && (rcode === "REFUSED" || rcode === "NOTAUTH"))
    return [
      "config",
      `${server} requires a TSIG key for updates of zone ${zone}, and none is configured (${rcode})`,
      "Set tsigFile, or tsigKeyName and tsigSecret.",
    ];
  if (rcode === "REFUSED" && verdict?.kind === "good") {
    const grants = names.slice(0, 3).map((name) => `grant ${key?.name} name ${name}. ${type};`);
    return [
      "config",
      `${server} does not allow TSIG key ${key?.name} to change ${type} records there (REFUSED)`,
      `BIND: add \`${grants.join(" ")}\` to the update-policy of zone ${zone}. Knot: give the zone an acl with this key, action: update and update-type: [${type}]. Secondaries refuse too, so server must be the primary of the zone.`,
    ];
  }
  const meaning = refusals[rcode]?.(attempt);
  return (
    meaning ?? [
      "solver",
      `${server} failed to update zone ${zone} (${rcode})`,
      "Check the log of the server; a frozen zone or a full disk are common causes.",
      true,
    ]
  );
}

const refusals: Readonly<Record<string, (attempt: Attempt) => Meaning>> = {
  REFUSED: ({ server, zone, key }) => [
    "config",
    `${server} refuses the update without a reason (REFUSED, not signed)`,
    `On PowerDNS, check that it has a key ${key?.name} with algorithm ${key?.algorithm} and the same secret, that the clocks differ by less than five minutes, and that TSIG-ALLOW-DNSUPDATE and ALLOW-DNSUPDATE-FROM of zone ${zone} allow the key and the address of this machine.`,
  ],
  NOTAUTH: ({ server, zone }) => [
    "config",
    `${server} is not the primary server of zone ${zone} (NOTAUTH)`,
    "Set server to the primary of the zone; secondaries do not accept updates.",
  ],
  NOTZONE: ({ server, zone, names }) => [
    "config",
    `${server} answers that ${names.join(", ")} is not in zone ${zone} (NOTZONE)`,
    "Fix the option zone, or remove it so that the zone is looked up.",
  ],
  NOTIMP: ({ server }) => [
    "config",
    `${server} does not support dynamic updates (NOTIMP)`,
    "Enable them for the zone (PowerDNS: dnsupdate=yes), or use another solver.",
  ],
};

export function invalidServer(server: string): Problem {
  return new Problem("config", {
    detail: `The option server is "${server}", which is not a host name or address.`,
    hint: "Write a host name or an address, with :PORT if it is not 53; IPv6 addresses with a port in brackets.",
  });
}

export function twoPorts(own: number, port: number): Problem {
  return new Problem("config", {
    detail: `The option server has port ${own}, the option port ${port}.`,
    hint: "Remove one of them.",
  });
}

export function unreachable(
  server: string,
  { protocol, host, port }: Endpoint,
  error: Error,
): Problem {
  const transport = protocol.toUpperCase();
  return new Problem("network", {
    detail: `Cannot reach the DNS server ${server} over ${transport}: ${error.message}.`,
    hint: `Check the options server (${host}) and port (${port}), that the server runs, and that firewalls allow ${transport}.`,
    cause: error,
  });
}

export function garbled(server: string, error: Error): Problem {
  return new Problem("network", {
    detail: `${server} does not answer as a DNS server: ${error.message}.`,
    hint: "Check the options server and port.",
    cause: error,
  });
}

export function outsideZone(name: string, zone: string): Problem {
  return new Problem("config", {
    detail: `${name} is not in zone ${zone}, which is set by the option zone.`,
    hint: "Fix the option zone, or remove it so that the zone is looked up. Add one solver per zone.",
  });
}

export function besideCname(server: string, name: string, target: string): Problem {
  return new Problem("config", {
    detail: `${name} is a CNAME to ${target} on ${server}, so it cannot have other records.`,
    hint: `Let acmectl follow the CNAME (the default), so that it writes the record at ${target}; or remove the CNAME.`,
  });
}

export function delegatedZone(
  server: string,
  name: string,
  { child, servers }: { readonly child: string; readonly servers: readonly string[] },
): Problem {
  return new Problem("config", {
    detail: `${name} lies in zone ${child}, which ${server} delegates to ${servers.join(", ")}: an update there would be invisible.`,
    hint: `Add a solver for zone ${child} whose server is the primary of ${child}.`,
  });
}

export function notServed(server: string, name: string, why: string): Problem {
  return new Problem("config", {
    detail: `${server} is not authoritative for any zone that holds ${name} (${why}).`,
    hint: "Set server to the primary of the zone. If it shows the zone only to clients with the key, set signQuery.",
  });
}
