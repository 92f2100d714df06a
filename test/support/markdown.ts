/** Tables of the documentation. */
import type { OptionDeclarations } from "../../src/options/declaration.ts";
import { describeOptions, type OptionDescription } from "../../src/options/describe.ts";

/** The options of a plugin as Markdown, its columns aligned as the formatter aligns them. */
export function optionsTable(declarations: OptionDeclarations, plugin: string): string {
  const options = describeOptions(declarations, plugin);
  if (options.length === 0) return "It has no options.";
  const header = ["In the config", "Flag", "Environment", "Takes", "Default", "Meaning"];
  return markdownTable(
    header,
    options.map((option) => cellsOf(option).map(escape)),
  );
}

/** Rows of Markdown, aligned as the formatter aligns them. */
export function markdownTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [line(header), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join(
    "\n",
  );
}

function cellsOf(option: OptionDescription): readonly string[] {
  const { name, flag, variables, required, secret, accepts, description } = option;
  const kind = secret ? `${accepts}; secret` : accepts;
  return [
    `\`${name}\``,
    flag === undefined ? "none" : `\`${flag.long}\``,
    variables.map((variable) => `\`${variable}\``).join(", "),
    kind,
    required ? "required" : code(option.default),
    description,
  ];
}

function code(text: string | undefined): string {
  return text === undefined ? "none" : `\`${text}\``;
}

/** `|` ends a cell, `*` and `_` begin emphasis; inside code they are themselves. */
function escape(cell: string): string {
  return cell
    .split(/(`[^`]*`)/)
    .map((part) => (part.startsWith("`") ? part : part.replaceAll(/[*_]/g, "\\$&")))
    .join("")
    .replaceAll("|", "\\|");
}
