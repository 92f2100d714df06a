/** All output of the program: results on stdout, events and failures on stderr. */
import type { ChalkInstance } from "chalk";
import { type Clock, systemClock } from "../clock.ts";
import type { RunLog } from "../context.ts";
import type { LogFields } from "../plugin.ts";
import { type Problem, problemJson } from "../problem.ts";
import type { Result } from "../result.ts";
import { columnsOf, type Env, painter, type TextStream } from "./colour.ts";
import { type EventSink, jsonEvents, type Level, textEvents } from "./log.ts";
import { openMask } from "../mask.ts";
import { bugJson, renderBug, renderProblem } from "./problem.ts";
import { jsonPieces, safeJson } from "./text.ts";
import { renderView } from "./view.ts";

export interface Output {
  readonly log: RunLog;
  /** Register a secret: from now on `***` is printed in its place, in its usual encodings too. */
  mask(secret: string): void;
  /** The text without the registered secrets. */
  redact(text: string): string;
  /** For a command that runs until it is stopped: its one document, written now on one line. */
  announce(command: string, beginning: Pick<Result, "document" | "view">): void;
  /** The result of a command: its document or its view, and its problem if a part failed. */
  result(command: string, result: Result): void;
  problem(command: string, problem: Problem): void;
  /** A command failed with any other error. */
  bug(command: string, error: unknown): void;
  close(): void;
}

export interface OutputSettings {
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  readonly env: Env;
  /** Without it, nothing is coloured. */
  readonly chalk?: ChalkInstance | undefined;
  /** One JSON document on stdout, also for failures. */
  readonly json: boolean;
  readonly logFormat: "text" | "json";
  /** Print nothing on success; warnings are shown before a failure. */
  readonly quiet: boolean;
  /** Print debug events, causes and stacks too. */
  readonly verbose: boolean;
  /** Columns for tables; those of a terminal when absent. */
  readonly width?: number;
  readonly version?: string;
  readonly clock?: Clock;
}

export function openOutput(settings: OutputSettings): Output {
  const { stdout, stderr, env, json, verbose, version, chalk, clock = systemClock } = settings;
  const mask = openMask();
  const shown = { mask, env, verbose, chalk };
  const isEvents = settings.logFormat === "json";
  const events = isEvents ? jsonEvents(stderr, mask, clock) : textEvents(stderr, shown);
  const held: (() => void)[] = [];
  let announced = false;
  const document = (content: () => Record<string, unknown>) => {
    events.clear();
    if (!json || announced) return;
    for (const piece of jsonPieces(content(), mask.value)) stdout.write(piece);
  };
  /** On stderr, after the warnings that `quiet` delayed. */
  const fail = (message: string, problem: object, lines: () => readonly string[]) => {
    for (const warning of held.splice(0)) warning();
    if (isEvents) events.write("error", message, { problem });
    else events.lines(lines());
  };
  const showProblem = (problem: Problem) => {
    const view = { paint: painter(stderr, env, chalk), mask: mask.text, verbose, now: clock.now() };
    fail(problem.message, problemJson(problem), () => renderProblem(problem, view));
  };
  return {
    log: openLog(settings, events.write, held),
    mask: mask.add,
    redact: mask.text,
    announce(command, beginning) {
      events.clear();
      if (json) stdout.write(`${safeJson(mask.value(resultJson(command, beginning)))}\n`);
      else showView(settings, beginning.view, mask.text);
      announced = true;
    },
    result(command, result) {
      document(() => resultJson(command, result));
      if (!json) showResult(result, settings, events.write, mask.text);
      if (result.problem !== undefined) showProblem(result.problem);
    },
    problem(command, problem) {
      document(() => ({ command, outcome: "failed", problem: problemJson(problem) }));
      showProblem(problem);
    },
    bug(command, error) {
      events.clear();
      const bug = { command, error, verbose, version };
      document(() => ({ command, outcome: "failed", problem: bugJson(bug) }));
      fail("A bug in acmectl", bugJson(bug), () => renderBug(bug, mask.text));
    },
    close: events.clear,
  };
}

/** What is beside the result are timings: an event where events are read by a program. */
function showResult(
  result: Result,
  settings: OutputSettings,
  write: EventSink["write"],
  mask: (text: string) => string,
): void {
  const { view, aside } = result;
  showView(settings, view, mask);
  if (aside === undefined) return;
  // Not before: the document of ten thousand certificates takes a second to make.
  const { timings } = result.document;
  if (settings.logFormat === "json") write("info", "timings", { timings });
  else showView({ ...settings, stdout: settings.stderr }, aside, mask);
}

function openLog(
  { quiet, verbose }: OutputSettings,
  write: EventSink["write"],
  held: (() => void)[],
): RunLog {
  const at =
    (level: Level, isShown: boolean) =>
    (message: string, fields: LogFields = {}) => {
      if (isShown) write(level, message, fields);
    };
  return {
    debug: at("debug", verbose && !quiet),
    info: at("info", !quiet),
    progress: at("progress", !quiet),
    warn(message, fields = {}) {
      if (quiet) held.push(() => write("warn", message, fields));
      else write("warn", message, fields);
    },
  };
}

function resultJson(
  command: string,
  { document, problem }: Pick<Result, "document" | "problem">,
): Record<string, unknown> {
  const { outcome, ...members } = document;
  return { command, outcome, ...members, problem: problem && problemJson(problem) };
}

function showView(
  settings: OutputSettings,
  blocks: Result["view"],
  mask: (text: string) => string,
): void {
  const { stdout, env, quiet, chalk } = settings;
  // A script, a key or a value is the purpose of the command, so `quiet` does not hide it.
  const view = quiet ? blocks.filter((one) => one.kind === "verbatim" || isFault(one)) : blocks;
  const terminal = stdout.isTTY === true ? columnsOf(stdout) : undefined;
  const width = settings.width ?? terminal ?? Number.POSITIVE_INFINITY;
  const text = renderView(view, { paint: painter(stdout, env, chalk), mask, width });
  if (text !== "") stdout.write(text);
}

function isFault(block: Result["view"][number]): boolean {
  return "isFault" in block && block.isFault === true;
}
