/** What a server's refusal means, and what to do about it. */
import { Problem } from "acmectl/plugin";
import { nameOfRcode } from "./message.ts";
import type { TsigKey, Verdict } from "./tsig.ts";

/** An UPDATE, as the reader of its failure has to know it. */
export interface Attempt {
  /** `HOST:PORT` */
  readonly server: string;
  readonly zone: string;
  readonly names: readonly string[];
  readonly key: TsigKey | undefined;
}

export interface UpdateAnswer {
  readonly rcode: number;
  /** Of the answer's signature; undefined when the request had none. */
  readonly verdict: Verdict | undefined;
  /** Seconds since 1970, here. */
  readonly now: number;
}

/** The Problem that an answer amounts to; undefined when the update was done. */
export function problemOf(answer: UpdateAnswer, attempt: Attempt): Problem | undefined {
  const { rcode, verdict } = answer;
  if (verdict?.kind === "error") return signatureRefused(answer, verdict, attempt);
  if (verdict?.kind === "forged") return forged(attempt);
  if (rcode !== 0) return refused(nameOfRcode(rcode), verdict, attempt);
  return verdict?.kind === "unsigned" ? unsigned(attempt) : undefined;
}

/** True when the refusal may be for some of the names only: Knot says BADKEY where its acl does not let the key. */
export function isAboutNames({ verdict }: UpdateAnswer): boolean {
  return verdict?.kind === "good" || (verdict?.kind === "error" && verdict.error === "BADKEY");
}

/** True when the server says that it does not have the zone at all, and that is all it complains of. */
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
      return problem(
        "config",
        `${server} has a TSIG key ${name}, but with another secret (BADSIG)`,
        attempt,
        `Copy the secret of key ${name} from the server's configuration again.`,
      );
    case "BADKEY":
      return problem(
        "config",
        `${server} has no TSIG key ${name} with algorithm ${key?.algorithm} that may do this (BADKEY)`,
        attempt,
        "Compare the key's name and algorithm with the server's configuration (tsigKeyName, tsigAlgorithm). Knot says the same when no acl of the zone lets the key update TXT records at these names (action: update, update-type: [TXT], update-owner-name).",
      );
    case "BADTIME": {
      const off = verdict.serverTime === undefined ? undefined : now - verdict.serverTime;
      const how = off === undefined ? "" : `, ${Math.abs(off)} s ${off > 0 ? "ahead" : "behind"}`;
      return problem(
        "machine",
        `The clocks of this machine and of ${server} differ too much for TSIG (BADTIME${how})`,
        attempt,
        "Set the clock, best by NTP, on the machine where it is wrong.",
      );
    }
    default:
      return problem(
        "solver",
        `${server} does not accept the signature by TSIG key ${name} (${verdict.error})`,
        attempt,
        "The server's log says more.",
      );
  }
}

function refused(rcode: string, verdict: Verdict | undefined, attempt: Attempt): Problem {
  const { server, zone, names, key } = attempt;
  if (key === undefined && (rcode === "REFUSED" || rcode === "NOTAUTH")) {
    const detail = `${server} wants a TSIG key for updates of zone ${zone}, and none is configured (${rcode})`;
    return problem("config", detail, attempt, "Set tsigFile, or tsigKeyName and tsigSecret.");
  }
  switch (rcode) {
    case "REFUSED":
      return verdict?.kind === "good" ? notAllowed(attempt) : withoutReason(attempt);
    case "NOTAUTH":
      return problem(
        "config",
        `${server} is not the primary server of zone ${zone} (NOTAUTH)`,
        attempt,
        "Set server to the zone's primary; secondaries take no updates.",
      );
    case "NOTZONE":
      return problem(
        "config",
        `${names.join(", ")} is not in zone ${zone}, says ${server} (NOTZONE)`,
        attempt,
        "Mend the option zone, or leave it out so that the zone is looked up.",
      );
    case "NOTIMP":
      return problem(
        "config",
        `${server} does no dynamic updates (NOTIMP)`,
        attempt,
        "Switch them on for the zone (PowerDNS: dnsupdate=yes), or use another solver.",
      );
    default:
      return problem(
        "solver",
        `${server} failed to update zone ${zone} (${rcode})`,
        attempt,
        "The server's log says why; a frozen zone or a full disk are common.",
        true,
      );
  }
}

function notAllowed(attempt: Attempt): Problem {
  const { server, names, key, zone } = attempt;
  const grants = names.slice(0, 3).map((name) => `grant ${key?.name} name ${name}. TXT;`);
  return problem(
    "config",
    `${server} knows TSIG key ${key?.name}, but does not allow it to change TXT records there (REFUSED)`,
    attempt,
    `BIND: add \`${grants.join(" ")}\` to the update-policy of zone ${zone}. Knot: give the zone an acl with this key, action: update and update-type: [TXT]. Secondaries refuse as well: server must be the zone's primary.`,
  );
}

function withoutReason(attempt: Attempt): Problem {
  const { server, zone, key } = attempt;
  return problem(
    "config",
    `${server} refuses the update without saying why (REFUSED, not signed)`,
    attempt,
    `PowerDNS answers so when it has no key ${key?.name} with algorithm ${key?.algorithm}, when the secret differs, when the clocks are more than five minutes apart, or when the key or this machine's address is not allowed (TSIG-ALLOW-DNSUPDATE and ALLOW-DNSUPDATE-FROM of zone ${zone}).`,
  );
}

function forged(attempt: Attempt): Problem {
  const { server, key } = attempt;
  return problem(
    "solver",
    `The answer of ${server} is not signed with TSIG key ${key?.name} as it should be`,
    attempt,
    "Something between this machine and the server may change messages, or server is another machine than meant.",
  );
}

function unsigned(attempt: Attempt): Problem {
  const { server } = attempt;
  return problem(
    "solver",
    `${server} claims success, but did not sign its answer to a signed request`,
    attempt,
    "That is not how a server that knows the key answers: check server and the way to it.",
  );
}

function problem(
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
