/** A program answers, called as lego, certbot, dehydrated, uacme or acme.sh would call it. */
import { constants } from "node:fs";
import { defineSolver, Problem } from "acmectl/plugin";
import type { Call, Log, Solver, Target, Zone } from "acmectl/plugin";
import { createLimit, inTurns, isRecord } from "acmectl/plugin/http";
import { reasonFor, run, runnable } from "./client.ts";
import { environmentOf, masking, type EnvironmentSettings } from "./environment.ts";
import { badDirectory, ended, unusable } from "./errors.ts";
import {
  derivesName,
  invocationOf,
  placeOf,
  styles,
  type Action,
  type Answerable,
  type StyleSettings,
} from "./styles.ts";

export default defineSolver({
  summary:
    "runs your script, for dns-01 unless you ask for another type; hooks of other clients work",
  challengeTypes: ["dns-01", "http-01", "tls-alpn-01"],
  // A script that writes records must not be called for an address or a file.
  defaultTypes: ["dns-01"],
  concurrency: 8,
  options: {
    command: {
      type: "list",
      verbatim: true,
      required: true,
      env: ["EXEC_PATH"],
      placeholder: "WORD",
      description:
        "Program and its first arguments, one word each; for style acme.sh, the dnsapi script.",
    },
    cleanupCommand: {
      type: "list",
      verbatim: true,
      placeholder: "WORD",
      description: "Separate program for cleanup, like certbot's --manual-cleanup-hook.",
    },
    style: {
      type: "string",
      choices: styles,
      default: "lego",
      description: "Calling convention that the program expects.",
    },
    mode: {
      type: "string",
      choices: ["RAW"],
      env: ["EXEC_MODE"],
      hidden: true,
      description: "Lego's name for the style lego-raw.",
    },
    shell: {
      type: "boolean",
      default: false,
      description: "Run the command by sh, so that pipes, quotes and variables work.",
    },
    acmeSh: {
      type: "path",
      placeholder: "FILE",
      description: "Path of acme.sh, whose functions the dnsapi script needs (style acme.sh).",
    },
    env: {
      type: "map",
      placeholder: "NAME=VALUE",
      description: "Environment variables for the program.",
    },
    secrets: {
      type: "map",
      secret: true,
      description:
        "Environment variables whose values are masked in everything the program prints.",
    },
    passEnv: {
      type: "list",
      placeholder: "NAME",
      description: "Variables named ACMECTL_… to pass to the program; by default they are removed.",
    },
    directory: {
      type: "path",
      placeholder: "DIR",
      description: "Working directory of the program. Default: the current one.",
    },
    timeout: {
      type: "duration",
      default: 120_000,
      min: 100,
      description: "Time limit for one call; then the program and its children are killed.",
    },
    parallel: {
      type: "integer",
      default: 1,
      min: 1,
      max: 8,
      description: "Number of records to work on at once; calls for one record never overlap.",
    },
  },
  create(options, context) {
    return scriptSolver({
      ...options,
      style: options.mode === "RAW" ? "lego-raw" : options.style,
      env: options.env ?? {},
      secrets: options.secrets ?? {},
      passEnv: options.passEnv ?? [],
      cleanupCommand: options.cleanupCommand ?? options.command,
      inherited: process.env,
      log: context.log,
      findZone: (name) => context.findZone(name),
    });
  },
});

/** What certbot passes to the cleanup hook. */
interface Receipt {
  readonly output: string;
  /** Challenges that were still to present. */
  readonly remaining?: number;
}

interface SolverSettings extends StyleSettings, EnvironmentSettings {
  readonly directory: string | undefined;
  /** Milliseconds for one call. */
  readonly timeout: number;
  readonly parallel: number;
  readonly log: Log;
  readonly findZone: (recordName: string) => Promise<Zone>;
}

/** Lines of one call. A program that prints without an end must not fill the disk with the log. */
const mostLogged = 1_000;

function linesTo(log: Log, program: string): (line: string) => void {
  let logged = 0;
  return (line) => {
    if ((logged += 1) < mostLogged) log.info(`${program}: ${line}`);
    if (logged === mostLogged) log.info(`${program} prints more, which is not logged`);
  };
}

