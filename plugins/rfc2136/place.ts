/** Where a record goes: checked before anything is written, for a server says NOERROR to much that nobody will see. */
import { Problem } from "acmectl/plugin";
import type { Log } from "acmectl/plugin";
import { isWithin } from "./primary.ts";
import type { Primary, Sight } from "./primary.ts";

export interface Place {
  readonly name: string;
  readonly zone: string;
  /** Of TXT records that are there already: all of a name share one, and theirs stays. */
  readonly ttl: number | undefined;
  /** False where the server answers no queries of ours, so that reading back is no use. */
  readonly readable: boolean;
}

/** Find the zone and look at the name; a Problem where a TXT record would be invisible. */
export async function placeOf(
  primary: Primary,
  name: string,
  { zone: fixed, log }: { readonly zone: string | undefined; readonly log: Log },
): Promise<Place> {
  if (fixed !== undefined && !isWithin(name, fixed)) throw outside(name, fixed);
  const sight = await primary.look(name);
  if (sight.kind === "cname") throw besideCname(primary, name, sight.target);
  if (sight.kind === "delegated") throw delegated(primary, name, sight);
  if (sight.kind === "here") {
    const zone = fixed ?? sight.zone ?? (await primary.findZone(name));
    if (zone === undefined) throw notServed(primary, name, "no SOA record");
    return { name, zone, ttl: sight.ttl, readable: true };
  }
  if (fixed === undefined || sight.rcode !== "REFUSED") throw notServed(primary, name, sight.rcode);
  log.warn(`${primary.name} answers no queries for ${name}: the record cannot be read back`);
  return { name, zone: fixed, ttl: undefined, readable: false };
}

function outside(name: string, zone: string): Problem {
  return new Problem("config", {
    detail: `${name} is not in zone ${zone}, which the option zone names.`,
    hint: "Mend the option zone, or leave it out so that the zone is looked up; a second zone wants a second solver.",
  });
}

function besideCname({ name: server }: Primary, name: string, target: string): Problem {
  return new Problem("config", {
    detail: `${name} is a CNAME to ${target} on ${server}: no TXT record can stand beside it.`,
    hint: `Let acmectl follow the CNAME, as it does by default, so that the record is written at ${target}; or remove the CNAME.`,
  });
}

function delegated(
  { name: server }: Primary,
  name: string,
  { child, servers }: Sight & { kind: "delegated" },
): Problem {
  return new Problem("config", {
    detail: `${name} lies in zone ${child}, which ${server} delegates to ${servers.join(", ")}: an update there would be invisible.`,
    hint: `Give zone ${child} a solver of its own whose server is the primary of ${child}.`,
  });
}

function notServed({ name: server }: Primary, name: string, why: string): Problem {
  return new Problem("config", {
    detail: `${server} is not authoritative for any zone that holds ${name} (${why}).`,
    hint: "Set server to the primary of the zone; where it shows the zone only to those who know the key, set signQuery.",
  });
}
