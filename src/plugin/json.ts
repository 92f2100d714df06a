/** Reads JSON of others, which may contain anything. */
import { Refusal } from "./refusal.ts";

/** A member of what should be an object; `undefined` when there is none. */
export function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

/** A member that should be text; `undefined` when it is absent, empty or anything else. */
export function textOf(value: unknown, name: string): string | undefined {
  const text = fieldOf(value, name);
  return typeof text === "string" && text !== "" ? text : undefined;
}

/** A member that should be a list; an empty one when it is absent or anything else. */
export function listOf(value: unknown, name: string): readonly unknown[] {
  const list = fieldOf(value, name);
  return Array.isArray(list) ? list : [];
}

/** A member that an answer has to have, as text. Throws a `Refusal` without it. */
export function needText(answer: unknown, name: string): string {
  const text = textOf(answer, name);
  if (text === undefined) throw new Refusal({ words: `an answer without ${name}` });
  return text;
}
