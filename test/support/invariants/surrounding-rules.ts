import type { Rule } from "./rule.ts";
import { textsOf } from "./state.ts";

/** What a run leaves running, and whom it talks to. */
export const surroundingRules = {
  "nothing is left running": ({ surroundings, left = [], code, alone }) => {
    // A socket listens as long as a process has it.
    const programs = code === null || !alone ? [] : left.map((words) => `the program ${words}`);
    if (surroundings === undefined) return programs;
    const servers = surroundings.servers.filter(({ listening }) => listening);
    const children = surroundings.children.filter(
      ({ process }) =>
        process.pid !== undefined && process.exitCode === null && process.signalCode === null,
    );
    return [
      ...servers.map((server) => `a listener on ${JSON.stringify(server.address())}`),
      ...children.map(({ argv }) => `the program ${argv.join(" ")}`),
    ];
  },
  "no other host is contacted": ({ surroundings, words, env, config, ca, before }) => {
    // A check goes to the names themselves.
    const isCheck = words[0] === "check" || words.includes("--check");
    if (surroundings === undefined || ca === undefined || isCheck) return [];
    const remembered = textsOf(before, (path) => path.endsWith("/certificate.json")).values();
    const given = [...words, ...Object.values(env), config, ...remembered].join(" ");
    return [...surroundings.contacted].flatMap((place) => {
      const port = place.slice(place.lastIndexOf(":") + 1);
      const isCa = ca.ever.some(({ headers }) => headers.host?.endsWith(`:${port}`));
      const isOwn = surroundings.listened.has(Number(port));
      return isCa || isOwn || given.includes(port) ? [] : [`${place} was contacted`];
    });
  },
} satisfies Record<string, Rule>;
