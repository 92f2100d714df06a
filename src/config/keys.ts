/** A dotted path of the config, where the names of entries may have dots themselves. */
import { Problem } from "../problem.ts";
import { isSection, sections, type Shape } from "./sections.ts";

import { isRecord } from "../json.ts";

/**
 * `certificates.shop.keyType` → its parts. Of `certificates.shop.example.com.keyType` the name is what stands in the file, else
 * as much as leaves a known option behind; quotes settle it: `certificates."shop.example.com".keyType`. Throws a Problem.
 */
export function keysOf(path: string, file: Readonly<Record<string, unknown>>): readonly string[] {
  const parts = partsOf(path);
  const [section, ...rest] = parts;
  if (section === undefined || !isSection(section) || rest.length === 0) return parts;
  const { entries, shape }: { entries: boolean; shape: Shape } = sections[section];
  if (!entries) return parts;
  const held = file[section];
  const named = isRecord(held) ? Object.keys(held) : [];
  for (let count = rest.length; count > 0; count -= 1) {
    const name = rest.slice(0, count).join(".");
    if (named.includes(name)) return [section, name, ...rest.slice(count)];
  }
  const option = rest.findIndex((part, index) => index > 0 && Object.hasOwn(shape.options, part));
  const count = option === -1 ? 1 : option;
  return [section, rest.slice(0, count).join("."), ...rest.slice(count)];
}

function partsOf(path: string): readonly string[] {
  const parts = path.match(/"[^"]*"|[^."]+/gu) ?? [];
  if (parts.length === 0 || parts.join(".") !== path) {
    throw new Problem("usage", {
      detail: `${JSON.stringify(path)} is not a key of the config.`,
      hint: 'Write a key like issuers.letsencrypt.email; put a name with dots in quotes: certificates."shop.example.com".keyType.',
    });
  }
  return parts.map((part) => part.replaceAll('"', ""));
}
