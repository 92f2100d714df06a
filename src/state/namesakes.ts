/** Which certificates are for exactly the same names. */
import type { Identifier } from "../plugin.ts";
import { markOfText } from "./mark.ts";
import type { Store } from "./store.ts";

/** A certificate and the mark of its names, which is equal for the same names in any order. */
export interface Marked {
  readonly name: string;
  readonly mark: string;
}

/** `all` is asked once: a pass over ten thousand certificates must not look at all of them for each. */
export function openNamesakes(
  all: () => AsyncIterable<Marked>,
): Store["certificates"]["namesakes"] {
  let grouped: Promise<Map<string, readonly string[]>> | undefined;
  return async ({ name, identifiers }) => {
    grouped ??= groupsOf(all());
    const groups = await grouped.catch((error: unknown) => {
      grouped = undefined;
      throw error;
    });
    const mark = markOf(identifiers);
    const others = (groups.get(mark) ?? []).filter((one) => one !== name);
    // It may be new.
    groups.set(mark, [...others, name]);
    return others;
  };
}

/** For a store without an index. */
export async function* markedIn(
  certificates: Pick<Store["certificates"], "list">,
): AsyncGenerator<Marked> {
  for await (const one of certificates.list()) {
    if (!("problem" in one)) yield { name: one.name, mark: markOf(one.request.identifiers) };
  }
}

async function groupsOf(all: AsyncIterable<Marked>): Promise<Map<string, readonly string[]>> {
  const groups = new Map<string, string[]>();
  for await (const { name, mark } of all) {
    const group = groups.get(mark);
    if (group === undefined) groups.set(mark, [name]);
    else group.push(name);
  }
  return groups;
}

/** What is found by it is compared. */
export function markOf(identifiers: readonly Pick<Identifier, "value">[]): string {
  const values = identifiers.map(({ value }) => value);
  return markOfText(values.toSorted().join(" "));
}
