/** What can be found out before anything is written. */
import { Problem } from "acmectl/plugin";
import { suffixesOf } from "acmectl/plugin/http";
import type { Call, Target } from "acmectl/plugin";
import { failureOf, retries, retrying, says } from "./failure.ts";
import { explaining, zoneText } from "./party.ts";
import type { Party } from "./party.ts";
import type { Records } from "./records.ts";
import type { SolverSettings } from "./solver.ts";
import type { Zone } from "./zones.ts";

export interface Inspection {
  readonly reader: Party;
  readonly writer: Party;
  readonly settings: SolverSettings;
  readonly zoneOf: (recordName: string, call: Call) => Promise<Zone>;
  readonly records: Records;
}

/** Proves the credentials, every zone, and the right to read each; writing cannot be tried without writing. */
export async function check(
  inspection: Inspection,
  targets: readonly Target[],
  call: Call,
): Promise<void> {
  const { writer, zoneOf, settings } = inspection;
  const { signal } = call;
  await checkToken(writer, settings, signal);
  const known = new Map<string, string | undefined>();
  for (const { recordName } of targets) {
    if (recordName === undefined) continue;
    const zone = await zoneOf(recordName, call);
    const isNew = !known.has(zone.id);
    if (isNew) known.set(zone.id, zone.name ?? (await nameOf(zone, inspection, signal)));
    const name = known.get(zone.id);
    if (name !== undefined && !suffixesOf(recordName).includes(name))
      throw outside(recordName, { id: zone.id, name });
    if (!isNew) continue;
    const doing = `read the TXT records of ${recordName} in zone ${zoneText(zone)}`;
    await explaining(writer, doing, signal, () =>
      inspection.records.find(zone.id, recordName, "", signal),
    );
  }
}

/** Of a configured id; undefined for a token that may write to the zone and not look at it. */
async function nameOf(
  zone: Zone,
  { reader, settings: { log } }: Inspection,
  signal: AbortSignal,
): Promise<string | undefined> {
  return explaining(reader, `look at zone ${zoneText(zone)}`, signal, async () => {
    try {
      const ask = () => reader.api.zoneName(zone.id, signal);
      return await retrying(ask, retries, log, signal);
    } catch (error) {
      const failure = failureOf(error);
      const refused = failure.status === 403 || says(failure, 1009, 9109, 10_000);
      if (!refused || signal.aborted) throw error;
      log.debug(`cannot tell which zone ${zone.id} is: ${failure.message}`);
      return undefined;
    }
  });
}

function outside(recordName: string, zone: Zone): Problem {
  return new Problem("config", {
    title: "The zone does not hold the name",
    detail: `Cloudflare: ${recordName} is not in zone ${zoneText(zone)}, which zoneId names.`,
    hint: "Leave zoneId (CF_ZONE_ID) out and the zone is found by the name, which needs Zone:Read; or set the id of the zone that holds the name, from its overview page.",
  });
}

/** Says what a look at a zone cannot: that a token was disabled, or ends soon. A refusal here proves nothing: a token of an account may only ask there. */
async function checkToken(
  { api, identity, isToken }: Party,
  settings: SolverSettings,
  signal: AbortSignal,
) {
  if (!isToken) return;
  const { log, accountId } = settings;
  try {
    // Asked once: whether Cloudflare can be reached at all is found out by what has to succeed.
    const state = await api.verify(undefined, signal).catch((error: unknown) => {
      if (accountId === undefined || failureOf(error).lost) throw error;
      return api.verify(accountId, signal);
    });
    if (state.status !== "active")
      throw new Problem("config", {
        title: "The API token is not active",
        detail: `Cloudflare: ${identity} (token id ${state.id}) is ${state.status}${state.expires === undefined ? "" : `, expiry ${state.expires}`}`,
        hint: "Enable, renew or replace it at https://dash.cloudflare.com/profile/api-tokens.",
      });
    log.debug(`token id ${state.id} is active`, { expires: state.expires ?? "never" });
  } catch (error) {
    signal.throwIfAborted();
    if (Problem.is(error)) throw error;
    log.debug(`cannot verify the token: ${failureOf(error).message}`);
  }
}
