/** For a backend that has no index: each run looks at all certificates. */
import { markedIn, openNamesakes } from "./namesakes.ts";
import type { Store } from "./store.ts";

type Certificates = Store["certificates"];

export function unindexed({
  list,
  names,
}: Pick<Certificates, "list" | "names">): Pick<
  Certificates,
  "namesakes" | "due" | "nextDue" | "count"
> {
  return {
    namesakes: openNamesakes(() => markedIn({ list })),
    due: () => list({ attempts: false }),
    nextDue: () => Promise.resolve(undefined),
    count: async () => (await names()).length,
  };
}

/** Another run may lock it right after: then this one waits for it. */
export function claimUnlocked(isLocked: Store["isLocked"]): Store["claim"] {
  return async (names) => {
    for (const name of names)
      if (!(await isLocked(`certificate:${name}`))) return { name, release: async () => undefined };
    return undefined;
  };
}
