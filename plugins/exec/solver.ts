/** Calls the program for each challenge, in turn. */
import { Problem } from "acmectl/plugin";
import type { Call, Dns01Challenge, Log, Solver, Target, Zone } from "acmectl/plugin";
import { environmentOf, masking, type EnvironmentSettings } from "./environment.ts";
import { ended, unusable } from "./failure.ts";
import { lanes } from "./lanes.ts";
import { run } from "./run.ts";
import { readable, type Surroundings } from "./runnable.ts";
import { guessesName, invocationOf, type Action, type StyleSettings } from "./styles.ts";

/** What certbot hands to the clean-up hook. */
export interface Receipt {
  readonly output: string;
}

export interface SolverSettings extends StyleSettings, EnvironmentSettings {
  readonly directory: string;
  /** Milliseconds for one call. */
  readonly timeout: number;
  readonly parallel: number;
  readonly runnable: (program: string, where: Surroundings) => Promise<string | undefined>;
  readonly log: Log;
  readonly findZone: (recordName: string) => Promise<Zone>;
}

/** A solver by a program. */
export function scriptSolver(settings: SolverSettings): Solver<"dns-01", Receipt> {
  const inLane = lanes(settings.parallel);
  const mask = masking(settings);
  let names: readonly string[] = [];
  let remaining = 0;
  const call = async (
    action: Action,
    challenge: Dns01Challenge,
    receipt: Receipt | undefined,
    { signal }: Call,
  ) => {
    const zone = await zoneOf(challenge.recordName, settings);
    const said = { action, challenge, zone };
    const { argv } = invocationOf(settings, said);
    if (action === "present") remaining = Math.max(0, remaining - 1);
    const round = { names, remaining, output: receipt?.output ?? "" };
    const env = environmentOf(settings, said, round);
    const { directory, timeout, log } = settings;
    const onLine = (line: string) => log.info(`${nameOf(settings, action)}: ${line}`);
    const ran = await run({ argv, env, directory, timeout, signal, mask, onLine });
    const problem = ended(ran, {
      program: nameOf(settings, action),
      action,
      challenge,
      timeout,
    });
    if (problem !== undefined) throw problem;
    return { output: ran.output };
  };
  return {
    async preflight(targets, { signal }) {
      signal.throwIfAborted();
      names = targets.map(({ identifier }) => identifier.value);
      remaining = targets.length;
      warnOfGuesses(targets, settings);
      for (const target of targets.slice(0, 1)) await check(target, settings);
    },
    present: (challenge, given) =>
      inLane(challenge.recordName, given.signal, () =>
        call("present", challenge, undefined, given),
      ),
    async cleanup(challenge, receipt, given) {
      await inLane(challenge.recordName, given.signal, () =>
        call("cleanup", challenge, isReceipt(receipt) ? receipt : undefined, given),
      );
    },
  };
}

/** That the programs are there and can be run, and that the settings fit together; nothing is run. */
async function check(target: Target, settings: SolverSettings): Promise<void> {
  const { identifier, wildcard, validationName = "", recordName = "" } = target;
  const nothing = { token: "token", keyAuthorization: "token.thumbprint", recordValue: "value" };
  const challenge = {
    type: "dns-01",
    identifier,
    wildcard,
    validationName,
    recordName,
    ...nothing,
  };
  const where = { directory: settings.directory, path: pathOf(settings) };
  for (const action of ["present", "cleanup"] as const) {
    const said = { action, challenge: { ...challenge, type: "dns-01" as const }, zone: "zone" };
    const { argv, files } = invocationOf(settings, said);
    const reason = await settings.runnable(argv[0], where);
    if (reason !== undefined) throw unusable(argv[0], reason, settings.directory);
    for (const file of files) {
      const unread = await readable(file);
      if (unread !== undefined) throw unusable(file, unread, settings.directory);
    }
  }
}

function pathOf({ inherited, env, secrets }: SolverSettings): string | undefined {
  return secrets["PATH"] ?? env["PATH"] ?? inherited["PATH"];
}

function warnOfGuesses(targets: readonly Target[], { style, log }: SolverSettings): void {
  if (!guessesName(style)) return;
  for (const { identifier, validationName, recordName } of targets) {
    if (validationName === recordName) continue;
    log.warn(
      `${validationName} is a CNAME to ${recordName}: a program of style ${style} is told the domain and has to take the record's name from ACMECTL_FQDN`,
      { step: "preflight", identifier: identifier.value },
    );
  }
}

/** For the program's use; most need none. */
async function zoneOf(
  recordName: string,
  { findZone, log }: SolverSettings,
): Promise<string | undefined> {
  try {
    return (await findZone(recordName)).name;
  } catch (error) {
    if (!Problem.is(error)) throw error;
    log.debug(`no zone for ${recordName}, so ACMECTL_ZONE is empty: ${error.message}`);
    return undefined;
  }
}

function nameOf({ command, cleanupCommand }: StyleSettings, action: Action): string {
  return (action === "present" ? command : cleanupCommand)[0] ?? "";
}

function isReceipt(value: unknown): value is Receipt {
  return (
    typeof value === "object" &&
    value !== null &&
    "output" in value &&
    typeof value.output === "string"
  );
}
