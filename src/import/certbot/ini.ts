/** The part of the configobj format that certbot writes, and that its users write into credentials and `cli.ini`. */

export interface IniSection {
  /** A list where there were commas; else one text. */
  readonly values: Readonly<Record<string, readonly string[]>>;
  readonly sections: Readonly<Record<string, IniSection>>;
}

interface Writing {
  values: Record<string, readonly string[]>;
  sections: Record<string, Writing>;
}

/** `[section]`, `[[subsection]]`, `key = value`, quotes, lists, comments and values of several lines. Other lines are skipped. */
export function parseIni(text: string): IniSection {
  const root = emptySection();
  const path: Writing[] = [root];
  for (const line of linesOf(text)) {
    const heading = /^\s*(\[+)\s*([^[\]]*?)\s*\]+\s*(?:#.*)?$/.exec(line);
    const pair = /^\s*([^#=[\s][^=]*)=(.*)$/s.exec(line);
    if (heading !== null) {
      const [, brackets = "", name = ""] = heading;
      const parent = path[Math.min(brackets.length, path.length) - 1] ?? root;
      path.splice(
        brackets.length,
        path.length,
        (parent.sections[unquoted(name)] ??= emptySection()),
      );
    } else if (pair !== null) {
      const [, key = "", value = ""] = pair;
      const section = path.at(-1) ?? root;
      section.values[unquoted(key.trim())] = valuesOf(value);
    }
  }
  return root;
}

/** Lines, where a value in triple quotes may have line ends of its own. */
function linesOf(text: string): readonly string[] {
  const lines = text.replaceAll("\r\n", "\n");
  return lines.match(/^[^\n#=[]*=[ \t]*(?:'''[^]*?'''|"""[^]*?""").*|^.*$/gm) ?? [];
}

/** The text of a key; a list is joined. Undefined for an empty value, and for the `None` that certbot writes. */
export function valueOf(section: IniSection | undefined, key: string): string | undefined {
  const values = section?.values[key];
  const text = values?.join(", ");
  return text === undefined || text === "" || text === "None" ? undefined : text;
}

function emptySection(): Writing {
  // Keys come from a file: `__proto__` is a key like any other.
  return { values: Object.create(null), sections: Object.create(null) };
}

const item =
  /^\s*(?:'''([^]*?)'''|"""([^]*?)"""|"([^"]*)"|'([^']*)'|([^,#]*(?:#(?<!\s#)[^,#]*)*))\s*(,?)/;

function valuesOf(text: string): readonly string[] {
  const values: string[] = [];
  for (let rest = text; ;) {
    const match = item.exec(rest);
    if (match === null) return values;
    const quoted = match.slice(1, 5).find((part) => part !== undefined);
    const plain = quoted ?? match[5]?.trim() ?? "";
    if (quoted !== undefined || plain !== "") values.push(plain);
    if (match[6] !== ",") return values;
    rest = rest.slice(match[0].length);
  }
}

/** Without one pair of quotes around it. */
export function unquoted(text: string): string {
  return /^(["'])(.*)\1$/.exec(text)?.[2] ?? text;
}
