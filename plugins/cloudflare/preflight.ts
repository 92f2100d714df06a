/** What can be found out before anything is written. */
import { Problem } from "acmectl/plugin";
import type { Call, Target } from "acmectl/plugin";
import { failureOf, retries, retrying } from "./failure.ts";
import { explaining, zoneText } from "./party.ts";
import type { Party } from "./party.ts";
import type { Records } from "./records.ts";
import type { SolverSettings } from "./solver.ts";
import type { Zone } from "./zones.ts";

export interface Inspection {
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
  const read = new Set<string>();
  for (const { recordName } of targets) {
    if (recordName === undefined) continue;
    const zone = await zoneOf(recordName, call);
    if (read.has(zone.id)) continue;
    read.add(zone.id);
    const doing = `read the TXT records of ${recordName} in zone ${zoneText(zone)}`;
    await explaining(writer, doing, signal, () =>
      inspection.records.find(zone.id, recordName, "", signal),
    );
  }
}

/** Says what a look at a zone cannot: that a token was disabled, or ends soon. A refusal here proves nothing: a token of an account may only ask there. */
async function checkToken(
  { api, identity, isToken }: Party,
  settings: SolverSettings,
  signal: AbortSignal,
) {
  if (!isToken) return;
  const { log, accountId } = settings;
  const ask = (account: string | undefined) =>
    retrying(() => api.verify(account, signal), retries, log, signal);
  try {
    const asUser = ask(undefined);
    const state = await (accountId === undefined ? asUser : asUser.catch(() => ask(accountId)));
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
