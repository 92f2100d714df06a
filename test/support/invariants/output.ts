import { isRecord, parseJson } from "../../../src/json.ts";
import type { Rule } from "./rule.ts";
import { jsonIn, textsOf, type StateSeen } from "./state.ts";
import { join } from "node:path";

/** What a person or a program reads. */
export const outputRules = {
  "no secret is shown": (run) => {
    const { stdout, stderr, words, surroundings } = run;
    const keys = [...new Set([...keysIn(run.before), ...keysIn(run.after)])];
    const secrets = [...keys, ...secretsIn(run)];
    const shown = { stdout: words.join(" ").startsWith("account export") ? "" : stdout, stderr };
    const passed = surroundings?.children.flatMap(({ argv, env }) => [...argv, ...env]) ?? [];
    const places = {
      ...shown,
      "the words or the environment of a program": passed.join("\n"),
      ...Object.fromEntries(recordsOf(run.after)),
    };
    return Object.entries(places).flatMap(([place, text]) =>
      secrets.some((secret) => text.includes(secret)) ? [`a secret is in ${place}`] : [],
    );
  },
  "--json prints one document": ({ words, code, stdout, env }) => {
    const isAsked = words.includes("--json") || env["ACMECTL_JSON"] === "1";
    const isText = words.some((word) =>
      /^(--help|-h|--version|-V|help|completion|schema)$/.test(word),
    );
    if (!isAsked || isText || code === null) return [];
    const document = parseJson(stdout);
    if (!isRecord(document)) return [`stdout is ${JSON.stringify(stdout.slice(0, 200))}`];
    const { problem } = document;
    const said = isRecord(problem) ? problem["code"] : code;
    return said === code ? [] : [`it says ${JSON.stringify(said)}, and the exit code is ${code}`];
  },
  "no words of the machine are shown": ({ stdout, stderr, code }) => {
    // A bug shows its stack, and asks for a report.
    if (code === 1) return ["exit code 1: a bug"];
    const found = [stdout, stderr].flatMap((text) => machineWords.exec(text)?.[0] ?? []);
    return found.map((words) => `"${words.trim()}" is shown`);
  },
} satisfies Record<string, Rule>;

const machineWords =
  /\n\s+at (async )?\S+ ?\(?\S*:\d+:\d+|\b(Type|Reference|Range|Syntax|Assertion)Error\b|\buv_\w+|node:internal\S*|Unhandled\w*|\w+Warning: |\[object Object\]|\bundefined\b(?= )/;

/** Lines of the private keys in the state. */
function keysIn(state: StateSeen): readonly string[] {
  const files = textsOf(state, (path) => /key[^/]*\.pem$/.test(path) && !path.includes("current/"));
  const pending = [...state.pending.values()].map(({ privateKey = "" }) => privateKey);
  const keys = [...files.values(), ...pending].filter((text) => text.includes("PRIVATE KEY"));
  return keys.flatMap((pem) => {
    const lines = pem.split(/\r?\n/);
    // What follows in a key of a curve, and comes first in one of RSA, is its public half.
    return lines.length < 10 ? lines.slice(1, 3) : lines.slice(-9, -3);
  });
}

/** Secrets that came by the environment, as values and not as references. */
function secretsIn({ env, words }: Parameters<Rule>[0]): readonly string[] {
  return Object.entries(env).flatMap(([name, value]) => {
    const isSecret = /TOKEN|SECRET|PASSWORD|HMAC|ACCESS_KEY$|TSIG_KEY$/.test(name);
    const isReference = /^(env|file|cmd):|^\//.test(value) || name.endsWith("_FILE");
    const isPassed = words.some((word) => word.includes(name));
    return isSecret && !isReference && !isPassed && value.length >= 8 ? [value] : [];
  });
}

/** The records of the state as text; the journal without the key that it has to keep. */
function recordsOf(state: StateSeen): ReadonlyMap<string, string> {
  const texts = textsOf(state, (path) => path.endsWith(".json") && !path.includes("current/"));
  return new Map(
    [...texts].map(([path, text]) => {
      if (!path.startsWith("pending/")) return [path, text];
      const hidden = (name: string, value: unknown) => (name === "privateKey" ? "" : value);
      return [path, JSON.stringify(jsonIn(join(state.root, path)), hidden) ?? ""];
    }),
  );
}
