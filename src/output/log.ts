/** Progress on stderr: one line that updates on a terminal, elsewhere plain lines or one JSON event a line. */
import type { ChalkInstance } from "chalk";
import type { Clock } from "../clock.ts";
import { isRecord } from "../json.ts";
import type { LogFields } from "../plugin.ts";
import { columnsOf, type Env, hasCursor, painter, type TextStream } from "./colour.ts";
import type { Mask } from "../mask.ts";
import { charactersOf, columnsFor, oneLine, safeJson } from "./text.ts";

/** `progress` is `info` that a terminal shows on the one line that changes. */
export type Level = "debug" | "info" | "progress" | "warn" | "error";

export interface EventSink {
  readonly write: (level: Level, message: string, fields: LogFields) => void;
  /** Whole lines that stay. */
  readonly lines: (lines: readonly string[]) => void;
  /** Remove the progress line before anything else is written to the terminal. */
  readonly clear: () => void;
}

/** `{time, level, message, …fields}`, one line each; schema/event.schema.json describes it. */
export function jsonEvents(stream: TextStream, mask: Mask, clock: Clock): EventSink {
  const write = (level: Level, message: string, fields: LogFields) => {
    const masked = mask.value(fields);
    const own = {
      time: clock.now().toISOString(),
      level: level === "progress" ? "info" : level,
      message: mask.text(message),
    };
    // Twice, so that they come first and no field replaces them.
    stream.write(`${safeJson({ ...own, ...(isRecord(masked) ? masked : {}), ...own })}\n`);
  };
  return {
    write,
    lines: (lines) => {
      for (const line of lines) write("info", line, {});
    },
    clear: () => {},
  };
}

/** For people. With `verbose` every event stays, together with its fields. */
export function textEvents(
  stream: TextStream,
  settings: {
    readonly mask: Mask;
    readonly env: Env;
    readonly verbose: boolean;
    readonly chalk?: ChalkInstance | undefined;
  },
): EventSink {
  const { mask, verbose } = settings;
  const paint = painter(stream, settings.env, settings.chalk);
  const updates = hasCursor(stream, settings.env) && !verbose;
  let progress = "";
  const clear = () => {
    if (progress !== "") stream.write("\r\u001B[2K");
    progress = "";
  };
  const keep = (line: string) => {
    const interrupted = progress;
    clear();
    stream.write(`${line}\n`);
    if (interrupted !== "") show(interrupted);
  };
  const show = (line: string) => {
    clear();
    progress = cut(line, columnsOf(stream) ?? 80);
    stream.write(progress);
  };
  return {
    write(level, message, fields) {
      const line = oneLine(mask.text(message)) + (verbose ? fieldsText(fields, mask) : "");
      if (level === "warn") keep(paint(`Warning: ${line}`, "warn"));
      else if (level === "debug") keep(paint(line, "dim"));
      else if (updates && level === "progress") show(line);
      else keep(line);
    },
    lines(lines) {
      for (const line of lines) keep(line);
    },
    clear,
  };
}

function fieldsText(fields: LogFields, mask: Mask): string {
  const texts = Object.entries(fields).map(([key, value]) => {
    const safe = mask.value(value);
    return ` ${key}=${typeof safe === "string" ? safe : JSON.stringify(safe)}`;
  });
  return oneLine(texts.join(""), 1000).replace(/^(?=.)/u, " ");
}

/** One column less than the terminal has, so that the line does not wrap. */
function cut(line: string, columns: number): string {
  let width = 0;
  let kept = "";
  for (const character of charactersOf(line)) {
    width += columnsFor(character);
    if (width > columns - 2) return `${kept}…`;
    kept += character;
  }
  return kept;
}
