/** Modes and owners as they are written in options. */
import { Problem } from "acmectl/plugin";

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** `0644` as a number; throws a Problem of kind `config` that names the option. */
export function permissions(text: string, option: string): number {
  if (/^0?[0-7]{3}$/.test(text)) return Number.parseInt(text, 8);
  throw new Problem("config", {
    detail: `The webroot solver's ${option} is ${JSON.stringify(text)}, which is no mode.`,
    hint: "Write three octal digits, for example 0644.",
  });
}

/** `33:33` as numbers; throws a Problem of kind `config`. */
export function ownership(text: string): Owner {
  const match = /^(\d{1,9}):(\d{1,9})$/.exec(text);
  if (match !== null) return { uid: Number(match[1]), gid: Number(match[2]) };
  throw new Problem("config", {
    detail: `The webroot solver's owner is ${JSON.stringify(text)}, which is not UID:GID.`,
    hint: "Write both numbers, for example 33:33; `id www-data` shows them.",
  });
}
