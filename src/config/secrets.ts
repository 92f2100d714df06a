/** Hides secrets that are written in the config file itself. */
import { issuerOptions } from "./config.ts";
import type { OptionDeclaration, OptionDeclarations } from "../options/declaration.ts";
import { channels } from "../options/declared/notification.ts";
import { isRecord } from "../json.ts";
import { isReference } from "../options/secret.ts";
import { asProblem, Problem } from "../problem.ts";
import { getConfigValue, type SolverOptions } from "./file.ts";

/** The value at `keys` as it may be shown: every secret that is written out reads `***`. `path`: the config file. */
export async function withoutSecrets(
  value: unknown,
  keys: readonly string[],
  path: string,
  load: SolverOptions,
): Promise<unknown> {
  const [section, entry] = keys;
  const names = entry === undefined ? Object.keys(Object(value)) : [entry];
  const declared = new Map<string, OptionDeclarations | undefined>();
  for (const name of keys.length === 0 || section !== "solvers" ? [] : names) {
    const options = await getConfigValue(path, `solvers."${name}".use`)
      .then(({ value: use }) => load(String(use)))
      .catch(asProblem);
    declared.set(name, Problem.is(options) ? undefined : options);
  }
  return hide(value, keys, declared);
}

/** By the name of the solver; undefined where its plugin cannot be loaded. */
type Declared = ReadonlyMap<string, OptionDeclarations | undefined>;

function hide(value: unknown, keys: readonly string[], declared: Declared): unknown {
  if (Array.isArray(value)) return value.map((item) => hide(item, keys, declared));
  if (isRecord(value)) {
    const entries = Object.entries(value);
    return Object.fromEntries(
      entries.map(([key, below]) => [key, hide(below, [...keys, key], declared)]),
    );
  }
  if (!isSecret(keys, declared)) return value;
  return typeof value === "string" && isReference(value) ? value : "***";
}

function isSecret(
  [section, entry = "", option, ...rest]: readonly string[],
  declared: Declared,
): boolean {
  if (option === undefined) return false;
  if (section === "issuers") return declares(issuerOptions, option);
  if (section === "notify") return isNotifySecret(option, rest);
  if (section !== "solvers") return false;
  const options = declared.get(entry);
  // The plugin cannot be loaded, so the option's name decides.
  if (options === undefined) return /secret|token|password|key|hmac|credential/iu.test(option);
  return declares(options, option);
}

/** Of a channel: `webhook.url`, `webhook.headers.Authorization`, or a bare text in its place. */
function isNotifySecret(channel: string, [option]: readonly string[]): boolean {
  if (!isChannel(channel)) return false;
  const { options, shorthand }: { options: OptionDeclarations; shorthand?: string } =
    channels[channel];
  return declares(options, option ?? shorthand ?? "");
}

function isChannel(name: string): name is keyof typeof channels {
  return Object.hasOwn(channels, name);
}

function declares(options: OptionDeclarations, option: string): boolean {
  const declaration: OptionDeclaration | undefined = options[option];
  return declaration?.secret === true || declaration?.reference === true;
}
