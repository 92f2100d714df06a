/** All output of the program: results on stdout, events and failures on stderr. */
import type { ChalkInstance } from "chalk";
import { type Clock, systemClock } from "../clock.ts";
import type { RunLog } from "../context.ts";
import type { LogFields } from "../plugin.ts";
import { Problem, problemJson } from "../problem.ts";
import { type Block, isStream, type Result, type StreamedResult } from "../result.ts";
import { columnsOf, type Env, painter, type TextStream } from "./colour.ts";
import { type EventSink, jsonEvents, type Level, textEvents } from "./log.ts";
import { openMask, type Mask } from "../mask.ts";
import { type Bug, bugJson, renderBug, renderProblem } from "./problem.ts";
import { jsonPieces, safeJson } from "./text.ts";
import { renderView, viewPieces, type ViewSettings } from "./view.ts";

export interface Output {
  readonly log: RunLog;
  /** Register a secret: from now on `***` is printed in its place, in its usual encodings too. */
  mask(secret: string): void;
  /** The text without the registered secrets. */
  redact(text: string): string;
  /** For a command that runs until it is stopped: its one document, written now on one line. */
  announce(command: string, beginning: Pick<Result, "document" | "view">): void;
  /** The result of a command: its document or its view, and its problem if a part failed. */
  result(command: string, result: StreamedResult): Promise<void>;
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
  const { stdout, stderr, env, json, verbose, version, chalk } = settings;
  const mask = openMask();
  const events =
    settings.logFormat === "json"
      ? jsonEvents(stderr, mask, settings.clock ?? systemClock)
      : textEvents(stderr, { mask, env, verbose, chalk });
  const held: (() => void)[] = [];
  let announced = false;
  /** What a failed command says, unless its document was begun. */
  const document = (command: string, problem: () => object) => {
    events.clear();
    if (json && !announced) stdout.write(failureText(command, mask.value(problem())));
  };
  const { fail, showProblem } = openFailures(settings, mask, events, held);
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
    async result(command, result) {
      events.clear();
      if (!json) await showResult(result, settings, events.write, mask.text);
      else if (!announced) {
        announced = true;
        await writeDocument(command, result, settings, mask);
      }
      if (result.problem !== undefined) showProblem(result.problem);
    },
    problem(command, problem) {
      document(command, () => problemJson(problem));
      showProblem(problem);
    },
    bug(command, error) {
      const bug = { command, error, verbose, version };
      document(command, () => bugJson(bug));
      fail("A bug in acmectl", bugJson(bug), () => renderBug(bug, mask.text));
    },
    close: events.clear,
  };
}

/** What is beside the result are timings: an event where events are read by a program. */
async function showResult(
  result: StreamedResult,
  settings: OutputSettings,
  write: EventSink["write"],
  mask: (text: string) => string,
): Promise<void> {
  const { view, aside } = result;
  const pieces = viewPieces(
    view,
    (block) => isShown(block, settings),
    viewSettings(settings, mask),
  );
  for await (const text of pieces) if (text !== "") settings.stdout.write(text);
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
  { document, problem }: Pick<StreamedResult, "document" | "problem">,
): Record<string, unknown> {
  const { outcome, ...members } = document;
  return { command, outcome, ...members, problem: problem && problemJson(problem) };
}

/** On stderr, after the warnings that `quiet` delayed. */
function openFailures(
  { stderr, env, verbose, chalk, logFormat, clock = systemClock }: OutputSettings,
  mask: Mask,
  events: EventSink,
  delayed: (() => void)[],
) {
  const fail = (message: string, problem: object, lines: () => readonly string[]) => {
    for (const warning of delayed.splice(0)) warning();
    if (logFormat === "json") events.write("error", message, { problem });
    else events.lines(lines());
  };
  const showProblem = (problem: Problem) => {
    const view = { paint: painter(stderr, env, chalk), mask: mask.text, verbose, now: clock.now() };
    fail(problem.message, problemJson(problem), () => renderProblem(problem, view));
  };
  return { fail, showProblem };
}

function failureText(command: string, problem: unknown): string {
  return `${safeJson({ command, outcome: "failed", problem }, 2)}\n`;
}

async function writeDocument(
  command: string,
  result: StreamedResult,
  settings: OutputSettings,
  mask: Mask,
): Promise<void> {
  const { verbose, version } = settings;
  const whole = openDocument(command, result, { verbose, version });
  for await (const piece of jsonPieces(whole.members, mask.value)) settings.stdout.write(piece);
  whole.rethrow();
}

/** A list that fails while it is written ends there, and the document says why. */
function openDocument(
  command: string,
  result: StreamedResult,
  { verbose, version }: Pick<Bug, "verbose" | "version">,
) {
  let failure: { readonly error: unknown } | undefined;
  async function* untilFailure(list: AsyncIterable<unknown>) {
    try {
      yield* list;
    } catch (error) {
      failure = { error };
    }
  }
  const { problem, ...members } = resultJson(command, result);
  const entries = Object.entries(members).map(
    ([key, value]) => [key, isStream(value) ? untilFailure(value) : value] as const,
  );
  return {
    members: {
      ...Object.fromEntries(entries),
      get problem() {
        if (failure === undefined) return problem;
        const { error } = failure;
        return Problem.is(error)
          ? problemJson(error)
          : bugJson({ command, error, verbose, version });
      },
    },
    rethrow() {
      if (failure !== undefined) throw failure.error;
    },
  };
}

function showView(
  settings: OutputSettings,
  blocks: readonly Block[],
  mask: (text: string) => string,
): void {
  const view = blocks.filter((block) => isShown(block, settings));
  const text = renderView(view, viewSettings(settings, mask));
  if (text !== "") settings.stdout.write(text);
}

function viewSettings(
  { stdout, env, chalk, width }: OutputSettings,
  mask: (text: string) => string,
): ViewSettings {
  const terminal = stdout.isTTY === true ? columnsOf(stdout) : undefined;
  const columns = width ?? terminal ?? Number.POSITIVE_INFINITY;
  return { paint: painter(stdout, env, chalk), mask, width: columns };
}

/** A script, a key or a value is the purpose of the command, so `quiet` does not hide it. */
function isShown(block: Block, { quiet }: Pick<OutputSettings, "quiet">): boolean {
  const isFault = "isFault" in block && block.isFault === true;
  return !quiet || block.kind === "verbatim" || isFault;
}
