import { pagesOf } from "../pages.ts";
import { type Block, isStream, type List, type Row } from "../result.ts";
import type { Paint } from "./colour.ts";
import { columnsFor, longestPiece, manyLines, oneLine } from "./text.ts";

export interface ViewSettings {
  readonly paint: Paint;
  readonly mask: (text: string) => string;
  /** Columns of the terminal; a wider table is written row by row. Infinite without a terminal. */
  readonly width: number;
}

/** The blocks as text that ends in a line break, in pieces; nothing without blocks. */
export async function* viewPieces(
  view: List<Block>,
  isShown: (block: Block) => boolean,
  settings: ViewSettings,
): AsyncGenerator<string> {
  let text = "";
  for await (const block of view) {
    if (!isShown(block)) continue;
    for await (const piece of piecesOf(block, settings)) {
      text += piece;
      if (text.length < longestPiece) continue;
      yield text;
      text = "";
    }
  }
  yield text;
}

function piecesOf(block: Block, settings: ViewSettings): List<string> {
  if (block.kind !== "table") return [renderBlock(block, settings)];
  const { columns, rows } = block;
  return isStream(rows)
    ? streamedTable(columns, rows, settings)
    : [...wholeTable(columns, rows, settings)];
}

/** The same as one text, of a view without streamed tables. */
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
      return isStream(block.rows)
        ? ""
        : [...wholeTable(block.columns, block.rows, settings)].join("");
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

/** As wide as what was shown so far needs: a hundred thousand rows are not in memory at once. */
async function* streamedTable(
  columns: Row,
  rows: AsyncIterable<Row>,
  settings: ViewSettings,
): AsyncGenerator<string> {
  let widths: readonly number[] | undefined;
  for await (const page of pagesOf(rows, rowsOfPage)) {
    const wider = widthsOf(columns, page, settings, widths);
    yield pageOf(columns, page, settings, { widths: wider, isFirst: widths === undefined });
    widths = wider;
  }
}

function* wholeTable(
  columns: Row,
  rows: readonly Row[],
  settings: ViewSettings,
): Generator<string> {
  const widths = widthsOf(columns, rows, settings);
  for (let at = 0; at === 0 || at < rows.length; at += rowsOfPage) {
    const page = rows.slice(at, at + rowsOfPage);
    yield pageOf(columns, page, settings, { widths, isFirst: at === 0 });
  }
}

const rowsOfPage = 1000;

const cleanIn =
  ({ mask }: ViewSettings) =>
  (cell: string) =>
    oneLine(mask(cell));

function widthsOf(
  columns: Row,
  rows: readonly Row[],
  settings: ViewSettings,
  least: readonly number[] = columns.map(() => 0),
): readonly number[] {
  const clean = cleanIn(settings);
  const widths = columns.map((name, index) => Math.max(least[index] ?? 0, columnsFor(clean(name))));
  for (const row of rows)
    for (const [index, width] of widths.entries())
      widths[index] = Math.max(width, columnsFor(clean(row[index] ?? "")));
  return widths;
}

/** Some rows of a table, below its heading if they are the first. */
function pageOf(
  names: Row,
  cells: readonly Row[],
  settings: ViewSettings,
  { widths, isFirst }: { readonly widths: readonly number[]; readonly isFirst: boolean },
): string {
  const columns = names.map(cleanIn(settings));
  const rows = cells.map((row) => columns.map((_, index) => cleanIn(settings)(row[index] ?? "")));
  const total = widths.reduce((sum, width) => sum + width + 2, -2);
  if (total > settings.width) {
    const records = renderRecords(columns, rows, settings);
    return linesOf(isFirst ? records : ["", ...records]);
  }
  const line = (row: Row, tone: "plain" | "dim") =>
    row
      .map((cell, index) => settings.paint(cell, tone) + padding(cell, widths[index] ?? 0))
      .join("  ");
  const lines = rows.map((row) => line(row, "plain"));
  return linesOf(isFirst ? [line(columns, "dim"), ...lines] : lines);
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
