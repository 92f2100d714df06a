/** Declared options → values: flag, environment, config, default, in this order. */
import { isRecord } from "../json.ts";
import { asProblem, Problem } from "../problem.ts";
import type { OptionDeclaration, OptionDeclarations, OptionsOf } from "./declaration.ts";
import { acceptedBy, describeOption } from "./describe.ts";
import { type ConfigSection, find, type Found, type OptionSources } from "./find.ts";
import { nearest } from "./near.ts";
import { absoluteReference, isOnlyPrefix, isReference, readSecret } from "./secret.ts";
import { parseValue } from "./value.ts";

export interface ResolvedOptions<D extends OptionDeclarations> {
  readonly values: OptionsOf<D>;
  /** By option: `--domains`, `ACMECTL_DOMAINS`, `/etc/acmectl/config.yaml: solvers.cf.ttl`, `default`; absent where there is no value. */
  readonly sources: Readonly<Record<string, string>>;
}

/** Finds, reads and checks all values. Rejects with one Problem, of kind `usage` or `config`, that lists everything that is wrong. */
export async function resolveOptions<const D extends OptionDeclarations>(
  declarations: D,
  from: OptionSources,
): Promise<ResolvedOptions<D>> {
  const values: Record<string, unknown> = {};
  const sources: Record<string, string> = {};
  const failures = unknownKeys(declarations, from);
  for (const [option, declaration] of Object.entries(declarations)) {
    values[option] = undefined;
    try {
      const found = await find(option, declarations, from);
      if (found !== undefined) {
        sources[option] = found.source;
        values[option] = await read(declaration, found, from);
      } else if (declaration.required === true) {
        failures.push(missing(option, declaration, from));
      }
    } catch (error) {
      failures.push(withSource(asProblem(error), sources[option]));
    }
  }
  if (failures.length > 0) throw oneProblem(failures);
  if (!holdsAll(values, declarations)) throw new TypeError("An option was not resolved.");
  return { values, sources };
}

async function read(
  declaration: OptionDeclaration,
  found: Found,
  from: OptionSources,
): Promise<unknown> {
  if (found.fromDefault === true && typeof found.raw !== "string") return found.raw;
  if (declaration.reference === true && declaration.type === "list") {
    const all: unknown[] = Array.isArray(found.raw) ? found.raw : [found.raw];
    return all.map((raw) => readReference(declaration, { ...found, raw }, from));
  }
  if (declaration.reference === true) return readReference(declaration, found, from);
  const place = { folder: found.folder, home: from.env["HOME"] };
  const raw = declaration.secret === true ? await withSecrets(declaration, found, from) : found.raw;
  const parsed = parseValue(declaration, raw, place);
  if ("wrong" in parsed) throw unreadable(declaration, found, parsed.wrong);
  return parsed.value;
}

/** The secret stays where it is: a variable's content becomes a reference to the variable. */
function readReference(declaration: OptionDeclaration, found: Found, from: OptionSources): unknown {
  const parsed = parseValue({ type: "string", description: "" }, found.raw, found);
  if ("wrong" in parsed) throw unreadable(declaration, found, parsed.wrong);
  const text = String(parsed.value);
  if (found.reference !== undefined && !(isReference(text) && found.literal !== true)) {
    from.mask(text);
    return found.reference;
  }
  if (isReference(text)) return absoluteReference(text, found.folder);
  if (!isOnlyPrefix(text)) from.mask(text);
  throw unreadable(declaration, found, "is not a reference");
}

async function withSecrets(
  declaration: OptionDeclaration,
  found: Found,
  from: OptionSources,
): Promise<unknown> {
  const { type } = declaration;
  const several = type === "list" || type === "map";
  const sources = { ...from, folder: found.folder, multiline: type === "json" };
  const open = async (raw: unknown, literal: boolean): Promise<unknown> => {
    if (Array.isArray(raw)) return Promise.all(raw.map((one) => open(one, literal)));
    if (isRecord(raw)) {
      const opened = Object.entries(raw).map(async ([key, one]) => [key, await open(one, literal)]);
      return Object.fromEntries(await Promise.all(opened));
    }
    return typeof raw === "string" && raw !== "" ? readSecret(raw, { ...sources, literal }) : raw;
  };
  const literal = found.literal === true;
  if (!several || typeof found.raw !== "string") return open(found.raw, literal);
  // One text holds several secrets. Each is masked on its own, since it is used and shown on its own.
  const isWhole = !literal && isReference(found.raw);
  const text = isWhole ? await readSecret(found.raw, { ...sources, multiline: true }) : found.raw;
  const parsed = parseValue(declaration, text, found);
  return "wrong" in parsed ? text : open(parsed.value, literal || isWhole);
}