function scriptSolver(settings: SolverSettings): Solver<Answerable["type"], Receipt> {
  const inTurn = inTurns();
  const limited = createLimit(settings.parallel);
  const inLane = <T>(name: string, signal: AbortSignal, work: () => Promise<T>) =>
    inTurn(name, () => limited(work, signal));
  const mask = masking(settings);
  let names: readonly string[] = [];
  let remaining = 0;
  const runFor = async (
    action: Action,
    challenge: Answerable,
    receipt: Receipt | undefined,
    { signal }: Call,
  ) => {
    const zone = await zoneOf(challenge, settings);
    const task = { action, challenge, zone };
    const { argv } = invocationOf(settings, task);
    if (action === "present") remaining = Math.max(0, remaining - 1);
    const left = receipt?.remaining ?? remaining;
    const round = { names, remaining: left, output: receipt?.output ?? "" };
    const env = environmentOf(settings, task, round);
    const { directory, timeout, log } = settings;
    const program = nameOf(settings, action);
    const onLine = linesTo(log, program);
    const onWait = (seconds: number) =>
      log.info(`${program} (${action}) has been running for ${seconds} s of ${timeout / 1000} s`);
    const ran = await run({ argv, env, directory, timeout, signal, mask, onLine, onWait });
    const problem = ended(ran, { program, action, challenge, timeout });
    if (problem !== undefined) throw problem;
    return { output: ran.output, remaining: left };
  };
  return {
    async preflight(targets, { signal }) {
      signal.throwIfAborted();
      names = targets.map(({ identifier }) => identifier.value);
      remaining = targets.length;
      warnOfCnames(targets, settings);
      for (const target of targets.slice(0, 1)) await check(target, settings);
    },
    present: (challenge, given) =>
      inLane(placeOf(challenge), given.signal, () =>
        runFor("present", challenge, undefined, given),
      ),
    async cleanup(challenge, receipt, given) {
      await inLane(placeOf(challenge), given.signal, () =>
        runFor("cleanup", challenge, isReceipt(receipt) ? receipt : undefined, given),
      );
    },
  };
}

/** Checks that the programs can be run and that the settings fit together. Runs nothing. */
async function check(target: Target, settings: SolverSettings): Promise<void> {
  const challenge = exampleOf(target);
  const { directory } = settings;
  if (directory !== undefined) {
    const reason = await reasonFor(directory, constants.X_OK, true);
    if (reason !== undefined) throw badDirectory(directory, reason);
  }
  const { inherited, env, secrets } = settings;
  const path = secrets["PATH"] ?? env["PATH"] ?? inherited["PATH"];
  for (const action of ["present", "cleanup"] as const) {
    const { argv, files } = invocationOf(settings, { action, challenge, zone: "zone" });
    const reason = await runnable(argv[0], directory, path);
    if (reason !== undefined) throw unusable(argv[0], reason, directory);
    for (const file of files) {
      const unread = await reasonFor(file);
      if (unread !== undefined) throw unusable(file, unread, directory);
    }
  }
}

/** What the program will be called for, with values that mean nothing. */
function exampleOf(target: Target): Answerable {
  const { identifier, wildcard, challengeType: type = "dns-01" } = target;
  const { validationName = "", recordName = "" } = target;
  const shared = { identifier, wildcard, token: "token", keyAuthorization: "token.thumbprint" };
  if (type === "http-01") return { ...shared, type, path: "/token", body: "value" };
  if (type === "tls-alpn-01")
    return { ...shared, type, serverName: identifier.value, digest: "digest" };
  return { ...shared, type: "dns-01", validationName, recordName, recordValue: "value" };
}

function warnOfCnames(targets: readonly Target[], { style, log }: SolverSettings): void {
  if (!derivesName(style)) return;
  for (const { identifier, validationName, recordName } of targets) {
    if (validationName === recordName) continue;
    log.warn(
      `${validationName} is a CNAME to ${recordName}: a program of style ${style} gets only the domain as argument, and must read the record name from ACMECTL_FQDN`,
      { step: "preflight", identifier: identifier.value },
    );
  }
}

/** For ACMECTL_ZONE, which most programs do not use. */
async function zoneOf(
  challenge: Answerable,
  { findZone, log }: SolverSettings,
): Promise<string | undefined> {
  if (challenge.type !== "dns-01") return undefined;
  try {
    return (await findZone(challenge.recordName)).name;
  } catch (error) {
    if (!Problem.is(error)) throw error;
    log.debug(
      `no zone found for ${challenge.recordName}, so ACMECTL_ZONE is empty: ${error.message}`,
    );
    return undefined;
  }
}

function nameOf({ command, cleanupCommand }: StyleSettings, action: Action): string {
  return (action === "present" ? command : cleanupCommand)[0] ?? "";
}

function isReceipt(value: unknown): value is Receipt {
  return isRecord(value) && typeof value["output"] === "string";
}
