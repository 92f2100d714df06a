/** What a failure of the server, or an unsuitable name or option, means, and what to do. */
import { Problem } from "acmectl/plugin";
import type { Endpoint } from "./connection.ts";
import { nameOfRcode } from "./message.ts";
import type { TsigKey, Verdict } from "./tsig.ts";

/** An UPDATE, for messages. */
export interface Attempt {
  /** `HOST:PORT` */
  readonly server: string;
  readonly zone: string;
  readonly names: readonly string[];
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
  const { rcode, verdict } = answer;
  if (verdict?.kind === "error") return signatureRefused(answer, verdict, attempt);
  if (verdict?.kind === "forged") return forged(attempt);
  if (rcode !== 0) return refused(nameOfRcode(rcode), verdict, attempt);
  return verdict?.kind === "unsigned" ? unsigned(attempt) : undefined;
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

function signatureRefused(
  { now }: UpdateAnswer,
  verdict: Verdict & { kind: "error" },
  attempt: Attempt,
): Problem {
  const { server, key } = attempt;
  const name = key?.name ?? "";
  switch (verdict.error) {
    case "BADSIG":
      return updateProblem(
        "config",
        `${server} has a TSIG key ${name} with another secret (BADSIG)`,
        attempt,
        `Copy the secret of key ${name} from the configuration of the server.`,
      );
    case "BADKEY":
      return updateProblem(
        "config",
        `${server} has no TSIG key ${name} with algorithm ${key?.algorithm} that is allowed to do this (BADKEY)`,
        attempt,
        "Compare the key's name and algorithm with the server's configuration (tsigKeyName, tsigAlgorithm). Knot answers the same if no acl of the zone lets the key update TXT records at these names (action: update, update-type: [TXT], update-owner-name).",
      );
    case "BADTIME": {
      const off = verdict.serverTime === undefined ? undefined : now - verdict.serverTime;
      const how = off === undefined ? "" : `, ${Math.abs(off)} s ${off > 0 ? "ahead" : "behind"}`;
      return updateProblem(
        "machine",
        `The clocks of this machine and of ${server} differ too much for TSIG (BADTIME${how})`,
        attempt,
        "Set the clock of the machine where it is wrong, for example by NTP.",
      );
    }
    default:
      return updateProblem(
        "solver",
        `${server} does not accept the signature by TSIG key ${name} (${verdict.error})`,
        attempt,
        "Check the log of the server.",
      );
  }
}

function refused(rcode: string, verdict: Verdict | undefined, attempt: Attempt): Problem {
  const { server, zone, names, key } = attempt;
  if (key === undefined && (rcode === "REFUSED" || rcode === "NOTAUTH")) {
    const detail = `${server} requires a TSIG key for updates of zone ${zone}, and none is configured (${rcode})`;
    return updateProblem("config", detail, attempt, "Set tsigFile, or tsigKeyName and tsigSecret.");
  }
  switch (rcode) {
    case "REFUSED":
      return verdict?.kind === "good" ? notAllowed(attempt) : withoutReason(attempt);
    case "NOTAUTH":
      return updateProblem(
        "config",
        `${server} is not the primary server of zone ${zone} (NOTAUTH)`,
        attempt,
        "Set server to the primary of the zone; secondaries do not accept updates.",
      );
    case "NOTZONE":
      return updateProblem(
        "config",
        `${server} answers that ${names.join(", ")} is not in zone ${zone} (NOTZONE)`,
        attempt,
        "Fix the option zone, or remove it so that the zone is looked up.",
      );
    case "NOTIMP":
      return updateProblem(
        "config",
        `${server} does not support dynamic updates (NOTIMP)`,
        attempt,
        "Enable them for the zone (PowerDNS: dnsupdate=yes), or use another solver.",
      );
    default:
      return updateProblem(
        "solver",
        `${server} failed to update zone ${zone} (${rcode})`,
        attempt,
        "Check the log of the server; a frozen zone or a full disk are common causes.",
        true,
      );
  }
}

function notAllowed(attempt: Attempt): Problem {
  const { server, names, key, zone } = attempt;
  const grants = names.slice(0, 3).map((name) => `grant ${key?.name} name ${name}. TXT;`);
  return updateProblem(
    "config",
    `${server} does not allow TSIG key ${key?.name} to change TXT records there (REFUSED)`,
    attempt,
    `BIND: add \`${grants.join(" ")}\` to the update-policy of zone ${zone}. Knot: give the zone an acl with this key, action: update and update-type: [TXT]. Secondaries refuse too, so server must be the primary of the zone.`,
  );
}

function withoutReason(attempt: Attempt): Problem {
  const { server, zone, key } = attempt;
  return updateProblem(
    "config",
    `${server} refuses the update without a reason (REFUSED, not signed)`,
    attempt,
    `On PowerDNS, check that it has a key ${key?.name} with algorithm ${key?.algorithm} and the same secret, that the clocks differ by less than five minutes, and that TSIG-ALLOW-DNSUPDATE and ALLOW-DNSUPDATE-FROM of zone ${zone} allow the key and the address of this machine.`,
  );
}

function forged(attempt: Attempt): Problem {
  const { server, key } = attempt;
  return updateProblem(
    "solver",
    `The response of ${server} does not have a valid signature by TSIG key ${key?.name}`,
    attempt,
    "Check that server is the right machine, and that nothing between the two changes messages.",
  );
}

function unsigned(attempt: Attempt): Problem {
  const { server } = attempt;
  return updateProblem(
    "solver",
    `${server} reports success, but did not sign its response to a signed request`,
    attempt,
    "Check that server is the right machine: a server with the key signs its responses.",
  );
}

function updateProblem(
  kind: "config" | "machine" | "solver",
  what: string,
  { zone, names }: Attempt,
  hint: string,
  retryable = false,
): Problem {
  const all = names.length > 3 ? [...names.slice(0, 3), `${names.length - 3} more`] : names;
  const where = all.length === 0 ? `zone ${zone}` : `zone ${zone}, for ${all.join(", ")}`;
  return new Problem(kind, { detail: `${what}: ${where}.`, hint, retryable });
}

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
    detail: `${name} is a CNAME to ${target} on ${server}, so it cannot have a TXT record.`,
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
