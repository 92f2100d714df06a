/** Which zone holds a name: the longest one on a label boundary that the credentials see. */
import { Problem } from "acmectl/plugin";
import { onceEach, suffixesOf } from "acmectl/plugin/http";
import type { Log } from "acmectl/plugin";
import type { Page, ZoneEntry, ZoneQuery } from "./client.ts";

export interface Zone {
  readonly id: string;
  /** Absent when only the id was configured. */
  readonly name?: string;
}

export interface ZoneChoice {
  readonly zoneId: string | undefined;
  readonly accountId: string | undefined;
  readonly log: Log;
}

export type FindZone = (recordName: string, signal: AbortSignal) => Promise<Zone>;
type List = (query: ZoneQuery, signal: AbortSignal) => Promise<Page<ZoneEntry>>;

/** A look-up that asks nothing with a configured id, else once for up to 50 zones, else once for each new suffix. */
export function zoneFinder(list: List, { zoneId, accountId, log }: ZoneChoice): FindZone {
  if (zoneId !== undefined) return () => Promise.resolve({ id: zoneId });
  const remember = onceEach<Page<ZoneEntry>>();
  return async (recordName, signal) => {
    const first = await remember("", () => list({ accountId, page: 1 }, signal));
    // Cloudflare serves no top-level domain.
    for (const name of suffixesOf(recordName).slice(0, -1)) {
      const { items } = first.more
        ? await remember(name, () => zonesNamed(list, name, accountId, signal))
        : first;
      const fitting = items.filter((zone) => zone.name.toLowerCase() === name);
      if (fitting.length > 0) return choose(recordName, fitting, log);
    }
    throw noZone(recordName, first, accountId);
  };
}

async function zonesNamed(
  list: List,
  name: string,
  accountId: string | undefined,
  signal: AbortSignal,
): Promise<Page<ZoneEntry>> {
  const items: ZoneEntry[] = [];
  for (let page = 1; ; page += 1) {
    const answer = await list({ name, accountId, page }, signal);
    items.push(...answer.items);
    if (!answer.more) return { items, more: false };
  }
}

function choose(recordName: string, zones: readonly ZoneEntry[], log: Log): Zone {
  const active = zones.filter(({ status }) => status === "active");
  const [zone, ...others] = active.length > 0 ? active : zones;
  if (zone === undefined || others.length > 0)
    throw new Problem("config", {
      title: "Several zones of one name",
      detail: `Cloudflare has ${zones.length} zones that could hold ${recordName}: ${zones.map(describe).join(", ")}`,
      hint: "Say which account's is meant with accountId (CF_ACCOUNT_ID), or which zone with zoneId (CF_ZONE_ID).",
    });
  if (zone.status !== "active")
    log.warn(
      `zone ${zone.name} (${zone.id}) is ${zone.status}, not active: the world may not ask Cloudflare for it yet`,
    );
  return { id: zone.id, name: zone.name };
}

function noZone(
  recordName: string,
  visible: Page<ZoneEntry>,
  accountId: string | undefined,
): Problem {
  const names = visible.items.slice(0, 20).map(({ name, id }) => `${name} (${id})`);
  const more = visible.items.length > 20 || visible.more ? ", and others" : "";
  const where = accountId === undefined ? "" : ` in account ${accountId}`;
  const sees = names.length === 0 ? "no zone at all" : names.join(", ") + more;
  return new Problem("config", {
    title: "No zone holds the name",
    detail: `No zone of Cloudflare's holds ${recordName}. These credentials see ${sees}${where}.`,
    hint: "A token sees the zones that it has Zone:Read for. Use a token (apiToken, or zoneToken for the look-up) of the account that has the zone, set zoneId (CF_ZONE_ID), or delegate the name to a zone here by a CNAME.",
  });
}

function describe({ name, id, status, account }: ZoneEntry): string {
  return `${name} (${id}, ${status}, account ${account})`;
}
