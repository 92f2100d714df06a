import type { Rule } from "./rule.ts";

/** What must be true of a state in PostgreSQL after every run, killed or not. */
export const databaseRules = {
  "what PostgreSQL has in use is a matching pair": ({ database }) => database?.unusable ?? [],
  "what PostgreSQL has in use never goes back": ({ database, heldBefore, words }) =>
    [...(heldBefore ?? [])].flatMap(([name, version]) => {
      const now = database?.held.get(name);
      if (database === undefined || words[0] === "delete" || (now ?? 0) >= version) return [];
      return [`${name} had version ${version} and has ${now ?? "none"}`];
    }),
  "PostgreSQL has no secret in the clear": ({ database, env }) => {
    const isSealed = env["ACMECTL_STATE_KEY"] !== undefined;
    return isSealed ? (database?.clear ?? []).map((name) => `one is in the table ${name}`) : [];
  },
  "no lease and no challenge is left in PostgreSQL": ({ database, code, alone, stderr }) => {
    if (database === undefined || !alone || code === null) return [];
    const mayStay = (code !== 0 && code !== 9 && code !== 10) || /could not clean up/.test(stderr);
    return [
      ...database.leases.map((name) => `the lease ${name}`),
      ...(mayStay ? [] : database.presented.map((name) => `a challenge: ${name}`)),
    ];
  },
} satisfies Record<string, Rule>;