/** Nothing of a secret is shown, nor of what was meant to be one. */
function unreadable(declaration: OptionDeclaration, found: Found, wrong: string): Problem {
  const { choices, secret, reference } = declaration;
  const accepted = `it takes ${acceptedBy(declaration)}`;
  if (secret === true || reference === true) {
    // A part of the value is in quotes.
    const shown = wrong.includes('"') ? "does not fit" : wrong;
    return new Problem(found.kind, { detail: `${found.source} ${shown}: ${accepted}.` });
  }
  const { raw } = found;
  const near = typeof raw === "string" ? nearest(raw, choices ?? []) : undefined;
  const meant = near === undefined ? "." : `; did you mean ${near}?`;
  const detail = `${found.source} ${shownValue(raw)}${wrong}: ${accepted}${meant}`;
  return new Problem(found.kind, { detail: detail.replaceAll(/\/\/[^/@"\s]*@/g, "//***@") });
}

function shownValue(raw: unknown): string {
  const parts: unknown[] = Array.isArray(raw) ? raw : [raw];
  if (parts.every((part) => part === "" || part === null)) return "";
  const text = parts.map((part) => JSON.stringify(part)).join(", ");
  return `is ${text.length > 80 ? `${text.slice(0, 79)}…` : text}, which `;
}

function missing(option: string, declaration: OptionDeclaration, from: OptionSources): Problem {
  const { plugin, config } = from;
  const { flag, variables } = describeOption(option, declaration, plugin);
  const ways = [...(flag === undefined ? [] : [flag.long]), ...variables];
  const key = config === undefined ? "" : `, or ${sectionKey(config, option)} in ${config.path}`;
  const whose = plugin === undefined ? "This command" : `The solver ${plugin}`;
  const give = `Give ${ways.join(", or ")}${key}.`;
  const reference = "A secret can be given as env:NAME, file:/path or cmd:program args.";
  return new Problem("usage", {
    detail: `${whose} needs ${option}: ${declaration.description}`,
    hint: declaration.secret === true ? `${give} ${reference}` : give,
  });
}

function unknownKeys(
  declarations: OptionDeclarations,
  { plugin, config }: OptionSources,
): Problem[] {
  if (config === undefined) return [];
  const known = Object.keys(declarations);
  const unknown = Object.keys(config.values).filter((key) => !known.includes(key));
  return unknown.map((key) => {
    const whose = plugin === undefined ? "" : ` of the solver ${plugin}`;
    const detail = `${config.path}: ${sectionKey(config, key)} is not an option${whose}.`;
    if (known.length === 0) return new Problem("config", { detail });
    const near = nearest(key, known);
    const meant = near === undefined ? "" : `Did you mean ${near}? `;
    const hint = `${meant}Use one of ${known.join(", ")}.`;
    return new Problem("config", { detail, hint });
  });
}

function sectionKey({ key }: ConfigSection, option: string): string {
  return key === undefined ? option : `${key}.${option}`;
}

function withSource(problem: Problem, source: string | undefined): Problem {
  const { message, hint, cause } = problem;
  if (source === undefined || message.startsWith(source)) return problem;
  const kind = source.startsWith("/") ? "config" : "usage";
  return new Problem(kind, { detail: `${source}: ${message}`, hint, cause });
}

function oneProblem(failures: readonly Problem[]): Problem {
  const [only] = failures;
  if (only !== undefined && failures.length === 1) return only;
  const kind = failures.every((failure) => failure.is("config")) ? "config" : "usage";
  const hints = new Set(failures.flatMap(({ hint }) => hint ?? []));
  return new Problem(kind, {
    detail: `${failures.length} options are invalid.`,
    subproblems: failures.map(({ document }) => document),
    hint: hints.size === 0 ? undefined : [...hints].join("\n"),
  });
}

function holdsAll<D extends OptionDeclarations>(
  values: object,
  declarations: D,
): values is OptionsOf<D> {
  return Object.keys(declarations).every((option) => Object.hasOwn(values, option));
}
