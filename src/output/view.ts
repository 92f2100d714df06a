import type { Block } from "../result.ts";
import type { Paint } from "./colour.ts";
import { columnsFor, manyLines, oneLine } from "./text.ts";

export interface ViewSettings {
  readonly paint: Paint;
  readonly mask: (text: string) => string;
  /** Columns of the terminal; a wider table is written row by row. Infinite without a terminal. */
  readonly width: number;
}

/** The blocks as one text that ends in a line break; empty without blocks. */
export function renderView(view: readonly Block[], settings: ViewSettings): string {
  return view.map((block) => renderBlock(block, settings)).join("");
}

function renderBlock(block: Block, settings: ViewSettings): string {
  const { paint, mask } = settings;
  switch (block.kind) {
    case "verbatim":
      return block.text === "" || block.text.endsWith("\n") ? block.text : `${block.text}\n`;
    case "heading":
      return linesOf([paint(oneLine(mask(block.text)), "strong")]);
    case "fields":
      return linesOf(renderFields(block.entries, settings));
    case "table":
      return linesOf(renderTable(block, settings));
    default:
      return linesOf(manyLines(mask(block.text)).map((line) => paint(line, block.tone ?? "plain")));
  }
}

function linesOf(lines: readonly string[]): string {
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

type Entries = Extract<Block, { kind: "fields" }>["entries"];

function renderFields(entries: Entries, { paint, mask }: ViewSettings): readonly string[] {
  const labels = entries.map(([label]) => oneLine(mask(label)));
  const width = Math.max(0, ...labels.map((label) => columnsFor(label)));
  return entries.flatMap(([, value, tone], index) => {
    const lines = manyLines(mask(value));
    return lines.map((line, position) => {
      const label = position === 0 ? (labels[index] ?? "") : "";
      return `${paint(label, "dim")}${padding(label, width)}  ${paint(line, tone ?? "plain")}`;
    });
  });
}

type Table = Extract<Block, { kind: "table" }>;

function renderTable(table: Table, settings: ViewSettings): readonly string[] {
  const clean = (cell: string) => oneLine(settings.mask(cell));
  const columns = table.columns.map((column) => clean(column));
  const rows = table.rows.map((row) => columns.map((_, index) => clean(row[index] ?? "")));
  const widths = columns.map((_, index) =>
    Math.max(...[columns, ...rows].map((row) => columnsFor(row[index] ?? ""))),
  );
  const total = widths.reduce((sum, width) => sum + width + 2, -2);
  if (total > settings.width) return renderRecords(columns, rows, settings);
  const line = (cells: readonly string[], tone: "plain" | "dim") =>
    cells
      .map((cell, index) => settings.paint(cell, tone) + padding(cell, widths[index] ?? 0))
      .join("  ");
  return [line(columns, "dim"), ...rows.map((row) => line(row, "plain"))];
}

/** For a table that is too wide: each row as labelled lines, so that no value is cut. */
function renderRecords(
  columns: readonly string[],
  rows: readonly (readonly string[])[],
  settings: ViewSettings,
): readonly string[] {
  return rows.flatMap((row, index) => [
    ...(index === 0 ? [] : [""]),
    ...renderFields(
      columns.map((column, position) => [column, row[position] ?? ""]),
      { ...settings, mask: (text) => text },
    ),
  ]);
}

function padding(text: string, width: number): string {
  return " ".repeat(Math.max(0, width - columnsFor(text)));
}
